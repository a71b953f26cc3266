"""A graded notebook without the code of its hidden tests and without mark schemes, for the student's eyes."""

import re
from copy import deepcopy

from nbformat import NotebookNode

from .plan import kind, name_of

__all__ = ["masked"]

HIDDEN = re.compile(r"[^\n]*BEGIN HIDDEN TESTS.*?END HIDDEN TESTS[^\n]*", re.DOTALL)
SCHEME = re.compile(r"[^\n]*BEGIN MARK SCHEME.*?END MARK SCHEME[^\n]*", re.DOTALL)


def masked(notebook: NotebookNode) -> NotebookNode:
    """A copy; a failed test keeps the last line of its traceback, which says in words what is wrong."""
    notebook = deepcopy(notebook)
    for cell in notebook.cells:
        if name_of(cell) is None:
            continue
        if kind(cell) == "test":
            cell.source = HIDDEN.sub("# the hidden tests ran here", cell.source)
            for output in cell.outputs:
                if output.output_type == "error":
                    output.traceback = [f"{output.ename}: {output.evalue}"]
        cell.source = SCHEME.sub("", cell.source)
    return notebook
