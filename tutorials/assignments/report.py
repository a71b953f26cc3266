"""What the instructor reads: grades.csv, to_mark.csv, summary.csv and summary.png."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

from .plan import Question

__all__ = ["Questions", "Row", "plain", "write_csv", "write_reports"]

BAR = "#5790fc"
LONGEST = 30_000  # characters of one cell; spreadsheets take 32767
Questions = Mapping[str, Sequence[Question]]  # assignment -> its questions


@dataclass(frozen=True)
class Row:
    """One submission: the points of each question, None where a human has to mark."""

    student: str
    assignment: str
    points: Mapping[str, float | None]
    note: str
    graded: bool
    folder: str = ""  # its name in feedback/ and work/
    digest: str = ""  # of what was handed in and of the tests; "" to grade it again next time
    written: Mapping[str, str] = field(default_factory=dict)  # question -> what a human has to mark
    number: str = ""  # of the student on the platform
    taken_off: float = 0.0  # points, for days too late

    @property
    def total(self) -> float:
        """The points so far."""
        return max(0.0, sum(value for value in self.points.values() if value is not None) - self.taken_off)

    def waiting(self, questions: Questions) -> float:
        """The points that are still to be given by hand."""
        return sum(q.points for q in questions.get(self.assignment, []) if self.points.get(q.name) is None)

    def words(self, questions: Questions) -> str:
        """The row in one line."""
        if not self.graded:
            return self.note
        left = self.waiting(questions)
        more = f", {left:g} more to be marked by hand" if left else ""
        most = sum(q.points for q in questions[self.assignment])
        return f"{self.total:g} of {most:g}{more}" + (f" ({self.note})" if self.note else "")


def write_reports(out: Path, rows: Sequence[Row], questions: Questions, to_mark: Sequence[Sequence[str]]) -> None:
    """Write all tables and the figure to the folder out; to_mark: the lines of that file, marks included."""
    write_csv(out / "grades.csv", _grades(rows, questions))
    write_csv(
        out / "to_mark.csv", [["student", "assignment", "question", "max", "points", "comment", "answer"], *to_mark]
    )
    write_csv(out / "summary.csv", _summary(rows, questions))
    draw(out / "summary.png", rows, questions)


def plain(value: object) -> object:
    """The value of a cell as a spreadsheet shows it: what begins like a formula is made text."""
    text = str(value)
    if not isinstance(value, str):
        return value
    text = text.replace("\0", "")[:LONGEST]
    return "'" + text if text.lstrip(" \r\n\t").startswith(("=", "+", "-", "@")) or text[:1] in ("\t", "\r") else text


def write_csv(path: Path, lines: Iterable[Sequence[object]]) -> None:
    """The lines as a table, written under a temporary name first."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="", encoding="utf-8", errors="replace") as file:
        csv.writer(file).writerows([[plain(value) for value in line] for line in lines])
    temporary.replace(path)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _grades(rows: Sequence[Row], questions: Questions) -> Iterable[Sequence[object]]:
    """A line for each submission; a question that waits for a human is empty, and not in the total.

    What could not be graded has no points and no total: 0 would be a mark.
    """
    used = {row.assignment for row in rows}
    columns = [question.name for name in questions if name in used for question in questions[name]]
    late = ["late"] if any(row.taken_off for row in rows) else []
    yield ["student", "assignment", *columns, *late, "total", "max", "note"]
    for row in rows:
        asked = questions.get(row.assignment, [])
        most = sum(question.points for question in asked) if asked else None
        yield [row.student, row.assignment, *(_number(row.points.get(name)) if row.graded else "" for name in columns),
               *(_number(-row.taken_off) for _ in late), _number(row.total) if row.graded else "", _number(most),
               row.note]  # fmt: skip


def _summary(rows: Sequence[Row], questions: Questions) -> Iterable[Sequence[object]]:
    yield ["assignment", "question", "max", "marked", "mean", "median", "with all points", "with none"]
    for name, asked in questions.items():
        for question in asked:
            found = _found(rows, name, question)
            if found:
                yield [name, question.name, _number(question.points), len(found), f"{mean(found):.2f}",
                       _number(median(found)), sum(value == question.points for value in found),
                       sum(value == 0 for value in found)]  # fmt: skip
        totals = _totals(rows, name, questions)
        if totals:
            most = sum(question.points for question in asked)
            yield [name, "total", _number(most), len(totals), f"{mean(totals):.2f}", _number(median(totals)),
                   sum(value == most for value in totals), sum(value == 0 for value in totals)]  # fmt: skip


def _found(rows: Sequence[Row], assignment: str, question: Question) -> list[float]:
    """The points of all students in one question, without those that wait for a human or could not be graded."""
    mine = [row.points.get(question.name) for row in rows if row.graded and row.assignment == assignment]
    return [value for value in mine if value is not None]


def _totals(rows: Sequence[Row], assignment: str, questions: Questions) -> list[float]:
    """The totals of those whose questions are all marked."""
    return [row.total for row in rows if row.graded and row.assignment == assignment and not row.waiting(questions)]


def draw(path: Path, rows: Sequence[Row], questions: Questions) -> None:
    """Two panels for each assignment: the questions' shares (mean as a bar, students as dots), and the totals."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in questions if any(row.graded and row.assignment == name for row in rows)]
    if not names:
        path.unlink(missing_ok=True)
        return
    heights = [1.2 + 0.35 * len(questions[name]) for name in names]
    figure, axes = plt.subplots(
        len(names), 2, figsize=(10, sum(heights)), layout="constrained", squeeze=False, height_ratios=heights,
        width_ratios=(3, 2),
    )  # fmt: skip
    for (left, right), name in zip(axes, names):
        _draw_questions(left, name, rows, questions)
        _draw_totals(right, name, rows, questions)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_questions(ax, name: str, rows: Sequence[Row], questions: Questions) -> None:
    labels = []
    for k, question in enumerate(questions[name]):
        shares = [value / question.points for value in _found(rows, name, question)]
        labels.append(f"{question.name} ({question.points:g})" + ("" if shares else ", not marked"))
        if shares:
            ax.barh(k, mean(shares), color=BAR, alpha=0.6)
            spread = [(j - (len(shares) - 1) / 2) * 0.6 / max(len(shares), 6) for j in range(len(shares))]
            ax.plot(shares, [k + shift for shift in spread], "o", color="black", markersize=3)
    ax.set(yticks=range(len(labels)), yticklabels=labels, xlim=(-0.03, 1.03), xlabel="share of the points")
    ax.set_title(f"{name}: mean (bar) and students (dots)")
    ax.invert_yaxis()


def _draw_totals(ax, name: str, rows: Sequence[Row], questions: Questions) -> None:
    """All graded students; where questions wait, the points of those that are marked for everybody."""
    asked = questions[name]
    graded = [row for row in rows if row.graded and row.assignment == name]
    marked = [q for q in asked if all(row.points.get(q.name) is not None for row in graded)]
    most = sum(q.points for q in marked)
    totals = [max(0.0, sum(row.points[q.name] for q in marked) - row.taken_off) for row in graded]
    bins = min(10, max(1, int(most)))
    ax.hist(totals, bins=[most * k / bins for k in range(bins + 1)] if most else 1, color=BAR, edgecolor="white")
    ax.set(xlabel=f"points of {most:g}", ylabel="students", title=f"{name}: totals")
    ax.yaxis.get_major_locator().set_params(integer=True)
    if len(marked) < len(asked):
        ax.set_title(f"{name}: totals of what is marked")
