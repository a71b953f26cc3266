"""Marks given by hand: fill in the column points of OUT/to_mark.csv, then python -m tutorials.assignments.marks OUT.

grades.csv, the summary, the files to upload and the feedback pages are written again, these with the column comment as
well; to_mark.csv keeps what was filled in, so marking can go on later.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .pages import write_pages
from .report import Row, plain, write_reports
from .roster import Enrolled, Roster, read_table
from .store import ROWS, Store, alone
from .upload import write_uploads

__all__ = ["Mark", "add_marks", "read_marks", "write_all"]

COLUMNS = ("student", "assignment", "question", "points")


@dataclass(frozen=True)
class Mark:
    """A line of to_mark.csv that has points; place says which, for messages."""

    place: str
    key: tuple[str, str, str]  # student, assignment, question
    points: float
    comment: str


def add_marks(out: Path) -> int:
    """Put the marks of out/to_mark.csv into the tables and its comments into the pages; how many marks there were.

    Raises ValueError, naming the line, for a mark that is no number from 0 to the maximum or has no submission.
    """
    if not (out / ROWS).is_file():
        raise ValueError(f"expected a folder that make grade wrote, got {out}")
    with alone(out):
        marks = read_marks(out / "to_mark.csv")
        write_all(out, Store(out), marks)
    return len(marks)


def read_marks(path: Path) -> list[Mark]:
    """The marks in the file, which a spreadsheet may have saved with semicolons; raises ValueError in one line."""
    lines = read_table(path)
    missing = [column for column in COLUMNS if lines and column not in lines[0]]
    if missing:
        raise ValueError(f"{path.name}: expected the columns {', '.join(COLUMNS)}, found no {missing[0]}")
    found = []
    for k, line in enumerate(lines, 2):
        text = line["points"].strip().replace(",", ".")
        if not text:
            continue
        try:
            points = float(text)
        except ValueError:
            raise ValueError(f"{path.name}, line {k}: expected a number of points, got {text[:50]!r}") from None
        key = (line["student"], line["assignment"], line["question"])
        found.append(Mark(f"{path.name}, line {k}", key, points, (line.get("comment") or "").strip()))
    return found


def write_all(out: Path, store: Store, marks: Sequence[Mark]) -> list[Row]:
    """All tables and pages from the stored rows and these marks; the rows, those of the roster included."""
    rows = {(plain(row.student), row.assignment): row for row in store.rows.values()}
    waiting = {
        (student, assignment, name): row.written[name]
        for (student, assignment), row in rows.items() if row.graded for name in row.written
    }  # fmt: skip
    given = {}
    for mark in marks:
        student, assignment, name = mark.key
        most = {q.name: q.points for q in store.questions.get(assignment, []) if q.by_hand}.get(name)
        row = rows.get((plain(student), assignment))
        if row is None or most is None:
            raise ValueError(
                f"{mark.place}: expected a student, assignment and question of this folder, got {student}, {name}"
            )
        if not 0 <= mark.points <= most:
            raise ValueError(f"{mark.place}: expected 0 to {most:g} points for {name}, got {mark.points:g}")
        rows[plain(student), assignment] = replace(row, points={**row.points, name: mark.points})
        given[plain(student), assignment, name] = mark
    all_rows = enrolled(list(rows.values()), store)
    most = {(name, q.name): q.points for name, asked in store.questions.items() for q in asked}
    lines = []
    for key, text in waiting.items():
        mark = given.get(key)
        lines.append(
            [*key, f"{most[key[1:]]:g}", f"{mark.points:g}" if mark else "", mark.comment if mark else "", text]
        )
    write_reports(out, all_rows, store.questions, lines)
    write_uploads(out, all_rows, store)
    comments = {key: mark.comment for key, mark in given.items() if mark.comment}
    write_pages(out, all_rows, store.questions, comments)
    return all_rows


def enrolled(rows: list[Row], store: Store) -> list[Row]:
    """The rows in the order of the roster, with one for whoever handed in nothing; without a roster, by name."""
    rows = sorted(rows, key=lambda row: (row.assignment or "~", row.student.lower(), row.student))
    if not store.roster:
        return rows
    roster = Roster([Enrolled(**one) for one in store.roster["people"]])
    whose = [(roster.find(row.student, row.number), row) for row in rows]
    names = [name for name in store.questions if any(row.assignment == name for row in rows)]
    found = []
    for name in names:
        most = sum(question.points for question in store.questions[name])
        for person in roster.people:
            mine = [row for who, row in whose if who == person and row.assignment == name]
            off = person.late * store.roster["per_late_day"] / 100 * most
            found += [_late(row, person, off) for row in mine] or [
                Row(person.name, name, {}, "nothing handed in", False)
            ]
    rest = [(who, row) for who, row in whose if who is None or row.assignment not in names]
    return found + [
        row if who else replace(row, note="; ".join(filter(None, (row.note, "not on the roster")))) for who, row in rest
    ]


def _late(row: Row, person: Enrolled, off: float) -> Row:
    said = f"{person.late:g} days late: {off:g} points off" if person.late else ""
    return replace(row, taken_off=off if row.graded else 0.0, note="; ".join(filter(None, (row.note, said))))


def main(argv: list[str] | None = None) -> int:
    """0; 1 if a mark cannot be used."""
    parser = argparse.ArgumentParser(description="Add the marks of OUT/to_mark.csv to OUT/grades.csv.")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder that make grade wrote")
    options = parser.parse_args(argv)
    try:
        count = add_marks(options.out)
    except (ValueError, OSError) as error:
        print(f"minicm: {error}", file=sys.stderr)
        return 1
    print(f"{count} marks added; see {options.out}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
