"""What was handed in: a folder or a zip file of notebooks <student>_<assignment>.ipynb, wherever they lie in it.

A notebook that kept the name of the release, such as a1.ipynb, is that of the student whose folder it lies in.
Only the bytes of notebooks are read.  Nothing is unpacked, so no name in a zip file can lead out of a folder.
"""

import itertools
import re
import stat
import zipfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

__all__ = ["Submission", "collect"]

MAX_BYTES = 20_000_000  # of one notebook
MAX_FILES = 5000
# The copies that browsers and learning platforms make end in " (1)" or "-1".
HANDED_IN = re.compile(r"(?:(?P<student>.+)_)?(?P<assignment>a\d+)(-\d+| ?\(\d+\))?\.ipynb", re.IGNORECASE)
PLATFORM = re.compile(r"_assignsubmission_\w*$")  # what Moodle puts after a student's name and number


@dataclass(frozen=True)
class Submission:
    """One notebook to grade; or, with an assignment of None, a file that cannot be, and the note says why."""

    student: str
    assignment: str | None
    data: bytes = b""
    note: str = ""
    when: tuple[float, ...] = ()  # of two with one name in one folder the later counts
    place: str = ""  # its path inside what was handed in


def collect(where: Path, known: list[str]) -> list[Submission]:
    """The submissions in a folder or zip file, in order of assignment and student; known: the assignments.

    Raises ValueError if there is no such folder or zip file.
    """
    if where.is_dir():
        files = _in_folder(where)
    elif zipfile.is_zipfile(where):
        files = _in_zip(where)
    else:
        raise ValueError(f"expected a folder or a zip file of notebooks, got {where}")
    latest: dict[tuple[str, str | None, PurePosixPath], Submission] = {}
    for found in (_submission(*file, known) for file in files):
        key = (_whose(found), found.assignment, PurePosixPath(found.place).parent)
        if key in latest:
            found = _later(latest[key], found)
        latest[key] = found
    return sorted(_apart(latest.values()), key=lambda found: (found.assignment or "", found.student.lower()))


File = tuple[str, tuple[float, ...], bytes | None, str]  # path, when, content, why it was not read


def _in_folder(folder: Path) -> Iterator[File]:
    paths = sorted(path for path in folder.rglob("*") if _wanted(path.relative_to(folder).as_posix()))
    for path in paths[:MAX_FILES]:
        about, name = path.lstat(), path.relative_to(folder).as_posix()
        if stat.S_ISLNK(about.st_mode) or not stat.S_ISREG(about.st_mode):
            yield name, (), None, "not read: a link, expected a file"
        elif about.st_size > MAX_BYTES:
            yield name, (), None, f"not read: {about.st_size} bytes, at most {MAX_BYTES}"
        else:
            yield name, (about.st_mtime,), path.read_bytes(), ""


def _in_zip(path: Path) -> Iterator[File]:
    with zipfile.ZipFile(path) as archive:
        members = [member for member in archive.infolist() if _wanted(member.filename) and not member.is_dir()]
        for member in sorted(members, key=lambda member: member.filename)[:MAX_FILES]:
            name = member.filename.replace("\\", "/")
            if stat.S_ISLNK(member.external_attr >> 16):
                yield name, (), None, "not read: a link, expected a file"
                continue
            try:
                with archive.open(member) as file:
                    data = file.read(MAX_BYTES + 1)  # whatever size the member claims to have
            except (RuntimeError, zipfile.BadZipFile, NotImplementedError, OSError) as error:
                yield name, (), None, f"not read: {error}"
                continue
            too_large = len(data) > MAX_BYTES
            yield name, member.date_time, None if too_large else data, f"not read: more than {MAX_BYTES} bytes"


def _wanted(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts if part not in ("..", "."))
    return bool(parts) and not hidden and parts[-1].lower().endswith((".ipynb", ".zip"))


def _submission(path: str, when: tuple[float, ...], data: bytes | None, why_not: str, known: list[str]) -> Submission:
    name, folder = PurePosixPath(path).name, PurePosixPath(path).parent.name
    if name.lower().endswith(".zip"):
        return Submission(name, None, note="not read: a zip file inside; unpack it first", place=path)
    found = HANDED_IN.fullmatch(name)
    whose = found and (found["student"] or PLATFORM.sub("", folder))
    if not whose or found["assignment"].lower() not in known:
        expected = f"not graded: expected a name <student>_{known[0]}.ipynb to {known[-1]}"
        return Submission(name, None, note=expected + (f"; it lies in {folder}" if folder else ""), place=path)
    student, assignment = _safe(whose), found["assignment"].lower()
    if data is None:
        return Submission(student, assignment, note=why_not, place=path)
    note = "" if found["student"] else f"named after its folder {folder}"
    return Submission(student, assignment, data, note, when, path)


def _safe(student: str) -> str:
    """The name with letters, digits, dots, dashes and underscores only, never one that begins with a dot or sign.

    It becomes part of file names, and a cell of a table: a spreadsheet would compute what begins with = + - @.
    """
    return re.sub(r"[^\w.-]+", "-", student).lstrip(".-_")[:80] or "unnamed"


def _whose(found: Submission) -> str:
    """Equal for what is taken to be of one student; a file that cannot be graded is nobody's, it stands alone."""
    return found.student.lower() if found.assignment else found.place


def _later(first: Submission, second: Submission) -> Submission:
    """The later of two in one folder, with a note that names both."""
    newer, older = (second, first) if second.when >= first.when else (first, second)
    return replace(newer, note=f"handed in twice: the later file counts, {newer.place}, not {older.place}")


def _apart(found: Collection[Submission]) -> Iterator[Submission]:
    """Each under a name of its own: one name in two folders may be of two students, whose work must not be lost."""
    taken = {one.student.lower() for one in found}
    groups: dict[tuple[str, str | None], list[Submission]] = {}
    for one in sorted(found, key=lambda one: one.place):
        groups.setdefault((_whose(one), one.assignment), []).append(one)
    for first, *others in groups.values():
        places = ", ".join(one.place for one in (first, *others))
        numbers = (k for k in itertools.count(2) if f"{first.student}-{k}".lower() not in taken)
        names = [first.student, *(f"{first.student}-{k}" for k, _ in zip(numbers, others))]
        for name, one in zip(names, (first, *others)):
            said = f"one name in {len(names)} folders: this row is {one.place} of {places}" if others else ""
            yield replace(one, student=name, note="; ".join(filter(None, (one.note, said))))
