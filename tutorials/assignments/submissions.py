"""What was handed in: a folder or zip file, as a learning platform gives it; every file of it has a row or is counted.

Only the bytes of files are read.  Nothing is unpacked, so no name in a zip file can lead out of a folder.
"""

import io
import itertools
import re
import stat
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .platforms import PASSED_OVER, Whose, whose

__all__ = ["Collected", "Submission", "collect"]

MAX_BYTES = 20_000_000  # of one notebook
MAX_TOTAL = 1_000_000_000  # of all of them, unpacked
MAX_DEPTH = 3  # of zip files in zip files
CONTENT = re.compile(rb'"(?:grade_id|id)":\s*"(a\d+)-')


@dataclass(frozen=True)
class Submission:
    """One notebook to grade; or, with an assignment of None, files that cannot be, and the note says why."""

    student: str
    assignment: str | None
    data: bytes = b""
    note: str = ""
    when: tuple = ()  # of two attempts the later counts
    place: str = ""  # its path inside what was handed in
    number: str = ""  # of the student on the platform
    sure: bool = False  # the platform says whose it is


@dataclass(frozen=True)
class Collected:
    """All rows there will be, in order of assignment and student, and how many files need none."""

    submissions: list[Submission]
    passed_over: int


File = tuple[str, tuple, bytes | None, str]  # path, when, content, why it was not read


def collect(where: Path, known: Sequence[str], names: re.Pattern | None = None) -> Collected:
    """The submissions in a folder or zip file; known: the assignments; names: a pattern for paths, of one's own.

    Raises ValueError if there is no such folder or zip file.
    """
    if where.is_dir():
        files = _in_folder(where)
    elif zipfile.is_zipfile(where):
        try:
            files = _in_zip(zipfile.ZipFile(where), "", [0], 1)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise ValueError(f"expected a zip file that is whole, got {where}: {error}") from None
    else:
        raise ValueError(f"expected a folder or a zip file of notebooks, got {where}")
    notebooks, others, passed, people = [], [], 0, {}
    for path, when, data, why in files:
        if PASSED_OVER.fullmatch(path):
            people |= _people(data) if path.endswith("submission_metadata.yml") else {}
            passed += 1
            continue
        one = _submission((path, when, data, why), whose(path, names), known)
        (notebooks if one.assignment else others).append(one)
    found = _latest([replace(one, student=people.get(one.student, one.student)) for one in notebooks])
    found = _with_others(found, [replace(one, student=people.get(one.student, one.student)) for one in others])
    return Collected(sorted(found, key=lambda one: (one.assignment or "~", one.student.lower(), one.place)), passed)


def _in_folder(folder: Path) -> Iterator[File]:
    total = [0]
    for path in sorted(folder.rglob("*")):
        name = _readable(path.relative_to(folder).as_posix())
        try:
            about = path.lstat()
            if stat.S_ISDIR(about.st_mode):
                continue
            if not stat.S_ISREG(about.st_mode):
                yield name, (), None, "not read: a link, expected a file"
            elif about.st_size > MAX_BYTES and not name.lower().endswith(".zip"):
                yield name, (), None, f"not read: {about.st_size} bytes, at most {MAX_BYTES}"
            elif name.lower().endswith(".zip"):
                yield from _inner(name, path, total, 1)
            else:
                yield name, (about.st_mtime,), _counted(path.read_bytes(), total), "not read: too much in all"
        except OSError as error:
            yield name, (), None, f"not read: {error.strerror or error}"


def _in_zip(archive: zipfile.ZipFile, prefix: str, total: list[int], depth: int) -> Iterator[File]:
    with archive:
        for member in sorted(archive.infolist(), key=lambda member: member.filename):
            name = _readable(prefix + member.filename.replace("\\", "/"))
            if member.is_dir():
                continue
            if stat.S_ISLNK(member.external_attr >> 16):
                yield name, (), None, "not read: a link, expected a file"
                continue
            try:
                with archive.open(member) as file:
                    data = file.read(MAX_BYTES + 1)  # whatever size the member claims to have
            except Exception as error:  # bad data, a password, a method unknown here: zipfile raises a dozen kinds
                yield name, (), None, f"not read: damaged, {type(error).__name__}: {error}"
                continue
            if len(data) > MAX_BYTES:
                yield name, (), None, f"not read: more than {MAX_BYTES} bytes"
            elif name.lower().endswith(".zip"):
                yield from _inner(name, io.BytesIO(data), total, depth + 1)
            else:
                yield name, member.date_time, _counted(data, total), f"not read: more than {MAX_TOTAL} bytes in all"


def _inner(name: str, file: Path | io.BytesIO, total: list[int], depth: int) -> Iterator[File]:
    """The files of a zip file inside; its name is that of a folder."""
    if depth > MAX_DEPTH:
        yield name, (), None, f"not read: zip files {depth} deep, at most {MAX_DEPTH}"
        return
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        yield name, (), None, f"not read: a damaged zip file: {error}"
        return
    yield from _in_zip(archive, name + "/", total, depth)


def _counted(data: bytes, total: list[int]) -> bytes | None:
    total[0] += len(data)
    return data if total[0] <= MAX_TOTAL else None


def _readable(name: str) -> str:
    """The name as the person writes it: composed letters, and no bytes that are none."""
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return unicodedata.normalize("NFC", "".join(c if c.isprintable() else " " for c in name)).lstrip("/")


def _submission(file: File, who: Whose, known: Sequence[str]) -> Submission:
    path, when, data, why = file
    name = path.rpartition("/")[2]
    student = who.student or name
    found = Submission(student, None, b"", "", (who.when, *when), path, who.number, who.sure)
    odd = re.search(r"\.ipynb(\.(txt|json))$", name, re.IGNORECASE)
    if not (name.lower().endswith(".ipynb") or odd):
        return replace(found, note=why if data is None else f"not graded: expected a notebook, .ipynb, got {name}")
    inside = CONTENT.findall(data or b"")
    assignment = who.assignment or (max(set(inside), key=inside.count).decode() if inside else None)
    if who.student is None or assignment not in known:
        where = path.rpartition("/")[0]
        said = f"not graded: expected a name <student>_{known[0]}.ipynb to {known[-1]}"
        return replace(found, note=said + (f"; it lies in {where}" if where else ""))
    notes = [f"named after its folder {who.folder}"] if who.folder else []
    notes += [f"ends in .ipynb{odd[1]}: read as a notebook"] if odd else []
    if data is None:
        return replace(found, assignment=assignment, note=why)
    return replace(found, assignment=assignment, data=data, note="; ".join(notes) if data else "the file is empty")


def _latest(found: list[Submission]) -> list[Submission]:
    """Of several attempts of one person the last; one name in two folders, which may be two people, stays apart."""
    groups: dict[tuple, list[Submission]] = {}
    for one in found:
        place = "" if one.sure else one.place.rpartition("/")[0]
        groups.setdefault((one.student, one.number, one.assignment, place), []).append(one)
    return list(_apart([_last(group) for group in groups.values()]))


def _last(attempts: list[Submission]) -> Submission:
    *older, last = sorted(attempts, key=lambda one: (one.when, one.place))
    if not older:
        return last
    said = f"handed in {len(attempts)} times: the last counts, {last.place}, not {', '.join(o.place for o in older)}"
    return replace(last, note="; ".join(filter(None, (last.note, said))))


def _apart(found: list[Submission]) -> Iterator[Submission]:
    """Each under a name of its own: one name may be of two students, whose work must not be lost."""
    taken = {one.student for one in found}
    groups: dict[tuple, list[Submission]] = {}
    for one in sorted(found, key=lambda one: one.place):
        groups.setdefault((one.student, one.assignment), []).append(one)
    for group in groups.values():
        places, counter = ", ".join(one.place for one in group), itertools.count(2)
        for k, one in enumerate(group):
            name = one.student
            if one.number and len(group) > 1:
                name = f"{one.student} ({one.number})"
            elif k:
                name = next(f"{one.student}-{n}" for n in counter if f"{one.student}-{n}" not in taken)
            said = f"one name {len(group)} times: this row is {one.place} of {places}" if len(group) > 1 else ""
            yield replace(one, student=name, note="; ".join(filter(None, (one.note, said))))


def _with_others(found: list[Submission], others: list[Submission]) -> list[Submission]:
    """Files that are no notebooks: named in their owner's row, or a row that asks for the notebook."""
    mine: dict[str, list[str]] = {}
    rows = {one.student for one in found}
    for one in others:
        if one.student in rows and not one.place.lower().endswith(".ipynb"):
            mine.setdefault(one.student, []).append(one.place.rpartition("/")[2])
    told = []
    for one in found:
        also = mine.get(one.student, [])
        said = f"also handed in, not read: {', '.join(also[:5])}{' ...' if len(also) > 5 else ''}" if also else ""
        told.append(replace(one, note="; ".join(filter(None, (one.note, said)))))
    return told + [one for one in others if one.student not in rows or one.place.lower().endswith(".ipynb")]


def _people(data: bytes | None) -> dict[str, str]:
    """Gradescope's folder -> the names of who handed in, from its submission_metadata.yml."""
    import yaml

    try:
        about = yaml.safe_load(data or b"") or {}
        found = {folder: [who[":name"] for who in one[":submitters"]] for folder, one in about.items()}
        return {str(f): " and ".join(one) for f, one in found.items() if all(isinstance(name, str) for name in one)}
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, RecursionError):
        return {}
