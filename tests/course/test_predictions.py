"""Predict, choose, reveal: what a learner sees before and after an answer, and what a wrong number does."""

import re

import pytest

from minicm.course import predictions
from minicm.course.claims import claim
from minicm.course.predictions import predict, reveal

LETTERS = re.compile(r"\([a-d]\)|(?i:\bverdict\b|\bthe answer is\b)")


@pytest.fixture(autouse=True)
def kernel(monkeypatch):
    """A fresh memory, and three questions."""
    entry = {"right": "b", "a": "It tempts <since> `x < 1`.", "b": "It is so.", "c": "It is the opposite."}
    known = {"90": {"90.1": entry, "90.2": {"right": "a", "a": "Yes.", "b": "No."}}, "90b": {"90b.1": entry}}
    monkeypatch.setattr(predictions, "_chosen", {})
    monkeypatch.setattr(predictions, "lessons", lambda: ["90", "90b"])
    monkeypatch.setattr(predictions, "texts", known.__getitem__)
    monkeypatch.setenv("MINICM_STRICT", "1")


@pytest.fixture
def pages(monkeypatch):
    """What a notebook would show: a list of {"text/plain": ..., "text/html": ...}."""
    shown = []
    monkeypatch.setattr(predictions, "_notebook_display", lambda: lambda data, raw: shown.append(data))
    return shown


def unfolded(page):
    return re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)


def test_who_has_not_predicted_sees_no_letter_and_can_unfold_the_verdict(pages, capsys):
    predict("90.1", None)
    assert capsys.readouterr().out == (
        "90.1: your prediction? Write a, b or c in the place of None, in quotes, and run the cell.\n"
    )
    reveal("90.1", a=False, b=True, c=False)
    (page,) = pages
    assert "no prediction yet" in page["text/plain"] and not LETTERS.search(page["text/plain"])
    assert not LETTERS.search(unfolded(page["text/html"]))
    folded = re.search(r"<details><summary>Show the verdict</summary>(.*)</details>", page["text/html"])[1]
    assert folded.startswith(
        "<p><b>(b) is right.</b> It is so.</p><p><b>(a)</b> It tempts &lt;since&gt; <code>x &lt; 1"
    )


@pytest.mark.parametrize("answer", ["b", "B", "(b)"])
def test_a_right_answer_gives_the_reason_and_folds_the_others(answer, pages):
    predict("90.1", answer)
    reveal("90.1", a=False, b=True, c=False)
    page = unfolded(pages[0]["text/html"])
    assert "90.1: you were right." in page and "It is so." in page and "It tempts" not in page
    assert "It tempts" in pages[0]["text/html"] and "It is the opposite." in pages[0]["text/plain"]


def test_a_wrong_answer_is_told_where_it_goes_wrong(pages):
    predict("90.1", "a")
    reveal("90.1", a=False, b=True, c=False)
    page = unfolded(pages[0]["text/html"])
    assert "you said (a). It is (b)." in page and page.index("It tempts") < page.index("It is so.")
    assert "opposite" not in page


def test_a_lesson_between_two_has_questions_of_its_own(pages):
    predict("90b.1", "b")
    reveal("90b.1", a=False, b=True, c=False)
    assert "90b.1: you were right." in pages[0]["text/plain"]


def test_two_options_leave_nothing_to_fold(pages):
    predict("90.2", "b")
    reveal("90.2", a=True, b=False)
    assert "<details>" not in pages[0]["text/html"]


def test_without_a_notebook_the_plain_text_is_printed(capsys):
    predict("90.1", "a")
    reveal("90.1", a=False, b=True, c=False)
    assert capsys.readouterr().out.splitlines()[1] == "90.1: you said (a). It is (b)."


def test_a_letter_that_is_no_option_is_one_line_and_is_not_kept(capsys, pages):
    predict("90.1", "z")
    assert capsys.readouterr().out == "90.1: expected a, b or c, got 'z': nothing is kept, choose again.\n"
    reveal("90.1", a=False, b=True, c=False)
    assert "no prediction yet" in pages[0]["text/plain"]


def test_a_later_answer_replaces_an_earlier_one_and_none_does_not(pages):
    for answer in ("a", "b", None):
        predict("90.1", answer)
    reveal("90.1", a=False, b=True, c=False)
    assert "you were right" in pages[0]["text/html"]


@pytest.mark.parametrize("call", [lambda q: predict(q, "a"), lambda q: reveal(q, a=True, b=False)])
@pytest.mark.parametrize("question, words", [("90.9", "of 90.1, 90.2, got '90.9'"), ("7", "of 90, 90b, got '7'")])
def test_an_unknown_question_is_one_line_that_lists_them(call, question, words):
    with pytest.raises(ValueError, match=f"^expected a question {words}$"):
        call(question)


@pytest.mark.parametrize("holds", [(True, False, False), (False, False, False), (True, True, False)])
def test_numbers_that_speak_for_another_option_are_red_in_ci_and_words_elsewhere(holds, monkeypatch, capsys, pages):
    given = dict(zip("abc", holds))
    with pytest.raises(AssertionError, match="does not hold: the verdict of 90.1 is that of the lesson; the numbers"):
        reveal("90.1", **given)
    monkeypatch.delenv("MINICM_STRICT")
    reveal("90.1", **given)
    assert capsys.readouterr().out.startswith("Not so with your numbers: the verdict of 90.1")
    assert pages  # and the lesson's verdict all the same


def test_conditions_that_are_not_those_of_the_options_are_refused():
    with pytest.raises(ValueError, match="a truth value for each of a, b, c, got them for a, b"):
        reveal("90.1", a=False, b=True)
    with pytest.raises(ValueError, match="a truth value for each of a, b, got them for a, b, c"):
        reveal("90.2", a=True, b=False, c=False)


def test_a_claim_is_silent_red_or_words(monkeypatch, capsys):
    claim(1 < 2, "one is less than two")
    assert capsys.readouterr().out == ""
    with pytest.raises(AssertionError, match="^does not hold: one is more than two$"):
        claim(1 > 2, "one is more than two")
    monkeypatch.delenv("MINICM_STRICT")
    claim(1 > 2, "one is more than two")
    assert capsys.readouterr().out == "Not so with your numbers: one is more than two.\n"
