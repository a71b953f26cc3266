"""The running table: written on request, compared otherwise, shown from what is stored."""

import json

import pytest
import torch

from minicm.course.running_table import challenge, record, show
from minicm.data import eight_gaussians


def rows(first=3.7, second=1.163):
    return [
        {"sampler": "Euler", "evaluations": 16, "ed_over_floor": first, "c2st": 0.6},
        {"sampler": "Euler", "evaluations": 64, "ed_over_floor": second},
    ]


@pytest.fixture
def file(tmp_path, monkeypatch):
    """A table with the rows of notebooks 07 and 05, recorded in this order."""
    file = tmp_path / "running_table.json"
    monkeypatch.setenv("MINICM_STRICT", "1")
    monkeypatch.setenv("MINICM_REFRESH", "1")
    record("07", [{"sampler": "CD", "evaluations": 1, "ed_over_floor": 1234.5}], file=file)
    record("05", rows(), file=file)
    monkeypatch.delenv("MINICM_REFRESH")
    return file


def test_refresh_stores_three_digits_in_the_order_of_the_notebooks(file):
    stored = json.loads(file.read_text())
    assert [row["notebook"] for row in stored] == ["05", "05", "07"]
    assert stored[1] == {"notebook": "05", "sampler": "Euler", "evaluations": 64, "ed_over_floor": 1.16}
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_refresh_replaces_the_notebooks_rows_and_no_others(file, monkeypatch):
    monkeypatch.setenv("MINICM_REFRESH", "1")
    record("05", rows()[:1], file=file)
    assert [row["notebook"] for row in json.loads(file.read_text())] == ["05", "07"]


def test_without_refresh_nothing_is_written(file, monkeypatch):
    before = file.read_bytes()
    record("05", rows(first=3.9), file=file)
    monkeypatch.setenv("MINICM_REFRESH", "0")
    record("05", rows(first=3.5), file=file)
    assert file.read_bytes() == before


@pytest.mark.parametrize("value", [3.7 + 0.3 + 0.25 * 3.7 + 0.01, 3.7 - 0.3 - 0.25 * 3.7 - 0.01, float("nan")])
def test_a_row_that_differs_too_much_is_refused(file, value):
    with pytest.raises(ValueError, match="expected about 3.7 floors of Euler with 16 evaluations"):
        record("05", rows(first=value), file=file)


def test_a_row_that_is_not_stored_is_refused(file):
    with pytest.raises(ValueError, match="stored row for Euler with 16 evaluations, found none"):
        record("08", rows(), file=file)


def test_a_learner_sees_own_numbers_beside_the_stored_ones(file, monkeypatch, capsys):
    monkeypatch.delenv("MINICM_STRICT")
    before = file.read_bytes()
    more = {"sampler": "Heun", "evaluations": 8, "ed_over_floor": 2.0}
    record("05", [*rows(first=9.9), more], file=file)
    assert capsys.readouterr().out.splitlines() == [
        "sampler  evaluations   yours  stored   (energy distance / floor)",
        "Euler             16     9.9     3.7",
        "Euler             64     1.2     1.2",
        "Heun               8       2    none",
        "",
    ]
    assert file.read_bytes() == before


def test_a_challenge_puts_the_samples_among_the_stored_rows(file, capsys):
    true = eight_gaussians(5000, torch.Generator().manual_seed(3))
    challenge(true, 16, file=file)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "   3.7  Euler, 16  (lesson 05)" and lines[3] == "  1200  CD, 1  (lesson 07)"
    order = ["yours" in line for line in lines[1:]]
    assert order == [True, False, False]  # true data, then Euler with 16 and CD with 1; Euler with 64 is not among them
    challenge(5 + 0 * true, 1, file=file)  # all at one place, far away: last
    assert ["yours" in line for line in capsys.readouterr().out.splitlines()[1:]] == [False, True]


@pytest.mark.parametrize("shape, evaluations, words", [((100, 2), 1, "5000 samples"), ((5000, 2), 0, "evaluations")])
def test_a_challenge_with_other_samples_is_refused(file, shape, evaluations, words):
    with pytest.raises(ValueError, match=words):
        challenge(torch.zeros(shape), evaluations, file=file)


def test_show_prints_stored_rows_up_to_the_notebook(file, capsys):
    show("05", file=file)
    until_05 = capsys.readouterr().out.splitlines()
    show("07", file=file)
    until_07 = capsys.readouterr().out.splitlines()
    assert until_05[1].split() == ["05", "Euler", "16:", "3.7", "64:", "1.2"]
    assert until_07[:2] == until_05 and until_07[2].split() == ["07", "CD", "1:", "1200"]


def test_without_a_file_a_notebook_still_runs(tmp_path, capsys):
    record("05", rows(), file=tmp_path / "none.json")
    show("05", file=tmp_path / "none.json")
    assert capsys.readouterr().out == "no stored table in this folder\n"
