"""make grade: grade what was handed in, each notebook in a process of its own.

python -m tutorials.assignments.grade IN OUT [--term NAME] [--jobs 2] [--roster names.csv] [--names REGEX]

OUT is new, empty, or from an earlier run: what was graded there and is the same stays, so a run that was stopped goes
on, and a new file of one student replaces that row only.
"""

import argparse
import hashlib
import re
import shutil
import signal
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from .containment import Limits, Worker
from .marks import Mark, read_marks, write_all
from .plan import ROOT, SOURCE, assignments, read
from .release import sources
from .report import Row, plain
from .roster import read_roster
from .score import Bench, digest, fingerprint, score_submission
from .store import Store, alone
from .submissions import Submission, collect

__all__ = ["Options", "grade"]

PYTHON = (Path(sysconfig.get_path("purelib")), Path(sysconfig.get_path("scripts")), ROOT / "minicm",
          *(path for path in (ROOT / "minicm").glob("*") if path.is_dir()), ROOT / "tutorials" / "assignments",
          ROOT / "tutorials" / "assignments" / "guard")  # fmt: skip


@dataclass(frozen=True)
class Options:
    """roster: a CSV file; names: a pattern with a group `student`; per_late_day: per cent of the maximum."""

    limits: Limits = Limits()
    jobs: int = 1
    roster: Path | None = None
    names: str | None = None
    per_late_day: float = 0.0


def grade(where: Path, out: Path, source: Path = SOURCE, options: Options = Options()) -> list[Row]:
    """One row for each submission, those of earlier runs into out included; all files are below out.

    Raises ValueError, in one line, for what cannot be used; nothing is written then.
    """
    known = assignments(source)
    roster = read_roster(options.roster) if options.roster else None
    found = collect(where, known, _pattern(options.names))
    if not found.submissions:
        raise ValueError(f"expected notebooks <student>_{known[0]}.ipynb in {where}, found none")
    with alone(out):
        marks = read_marks(out / "to_mark.csv") if (out / "to_mark.csv").is_file() else []
        store = Store(out)
        used = sorted({one.assignment for one in found.submissions if one.assignment})
        closed = [out.resolve(), where.resolve(), source.resolve()]
        notebooks = {name: read(name, source) for name in used}
        bench = Bench(out.resolve() / "work", notebooks, options.limits, closed, fingerprint(PYTHON))
        store.ask(bench.asked)
        if roster:
            people = [asdict(one) for one in roster.people]
            store.enrol({"people": people, "per_late_day": options.per_late_day})
        before = dict(store.rows)
        _grade_all(bench, store, found.submissions, options.jobs)
        if found.passed_over:
            print(f"{found.passed_over} files of the platform or the computer passed over (index.html, .DS_Store, ...)")
        return write_all(out, store, _still_right(marks, before, store, out))


def _pattern(names: str | None) -> re.Pattern | None:
    if names is None:
        return None
    try:
        pattern = re.compile(names)
    except re.error as error:
        raise ValueError(f"--names: not a regular expression: {error}") from None
    if "student" not in pattern.groupindex:
        raise ValueError(f"--names: expected a group (?P<student>...), got {names}")
    return pattern


def _grade_all(bench: Bench, store: Store, found: list[Submission], jobs: int) -> None:
    """Grade what is new; rows are stored as they come."""
    crew = _Crew(bench, store, _folders(found, store))
    pool = ThreadPoolExecutor(max(1, jobs))
    try:
        for done in [pool.submit(crew.grade, submission) for submission in found]:
            done.result()
    finally:
        with crew.lock:  # no row is stored any more
            crew.stopped = True
        for worker in crew.workers:
            worker.shut()
        pool.shutdown(cancel_futures=True)
        for worker in crew.workers:
            shutil.rmtree(worker.folder, ignore_errors=True)


class _Crew:
    """A worker for each thread, and what they share."""

    def __init__(self, bench: Bench, store: Store, folders: dict[str, str]) -> None:
        self.bench, self.store, self.folders = bench, store, folders
        self.lock, self.local, self.stopped = threading.Lock(), threading.local(), False
        self.workers: list[Worker] = []

    def grade(self, one: Submission) -> None:
        """Store the submission's row, unless it is there."""
        if self.stopped or one.assignment and one.data and _graded(self.store, self.bench, one):
            return
        if not hasattr(self.local, "worker"):
            with self.lock:
                self.local.worker = Worker(self.bench.work / f"python-{len(self.workers)}")
                self.workers.append(self.local.worker)
        try:
            row = score_submission(self.bench, self.local.worker, one, self.folders[one.student], fingerprint(PYTHON))
        except Exception as error:  # one submission must never stop the others
            why = f"not graded: {type(error).__name__}: {error}"
            row = Row(one.student, one.assignment or "", {}, why, False, self.folders[one.student])
        with self.lock:
            if not self.stopped:
                self.store.add(row)
                print(f"{row.student:20} {row.assignment:4} {row.words(self.store.questions)}", flush=True)


def _graded(store: Store, bench: Bench, submission: Submission) -> bool:
    old = store.rows.get((submission.student, submission.assignment))
    return old is not None and old.digest == digest(submission, bench.sources[submission.assignment])


def _folders(found: list[Submission], store: Store) -> dict[str, str]:
    """student -> a name for files that every system takes, of their own on those that mix up a and A."""
    folders = {row.student: row.folder for row in store.rows.values() if row.folder}
    taken = {folder.lower() for folder in folders.values()}
    for one in found:
        if one.student not in folders:
            name = re.sub(r"[^\w.-]+", "-", one.student, flags=re.ASCII if len(one.student) > 60 else 0).strip(".-_")
            name = name.encode()[:60].decode("utf-8", "ignore") or "unnamed"
            if name.lower() in taken or len(name) < len(one.student):
                name += "-" + hashlib.sha256(one.student.encode()).hexdigest()[:6]
            taken.add(name.lower())
            folders[one.student] = name
    return folders


def _still_right(marks: list[Mark], before: dict, store: Store, out: Path) -> list[Mark]:
    """The marks whose answers are what they were; the others stay in to_mark-before.csv."""
    old = {key: row.written for key, row in before.items()}
    kept = []
    for mark in marks:
        student, assignment, name = mark.key
        rows = [
            row for row in store.rows.values() if row.assignment == assignment and plain(row.student) == plain(student)
        ]
        if all(old.get((row.student, assignment), {}).get(name) == row.written.get(name) for row in rows):
            kept.append(mark)
    if len(kept) < len(marks):
        shutil.copy(out / "to_mark.csv", out / "to_mark-before.csv")
        print(f"{len(marks) - len(kept)} marks by hand were for answers that changed: see to_mark-before.csv")
    return kept


def main(argv: list[str] | None = None) -> int:
    """0 when every submission has its row, 1 if something cannot be used, 130 if it was stopped."""
    parser = argparse.ArgumentParser(description="Grade notebooks <student>_<assignment>.ipynb.")
    parser.add_argument("where", type=Path, metavar="IN", help="folder or zip file")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new folder, or one from an earlier run")
    parser.add_argument("--term", help="the variant that was released")
    parser.add_argument("--jobs", type=int, default=1, help="submissions at a time (1)")
    parser.add_argument("--roster", type=Path, metavar="CSV", help="who is enrolled: a row for each, in this order")
    parser.add_argument("--names", metavar="REGEX", help="finds (?P<student>...) and (?P<assignment>...) in a path")
    parser.add_argument(
        "--per-late-day", type=float, default=0.0, help="per cent off for each of the roster's late days"
    )
    parser.add_argument("--seconds", type=float, default=Limits.seconds, help="for one submission")
    parser.add_argument("--cell-seconds", type=float, default=Limits.cell_seconds, help="for one cell")
    parser.add_argument("--memory", type=int, default=Limits.memory_mb, help="MB for one process")
    given = parser.parse_args(argv)
    limits = Limits(given.cell_seconds, given.seconds, given.memory)
    options = Options(limits, given.jobs, given.roster, given.names, given.per_late_day)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with sources(given.term) as source:
            rows = grade(given.where, given.out, source, options)
    except (ValueError, OSError) as error:
        print(f"minicm: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nminicm: stopped; the same command goes on where {given.out} ends", file=sys.stderr)
        return 130
    tests = f"hidden tests of {given.term}" if given.term else "hidden tests as in source/"
    graded = sum(row.graded for row in rows)
    print(f"{len(rows)} rows, {graded} graded, {tests}; see {given.out}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
