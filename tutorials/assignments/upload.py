"""Files that a learning platform takes back: upload_moodle_a1.csv and upload_canvas_a1.csv.

Only of students whose number the platform gave, in the path of what they handed in or in the roster, and only totals
that are final: a cell is empty where a question waits to be marked or nothing could be graded.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .report import Row, write_csv
from .roster import Enrolled, Roster
from .store import Store

__all__ = ["canvas_lines", "moodle_lines", "write_uploads"]


def write_uploads(out: Path, rows: Sequence[Row], store: Store) -> None:
    """Both files for each assignment, where there is anything to write."""
    roster = Roster([Enrolled(**one) for one in store.roster["people"]]) if store.roster else Roster([])
    for name in store.questions:
        mine = [row for row in rows if row.assignment == name]
        cells = {id(row): (roster.find(row.student, row.number) or Enrolled(row.student)).cells for row in mine}
        final = {id(row): f"{row.total:g}" if row.graded and not row.waiting(store.questions) else "" for row in mine}
        for platform, lines in (
            ("moodle", moodle_lines(mine, cells, final)),
            ("canvas", canvas_lines(mine, cells, final, name, sum(q.points for q in store.questions[name]))),
        ):
            if lines:
                write_csv(out / f"upload_{platform}_{name}.csv", lines)


def moodle_lines(rows: Sequence[Row], cells: Mapping, final: Mapping) -> list[list[str]]:
    """Moodle's grading worksheet: it finds a student by the identifier."""
    lines = []
    for row in rows:
        number = cells[id(row)].get("identifier") or (f"Participant {row.number}" if row.number else "")
        if number:
            lines.append([number, cells[id(row)].get("full name") or row.student, final[id(row)]])
    return [["Identifier", "Full name", "Grade"], *lines] if lines else []


def canvas_lines(rows: Sequence[Row], cells: Mapping, final: Mapping, name: str, most: float) -> list[list[str]]:
    """Canvas's gradebook: it finds a student by the ID; its own export may be the roster."""
    columns = {"id": "ID", "sis user id": "SIS User ID", "sis login id": "SIS Login ID", "section": "Section"}
    lines = []
    for row in rows:
        mine = cells[id(row)]
        number = mine.get("id") or row.number
        if number:
            about = {**mine, "id": number}
            lines.append([mine.get("student") or row.student, *(about.get(c, "") for c in columns), final[id(row)]])
    if not lines:
        return []
    return [["Student", *columns.values(), name], ["Points Possible", *("" for _ in columns), f"{most:g}"], *lines]
