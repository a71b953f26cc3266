"""The sources of the assignments keep nbgrader's rules and the plan's points; variants are fair."""

import ast
import re

import nbformat
import pytest
import torch

from tutorials.assignments.course import leaks
from tutorials.assignments.plan import as_released, assignments, kind, name_of, questions, read
from tutorials.assignments.quick import BLANK, blank, score, solutions
from tutorials.assignments.vary import draw, fair, vary

# visible, hidden, by hand
POINTS = {"a1": (8, 8, 4), "a2": (6, 8, 6), "a3": (6, 6, 3), "a4": (8, 11, 6), "a5": (8, 12, 5), "a6": (5, 0, 25)}
HIDDEN = re.compile(r"(?ms)^### BEGIN HIDDEN TESTS\n(.*?)^### END HIDDEN TESTS")
each = pytest.mark.parametrize("name", assignments())


def cells(name, *kinds):
    return [cell for cell in read(name).cells if kind(cell) in kinds]


def texts(notebook):
    return [cell.source for cell in notebook.cells]


# ---- the sources


@each
def test_points_are_those_of_the_plan_and_of_the_table_that_students_read(name):
    found = questions(read(name))
    hand = sum(q.points for q in found if q.by_hand)
    visible = sum(q.points for q in found if q.name.endswith("-visible"))
    hidden = sum(q.points for q in found if q.name.endswith("-hidden"))
    assert (visible, hidden, hand) == POINTS[name]
    total = re.search(
        r"\*\*together: (\d+)\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\* \| \*\*(\d+)\*\*", read(name).cells[0].source
    )
    assert tuple(map(int, total.groups())) == (sum(POINTS[name]), *POINTS[name])


@each
def test_first_cell_has_goals_needs_time_and_rules(name):
    text = read(name).cells[0].source
    assert text.startswith(f"# Assignment {name[1:]}: ")
    assert all(f"**{word}**" in text for word in ("Goals", "Needs", "Time", "Rules"))
    assert f"`<student>_{name}.ipynb`" in text


@each
def test_source_is_clean(name):
    notebook = read(name)
    nbformat.validate(notebook)
    names = [name_of(cell) for cell in notebook.cells]
    assert len(set(names)) == len(names) and names == [cell.id for cell in notebook.cells]
    assert notebook.metadata.kernelspec.name == "python3"
    assert not any(cell.outputs or cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    for cell in notebook.cells:
        about = cell.metadata.nbgrader
        assert about.schema_version == 3 and about.locked == (kind(cell) not in ("answer", "manual"))
        assert ("points" in about) == (kind(cell) in ("test", "manual", "task"))


@each
def test_every_test_cell_ends_in_an_assert_with_and_without_its_hidden_part(name):
    for cell in cells(name, "test"):
        for source in (cell.source, HIDDEN.sub("", cell.source)):
            last = ast.parse(source).body[-1]
            assert isinstance(last, ast.Assert) and last.msg is not None, name_of(cell)
        assert name_of(cell).endswith("-hidden") == bool(HIDDEN.search(cell.source))


@each
def test_every_answer_has_a_solution_and_every_hand_mark_a_scheme(name):
    for cell in cells(name, "answer"):
        assert BLANK in blank(cell.source) and "SOLUTION" not in blank(cell.source)
    for cell in cells(name, "manual", "task"):
        worth = cell.metadata.nbgrader.points
        assert re.search(rf"(?m){worth:g} points\.", cell.source), (
            f"{name_of(cell)} has no mark scheme of {worth} points"
        )
        text = cell.source.split("MARK SCHEME ===")[1] if kind(cell) == "task" else cell.source
        parts = [int(found) for found in re.findall(r"(?m)^(?:\([a-z]\) )?(\d+)(?: points?)?:", text)]
        assert sum(parts) == worth, name_of(cell)


@each
def test_tests_import_what_they_use_of_minicm_themselves(name):
    """A student who overwrites compare or verdict must not reach the next test."""
    for cell in cells(name, "test"):
        for tool in ("compare", "verdict", "Counted"):
            used = re.search(rf"\b{tool}\(", cell.source)
            assert not used or re.search(rf"import .*\b{tool}\b", cell.source), name_of(cell)


# ---- variants


def test_a_variant_of_every_assignment_is_fair(tmp_path):
    vary("2030-spring", tmp_path)  # raises unless the reference earns all and a blank notebook nothing
    for name in assignments():
        assert (texts(read(name, tmp_path)) != texts(read(name))) == (name != "a6")
        assert questions(read(name, tmp_path)) == questions(read(name))


@each
def test_the_name_of_the_term_alone_decides(name):
    first, again, other = read(name), read(name), read(name)
    for notebook, term in ((first, "a"), (again, "a"), (other, "b")):
        draw(notebook, term)
    assert texts(first) == texts(again)
    assert (texts(first) != texts(other)) == (name != "a6")


@each
def test_drawn_numbers_lie_in_their_ranges(name):
    notebook = read(name)
    before = sum(len(re.findall("# vary: ", cell.source)) for cell in notebook.cells)
    assert draw(notebook, "a term") == before and (before > 0 or name == "a6")
    for line in re.findall(r"(?m)^.* = (.*)  # vary: (.*)$", "\n".join(cell.source for cell in notebook.cells)):
        for value, limits in zip(line[0].split(", "), line[1].split(", "), strict=True):
            low, high = map(float, limits.split(" to "))
            assert low <= float(value) <= high


def test_an_unfair_variant_is_noticed():
    notebook = read("a3")
    test = next(cell for cell in notebook.cells if name_of(cell) == "a3-slope-visible")
    test.source = "assert True, ''"
    assert "blank" in fair(notebook)
    test.source = "assert False, 'no'"
    assert "reference" in fair(notebook)


@each
def test_what_students_get_has_neither_hidden_tests_nor_mark_schemes(name):
    text = nbformat.writes(as_released(read(name)))
    assert not leaks(text) and "Mark scheme" not in text and leaks(nbformat.writes(read(name)))
    assert questions(as_released(read(name))) == questions(read(name))


def test_scoring_leaves_no_trace():
    state = torch.get_rng_state()
    score(read("a1"), solutions(read("a1")))
    assert torch.get_default_dtype() == torch.float64 and torch.equal(state, torch.get_rng_state())
