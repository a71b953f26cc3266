"""The decks of slides: every lesson of the plan in its week, every figure with what to see in it."""

import re

import nbformat

from tutorials.slides import LESSONS, PLAN, deck, weeks


def lessons(numbers):
    return [nbformat.read(path, as_version=4) for number in numbers for path in LESSONS.glob(f"{number}_*.ipynb")]


def kinds(notebook):
    return [cell.metadata.slideshow.slide_type for cell in notebook.cells]


def test_each_lesson_of_the_plan_has_its_week():
    plan = weeks(PLAN.read_text("utf-8"))
    assert list(plan) == list(range(1, 13))
    assert [number for numbers in plan.values() for number in numbers] == [f"{k:02d}" for k in range(15)]


def test_a_deck_has_a_slide_for_each_section_and_each_figure_and_no_code():
    found = lessons(["03"])
    made = deck(2, found)
    nbformat.validate(made)
    sections = [c for c in found[0].cells if c.cell_type == "markdown" and re.match("##? ", c.source)]
    drawn = [c for c in found[0].cells if c.cell_type == "code"]
    pictures = [c for c in drawn if any({"image/png", "image/gif"} & set(o.get("data", {})) for o in c.outputs)]
    assert kinds(made).count("slide") == 1 + len(sections) > 5
    assert sum(cell.cell_type == "code" for cell in made.cells) == len(pictures) > 5
    assert not any(cell.source for cell in made.cells if cell.cell_type == "code")
    assert made.cells[0].source == "# Week 2\n\n03 Probability-flow ODE solvers"


def test_what_is_not_on_a_slide_is_in_the_notes():
    made = deck(2, lessons(["03"]))
    text = "\n".join(cell.source for cell in made.cells)
    shown = [c.source for c, kind in zip(made.cells, kinds(made)) if c.cell_type == "markdown" and kind != "notes"]
    assert "**What you should see**" not in text and max(len(one) for one in shown) < 1200
    assert "Midpoint" in text
