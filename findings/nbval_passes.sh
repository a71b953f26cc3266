#!/usr/bin/env bash
# Guess: pytest --nbval fails when a cell's figure has changed, when a cell that must raise does not, and when what
#        was printed before a table is printed after it.
# Seen:  all three pass. Pictures are not compared, the tag raises-exception only allows an error, and printed text
#        and displayed objects are compared apart, without their order. Changed text does fail.
# Why it matters: a green notebook test does not vouch for the figures of a lesson, nor for "this cell shows the
#        error". Assert in the cell what the figure must show.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile nbval==0.11.0 nbformat==5.11.1 ipykernel==7.4.0 pytest==9.2.0

venv/bin/python - <<'PYTHON'
import base64
import os
import subprocess
import sys
from importlib.metadata import version

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

print(*(f"{name} {version(name)}" for name in ("nbval", "pytest", "ipykernel", "nbformat")))
old, new = (base64.b64encode(picture).decode() for picture in (b"the old picture", b"the new picture"))
show = "from IPython.display import display\n"
picture = show + f"display({{'image/png': '{new}', 'text/plain': 'figure'}}, raw=True)"
stored = [new_output("display_data", data={"image/png": old, "text/plain": "figure"})]
one, text = new_output("display_data", data={"text/plain": "1"}), new_output("stream", text="text\n")
cells = {
    "another picture": new_code_cell(picture, outputs=stored),
    "no error, tagged raises-exception": new_code_cell("x = 1", metadata={"tags": ["raises-exception"]}),
    "print and display exchanged": new_code_cell(show + "display(1); print('text')", outputs=[text, one]),
    "another text": new_code_cell("print('other')", outputs=[text]),
}
passed = {}
for name, cell in cells.items():
    cell.execution_count = 1
    notebook = new_notebook(cells=[cell], metadata={"kernelspec": {"name": "python3", "display_name": "Python"}})
    nbformat.write(notebook, "test.ipynb")
    command = [sys.executable, "-m", "pytest", "-q", "--nbval", "--nbval-current-env", "test.ipynb"]
    result = subprocess.run(command, env={**os.environ, "PYTEST_ADDOPTS": ""}, stdout=subprocess.DEVNULL)
    passed[name] = result.returncode == 0
print("guess: none of these passes")
print("seen:  passes:", passed)
assert list(passed.values()) == [True, True, True, False]
PYTHON
