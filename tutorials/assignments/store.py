"""What grading found, line by line as it is found, in OUT/work/rows.jsonl: a run that was killed goes on from there."""

import json
import os
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from .plan import Question
from .report import Row

__all__ = ["Store", "alone"]

ROWS, LOCK = Path("work") / "rows.jsonl", Path("work") / "lock"


class Store:
    """The rows of a folder OUT, the last of each student and assignment, and the questions that they have."""

    def __init__(self, out: Path) -> None:
        self.path = out / ROWS
        self.rows: dict[tuple[str, str], Row] = {}
        self.questions: dict[str, list[Question]] = {}
        self.roster: dict = {}
        if self.path.is_file():
            for line in self.path.read_text("utf-8").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            found = json.loads(line)
        except ValueError:  # the last line of a run that was killed while it wrote
            return
        if "row" in found:
            row = Row(**found["row"])
            self.rows[row.student, row.assignment] = row
        elif "questions" in found:
            self.questions |= {name: [Question(**one) for one in asked] for name, asked in found["questions"].items()}
        elif "roster" in found:
            self.roster = found["roster"]

    def ask(self, questions: dict[str, Sequence[Question]]) -> None:
        """Keep the questions of some assignments."""
        self._add({"questions": {name: [asdict(one) for one in asked] for name, asked in questions.items()}})

    def enrol(self, roster: dict) -> None:
        """Keep the roster, with what late days cost."""
        self._add({"roster": roster})

    def add(self, row: Row) -> None:
        """Keep a row, on the disk when this returns."""
        self._add({"row": asdict(row)})

    def _add(self, what: dict) -> None:
        line = json.dumps(what)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._take(line.strip())


@contextmanager
def alone(out: Path):
    """Hold OUT for this process; raises ValueError if another grades into it, or if it is no folder for grading."""
    import filelock  # torch brings it

    ours = (out / ROWS).is_file() or (out / LOCK).exists()
    if out.exists() and not ours and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(
            f"expected a folder OUT that is new, empty or from make grade, got {out}: other files are in it"
        )
    (out / "work").mkdir(parents=True, exist_ok=True)
    out.chmod(0o700)  # marks and names are nobody else's business
    lock = filelock.FileLock(out / LOCK)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ValueError(f"another make grade or make marks works in {out}: wait until it is done") from None
    try:
        yield
    finally:
        lock.release()
