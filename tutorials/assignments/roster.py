"""The list of who is enrolled: a CSV file with a column of names, from a learning platform or written by hand.

One row of grades.csv for each line, in the order of the file, "nothing handed in" included.  A name of a submission
fits a line if it is equal to one of its cells, or to first and last name in either order, letters and case apart.
"""

import csv
import io
import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Enrolled", "Roster", "read_roster", "read_table"]

NAMES = ("student", "name", "full name")
FIRST, LAST = ("first name", "first", "given name"), ("last name", "surname", "last", "family name")
LATE = ("late days", "days late", "late")


@dataclass(frozen=True)
class Enrolled:
    """One line: the name that is shown, and the cells by column, with the column's name in small letters."""

    name: str
    cells: Mapping[str, str] = field(default_factory=dict)

    @property
    def late(self) -> float:
        """Days."""
        text = next((self.cells[column] for column in LATE if self.cells.get(column)), "0")
        return float(text.replace(",", "."))


@dataclass(frozen=True)
class Roster:
    """All lines, and which line a name of a submission stands for."""

    people: Sequence[Enrolled]

    def find(self, student: str, number: str = "") -> Enrolled | None:
        """None where no line fits, or more than one."""
        for wanted in (number, student):
            found = [one for one in self.people if wanted and _key(wanted) in _keys(one)]
            if len(found) == 1:
                return found[0]
        return None


def read_table(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file by column, in small letters; commas, semicolons or tabs, as the spreadsheet saved it.

    Raises ValueError, in one line, for what is no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(f"expected a CSV file, got {path}: {error.strerror}") from None
    for encoding in ("utf-8-sig", "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise ValueError(f"{path.name}: expected text, got something else")
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(f"{path.name}: not a CSV file: {error}") from None
    header = [name.strip().lower() for name in (lines or [[]])[0]]
    return [dict(zip(header, itertools.chain(line, itertools.repeat("")))) for line in lines[1:] if any(line)]


def read_roster(path: Path) -> Roster:
    """Raises ValueError, in one line, without a column of names, with a name twice, or late days that are no number."""
    lines = read_table(path)
    people = []
    for k, cells in enumerate(lines, 2):
        name = next((cells[column] for column in NAMES if cells.get(column)), "") or " ".join(
            cells[column] for columns in (FIRST, LAST) for column in columns if cells.get(column)
        )
        name = unicodedata.normalize("NFC", name.strip())
        if not name and not any(column in cells for column in (*NAMES, *FIRST)):
            raise ValueError(f"{path.name}: expected a column named student, name or full name, got {', '.join(cells)}")
        if name and name.lower() not in ("points possible", "student, test"):  # lines of Canvas's own
            people.append(Enrolled(name, cells))
        try:
            late = Enrolled(name, cells).late
        except ValueError:
            late = -1.0
        if not 0 <= late < 1000:
            raise ValueError(f"{path.name}, line {k}: expected a number of late days, 0 or more")
    if not people:
        raise ValueError(f"{path.name}: expected a line with column names and a line for each student, found none")
    twice = [one.name for k, one in enumerate(people) if one.name in [other.name for other in people[:k]]]
    if twice:
        raise ValueError(f"{path.name}: {twice[0]} stands in it twice; tell them apart")
    return Roster(people)


def _key(text: str) -> str:
    """What two spellings of one name share."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return re.sub(r"[\W_]+", "", "".join(c for c in plain if not unicodedata.combining(c)))


def _keys(one: Enrolled) -> set[str]:
    ids = [v for column, v in one.cells.items() if column not in LATE and not column.startswith("section")]
    words = re.findall(r"[^\W_]+", one.name)
    turned = [" ".join(words[k:] + words[:k]) for k in range(len(words))]
    mails = [value.partition("@")[0] for value in ids if "@" in value]
    participant = [value.rpartition(" ")[2] for value in ids if value.startswith("Participant ")]
    return {_key(text) for text in (one.name, *ids, *turned, *mails, *participant) if text}
