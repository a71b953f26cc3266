"""What a process of a submission cannot do, and that it ends; and a notebook with the student's answers put back."""

import json
import os
import subprocess
import sys

import nbformat
import pytest
from hands import blank, mine, place, solved

from tutorials.assignments.containment import EndedError, Limits, Worker, environment
from tutorials.assignments.frames import read_frame, write_frame
from tutorials.assignments.landlock import available
from tutorials.assignments.plan import ROOT, kind, name_of, questions, read
from tutorials.assignments.rebuild import parse, rebuild

# ---- processes


def contained(tmp_path, code):
    """What code prints in a process that is held back like a submission's."""
    folder = tmp_path / "mine"
    start = (
        "import sitecustomize, sys\nfrom pathlib import Path\n"
        "from tutorials.assignments.containment import Limits, limit_this_process\n"
        "from tutorials.assignments.landlock import write_only_below\n"
        "limit_this_process(Limits(memory_mb=500))\n"
    )
    variables = environment(folder) | {"MINICM_FOLDER": str(folder), "MINICM_CLOSED": str(tmp_path / "closed")}
    done = subprocess.run([sys.executable, "-c", start + code], cwd=folder / "here", env=variables, text=True,
                          capture_output=True)  # fmt: skip
    return done.stdout + done.stderr


TRIES = """
import os, shutil, pathlib
for act in (
    lambda: open('../../x', 'w'), lambda: os.mkdir('../../x'), lambda: os.remove('../../closed/marks'),
    lambda: os.rename('../../closed/marks', 'here'), lambda: os.symlink('here', '../../x'),
    lambda: shutil.rmtree('../../closed'), lambda: os.chmod('../../closed', 0),
    lambda: os.truncate('../../closed/marks', 0), lambda: open('../../closed/marks'),
    lambda: open('/proc/%d/environ' % os.getppid()), lambda: os.kill(os.getppid(), 0),
):
    try:
        act()
        print('done')
    except PermissionError as error:
        print('refused')
os.makedirs('a/b')
pathlib.Path('a/b/c').write_text('x')
shutil.rmtree('a')
print(os.listdir('.'), len(open(os.devnull, 'w').name))
"""


def test_nothing_outside_is_written_and_nothing_closed_is_read(tmp_path):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "marks").write_text("5")
    assert contained(tmp_path, TRIES) == "refused\n" * 11 + f"[] {len(os.devnull)}\n"
    assert (tmp_path / "closed" / "marks").read_text() == "5" and not (tmp_path / "x").exists()


def test_there_is_no_network_and_the_hook_sees_names_too(tmp_path):
    code = (
        "import socket\n"
        "plain = socket.socket()\nplain.settimeout(2)\nconnect = lambda: plain.connect(('192.0.2.1', 80))\n"
        "for call in (connect, lambda: socket.getaddrinfo('example.org', 80)):\n"
        "    try:\n        call()\n    except PermissionError as error:\n        print(error)\n"
        "server = socket.create_server(('127.0.0.1', 0))\n"
        "socket.create_connection(server.getsockname()).close()\nprint('local')"
    )
    assert contained(tmp_path, code) == "no network while work is graded\n" * 2 + "local\n"


def test_a_module_in_the_working_folder_takes_no_place_and_variables_are_made(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    environment(tmp_path / "mine")
    (tmp_path / "mine" / "here" / "json.py").write_text("print('planted')")
    code = "import json, os, tempfile, pathlib\n"
    code += "print(os.environ.get('SECRET'), pathlib.Path.home(), tempfile.gettempdir())"
    home = (tmp_path / "mine").resolve()
    assert contained(tmp_path, code) == f"None {home / 'home'} {home / 'tmp'}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits are Linux's")
def test_memory_is_limited(tmp_path):
    code = "try:\n    b'x' * 2**30\nexcept MemoryError:\n    print('stopped')"
    assert contained(tmp_path, code) == "stopped\n"


@pytest.mark.skipif(not available(), reason="this kernel has no Landlock")
def test_programs_that_are_no_python_are_held_back_too(tmp_path):
    code = (
        "assert write_only_below([Path('..')])\nimport subprocess\n"
        "import os\n"
        "for what in ('echo x > ../../x', 'rm -r ../../closed', 'echo x > x && cat x', f'kill -0 {os.getppid()}'):\n"
        "    print(subprocess.run(what, shell=True, capture_output=True, text=True).returncode)"
    )
    (tmp_path / "closed").mkdir()
    codes = contained(tmp_path, code).split()
    assert codes[:3] == ["2", "1", "0"] and (codes[3] == "1" or available() < 6)
    assert (tmp_path / "closed").is_dir() and not (tmp_path / "x").exists()


def test_messages_come_through_and_what_is_none_is_refused():
    get, put = os.pipe()
    write_frame(put, {"a": "ä" * 1000})
    assert read_frame(get) == {"a": "ä" * 1000}
    for bad in (b"\xff\xff\xff\xff", b"\0\0\0\2[]", b"\0\0\0\1{"):
        os.write(put, bad)
        with pytest.raises(ValueError):
            read_frame(get)
    os.close(put)
    assert read_frame(get) is None
    os.close(get)


def test_a_python_that_does_not_start_is_no_mark(tmp_path, monkeypatch):
    monkeypatch.setattr("tutorials.assignments.containment.GUARD", tmp_path / "guard")
    (tmp_path / "guard").mkdir()
    (tmp_path / "guard" / "torch.py").write_text("raise ImportError('torch is gone')")
    worker = Worker(tmp_path / "worker")
    with pytest.raises(EndedError, match="not graded: the grader's Python does not start: ImportError: torch is gone"):
        worker.begin(tmp_path / "box", Limits(), [])
    worker.close()


def test_limits_are_lowered_only():
    code = "import resource; from tutorials.assignments.containment import *; limit_this_process(Limits(file_mb=1)); "
    code += "limit_this_process(Limits(file_mb=5)); print(resource.getrlimit(resource.RLIMIT_FSIZE)[0])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "1048576\n"


# ---- rebuilding a submission on the release


def taken(name, notebook):
    """What becomes of a submission that went through a file."""
    return rebuild(blank(name), parse(nbformat.writes(notebook).encode()))


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_an_honest_submission_stays_as_it_is():
    notebook = mine(solved("a1"), "helper = 1", "a1-setup")
    made = taken("a1", notebook)
    assert sources(made.notebook) == sources(notebook) and made.notes == [] and list(made.written) == ["a1-slope"]


def test_tampering_changes_nothing():
    honest = taken("a1", solved("a1")).notebook
    notebook = solved("a1")
    for cell in notebook.cells:
        if kind(cell) == "test":
            cell.source, cell.metadata.nbgrader.points = "assert True", 100
    notebook.cells = [cell for cell in notebook.cells if name_of(cell) not in ("a1-heun-hidden", "a1-setup")]
    notebook.metadata.kernelspec = {"name": "julia-1.9", "display_name": "Julia", "language": "julia"}
    made = taken("a1", notebook)
    assert sources(made.notebook) == sources(honest) and made.notebook.metadata == honest.metadata
    assert [cell.metadata for cell in made.notebook.cells] == [cell.metadata for cell in honest.cells]
    assert len(made.notes) == 6 and all("put back" in note for note in made.notes)


def test_an_answer_cannot_become_a_test():
    notebook = solved("a1")
    notebook.cells[3].metadata.nbgrader.update(grade=True, points=50, locked=True)
    forged = nbformat.v4.new_code_cell("1000")
    about = {"grade_id": "bonus", "grade": True, "points": 50, "locked": True, "schema_version": 3}
    forged.metadata["nbgrader"] = about
    notebook.cells.append(forged)
    rebuilt = taken("a1", notebook).notebook
    rebuilt.cells = [cell for cell in rebuilt.cells if "nbgrader" in cell.metadata]
    assert questions(rebuilt) == questions(read("a1"))


def test_a_copied_cell_costs_nothing_and_is_told():
    notebook = solved("a1")
    k = place(notebook, "a1-heun")
    notebook.cells.insert(k + 1, nbformat.from_dict({**notebook.cells[k], "source": "# a copy"}))
    made = taken("a1", notebook)
    assert made.notes == ["copied cell a1-heun: the first one is graded"]
    names = [name_of(cell) for cell in made.notebook.cells]
    assert names.count("a1-heun") == 1 and "# a copy" in sources(made.notebook)


def test_without_any_answer_it_is_not_graded():
    notebook = solved("a1")
    notebook.cells = [nbformat.v4.new_markdown_cell("hello")]
    with pytest.raises(ValueError, match="no answer was found"):
        taken("a1", notebook)


def test_deleted_answers_are_blank_and_told():
    notebook = solved("a1")
    notebook.cells = [cell for cell in notebook.cells if name_of(cell) != "a1-order"]
    made = taken("a1", notebook)
    assert made.notes == ["deleted cell a1-order"]
    order = next(cell for cell in made.notebook.cells if name_of(cell) == "a1-order")
    assert order.source.endswith("raise NotImplementedError()")


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
    strange = [7, None, {"cell_type": "code"}, {"cell_type": "heading", "source": "x"},
               {"cell_type": "code", "source": 3},
               {"cell_type": "code", "source": ["a", "\nb"], "metadata": 5, "outputs": "?"},
               {"cell_type": "code", "source": "\ud800", "metadata": {}}]  # fmt: skip
    notebook = parse(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": strange}).encode())
    assert sources(notebook) == ["a\nb", "?"]
    nbformat.validate(
        rebuild(blank("a1"), parse(nbformat.writes(mine(solved("a1"), "x", "a1-setup")).encode())).notebook
    )
