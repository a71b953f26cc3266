"""Predict, choose, reveal: a learner answers before the numbers are there, and then reads why.

    predict("07.3", None)                               # the learner writes a letter in the place of None
    ...                                                 # the cells that compute
    reveal("07.3", a=best == "f", b=best == "solver")   # one truth value for each option, from the numbers

The letter follows from the numbers: exactly one of the truth values may hold, and it must be that of the recorded
answer.  Otherwise the lesson is wrong, which `claim` says.  The texts are in answers/07.json: for each question the
right letter, and for each option why it is so, or why it tempts and where it goes wrong.  In them `x` is code.
"""

import html
import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from .claims import claim, strict

__all__ = ["lessons", "predict", "reveal", "texts"]

ANSWERS = Path(__file__).parent / "answers"
_chosen: dict[str, str] = {}  # question -> the learner's letter, as long as the kernel lives


def lessons() -> list[str]:
    """The numbers of the lessons whose questions have texts, as "07"."""
    return sorted(path.stem for path in ANSWERS.glob("*.json"))


@lru_cache
def texts(lesson: str) -> dict[str, dict[str, str]]:
    """question -> {"right": its letter, "a": text, "b": text, ...} of a lesson, "07".

    Raises ValueError if the lesson has none.
    """
    if lesson not in lessons():
        raise ValueError(f"expected a lesson of {', '.join(lessons())}, got {lesson!r}")
    return json.loads((ANSWERS / f"{lesson}.json").read_text("utf-8"))


def predict(question: str, answer: str | None) -> None:
    """Keep the learner's answer, one letter; None says how to give one, and shows buttons where they work.

    A letter that is no option gives one line that lists them, and is not kept: the notebook goes on.
    Raises ValueError for a question that is not known.
    """
    options = _options(question)
    listed = " or ".join([", ".join(options[:-1]), options[-1]])
    if answer is None:
        print(f"{question}: your prediction? Write {listed} in the place of None, in quotes, and run the cell.")
        _buttons(question, options)
        return
    letter = str(answer).strip(" ()").lower()
    if letter not in options:
        print(f"{question}: expected {listed}, got {answer!r}: nothing is kept, choose again.")
        return
    _chosen[question] = letter
    print(f"{question}: you say ({letter}). Run on, the verdict follows.")


def reveal(question: str, *, a: object, b: object, c: object = None, d: object = None) -> None:
    """Show the verdict: at once to who has predicted, folded to who has not.

    a, b, c, d: whether the option is the right one, a truth value computed from numbers; None where there is no
    such option.  Exactly one may hold, that of the recorded answer; otherwise it is as a `claim` that does not hold.
    Raises ValueError for a question that is not known, or if the truth values are not those of its options.
    """
    options = _options(question)
    given = {letter: bool(holds) for letter, holds in zip("abcd", (a, b, c, d)) if holds is not None}
    if list(given) != options:
        raise ValueError(f"expected a truth value for each of {', '.join(options)}, got them for {', '.join(given)}")
    entry = texts(_lesson(question))[question]
    found = [letter for letter, holds in given.items() if holds]
    says = f"({'), ('.join(found)})" if found else "no option"
    claim(found == [entry["right"]], f"the verdict of {question} is that of the lesson; the numbers speak for {says}")
    plain, page = _unanswered(question, entry) if question not in _chosen else _answered(question, entry)
    _show(plain, page)


def _lesson(question: str) -> str:
    """The number of the lesson, "07" of "07.3"."""
    return question.partition(".")[0]


def _options(question: str) -> list[str]:
    """The letters of a question; ValueError of one line that lists the questions there are."""
    known = texts(_lesson(question)) if _lesson(question) in lessons() else {}
    if question not in known:
        raise ValueError(f"expected a question of {', '.join(known) or ', '.join(lessons())}, got {question!r}")
    return [letter for letter in known[question] if letter != "right"]


def _unanswered(question: str, entry: dict[str, str]) -> tuple[str, str]:
    """A text without any letter, and a page whose verdict is folded."""
    plain = (
        f'{question}: no prediction yet. Write a letter into predict("{question}", None), run that cell, then this one.'
    )
    order = sorted(_letters(entry), key=lambda letter: letter != entry["right"])
    return plain, f"<p>{html.escape(plain, quote=False)}</p>{_folded('Show the verdict', order, entry)}"


def _answered(question: str, entry: dict[str, str]) -> tuple[str, str]:
    """What the learner said, what is right and why; the other options folded."""
    mine, right = _chosen[question], entry["right"]
    first = f"{question}: you were right." if mine == right else f"{question}: you said ({mine}). It is ({right})."
    told = [right] if mine == right else [mine, right]
    others = [letter for letter in _letters(entry) if letter not in told]
    plain = "\n".join([first, *(f"({letter}) {entry[letter]}" for letter in (*told, *others))])
    page = f"<p><b>{first}</b></p>" + "".join(_paragraph(letter, entry) for letter in told)
    return plain, page + (_folded("And the other options?", others, entry) if others else "")


def _letters(entry: dict[str, str]) -> list[str]:
    return [letter for letter in entry if letter != "right"]


def _folded(summary: str, letters: list[str], entry: dict[str, str]) -> str:
    inside = "".join(_paragraph(letter, entry) for letter in letters)
    return f"<details><summary>{summary}</summary>{inside}</details>"


def _paragraph(letter: str, entry: dict[str, str]) -> str:
    mark = f"({letter}) is right." if letter == entry["right"] else f"({letter})"
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(entry[letter], quote=False))
    return f"<p><b>{mark}</b> {text}</p>"


def _show(plain: str, page: str) -> None:
    """Both forms to a notebook, the plain one to anything else."""
    display = _notebook_display()
    if display is None:
        print(plain)
    else:
        display({"text/plain": plain, "text/html": page}, raw=True)


def _notebook_display() -> Callable[..., object] | None:
    """IPython's display in a notebook's kernel, else None."""
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        return None
    return display if getattr(get_ipython(), "kernel", None) is not None else None


def _buttons(question: str, options: list[str]) -> None:
    """A row of buttons, one for each option; nothing without ipywidgets, without a kernel, or in a strict run."""
    display = _notebook_display()
    if strict() or display is None:
        return
    try:
        from ipywidgets import ToggleButtons
    except ImportError:
        return
    row = ToggleButtons(options=options, value=_chosen.get(question), tooltips=[f"({letter})" for letter in options])
    row.observe(lambda change: _chosen.update({question: change["new"]}), names="value")
    display(row)
