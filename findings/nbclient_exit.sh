#!/usr/bin/env bash
# Guess: a cell that calls exit() ends the execution of a notebook: as an error, or as a clean stop.
# Seen:  nbclient goes on as if nothing had been said. The cells after it run, in the same process with the same
#        variables, and the notebook counts as executed. sys.exit() in the same place is an error.
# Why it matters: "if there is no GPU: exit()" at the top of a lesson, or of a student's notebook, stops JupyterLab's
#        kernel but no test and no grader: the rest runs all the same. Raise an error, or use if and else.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile nbclient==0.11.0 nbformat==5.11.1 ipykernel==7.4.0

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

print(*(f"{name} {version(name)}" for name in ("nbclient", "ipykernel", "nbformat")))


def run(leave):
    sources = "import os, sys; me = os.getpid()", leave, "me == os.getpid()"
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    try:
        NotebookClient(notebook, kernel_name="python3").execute()
    except CellExecutionError as error:
        return error.ename
    return [output.data["text/plain"] for output in notebook.cells[-1].outputs]


by_exit, by_sys, by_quit = run("exit()"), run("sys.exit()"), run("quit()")
print("guess: the last cell does not run")
print("seen:  last cell after exit():", by_exit, " after quit():", by_quit, " after sys.exit():", by_sys)
assert by_exit == by_quit == ["True"] and by_sys == "SystemExit"
PYTHON
