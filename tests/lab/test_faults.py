"""Signals in the midst of writing, damaged and hostile files in a run, and the table of docs/reliability.md."""

import os
import pickle
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch
from faults import TINY, content, said, train

from minicm import checkpoints

ROOT = Path(__file__).parents[2]
OPTIONS = ["--iterations", "7"]


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.set_default_dtype(torch.float32)
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(out, *OPTIONS) == 0
    return out


# --- signals


def signals_while_writing(patch, write, *numbers):
    """Send this process the signals when the file number `write`, from 0, reaches the disk."""
    count, fsync = iter(range(10**6)), os.fsync

    def interrupted(descriptor):
        fsync(descriptor)
        if next(count) == write:
            for number in numbers:
                os.kill(os.getpid(), number)

    patch.setattr(checkpoints.os, "fsync", interrupted)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("write", [6, 8, 11])
def test_a_signal_while_a_file_is_written_saves_and_stops(tmp_path, whole, monkeypatch, number, write):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        signals_while_writing(patch, write, number)
        assert train(out, *OPTIONS, "--checkpoint_minutes", "0") == 128 + number
    assert not list(out.rglob("*.part"))
    assert train(out, *OPTIONS) == 0
    assert content(out) == content(whole)


def test_a_second_signal_interrupts_the_writing_and_the_checkpoint_before_stays(tmp_path, whole, monkeypatch, capsys):
    out = tmp_path / "run"
    for _ in range(2):
        assert train(out, *OPTIONS, "--minutes", "0") == 0
    with monkeypatch.context() as patch:
        signals_while_writing(patch, 8, signal.SIGINT, signal.SIGINT)
        assert train(out, *OPTIONS, "--checkpoint_minutes", "0") == 130
    assert "minicm: stopped" in capsys.readouterr().err
    assert not list(out.rglob("*.part"))
    assert torch.load(out / "checkpoint.pt", weights_only=True)["iteration"] == 1
    assert train(out, *OPTIONS) == 0
    assert content(out) == content(whole)


# --- damaged and hostile files in a run's folder


class Hostile:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def hostile_zip(path, trace):
    torch.save({"format": "minicm checkpoint 1", "iteration": 0, "parts": Hostile(trace)}, path)


def hostile_pickle(path, trace):
    path.write_bytes(pickle.dumps(Hostile(trace)))


def cut(path, trace):
    path.write_bytes(path.read_bytes()[:-100])


def flipped(path, trace):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [hostile_zip, hostile_pickle, cut, flipped])
def test_a_damaged_checkpoint_stops_the_command_and_is_left_alone(tmp_path, whole, damage):
    out, trace = tmp_path / "run", tmp_path / "it-ran"
    shutil.copytree(whole, out)
    damage(out / "checkpoint.pt", trace)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    code, line = said(lambda: train(out, *OPTIONS))
    assert code == 2 and str(out / "checkpoint.pt") in line and "delete this file to begin anew" in line
    assert not trace.exists()
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "checkpoint.pt").unlink()
    assert train(out, *OPTIONS) == 0
    assert content(out) == content(whole)


@pytest.mark.parametrize("name", ["ema10.safetensors", "config.json"])
def test_what_else_a_run_reads_is_refused_in_one_line(tmp_path, whole, name):
    out = tmp_path / "run"
    shutil.copytree(whole, out)
    (out / name).write_bytes((out / name).read_bytes()[:-30])
    from minicm.lab.run_folder import load_run

    with pytest.raises(ValueError, match=f"^expected [^\n]*{re.escape(str(out))}[^\n]*$"):
        load_run(out, experiment=TINY)


# --- the table


def cited():
    """(file, test) for each `test_file.py::test_name` of the page, and the page."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    return re.findall(r"`(test_\w+\.py)::(test_\w+)`", page), page


def test_every_test_that_the_page_cites_exists():
    names, _ = cited()
    assert len(names) > 20
    for file, name in names:
        (path,) = (ROOT / "tests").glob(f"*/{file}")
        assert re.search(rf"(?m)^def {name}\(", path.read_text("utf-8")), f"{file}::{name}"


def test_every_row_of_the_table_names_a_test_and_every_fault_test_stands_there():
    names, page = cited()
    rows = [line for line in page.splitlines() if line.startswith("|") and not line.startswith(("|--", "| What"))]
    assert rows and all(re.search(r"`test_\w+\.py::test_\w+`", row) for row in rows)
    files = [*(ROOT / "tests").glob("*/test_faults_*.py"), *(ROOT / "tests").glob("*/test_hostile_files.py")]
    for path in files:
        for name in re.findall(r"(?m)^def (test_\w+)\(", path.read_text("utf-8")):
            assert (path.name, name) in names, f"{path.name}::{name} is not in docs/reliability.md"
