"""Submissions through the whole of `make grade`: nbgrader, a kernel for each, feedback, tables.

Two assignments here; all six with MINICM_ALL_ASSIGNMENTS=1, which `make test-all` sets.
"""

import csv
import os
import zipfile

import nbformat
import pytest
from test_assignments_wrong import WRONG, full

from tutorials.assignments.containment import Limits
from tutorials.assignments.course import leaks
from tutorials.assignments.grade import grade
from tutorials.assignments.plan import ROOT, assignments, kind, name_of, questions, read
from tutorials.assignments.quick import solutions
from tutorials.assignments.release import release

pytestmark = pytest.mark.slow
EVERY = bool(os.environ.get("MINICM_ALL_ASSIGNMENTS"))
NAMES = assignments() if EVERY else ["a1", "a5"]
SHORT = Limits(cell_seconds=60, seconds=300)


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """The students' folder."""
    folder = tmp_path_factory.mktemp("release")
    release(folder)
    return folder


def solved(released, name, changed=None):
    """The release of an assignment with the reference's answers, but for the changed ones."""
    notebook = nbformat.read(released / f"{name}.ipynb", as_version=4)
    answers = solutions(read(name)) | (changed or {})
    for cell in notebook.cells:
        cell.source = answers.get(name_of(cell), cell.source)
    return notebook


def graded(tmp_path, files, limits=SHORT):
    """student -> line of grades.csv, after grading these notebooks (or texts)."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, notebook in files.items():
        text = notebook if isinstance(notebook, str) else nbformat.writes(notebook)
        (folder / f"{name}.ipynb").write_text(text, "utf-8")
    before = written()
    grade(folder, tmp_path / "out", limits=limits)
    assert written() == before and sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]
    with (tmp_path / "out" / "grades.csv").open(encoding="utf-8") as file:
        return {f"{line['student']}_{line['assignment']}": line for line in csv.DictReader(file)}


def written():
    """path -> time of the last change, of the files beside the grader."""
    folder = ROOT / "tutorials" / "assignments"
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}


def points(line, name):
    return {cell: float(line[cell]) for cell in full(name)}


def test_release_has_all_assignments_and_no_solution(released):
    names = [f"{name}.ipynb" for name in assignments()]
    assert sorted(path.name for path in released.iterdir()) == [*names, "assignments.zip"]
    with zipfile.ZipFile(released / "assignments.zip") as archive:
        assert archive.namelist() == [f"assignments/{name}" for name in names]
        for name in assignments():
            text = archive.read(f"assignments/{name}.ipynb").decode()
            assert not leaks(text) and "Mark scheme" not in text and "points." not in text.split("Your task")[-1]
            notebook = nbformat.reads(text, as_version=4)
            assert questions(notebook) == questions(read(name))
            for cell, answer in solutions(read(name)).items():
                mine = next(found.source for found in notebook.cells if name_of(found) == cell)
                assert "raise NotImplementedError()" in mine and mine != answer


@pytest.mark.parametrize("name", NAMES)
def test_nbgrader_gives_what_the_quick_score_gives(name, released, tmp_path):
    """A known wrong answer, and blank; the reference with EVERY, else it is in the test of what cannot be graded."""
    case, (changed, lost) = next((case, plan) for case, plan in WRONG[name].items() if len(plan[1]) == 1)
    files = {f"eve_{name}": solved(released, name, changed)}
    for cell in files[f"eve_{name}"].cells:
        cell.source = "my words" if kind(cell) == "manual" else cell.source
    if EVERY:
        files[f"ada_{name}"] = solved(released, name)
    if name == "a1" or EVERY:
        files[f"bob_{name}"] = nbformat.read(released / f"{name}.ipynb", as_version=4)
    lines = graded(tmp_path, files)
    plan = {cell: 0 if cell in lost else worth for cell, worth in full(name).items()}
    assert f"ada_{name}" not in lines or points(lines[f"ada_{name}"], name) == full(name)
    assert points(lines[f"eve_{name}"], name) == plan, case
    assert f"bob_{name}" not in lines or not any(points(lines[f"bob_{name}"], name).values())
    assert all(line["note"] == "" for line in lines.values())
    assert all(line["max"] == f"{sum(q.points for q in questions(read(name))):g}" for line in lines.values())
    page = (tmp_path / "out" / "feedback" / f"eve_{name}.html").read_text("utf-8")
    assert "AssertionError" in page and "HIDDEN TESTS" not in page and "MARK SCHEME" not in page
    waiting = [q for q in questions(read(name)) if lines[f"eve_{name}"][q.name] == ""]
    assert page.count("not marked yet") == 2 * len(waiting) and len(waiting) >= 1


def test_tampering_changes_nothing_and_a_copied_cell_and_another_kernel_cost_nothing(released, tmp_path):
    changed, lost = WRONG["a1"]["heun: the second slope at t"]
    mine = solved(released, "a1", changed)
    for cell in mine.cells:
        if cell.metadata.nbgrader.grade and not cell.metadata.nbgrader.solution:
            cell.source, cell.metadata.nbgrader.points = "100", 100
    mine.cells = [cell for cell in mine.cells if name_of(cell) != "a1-heun-hidden"]
    mine.cells.insert(5, nbformat.from_dict({**mine.cells[3], "id": "copy"}))
    mine.metadata.kernelspec = {"name": "torchcfm2", "display_name": "other", "language": "python"}
    line = graded(tmp_path, {"mallory_a1": mine})["mallory_a1"]
    assert points(line, "a1") == {cell: 0 if cell in lost else worth for cell, worth in full("a1").items()}
    assert line["max"] == "20" and line["note"].count("put back") == 6 and line["note"].startswith("copied cell a1-")


def test_an_endless_loop_costs_its_question_only(released, tmp_path):
    loop = "import time\n\n\ndef heun_step(velocity, x, t, s):\n    while True:\n        time.sleep(0.01)"
    mine = solved(released, "a1", {"a1-heun": loop})
    line = graded(tmp_path, {"ada_a1": mine}, Limits(cell_seconds=12, seconds=200))["ada_a1"]
    lost = {"a1-heun-visible", "a1-heun-hidden"}
    assert points(line, "a1") == {cell: 0 if cell in lost else worth for cell, worth in full("a1").items()}
    assert line["note"] == "; ".join(f"cell {cell} ran over the time limit" for cell in sorted(lost, reverse=True))


def test_what_cannot_be_graded_costs_its_owner_only(released, tmp_path):
    """A kernel that exits, no notebook at all; and after them one without metadata, which can."""
    leaver = solved(released, "a1", {"a1-euler": "import os\nos._exit(0)"})
    stripped = solved(released, "a1")
    for cell in stripped.cells:
        cell.metadata = {}
    lines = graded(tmp_path, {"ann_a1": leaver, "bea_a1": "no notebook", "cat_a1": stripped})
    assert lines["ann_a1"]["note"] == "its Python process ended while it ran (os._exit, or out of memory): no points"
    assert lines["bea_a1"]["note"] == "not a notebook: the file is not JSON"
    assert lines["ann_a1"]["total"] == lines["bea_a1"]["total"] == "0"
    assert "metadata were removed" in lines["cat_a1"]["note"] and points(lines["cat_a1"], "a1") == full("a1")


def test_a_notebook_that_catches_its_interrupt_is_stopped_as_a_whole(released, tmp_path):
    stubborn = "import time\nwhile True:\n    try:\n        time.sleep(1)\n    except KeyboardInterrupt:\n        pass"
    mine = solved(released, "a1", {"a1-euler": stubborn})
    lines = graded(tmp_path, {"ada_a1": mine}, Limits(cell_seconds=5, seconds=15))
    assert lines["ada_a1"]["note"].startswith("stopped after 15 seconds") and lines["ada_a1"]["total"] == "0"
