"""Known wrong answers score exactly what the plan says; blank scores 0, the reference all points.

Every other answer of a case is the reference's.  The plan names the test cells that must fail, and no other may.
"""

import pytest
from assignments_wrong_early import A1, A2, A3
from assignments_wrong_late import A4, A5, A6

from tutorials.assignments.plan import assignments, questions, read
from tutorials.assignments.quick import score, solutions

PLOTS = {"a4-plot", "a6-figure"}  # marked by hand, and slow
WRONG = {"a1": A1, "a2": A2, "a3": A3, "a4": A4, "a5": A5, "a6": A6}
CASES = [(name, case) for name, cases in WRONG.items() for case in cases]


def full(name):
    """All automatic points, cell by cell."""
    return {question.name: question.points for question in questions(read(name)) if not question.by_hand}


def test_every_assignment_has_at_least_six_known_wrong_answers():
    assert list(WRONG) == assignments()
    assert all(len(cases) >= 6 for cases in WRONG.values())


@pytest.mark.parametrize("name", assignments())
def test_the_reference_earns_all_points_and_a_blank_notebook_none(name):
    notebook = read(name)
    assert score(notebook, solutions(notebook)) == (full(name), {})
    points, messages = score(notebook, {})
    assert not any(points.values()) and set(points) == set(full(name)) <= set(messages)


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{case}" for name, case in CASES])
def test_a_wrong_answer_earns_what_the_plan_says(name, case):
    changed, lost = WRONG[name][case]
    notebook = read(name)
    right = {cell: code for cell, code in solutions(notebook).items() if cell not in PLOTS}
    assert all(code != right[cell] for cell, code in changed.items()), "the case is not wrong at all"
    points, messages = score(notebook, right | changed)
    assert points == {cell: 0 if cell in lost else worth for cell, worth in full(name).items()}, messages
    for cell in lost:
        message = messages[cell]
        assert message.startswith("AssertionError: ") and len(message) > 30, f"{cell} does not say what is wrong"
