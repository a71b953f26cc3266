"""Grade one submission with nbgrader, in a process of its own: python -m tutorials.assignments.one FOLDER a1 LIMITS.

LIMITS is a `Limits` as JSON.  FOLDER holds course/ (a gradebook and the release) and submission.ipynb.
Written: FOLDER/result.json, with the points of each question (None: to be marked by hand) and notes, or with the reason
why there are no points; and FOLDER/feedback.html.
"""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from .containment import Limits, limit_this_process
from .course import STUDENT, database, open_course
from .masked import masked
from .plan import name_of
from .rebuild import parse, rebuild

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

__all__ = ["grade_one"]


def grade_one(folder: Path, assignment: str, cell_seconds: int) -> dict:
    """What result.json will hold."""
    course = folder / "course"
    release = nbformat.read(course / "release" / assignment / f"{assignment}.ipynb", as_version=4)
    try:
        notebook, notes = rebuild(release, parse((folder / "submission.ipynb").read_bytes()))
    except ValueError as error:
        return {"points": {}, "notes": [str(error)], "graded": False}
    place = course / "submitted" / STUDENT / assignment
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{assignment}.ipynb")
    api = open_course(course, cell_seconds)
    done = api.autograde(assignment, STUDENT)
    if not done["success"]:
        return {"points": {}, "notes": [*notes, _reason(done)], "graded": False}
    graded = course / "autograded" / STUDENT / assignment / f"{assignment}.ipynb"
    notes += _interrupted(nbformat.read(graded, as_version=4))
    if not _feedback(api, course, assignment, folder / "feedback.html"):
        notes.append("no feedback page: look at its log.txt")
    return {"points": _points(course, assignment), "notes": list(dict.fromkeys(notes)), "graded": True}


def _points(course: Path, assignment: str) -> dict[str, float | None]:
    from nbgrader.api import Gradebook

    with Gradebook(database(course)) as book:
        grades = book.find_submission_notebook(assignment, assignment, STUDENT).grades
        return {grade.name: None if grade.needs_manual_grade else (grade.auto_score or 0.0) for grade in grades}


def _reason(done: dict) -> str:
    """nbgrader's log in one line."""
    log = f"{done.get('log') or ''}\n{done.get('error') or ''}"
    if "DeadKernel" in log or "Kernel died" in log or "kernel died" in log.lower():
        return "its Python process ended while it ran (os._exit, or out of memory): no points"
    lines = [re.sub(r"\x1b\[[0-9;]*m|^\[[^]]*\] ", "", line).strip() for line in log.splitlines()]
    found = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return f"nbgrader could not grade it: {(found or ['no reason given'])[-1][:200]}"


def _interrupted(notebook: nbformat.NotebookNode) -> list[str]:
    """Notes on cells that ran out of time or memory."""
    notes = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            where = name_of(cell) or "of the student's own"
            if output.output_type == "error" and output.ename in ("KeyboardInterrupt", "CellTimeoutError"):
                notes.append(f"cell {where} ran over the time limit")
            elif output.output_type == "error" and output.ename == "MemoryError":
                notes.append(f"cell {where} ran out of memory")
    return notes


def _feedback(api: "NbGraderAPI", course: Path, assignment: str, target: Path) -> bool:
    """Whether target now is nbgrader's feedback page, with the words of hidden tests but not their code."""
    path = course / "autograded" / STUDENT / assignment / f"{assignment}.ipynb"
    full = nbformat.read(path, as_version=4)
    nbformat.write(masked(full), path)
    done = api.generate_feedback(assignment, STUDENT)
    nbformat.write(full, path)
    page = course / "feedback" / STUDENT / assignment / f"{assignment}.html"
    if not (done["success"] and page.exists()):
        print(done)  # to log.txt
        return False
    page.replace(target)
    return True


def main() -> int:
    """Grade, and write result.json under a temporary name first."""
    folder, assignment, limits = Path(sys.argv[1]), sys.argv[2], Limits(**json.loads(sys.argv[3]))
    limit_this_process(limits)
    result = grade_one(folder, assignment, limits.cell_seconds)
    temporary = folder / "result.tmp"
    temporary.write_text(json.dumps(result), "utf-8")
    temporary.replace(folder / "result.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
