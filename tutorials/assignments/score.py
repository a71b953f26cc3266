"""From what was handed in to a row: rebuild it, run it, take the points, keep the graded notebook.

The folder of a submission is OUT/work/<name>_<assignment>: submission.ipynb as it came, graded.ipynb with outputs, and
while it runs box/, the only place that it can write to, empty before and gone after.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from .containment import EndedError, Limits, Worker
from .plan import Question, as_released, hidden, kind, questions
from .rebuild import parse, rebuild
from .report import Row
from .session import Ran, Session, remove
from .submissions import Submission

__all__ = ["Bench", "digest", "score_submission", "secrets"]

CUT = "(a line of a hidden test was cut out here)"
BROKEN = "not graded: the grader's Python was changed since grading began: mend it (make distclean), then run it again"


@dataclass(frozen=True)
class Bench:
    """With what all submissions of a run are graded."""

    work: Path
    sources: dict[str, NotebookNode]  # assignment -> its notebook, with hidden tests
    limits: Limits
    closed: Sequence[Path]  # what no submission may read
    python: str  # `fingerprint` when grading began
    asked: dict[str, list[Question]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "asked", {name: questions(source) for name, source in self.sources.items()})


def fingerprint(places: Iterable[Path]) -> str:
    """Equal while nothing was installed, removed or edited at the first level of these folders."""
    found = []
    for place in places:
        with contextlib.suppress(OSError):
            for entry in sorted(os.scandir(place), key=lambda entry: entry.name):
                about = entry.stat(follow_symlinks=False)
                if entry.name != "__pycache__":
                    size = about.st_size if entry.is_file() else 0
                    found.append((entry.path, about.st_mtime_ns if entry.is_file() else 0, size))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def digest(submission: Submission, source: NotebookNode) -> str:
    """Of the file and of the tests: with both the same, it need not be graded again."""
    return hashlib.sha256(submission.data + nbformat.writes(source).encode()).hexdigest()


def score_submission(bench: Bench, worker: Worker, submission: Submission, folder: str, python: str) -> Row:
    """Whatever the submission does becomes the row's note; python: the grader's `fingerprint` now."""
    name = submission.assignment or ""
    row = {"student": submission.student, "assignment": name, "folder": folder, "number": submission.number}
    if submission.assignment is None or not submission.data:
        return Row(points={}, note=submission.note, graded=False, **row)
    if python != bench.python:
        return Row(points={}, note=BROKEN, graded=False, **row)
    place = bench.work / f"{folder}_{name}"
    row["digest"] = digest(submission, bench.sources[name])
    release = as_released(bench.sources[name])
    try:
        made = rebuild(release, parse(submission.data))
    except ValueError as error:
        note = "; ".join(filter(None, (submission.note, str(error))))
        return Row(points={}, note=note, graded=False, **row)
    try:
        ran = _run(bench, worker, made.notebook, bench.sources[name], place)
    except EndedError as error:
        return Row(points={}, note=str(error), graded=False, **row | {"digest": ""})
    notes = [submission.note, *made.notes, *ran.notes]
    mine = {_squeezed(line) for cell in made.notebook.cells for line in cell.source.splitlines()}
    if _keep(place, submission.data, made.notebook, ran, secrets(bench.sources[name], release) - mine):
        notes.append("it shows lines of hidden tests: cut out of its page")
    points = {
        q.name: (None if q.name in made.written else 0.0) if q.by_hand else q.points * ran.passed[q.name]
        for q in bench.asked[name]
    }
    return Row(
        points=points, note="; ".join(dict.fromkeys(filter(None, notes))), graded=True, written=made.written, **row
    )


def _run(bench: Bench, worker: Worker, notebook: NotebookNode, source: NotebookNode, place: Path) -> Ran:
    box = place / "box"
    remove(place)
    place.mkdir(parents=True)
    try:
        return Session(worker, notebook, source, box, bench.limits, bench.closed).run()
    finally:
        remove(box)


def secrets(source: NotebookNode, release: NotebookNode) -> set[str]:
    """The lines of hidden tests that say something, and stand nowhere in the release."""
    public = {_squeezed(line) for cell in release.cells for line in cell.source.splitlines()}
    lines = {_squeezed(line) for c in source.cells if kind(c) == "test" for line in hidden(c).splitlines()}
    return {line for line in lines - public if len(line) >= 15}


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _keep(place: Path, data: bytes, notebook: NotebookNode, ran: Ran, secret: set[str]) -> bool:
    """Write submission.ipynb and graded.ipynb; whether a line of a hidden test had to be cut out."""
    found = False

    def safe(text: object) -> str:
        nonlocal found
        shown, leaked = _without(str(text), secret)
        found |= leaked
        return shown

    for k, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.outputs = [made for one in ran.outputs.get(k, []) if (made := _output(one, safe)) is not None]
    (place / "submission.ipynb").write_bytes(data)
    nbformat.write(notebook, place / "graded.ipynb")
    return found


def _output(one: dict, safe) -> NotebookNode | None:
    """An output as a notebook holds it; None for what is none."""
    what = one.get("output_type")
    if what == "stream":
        name = "stderr" if one.get("name") == "stderr" else "stdout"
        return v4.new_output("stream", name=name, text=safe(one.get("text", "")))
    if what == "error":
        name, value = safe(one.get("ename", "")), safe(one.get("evalue", ""))[:2000]
        return v4.new_output("error", ename=name, evalue=value, traceback=[f"{name}: {value}"])
    if what == "display_data" and isinstance(one.get("data"), dict):
        data = {str(kind): value if kind.startswith("image/") else safe(value) for kind, value in one["data"].items()}
        return v4.new_output("display_data", data=data)
    return None


def _without(text: str, secret: set[str]) -> tuple[str, bool]:
    """The text without the lines that hold one of a hidden test, however they are indented or quoted."""
    whole = _squeezed(text)
    if not any(line in whole or _quoted(line) in whole for line in secret):
        return text, False
    lines = [
        CUT if any(one in _squeezed(line) or _quoted(one) in _squeezed(line) for one in secret) else line
        for line in re.split(r"\n", text)
    ]
    if any(one in _squeezed("".join(lines)) for one in secret):  # a test's line that was broken into several
        return CUT, True
    return "\n".join(lines), True


def _quoted(line: str) -> str:
    """As repr and JSON write it inside of quotes."""
    return line.replace("\\", "\\\\").replace('"', '\\"')
