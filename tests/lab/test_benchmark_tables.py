"""The README's tables are what the stored results give, and how they are made from rows."""

import pytest

from benchmarks import arena, tables


def row(method, data, seed, evaluations, ed, c2st=0.55, cost=5.0):
    numbers = {"ed_over_floor": ed, "c2st": c2st, "ms_per_step": cost}
    return {"method": method, "data": data, "seed": seed, "evaluations": evaluations, **numbers}


ROWS = [
    *(row("cd", data, seed, n, ed + seed) for data, ed in (("g8", 1.0), ("moons", 4.0)) for seed in (0, 1, 2)
      for n in (1, 2, 4)),
    row("scd", "g8", 0, 1, 1.5, c2st=0.52, cost=7.0), row("scd", "g8", 0, 2, 12.4, cost=7.0),
    row("scd", "g8", 0, 4, 0.93, cost=7.0),
]  # fmt: skip


def test_the_readme_says_what_the_stored_results_say():
    text = tables.README.read_text("utf-8")
    assert text == tables.with_results(text), "run python benchmarks/tables.py"
    text = tables.ARENA.read_text("utf-8")
    assert text == tables.with_arena(text), "run python benchmarks/tables.py"


def test_the_short_table_has_medians_of_a_few_methods_best_first():
    lines = tables.short_table(ROWS).splitlines()
    assert lines[2:] == [
        f"| sCD | {tables.SHORT['scd']} | 1.5 | 12 | 0.9 |",
        f"| CD | {tables.SHORT['cd']} | 3.5 | 3.5 | 3.5 |",
    ]
    assert set(tables.SHORT) <= set(tables.NAMES)


def test_a_line_holds_medians_over_seeds_then_over_sets_and_the_best_comes_first():
    lines = tables.arena_table(ROWS).splitlines()
    assert len(lines) == 4
    assert lines[2] == "| sCD | 1.5 | – | – | – | – | 12 | 0.9 | 0.520 | 7.0 | 1 |"
    assert lines[3] == "| CD | 2.0 | 5.0 | – | – | – | 3.5 | 3.5 | 0.550 | 5.0 | 3 |"


def test_seeds_are_counted_on_each_set():
    more = [row("cd", "pinwheel", 0, n, 1.0) for n in (1, 2, 4)]
    assert tables.arena_table([*ROWS, *more]).splitlines()[3].endswith("| 1 to 3 |")


def test_every_method_of_the_arena_has_a_name():
    assert set(tables.NAMES) == {*arena.OURS, "ot_cfm", "flow_matching"} >= set(arena.METHODS)


def test_a_table_goes_between_its_marks_or_nowhere():
    text = "a\n<!-- arena -->\nold\n<!-- /arena -->\nb\n"
    new = tables.with_table(text, "arena", "| new |")
    assert new == "a\n<!-- arena -->\n\n| new |\n\n<!-- /arena -->\nb\n"
    assert tables.with_table(new, "arena", "| new |") == new
    with pytest.raises(ValueError, match="^expected the marks"):
        tables.with_table("no marks", "arena", "")
