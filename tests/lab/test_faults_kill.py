"""A run that is killed with SIGKILL, wherever it stands, goes on to the files of the run in one piece."""

import os
from pathlib import Path

import pytest
import torch
from copies import python
from faults import TINY, content, train

from minicm import checkpoints

ROOT = Path(__file__).parents[2]
WORKER = ROOT / "tests" / "kill_worker.py"


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


# --- twenty kills


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_twenty_kills_and_on_is_the_run_in_one_piece(tmp_path):
    options = ["--iterations", "500", "--samples_every", "250", "--log_every", "1"]
    done = python([WORKER, TINY, tmp_path / "cut", *options])
    print(done.stdout)
    assert done.returncode == 0, done.stderr
    assert train(tmp_path / "whole", *options) == 0
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


# --- a crash at each rename, in turn


class Crash(BaseException):
    """The end of a process, for those who look on."""


def crash_at(patch, rename):
    """Let the rename number `rename`, from 0, be the last thing that is not done."""
    count, replace = iter(range(10**6)), os.replace

    def counted(source, target):
        if next(count) == rename:
            raise Crash
        replace(source, target)

    patch.setattr(checkpoints.os, "replace", counted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.set_default_dtype(torch.float32)
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(out, "--iterations", "7") == 0
    return content(out)


@pytest.mark.parametrize("rename", range(6))
def test_a_crash_at_any_rename_and_on_is_the_run_in_one_piece(tmp_path, whole, monkeypatch, rename):
    """Renames: config.json, log.jsonl, both averages, the checkpoint, the last picture."""
    out = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(Crash):
        crash_at(patch, rename)
        train(out, "--iterations", "7")
    assert train(out, "--iterations", "7") == 0
    assert content(out) == whole


def test_a_run_has_six_renames(tmp_path, monkeypatch):
    """Or the test above leaves some out."""
    crash_at(monkeypatch, 6)
    assert train(tmp_path / "run", "--iterations", "7") == 0
