"""Whose a file is and which assignment, from its path: as learning platforms write it, or as people do.

One line of PLATFORMS for each way in which a platform packs what was handed in; `path` has / between folders, and a zip
file inside counts as a folder.
"""

import re
from dataclasses import dataclass

__all__ = ["PASSED_OVER", "PLATFORMS", "Whose", "whose"]

STAMP = r"\d{4}(?:-\d\d){5}"
DATE = r"[A-Z][a-z]{2} \d{1,2}, \d{4} \d{3,4} [AP]M"
PLATFORMS = {
    "Moodle": r"(?:^|.*/)(?P<student>[^/]+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?/?(?P<file>[^/].*)",
    "Blackboard": rf"(?:^|.*/)(?P<work>[^/]+?)_(?P<student>[^/_]+)_attempt_(?P<when>{STAMP})[_/](?P<file>.+)",
    "Brightspace": rf"(?:^|.*/)(?P<id>\d+)-\d+ - (?P<student>[^/]+?) ?- (?P<when>{DATE})(?: - |/)(?P<file>.+)",
    "Gradescope": r"(?:^|.*/)(?P<student>submission_\d+)/(?P<file>.+)",
    "nbgrader": r"(?:^|.*/)submitted/(?P<student>[^/]+)/(?P<work>[^/]+)/(?P<file>.+)",
    "GitHub Classroom": r"(?:^|.*/)(?P<work>[^/]+)-submissions/(?P=work)-(?P<student>[^/]+)/(?P<file>.+)",
    "Canvas": r"(?:^|.*/)(?P<student>[^/_]+)(?:_LATE)?_(?P<id>\d+)_\d+_(?P<file>[^/]+)",
    "Google Classroom": r"(?:^|.*/)(?P<student>[^/]+?) - (?P<file>(?:Copy of )?[aA]\d+[^/]*)",
}
# What platforms and computers add by themselves: no row, only counted.
PASSED_OVER = re.compile(
    r"(.*/)?((__MACOSX|\.git|\.github|\.ipynb_checkpoints|__pycache__|\.venv)/.*"
    rf"|index\.html|submission_metadata\.yml|\.DS_Store|Thumbs\.db|desktop\.ini|\._[^/]*|[^/]*_attempt_{STAMP}\.txt)"
)
LONGEST = 600
COPY = r"(?:copy[ _]of[ _])*"
ENDS = r"(?:[ _]*\(\d+\)|[ _-]+copy\d*|[ _-]+(?:final|new|v\d+|fixed|solved|solution|submission|done)\d*)*"
AFTER = r"(?:-\d+|" + ENDS[3:]
STEMS = [
    re.compile(rf"{COPY}(?:(?P<student>.+?)[ _.-]+)?(?P<assignment>a\d+){AFTER}", re.IGNORECASE),
    re.compile(rf"{COPY}(?P<assignment>a\d+)[ _.-]+(?P<student>.+?){ENDS}", re.IGNORECASE),
]
GENERAL = re.compile(
    r"a\d+|assignments?|submi(ssions?|tted)|downloads?|in|all|home(work)?|notebooks?|files?|zips?|out|tmp",
    re.IGNORECASE,
)
ENDINGS = re.compile(r"(\.(ipynb|zip|txt|json|html?|py|pdf|docx?|md|csv))+$", re.IGNORECASE)


@dataclass(frozen=True)
class Whose:
    """student: None if the path does not say; of: an order for attempts; sure: a platform says so, not a person."""

    student: str | None
    assignment: str | None = None
    number: str = ""  # of the student on the platform
    when: str = ""
    folder: str = ""  # where the name was found, if not in that of the file
    sure: bool = False


def whose(path: str, names: re.Pattern | None = None) -> Whose:
    """names: the instructor's own pattern, searched in the path, with the groups student and, if needed, assignment."""
    path = path[-LONGEST:]  # a search in a path of a megabyte could take hours
    return _by_pattern(path, names) if names else _by_platform(path) or _by_people(path)


def _by_pattern(path: str, names: re.Pattern) -> Whose:
    found = names.search(path)
    groups = found.groupdict() if found else {}
    assignment = groups.get("assignment") or _stem(path)[1] or ""
    return Whose(groups.get("student"), assignment.lower() or None, sure=True)


def _by_platform(path: str) -> Whose | None:
    for name, pattern in PLATFORMS.items():
        found = re.fullmatch(pattern, path, re.DOTALL)
        if found and not (name == "Canvas" and "/" in path and _stem(path)[0] is None):
            groups = found.groupdict()
            assignment = _stem(groups["file"])[1] or _stem(groups.get("work") or "")[1]
            return Whose(groups["student"].strip(), assignment, groups.get("id") or "", _sortable(groups.get("when")),
                         sure=True)  # fmt: skip
    return None


def _by_people(path: str) -> Whose:
    """By the name of the file, else by the nearest folder that is called like a person."""
    student, assignment = _stem(path)
    if student is not None:
        return Whose(student, assignment)
    folders = [ENDINGS.sub("", folder) for folder in path.split("/")[:-1]]
    for folder in reversed(folders):
        mine, its = _stem(folder)
        if mine and its:
            return Whose(mine, assignment or its, folder=folder)
        if folder and not GENERAL.fullmatch(folder) and folder not in (".", ".."):
            return Whose(folder, assignment, folder=folder)
    return Whose(None, assignment)


def _stem(path: str) -> tuple[str | None, str | None]:
    """(student, assignment) in the name of a file, each None where it does not say."""
    stem = ENDINGS.sub("", path.rpartition("/")[2])
    for pattern in STEMS:
        found = pattern.fullmatch(stem)
        if found:
            return found["student"], found["assignment"].lower()
    return None, None


def _sortable(when: str | None) -> str:
    """A time that sorts as text: Brightspace writes Sep 5, 2025 1033 AM."""
    found = re.fullmatch(r"(\w{3}) (\d+), (\d{4}) (\d{1,2})(\d\d) ([AP])M", when or "")
    if not found:
        return when or ""
    month = "JanFebMarAprMayJunJulAugSepOctNovDec".find(found[1]) // 3 + 1
    hour = int(found[4]) % 12 + (12 if found[6] == "P" else 0)
    return f"{found[3]}-{month:02d}-{int(found[2]):02d}-{hour:02d}-{found[5]}"
