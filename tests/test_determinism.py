"""What docs/reliability.md promises of printed numbers, with other kernels in place of another machine."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest
import repeat_notebooks
from nbformat.v4 import new_code_cell, new_notebook, new_output

ROOT = Path(__file__).parents[1]
AVERAGE, SAMPLE = 1e-5, 1e-4  # data units: the tolerances of docs/reliability.md


@cache
def numbers(threads, kernels):
    """{loss: {quantity: [numbers]}} of short trainings in a process of its own; "": the machine's own kernels."""
    chosen = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT)}
    chosen.pop("ATEN_CPU_CAPABILITY", None)
    command = [sys.executable, str(ROOT / "tests" / "stable_worker.py"), str(threads)]
    chosen |= {"ATEN_CPU_CAPABILITY": kernels} if kernels else {}
    done = subprocess.run(command, env=chosen, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert not kernels or found["kernels"] == kernels.upper()
    return found["numbers"]


@pytest.mark.slow
def test_the_same_seed_again_gives_the_same_bits():
    assert numbers(1, "") == numbers.__wrapped__(1, "")


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "kernels"), [(2, ""), (1, "default")], ids=["two threads", "plain kernels"])
def test_other_kernels_and_threads_change_no_printed_digit(threads, kernels):
    """What is printed has two decimals, or three."""
    ours, others = numbers(1, ""), numbers(threads, kernels)
    assert ours.keys() == others.keys()
    for name, quantities in ours.items():
        for quantity, values in quantities.items():
            tolerance = SAMPLE if quantity == "first sample" else AVERAGE
            assert others[name][quantity] == pytest.approx(values, rel=0, abs=tolerance), (name, quantity)


# --- the command that repeats notebooks


def test_the_command_notices_a_notebook_that_prints_something_else(tmp_path, monkeypatch, capsys):
    """This one prints its setting, so that a copy with two threads differs, in its second cell."""
    (tmp_path / "tutorials").mkdir()
    for name in ("pyproject.toml", "conftest.py", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    output = new_output("stream", name="stdout", text="1\n")
    source = 'print("torch.set_num_threads(1)"[-2])'
    cells = [new_code_cell("a = 1"), new_code_cell(source, outputs=[output], execution_count=2)]
    path = tmp_path / "tutorials" / "99_same.ipynb"
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(new_notebook(cells=cells, metadata=kernel), path)
    monkeypatch.setattr(repeat_notebooks, "ROOT", tmp_path)
    before = path.read_bytes()
    assert repeat_notebooks.main([str(path), "--times", "1", "--threads", "1", "2"]) == 1
    one, two = [line for line in capsys.readouterr().out.splitlines() if line.startswith("99_same")]
    assert one.split() == ["99_same.ipynb", "native", "1", "1", "of", "1"]
    assert two.split() == ["99_same.ipynb", "native", "2", "0", "of", "1", "Cell", "1"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("argv", [["--times", "0"], ["--threads", "0"], ["elsewhere.ipynb"]])
def test_the_command_refuses_in_one_line(argv, capsys):
    with pytest.raises(SystemExit):
        repeat_notebooks.main(argv)
    assert "expected" in capsys.readouterr().err.splitlines()[-1]
