"""Stored results: read with their keys, reduced to medians over seeds, and written as a table."""

import json

import pytest

from minicm.lab.results import arena_rows, over_seeds, results_table


def row(method, seed, ed, *, data="g8", evaluations=1, c2st=0.6):
    return {
        "method": method,
        "data": data,
        "seed": seed,
        "evaluations": evaluations,
        "ed_over_floor": ed,
        "c2st": c2st,
    }


ROWS = [
    row("scd", 0, 1.0), row("scd", 1, 9.0), row("scd", 2, 2.04), row("scd", 0, 1.26, evaluations=2),
    row("vsd", 0, 1234.0, c2st=0.987), row("vsd", 1, float("nan")), row("scd", 0, 50.0, data="moons"),
]  # fmt: skip


def stored(tmp_path, content):
    file = tmp_path / "arena.json"
    file.write_text(content)
    return file


def test_rows_are_those_of_the_file_and_none_without_one(tmp_path):
    file = stored(tmp_path, json.dumps({"machine": {"cores": 2}, "rows": ROWS[:3]}))
    assert arena_rows(file) == ROWS[:3] == arena_rows(str(file))
    assert arena_rows(tmp_path / "other.json") == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "expected JSON in arena.json"),
        ("[]", "with a dict for each row"),
        ('{"rows": [1]}', "with a dict for each row"),
        (json.dumps({"rows": [row("a", 0, 1.0), {"method": "a", "data": "g8", "evaluations": 1}]}), "one without seed"),
        (json.dumps({"rows": [row("a", 0, 1.0) | {"evaluations": [1]}]}), "expected evaluations of another kind"),
        (json.dumps({"rows": [row("a", 0, 1.0) | {"method": None}]}), "expected method of another kind"),
        ("[" * 100_000, "expected JSON in arena.json"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, content, words):
    with pytest.raises(ValueError, match=words) as caught:
        arena_rows(stored(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_the_median_is_over_seeds_alone():
    found = over_seeds(ROWS, "ed_over_floor")
    assert found[("scd", "g8", 1)] == 2.04 and found[("scd", "g8", 2)] == 1.26 and found[("scd", "moons", 1)] == 50.0


def test_a_failed_seed_counts_as_infinitely_bad():
    failed = [row("a", k, value) for k, value in enumerate([1.0, float("nan"), float("nan")])]
    assert over_seeds(failed, "ed_over_floor") == {("a", "g8", 1): float("inf")}
    assert over_seeds(failed[:2] + [row("a", 2, 3.0)], "ed_over_floor") == {("a", "g8", 1): 3.0}
    assert over_seeds(failed, "not stored") == {("a", "g8", 1): float("inf")}


def test_the_table_has_a_line_for_each_method_in_the_given_order():
    lines = results_table(ROWS, {"vsd": "VSD", "ctm": "CTM", "scd": "sCD, our own"}, evaluations=[1, 2]).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["VSD", "sCD,"] and "CTM" not in "".join(lines)
    assert lines[0].split("  ")[-1] == "C2ST: 2" and len({len(line) for line in lines[:3]}) == 1
    assert lines[1].split()[1:] == ["failed", "-", "0.79", "-"]  # the median of .987 and .6; no row with 2 evaluations
    assert lines[2].split()[3:] == ["2", "1.3", "0.6", "0.6"]
    assert lines[3] == "medians; seeds: 2 to 3; 1, 2: evaluations of the network"


def test_the_table_of_another_data_set_and_column():
    lines = results_table(ROWS, {"scd": "sCD"}, data="moons", evaluations=[1], columns={"ed_over_floor": "ED"})
    assert [line.split() for line in lines.splitlines()[:2]] == [["ED:", "1"], ["sCD", "50"]]
    assert "seeds: 1; 1: evaluations" in lines


def test_without_rows_the_table_says_so():
    assert results_table([], {"scd": "sCD"}) == "no stored rows of these methods on g8"
