"""Marks given by hand: fill in the column points of OUT/to_mark.csv, then python -m tutorials.assignments.marks OUT.

grades.csv, the summary and the feedback pages are written again, these with the column comment as well; to_mark.csv
stays as it was filled in, so marking can go on later.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from .pages import write_pages
from .plan import Question
from .report import Questions, Row, write_reports

__all__ = ["add_marks", "save"]

STORE = Path("work") / "rows.json"


def save(out: Path, rows: Sequence[Row], questions: Questions) -> None:
    """Keep what grading found, for `add_marks`."""
    about = {name: [asdict(question) for question in asked] for name, asked in questions.items()}
    text = json.dumps({"rows": [asdict(row) for row in rows], "questions": about})
    (out / STORE).write_text(text, "utf-8")


def add_marks(out: Path) -> int:
    """Put the marks of out/to_mark.csv into the tables and its comments into the pages; how many marks there were.

    Raises ValueError, naming the line, for a mark that is no number from 0 to the maximum or has no submission.
    """
    stored = json.loads((out / STORE).read_text("utf-8"))
    questions = {name: [Question(**about) for about in asked] for name, asked in stored["questions"].items()}
    rows = {(row["student"], row["assignment"]): Row(**row) for row in stored["rows"]}
    marks = _marks(out / "to_mark.csv")
    for place, student, assignment, name, points, _ in marks:
        most = {q.name: q.points for q in questions.get(assignment, []) if q.by_hand}.get(name)
        row = rows.get((student, assignment))
        if row is None or most is None:
            raise ValueError(
                f"{place}: expected a student, assignment and question of this folder, got {student}, {name}"
            )
        if not 0 <= points <= most:
            raise ValueError(f"{place}: expected 0 to {most:g} points for {name}, got {points:g}")
        rows[student, assignment] = replace(row, points={**row.points, name: points})
    write_reports(out, list(rows.values()), questions)
    write_pages(out, list(rows.values()), questions, {mark[1:4]: mark[5] for mark in marks if mark[5]})
    return len(marks)


def _marks(path: Path) -> list[tuple[str, str, str, str, float, str]]:
    """(place in the file, student, assignment, question, points, comment) of each line that has points."""
    found = []
    with path.open(newline="", encoding="utf-8-sig") as file:
        for k, line in enumerate(csv.DictReader(file), 2):
            text = (line.get("points") or "").strip().replace(",", ".")
            if not text:
                continue
            try:
                points = float(text)
            except ValueError:
                raise ValueError(f"{path.name}, line {k}: expected a number of points, got {text!r}") from None
            whose = line["student"], line["assignment"], line["question"]
            found.append((f"{path.name}, line {k}", *whose, points, (line.get("comment") or "").strip()))
    return found


def main(argv: list[str] | None = None) -> int:
    """0; 1 if a mark cannot be used."""
    parser = argparse.ArgumentParser(description="Add the marks of OUT/to_mark.csv to OUT/grades.csv.")
    parser.add_argument("out", type=Path, metavar="OUT", help="the folder that make grade wrote")
    options = parser.parse_args(argv)
    try:
        count = add_marks(options.out)
    except (ValueError, FileNotFoundError) as error:
        print(f"minicm: {error}", file=sys.stderr)
        return 1
    print(f"{count} marks added; see {options.out}/grades.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
