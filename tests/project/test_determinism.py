"""What docs/reliability.md promises of printed numbers, with other kernels in place of another machine."""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest
import stable
import stable_worker
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).parents[2]
AVERAGE, SAMPLE = 1e-5, 1e-4  # data units: the tolerances of docs/reliability.md


@cache
def numbers(kernels):
    """[{loss: {quantity: [numbers]}}] of short trainings, in a process of its own; "": the machine's own kernels.

    With those of its own it trains with one thread, with one again, and with two.
    """
    threads = ["1"] if kernels else ["1", "1", "2"]
    chosen = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    chosen |= {"OMP_WAIT_POLICY": "PASSIVE"}  # a thread that waits sleeps: on a busy machine it would spin for a minute
    chosen.pop("ATEN_CPU_CAPABILITY", None)
    command = [sys.executable, str(ROOT / "tests" / "stable_worker.py"), *threads]
    chosen |= {"ATEN_CPU_CAPABILITY": kernels} if kernels else {}
    done = subprocess.run(command, env=chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not kernels or found["kernels"] == kernels.upper()
    assert found["threads"] == [int(number) for number in threads]
    return found["numbers"]


@pytest.mark.slow
def test_the_same_seed_again_gives_the_same_bits():
    """In one process, and in another."""
    first, again, _ = numbers("")
    assert first == again
    torch.set_default_dtype(torch.float32)
    assert stable_worker.all_numbers() == first


@pytest.mark.slow
@pytest.mark.parametrize(("run", "kernels"), [(2, ""), (0, "default")], ids=["two threads", "plain kernels"])
def test_other_kernels_and_threads_change_no_printed_digit(run, kernels):
    """What is printed has two decimals, or three."""
    ours, others = numbers("")[0], numbers(kernels)[run]
    assert ours.keys() == others.keys()
    for name, quantities in ours.items():
        for quantity, values in quantities.items():
            tolerance = SAMPLE if quantity == "first sample" else AVERAGE
            assert others[name][quantity] == pytest.approx(values, rel=0, abs=tolerance), (name, quantity)


# --- the command that stands in for other machines


def repository(folder, cells):
    """A small repository, configured as ours is, with one notebook of (source, what it prints)."""
    (folder / "tutorials").mkdir()
    for name in ("pyproject.toml", "conftest.py", "tests", "minicm", "tutorials/compare.py", "tutorials/kernels.py"):
        (folder / name).symlink_to(ROOT / name)
    made = [
        new_code_cell(source, outputs=[new_output("stream", name="stdout", text=printed)], execution_count=k)
        for k, (source, printed) in enumerate(cells, 1)
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=made, metadata=kernel), folder / "tutorials" / "99_same.ipynb")


NUDGED = """
weight = torch.ones(3, requires_grad=True)
torch.optim.Adam([weight])
print(int((weight == 1).sum()), "weights as they were set")
"""


@pytest.mark.slow
def test_the_command_notices_what_is_not_the_same_elsewhere(tmp_path, monkeypatch, capsys):
    """A nudge of the weights and a second thread are seen each by its own cell, in one run."""
    threads = "import torch; torch.set_num_threads(1)\nprint(torch.get_num_threads(), 'thread')"
    repository(tmp_path, [(threads, "1 thread\n"), (NUDGED, "3 weights as they were set\n")])
    monkeypatch.setattr(stable, "ROOT", tmp_path)
    both = stable.OTHERS["two threads"] | stable.settings([0])["nudge 0"]
    monkeypatch.setattr(stable, "OTHERS", {"as it is": {}, "two threads": both})
    assert stable.main(["tutorials/99_same.ipynb", "--seeds", "0", "--jobs", "1"]) == 1
    rows = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    cells = "99_same.ipynb::Cell 0, 99_same.ipynb::Cell 1"
    assert rows == [["as it is", "agreed"], ["two threads", cells], ["1 runs differed"]]


@pytest.mark.parametrize("argv", [["--times", "0"], ["--jobs", "0"], ["elsewhere.ipynb"], ["--only", "Sunday"]])
def test_the_command_refuses_in_one_line(argv, capsys):
    with pytest.raises(SystemExit):
        stable.main(argv)
    assert "expected" in capsys.readouterr().err.splitlines()[-1]
