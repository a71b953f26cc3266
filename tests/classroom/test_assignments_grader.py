"""Limits of a submission's process, the tables, and marks given by hand; nothing here starts a kernel."""

import csv
import io
import os
import re
import subprocess
import sys
import time

import psutil
import pytest

from tutorials.assignments import containment, marks, one
from tutorials.assignments.pages import marked_page, write_pages
from tutorials.assignments.plan import Question
from tutorials.assignments.report import Row, write_reports

# ---- why a notebook was not graded


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        (
            "[ERROR] nbformat.validator.NotebookValidationError: no id",
            "nbformat.validator.NotebookValidationError: no id",
        ),
        ("[INFO] begin\n\x1b[31mKeyError: 'grade'\x1b[0m\n[INFO] end", "KeyError: 'grade'"),
        ("[ERROR] it stopped", "no reason given"),
    ],
)
def test_the_note_quotes_the_last_error_of_the_log(log, reason):
    assert one._reason({"log": log, "error": ""}) == f"nbgrader could not grade it: {reason}"


# ---- containment


def contained(tmp_path, code, seconds=20, memory_mb=4096):
    """Run code with the limits of a submission; (what ended it, what it printed)."""
    limits = containment.Limits(5, seconds, memory_mb)
    script = tmp_path / "script.py"
    start = "from tutorials.assignments.containment import Limits, limit_this_process\n"
    script.write_text(f"{start}limit_this_process(Limits{(5, seconds, memory_mb)})\n{code}")
    said = containment.run_contained([sys.executable, str(script)], tmp_path, limits, tmp_path / "log.txt")
    return said, (tmp_path / "log.txt").read_text()


def test_an_endless_process_and_its_child_in_another_session_are_killed(tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True)\n"
        "print(child.pid, flush=True)\ntime.sleep(60)"
    )
    said, printed = contained(tmp_path, code, seconds=3)
    assert said == "stopped after 3 seconds, the limit for a whole notebook"
    pid = int(printed)
    until = time.monotonic() + 5
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits are Linux's")
def test_memory_is_limited(tmp_path):
    said, printed = contained(
        tmp_path, "try:\n    b'x' * 2**30\nexcept MemoryError:\n    print('stopped')", memory_mb=500
    )
    assert (said, printed) == ("", "stopped\n")


def test_there_is_no_network_and_the_hook_sees_names_too(tmp_path):
    code = (
        "import socket\n"
        "plain = socket.socket()\nplain.settimeout(2)\nconnect = lambda: plain.connect(('192.0.2.1', 80))\n"
        "for call in (connect, lambda: socket.getaddrinfo('example.org', 80)):\n"
        "    try:\n        call()\n    except PermissionError as error:\n        print(error)\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\nprint('local')"
    )
    assert contained(tmp_path, code) == ("", "no network while work is graded\n" * 2 + "local\n")


def test_home_and_temporary_files_are_in_the_folder(tmp_path):
    code = "import os, pathlib, tempfile\nprint(pathlib.Path.home())\n"
    code += "print(tempfile.gettempdir())\nprint('SECRET' in os.environ)"
    os.environ["SECRET"] = "1"
    try:
        said, printed = contained(tmp_path, code)
    finally:
        del os.environ["SECRET"]
    home, temporary, secret = printed.splitlines()
    assert said == "" and secret == "False"
    assert home.startswith(str(tmp_path)) and temporary.startswith(str(tmp_path))


def test_an_exit_status_is_told(tmp_path):
    assert contained(tmp_path, "raise SystemExit(3)")[0] == "grading ended with exit status 3"


# ---- reports and marks

ASKED = {"a1": [Question("a1-x-visible", 2.0, False), Question("a1-y", 4.0, True)]}
ROWS = [
    Row("ada", "a1", {"a1-x-visible": 2.0, "a1-y": None}, "", True),
    Row("bob", "a1", {"a1-x-visible": 0.0, "a1-y": 0.0}, "copied cell a1-x: the first one is graded", True),
    Row("eve", "a1", {}, "not a notebook: the file is not JSON", False),
]


def table(path):
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))


def test_tables_before_and_after_marking_by_hand(tmp_path):
    (tmp_path / "work").mkdir()
    marks.save(tmp_path, ROWS, ASKED)
    write_reports(tmp_path, ROWS, ASKED)
    grades = table(tmp_path / "grades.csv")
    assert [(row["a1-y"], row["total"], row["max"]) for row in grades] == [
        ("", "2", "6"),
        ("0", "0", "6"),
        ("0", "0", "6"),
    ]
    assert grades[2]["note"] == "not a notebook: the file is not JSON"
    (waiting,) = table(tmp_path / "to_mark.csv")
    assert (waiting["student"], waiting["question"], waiting["max"]) == ("ada", "a1-y", "4")
    text = (tmp_path / "to_mark.csv").read_text()
    (tmp_path / "to_mark.csv").write_text(text.replace("a1-y,4,,", 'a1-y,4,"2,5",half an argument'))
    assert marks.add_marks(tmp_path) == 1
    assert table(tmp_path / "grades.csv")[0]["total"] == "4.5"
    summary = {row["question"]: row for row in table(tmp_path / "summary.csv")}
    assert summary["a1-x-visible"]["mean"] == "1.00" and summary["a1-y"]["mean"] == "1.25"  # ada and bob; eve has none
    assert "half an argument" in (tmp_path / "to_mark.csv").read_text()
    assert (tmp_path / "summary.png").stat().st_size > 5000


PAGE = """<h4>a1 (Score: 2.0 / 6.0)</h4>
<li><a href="#a1-x-visible">Test cell</a> (Score: 2.0 / 2.0)</li>
<li><a href="#a1-y">Written response</a> (Score: 0.0 / 4.0)</li>
<a name="a1-x-visible"></a><span>
      Score: 2.0 / 2.0 <a href="#top">(Top)</a>
</span></div>
<a name="comment-a1-y"></a><a name="a1-y"></a><span>
      Score: 0.0 / 4.0 <a href="#top">(Top)</a>
</span></div>"""


def scores(page):
    return re.findall(r"Score: [^)<]*[^)< ]|not marked[^)<]*points", page)


def test_a_feedback_page_says_what_waits_and_then_the_mark_and_the_comment(tmp_path):
    """nbgrader's page says 0 of an answer that nobody has read."""
    for row in ROWS[:2]:
        (tmp_path / "work" / f"{row.student}_a1").mkdir(parents=True)
        (tmp_path / "work" / f"{row.student}_a1" / "feedback.html").write_text(PAGE)
    marks.save(tmp_path, ROWS, ASKED)
    write_reports(tmp_path, ROWS, ASKED)
    write_pages(tmp_path, ROWS, ASKED, {})
    page = tmp_path / "feedback" / "ada_a1.html"
    assert sorted(file.name for file in page.parent.iterdir()) == ["ada_a1.html", "bob_a1.html"]
    waits, test = "not marked yet, 4 points", "Score: 2.0 / 2.0"
    assert scores(page.read_text()) == ["Score: 2 / 6, and up to 4 more when all is marked", test, waits, test, waits]
    for mark, total in (("2.5", "4.5"), ("3", "5")):  # a mark may be mended later
        text = re.sub(r"a1-y,4,.*", f"a1-y,4,{mark},a < b?", (tmp_path / "to_mark.csv").read_text())
        (tmp_path / "to_mark.csv").write_text(text)
        marks.add_marks(tmp_path)
        given = f"Score: {mark} / 4"
        assert scores(page.read_text()) == [f"Score: {total} / 6", test, given, test, given]
        assert page.read_text().count("a &lt; b?") == 1
    assert scores((page.parent / "bob_a1.html").read_text())[0] == "Score: 0 / 6"
    assert "a &lt; b?" not in (page.parent / "bob_a1.html").read_text()
    with pytest.raises(ValueError, match="expected nbgrader's score in the feedback page"):
        marked_page(PAGE.replace("h4", "h3"), ROWS[0], ASKED["a1"], {})


IMPOSSIBLE = {"5": "expected 0 to 4", "-1": "expected 0 to 4", "nan": "expected 0 to 4", "many": "expected a number"}


@pytest.mark.parametrize(("mark", "said"), IMPOSSIBLE.items())
def test_an_impossible_mark_is_refused_with_its_line(tmp_path, mark, said):
    (tmp_path / "work").mkdir()
    marks.save(tmp_path, ROWS, ASKED)
    write_reports(tmp_path, ROWS, ASKED)
    before = (tmp_path / "grades.csv").read_text()
    text = (tmp_path / "to_mark.csv").read_text()
    (tmp_path / "to_mark.csv").write_text(text.replace("a1-y,4,,", f"a1-y,4,{mark},"))
    with pytest.raises(ValueError, match=f"to_mark.csv, line 2: {said}"):
        marks.add_marks(tmp_path)
    assert (tmp_path / "grades.csv").read_text() == before


def test_make_grade_asks_for_what_it_needs(tmp_path):
    command = [sys.executable, "-m", "tutorials.assignments.grade", str(tmp_path / "nowhere"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=containment.ROOT)
    assert done.returncode == 1 and done.stderr.startswith("minicm: expected a folder or a zip file")
    assert len(done.stderr.splitlines()) == 1
