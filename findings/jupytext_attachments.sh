#!/usr/bin/env bash
# Guess: a notebook that jupytext writes as text and reads back loses its outputs, and nothing that a person wrote.
# Seen:  pictures pasted into Markdown cells are lost, in all four text formats, without a warning; the text still
#        points to them. Only "jupytext --update" onto a notebook that still has them keeps them.
# Why it matters: lessons kept as scripts lose, in the next clone, the figures that were pasted into them. Keep
#        figures as files and link to them.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile jupytext==1.19.6 nbformat==5.11.1

venv/bin/python - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version

import jupytext
import nbformat
from nbformat.v4 import new_markdown_cell, new_notebook

print("jupytext", version("jupytext"), "nbformat", version("nbformat"))
cell = new_markdown_cell("![plan](attachment:plan.png)", attachments={"plan.png": {"image/png": "aGVsbG8="}})
notebook = new_notebook(cells=[cell])
left = {}
for form in ("py:percent", "py:light", "md", "md:myst"):
    again = jupytext.reads(jupytext.writes(notebook, form), form)
    assert again.cells[0].source == cell.source
    left[form] = dict(again.cells[0].get("attachments", {}))


def updated(text):
    nbformat.write(notebook, "lesson.ipynb")
    jupytext.write(new_notebook(cells=[new_markdown_cell(text)]), "lesson.py", fmt="py:percent")
    command = [sys.executable, "-m", "jupytext", "--to", "ipynb", "--update", "lesson.py"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return dict(nbformat.read("lesson.ipynb", 4).cells[0].get("attachments", {}))


unchanged, edited = updated(cell.source), updated(cell.source + ", in two parts")
print("guess: the picture is kept, or a warning")
print("seen:  attachments left", left)
print("       kept by --update onto the old notebook, same text", bool(unchanged), " another text", bool(edited))
assert not any(left.values()) and unchanged and edited
PYTHON
