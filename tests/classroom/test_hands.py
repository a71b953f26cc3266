"""Every known hand of a student, through the whole of grading, in one folder that all tests here share."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import nbformat
import pytest
from hands import ANSWERS, HANDS, TEXT, machine, mine, place, solved, written

from tutorials.assignments.containment import Limits
from tutorials.assignments.grade import Options, grade
from tutorials.assignments.plan import ROOT, as_released, assignments, name_of, read
from tutorials.assignments.score import secrets
from tutorials.assignments.session import everything_allowed

pytestmark = pytest.mark.slow
CASES = [(name, hand) for name in ANSWERS for hand in HANDS]
LIMITS = Limits(cell_seconds=2, seconds=300)  # of the processor: a busy machine changes nothing
LOOP = "def {}(*arguments):\n    while True:\n        pass"
STUBBORN = """
    while True:
        try:
            while True:
                pass
        except KeyboardInterrupt:
            pass
"""


def file_of(name, hand):
    return f"{re.sub('[^a-z]', '', hand.lower())}{len(hand)}_{name}"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """The folder that grading wrote, once for all tests."""
    folder = tmp_path_factory.mktemp("hands")
    (folder / "in").mkdir()
    for name, hand in CASES:
        (folder / "in" / f"{file_of(name, hand)}.ipynb").write_text(written(name, hand), "utf-8")
    loops = mine(solved("a1"), "import subprocess; print(subprocess.Popen(['sleep', '999'], env={}, "
                 "start_new_session=True).pid)", "a1-setup")  # fmt: skip
    loops.cells[place(loops, "a1-heun")].source = LOOP.format("heun_step")
    nbformat.write(loops, folder / "in" / "loops_a1.ipynb")
    nbformat.write(mine(solved("a1"), STUBBORN, "a1-setup"), folder / "in" / "stubborn_a1.ipynb")
    for name in ("a2", "a4", "a5"):
        nbformat.write(HANDS["imports"][0](name, solved(name)), folder / "in" / f"taken_{name}.ipynb")
    before = untouched()
    grade(folder / "in", folder / "out", options=Options(LIMITS))
    assert untouched() == before
    return folder / "out"


def untouched():
    """path -> time of the last change, of everything that grading must leave alone."""
    places = (ROOT / "tutorials" / "assignments", ROOT / "minicm")
    return {p: p.stat().st_mtime_ns for place in places for p in place.rglob("*") if p.is_file() and p.suffix != ".pyc"}


def lines(out):
    with (out / "grades.csv").open(encoding="utf-8") as file:
        return {f"{line['student']}_{line['assignment']}": line for line in csv.DictReader(file)}


@pytest.mark.parametrize(("name", "hand"), CASES, ids=[f"{name}-{hand}" for name, hand in CASES])
def test_a_hand_gets_what_is_right_and_a_note_that_says_why(name, hand, out):
    _, lost, words = HANDS[hand]
    line = lines(out)[file_of(name, hand)]
    assert {test: float(line[test]) for test in machine(name)} == {
        test: 0 if test in lost(name) else worth for test, worth in machine(name).items()
    }, line["note"]
    assert words in line["note"] and bool(words) == bool(line["note"]), line["note"]


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_human_marks_waits_with_its_text_wherever_it_stood(name, out):
    with (out / "to_mark.csv").open(encoding="utf-8") as file:
        waiting = {line["student"]: line for line in csv.DictReader(file) if line["question"] == ANSWERS[name][2]}
    for hand in ("below", "retyped", "as code", "as raw", "plain"):
        assert waiting[file_of(name, hand).removesuffix(f"_{name}")]["answer"] == TEXT
    assert waiting[file_of(name, "deleted").removesuffix(f"_{name}")]["answer"] == ""
    assert file_of(name, "left alone").removesuffix(f"_{name}") not in waiting
    assert lines(out)[file_of(name, "left alone")][ANSWERS[name][2]] == "0"


@pytest.mark.parametrize("name", ANSWERS)
def test_no_line_of_a_hidden_test_is_on_any_page_or_in_any_graded_notebook(name, out):
    lines_of_tests = secrets(read(name), as_released(read(name)))
    assert len(lines_of_tests) > 20
    for hand in HANDS:
        for path in (f"feedback/{file_of(name, hand)}.html", f"work/{file_of(name, hand)}/graded.ipynb"):
            page = "".join((out / path).read_text("utf-8").split())
            mine_too = "".join(written(name, hand).split())  # a line that the reference shares with a test
            assert not [line for line in lines_of_tests if line in page and line not in mine_too], path


def test_scripts_of_students_are_on_no_page_and_figures_and_shell_work(out):
    for page in (out / "feedback").glob("*.html"):
        assert "<script" not in page.read_text("utf-8")
    assert "from the shell" in (out / "feedback" / f"{file_of('a1', 'magics')}.html").read_text("utf-8")
    assert "data:image/png" in (out / "feedback" / "taken_a4.html").read_text("utf-8")


def test_a_function_of_the_package_is_seen_in_every_assignment_that_forbids_it(out):
    found = lines(out)
    assert all("uses minicm's alpha" in found[f"taken_{name}"]["note"] for name in ("a2", "a4", "a5"))
    assert [name for name in assignments() if everything_allowed(read(name))] == ["a6"]


def test_writing_outside_is_refused_and_inside_works(out):
    for name in ANSWERS:
        page = (out / "feedback" / f"{file_of(name, 'writes outside')}.html").read_text("utf-8")
        assert "refused\nrefused\ninside works 3" in page
        assert not list(out.rglob("planted.py")) and not list(out.rglob("box"))


def test_an_endless_loop_costs_its_question_only_and_background_processes_end(out):
    line, lost = lines(out)["loops_a1"], {"a1-heun-visible", "a1-heun-hidden"}
    assert {t: float(line[t]) for t in machine("a1")} == {t: 0 if t in lost else w for t, w in machine("a1").items()}
    assert all(f"cell {test} ran over the time limit" in line["note"] for test in lost)
    graded = nbformat.read(out / "work" / "loops_a1" / "graded.ipynb", as_version=4)
    cell = next(cell for cell in graded.cells if name_of(cell) is None)
    with pytest.raises(ProcessLookupError):
        os.kill(int(cell.outputs[0].text), 0)


def test_a_cell_that_catches_its_interrupt_costs_itself_only(out):
    line = lines(out)["stubborn_a1"]
    assert line["note"] == "cell of the student's own ran over the time limit"
    assert {test: float(line[test]) for test in machine("a1")} == machine("a1")


def test_everything_is_for_the_owner_s_eyes(out):
    assert out.stat().st_mode & 0o077 == 0 or os.name != "posix"


def test_a_run_that_is_killed_goes_on_and_gives_the_same_marks(tmp_path):
    (tmp_path / "in").mkdir()
    for k in range(4):
        nbformat.write(solved("a1"), tmp_path / "in" / f"s{k}_a1.ipynb")
    command = [sys.executable, "-m", "tutorials.assignments.grade", str(tmp_path / "in"), str(tmp_path / "out")]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert first.stdout.readline().startswith("s0")  # the first row is stored
    first.send_signal(signal.SIGSTOP)  # in the middle, however fast this machine is
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert second.returncode == 1 and len(second.stderr.splitlines()) == 1
    assert "another make grade or make marks works in" in second.stderr
    first.kill()
    first.wait()
    first.stdout.close()
    while _left(tmp_path):  # what it started notices, and ends
        time.sleep(0.05)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stored = [json.loads(line) for line in (tmp_path / "out" / "work" / "rows.jsonl").read_text().splitlines()]
    assert sorted(one["row"]["student"] for one in stored if "row" in one) == [f"s{k}" for k in range(4)]  # each once
    totals = {name: line["total"] for name, line in lines(tmp_path / "out").items()}
    assert totals == {f"s{k}_a1": "16" for k in range(4)}


def _left(folder):
    import psutil

    found = []
    for process in psutil.process_iter(["cwd"]):
        if str(process.info["cwd"]).startswith(str(folder)):
            found.append(process)
    return found
