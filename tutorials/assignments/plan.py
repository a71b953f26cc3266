"""What an assignment is made of: the cells of its nbgrader source, the questions, their points.

tutorials/assignments/source/a1/a1.ipynb is assignment a1.  Every cell has a grade_id, which is also its cell id:

    text and setup      locked                      e.g. a1-rules
    answer              the student writes here     e.g. a1-euler
    test                worth points, by machine    e.g. a1-euler-visible, a1-euler-hidden
    manual, task        worth points, by hand       e.g. a1-slope
"""

import re
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

# jsonschema would use it to check web addresses, which no notebook schema has; importing it takes seconds.
sys.modules.setdefault("rfc3987_syntax", None)
import nbformat  # noqa: E402

__all__ = [
    "MARKERS", "ROOT", "SOURCE", "Question", "as_released", "assignments", "hidden", "kind", "name_of", "questions",
    "read",
]  # fmt: skip

ROOT = Path(__file__).resolve().parents[2]  # of the repository: minicm is imported from here
SOURCE = Path(__file__).resolve().parent / "source"
NAME = re.compile(r"a\d+")
MARKERS = ("BEGIN SOLUTION", "END SOLUTION", "BEGIN HIDDEN TESTS", "END HIDDEN TESTS", "BEGIN MARK SCHEME",
           "END MARK SCHEME")  # fmt: skip
HIDDEN = re.compile(r"(?ms)^### BEGIN HIDDEN TESTS\n(.*?)^### END HIDDEN TESTS[^\n]*")
SCHEME = re.compile(r"(?ms)^=== BEGIN MARK SCHEME ===\n.*?^=== END MARK SCHEME ===[^\n]*")
SOLUTION = re.compile(r"(?ms)^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION[^\n]*")


@dataclass(frozen=True)
class Question:
    """A cell that is worth points."""

    name: str
    points: float
    by_hand: bool
    title: str = ""  # the heading that it stands under

    @property
    def part(self) -> str:
        """Which part of its question it is, in words."""
        return "marked by hand" if self.by_hand else f"{self.name.rpartition('-')[2]} tests"


def assignments(source: Path = SOURCE) -> list[str]:
    """The names a1, a2, ... in order."""
    found = [path.parent.name for path in source.glob("*/*.ipynb") if path.stem == path.parent.name]
    return sorted((name for name in found if NAME.fullmatch(name)), key=lambda name: int(name[1:]))


def read(assignment: str, source: Path = SOURCE) -> nbformat.NotebookNode:
    """The source notebook, with solutions and hidden tests."""
    return nbformat.read(source / assignment / f"{assignment}.ipynb", as_version=4)


def name_of(cell: nbformat.NotebookNode) -> str | None:
    """The grade_id of a cell; None if it has none, or something that is none."""
    about = cell.get("metadata", {}).get("nbgrader")
    name = about.get("grade_id") if isinstance(about, dict) else None
    return name if isinstance(name, str) else None


def kind(cell: nbformat.NotebookNode) -> str:
    """'test', 'manual', 'task', 'answer' or 'locked': what nbgrader's metadata make of a cell of ours."""
    about = cell.metadata.nbgrader
    if about.task:
        return "task"
    if about.grade:
        return "manual" if about.solution else "test"
    return "answer" if about.solution else "locked"


def questions(notebook: nbformat.NotebookNode) -> list[Question]:
    """The cells with points, in order, each under the last heading before it."""
    found, title = [], ""
    for cell in notebook.cells:
        heading = re.match(r"## (.+)", cell.source) if kind(cell) in ("locked", "task") else None
        title = heading[1] if heading else title
        if kind(cell) in ("test", "manual", "task"):
            found.append(Question(name_of(cell), float(cell.metadata.nbgrader.points), kind(cell) != "test", title))
    return found


def as_released(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What nbgrader makes of a source for students, as far as its cells' text goes; a copy."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        cell.source = SCHEME.sub("", HIDDEN.sub("", cell.source)).rstrip()
        if kind(cell) == "answer":
            cell.source = SOLUTION.sub(r"\1# YOUR CODE HERE\n\1raise NotImplementedError()", cell.source)
        elif kind(cell) == "manual":
            cell.source = "YOUR ANSWER HERE"
    return notebook


def hidden(cell: nbformat.NotebookNode) -> str:
    """The hidden tests of a source's test cell; "" where it has none."""
    found = HIDDEN.search(cell.source)
    return found[1] if found else ""
