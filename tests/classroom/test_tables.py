"""Tables, marks by hand, rosters, uploads and pages; nothing here runs a notebook."""

import csv
import io
import re

import nbformat
import pytest

from tutorials.assignments import grade as grading
from tutorials.assignments import marks
from tutorials.assignments.pages import page
from tutorials.assignments.plan import Question, as_released, name_of, questions, read
from tutorials.assignments.report import Row, plain
from tutorials.assignments.roster import read_roster, read_table
from tutorials.assignments.score import secrets
from tutorials.assignments.store import Store, alone

ASKED = {"a1": [Question("a1-x-visible", 2.0, False, "1. X"), Question("a1-y", 4.0, True, "2. Y")]}
ADA = Row("Ada Lovelace", "a1", {"a1-x-visible": 2.0, "a1-y": None}, "", True, "ada", "d", {"a1-y": "=my words"}, "77")
ROWS = [
    ADA,
    Row("bob", "a1", {"a1-x-visible": 0.0, "a1-y": 0.0}, "copied cell a1-x: the first one is graded", True, "bob"),
    Row("=eve", "a1", {}, "not a notebook: the file is not JSON", False, "eve"),
]


def stored(out, rows=ROWS):
    """A folder as grading leaves it."""
    with alone(out):
        store = Store(out)
        store.ask(ASKED)
        for row in rows:
            store.add(row)
            if row.graded:
                (out / "work" / f"{row.folder}_a1").mkdir(parents=True)
                nbformat.write(nbformat.v4.new_notebook(), out / "work" / f"{row.folder}_a1" / "graded.ipynb")
        marks.write_all(out, store, [])
    return out


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def fill(out, mark, comment="", delimiter=","):
    """Write a mark into to_mark.csv, as a spreadsheet saves it."""
    lines = table(out / "to_mark.csv")
    lines[0] |= {"points": mark, "comment": comment}
    with (out / "to_mark.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, lines[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_tables_before_and_after_marking_by_hand(delimiter, tmp_path):
    out = stored(tmp_path)
    rows = table(out / "grades.csv")
    assert [(row["a1-y"], row["total"], row["max"]) for row in rows] == [("", "", "6"), ("", "2", "6"), ("0", "0", "6")]
    assert rows[0]["student"] == "'=eve" and rows[0]["note"] == "not a notebook: the file is not JSON"
    (waiting,) = table(out / "to_mark.csv")
    assert (waiting["student"], waiting["question"], waiting["max"]) == ("Ada Lovelace", "a1-y", "4")
    assert waiting["answer"] == "'=my words"
    fill(out, "2,5", "half an argument", delimiter)
    assert marks.add_marks(out) == 1
    assert table(out / "grades.csv")[1]["total"] == "4.5"
    summary = {row["question"]: row for row in table(out / "summary.csv")}
    assert summary["a1-x-visible"]["mean"] == "1.00" and summary["a1-y"]["mean"] == "1.25"  # ada and bob; eve has none
    assert table(out / "to_mark.csv")[0] | {"answer": ""} == waiting | {
        "points": "2.5", "comment": "half an argument", "answer": ""}  # fmt: skip
    assert (out / "summary.png").stat().st_size > 5000
    assert marks.add_marks(out) == 1  # again, and nothing is doubled


def test_the_summary_leaves_out_what_nobody_marked(tmp_path):
    out = stored(tmp_path, [ADA])
    assert [row["question"] for row in table(out / "summary.csv")] == ["a1-x-visible"]


IMPOSSIBLE = {"5": "expected 0 to 4", "-1": "expected 0 to 4", "nan": "expected 0 to 4", "many": "expected a number"}


@pytest.mark.parametrize(("mark", "said"), IMPOSSIBLE.items())
def test_an_impossible_mark_is_refused_with_its_line(tmp_path, mark, said):
    out = stored(tmp_path)
    before = (out / "grades.csv").read_text()
    fill(out, mark)
    with pytest.raises(ValueError, match=f"to_mark.csv, line 2: {said}"):
        marks.add_marks(out)
    assert (out / "grades.csv").read_text() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [("a,b\n1,2\n", "found no student"), ('student,"x\n', "not a CSV file"), ("student\n\0\n", "found no assignment")],
)
def test_a_file_of_marks_without_its_columns_is_refused(text, said, tmp_path):
    out = stored(tmp_path)
    (out / "to_mark.csv").write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        marks.add_marks(out)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", " =1", "\r=1"])
def test_no_cell_begins_like_a_formula(text):
    assert plain(text) == "'" + text and plain("a=1") == "a=1" and plain(-1) == -1


# ---- rosters and uploads

ROSTERS = {
    "by name": "name,late days\nCyd,0\nLovelace Ada,2\nBOB,\n",
    "Moodle": "Identifier,Full name,late\nParticipant 5,Cyd,\nParticipant 77,Augusta King,2\nParticipant 9,Bob,\n",
    "in two columns": "First name;Last name;late\nCyd;;0\nAda;Lovelace;2\n;Bob;\n",
}


@pytest.mark.parametrize("kind", ROSTERS)
def test_a_roster_gives_a_row_for_each_in_its_order_and_late_days_cost(kind, tmp_path):
    (tmp_path / "names.csv").write_text(ROSTERS[kind])
    roster = read_roster(tmp_path / "names.csv")
    out = stored(tmp_path / "out")
    store = Store(out)
    people = [{"name": one.name, "cells": one.cells} for one in roster.people]
    store.enrol({"people": people, "per_late_day": 10})
    marks.write_all(out, store, [])
    rows = table(out / "grades.csv")
    assert [row["student"] for row in rows] == ["Cyd", "Ada Lovelace", "bob", "'=eve"]
    assert [row["note"].rpartition("; ")[2] for row in rows] == [
        "nothing handed in", "2 days late: 1.2 points off", "copied cell a1-x: the first one is graded",
        "not on the roster"]  # fmt: skip
    assert [row["total"] for row in rows] == ["", "0.8", "0", ""]
    assert rows[0]["max"] == "6"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected a line with column names"), ("a,b\n1,2\n", "expected a column named"),
        ("name\nada\nada\n", "ada stands in it twice"), ("name,late\nada,soon\n", "line 2: expected a number of late"),
        ('name\n"x\n', "not a CSV file"),
    ],
)  # fmt: skip
def test_a_roster_that_cannot_be_used_is_refused_in_one_line(text, said, tmp_path):
    (tmp_path / "names.csv").write_text(text)
    with pytest.raises(ValueError, match=said) as caught:
        read_roster(tmp_path / "names.csv")
    assert "\n" not in str(caught.value)


def test_spreadsheets_encodings_are_read(tmp_path):
    for encoding in ("utf-8-sig", "utf-16", "cp1252"):
        (tmp_path / "x.csv").write_bytes("Name;x\nJürgen;1\n".encode(encoding))
        assert read_table(tmp_path / "x.csv") == [{"name": "Jürgen", "x": "1"}]


def test_files_to_upload_have_the_platform_s_numbers_and_final_totals_only(tmp_path):
    out = stored(tmp_path)
    assert table(out / "upload_moodle_a1.csv") == [
        {"Identifier": "Participant 77", "Full name": "Ada Lovelace", "Grade": ""}]  # fmt: skip
    fill(out, "4")
    marks.add_marks(out)
    assert table(out / "upload_moodle_a1.csv")[0]["Grade"] == "6"
    head, ada = table(out / "upload_canvas_a1.csv")
    assert (head["Student"], head["a1"]) == ("Points Possible", "6") and (ada["ID"], ada["a1"]) == ("77", "6")


# ---- pages


def shown(source, outputs=(), kind="code", notebook=None):
    """The page of a solved a1 with one more cell."""
    notebook = notebook or as_released(read("a1"))
    new = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]
    cell = new(source)
    if outputs:
        cell.outputs = [nbformat.from_dict(one) for one in outputs]
    notebook.cells.insert(4, cell)
    asked = questions(notebook_without_own(notebook))
    return page(notebook, Row("<b>Ada", "a1", {q.name: 0.0 for q in asked}, "", True), asked, {})


def notebook_without_own(notebook):
    return nbformat.from_dict({**notebook, "cells": [cell for cell in notebook.cells if name_of(cell)]})


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"


@pytest.mark.parametrize("kind", ["code", "markdown"])
def test_html_of_a_student_is_shown_as_text(kind):
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": HOSTILE},
        {"output_type": "error", "ename": HOSTILE, "evalue": HOSTILE, "traceback": []},
        {"output_type": "display_data", "metadata": {}, "data": {"text/html": HOSTILE, "text/plain": HOSTILE}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": HOSTILE}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": HOSTILE}},
    ]
    text = shown(HOSTILE + "\n\n[x](javascript:alert(1))", outputs if kind == "code" else (), kind)
    assert "<script" not in text and "<img src=x" not in text and "<b>Ada" not in text
    assert not re.search(r"<[^>]*(onerror|javascript:)", text) and "&lt;script" in text or "script" in text
    assert "default-src 'none'" in text and not re.search(r'(src|href)="(?!#|data:image|#harmful-link)', text)


def test_points_and_hints_come_first_and_questions_have_their_names():
    notebook = as_released(read("a1"))
    hint = "not yet: the second slope belongs to the time s " * 20
    for cell in notebook.cells:
        if name_of(cell) == "a1-heun-visible":
            cell.outputs = [nbformat.v4.new_output("error", ename="AssertionError", evalue=hint, traceback=[])]
    text = shown("1", notebook=notebook)
    first, _, rest = text.partition("</table>")
    assert "2. Heun&#x27;s step: visible tests" in first and hint.strip() in first and "0 of 4" in first
    assert "white-space: pre-wrap" in text and hint.strip() in rest


def test_a_damaged_notebook_costs_its_own_page_only(tmp_path):
    out = stored(tmp_path)
    (out / "work" / "ada_a1" / "graded.ipynb").write_text("{")
    marks.add_marks(out)
    assert "could not be shown" in (out / "feedback" / "ada_a1.html").read_text()
    assert "could not be shown" not in (out / "feedback" / "bob_a1.html").read_text()


def test_a_page_says_what_waits_and_then_the_mark_and_the_comment(tmp_path):
    out = stored(tmp_path)
    text = (out / "feedback" / "ada_a1.html").read_text()
    assert "2 of 6 points, and up to 4 more when all is marked" in text and "not marked yet, 4 points" in text
    for mark, total in (("2.5", "4.5"), ("3", "5")):  # a mark may be mended later
        fill(out, mark, "a < b?")
        marks.add_marks(out)
        text = (out / "feedback" / "ada_a1.html").read_text()
        assert f"{total} of 6 points<" in text and f"{mark} of 4" in text and "a &lt; b?" in text


# ---- folders and commands


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ValueError, match="new, empty or from make grade"), alone(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_last_line_that_was_cut_off_is_left_out_and_written_again(tmp_path):
    out = stored(tmp_path)
    path = out / "work" / "rows.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    store = Store(out)
    assert list(store.rows) == [("Ada Lovelace", "a1"), ("bob", "a1")]
    store.add(ROWS[2])
    assert len(Store(out).rows) == 3


@pytest.mark.parametrize("extra", [["--names", "("], ["--names", "x"], ["--roster", "nowhere.csv"], []])
def test_make_grade_refuses_in_one_line(extra, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(grading.signal, "signal", lambda *arguments: None)
    place = tmp_path if extra else tmp_path / "nowhere"
    assert grading.main([str(place), str(tmp_path / "out"), *extra]) == 1
    said = capsys.readouterr().err
    assert said.startswith("minicm: ") and len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_hidden_tests_have_lines_to_look_for_in_every_assignment():
    for name in ("a1", "a2", "a3", "a4", "a5"):
        assert len(secrets(read(name), as_released(read(name)))) > 10


def test_a_changed_python_is_never_a_mark(tmp_path):
    (tmp_path / "x.py").write_text("1")
    before = grading.fingerprint([tmp_path])
    assert grading.fingerprint([tmp_path]) == before
    (tmp_path / "y").mkdir()
    assert grading.fingerprint([tmp_path]) != before
