"""What the instructor reads: grades.csv, to_mark.csv, summary.csv and summary.png."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

from .plan import Question

__all__ = ["Row", "write_reports"]

BAR = "#5790fc"
Questions = Mapping[str, Sequence[Question]]  # assignment -> its questions


@dataclass(frozen=True)
class Row:
    """One submission: the points of each question, None where a human has to mark."""

    student: str
    assignment: str
    points: Mapping[str, float | None]
    note: str
    graded: bool

    @property
    def total(self) -> float:
        """The points so far."""
        return sum(value for value in self.points.values() if value is not None)

    def words(self, questions: Questions) -> str:
        """The row in one line."""
        if not self.graded:
            return f"no points: {self.note}"
        asked = questions[self.assignment]
        open_points = sum(q.points for q in asked if self.points.get(q.name) is None)
        left = f", {open_points:g} more to be marked by hand" if open_points else ""
        return f"{self.total:g} of {sum(q.points for q in asked):g}{left}" + (f" ({self.note})" if self.note else "")


def write_reports(out: Path, rows: Sequence[Row], questions: Questions) -> None:
    """Write all tables and the figure to the folder out; to_mark.csv only once, as it is filled in by hand."""
    write_csv(out / "grades.csv", _grades(rows, questions))
    if not (out / "to_mark.csv").exists():
        write_csv(out / "to_mark.csv", _to_mark(rows, questions))
    write_csv(out / "summary.csv", _summary(rows, questions))
    draw(out / "summary.png", rows, questions)


def write_csv(path: Path, lines: Iterable[Sequence[object]]) -> None:
    """The lines as a table, written under a temporary name first."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(lines)
    temporary.replace(path)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _grades(rows: Sequence[Row], questions: Questions) -> Iterable[Sequence[object]]:
    """A line for each submission; a question that waits for a human is empty, and not in the total."""
    used = {row.assignment for row in rows}
    columns = [question.name for name in questions if name in used for question in questions[name]]
    yield ["student", "assignment", *columns, "total", "max", "note"]
    for row in rows:
        asked = questions.get(row.assignment, [])
        known = {question.name: row.points.get(question.name) if row.graded else 0.0 for question in asked}
        most = sum(question.points for question in asked)
        yield [row.student, row.assignment, *(_number(known.get(name)) for name in columns), _number(row.total),
               _number(most), row.note]  # fmt: skip


def _to_mark(rows: Sequence[Row], questions: Questions) -> Iterable[Sequence[object]]:
    yield ["student", "assignment", "question", "max", "points", "comment"]
    for row in rows:
        for question in questions.get(row.assignment, []):
            if row.graded and row.points.get(question.name) is None:
                yield [row.student, row.assignment, question.name, _number(question.points), "", ""]


def _summary(rows: Sequence[Row], questions: Questions) -> Iterable[Sequence[object]]:
    yield ["assignment", "question", "max", "marked", "mean", "median", "with all points", "with none"]
    for name, asked in questions.items():
        for question in asked:
            found = _found(rows, name, question)
            if found:
                yield [name, question.name, _number(question.points), len(found), f"{mean(found):.2f}",
                       _number(median(found)), sum(value == question.points for value in found),
                       sum(value == 0 for value in found)]  # fmt: skip


def _found(rows: Sequence[Row], assignment: str, question: Question) -> list[float]:
    """The points of all students in one question, without those that wait for a human or could not be graded."""
    mine = [row.points.get(question.name) for row in rows if row.graded and row.assignment == assignment]
    return [value for value in mine if value is not None]


def draw(path: Path, rows: Sequence[Row], questions: Questions) -> None:
    """A panel for each assignment: the mean share of each question's points as a bar, each student as a dot."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [name for name in questions if any(row.graded and row.assignment == name for row in rows)]
    if not names:
        return
    heights = [1 + 0.35 * len(questions[name]) for name in names]
    figure, axes = plt.subplots(
        len(names), 1, figsize=(6.4, sum(heights)), layout="constrained", squeeze=False, height_ratios=heights
    )
    for ax, name in zip(axes[:, 0], names):
        for k, question in enumerate(questions[name]):
            shares = [value / question.points for value in _found(rows, name, question)]
            if shares:
                ax.barh(k, mean(shares), color=BAR, alpha=0.6)
                spread = [(j - (len(shares) - 1) / 2) * 0.6 / max(len(shares), 6) for j in range(len(shares))]
                ax.plot(shares, [k + shift for shift in spread], "o", color="black", markersize=3)
        labels = [f"{question.name} ({question.points:g})" for question in questions[name]]
        ax.set(yticks=range(len(labels)), yticklabels=labels, xlim=(-0.03, 1.03), xlabel="share of the points")
        ax.set_title(f"{name}: mean (bar) and students (dots)")
        ax.invert_yaxis()
    figure.savefig(path, dpi=120)
    plt.close(figure)
