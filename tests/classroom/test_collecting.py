"""Whose a file is: platforms' ways of packing, people's ways of naming, zip files; nothing vanishes."""

import io
import json
import os
import re
import stat
import zipfile

import pytest

from tutorials.assignments.platforms import PLATFORMS, whose
from tutorials.assignments.submissions import collect

KNOWN = ["a1", "a2"]
# path -> (student, assignment), in the zip files that each platform gives to an instructor
PACKED = {
    "Moodle": {
        "Ada Lovelace_1234_assignsubmission_file_/Copy_of_a1.ipynb": ("Ada Lovelace", "a1"),
        "all/Kay Doe_4713_assignsubmission_file_/week 1/a1.ipynb": ("Kay Doe", "a1"),
        "Bob Roe_77_assignsubmission_file_a2 (1).ipynb": ("Bob Roe", "a2"),
        "O'Neil, Kim_78_assignsubmission_file_/kims_a1.ipynb": ("O'Neil, Kim", "a1"),
    },
    "Canvas": {
        "lovelaceada_12345_67890_a1.ipynb": ("lovelaceada", "a1"),
        "roebob_LATE_12346_67891_bob_a2-1.ipynb": ("roebob", "a2"),
    },
    "Brightspace": {
        "123456-7890 - Ada Lovelace - Sep 5, 2025 1033 AM/a1.ipynb": ("Ada Lovelace", "a1"),
        "123457-7890 - Bob Roe- Sep 15, 2025 1133 PM - my_a2.ipynb": ("Bob Roe", "a2"),
    },
    "Blackboard": {
        "Assignment A1_ada_attempt_2025-09-05-10-33-12_a1.ipynb": ("ada", "a1"),
        "A2_bob_attempt_2025-09-05-10-33-12_homework.ipynb": ("bob", "a2"),
    },
    "Gradescope": {"assignment_9_export/submission_4567/a1.ipynb": ("submission_4567", "a1")},
    "Google Classroom": {
        "Ada Lovelace - a1.ipynb": ("Ada Lovelace", "a1"),
        "Bob Roe - Copy of a2.ipynb": ("Bob Roe", "a2"),
    },
    "GitHub Classroom": {"a1-submissions/a1-ada-l/a1.ipynb": ("ada-l", "a1")},
    "nbgrader": {
        "submitted/ada/a1/a1.ipynb": ("ada", "a1"),
        "course/submitted/bob/a2/whatever.ipynb": ("bob", "a2"),
    },
}
# by people
NAMED = {
    "ada_a1.ipynb": ("ada", "a1"),
    "deep/down/emmy_noether_A2.ipynb": ("emmy_noether", "a2"),
    "ada_a1-Copy1.ipynb": ("ada", "a1"),
    "ada_a1_final.ipynb": ("ada", "a1"),
    "a1_ada.ipynb": ("ada", "a1"),
    "a1_bob-2.ipynb": ("bob-2", "a1"),
    "ada-a1.ipynb": ("ada", "a1"),
    "ada.a1 (3).ipynb": ("ada", "a1"),
    "Copy of ada_a2.ipynb": ("ada", "a2"),
    "Jürgen_a2.ipynb": ("Jürgen", "a2"),
    "all/Lee Roe/A2 (1).ipynb": ("Lee Roe", "a2"),
    "Ada Lovelace/assignments/a1.ipynb": ("Ada Lovelace", "a1"),
    "ada_a1/a1.ipynb": ("ada", "a1"),
    "Ada.zip/assignments.zip/assignments/a1.ipynb": ("Ada", "a1"),
    "a1.ipynb": (None, "a1"),
    "submissions/a1/a1.ipynb": (None, "a1"),
    "ada/homework.ipynb": ("ada", None),
}
HELD = json.dumps({"cells": [{"metadata": {"nbgrader": {"grade_id": "a2-mix"}}}]})


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_s_paths_are_read(platform):
    for path, (student, assignment) in PACKED[platform].items():
        found = whose(path)
        assert (found.student, found.assignment, found.sure) == (student, assignment, True), path
        assert re.fullmatch(PLATFORMS[platform], path)


@pytest.mark.parametrize("path", NAMED)
def test_people_s_names_of_files_are_read(path):
    found = whose(path)
    assert (found.student, found.assignment) == NAMED[path] and not found.sure


def written(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files if isinstance(files, list) else files.items():
            archive.writestr(name, data)
    return path


def found(path, names=None):
    return collect(path, KNOWN, names).submissions


def test_a_pattern_of_one_s_own_reads_any_path(tmp_path):
    names = re.compile(r"(?P<student>\d{6})/(?P<assignment>a\d)")
    path = written(tmp_path / "in.zip", {"123456/a2/x.ipynb": "x", "strange.ipynb": "x"})
    one, other = found(path, names)
    assert (one.student, one.assignment) == ("123456", "a2")
    assert other.assignment is None and other.note.startswith("not graded: expected a name")


def test_several_attempts_on_a_platform_are_one_row_and_the_last_counts(tmp_path):
    path = "123456-7890 - Ada Lovelace - {}/a1.ipynb"
    (one,) = found(written(tmp_path / "in.zip", {path.format("Sep 9, 2025 0133 PM"): "old",
                                                 path.format("Sep 15, 2025 1033 AM"): "new"}))  # fmt: skip
    assert one.data == b"new" and one.note.startswith("handed in 2 times: the last counts, ")
    files = {f"A1_ada_attempt_2025-09-05-{hour}-33-12_a1.ipynb": hour for hour in ("09", "10", "08")}
    (one,) = found(written(tmp_path / "two.zip", files))
    assert one.data == b"10" and one.note.startswith("handed in 3 times")


def test_two_people_of_one_name_are_told_apart_by_their_numbers(tmp_path):
    path = "Kay Doe_{}_assignsubmission_file_/a1.ipynb"
    rows = found(written(tmp_path / "in.zip", {path.format(1): "x", path.format(2): "y"}))
    assert [(one.student, one.data) for one in rows] == [("Kay Doe (1)", b"x"), ("Kay Doe (2)", b"y")]


def test_of_one_name_in_one_folder_the_later_counts_and_two_folders_stay_apart(tmp_path):
    for name, when in (("one/ada_a1.ipynb", 1000), ("one/ada_a1-1.ipynb", 3000), ("two/ada_a1.ipynb", 2000)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(str(when))
        os.utime(tmp_path / name, (when, when))
    first, second = found(tmp_path)
    assert (first.student, first.data) == ("ada", b"3000") and "not one/ada_a1.ipynb" in first.note
    assert (second.student, second.data) == ("ada-2", b"2000")
    assert "one name 2 times: this row is two/ada_a1.ipynb" in second.note


def test_names_that_differ_little_have_rows_of_their_own(tmp_path):
    composed, apart = "Jos\u00e9", "Jose\u0301"  # one name, as two computers write it
    names = ["ada", "Ada", "J\u00f3se", "x" * 120, "x" * 121, composed, "jose"]
    rows = found(written(tmp_path / "in.zip", {f"{name}_a1.ipynb": name for name in names}))
    assert sorted(one.student for one in rows) == sorted(names)
    (one,) = found(written(tmp_path / "two.zip", {f"{apart}_a1.ipynb": "x"}))
    assert one.student == composed


def test_every_file_has_a_row_or_is_named_in_its_owner_s(tmp_path):
    files = {"cyd_a1.ipynb.txt": "{}", "dan_a1.py": "x", "eve_a1.ipynb": "{}", "eve_plot.png": "x", "eve_a1.html": "x",
             ".fay_a1.ipynb": "{}", "gus_a1.pdf": "x", "empty_a1.ipynb": ""}  # fmt: skip
    rows = {one.student: one for one in found(written(tmp_path / "in.zip", files))}
    assert rows["cyd"].data == b"{}" and "read as a notebook" in rows["cyd"].note
    assert rows["dan"].note == "not graded: expected a notebook, .ipynb, got dan_a1.py"
    assert rows["eve"].note == "also handed in, not read: eve_a1.html"
    assert rows["eve_plot.png"].note.startswith("not graded: expected a notebook")
    assert rows[".fay"].assignment == "a1" and not rows["gus"].data and rows["empty"].note == "the file is empty"


def test_more_files_than_anybody_expects_are_all_there(tmp_path):
    assert len(found(written(tmp_path / "in.zip", {f"s{k}_a1.ipynb": "x" for k in range(5100)}))) == 5100


def test_what_platforms_and_computers_add_is_counted_not_listed(tmp_path):
    files = ["index.html", "__MACOSX/._ada_a1.ipynb", ".DS_Store", "x/.ipynb_checkpoints/ada_a1-checkpoint.ipynb",
             "A1_ada_attempt_2025-09-05-10-33-12.txt", "a/.git/config"]  # fmt: skip
    collected = collect(written(tmp_path / "in.zip", dict.fromkeys([*files, "ada_a1.ipynb"], "x")), KNOWN)
    assert collected.passed_over == len(files) and len(collected.submissions) == 1


def test_gradescope_s_own_list_gives_the_names(tmp_path):
    about = "submission_4567:\n  :submitters:\n  - :name: Ada Lovelace\n    :sid: '7'\n"
    files = {"export/submission_4567/a1.ipynb": "x", "export/submission_metadata.yml": about}
    (one,) = found(written(tmp_path / "in.zip", files))
    assert (one.student, one.assignment) == ("Ada Lovelace", "a1")


def test_the_assignment_is_read_from_the_notebook_where_the_name_does_not_say(tmp_path):
    (one,) = found(written(tmp_path / "in.zip", {"Ada_7_assignsubmission_file_/homework.ipynb": HELD}))
    assert (one.student, one.assignment) == ("Ada", "a2")


# ---- zip files


def zipped(files):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_zip_files_in_zip_files_are_folders(tmp_path):
    inner = zipped({"assignments/a1.ipynb": "x", "assignments/a2.ipynb": "y"})
    rows = found(written(tmp_path / "in.zip", {"Ada Lovelace_12_assignsubmission_file_/assignments.zip": inner}))
    assert [(one.student, one.assignment, one.data) for one in rows] == [
        ("Ada Lovelace", "a1", b"x"), ("Ada Lovelace", "a2", b"y")]  # fmt: skip
    deep = zipped({"b.zip": zipped({"c.zip": zipped({"d.zip": zipped({"ada_a1.ipynb": "x"})})})})
    (one,) = found(written(tmp_path / "deep.zip", {"a.zip": deep}))
    assert "not read: zip files 4 deep, at most 3" in one.note


def test_one_damaged_member_costs_its_owner_only(tmp_path):
    data = bytearray(zipped({"ada_a1.ipynb": "x" * 100, "bob_a1.ipynb": "y" * 100}))
    at = data.index(b"x" * 100)
    data[at : at + 5] = b"zzzzz"  # its checksum is wrong now
    (tmp_path / "in.zip").write_bytes(data)
    ada, bob = found(tmp_path / "in.zip")
    assert ada.note.startswith("not read: damaged, BadZipFile") and bob.data == b"y" * 100
    rows = found(written(tmp_path / "two.zip", {"ada.zip": b"PK\x03\x04 no zip file", "bob_a1.ipynb": "y"}))
    assert [one.note.partition(":")[0] for one in rows] == ["", "not graded"] or rows[1].note.startswith("not read")


def test_a_zip_file_without_a_directory_is_one_line(tmp_path):
    data = zipped({"ada_a1.ipynb": "x"})
    (tmp_path / "in.zip").write_bytes(data[:40] + b"\0" * 20 + data[60:])
    try:
        collect(tmp_path / "in.zip", KNOWN)
    except ValueError as error:
        assert "expected a" in str(error) and "\n" not in str(error)


def test_no_name_in_a_zip_leads_out_and_links_and_bombs_are_not_read(tmp_path):
    path = tmp_path / "in" / "in.zip"
    path.parent.mkdir()
    link = zipfile.ZipInfo("eve_a1.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    written(path, [("../../mallory_a1.ipynb", "x"), ("/etc/oscar_a1.ipynb", "x"), (link, "/etc/passwd"),
                   ("bomb_a1.ipynb", b"0" * 30_000_000)])  # fmt: skip
    rows = {one.student: one for one in found(path)}
    assert rows["mallory"].data == rows["oscar"].data == b"x"
    assert rows["eve"].note == "not read: a link, expected a file" and not rows["eve"].data
    assert rows["bomb"].note == "not read: more than 20000000 bytes" and not rows["bomb"].data
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["in.zip"]


def test_what_is_unpacked_has_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("tutorials.assignments.submissions.MAX_TOTAL", 1500)
    rows = found(written(tmp_path / "in.zip", {f"s{k}_a1.ipynb": b"0" * 1000 for k in range(3)}))
    assert [bool(one.data) for one in rows] == [True, False, False]
    assert rows[1].note == "not read: more than 1500 bytes in all"


def test_links_and_what_cannot_be_read_in_a_folder_are_told(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "eve_a1.ipynb").symlink_to(tmp_path / "secret")
    (one,) = found(tmp_path / "in")
    assert one.note == "not read: a link, expected a file" and not one.data


def test_neither_folder_nor_zip(tmp_path):
    (tmp_path / "in.rar").write_bytes(b"Rar!")
    for path in (tmp_path / "in.rar", tmp_path / "nothing"):
        with pytest.raises(ValueError, match="expected a folder or a zip file"):
            collect(path, KNOWN)
