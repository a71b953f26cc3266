"""Score an assignment in this process, without nbgrader: to test assignments and their variants, never for students.

A test cell is worth all of its points or none, as in nbgrader; tests/classroom/test_assignments.py compares the two.
"""

import ast
import contextlib
import io
import re
from collections.abc import Mapping

import torch
from nbformat import NotebookNode

from .plan import kind, name_of

__all__ = ["BLANK", "score", "solutions"]

BLANK = "raise NotImplementedError()"
SOLUTION = re.compile(r"(?m)^( *)### BEGIN SOLUTION\n.*?^ *### END SOLUTION", re.DOTALL)


def solutions(notebook: NotebookNode) -> dict[str, str]:
    """grade_id -> the reference answer, of each answer cell."""
    return {name_of(cell): cell.source for cell in notebook.cells if kind(cell) == "answer"}


def blank(source: str) -> str:
    """The answer cell as students get it."""
    return SOLUTION.sub(rf"\1{BLANK}", source)


def score(notebook: NotebookNode, answers: Mapping[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """(points of each test cell, message of each cell that failed); answers: grade_id -> code, without one blank."""
    import matplotlib

    matplotlib.use("Agg")  # no windows
    names: dict = {"__name__": "__main__"}
    points, messages = {}, {}
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # what a fresh kernel has
    try:
        with torch.random.fork_rng(devices=[]), contextlib.redirect_stdout(io.StringIO()):
            for cell in notebook.cells:
                if cell.cell_type != "code":
                    continue
                source = cell.source
                if kind(cell) == "answer":
                    source = answers.get(name_of(cell), blank(source))
                failure = _failure(source, names)
                messages |= {name_of(cell): failure} if failure else {}
                if kind(cell) == "test":
                    points[name_of(cell)] = 0.0 if failure else float(cell.metadata.nbgrader.points)
    finally:
        torch.set_default_dtype(default)
    return points, messages


def _failure(source: str, names: dict) -> str | None:
    try:
        exec(compile(ast.parse(source), "<cell>", "exec"), names)
    except Exception as error:  # whatever an answer does, it costs only its own points
        return f"{type(error).__name__}: {error}"
    return None
