"""tutorials/compare.py: what makes a notebook red, and what does not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat import v4

from tutorials.compare import Tolerance, difference, tolerance_of

ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file())
EXACT = {"minicm": {"tolerance": {"digits": 0, "share": 0}}}

SAME = {
    "the last digit": ("C2ST 0.51", "C2ST 0.50"),
    "two units": ("floors 1.2 of 3", "floors 1.4 of 3"),
    "a share": ("at 187.42", "at 190.00"),
    "a wider column": ("a   9.98  b", "a  10.02  b"),
    "an exponent": ("1.23e-05", "1.25e-05"),
    "no digit before the point": ("now .51,", "now .52,"),
    "minus nothing": ("-0.00", "0.00"),
    "a negative number": ("(-1.37)", "(-1.38)"),
    "the other minus sign": ("−1.37", "−1.36"),
    "many numbers": ("0.10 0.20 | 3e-3", "0.11 0.19 | 3e-3"),
    "html": ("<td>0.51</td>", "<td>0.52</td>"),
    "a full stop": ("It is 0.51.", "It is 0.52."),
    "per cent": ("12.5 %", "12.4 %"),
    "in the second line": ("ok\n0.51\n", "ok\n0.52\n"),
}
OTHER = {
    "a wrong word": ("good 0.51", "bad 0.51"),
    "a lost space": ("so good", "sogood"),
    "a missing line": ("a\n0.51\n", "a\n"),
    "an extra line": ("a\n", "a\nb\n"),
    "an empty line": ("a\n", "a\n\n"),
    "beyond the digits": ("0.51", "0.54"),
    "beyond the share": ("187.42", "194.00"),
    "not a number": ("0.51", "nan"),
    "infinity": ("0.51", "inf"),
    "no longer nan": ("nan", "0.51"),
    "a sign": ("1.37", "-1.37"),
    "a sign in a row": ("0.12 -1.37", "0.12 1.37"),
    "an exponent": ("1.2e-05", "1.2e-04"),
    "an exponent's sign": ("1.2e-05", "1.2e+05"),
    "a number in a word": ("model1.5", "model1.6"),
    "a unit": ("1.5x", "1.6x"),
    "a version": ("2.13.0", "2.13.1"),
    "a count": ("8 modes", "7 modes"),
    "a count beside a number": ("8 of 0.51", "9 of 0.51"),
    "a count that became a number": ("8 modes", "8.0 modes"),
    "one number more": ("0.51", "0.51 0.51"),
    "a range": ("0.1-0.5", "0.1-0.9"),
}


@pytest.mark.parametrize("name", SAME)
def test_what_another_processor_may_print(name):
    assert difference(*SAME[name], Tolerance()) is None


@pytest.mark.parametrize("name", OTHER)
def test_what_is_red(name):
    assert difference(*OTHER[name], Tolerance())


def test_a_closed_form_is_exact():
    exact = tolerance_of(EXACT)
    assert difference("0.51", "0.51", exact) is None
    assert "expected 0.51, got 0.52" in difference("0.51", "0.52", exact)
    assert difference("99.99", "100.00", exact)


def test_a_count_that_was_learnt():
    counts = tolerance_of({"minicm": {"tolerance": {"counts": 0.1}}})
    assert difference("blew up at 1300 with 0.2", "blew up at 1400 with 0.1", counts) is None
    assert difference("blew up at 1300", "blew up at 1431", counts)
    assert difference("3 left", "4 left", counts) is None and difference("3 left", "5 left", counts)
    assert difference("blew up at 1300", "blew up at 1300.5", counts)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"tolerance": {"digit": 1}}, "digits, share, counts"),
        ({"tolerance": 3}, "got 3"),
        ({"tolerance": {"share": -1}}, "'share', got -1"),
        ({"tolerance": {"digits": "2"}}, "'digits', got '2'"),
        ({"tolerance": {"digits": float("nan")}}, "'digits', got nan"),
        ({"tolerance": {"digits": True}}, "'digits', got True"),
        ("exact", "got 'exact'"),
    ],
)
def test_unknown_tolerances(value, words):
    with pytest.raises(ValueError, match="expected") as caught:
        tolerance_of({"minicm": value})
    assert words in str(caught.value) and "\n" not in str(caught.value)


# ---- through pytest, as a learner, an IDE or CI starts it


def stored(source, *outputs, **more):
    return v4.new_code_cell(source, outputs=list(outputs), execution_count=1, **more)


def text(words):
    return v4.new_output("stream", name="stdout", text=words)


def notebook(*cells):
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return v4.new_notebook(cells=list(cells), metadata=spec)


PICTURE = v4.new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<picture>"})
DRAW = 'display({"image/png": "aaaa", "text/plain": "<picture>"}, raw=True)'
FILM = v4.new_output("display_data", data={"image/gif": "R0lGODlh", "text/plain": "<picture>"})
PLAY = 'display({"image/gif": "aaaa", "text/plain": "<picture>"}, raw=True)'
SLIDER = v4.new_output("display_data", data={"text/html": "<img src='data:image/png;base64,iVBORw0KGgoAb+/=='>"})
SLIDE = """display({"text/html": "<img src='data:image/png;base64,iVBORw0KGgoXYZ'>"}, raw=True)"""
NO_DRAW = 'display({"text/plain": "<picture>"}, raw=True)'
UPDATE = "h = display(1, display_id='a')\nh.update(2)"
CLEAR = "from IPython.display import clear_output\nclear_output()\nprint(1)"
RUNS = [  # (cell, whether it is green)
    (stored("print(0.513)", text("0.512\n")), True),
    (stored("print(0.593)", text("0.512\n")), False),
    (stored("print(0.513)", text("0.512\n"), metadata=EXACT), False),
    (stored("print('took 12.1 s')", text("took 3.4 s\n")), True),
    (stored(DRAW, PICTURE), True),
    (stored(NO_DRAW, PICTURE), False),
    (stored(DRAW), False),
    (stored(PLAY, FILM), True),
    (stored(NO_DRAW, FILM), False),
    (stored(DRAW, FILM), False),
    (stored(SLIDE, SLIDER), True),
    (stored(SLIDE.replace("img", "b"), SLIDER), False),
    (stored(PLAY), False),
    (stored(UPDATE, v4.new_output("display_data", data={"text/plain": "2"})), False),
    (stored(UPDATE, v4.new_output("display_data", data={"text/plain": "1"})), False),
    (stored(CLEAR, text("1\n")), False),
    (stored("import sys; print('careful', file=sys.stderr)"), True),
    (stored("1.25", v4.new_output("execute_result", data={"text/plain": "1.26"}, execution_count=1)), True),
    (v4.new_code_cell("1/0", metadata={"tags": ["nbval-skip"]}), True),
]


@pytest.fixture
def repository(tmp_path):
    """A folder that is configured as ours is, and empty but for the tests and the lessons' Python files."""
    (tmp_path / "repo" / "tutorials").mkdir(parents=True)
    for name in ("pyproject.toml", "conftest.py", "tests", "minicm", "tutorials/compare.py"):
        (tmp_path / "repo" / name).symlink_to(ROOT / name)
    kernels = (ROOT / "tutorials" / "kernels.py").read_text("utf-8")
    few = 'LOADED = ["ipykernel.kernelapp"]'  # these notebooks need no torch
    light = re.sub(r"(?ms)^LOADED = .*?^\]$", few, kernels)
    assert light != kernels
    (tmp_path / "repo" / "tutorials" / "kernels.py").write_text(light, "utf-8")
    return tmp_path / "repo"


def pytest_on(path, *options, cwd):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "PYTHONPATH"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--color=no", *options, str(path)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)


def failed(done):
    return {int(cell) for cell in re.findall(r"(?m)^FAILED \S+::Cell (\d+)", done.stdout)}


@pytest.mark.slow
def test_each_kind_of_cell_and_any_folder(repository, tmp_path):
    path = repository / "tutorials" / "99_kinds.ipynb"
    nbformat.write(notebook(*[cell for cell, _ in RUNS]), path)
    expected = {k for k, (_, green) in enumerate(RUNS) if not green}
    inside = pytest_on("99_kinds.ipynb", cwd=repository / "tutorials")
    assert failed(inside) == expected, inside.stdout
    assert "expected 0.512, got 0.593, and Tolerance(" in inside.stdout
    assert "expected the pictures ['image/png'], got []" in inside.stdout
    assert inside.stdout.count("update_display_data, which a comparison cannot follow") >= 2
    elsewhere = pytest_on(path, "-n", "2", cwd=tmp_path)  # an absolute path, spread without --dist
    assert failed(elsewhere) == expected, elsewhere.stdout
    lax = pytest_on(path, "--nbval-lax", cwd=repository)
    assert failed(lax) == set(), lax.stdout


def broken(words):
    def change(path):
        path.write_text(path.read_text("utf-8").replace(*words), "utf-8")

    return change


BROKEN = {
    "never executed": (broken(('"execution_count": 1', '"execution_count": null')), "Cell 1: was never executed"),
    "unknown tolerance": (
        broken(('"metadata": {}', '"metadata": {"minicm": {"tolerance": 1}}')),
        "Cell 1: expected a tol",
    ),
    "foreign output": (broken(('"output_type": "stream"', '"output_type": "smell"')), "cell 2 of the file: is damaged"),
    "half a file": (lambda path: path.write_text(path.read_text("utf-8")[:200], "utf-8"), "the file: is damaged"),
}


def test_what_cannot_be_compared_is_one_line(repository):
    first = v4.new_code_cell("1 / 0", metadata={"tags": ["nbval-skip"]})
    for name, (change, _) in BROKEN.items():
        path = repository / "tutorials" / f"{name.replace(' ', '_')}.ipynb"
        nbformat.write(notebook(first, v4.new_markdown_cell("a"), stored("print(1)", text("1\n"))), path)
        before = path.read_bytes()
        change(path)
        assert path.read_bytes() != before
    done = pytest_on("tutorials", "--collect-only", cwd=repository)
    assert done.returncode and "Traceback" not in done.stdout, done.stdout
    for name, (_, words) in BROKEN.items():
        told = [line for line in done.stdout.splitlines() if line.startswith(f"{name.replace(' ', '_')}.ipynb: ")]
        assert len(told) == 1 and words in told[0], done.stdout
