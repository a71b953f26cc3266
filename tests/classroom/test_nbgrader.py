"""The sources are a course of nbgrader's: its release is the one we grade with, and its autograde gives the same."""

import zipfile

import nbformat
import pytest
from hands import HANDS, blank, machine, solved

from tutorials.assignments.course import STUDENT, database, leaks, make_course, open_course
from tutorials.assignments.plan import as_released, assignments, name_of, questions, read
from tutorials.assignments.release import release

pytestmark = pytest.mark.slow


def test_release_has_all_assignments_and_no_solution_and_is_the_one_that_grading_knows(tmp_path):
    release(tmp_path)
    names = [f"{name}.ipynb" for name in assignments()]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*names, "assignments.zip"]
    with zipfile.ZipFile(tmp_path / "assignments.zip") as archive:
        assert archive.namelist() == [f"assignments/{name}" for name in names]
        for name in assignments():
            text = archive.read(f"assignments/{name}.ipynb").decode()
            assert not leaks(text) and "Mark scheme" not in text
            notebook, ours = nbformat.reads(text, as_version=4), as_released(read(name))
            assert questions(notebook) == questions(read(name))
            assert [c.source.rstrip() for c in notebook.cells] == [c.source.rstrip() for c in ours.cells]
            assert [name_of(c) for c in notebook.cells] == [name_of(c) for c in ours.cells]


def with_a_bar(name):
    """Right answers that write to stderr."""
    return HANDS["tqdm"][0](name, solved(name))


@pytest.mark.parametrize("make", [with_a_bar, blank])
def test_nbgrader_s_own_autograde_gives_the_same_points(make, tmp_path):
    from nbgrader.api import Gradebook

    make_course(tmp_path / "course", names=["a3"])
    place = tmp_path / "course" / "submitted" / STUDENT / "a3"
    place.mkdir(parents=True)
    notebook = nbformat.read(tmp_path / "course" / "release" / "a3" / "a3.ipynb", as_version=4)
    for cell, mine in zip(notebook.cells, make("a3").cells, strict=True):
        cell.source = mine.source
    nbformat.write(notebook, place / "a3.ipynb")
    done = open_course(tmp_path / "course").autograde("a3", STUDENT)
    assert done["success"], done["log"]
    with Gradebook(database(tmp_path / "course")) as book:
        grades = book.find_submission_notebook("a3", "a3", STUDENT).grades
        points = {grade.name: grade.auto_score or 0.0 for grade in grades if grade.name in machine("a3")}
    assert points == {test: worth if make is with_a_bar else 0.0 for test, worth in machine("a3").items()}
