#!/usr/bin/env bash
# Guess: a cell with the tag skip-execution has no output in the executed notebook, since it was not executed.
# Seen:  it keeps the output that was stored before, beside the fresh ones, with the old execution number.
# Why it matters: a long training cell that is skipped on a small machine still shows its numbers, from another
#        version of the code or another machine, in a notebook that says it was just executed. Clear outputs first.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook, new_output

print(*(f"{name} {version(name)}" for name in ("nbclient", "ipykernel", "nbformat")))


def stale():
    return [new_output("stream", text="loss 0.5\n")]


skipped = new_code_cell("print('loss', 1)", outputs=stale(), execution_count=7, metadata={"tags": ["skip-execution"]})
notebook = new_notebook(cells=[skipped, new_code_cell("print('loss', 2)", outputs=stale(), execution_count=8)])
NotebookClient(notebook, kernel_name="python3").execute()
seen = [("".join(output.text for output in cell.outputs), cell.execution_count) for cell in notebook.cells]
print("guess:", [("", None), ("loss 2\n", 1)])
print("seen: ", seen)
assert seen == [("loss 0.5\n", 7), ("loss 2\n", 1)]
PYTHON
