"""Every committed notebook keeps the rules of notebook_rules.py; and the rules themselves notice each breach."""

from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from notebook_rules import MAX_BYTES, MAX_SECONDS, broken_lesson_rules, broken_rules

from tutorials.execute import cell_ids, main, normalise, stated_seconds, verdict

TUTORIALS = Path(__file__).parents[2] / "tutorials"
LESSONS = sorted(TUTORIALS.glob("*.ipynb"))
SOLUTIONS = sorted(TUTORIALS.glob("solutions/*.ipynb"))


def check(path, rules):
    broken = rules(nbformat.read(path, as_version=4), path.name, path.stat().st_size)
    assert not broken, "\n".join([path.name, *broken])


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_keeps_the_rules(path):
    check(path, broken_lesson_rules)


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_solution_keeps_the_rules_and_belongs_to_a_lesson(path):
    check(path, broken_rules)
    assert (TUTORIALS / path.name).exists(), f"{path.name} solves no lesson"


def test_lessons_are_numbered_without_repetition():
    numbers = [path.name.partition("_")[0] for path in LESSONS]
    assert len(set(numbers)) == len(numbers)


# ---- the rules, tried on a notebook that keeps them and on one that breaks each

FRONT = (
    "# 03 Solvers\n\n**Goals**\n- take a step\n- measure an order\n\n**Needs** 02\n\n**Time** 20 min, 12 CPU seconds"
)


def png():
    return v4.new_output("display_data", data={"image/png": "aGk=", "text/plain": "<Figure size 400x300 with 1 Axes>"})


def film():
    return v4.new_output("display_data", data={"image/gif": "aGk=", "text/plain": "a point that moves"})


def good():
    """A lesson that keeps every rule; its cells are found by their position below."""
    setup = "import torch\n\n_ = torch.manual_seed(0)\ntorch.set_num_threads(1)\nprint('ready')"
    notebook = v4.new_notebook()
    notebook.cells = [
        v4.new_markdown_cell(FRONT),
        v4.new_code_cell(setup, execution_count=1, outputs=[v4.new_output("stream", name="stdout", text="ready\n")]),
        v4.new_markdown_cell("## Predict\nWhat is the order: 1 or 2?"),
        v4.new_code_cell("_ = plt.plot(x)\nplt.show()", execution_count=2, outputs=[png()]),
        v4.new_markdown_cell("**What you should see** a line of slope 2."),
        v4.new_markdown_cell("### Exercise 1\nWrite it."),
        v4.new_code_cell("def step(x):\n    return x", execution_count=3),
        v4.new_code_cell("interact(step)", metadata={"tags": ["nbval-skip"]}),
        v4.new_markdown_cell(
            "## Common mistakes\nNone.\n\n## Summary\nThree lines.\n\n## References\n1. Euler 1768, § 650."
        ),
    ]
    normalise(notebook)
    return notebook


def test_a_good_notebook_keeps_the_rules():
    assert broken_lesson_rules(good(), "03_solvers.ipynb", 1000) == []


def test_a_lesson_may_stand_between_two_numbers():
    between = good()
    between.cells[0].source = FRONT.replace("# 03 ", "# 03b ")
    normalise(between)
    assert broken_lesson_rules(between, "03b_solvers.ipynb", 1000) == []
    assert broken_lesson_rules(between, "03_solvers.ipynb", 1000) != []


def source(cell, text):
    def change(notebook):
        notebook.cells[cell].source = text

    return change


def replaced(cell, old, new):
    def change(notebook):
        assert old in notebook.cells[cell].source
        notebook.cells[cell].source = notebook.cells[cell].source.replace(old, new)

    return change


def shown(cell, *outputs):
    def change(notebook):
        notebook.cells[cell].outputs = list(outputs)

    return change


def printed(text, stream="stdout"):
    return v4.new_output("stream", name=stream, text=text)


def field(key, value):
    return lambda notebook: notebook.metadata.__setitem__(key, value)


BREACHES = {
    "title": (replaced(0, "# 03", "# 04"), "`# 03 Topic`"),
    "second title": (replaced(2, "## Predict", "# Predict"), "one heading of level 1"),
    "no needs": (replaced(0, "**Needs**", ""), "Goals, Needs, Time"),
    "order of the front": (replaced(0, "**Goals**", "**Needs**"), "Goals, Needs, Time"),
    "one goal": (replaced(0, "- measure an order", ""), "2 to 4 goals"),
    "no budget": (replaced(0, "12 CPU seconds", "quick"), "states `N CPU seconds`"),
    "large budget": (replaced(0, "12 CPU", f"{MAX_SECONDS + 1} CPU"), f"more than {MAX_SECONDS}"),
    "threads": (replaced(1, "set_num_threads(1)", "set_num_threads(2)"), "set_num_threads"),
    "seed": (replaced(1, "manual_seed(0)", "seed()"), "manual_seed"),
    "silent setup": (shown(1), "does not print one line"),
    "no predict": (replaced(2, "Predict", "Think"), "no Predict"),
    "no exercise": (replaced(5, "Exercise", "Do"), "no Exercise"),
    "no expectation of a film": (
        lambda notebook: (shown(3, film())(notebook), source(4, "Look: a line")(notebook)),
        "cell 4 draws a figure",
    ),
    "no expectation": (replaced(4, "What you should see", "Look:"), "cell 4 draws a figure"),
    "order of the end": (replaced(8, "## Summary", "## Remarks"), "last headings"),
    "references": (replaced(8, "1. Euler", "Euler"), "not numbered"),
    "kernel": (field("kernelspec", {"name": "minicm2"}), "kernel python3"),
    "version": (field("language_info", {"name": "python", "version": "3.11.7"}), "version of Python"),
    "stripped": (
        lambda notebook: [cell.update(outputs=[]) for cell in notebook.cells if "outputs" in cell],
        "stripped",
    ),
    "counts": (lambda notebook: notebook.cells[6].update(execution_count=4), "execution counts [1, 2, 4]"),
    "not run": (lambda notebook: notebook.cells[3].update(execution_count=None), "execution counts"),
    "optional cell run": (lambda notebook: notebook.cells[7].update(execution_count=4), "tagged nbval-skip"),
    "empty cell": (source(6, " \n"), "cell 7 is empty"),
    "error": (shown(3, v4.new_output("error", ename="KeyError", evalue="1", traceback=[])), "ends in KeyError"),
    "stderr": (shown(3, printed("UserWarning: old\n", "stderr")), "stderr: UserWarning"),
    "svg": (shown(3, v4.new_output("display_data", data={"image/svg+xml": "<svg/>"})), "svg"),
    "tensor": (shown(3, printed("tensor([1.0])")), "prints a tensor"),
    "address": (shown(3, printed("<object at 0x7f00deadbeef>")), "an address"),
    "semicolon": (replaced(3, "plt.show()", "plt.show(); "), "semicolon"),
    "tqdm": (replaced(6, "return x", "return tqdm(x)"), "uses tqdm"),
    "time magic": (source(6, "%%time\nx"), "prints times"),
    "clear": (source(6, "clear_output()"), "clear_output"),
    "update": (source(6, "display(x, display_id=True)"), "updates a display"),
    "shell": (source(6, "x\n!ls"), "shell command"),
    "install": (source(6, "%pip install minicm"), "installs packages"),
    "class": (source(6, "class A: ..."), "defines a class"),
    "long cell": (source(6, "x\n" * 41), "41 lines"),
    "path in the code": (source(6, "open('/home/" + "ada/x')"), "path of one machine"),
    "path in an output": (shown(3, printed("saved /Users/" + "ada/x")), "path of one machine"),
    "colab": (
        replaced(0, "20 min", "[run](https://colab.research.google.com/github/o/r/blob/main/tutorials/04_x.ipynb)"),
        "Colab link",
    ),
    "random ids": (lambda notebook: notebook.cells[2].update(id="5f0c"), "cell ids"),
    "timing": (lambda notebook: notebook.cells[3].metadata.update(execution={"iopub": "2026"}), "stores when it ran"),
}


@pytest.mark.parametrize("breach", BREACHES)
def test_each_breach_is_noticed(breach):
    change, words = BREACHES[breach]
    notebook = good()
    change(notebook)
    if breach != "random ids":
        for cell, name in zip(notebook.cells, cell_ids(notebook.cells), strict=True):
            cell.id = name
    broken = broken_lesson_rules(notebook, "03_solvers.ipynb", 1000)
    assert any(words in line for line in broken), broken
    assert len(broken) <= 2, broken  # a breach is told once or twice, not as a flood


def test_names_and_sizes():
    assert any("name like" in line for line in broken_rules(good(), "3-Solvers.ipynb", 1000))
    assert any("bytes" in line for line in broken_rules(good(), "03_solvers.ipynb", MAX_BYTES + 1))


def test_colab_may_install_but_never_torch():
    notebook = good()
    notebook.cells[6].source = 'if "google.colab" in sys.modules:\n    %pip install minicm'
    normalise(notebook)
    assert broken_lesson_rules(notebook, "03_solvers.ipynb", 1000) == []
    notebook.cells[6].source += " torch"
    normalise(notebook)
    assert any("or torch" in line for line in broken_lesson_rules(notebook, "03_solvers.ipynb", 1000))


# ---- tutorials/execute.py, which makes what the rules ask for


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("**Time**: 5 min to read, 12 CPU seconds", 12), ("**Time:** 2.5 CPU-seconds", 2.5), ("## Time 7 CPU seconds", 7)],
)
def test_stated_seconds(line, seconds):
    assert stated_seconds(v4.new_notebook(cells=[v4.new_markdown_cell(f"# 00 A\n\n{line}")])) == seconds
    assert stated_seconds(v4.new_notebook(cells=[v4.new_markdown_cell("Sometimes 12 CPU seconds")])) is None


def test_ids_follow_the_text_and_not_the_place():
    cells = [v4.new_code_cell(text) for text in ("a", "b", "a")]
    first, second, third = cell_ids(cells)
    assert cell_ids([cells[1], cells[0]]) == [second, first]
    assert third == f"{first}-2"


def test_verdict_compares_with_the_statement():
    assert [verdict(5, 6), verdict(7, 6), verdict(1, None)] == ["ok", "over its budget", "states no CPU seconds"]


def test_execution_stores_outputs_once_and_for_all(tmp_path, capsys):
    path = tmp_path / "00_try.ipynb"
    code = v4.new_code_cell("print(1)\n2 + 2", metadata={"execution": {"iopub.status.busy": "2026-01-01"}})
    optional = v4.new_code_cell("1 / 0", metadata={"tags": ["nbval-skip"]}, execution_count=7)
    cells = [v4.new_markdown_cell("**Time** 60 CPU seconds"), code, optional]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python", "version": "3"}}), path)
    assert main([str(path)]) == 0
    stored = path.read_bytes()
    _, code, optional = nbformat.read(path, as_version=4).cells
    outputs = code.outputs
    assert code.metadata == {} and code.execution_count == 1
    assert optional.outputs == [] and optional.execution_count is None and b"version" not in stored
    assert [output.get("text") or output.data["text/plain"] for output in outputs] == ["1\n", "4"]
    assert "60.0 ok" in capsys.readouterr().out
    assert main([str(path)]) == 0 and path.read_bytes() == stored


def test_a_notebook_that_fails_is_left_as_it_was(tmp_path, capsys):
    path = tmp_path / "00_try.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell("1 / 0")]), path)
    stored = path.read_bytes()
    assert main([str(path)]) == 1
    assert path.read_bytes() == stored and list(tmp_path.iterdir()) == [path]
    assert "cell 1 of 1: ZeroDivisionError: division by zero" in capsys.readouterr().out
