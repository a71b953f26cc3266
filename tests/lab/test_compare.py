"""Methods of one's own beside the arena's: the same rows, a table with the stored ones, refusals in one line."""

import json

import pytest
import torch
from test_arena import Ruler

from benchmarks import arena, compare
from minicm.lab.recipes.plane import diffusion_run, new_model


def my_run(sampler, teacher, iterations, seed=0):
    return diffusion_run(sampler, iterations, seed)


STORED = [
    {"method": m, "data": "moons", "seed": 0, "evaluations": n, "ed_over_floor": ed * n, "c2st": 0.6, "seconds": 59.0}
    for m, ed in (("scd", 1.25), ("cd", 4.0))
    for n in (1, 2, 4)
]


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Stored rows of two methods, and runs that take no time, with samples whose ED is near 0."""
    torch.set_default_dtype(torch.float32)
    file = tmp_path / "arena.json"
    file.write_text(json.dumps({"machine": {"processor": "P", "torch": "2.0", "date": "d"}, "rows": STORED}))
    monkeypatch.setattr(compare, "STORED", file)
    monkeypatch.setattr(arena, "Yardstick", Ruler)
    monkeypatch.setattr(arena, "trained", lambda method, sampler, seconds, seed: (new_model(0), 7, 0.002, seconds))


def test_rows_are_those_of_the_arena_and_stand_between_the_stored_ones(bench, capsys):
    rows = compare.compare({"mine": compare.student(my_run)}, data=["moons"], seconds=60, seeds=[0, 1])
    assert [(row["method"], row["seed"], row["evaluations"]) for row in rows] == [
        ("mine", seed, n) for seed in (0, 1) for n in (1, 2, 4)
    ]
    assert all(list(row) == list(arena.new_rows(*_again())[0]) for row in rows) and set(rows[0]) == set(arena.COLUMNS)
    said = capsys.readouterr().out
    ed = rows[0]["ed_over_floor"]
    assert said.startswith(f"mine on moons, seed 0: 7 updates in 60 s, ED {ed:.2f} floors\nmine on moons, seed 1: 7 ")
    lines = [line.split("  ")[0] for line in said.splitlines()]
    assert [x for x in lines if x in ("mine", "sCD, stored", "CD, stored")] == ["mine", "sCD, stored", "CD, stored"]
    assert "seeds: 1 to 2" in said and "stored: 59 s, P, torch 2.0, d" in said and "budgets differ" not in said


def _again():
    return "mine", compare.student(my_run), "moons", arena.yardstick_of("moons"), 60, 0


def test_the_table_is_ordered_and_a_name_of_a_stored_method_hides_none():
    new = [{**STORED[0], "method": "scd", "evaluations": n, "ed_over_floor": 2.0} for n in (1, 2, 4)]
    lines = compare.table(new, STORED, "moons").splitlines()
    assert [line.split("  ")[0] for line in lines[1:4]] == ["sCD, stored", "scd", "CD, stored"]
    assert lines[1].split()[2:5] == ["1.2", "2.5", "5"] and lines[2].split()[1] == "2"
    assert "no stored rows" in compare.table(new, STORED, "g8")


def test_another_budget_is_said_and_a_run_that_broke_off_is_last(bench, monkeypatch, capsys):
    def broken(*arguments):
        raise FloatingPointError("loss is nan at iteration 4")

    monkeypatch.setattr(arena, "trained", broken)
    rows = compare.compare({"mine": compare.scratch(my_run)}, seconds=20)
    said = capsys.readouterr().out
    assert "the budgets differ" in said and "mine on moons, seed 0: diverged" in said
    assert [row["evaluations"] for row in rows] == [1, 2, 4] and rows[0]["ed_over_floor"] is None
    lines = [line.split("  ") for line in said.splitlines() if line.startswith(("mine  ", "CD, stored", "sCD, stored"))]
    assert lines[-1][0] == "mine" and "failed" in " ".join(lines[-1])


def test_modes_are_counted_where_the_mixture_is_known(monkeypatch):
    monkeypatch.setattr(arena, "Yardstick", lambda sampler, mixture: (sampler, mixture))
    (g8, known), (moons, unknown) = arena.yardstick_of("g8"), arena.yardstick_of("moons")
    assert len(known.weights) == 8 and unknown is None and g8 is not moons


def test_threads_are_given_back_even_when_a_run_fails(bench, monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    seen = []

    def broken(*arguments):
        seen.append(torch.get_num_threads())
        raise RuntimeError("mine")

    monkeypatch.setattr(arena, "trained", broken)
    try:
        with pytest.raises(RuntimeError, match="mine"):
            compare.compare({"mine": compare.student(my_run)})
        assert seen == [1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("methods", "data", "said"),
    [
        ({}, ["moons"], "expected at least one method, got none"),
        ({"a": compare.student(my_run)}, "moons", r"expected data to be a list of names such as .*, got 'moons'"),
        ({"a": my_run}, ["moons"], r"expected a Method such as student\(run\) for 'a', got function"),
        ({"a": compare.METHODS["direct_exact"]}, ["g8", "moons"], r"expected data \['g8'\] for 'a'"),
        ({"a": compare.student(my_run)}, ["moons", "moon"], "expected a data set among .*, got 'moon' as name"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_any_training(bench, methods, data, said, capsys):
    with pytest.raises(ValueError, match=said):
        compare.compare(methods, data=data)
    assert capsys.readouterr().out == ""
