"""The rules that every committed notebook keeps; each rule is a function (notebook, name) -> what breaks it, in words.

A lesson is tutorials/NN_topic.ipynb; NNb_topic.ipynb stands between NN and the next:
  first cell    `# NN Topic`, then **Goals** (2 to 4 list items), **Needs**, **Time** with `N CPU seconds`
  Colab         a cell of code that installs the course there, and does nothing elsewhere
  first code    the setup: torch.manual_seed, torch.set_num_threads(1), prints one line
  figures       followed at once by a text cell that says **What you should see**
  in between    at least one **Predict** and one **Exercise** (not in 00), as a heading or in bold
  last headings `## Common mistakes`, `## Summary`, `## References` (a numbered list)
Its worked solution is tutorials/solutions/NN_topic.ipynb: the same mechanics, a free form.
"""

import re

from tutorials.compare import PIXELS
from tutorials.execute import UNEXECUTED, cell_ids, stated_seconds

__all__ = ["MAX_BYTES", "MAX_SECONDS", "broken_lesson_rules", "broken_rules"]

MAX_BYTES = 1_000_000  # a film takes up to 400,000 of them
MAX_SECONDS = 120  # CPU seconds of one core
MAX_LINES = 40  # of a code cell, one screen
NAME = re.compile(r"(\d\d[a-z]?)_[a-z0-9]+(_[a-z0-9]+)*\.ipynb")
LAST_HEADINGS = ["Common mistakes", "Summary", "References"]
FORBIDDEN = {  # in code -> why
    r"\btqdm\b": "uses tqdm, which prints speeds: print at fixed steps",
    r"^\s*%%?time(it)?\b": "prints times, which differ on every machine",
    r"\bclear_output\b": "uses clear_output, which nbval cannot follow",
    r"\bdisplay_id\b": "updates a display, which nbval cannot follow",
    r"^class ": "defines a class: import it from minicm",
    r"^\s*[!%](?!%?time|matplotlib inline)": "uses a shell command or a magic",
}
COLAB = '"google.colab" in sys.modules'  # the cell before the setup, which does nothing elsewhere
MACHINE = re.compile(r"(?<![\w.~/])/(home|root|work|Users|opt|mnt|tmp)/|[A-Z]:\\\\?Users")
TOLD = {  # in printed text -> why
    r"\btensor\(": "prints a tensor: its digits and layout depend on the version; print rounded numbers or words",
    r"0x[0-9a-fA-F]{6,}": "prints an address: assign the result to _",
}
FIGURES = {"image/png", "image/gif"}


def broken_rules(notebook, name, size):
    """Every breach of the rules that hold for lessons and solutions, as a list of lines."""
    rules = [file_name, kernel, time_stated, executed, identified, clean_outputs, clean_code, portable, figures]
    found = [line for rule in rules for line in rule(notebook, name)]
    return found + ([f"{size} bytes, more than {MAX_BYTES}"] if size > MAX_BYTES else [])


def broken_lesson_rules(notebook, name, size):
    """Every breach of the rules for a lesson, as a list of lines."""
    rules = [title, front_matter, setup_cell, activities, endings]
    return broken_rules(notebook, name, size) + [line for rule in rules for line in rule(notebook, name)]


def code_cells(notebook):
    """(cell number from 1, cell) of each code cell that is executed."""
    cells = ((k, cell) for k, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code")
    return [(k, cell) for k, cell in cells if UNEXECUTED not in cell.metadata.get("tags", [])]


def front(notebook):
    """The text before the first code cell."""
    cells = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            break
        cells.append(cell.source)
    return "\n".join(cells)


def headings(notebook, level):
    """The headings of that level, in order."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [line.strip() for line in re.findall(rf"(?m)^{'#' * level} (.*)$", text)]


def printed(cell):
    """All text that a cell's outputs show; pictures inside of it are no text."""
    parts = []
    for output in cell.outputs:
        parts.append(output.get("text", ""))
        data = output.get("data", {})
        parts += [data.get(kind, "") for kind in ("text/plain", "text/html", "text/markdown")]
    return PIXELS.sub("", "\n".join("".join(part) for part in parts))


# ---- rules for all notebooks


def file_name(notebook, name):
    if not NAME.fullmatch(name):
        yield f"expected a name like 03_ode_solvers.ipynb, got {name}"


def kernel(notebook, name):
    spec = notebook.metadata.get("kernelspec", {})
    if spec.get("name") != "python3":
        yield f"expected the kernel python3, got {spec.get('name')}"
    if "version" in notebook.metadata.get("language_info", {}):
        yield "names the version of Python that ran it: run make course"


def time_stated(notebook, name):
    seconds = stated_seconds(notebook)
    if seconds is None:
        yield "no line **Time** that states `N CPU seconds`"
    elif seconds > MAX_SECONDS:
        yield f"states {seconds:g} CPU seconds, more than {MAX_SECONDS}"


def executed(notebook, name):
    cells = code_cells(notebook)
    counts = [cell.execution_count for _, cell in cells]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts {counts} are not 1..n in a fresh kernel: run make course"
    if not any(cell.outputs for _, cell in cells):
        yield "no outputs: a stripped notebook passes nbval unchecked"
    for k, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and not cell.source.strip():
            yield f"cell {k} is empty"
        if UNEXECUTED in cell.metadata.get("tags", []) and (cell.outputs or cell.execution_count):
            yield f"cell {k} is tagged {UNEXECUTED} and has outputs"


def identified(notebook, name):
    if [cell.get("id") for cell in notebook.cells] != cell_ids(notebook.cells):
        yield "cell ids are not those made from the cells' text: run make course"
    for k, cell in enumerate(notebook.cells, 1):
        if "execution" in cell.metadata:
            yield f"cell {k} stores when it ran: run make course"


def clean_outputs(notebook, name):
    for k, cell in code_cells(notebook):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"cell {k} ends in {output.ename}"
            if output.get("name") == "stderr":
                yield f"cell {k} writes to stderr: {output.text.strip().splitlines()[0]}"
            for kind in output.get("data", {}):
                if "svg" in kind or "widget" in kind:
                    yield f"cell {k} stores {kind}, which nbval cannot compare"
        text = printed(cell)
        yield from (f"cell {k} {why}" for pattern, why in TOLD.items() if re.search(pattern, text))


def clean_code(notebook, name):
    for k, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code":
            yield from (f"cell {k} {why}" for why in faults(cell.source))


def faults(source):
    """What a code cell should not contain."""
    lines = len(source.splitlines()) - import_lines(source)
    if source.rstrip().endswith(";"):
        yield "ends with a semicolon, which nbval ignores: assign to _"
    if lines > MAX_LINES:
        yield f"has {lines} lines beside its imports, more than {MAX_LINES}"
    if "pip install" in source:  # allowed where Colab needs it, and never torch
        if COLAB not in source or re.search(r"pip install.*\btorch\b", source):
            yield "installs packages outside of Colab, or torch"
    else:
        yield from (why for pattern, why in FORBIDDEN.items() if re.search(pattern, source, flags=re.MULTILINE))


def import_lines(source):
    """How many lines the imports of a code cell take."""
    blocks = re.findall(r"(?m)^(?:import|from) [^(\n]*(?:\([^)]*\))?$", source)
    return sum(len(block.splitlines()) for block in blocks)


def portable(notebook, name):
    for k, cell in enumerate(notebook.cells, 1):
        text = cell.source + ("\n" + printed(cell) if cell.cell_type == "code" else "")
        if found := MACHINE.search(text):
            yield f"cell {k} names a path of one machine: {found[0]}"
    for path in re.findall(
        r"colab\.research\.google\.com/github/[^)\s\"]+", "\n".join(c.source for c in notebook.cells)
    ):
        if not path.endswith(f"/tutorials/{name}"):
            yield f"the Colab link does not lead to this file: {path}"


def figures(notebook, name):
    for k, cell in code_cells(notebook):
        if not any(FIGURES & set(output.get("data", {})) for output in cell.outputs):
            continue
        after = notebook.cells[k] if k < len(notebook.cells) else None
        if after is None or after.cell_type != "markdown" or "What you should see" not in after.source:
            yield f"cell {k} draws a figure, and the next cell does not say **What you should see**"


# ---- rules for lessons


def title(notebook, name):
    first = notebook.cells[0] if notebook.cells else None
    text = first.source if first is not None and first.cell_type == "markdown" else ""
    found = re.match(r"# (\d\d[a-z]?) \S", text)
    number = name.partition("_")[0]
    if not found or found[1] != number:
        yield f"expected the first cell to begin with `# {number} Topic`"
    if len(headings(notebook, 1)) != 1:
        yield f"expected one heading of level 1, got {headings(notebook, 1)}"


def front_matter(notebook, name):
    text = front(notebook)
    places = [found.start() if (found := re.search(rf"(?m)^(#+ |\*\*){word}\b", text)) else -1 for word in FRONT]
    if -1 in places or places != sorted(places):
        yield f"expected {', '.join(FRONT)} in this order, as headings or in bold, before the first code cell"
        return
    goals = re.findall(r"(?m)^\s*([-*]|\d+\.) ", text[places[0] : places[1]])
    if not 2 <= len(goals) <= 4:
        yield f"expected 2 to 4 goals as a list, got {len(goals)}"


FRONT = ["Goals", "Needs", "Time"]


def setup_cell(notebook, name):
    cells = code_cells(notebook)
    if not cells:
        yield "no code"
        return
    k, cell = cells[min(len(cells) - 1, int(COLAB in cells[0][1].source))]
    for call in ("manual_seed(", "set_num_threads(1)"):
        if call not in cell.source:
            yield f"the setup, cell {k}, does not call {call.rstrip('(')}"
    if len(printed(cell).strip().splitlines()) != 1:
        yield f"the setup, cell {k}, does not print one line"


def activities(notebook, name):
    if name.startswith("00"):
        return
    kinds = [(k, cell) for k, cell in enumerate(notebook.cells, 1) if cell.cell_type == "markdown"]
    for word in ("Predict", "Exercise"):
        places = [k for k, cell in kinds if re.search(rf"(?m)^(#+ |\*\*){word}\b", cell.source)]
        if not places:
            yield f"no {word}"
        for k in places:
            if not any(cell.cell_type == "code" for cell in notebook.cells[k:]):
                yield f"{word} in cell {k} is followed by no code"


def endings(notebook, name):
    last = headings(notebook, 2)[-len(LAST_HEADINGS) :]
    if last != LAST_HEADINGS:
        yield f"expected the last headings to be {LAST_HEADINGS}, got {last}"
        return
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown").split("## References")[-1]
    if not re.search(r"(?m)^\s*(\d+\.|\[\d+\]|- \[\d+\])", text):
        yield "the references are not numbered"
