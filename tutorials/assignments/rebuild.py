"""The released notebook with a student's answers in it: whatever else was changed in a submission is gone.

Answers are found by grade_id; where an editor lost it, by the id of the cell, or by the function that it defines.
Cells of the student's own stay, after the cell that they follow.  Tests, points, text and kernel come from the release.
"""

import ast
import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import nbformat
from nbformat import NotebookNode, v4

from .plan import kind, name_of

__all__ = ["Rebuilt", "defines", "parse", "rebuild"]

MAX_CELLS = 1000
PRYING = re.compile(r"\b(?:In(?=\s*[\[\])])|_ih|linecache|_getframe|history_manager)\b")


@dataclass
class Rebuilt:
    """A notebook to grade, what had to be mended, in words, and what was written where a human marks."""

    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    written: dict[str, str] = field(default_factory=dict)  # question -> text; none for what was left as it was


def parse(data: bytes) -> NotebookNode:
    """The notebook in data; raises ValueError, in one line, if it is none."""
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        raise ValueError("not a notebook: the file is not JSON; ask for the file again") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("cells"), list) or raw.get("nbformat") != 4:
        raise ValueError("not a notebook: expected nbformat 4 with a list of cells; ask for the file again")
    if len(raw["cells"]) > MAX_CELLS:
        raise ValueError(f"{len(raw['cells'])} cells, at most {MAX_CELLS}")
    return nbformat.from_dict({**raw, "cells": [cell for cell in raw["cells"] if _usable(cell)]})


def _usable(cell: object) -> bool:
    if not isinstance(cell, dict) or cell.get("cell_type") not in ("code", "markdown", "raw"):
        return False
    source = cell.get("source")
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(cell.get("metadata"), dict):
        cell["metadata"] = {}
    if isinstance(source, str):
        cell["source"] = source.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode()
    return isinstance(source, str)


def rebuild(release: NotebookNode, submitted: NotebookNode) -> Rebuilt:
    """Raises ValueError if there is no answer in it at all."""
    known = {name_of(cell): cell for cell in release.cells}
    answers, extra, notes = _sort(submitted, known)
    wanted = [name for name, cell in known.items() if kind(cell) == "answer"]
    if not any(name in answers for name in wanted):
        raise ValueError("no answer was found: its cells are not those of the release; ask for the original notebook")
    made = Rebuilt(deepcopy(release), notes + _mended(known, answers))
    made.notebook.cells = [deepcopy(cell) for cell in extra.get(None, [])]
    for cell in deepcopy(release.cells):
        name = name_of(cell)
        if kind(cell) in ("answer", "manual") and name in answers:
            cell.source = answers[name].source
        made.notebook.cells += [cell, *extra.get(name, [])]
    for k, cell in enumerate(made.notebook.cells):
        cell.id = f"cell-{k}"
    _find_written(made, release, answers, extra)
    return made


def _sort(submitted: NotebookNode, known: dict) -> tuple[dict, dict, list[str]]:
    """The student's cells: those of the release by name, all others by the name that they follow; and notes."""
    identify, how = _way(submitted, known)
    answers, extra, notes, last = {}, {}, [], None
    for cell in submitted.cells:
        name = identify(cell)
        if name in answers:
            notes.append(f"copied cell {name}: the first one is graded")
        elif name in known:
            answers[name], last = cell, name
            if cell.cell_type != known[name].cell_type and kind(known[name]) in ("answer", "manual"):
                notes.append(f"{name} was turned into a {cell.cell_type} cell: its text counts")
            continue
        extra.setdefault(last, []).append(_plain(cell))
    notes = sorted(set(notes)) + _curious(submitted, known)
    return answers, extra, notes + ([how] if how and answers else [])


def _way(submitted: NotebookNode, known: dict):
    """(cell -> its name in the release or None, what to tell): the first way that finds anything."""
    functions = {tuple(defines(cell.source)): name for name, cell in known.items() if kind(cell) == "answer"}
    lost = "the cells' nbgrader metadata were removed: answers were found by "
    ways = [
        (name_of, ""),
        (lambda cell: cell.get("id"), lost + "cell id"),
        (lambda cell: cell.metadata.get("id"), lost + "the id in the metadata"),
        (lambda cell: functions.get(tuple(defines(cell.source)) or None), lost + "the functions that they define"),
    ]
    for way, how in ways:
        found = [way(cell) for cell in submitted.cells]
        if any(isinstance(name, str) and name in known for name in found):
            return partial(_named, way), how
    return (lambda cell: None), ""


def _named(way, cell: NotebookNode) -> str | None:
    name = way(cell)
    return name if isinstance(name, str) else None


def defines(source: str) -> list[str]:
    """The functions that code defines, in order; read as text where it is no Python."""
    try:
        return [part.name for part in ast.parse(source).body if isinstance(part, ast.FunctionDef)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return re.findall(r"(?m)^def (\w+)\(", source)


def _plain(cell: NotebookNode) -> NotebookNode:
    """The cell without anything that could be taken for a part of the assignment."""
    new = {"code": v4.new_code_cell, "raw": v4.new_raw_cell, "markdown": v4.new_markdown_cell}
    return new[cell.cell_type](cell.source)


def _curious(submitted: NotebookNode, known: dict) -> list[str]:
    """A note on cells that look for the tests; the history of the notebook does not have them."""
    public = {word for cell in known.values() for word in PRYING.findall(cell.source)}
    code = [cell.source for cell in submitted.cells if cell.cell_type == "code"]
    found = sorted({word for source in code for word in PRYING.findall(source)} - public)
    return [f"looks for the code of tests ({', '.join(found)}): look at it"] if found else []


def _lines(text: str) -> list[str]:
    """The text as far as it matters: editors change line ends and blanks at the ends."""
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _mended(known: dict, answers: dict) -> list[str]:
    """Notes on deleted answers and on tests that do not read as they were released."""
    notes = [f"deleted cell {n}" for n, c in known.items() if kind(c) in ("answer", "manual") and n not in answers]
    changed = [
        name for name, cell in known.items()
        if kind(cell) == "test" and (name not in answers or _lines(answers[name].source) != _lines(cell.source))
    ]  # fmt: skip
    return notes + [f"changed or deleted test {name}: put back" for name in changed]


def _find_written(made: Rebuilt, release: NotebookNode, answers: dict, extra: dict) -> None:
    """What was written for each question that a human marks, wherever it stands."""
    names = [name_of(cell) for cell in release.cells]
    for k, cell in enumerate(release.cells):
        name = names[k]
        if kind(cell) not in ("manual", "task"):
            continue
        own = answers[name].source if name in answers else ""
        if kind(cell) == "manual" and own.strip() and _lines(own) != _lines(cell.source):
            made.written[name] = own.strip()
            continue
        beside = [one.source.strip() for place in _reach(release, k) for one in extra.get(place, [])]
        text = "\n\n".join(filter(None, beside))
        if kind(cell) == "task" or text or name not in answers:
            made.written[name] = text
        if kind(cell) == "manual" and (text or name not in answers):
            where = "stands in cells of the student's own beside it" if text else "was not found: look at the notebook"
            made.notes.append(f"the answer to {name} {where}")


def _reach(release: NotebookNode, k: int) -> list[str | None]:
    """The cells of the release after which an own cell may be the answer to question k: those of its question."""
    names, kinds = [name_of(cell) for cell in release.cells], [kind(cell) for cell in release.cells]
    first = k - 1 if k and kinds[k - 1] == "locked" else k
    last = k
    while kinds[k] == "task" and last + 1 < len(kinds) and kinds[last + 1] == "answer":
        last += 1
    return names[first : last + 1]
