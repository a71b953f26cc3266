"""The students' feedback pages: nbgrader's, with marks and comments given by hand.

nbgrader's page says "0.0 / 3.0" of an answer that nobody has marked yet; here it says that it waits.
"""

import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from .plan import Question
from .report import Questions, Row

__all__ = ["marked_page", "write_pages"]

Comments = Mapping[tuple[str, str, str], str]  # student, assignment, question -> what the student reads


def write_pages(out: Path, rows: Sequence[Row], questions: Questions, comments: Comments) -> None:
    """Write out/feedback/ anew from what nbgrader made of each submission."""
    for row in rows:
        name = f"{row.student}_{row.assignment}"
        made = out / "work" / name / "feedback.html"
        if not (row.graded and made.is_file()):
            continue
        own = {key[2]: text for key, text in comments.items() if key[:2] == (row.student, row.assignment)}
        (out / "feedback").mkdir(exist_ok=True)
        temporary = out / "feedback" / f"{name}.tmp"
        temporary.write_text(marked_page(made.read_text("utf-8"), row, questions[row.assignment], own), "utf-8")
        temporary.replace(temporary.with_suffix(".html"))


def marked_page(page: str, row: Row, asked: Sequence[Question], comments: Mapping[str, str]) -> str:
    """nbgrader's page with this row's total and its points of questions marked by hand; comments: question -> text.

    Raises ValueError where the page has no such score: another version of nbgrader may write it differently.
    """
    waiting = sum(q.points for q in asked if row.points.get(q.name) is None)
    total = f"Score: {row.total:g} / {sum(q.points for q in asked):g}"
    total += f", and up to {waiting:g} more when all is marked" if waiting else ""
    page = _put(page, rf"(<h4>{row.assignment} \()Score: [^)]*(\)</h4>)", total)
    for question in (q for q in asked if q.by_hand):
        points = row.points.get(question.name)
        said = (
            f"not marked yet, {question.points:g} points"
            if points is None
            else f"Score: {points:g} / {question.points:g}"
        )
        page = _put(page, rf'(<a href="#{question.name}">[^<]*</a> \()Score: [^)]*(\))', said)
        heading = rf'(<a name="{question.name}"></a>.*?)Score: \S+ / \S+( <a href="#top">\(Top\)</a>\s*</span></div>)'
        text = comments.get(question.name)
        page = _put(page, heading, said, f'<div class="panel-body">{escape(text)}</div>' if text else "")
    return page


def _put(page: str, pattern: str, said: str, after: str = "") -> str:
    """The page with `said` between the two groups of the pattern, and `after` behind them."""
    new, count = re.subn(pattern, lambda found: f"{found[1]}{said}{found[2]}{after}", page, count=1, flags=re.DOTALL)
    if not count:
        raise ValueError(f"expected nbgrader's score in the feedback page, found none like {pattern}")
    return new
