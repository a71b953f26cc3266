"""The autograder's zip file in a bare folder, as Gradescope runs it."""

import json
import os
import subprocess
import sys
import zipfile

import nbformat
import pytest
from assignments_wrong_early import A1
from hands import machine, solved

from tutorials.assignments.gradescope import bundle, main
from tutorials.assignments.plan import name_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def autograder(tmp_path_factory):
    """The folder /autograder, elsewhere."""
    folder = tmp_path_factory.mktemp("autograder")
    with zipfile.ZipFile(bundle("a1", folder / "a1.zip")) as archive:
        archive.extractall(folder / "source")
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}
    assert modes["setup.sh"] & 0o111 and modes["run_autograder"] & 0o111
    return folder


def run(autograder, data):
    """results.json for one submission."""
    (autograder / "submission").mkdir(exist_ok=True)
    (autograder / "submission" / "homework 1.ipynb").write_text(data, "utf-8")
    variables = {"PATH": os.environ["PATH"], "AUTOGRADER": str(autograder), "PYTHON": sys.executable}
    done = subprocess.run(["bash", str(autograder / "source" / "run_autograder")], cwd="/", env=variables, text=True,
                          capture_output=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads((autograder / "results" / "results.json").read_text("utf-8"))


def test_a_wrong_answer_gets_its_points_and_its_hint_and_hidden_tests_are_invisible(autograder):
    changed, lost = A1["heun: the second slope at t"]
    notebook = solved("a1")
    for cell in notebook.cells:
        cell.source = changed.get(name_of(cell), cell.source)
    told = run(autograder, nbformat.writes(notebook))
    names = dict(zip((f"{test}" for test in machine("a1")), told["tests"], strict=True))
    assert {test: one["score"] for test, one in names.items()} == {
        test: 0 if test in lost else worth for test, worth in machine("a1").items()}  # fmt: skip
    assert {test: one["max_score"] for test, one in names.items()} == machine("a1")
    assert names["a1-heun-visible"]["name"] == "2. Heun's step: visible tests"
    assert "you gave the velocity the time t again" in names["a1-heun-visible"]["output"]
    assert all((one["visibility"] == "visible") == test.endswith("-visible") for test, one in names.items())
    assert told["output"] == "4 points more are given by hand."


def test_what_is_no_notebook_is_told_and_the_bundle_has_one_assignment_only(autograder):
    assert "not a notebook" in run(autograder, "no JSON")["output"]
    assert [path.name for path in (autograder / "source" / "tutorials" / "assignments" / "source").iterdir()] == ["a1"]
    script = subprocess.run(["bash", "-n", str(autograder / "source" / "setup.sh")])
    assert script.returncode == 0


def test_an_unknown_assignment_is_one_line(capsys):
    assert main(["a77"]) == 1
    assert capsys.readouterr().err == "minicm: expected A=a1 to a6, got a77\n"
