"""Grading into a folder again, and what goes wrong around it; the notebooks themselves are not run here."""

import csv
import errno
import io
import subprocess

import nbformat
import pytest
from hands import machine, place, solved

from tutorials.assignments import grade as grading
from tutorials.assignments import marks, score
from tutorials.assignments.grade import grade
from tutorials.assignments.plan import ROOT, name_of
from tutorials.assignments.session import Ran


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """All tests pass, without a process; the list of who was run."""
    found = []

    class Passing:
        def __init__(self, worker, notebook, *others):
            self.notebook = notebook

        def run(self):
            found.append(next(cell.source for cell in self.notebook.cells if name_of(cell) == "a1-slope"))
            return Ran(dict.fromkeys(machine("a1"), True))

    monkeypatch.setattr(score, "Session", Passing)
    monkeypatch.setattr(grading.signal, "signal", lambda *arguments: None)
    return found


def hand_in(folder, **words):
    """A folder with a notebook of each student, and what they write where a human marks."""
    folder.mkdir()
    for student, text in words.items():
        notebook = solved("a1")
        notebook.cells[place(notebook, "a1-slope")].source = text
        nbformat.write(notebook, folder / f"{student}_a1.ipynb")
    return folder


def table(path):
    return {line["student"]: line for line in csv.DictReader(io.StringIO(path.read_text("utf-8")))}


def mark(out, **points):
    path = out / "to_mark.csv"
    for student, given in points.items():
        path.write_text(path.read_text().replace(f"{student},a1,a1-slope,4,,", f"{student},a1,a1-slope,4,{given},"))
    marks.add_marks(out)


def test_what_is_the_same_is_not_run_again(tmp_path, ran):
    place = hand_in(tmp_path / "in", ada="one", bob="two")
    grade(place, tmp_path / "out")
    grade(place, tmp_path / "out")
    assert sorted(ran) == ["one", "two"]


def test_a_new_file_of_one_student_replaces_that_row_and_marks_stay_where_answers_did(tmp_path, ran):
    out = tmp_path / "out"
    grade(hand_in(tmp_path / "in", ada="one", bob="two", cyd="three"), out)
    mark(out, ada=4, bob=3, cyd=2)
    new = hand_in(tmp_path / "new", ada="another answer", bob="two")
    more = nbformat.read(new / "bob_a1.ipynb", as_version=4)
    more.cells.append(nbformat.v4.new_code_cell("1"))
    nbformat.write(more, new / "bob_a1.ipynb")
    grade(new, out)
    assert len(ran) == 5
    found = table(out / "grades.csv")
    assert {name: line["total"] for name, line in found.items()} == {"ada": "16", "bob": "19", "cyd": "18"}
    assert (
        table(out / "to_mark.csv")["ada"]["points"] == "" and table(out / "to_mark-before.csv")["ada"]["points"] == "4"
    )


def test_a_disk_that_is_full_is_one_line_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys, ran):
    place = hand_in(tmp_path / "in", ada="one", bob="two")
    keep = score._keep

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(score, "_keep", full)
    grade(place, tmp_path / "out")
    assert [line["total"] for line in table(tmp_path / "out" / "grades.csv").values()] == ["", ""]
    assert "No space left on device" in table(tmp_path / "out" / "grades.csv")["ada"]["note"]
    monkeypatch.setattr(score, "_keep", keep)
    add = grading.Store.add
    monkeypatch.setattr(grading.Store, "add", full)
    assert grading.main([str(place), str(tmp_path / "out")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("minicm: ") and "No space left" in said and len(said.splitlines()) == 1
    monkeypatch.setattr(grading.Store, "add", add)
    assert grading.main([str(place), str(tmp_path / "out")]) == 0
    assert [line["total"] for line in table(tmp_path / "out" / "grades.csv").values()] == ["16", "16"]


def test_an_interrupt_is_one_line_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys, ran):
    place = hand_in(tmp_path / "in", ada="one", bob="two", cyd="three")
    run = score._run

    def interrupted(bench, worker, notebook, *others):
        if any(cell.source == "two" for cell in notebook.cells):
            raise KeyboardInterrupt
        return run(bench, worker, notebook, *others)

    monkeypatch.setattr(score, "_run", interrupted)
    assert grading.main([str(place), str(tmp_path / "out")]) == 130
    said = capsys.readouterr().err.strip()
    assert said.startswith("minicm: stopped; the same command goes on") and len(said.splitlines()) == 1
    monkeypatch.setattr(score, "_run", run)
    assert grading.main([str(place), str(tmp_path / "out")]) == 0
    assert ran.count("one") == 1 and set(ran) == {"one", "two", "three"}
    assert {line["total"] for line in table(tmp_path / "out" / "grades.csv").values()} == {"16"}


def test_a_python_that_was_changed_meanwhile_is_no_mark_and_is_graded_when_it_is_mended(tmp_path, monkeypatch, ran):
    place = hand_in(tmp_path / "in", ada="one", bob="two")
    states = iter(["as it was", "as it was", "torch is gone"])
    monkeypatch.setattr(grading, "fingerprint", lambda places: next(states))
    grade(place, tmp_path / "out")
    found = table(tmp_path / "out" / "grades.csv")
    assert found["ada"]["total"] == "16" and found["bob"]["total"] == ""
    assert found["bob"]["note"].startswith("not graded: the grader's Python was changed")
    monkeypatch.setattr(grading, "fingerprint", lambda places: "mended")
    grade(place, tmp_path / "out")
    assert table(tmp_path / "out" / "grades.csv")["bob"]["total"] == "16" and ran == ["one", "two"]


def test_a_roster_is_kept_for_marking(tmp_path):
    (tmp_path / "names.csv").write_text("name\nzoe\nbob\nada\n")
    options = grading.Options(roster=tmp_path / "names.csv")
    rows = grade(hand_in(tmp_path / "in", ada="one", bob="two"), tmp_path / "out", options=options)
    assert [(row.student, row.note) for row in rows] == [("zoe", "nothing handed in"), ("bob", ""), ("ada", "")]
    marks.add_marks(tmp_path / "out")
    assert list(table(tmp_path / "out" / "grades.csv")) == ["zoe", "bob", "ada"]


def test_names_become_folders_of_their_own(tmp_path):
    names = ["Ada", "ada", "a b", "a-b", "\u00fc" * 70, "x/../y".replace("/", "\u2215"), "..x", "con"]
    rows = grade(hand_in(tmp_path / "in", **dict.fromkeys(names, "words")), tmp_path / "out")
    assert sorted(row.student for row in rows) == sorted(names)
    pages = [path.name for path in (tmp_path / "out" / "feedback").iterdir()]
    assert len({name.lower() for name in pages}) == len(names)
    assert all(len(name.encode()) < 100 and not name.startswith(".") for name in pages)


def test_names_on_the_command_line_of_make_are_no_commands(tmp_path):
    name = f"`touch {tmp_path / 'planted'}`"
    for target in ("grade", "marks", "gradescope", "assignments"):
        command = ["make", "-n", target, f"IN={name}", f"OUT={name}", f"A={name}", f"ROSTER={name}", f"VARIANT={name}"]
        said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert "planted" not in said and "tutorials.assignments" in said
    assert not list(tmp_path.iterdir())
