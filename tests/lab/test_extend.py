"""A finished run that is trained longer, and the device, which is no part of what is trained."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from test_runner import TINY, log, refusal, same, train

from minicm.lab.__main__ import main
from minicm.lab.recipes.pictures import learning_rate
from minicm.lab.run_folder import load_run

WITHOUT_A_TOTAL = """
from dataclasses import replace
from tiny_experiment import PATH, Config, ect, new_model, pictures
import tiny_experiment

def build(config):
    return replace(tiny_experiment.build(config), lr=None, loss=ect(PATH, 1000))
"""


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """A run of 20 updates."""
    torch.set_default_dtype(torch.float32)
    out = tmp_path_factory.mktemp("short") / "run"
    assert train(out) == 0
    return out


@pytest.fixture
def mine(short, tmp_path):
    return shutil.copytree(short, tmp_path / "run")


def content(out):
    return json.loads((out / "config.json").read_text())


def test_where_nothing_depends_on_the_total_it_is_the_longer_run_in_one_piece(tmp_path):
    file = tmp_path / "without_a_total.py"
    file.write_text(WITHOUT_A_TOTAL)

    def trained(out, *options):
        return main(["train", str(file), "--out", str(out), "--log_every", "5", *options])

    assert trained(tmp_path / "once", "--iterations", "30") == 0
    assert trained(tmp_path / "twice") == trained(tmp_path / "twice", "--extend", "30") == 0
    assert same(tmp_path / "once", tmp_path / "twice") and log(tmp_path / "once") == log(tmp_path / "twice")
    assert {p.name for p in (tmp_path / "twice" / "samples").iterdir()} == {"00000020.png", "00000030.png"}


def test_its_rates_are_those_of_a_run_of_the_new_length(mine):
    assert train(mine, "--extend", "30") == 0
    before, after = learning_rate(1e-2, total=20, flat=0.5), learning_rate(1e-2, total=30, flat=0.5)
    rates = {line["iteration"]: line["lr"] for line in log(mine)}
    assert rates == {k: (before if k <= 20 else after)(k - 1) for k in (5, 10, 15, 20, 25, 30)}
    assert after(24) > before(19)  # it rises again
    assert load_run(mine, experiment=TINY)[0].iterations == 30 and content(mine)["extended"] == [20]


def test_an_extension_goes_on_by_the_same_command_bit_for_bit(mine, tmp_path, capsys):
    whole = shutil.copytree(mine, tmp_path / "whole")
    assert train(whole, "--extend", "24") == 0
    for _ in range(4):  # no minutes at all: an update, and out of time
        assert train(mine, "--extend", "24", "--minutes", "0") == 0
    assert "out of time: 23 of 24 iterations" in capsys.readouterr().err
    assert same(whole, mine) and log(whole) == log(mine) and content(mine)["extended"] == [20]
    assert train(mine, "--extend", "24") == train(mine, "--iterations", "24") == 0
    assert capsys.readouterr().err.count("all 24 iterations are done") == 2


def test_what_cannot_be_extended_is_one_line(mine, tmp_path, capsys):
    assert train(tmp_path / "none", "--extend", "30") == 2
    assert "expected a run with a number of iterations in" in refusal(capsys)
    assert train(mine, "--extend", "19") == 2
    assert "expected --extend of at least the 20 iterations" in refusal(capsys)
    assert train(mine, "--extend", "30", "--lr", "0.5") == 2
    assert "lr 0.01, not 0.5" in refusal(capsys)
    assert train(mine, "--iterations", "30") == 2
    assert "iterations 20, not 30: train it longer with --extend N, choose" in refusal(capsys)
    assert train(mine, "--extend", "0") == 2 and "extend" in refusal(capsys)
    assert train(tmp_path / "part", "--minutes", "0") == 0
    capsys.readouterr()
    assert train(tmp_path / "part", "--extend", "30") == 2
    assert "got 1 of 20 iterations: the same command without --extend" in refusal(capsys)
    assert content(tmp_path / "part")["fields"]["iterations"] == 20


def test_the_page_of_runs_makes_a_table_of_the_log(mine):
    text = (Path(__file__).parents[2] / "docs" / "runs.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(block.replace("runs/digits_ect", mine.as_posix()), {})  # noqa: S102
    with open(mine / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{k: json.loads(v) for k, v in row.items() if k != "seconds"} for row in rows] == log(mine)


def test_the_device_is_no_other_configuration(mine, capsys):
    assert content(mine)["device"] == "cpu" and content(mine)["fields"]["device"] == "auto"
    assert train(mine, "--device", "cpu", "--extend", "22") == 0
    assert "bit for bit" not in capsys.readouterr().err
    (mine / "config.json").write_text(json.dumps(content(mine) | {"device": "cuda"}))
    assert train(mine, "--extend", "24") == 0
    assert "was trained on 'cuda', now on cpu: it goes on, but not bit for bit" in capsys.readouterr().err
    assert content(mine)["device"] == "cpu" and content(mine)["extended"] == [20, 22]


def test_what_another_wrote_as_iterations_is_one_line(mine, capsys):
    for value in (None, "20", [20], True, 1e300):
        fields = content(mine)["fields"] | {"iterations": value}
        (mine / "config.json").write_text(json.dumps(content(mine) | {"fields": fields}))
        assert train(mine, "--extend", "30") == 2
        assert "expected a run with a number of iterations" in refusal(capsys)
