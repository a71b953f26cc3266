"""What is handed in: names, zip files, links; then the release with the student's answers in it."""

import json
import os
import re
import stat
import zipfile

import nbformat
import pytest

from tutorials.assignments.plan import kind, name_of, questions, read
from tutorials.assignments.quick import BLANK, blank, solutions
from tutorials.assignments.rebuild import parse, rebuild
from tutorials.assignments.submissions import collect

HIDDEN = re.compile(r"(?ms)^### BEGIN HIDDEN TESTS\n(.*?)^### END HIDDEN TESTS")

# ---- rebuilding a submission on the release


def release_of(name):
    """What nbgrader would release, as far as rebuilding sees it."""
    notebook = read(name)
    for cell in notebook.cells:
        cell.source = HIDDEN.sub("", cell.source)
        if kind(cell) == "answer":
            cell.source = blank(cell.source)
    return notebook


def submitted(name):
    """A solved release."""
    notebook, right = release_of(name), solutions(read(name))
    for cell in notebook.cells:
        cell.source = right.get(name_of(cell), cell.source)
    return notebook


def taken(name, notebook):
    """(rebuilt notebook, notes) of a submission that went through a file."""
    return rebuild(release_of(name), parse(nbformat.writes(notebook).encode()))


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_an_honest_submission_stays_as_it_is():
    mine = submitted("a1")
    mine.cells.insert(3, nbformat.v4.new_code_cell("helper = 1"))
    rebuilt, notes = taken("a1", mine)
    assert sources(rebuilt) == sources(mine) and notes == []


def test_tampering_changes_nothing():
    honest, _ = taken("a1", submitted("a1"))
    mine = submitted("a1")
    for cell in mine.cells:
        if kind(cell) == "test":
            cell.source, cell.metadata.nbgrader.points = "assert True", 100
    mine.cells = [cell for cell in mine.cells if name_of(cell) not in ("a1-heun-hidden", "a1-setup")]
    mine.metadata.kernelspec = {"name": "julia-1.9", "display_name": "Julia", "language": "julia"}
    rebuilt, notes = taken("a1", mine)
    assert sources(rebuilt) == sources(honest) and rebuilt.metadata == honest.metadata
    assert [cell.metadata for cell in rebuilt.cells] == [cell.metadata for cell in honest.cells]
    assert len(notes) == 6 and all("put back" in note for note in notes)


def test_an_answer_cannot_become_a_test():
    mine = submitted("a1")
    mine.cells[3].metadata.nbgrader.update(grade=True, points=50, locked=True)
    forged = nbformat.v4.new_code_cell("1000")
    forged.metadata["nbgrader"] = {
        "grade_id": "bonus",
        "grade": True,
        "points": 50,
        "locked": True,
        "schema_version": 3,
    }
    mine.cells.append(forged)
    rebuilt, _ = taken("a1", mine)
    assert questions_of(rebuilt) == questions(read("a1"))


def questions_of(notebook):
    notebook.cells = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    return questions(notebook)


def test_a_copied_cell_costs_nothing_and_is_told():
    mine = submitted("a1")
    answer = next(k for k, cell in enumerate(mine.cells) if name_of(cell) == "a1-heun")
    mine.cells.insert(answer + 1, nbformat.from_dict({**mine.cells[answer], "source": "# a copy"}))
    rebuilt, notes = taken("a1", mine)
    assert notes == ["copied cell a1-heun: the first one is graded"]
    names = [name_of(cell) for cell in rebuilt.cells]
    assert names.count("a1-heun") == 1 and "# a copy" in sources(rebuilt)


def test_stripped_metadata_are_found_by_cell_id_and_otherwise_told():
    mine = submitted("a1")
    for cell in mine.cells:
        cell.metadata = {}
    rebuilt, notes = taken("a1", mine)
    assert sources(rebuilt) == sources(submitted("a1")) and "metadata were removed" in notes[0]
    for k, cell in enumerate(mine.cells):
        cell.id = f"x{k}"
    _, notes = taken("a1", mine)
    assert notes == ["no answer was found: its cells are not those of the release; ask for the original notebook"]


def test_deleted_answers_are_blank_and_told():
    mine = submitted("a1")
    mine.cells = [cell for cell in mine.cells if name_of(cell) != "a1-order"]
    rebuilt, notes = taken("a1", mine)
    assert notes == ["deleted cell a1-order"]
    assert next(cell for cell in rebuilt.cells if name_of(cell) == "a1-order").source.endswith(BLANK)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"PK\x03\x04", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "nbformat 4"),
        (b'{"nbformat": 3, "worksheets": []}', "nbformat 4"),
        (b'{"nbformat": 4, "cells": [' + b",".join([b"{}"] * 2000) + b"]}", "2000 cells"),
    ],
)
def test_what_is_no_notebook_is_refused_in_one_line(data, said):
    with pytest.raises(ValueError, match=said) as caught:
        parse(data)
    assert "\n" not in str(caught.value)


def test_broken_cells_are_left_out():
    strange = [7, None, {"cell_type": "code"}, {"cell_type": "raw", "source": "x"}, {"cell_type": "code", "source": 3},
               {"cell_type": "code", "source": ["a", "\nb"], "metadata": 5, "outputs": "?"}]  # fmt: skip
    notebook = parse(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": strange}).encode())
    assert sources(notebook) == ["a\nb"]
    rebuilt, _ = rebuild(release_of("a1"), notebook)
    nbformat.validate(rebuilt)


# ---- collecting


def write_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files:
            archive.writestr(name, data)


def test_names_of_learning_platforms_are_understood(tmp_path):
    files = {
        "Ada Lovelace_1_file_/ada_a1.ipynb": ("ada", "a1"),
        "deep/down/emmy_noether_A2.ipynb": ("emmy_noether", "a2"),
        "bob_12_34_bob_a1-1.ipynb": ("bob_12_34_bob", "a1"),
        "carl_a1 (2).ipynb": ("carl", "a1"),
        "=cmd|x_a1.ipynb": ("cmd-x", "a1"),
        "Jürgen_a2.ipynb": ("Jürgen", "a2"),
        "all/Kay Doe_4713_assignsubmission_file_/a1.ipynb": ("Kay-Doe_4713", "a1"),
        "all/Lee Roe/A2 (1).ipynb": ("Lee-Roe", "a2"),
    }
    write_zip(tmp_path / "in.zip", [(name, name) for name in files])
    found = collect(tmp_path / "in.zip", ["a1", "a2"])
    assert {(one.student, one.assignment) for one in found} == set(files.values())
    assert {one.data.decode() for one in found} == set(files)
    assert {one.student: one.note for one in found if one.note} == {
        "Kay-Doe_4713": "named after its folder Kay Doe_4713_assignsubmission_file_",
        "Lee-Roe": "named after its folder Lee Roe",
    }


def test_other_files_are_told_or_ignored(tmp_path):
    write_zip(tmp_path / "in.zip", [("notes.txt", "x"), ("__MACOSX/._ada_a1.ipynb", "x"), (".git/ada_a1.ipynb", "x"),
                                    ("a1.ipynb", "x"), ("ada_a9.ipynb", "x"), ("more.zip", "x")])  # fmt: skip
    found = collect(tmp_path / "in.zip", ["a1", "a2"])
    assert [one.assignment for one in found] == [None] * 3
    assert sorted(one.note for one in found) == [
        "not graded: expected a name <student>_a1.ipynb to a2",
        "not graded: expected a name <student>_a1.ipynb to a2",
        "not read: a zip file inside; unpack it first",
    ]


def write_at(path, when):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(path.name)
    os.utime(path, (when, when))


def test_of_two_files_in_one_folder_the_later_counts(tmp_path):
    write_at(tmp_path / "ada_a1.ipynb", 5000)
    write_at(tmp_path / "ada_a1 (1).ipynb", 1000)
    (one,) = collect(tmp_path, ["a1"])
    assert one.student == "ada" and one.data == b"ada_a1.ipynb"
    assert one.note == "handed in twice: the later file counts, ada_a1.ipynb, not ada_a1 (1).ipynb"


def test_one_name_in_two_folders_is_two_rows_that_say_so(tmp_path):
    """They may be of two students: nobody's work is lost, and nobody gets the marks of another."""
    places = ["one/ada_a1.ipynb", "two/Ada_a1.ipynb", "three/Ada/a1.ipynb", "two/ada-2_a1.ipynb", "two/ada_a2.ipynb"]
    for place in places:
        write_at(tmp_path / place, 1000)
    found = {(one.student, one.assignment): one for one in collect(tmp_path, ["a1", "a2"])}
    where = {key: one.place for key, one in found.items()}
    assert where == {
        ("ada", "a1"): places[0], ("ada-3", "a1"): places[2], ("ada-4", "a1"): places[1],
        ("ada-2", "a1"): places[3], ("ada", "a2"): places[4],
    }  # fmt: skip
    said = "one name in 3 folders: this row is {} of one/ada_a1.ipynb, three/Ada/a1.ipynb, two/Ada_a1.ipynb"
    assert found["ada", "a1"].note == said.format(places[0])
    assert found["ada-3", "a1"].note == "named after its folder Ada; " + said.format(places[2])
    assert not found["ada", "a2"].note and not found["ada-2", "a1"].note


def test_files_that_cannot_be_graded_stay_apart_and_say_where_they_lie(tmp_path):
    """Two students with one strange name are two rows, not a file and its later version."""
    write_zip(tmp_path / "in.zip", [("Ada/homework.ipynb", "x"), ("Bob/homework.ipynb", "x"), ("a1.ipynb", "x")])
    found = collect(tmp_path / "in.zip", ["a1"])
    assert [one.assignment for one in found] == [None] * 3
    assert sorted(one.note.partition("; ")[2] for one in found) == ["", "it lies in Ada", "it lies in Bob"]
    assert all(one.note.startswith("not graded: expected a name <student>_a1.ipynb") for one in found)


def test_no_name_in_a_zip_leads_out_and_links_and_bombs_are_not_read(tmp_path):
    path = tmp_path / "in" / "in.zip"
    path.parent.mkdir()
    link = zipfile.ZipInfo("eve_a1.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../mallory_a1.ipynb", "x")
        archive.writestr("/etc/oscar_a1.ipynb", "x")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("bomb_a1.ipynb", b"0" * 30_000_000)
    found = {one.student: one for one in collect(path, ["a1"])}
    assert found["mallory"].data == found["oscar"].data == b"x"
    assert found["eve"].note == "not read: a link, expected a file" and not found["eve"].data
    assert found["bomb"].note == "not read: more than 20000000 bytes" and not found["bomb"].data
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["in.zip"]


def test_links_in_a_folder_are_not_followed(tmp_path):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "eve_a1.ipynb").symlink_to(tmp_path / "secret")
    (one,) = collect(tmp_path / "in", ["a1"])
    assert one.note == "not read: a link, expected a file" and not one.data


def test_neither_folder_nor_zip(tmp_path):
    (tmp_path / "in.rar").write_bytes(b"Rar!")
    for path in (tmp_path / "in.rar", tmp_path / "nothing"):
        with pytest.raises(ValueError, match="expected a folder or a zip file"):
            collect(path, ["a1"])
