"""Run a submission, cell by cell, and see what its tests say.

A cell that ends its process, or cannot be stopped, is left out when the notebook is run again, so it costs only
itself.  After every test that passes come two checks that have to fail: if they do not, the checker was patched, and
the test says nothing.
"""

import ast
import base64
import contextlib
import marshal
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nbformat import NotebookNode

from .containment import EndedError, Limits, OvertimeError, Worker
from .plan import hidden, kind, name_of
from .rebuild import defines

__all__ = ["Ran", "Session", "everything_allowed", "remove"]

NOT_RUN = "NotRun"  # the name of the error that a page shows for a cell that was stopped or left out
TRIES = 5  # how often a notebook is run; each time without one cell more
TRIPWIRES = (
    "assert False, 'tripwire'",
    "import torch\n"
    "from minicm.course.checking import compare, verdict\n"
    "said = verdict('f', lambda x: x + 1, [lambda f: compare(f(torch.zeros(2)), torch.zeros(2))], why='')\n"
    "assert said.startswith('PASS'), said",
)


@dataclass
class Ran:
    """What one run found."""

    passed: dict[str, bool] = field(default_factory=dict)  # of each test cell
    outputs: dict[int, list] = field(default_factory=dict)  # of each cell of code, by its place
    notes: list[str] = field(default_factory=list)
    patched: list[str] = field(default_factory=list)  # tests that passed while a check passed that has to fail


class _SkippedError(Exception):
    """The cell at a place has to be left out."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place, self.why = place, why


@dataclass
class Session:
    """One submission: the rebuilt notebook, the source that has its hidden tests, the folder that is its own."""

    worker: Worker
    notebook: NotebookNode
    source: NotebookNode
    folder: Path
    limits: Limits
    closed: Sequence[Path] = ()

    def run(self) -> Ran:
        """All cells and tests.  Raises EndedError if no Python can be started."""
        self.until = time.monotonic() + self.limits.seconds
        self.tests = {name_of(cell): cell for cell in self.source.cells if kind(cell) == "test"}
        left_out: dict[int, str] = {}
        for _ in range(TRIES):
            self.ran = Ran(dict.fromkeys(self.tests, False), notes=list(left_out.values()))
            remove(self.folder)  # each run finds it empty
            self.folder.mkdir()
            self.worker.begin(self.folder, self.limits, self.closed)
            try:
                self._all(left_out)
                return self._told()
            except _SkippedError as skipped:
                left_out[skipped.place] = skipped.why
            except OvertimeError:
                self.ran.notes.append(f"stopped after {self.limits.seconds:g} seconds, the limit for a whole notebook")
                return self.ran
            finally:
                self.worker.stop()
        self.ran.notes.append(f"stopped after {TRIES} runs, each of which a cell ended")
        return self.ran

    def _told(self) -> Ran:
        if self.ran.patched:
            tests = ", ".join(self.ran.patched)
            self.ran.notes.append(f"no points for {tests}: checks that have to fail passed too, they were patched")
        return self.ran

    def _all(self, left_out: dict[int, str]) -> None:
        for place, cell in enumerate(self.notebook.cells):
            if cell.cell_type != "code":
                continue
            if place in left_out:
                self.ran.outputs[place] = [_error(NOT_RUN, left_out[place])]
            elif name_of(cell) in self.tests:
                self._test(place, cell)
            elif self._ask(place, {"source": cell.source}).get("exit"):
                self.ran.notes.append(f"cell {_called(cell)} calls exit: the rest was run all the same")

    def _test(self, place: int, cell: NotebookNode) -> None:
        name, shown, ok = name_of(cell), [], True
        for code, keep in ((cell.source, True), (hidden(self.tests[name]), False)):
            if not (ok and code):
                continue
            about = {"asked": self._asked(name), "given": _given(self.tests[name].source)}
            answer = self._ask(place, _order(code, name, keep=keep) | about)
            ok = answer.get("ok") is True
            # what an answer prints while a hidden test runs is not shown: it could print the test
            shown += [one for one in answer["outputs"] if keep or one.get("output_type") == "error"]
            taken = [str(one)[:60] for one in answer.get("taken") or ()][:5]
            if taken and not everything_allowed(self.source):
                self.ran.notes.append(f"the answer to {name.rpartition('-')[0]} uses minicm's {', '.join(taken)}")
        if ok and not self._tripped(place):
            ok = False
            self.ran.patched.append(name)
        self.ran.outputs[place], self.ran.passed[name] = shown, ok

    def _asked(self, test: str) -> list[str]:
        """The functions that the answer before a test has to define."""
        answer = test.rpartition("-")[0]
        return [name for cell in self.source.cells if name_of(cell) == answer for name in defines(cell.source)]

    def _tripped(self, place: int) -> bool:
        """Whether the checks fail that have to fail."""
        found = [self._ask(place, _order(code, "tripwire", keep=False)) for code in TRIPWIRES]
        return all(one.get("ok") is False for one in found)

    def _ask(self, place: int, order: dict) -> dict:
        cell, cells = self.notebook.cells[place], self.limits
        try:
            answer = self.worker.ask(order, cells.cell_seconds, self.until)
        except EndedError:
            why = f"cell {_called(cell)} ended its Python process (os._exit, or out of memory): graded without it"
            raise _SkippedError(place, why) from None
        except OvertimeError as over:
            why = f"cell {_called(cell)} ran over the time limit"
            if over.whole:
                raise
            if self.worker.child is None:
                raise _SkippedError(place, why) from None
            self.ran.notes.append(why)
            answer = {"ok": False, "outputs": [_error(NOT_RUN, why)]}
        outputs = answer.get("outputs")
        answer["outputs"] = [one for one in outputs if isinstance(one, dict)] if isinstance(outputs, list) else []
        self.ran.outputs[place] = answer["outputs"]
        if answer.get("cut"):
            self.ran.notes.append(f"cell {_called(cell)} prints more than there is room for: cut")
        if any(one.get("ename") == "MemoryError" for one in answer["outputs"]):
            self.ran.notes.append(f"cell {_called(cell)} ran out of memory")
        if _megabytes(self.folder) > cells.folder_mb:
            raise _SkippedError(place, f"cell {_called(cell)} wrote more than {cells.folder_mb} MB: graded without it")
        return answer


def _called(cell: NotebookNode) -> str:
    return name_of(cell) or "of the student's own"


def _error(name: str, value: str) -> dict:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


def _order(code: str, name: str, *, keep: bool) -> dict:
    """A test as compiled code: its text never reaches the student's process."""
    compiled = base64.b64encode(marshal.dumps(compile(code, f"<test {name}>", "exec"))).decode()
    return {"code": compiled, "keep": keep, "asked": [], "given": []}


def _given(code: str) -> list[str]:
    """What a test imports from the package: it may hand that to an answer, which then calls it."""
    imports = [part for part in ast.walk(ast.parse(code)) if isinstance(part, ast.ImportFrom)]
    return [alias.name for part in imports if (part.module or "").startswith("minicm") for alias in part.names]


def everything_allowed(source: NotebookNode) -> bool:
    """Whether the assignment hands out the whole package, as the mini project does."""
    return any(kind(cell) == "locked" and "\nimport minicm\n" in f"\n{cell.source}\n" for cell in source.cells)


def _megabytes(folder: Path) -> float:
    """The size of all files below a folder."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(root, name)).st_size
    return total / 2**20


def remove(folder: Path) -> None:
    """Remove a folder, also one whose owner took away the right to."""

    def again(function, path, error) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        os.chmod(path, 0o700)
        function(path)

    if folder.exists():
        shutil.rmtree(folder, onerror=again)
