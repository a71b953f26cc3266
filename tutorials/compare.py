"""How the outputs of a notebook are compared with the stored ones: learnt numbers as numbers, all else to the letter.

pytest loads this through conftest.py, on top of nbval.  Words, integers, the order of lines and the kinds of outputs must
be the stored ones.  A number with a decimal point or an exponent may differ by a few units of its last printed digit, or by a
share of itself, whichever is more: another processor adds the same numbers in another order, and a training makes more of it.
A cell says in its metadata what holds for it:

    "minicm": {"tolerance": {"digits": 0, "share": 0}}     a closed form: exactly as stored
    "minicm": {"tolerance": {"digits": 4, "share": 0.1}}   a noisy number
    "minicm": {"tolerance": {"counts": 0.2}}               integers that were learnt: a fifth more or less, at least 1
"""

import json
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import nbformat
import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from tutorials import kernels

__all__ = ["Cell", "Notebook", "Printed", "Tolerance", "difference", "tolerance_of"]

# A number on its own: not inside a word (model1.5, 2.13.0, 0.5x), and its sign is no dash between words.
NUMBER = re.compile(
    r"(?<![\w.])(?:(?<![^\s(\[{=,;:|$<>±~≈/])[-+−])?(?:\d+\.\d+|\.\d+|\d+(?=[eE][-+]?\d))(?:[eE][-+]?\d+)?(?![\w]|\.\d)"
)
COUNT = re.compile(r"(?<![\w.])\d+(?!\w|\.\d)")
SPEED = re.compile(r"\d+(\.\d+)? ?(ms|s|min)\b")  # differs from run to run
ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
PIXELS = re.compile(r"\biVBORw0KGgo[\w+/=]+")  # how a PNG begins in base64; sliders have theirs inside of HTML


@dataclass(frozen=True)
class Tolerance:
    """How far a number may be from the stored one: so many units of its last digit or that share of it, what is more.

    Integers may not differ at all, but where `counts` is the share of them that may, and then by 1 at least.
    """

    digits: float = 2.0
    share: float = 0.03
    counts: float = 0.0

    def allows(self, stored: str, printed: str) -> bool:
        """Whether the second text of a number is close enough to the first; equal numbers always are."""
        a, b = _value(stored), _value(printed)
        if stored.isdigit():
            return printed.isdigit() and abs(a - b) <= max(1.0, self.counts * a)
        return abs(a - b) <= max(self.digits * _unit(stored), self.share * abs(a)) * (1 + 1e-9)


def _value(number: str) -> float:
    return float(number.replace("−", "-"))


def _unit(number: str) -> float:
    """What one more in the last digit adds: 0.01 for 1.37, 1e-6 for 1.3e-5."""
    mantissa, _, exponent = number.lower().partition("e")
    return 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def difference(stored: str, printed: str, tolerance: Tolerance) -> str | None:
    """The first difference that matters, in words, or None."""
    rows, ours = stored.split("\n"), printed.split("\n")
    for k, (row, our) in enumerate(zip(rows, ours), 1):
        if found := _line_difference(row, our, tolerance):
            return f"line {k}: {found}"
    return f"expected {len(rows)} lines, got {len(ours)}" if len(rows) != len(ours) else None


def _line_difference(stored: str, printed: str, tolerance: Tolerance) -> str | None:
    number = re.compile(f"{NUMBER.pattern}|{COUNT.pattern}") if tolerance.counts else NUMBER
    # The spaces beside a number go: a column is as wide as its widest number.
    words = [re.sub(r"[ \t]*\0[ \t]*", "\0", number.sub("\0", line)) for line in (stored, printed)]
    if words[0] != words[1]:
        return f"expected {stored!r}, got {printed!r}"
    for a, b in zip(number.findall(stored), number.findall(printed)):
        if not tolerance.allows(a, b):
            return f"expected {a}, got {b}, and {tolerance} allows less"
    return None


# ---- what a cell asks for


def tolerance_of(metadata: dict) -> Tolerance:
    """What a cell's metadata say under "minicm", or the default; ValueError of one line for anything unknown."""
    asked = metadata.get("minicm", {}) if isinstance(metadata, dict) else {}
    asked = asked.get("tolerance", {}) if isinstance(asked, dict) else asked
    known = [field.name for field in fields(Tolerance)]
    if not isinstance(asked, dict) or not set(asked) <= set(known):
        raise ValueError(f"expected a tolerance of {', '.join(known)}, got {asked!r}")
    for name, value in asked.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
            raise ValueError(f"expected a number of at least 0 as the tolerance {name!r}, got {value!r}")
    return Tolerance(**asked)


# ---- nbval, whose cell calls `sanitize` on every text before it compares two with `!=`


class Printed(str):
    """A text of an output that differs from another only where `difference` says so."""

    tolerance: Tolerance

    def __ne__(self, other: object) -> bool:
        return not isinstance(other, str) or difference(self, other, self.tolerance) is not None

    def __eq__(self, other: object) -> bool:
        return not self != other

    __hash__ = str.__hash__


class Cell(IPyNbCell):
    """A code cell: nbval's, but numbers are compared as numbers, and stored pictures must be drawn."""

    def sanitize(self, s: object) -> object:
        """A text as one with this cell's tolerance, speeds, addresses and pixels blanked; anything else as it is."""
        if not isinstance(s, str):
            return s
        s = PIXELS.sub("PIXELS", s)
        printed = Printed(ADDRESS.sub("ADDRESS", SPEED.sub("SPEED", s)))
        printed.tolerance = tolerance_of(self.cell.metadata)
        return printed

    def compare_outputs(self, test: list, ref: list, skip_compare: tuple | None = None) -> bool:
        """Whether the outputs agree; the last line of the report is the reason in words."""
        if self.parent.updates:
            reason = f"uses {self.parent.updates}, which a comparison cannot follow: draw once, or tag the cell nbval-skip"
        else:
            reason = self._pictures_differ(test, ref)
        if reason:
            self.comparison_traceback = [reason]
            return False
        return super().compare_outputs(test, ref, skip_compare)

    def format_output_compare(self, key: str, left: object, right: object) -> None:
        """The two texts, then the first difference that matters."""
        super().format_output_compare(key, left, right)
        if isinstance(left, Printed) and isinstance(right, str):
            self.comparison_traceback.append(difference(left, right, left.tolerance) or "")

    def runtest(self) -> None:
        """Execute the cell and compare."""
        self.parent.updates = ""
        super().runtest()

    @staticmethod
    def _pictures_differ(test: list, ref: list) -> str:
        ours, stored = ([kind for out in side for kind in out.get("data", {}) if "image/" in kind] for side in (test, ref))
        return "" if ours == stored else f"expected the pictures {stored}, got {ours}"


class Notebook(IPyNbFile):
    """A notebook of such cells; what cannot be compared is refused before anything runs."""

    def setup(self) -> None:
        """Start the kernel."""
        with kernels.copies():
            super().setup()

    updates = ""  # the message by which the cell that runs changes an output that it made before

    def get_kernel_message(self, timeout: float | None = None, stream: str = "iopub") -> dict:
        """A message of the kernel, as nbval reads it."""
        message = super().get_kernel_message(timeout, stream)
        if message["msg_type"] in ("update_display_data", "clear_output"):
            self.updates = message["msg_type"]
        return message

    def collect(self) -> Iterator[Cell]:
        """The code cells; CollectError of one line for a file that is damaged, never executed or marked wrongly."""
        try:
            notebook = json.loads(self.path.read_text("utf-8"))
            nbformat.validate(notebook)
            cells = list(super().collect())
        except Exception as error:  # what json, jsonschema, nbformat and the file system raise
            raise self._refused(_place(error), f"is damaged: {type(error).__name__}: {_first_line(error)}") from None
        for item in cells:
            try:
                tolerance_of(item.cell.metadata)
            except ValueError as error:
                raise self._refused(item.name, str(error)) from None
            if item.options["check"] and not item.options["skip"] and item.cell.execution_count is None:
                raise self._refused(item.name, "was never executed: make course NOTEBOOKS=... stores what it prints")
            yield Cell.from_parent(
                self, name=item.name, cell_num=item.cell_num, cell=item.cell, options=item.options
            )

    def _refused(self, place: str, reason: str) -> pytest.Collector.CollectError:
        return pytest.Collector.CollectError(f"{self.path.name}: {place}: {reason}")


def _place(error: Exception) -> str:
    """The cell that a schema error speaks of, as nbformat counts: all cells from 0."""
    path = list(getattr(error, "absolute_path", ()))
    return f"cell {path[1]} of the file" if path[:1] == ["cells"] and len(path) > 1 else "the file"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200]


# ---- hooks of pytest


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator:
    """Each notebook that nbval collects becomes ours."""
    found = yield
    return [Notebook.from_parent(parent, path=file_path) if type(item) is IPyNbFile else item for item in found]


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Warnings of other packages carry process ids: stderr is not compared.  Films must be there, as PNGs must."""
    if isinstance(collector, IPyNbFile):
        collector.skip_compare += ("stderr", "image/gif")


def pytest_unconfigure() -> None:
    """The kernels have ended before."""
    kernels.end()
