"""Honest and dishonest hands of students: the reference's answers, handed in in ways that graders get wrong.

HANDS: name -> (change of the solved notebook, test cells that it loses, words of the note; none for "": no note).
Every hand is harmless: the worst of them write a file, print a line, or end their own process.
"""

import copy
import json
import re
import textwrap
from collections.abc import Callable
from functools import partial

import nbformat

from tutorials.assignments.plan import as_released, kind, name_of, questions, read
from tutorials.assignments.quick import solutions

__all__ = ["ANSWERS", "HANDS", "blank", "machine", "mine", "place", "solved"]

# assignment -> (an answer, another answer, the question that a human marks)
ANSWERS = {"a1": ("a1-euler", "a1-heun", "a1-slope"), "a3": ("a3-scalings", "a3-frame", "a3-collapse")}
TEXT = "It is the slope of a line on two logarithmic axes."


def blank(name):
    """What students get."""
    return as_released(read(name))


def solved(name):
    """All answers right, and words where a human marks."""
    notebook, right = blank(name), solutions(read(name))
    for cell in notebook.cells:
        if kind(cell) == "answer":
            cell.source = re.sub(r"(?m)^ *### (BEGIN|END) SOLUTION\n?", "", right[name_of(cell)]).rstrip()
        elif kind(cell) == "manual":
            cell.source = TEXT
    return notebook


def machine(name):
    """test cell -> its points."""
    return {question.name: question.points for question in questions(read(name)) if not question.by_hand}


def place(notebook, name):
    """Where a cell of the release stands."""
    return [name_of(cell) for cell in notebook.cells].index(name)


def mine(notebook, source, after, new=nbformat.v4.new_code_cell):
    """Add a cell of the student's own after another."""
    notebook.cells.insert(place(notebook, after) + 1, new(textwrap.dedent(source).strip()))
    return notebook


def in_functions(notebook, line):
    """The line as the first one of every function of an answer."""
    head = re.compile(r'(?m)^(def \w+\(.*\).*:\n(?:    """[\s\S]*?"""\n)?)')
    for cell in notebook.cells:
        if name_of(cell) and kind(cell) == "answer":
            cell.source = head.sub(lambda found: found[1] + f"    {line}\n", cell.source)
    return notebook


def own(source, name, notebook):
    return mine(notebook, source, f"{name}-setup")


def said(line, name, notebook):
    return in_functions(notebook, line)


def answer(number, source, name, notebook):
    notebook.cells[place(notebook, ANSWERS[name][number])].source = source
    return notebook


def by_hand(how, name, notebook):
    """The answer that a human marks, in a cell of its own or another kind of cell."""
    k = place(notebook, ANSWERS[name][2])
    text = notebook.cells[k].source
    if how == "below":
        notebook.cells[k] = copy.deepcopy(blank(name).cells[k])
        notebook.cells.insert(k + 1, nbformat.v4.new_markdown_cell(text))
    elif how == "retyped":
        notebook.cells[k] = nbformat.v4.new_markdown_cell(text)
    elif how == "left alone":
        notebook.cells[k] = copy.deepcopy(blank(name).cells[k])
    elif how == "deleted":
        del notebook.cells[k]
    else:
        notebook.cells[k].cell_type = how
    return notebook


def lines_end(end, name, notebook):
    for cell in notebook.cells:
        cell.source = cell.source.replace("\n", end) + end
    return notebook


def lost_ids(way, name, notebook):
    """An editor that keeps the text of cells, and not who they are."""
    for k, cell in enumerate(notebook.cells):
        old = name_of(cell)
        cell.metadata = {"id": old} if way == "in the metadata" else {}
        cell.id = old if way == "cell ids" else f"x{k}"
    return notebook


def patched(source, name, notebook):
    return mine(blank(name), source, f"{name}-setup")


def tampered(name, notebook):
    for cell in notebook.cells:
        if kind(cell) == "test":
            cell.source, cell.metadata.nbgrader.points = "100", 100
    notebook.cells.insert(5, nbformat.from_dict({**notebook.cells[3], "id": "copy"}))
    notebook.metadata.kernelspec = {"name": "other", "display_name": "other", "language": "python"}
    return notebook


def turned(name, notebook):
    cell = notebook.cells[place(notebook, ANSWERS[name][0])]
    cell.cell_type = "raw"
    return notebook


def everything(name):
    return set(machine(name))


def of(number, name):
    """The tests of one answer."""
    return {test for test in machine(name) if test.startswith(ANSWERS[name][number] + "-")}


VERDICT = """
    import sys
    for module in list(sys.modules.values()):
        if hasattr(module, "verdict"):
            module.verdict = lambda *a, **k: "PASS"
"""
ASSERTS = """
    import builtins, torch
    torch.allclose = lambda *a, **k: True
    import minicm
    from minicm.course import checking
    checking.compare = lambda *a, **k: None
    checking._Guarded.__call__ = lambda self, *a: a[0]
    builtins.NotImplementedError = Warning
"""
HISTORY = """
    def peep():
        import linecache, sys
        frame, found = sys._getframe(1), []
        while frame:
            found += linecache.getlines(frame.f_code.co_filename)
            found += [value for value in frame.f_locals.values() if isinstance(value, str)]
            frame = frame.f_back
        return "".join(found)
    print("\\n".join(In))
"""
SOURCES = """
    import pathlib, minicm
    for path in sorted(pathlib.Path(minicm.__file__).parents[1].glob("tutorials/assignments/source/*/*.ipynb")):
        try:
            print(path.read_text())
        except PermissionError as error:
            print(error)
"""
OUTSIDE = """
    import pathlib, tempfile
    for place in (pathlib.Path(minicm.__file__).parent / "planted.py", pathlib.Path.home().parents[2] / "planted.py"):
        try:
            place.write_text("planted")
        except PermissionError:
            print("refused")
    pathlib.Path("helper.py").write_text("x = 3")
    import helper
    with tempfile.TemporaryFile() as file:
        file.write(b"x")
    print("inside works", helper.x)
"""
TAKEN = "from minicm import TrigFlow; TrigFlow().alpha(torch.ones(1))"
SCRIPT = "from IPython.display import HTML, display\ndisplay(HTML('<script>1</script>'))"
MAGICS = "%matplotlib inline\n!echo from the shell\nawait __import__('asyncio').sleep(0)"
NONE: Callable = lambda name: set()  # noqa: E731
HANDS: dict[str, tuple] = {
    "plain": (lambda name, notebook: notebook, NONE, ""),
    "tqdm": (partial(said, "from tqdm import tqdm; [None for _ in tqdm(range(2))]"), NONE, ""),
    "logging": (partial(said, "import logging; logging.getLogger('me').warning('a step')"), NONE, ""),
    "stderr": (partial(said, "import sys; print('a step', file=sys.stderr)"), NONE, ""),
    "warning": (partial(said, "import warnings; warnings.warn('a step')"), NONE, ""),
    "below": (partial(by_hand, "below"), NONE, "beside it"),
    "retyped": (partial(by_hand, "retyped"), NONE, "beside it"),
    "as code": (partial(by_hand, "code"), NONE, "was turned into a code cell"),
    "as raw": (partial(by_hand, "raw"), NONE, "was turned into a raw cell"),
    "deleted": (partial(by_hand, "deleted"), NONE, "was not found"),
    "left alone": (partial(by_hand, "left alone"), NONE, ""),
    "crlf": (partial(lines_end, "\r\n"), NONE, ""),
    "blanks at the ends": (partial(lines_end, "  \n"), NONE, ""),
    "imports": (partial(said, TAKEN), NONE, "uses minicm's alpha"),
    "ids in cells": (partial(lost_ids, "cell ids"), NONE, "found by cell id"),
    "ids in metadata": (partial(lost_ids, "in the metadata"), NONE, "found by the id in the metadata"),
    "no ids": (partial(lost_ids, "nowhere"), NONE, "found by the functions that they define"),
    "answer as raw": (turned, NONE, "was turned into a raw cell"),
    "tampered": (tampered, NONE, "put back"),
    "history": (partial(own, HISTORY), NONE, "looks for the code of tests"),
    "prints In": (partial(own, "print('\\n'.join(In))"), NONE, "looks for the code of tests (In)"),
    "reads the sources": (partial(own, SOURCES), NONE, ""),
    "writes outside": (partial(own, "import minicm\n" + textwrap.dedent(OUTSIDE)), NONE, ""),
    "exit": (partial(own, "exit()"), NONE, "calls exit"),
    "sys.exit": (partial(own, "import sys; sys.exit()"), NONE, "calls exit"),
    "os._exit": (partial(own, "import os; os._exit(0)"), NONE, "ended its Python process"),
    "os._exit in an answer": (partial(answer, 0, "import os; os._exit(0)"), partial(of, 0), "ended its Python process"),
    "prints much": (partial(own, "print('x' * 10**8)"), NONE, "prints more than there is room for"),
    "out of memory": (partial(own, "_ = bytearray(10**11)"), NONE, "ran out of memory"),
    "writes a script": (partial(own, SCRIPT), NONE, ""),
    "magics": (partial(own, MAGICS), NONE, ""),
    "verdict": (partial(patched, VERDICT), everything, "they were patched"),
    "asserts": (partial(patched, ASSERTS), everything, "they were patched"),
}  # fmt: skip


def written(name, hand):
    """The hand-in as a file's text."""
    change = HANDS[hand][0]
    return json.dumps(change(name, solved(name)))
