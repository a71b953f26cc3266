"""make grade: grade a folder or zip file of <student>_<assignment>.ipynb, each in a process of its own.

python -m tutorials.assignments.grade IN OUT [--term NAME] [--jobs 2] [--seconds 300] [--cell-seconds 60]

OUT must be new or empty.  It gets grades.csv, to_mark.csv, summary.csv, summary.png, feedback/ and work/.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .containment import Limits, python, run_contained
from .course import make_course
from .marks import save
from .pages import write_pages
from .plan import SOURCE, Question, assignments, questions, read
from .release import sources
from .report import Row, write_reports
from .submissions import Submission, collect

__all__ = ["grade"]


NOTHING = {"points": {}, "notes": [], "graded": False}


@dataclass(frozen=True)
class Bench:
    """Where and with what to grade."""

    out: Path
    course: Path  # the course that is copied for each submission: gradebook.db and release/
    questions: dict[str, list[Question]]
    limits: Limits = field(default_factory=Limits)


def grade(where: Path, out: Path, *, source: Path = SOURCE, limits: Limits, jobs: int = 1) -> list[Row]:
    """One row for each submission; all files are below out.

    Raises ValueError unless out is new or empty, or if where holds no notebook.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"expected a new or empty folder OUT, got {out}: marks in it could be lost")
    found = collect(where, assignments(source))
    if not found:
        raise ValueError(f"expected notebooks <student>_a1.ipynb in {where}, found none")
    used = sorted({one.assignment for one in found if one.assignment})
    course = out.resolve() / "work" / "course"
    make_course(course, source, used)
    bench = Bench(out.resolve(), course, {name: questions(read(name, source)) for name in used}, limits)
    with ThreadPoolExecutor(max(1, jobs)) as pool:
        rows = list(pool.map(lambda submission: _row(bench, submission), found))
    save(out, rows, bench.questions)
    write_reports(out, rows, bench.questions)
    write_pages(out, rows, bench.questions, {})
    return rows


def _row(bench: Bench, submission: Submission) -> Row:
    """Grade one; whatever happens becomes its note."""
    if submission.assignment is None or not submission.data:
        row = Row(submission.student, submission.assignment or "", {}, submission.note or "the file is empty", False)
    else:
        try:
            row = _graded(bench, submission)
        except Exception as error:  # one submission must never stop the others
            row = Row(
                submission.student, submission.assignment, {}, f"not graded: {type(error).__name__}: {error}", False
            )
    print(f"{row.student:20} {row.assignment:4} {row.words(bench.questions)}", flush=True)
    return row


def _graded(bench: Bench, submission: Submission) -> Row:
    name = f"{submission.student}_{submission.assignment}"
    folder = bench.out / "work" / name
    (folder / "course" / "release").mkdir(parents=True)
    shutil.copy(bench.course / "gradebook.db", folder / "course")  # never source/, which has the solutions
    shutil.copytree(
        bench.course / "release" / submission.assignment, folder / "course" / "release" / submission.assignment
    )
    (folder / "submission.ipynb").write_bytes(submission.data)
    limits = json.dumps(asdict(bench.limits))
    command = python("tutorials.assignments.one", str(folder), submission.assignment, limits)
    ended = run_contained(command, folder, bench.limits, folder / "log.txt")
    result = NOTHING if ended else _result(folder, bench.questions[submission.assignment])
    notes = [note for note in (submission.note, ended, *result["notes"]) if note]
    return Row(submission.student, submission.assignment, result["points"], "; ".join(notes), result["graded"])


def _result(folder: Path, asked: Sequence[Question]) -> dict:
    """result.json, if it is there and possible: points between 0 and the maximum, None only where marked by hand."""
    path = folder / "result.json"
    if not path.is_file():
        return NOTHING | {"notes": ["nothing came back: look at its log.txt"]}
    result = json.loads(path.read_text("utf-8"))
    points = result["points"]
    possible = all(
        points.get(q.name) is None if q.by_hand and points.get(q.name) is None
        else isinstance(points.get(q.name), (int, float)) and 0 <= points[q.name] <= q.points
        for q in asked
    )  # fmt: skip
    return (
        result if possible or not result["graded"] else NOTHING | {"notes": ["its result is not possible: look at it"]}
    )


def main(argv: list[str] | None = None) -> int:
    """0 when every submission has its row, 1 if IN or OUT cannot be used."""
    parser = argparse.ArgumentParser(description="Grade notebooks <student>_<assignment>.ipynb.")
    parser.add_argument("where", type=Path, metavar="IN", help="folder or zip file")
    parser.add_argument("out", type=Path, metavar="OUT", help="a new or empty folder")
    parser.add_argument("--term", help="the variant that was released")
    parser.add_argument("--jobs", type=int, default=1, help="submissions at a time (1)")
    parser.add_argument("--seconds", type=int, default=Limits.seconds, help="for one submission")
    parser.add_argument("--cell-seconds", type=int, default=Limits.cell_seconds, help="for one cell")
    parser.add_argument("--memory", type=int, default=Limits.memory_mb, help="MB for one process")
    options = parser.parse_args(argv)
    limits = Limits(options.cell_seconds, options.seconds, options.memory)
    try:
        with sources(options.term) as source:
            rows = grade(options.where, options.out, source=source, limits=limits, jobs=options.jobs)
    except ValueError as error:
        print(f"minicm: {error}", file=sys.stderr)
        return 1
    tests = f"hidden tests of {options.term}" if options.term else "hidden tests as in source/"
    graded = sum(row.graded for row in rows)
    print(f"{len(rows)} submissions, {graded} graded, {tests}; see {options.out}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
