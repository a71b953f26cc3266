"""The released notebook with a student's answers in it: whatever else was changed in a submission is gone.

Answers are found by grade_id, or by cell id where the metadata were lost.  Cells of the student's own stay, after
the cell that they follow.  Tests, points, text and kernel come from the release.
"""

import json
from copy import deepcopy

import nbformat
from nbformat import NotebookNode, v4

from .plan import kind, name_of

__all__ = ["parse", "rebuild"]

MAX_CELLS = 1000


def parse(data: bytes) -> NotebookNode:
    """The notebook in data; raises ValueError, in one line, if it is none."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not a notebook: the file is not JSON") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("cells"), list) or raw.get("nbformat") != 4:
        raise ValueError("not a notebook: expected nbformat 4 with a list of cells")
    if len(raw["cells"]) > MAX_CELLS:
        raise ValueError(f"{len(raw['cells'])} cells, at most {MAX_CELLS}")
    return nbformat.from_dict({**raw, "cells": [cell for cell in raw["cells"] if _usable(cell)]})


def _usable(cell: object) -> bool:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown"):
        return False
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        cell["source"] = "".join(source)
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    return isinstance(cell["source"] if "source" in cell else None, str)


def rebuild(release: NotebookNode, submitted: NotebookNode) -> tuple[NotebookNode, list[str]]:
    """(the notebook to grade, what had to be mended, in words)."""
    known = {name_of(cell): cell for cell in release.cells}
    answers, extra, notes = _sort(submitted, known)
    notebook = deepcopy(release)
    notebook.cells = [deepcopy(cell) for cell in extra.get(None, [])]
    for cell in deepcopy(release.cells):
        name = name_of(cell)
        if kind(cell) in ("answer", "manual", "task") and name in answers:
            cell.source = answers[name].source
        notebook.cells += [cell, *extra.get(name, [])]
    for k, cell in enumerate(notebook.cells):
        cell.id = f"cell-{k}"
    return notebook, notes + _missing(release, answers)


def _sort(submitted: NotebookNode, known: dict) -> tuple[dict, dict, list[str]]:
    """The student's cells: those of the release by name, all others by the name that they follow; and notes."""
    by_metadata = any(name_of(cell) in known for cell in submitted.cells)
    answers, extra, copied, last = {}, {}, set(), None
    for cell in submitted.cells:
        name = name_of(cell) if by_metadata else cell.get("id")
        if name in answers:
            copied.add(name)
        elif name in known and cell.cell_type == known[name].cell_type:
            answers[name], last = cell, name
            continue
        extra.setdefault(last, []).append(_plain(cell))
    notes = [f"copied cell {name}: the first one is graded" for name in sorted(copied)]
    if not by_metadata and answers:
        notes.append("the cells' nbgrader metadata were removed: answers were found by cell id")
    return answers, extra, notes


def _plain(cell: NotebookNode) -> NotebookNode:
    """The cell without anything that nbgrader could take for a part of the assignment."""
    return (v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell)(cell.source)


def _missing(release: NotebookNode, answers: dict) -> list[str]:
    """Notes on deleted answers and on tests that do not read as they were released."""
    wanted = [name_of(cell) for cell in release.cells if kind(cell) == "answer"]
    if not any(name in answers for name in wanted):
        return ["no answer was found: its cells are not those of the release; ask for the original notebook"]
    notes = [f"deleted cell {name}" for name in wanted if name not in answers]
    changed = [
        name_of(cell) for cell in release.cells
        if kind(cell) == "test" and (name_of(cell) not in answers or answers[name_of(cell)].source != cell.source)
    ]  # fmt: skip
    return notes + [f"changed or deleted test {name}: put back" for name in changed]
