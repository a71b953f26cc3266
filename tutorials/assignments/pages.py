"""The students' feedback pages, one file each that needs no network: points first, then what to look at.

Whatever a student wrote is shown as text: code is coloured, markdown is set without HTML, pictures have to be PNG or
JPEG.  The page itself forbids scripts and anything from elsewhere.
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .plan import Question, kind, name_of
from .report import Questions, Row, plain

__all__ = ["hint_of", "page", "write_pages"]

Comments = Mapping[tuple[str, str, str], str]  # student, assignment, question -> what the student reads
LONGEST = 20_000  # characters of a text that is set or coloured; longer ones are shown as they are
PICTURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8\xff"}
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; margin: 1rem 0; } td, th { padding: .3rem .7rem; border-bottom: 1px solid #ddd;
text-align: left; vertical-align: top; } td.points { white-space: nowrap; }
pre { background: #f6f6f6; padding: .6rem; white-space: pre-wrap; overflow-wrap: anywhere; font-size: 14px; }
pre.error { background: #fdecea; } .hint { white-space: pre-wrap; overflow-wrap: anywhere; }
.good { color: #1a7f37; } .bad { color: #b3261e; } .waits { color: #7a5c00; } img { max-width: 100%; }
.own { border-left: 3px solid #ccc; padding-left: .8rem; } .comment { background: #eef4ff; padding: .6rem;
white-space: pre-wrap; } h2 { margin-top: 2rem; border-top: 1px solid #ccc; padding-top: 1rem; }
"""


def write_pages(out: Path, rows: Sequence[Row], questions: Questions, comments: Comments) -> None:
    """Write out/feedback/ from the graded notebooks; a page that cannot be made is a short one that says so."""
    (out / "feedback").mkdir(exist_ok=True)
    for row in rows:
        if not row.graded:
            continue
        name = f"{row.folder}_{row.assignment}"
        own = {key[2]: text for key, text in comments.items() if key[:2] == (plain(row.student), row.assignment)}
        try:
            notebook = nbformat.read(out / "work" / name / "graded.ipynb", as_version=4)
            text = page(notebook, row, questions[row.assignment], own)
        except Exception as error:  # a file that was changed since costs its own page only
            text = page(nbformat.v4.new_notebook(), row, questions[row.assignment], own)
            text += f"<p>The graded notebook could not be shown: {escape(type(error).__name__)}.</p>"
        temporary = out / "feedback" / f"{name}.tmp"
        temporary.write_text(text, "utf-8", "replace")
        temporary.replace(temporary.with_suffix(".html"))


def page(notebook: NotebookNode, row: Row, asked: Sequence[Question], comments: Mapping[str, str]) -> str:
    """The whole page; comments: question -> text."""
    from pygments.formatters import HtmlFormatter

    waiting = sum(q.points for q in asked if row.points.get(q.name) is None)
    total = f"{row.total:g} of {sum(q.points for q in asked):g} points"
    total += f", and up to {waiting:g} more when all is marked" if waiting else ""
    colours = HtmlFormatter().get_style_defs("pre")
    head = f"{escape(row.student)}, assignment {escape(row.assignment[1:])}"
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{head}</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{STYLE}{colours}</style></head><body><h1>{head}</h1><p><strong>{total}</strong></p>",
        _summary(notebook, row, asked, comments),
    ]
    said = _for_student(row.note)
    parts.append(f'<p class="hint">{escape(said)}</p>' if said else "")
    section = None
    titles = {question.name: question.title for question in asked}
    for cell in notebook.cells:
        name = name_of(cell)
        mine = titles.get(name) or (_title(cell) if name and kind(cell) == "locked" else None)
        if mine and mine != section:
            section = mine
            parts.append(f"<h2>{escape(section)}</h2>")
        parts.append(_cell(cell, row, comments))
    return "\n".join(parts) + "\n"


def _for_student(note: str) -> str:
    """What of a note is the student's to know: what ran too long, ended, or printed too much."""
    mine = [one for one in note.split("; ") if one.startswith(("cell ", "stopped ")) or "days late" in one]
    return "; ".join(mine)


def _title(cell: NotebookNode) -> str | None:
    found = re.match(r"## (.+)", cell.source)
    return found[1] if found else None


def _summary(notebook: NotebookNode, row: Row, asked: Sequence[Question], comments: Mapping[str, str]) -> str:
    """A line for each question: what it was, its points, what is wrong."""
    hints = {name_of(cell): hint_of(cell) for cell in notebook.cells if name_of(cell)}
    lines = []
    for question in asked:
        points = row.points.get(question.name)
        shown = "not marked yet" if points is None else f"{points:g} of {question.points:g}"
        look = "waits" if points is None else "good" if points == question.points else "bad"
        if points is None:
            shown = f"not marked yet, {question.points:g} points"
        hint = comments.get(question.name) or (hints.get(question.name) if look == "bad" else "") or ""
        label = f"{question.title or question.name}: {question.part}"
        lines.append(
            f'<tr><td><a href="#{escape(question.name)}">{escape(label)}</a></td>'
            f'<td class="points {look}">{shown}</td><td class="hint">{escape(hint)}</td></tr>'
        )
    return f"<table><tr><th>question</th><th>points</th><th>hint</th></tr>{''.join(lines)}</table>"


def hint_of(cell: NotebookNode) -> str:
    """The last error of a cell, in words."""
    errors = [one for one in cell.get("outputs", []) if one.output_type == "error"]
    if not errors:
        return ""
    name, value = errors[-1].ename, errors[-1].evalue
    return value if name in ("AssertionError", "NotRun") and value else f"{name}: {value}"


def _cell(cell: NotebookNode, row: Row, comments: Mapping[str, str]) -> str:
    """A cell of the release is shown where it was the student's; a test is its points and its words."""
    name = name_of(cell)
    if name is None:
        return f'<div class="own">{_source(cell)}{_outputs(cell)}</div>'
    if kind(cell) == "answer":
        return _source(cell) + _outputs(cell)
    if kind(cell) == "locked":
        return ""
    points = row.points.get(name)
    worth = cell.metadata.nbgrader.points
    said = f"not marked yet, {worth:g} points" if points is None else f"{points:g} of {worth:g} points"
    look = "waits" if points is None else "good" if points == worth else "bad"
    hint = hint_of(cell) if kind(cell) == "test" and points != worth else ""
    text = _source(cell) if kind(cell) == "manual" else ""
    comment = f'<div class="comment">{escape(comments[name])}</div>' if name in comments else ""
    part = Question(name, 0, kind(cell) != "test").part
    return (
        f'<p id="{escape(name)}" class="{look}"><strong>{part}: {said}</strong></p>{text}'
        + (f'<pre class="error">{escape(hint)}</pre>' if hint else "")
        + comment
    )


def _source(cell: NotebookNode) -> str:
    if cell.cell_type == "code":
        return _code(cell.source)
    return _markdown(cell.source) if cell.cell_type == "markdown" else f"<pre>{escape(cell.source)}</pre>"


def _code(source: str) -> str:
    if len(source) > LONGEST:
        return f"<pre>{escape(source)}</pre>"
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    return highlight(source, PythonLexer(), HtmlFormatter(nowrap=False))


def _markdown(text: str) -> str:
    """Markdown without HTML; formulas stay as they were typed, which needs no network."""
    import mistune

    if len(text) > LONGEST:
        return f"<pre>{escape(text)}</pre>"
    try:
        return mistune.create_markdown(escape=True, plugins=["table", "math"])(text)
    except RecursionError:
        return f"<pre>{escape(text)}</pre>"


def _outputs(cell: NotebookNode) -> str:
    return "".join(_output(one) for one in cell.get("outputs", []))


def _output(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return f"<pre>{escape(_plain(output.text))}</pre>"
    if output.output_type == "error":
        return f'<pre class="error">{escape(_plain(f"{output.ename}: {output.evalue}"))}</pre>'
    data = output.get("data", {})
    for mime, start in PICTURES.items():
        try:
            picture = base64.b64decode("".join(str(data.get(mime, "")).split()), validate=True)
        except (binascii.Error, ValueError):
            continue
        if picture.startswith(start):
            again = base64.b64encode(picture).decode()
            return f'<p><img alt="what the cell draws" src="data:{mime};base64,{again}"></p>'
    text = data.get("text/plain", "")
    return f"<pre>{escape(_plain(str(text)))}</pre>" if text else ""


def _plain(text: str) -> str:
    """Without the codes that colour a terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
