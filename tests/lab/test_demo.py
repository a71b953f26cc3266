"""The demo end to end at a tiny size: its table, its files, and what it refuses before it starts to work."""

import json

import pytest
import torch
from PIL import Image

from minicm.data import eight_gaussians_mixture
from minicm.evaluation import CountCalls
from minicm.lab import demo
from minicm.lab.__main__ import main

FIELDS = {"sampler", "evaluations", "ed_over_floor", "sw2_over_floor", "c2st", "seconds"}


@pytest.fixture
def small(monkeypatch):
    torch.set_default_dtype(torch.float32)
    monkeypatch.setattr(demo, "SAMPLES", 600)
    monkeypatch.setattr(demo, "PAIRS", 300)


def test_the_demo_prints_its_table_and_writes_both_files(small, tmp_path, capsys):
    assert main(["demo", "--iterations", "12", "--out", str(tmp_path / "new" / "out"), "--data", "moons"]) == 0
    folder = tmp_path / "new" / "out"
    rows = json.loads((folder / "demo.json").read_text())
    assert [row["evaluations"] for row in rows] == [1, 2, 18, 1, 2] and all(set(row) == FIELDS for row in rows)
    printed = capsys.readouterr().out
    for row in rows:
        assert f"{row['ed_over_floor']:.2f}" in printed and f"{row['c2st']:.3f}" in printed
    with Image.open(folder / "demo.png") as picture:
        assert picture.size == (1200, 500)
    assert sorted(p.name for p in folder.iterdir()) == ["demo.json", "demo.png"]


def test_each_line_makes_as_many_evaluations_as_it_says():
    denoise = eight_gaussians_mixture().denoiser(demo.PATH)
    teacher, student = CountCalls(denoise), CountCalls(denoise)
    for name, evaluations, draw in demo._samplers(teacher, student, seed=0):
        teacher.calls = student.calls = 0
        draw(torch.randn(8, 2))
        used, other = (student, teacher) if "consistency" in name else (teacher, student)
        assert (used.calls, other.calls) == (evaluations, 0), name


def test_one_euler_step_is_one_call_of_the_denoiser():
    denoise, noise = eight_gaussians_mixture().denoiser(demo.PATH), 0.5 * torch.randn(8, 2)
    expected = denoise(noise, torch.full((8,), demo.PATH.t_max))
    torch.testing.assert_close(demo._euler(denoise, noise, 1), expected)


def test_a_slow_core_makes_fewer_iterations(capsys):
    class Slow:
        def records(self):
            yield from range(60)

    assert demo._affordable(lambda n: Slow(), 5000, seconds=1e9) == 5000
    assert 200 <= demo._affordable(lambda n: Slow(), 10**9, seconds=1e-7) < 10**9
    assert "iterations instead of" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--data", "spiral"], "eight_gaussians"),
        (["--seed", "one"], "invalid int value"),
        (["--iterations", "0"], "expected --iterations >= 1, got 0"),
        (["--speed", "9"], "--speed"),
        (["--out", "FILE/out"], "FILE"),
    ],
)
def test_what_the_demo_refuses_is_one_line_and_nothing_is_left(small, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("not a folder")
    assert main(["demo", *arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert told.startswith("minicm: error: ") and "\n" not in told and words in told
    assert [p.name for p in tmp_path.iterdir()] == ["FILE"]
