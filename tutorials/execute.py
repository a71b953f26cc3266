"""Execute notebooks in place, each in a fresh kernel: python tutorials/execute.py [NOTEBOOK ...], by default all.

Stores outputs in the one form that is committed (no times, no machine, ids made from the cells' text) and prints the
CPU seconds of each kernel beside the budget that the notebook states.  A notebook that fails is left as it was.
"""

import argparse
import hashlib
import os
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BUDGET = re.compile(r"(\d+(?:\.\d+)?) CPU[- ]seconds", re.IGNORECASE)
SEEN = "What you should see"
UNEXECUTED = "nbval-skip"  # the tag of optional cells: they stay without outputs
FOLDED = {"outputs_hidden": "hide-output", "source_hidden": "hide-input"}  # in JupyterLab: the tag for the site


def stated_seconds(notebook) -> float | None:
    """The CPU seconds that the notebook's **Time** line states, as in `12 CPU seconds`; None without one."""
    lines = (line for cell in notebook.cells if cell.cell_type == "markdown" for line in cell.source.splitlines())
    for line in lines:
        if re.match(r"[\W_]*Time\b", line) and (found := BUDGET.search(line)):
            return float(found[1])
    return None


def cell_ids(cells) -> list[str]:
    """One id per cell, from its kind and text: the same after every execution, wherever the cell moves."""
    ids, seen = [], {}
    for cell in cells:
        name = hashlib.sha1(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
        seen[name] = seen.get(name, 0) + 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def normalise(notebook) -> None:
    """Leave only what is the same on every machine: kernel python3, stable ids, no times, no versions, no widgets."""
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook.metadata["language_info"] = {"name": "python"}
    following = [*(cell.source for cell in notebook.cells[1:]), ""]
    for cell, name, text in zip(notebook.cells, cell_ids(notebook.cells), following):
        cell.id = name
        cell.metadata.pop("mystnb", None)
        if cell.cell_type == "code" and text.startswith(f"**{SEEN}"):  # what stands under a figure is its alternative text
            cell.metadata["mystnb"] = {"image": {"alt": plain(text.partition(SEEN)[2].strip().split("\n\n")[0])}}
        cell.source = cell.source.strip("\n")
        if cell.cell_type == "code":
            fold(cell)
        for transient in ("execution", "collapsed", "scrolled", "ExecuteTime"):
            cell.metadata.pop(transient, None)


def plain(text: str) -> str:
    """A paragraph without its Markdown and TeX marks, whole."""
    text = re.sub(r"\\(text|mathrm|mathbb|mathcal|operatorname)\b|[*$`{}\\]", "", text)
    return " ".join(text.split()).strip(" .:")


def fold(cell) -> None:
    """Collapse stored verdicts, which a run of the cell opens, and long imports; figures stay open."""
    seen = any("image/" in kind for output in cell.outputs for kind in output.get("data", {}))
    tags = [tag for tag in cell.metadata.pop("tags", []) if tag not in FOLDED.values()]
    cell.metadata.pop("jupyter", None)
    folded = {
        "outputs_hidden": re.search(r"(?m)^\s*reveal\(", cell.source) and not seen,
        "source_hidden": ("set_num_threads(1)" in cell.source and cell.source.count("\n") > 12)
        or '"google.colab" in sys.modules' in cell.source,
    }
    if any(folded.values()):
        cell.metadata["jupyter"] = {kind: True for kind, holds in folded.items() if holds}
        tags += [FOLDED[kind] for kind in cell.metadata["jupyter"]]
    if tags:
        cell.metadata["tags"] = tags


def run(notebook, folder: Path, timeout: int) -> float:
    """Execute the notebook's cells in place, in a fresh kernel started in folder; the kernel's CPU seconds."""
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbformat import v4

    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        skip_cells_with_tag=UNEXECUTED,
        coalesce_streams=True,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
    )
    client.reset_execution_trackers()
    with client.setup_kernel():
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
                try:
                    client.execute_cell(cell, index)
                except CellExecutionError as error:
                    raise RuntimeError(f"cell {index + 1} of {len(notebook.cells)}: {last_line(error)}") from None
        probe = v4.new_code_cell("__import__('time').process_time()")
        notebook.cells.append(probe)
        try:
            client.execute_cell(probe, len(notebook.cells) - 1)
        finally:
            notebook.cells.pop()
    return float(probe.outputs[-1].data["text/plain"])


def refresh(path: Path, timeout: int) -> tuple[float, float | None]:
    """Execute the notebook at path and replace the file; (CPU seconds, stated CPU seconds)."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    normalise(notebook)
    used = run(notebook, path.parent, timeout)
    normalise(notebook)
    temporary = path.with_suffix(".ipynb.tmp")
    try:
        nbformat.write(notebook, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return used, stated_seconds(notebook)


def verdict(used: float, stated: float | None) -> str:
    """What the table says of a notebook."""
    if stated is None:
        return "states no CPU seconds"
    return "over its budget" if used > stated else "ok"


def main(argv: list[str] | None = None) -> int:
    """1 if a notebook failed, states no budget or went over it, else 0."""
    parser = argparse.ArgumentParser(description="Execute notebooks in place and measure them.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; by default the course and its solutions")
    parser.add_argument("--timeout", type=int, default=300, help="seconds for one cell (300)")
    options = parser.parse_args(argv)
    everything = sorted(FOLDER.glob("[0-9]*.ipynb")) + sorted(FOLDER.glob("solutions/[0-9]*.ipynb"))
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", MINICM_STRICT="1")  # the kernels inherit these
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))
    print(f"{'notebook':44} {'CPU s':>7} {'stated':>7}", flush=True)
    total, bad = 0.0, 0
    for path in options.notebooks or everything:
        label = f"{path.resolve().parent.name}/{path.name}"
        try:
            used, stated = refresh(path, options.timeout)
        except Exception as error:  # the other notebooks still run; this one keeps its old outputs
            bad += 1
            print(f"{label:44} failed, left as it was: {last_line(error)}", flush=True)
            continue
        total, bad = total + used, bad + (verdict(used, stated) != "ok")
        print(f"{label:44} {used:7.1f} {stated or '-':>7} {verdict(used, stated)}", flush=True)
    print(f"{'together':44} {total:7.1f}")
    return int(bad > 0)


def last_line(error: Exception) -> str:
    """The last line that says something: nbclient's errors carry the whole cell and traceback in front of it."""
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", str(error)).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
