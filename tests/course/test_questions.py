"""Questions of the lessons: asked first, answered by numbers, each option with its reason, no letter where it tells."""

import ast
import json
import re
from pathlib import Path

import nbformat
import pytest

from minicm.course.predictions import ANSWERS, lessons, texts

TUTORIALS = Path(__file__).parents[2] / "tutorials"
LETTERS = re.compile(r"(?<![\w)])\([a-d]\)|(?i:\bverdict\b|\bthe answer is\b)")
NUMBERS = lessons()


def unfolded(page):
    return re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)


def lesson(number):
    (path,) = TUTORIALS.glob(f"{number}_*.ipynb")
    return nbformat.read(path, as_version=4)


def calls(cell, name):
    """The calls of `predict` or `reveal` in a code cell."""
    python = cell.cell_type == "code" and "google.colab" not in cell.source  # magics are no Python
    nodes = ast.walk(ast.parse(cell.source)) if python else []
    return [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") == name]


def asked(notebook, name):
    """(question, cell number, call) of each call."""
    found = [(k, call) for k, cell in enumerate(notebook.cells) for call in calls(cell, name)]
    return [(call.args[0].value, k, call) for k, call in found]


def test_every_lesson_with_a_question_has_texts():
    asking = [p.name.partition("_")[0] for p in sorted(TUTORIALS.glob("*.ipynb")) if "predict(" in p.read_text("utf-8")]
    assert asking == NUMBERS


@pytest.mark.parametrize("number", NUMBERS)
def test_every_question_has_its_texts_and_every_text_its_question(number):
    notebook = lesson(number)
    questions, verdicts = ([question for question, *_ in asked(notebook, name)] for name in ("predict", "reveal"))
    known = texts(number)
    assert sorted(questions) == sorted(verdicts) == sorted(known) and len(set(questions)) == len(questions)
    for question, k, _ in asked(notebook, "predict"):
        before = "\n".join(cell.source for cell in notebook.cells[max(k - 2, 0) : k] if cell.cell_type == "markdown")
        text = before.partition(f"**Predict {question}**")[2].partition("**Predict")[0]
        assert re.findall(r"(?m)^- \(([a-d])\) \S", text) == [letter for letter in known[question] if letter != "right"]
        later = [j for other, j, _ in asked(notebook, "reveal") if other == question]
        assert later[0] > k, f"{question} is answered before it is asked"


@pytest.mark.parametrize("number", NUMBERS)
def test_texts_are_whole(number):
    for question, entry in texts(number).items():
        letters = [key for key in entry if key != "right"]
        assert letters in (["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]) and entry["right"] in letters
        for letter in letters:
            text = entry[letter]
            assert len(text.split()) >= 12 and text.endswith("."), f"{question} ({letter}) gives no reason"
            assert not re.search(r"\$|\([a-d]\)", text), f"{question} ({letter}) holds TeX, or names a letter"


@pytest.mark.parametrize("number", NUMBERS)
def test_verdicts_come_from_numbers(number):
    """No condition is written down as True or False, and no two conditions of a question are the same text."""
    for question, _, call in asked(lesson(number), "reveal"):
        conditions = [ast.unparse(keyword.value) for keyword in call.keywords]
        assert [keyword.arg for keyword in call.keywords] == sorted(keyword.arg for keyword in call.keywords)
        assert len(set(conditions)) == len(conditions), question
        for keyword in call.keywords:
            assert any(isinstance(node, ast.Name) for node in ast.walk(keyword.value)), f"{question} ({keyword.arg})"


@pytest.mark.parametrize("number", NUMBERS)
def test_no_cell_tells_the_letter(number):
    """Neither the source of a code cell nor a stored output outside of what is folded."""
    for k, cell in enumerate(lesson(number).cells):
        if cell.cell_type != "code":
            continue
        told = [re.sub(r'^reveal\($.*?^\)$|"\w+"', "", cell.source, flags=re.DOTALL | re.MULTILINE)]
        for output in cell.outputs:
            data = output.get("data", {})
            told += [output.get("text", ""), data.get("text/plain", ""), unfolded(data.get("text/html", ""))]
        found = [LETTERS.search("".join(text)) for text in told]
        assert not any(found), f"cell {k}: {found}"


@pytest.mark.parametrize("number", NUMBERS)
def test_unanswered_verdicts_are_stored_folded(number):
    for question, k, _ in asked(lesson(number), "reveal"):
        cell = lesson(number).cells[k]
        pages = [output.data["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
        assert any(f"<p>{question}: no prediction yet." in page and "<details>" in page for page in pages), question
        pictures = any("image/png" in output.get("data", {}) for output in cell.outputs)
        assert pictures or cell.metadata.get("jupyter") == {"outputs_hidden": True}, question
        assert pictures or "hide-output" in cell.metadata.get("tags", []), question


def test_the_files_are_json_with_each_question_once():
    for number in NUMBERS:
        pairs = json.loads((ANSWERS / f"{number}.json").read_text("utf-8"), object_pairs_hook=list)
        assert len(dict(pairs)) == len(pairs) and all(key.startswith(f"{number}.") for key, _ in pairs)
