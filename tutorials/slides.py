"""make slides: a deck for each week of the twelve-week plan, from the stored lessons.

python tutorials/slides.py [--reveal URL]

A slide for each section (its heading, first paragraph and formulas), one for each figure with what to see in it, one
for each exercise; the rest of the text is in the speaker's notes (key s).  The decks need reveal.js and MathJax from
the network, or a folder with reveal.js as --reveal.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

__all__ = ["deck", "weeks"]

LESSONS = Path(__file__).resolve().parent
PLAN = LESSONS / "assignments" / "README.md"
FORMULA = re.compile(r"\$\$.*?\$\$", re.DOTALL)


def weeks(plan: str) -> dict[int, list[str]]:
    """week -> the numbers of its lessons, from the table of the instructor's guide."""
    _, _, table = plan.partition("| week | read | due |")
    found = {}
    for line in table.split("\n\n")[0].splitlines():
        row = re.match(r"\| (\d+) \| ([^|]*) \|", line)
        if row:
            found[int(row[1])] = re.findall(r"\b\d\d\b", row[2])
    return found


def deck(week: int, lessons: list[NotebookNode]) -> NotebookNode:
    """The notebook that nbconvert makes slides of."""
    titles = [lesson.cells[0].source.splitlines()[0].lstrip("# ") for lesson in lessons]
    slides = [_slide("# Week {}\n\n{}".format(week, "\n\n".join(titles)), "slide")]
    for lesson in lessons:
        for cell, after in zip(
            lesson.cells, [*lesson.cells[1:], v4.new_markdown_cell("")]
        ):
            slides += (
                _of_text(cell.source)
                if cell.cell_type == "markdown"
                else _of_code(cell, after)
            )
    notebook = v4.new_notebook(cells=slides)
    notebook.metadata.title = f"Week {week}"
    return notebook


def _slide(text: str, kind: str) -> NotebookNode:
    return v4.new_markdown_cell(text, metadata={"slideshow": {"slide_type": kind}})


def _of_text(text: str) -> list[NotebookNode]:
    """A section or exercise: heading, first paragraph, formulas; what is left becomes notes."""
    heading = re.match(r"(#{1,3} .+)\n+", text)
    if heading is None:
        return (
            []
            if text.startswith("**What you should see**")
            else [_slide(text, "notes")]
        )
    kind = "subslide" if heading[1].startswith("###") else "slide"
    body = text[heading.end() :]
    formulas = FORMULA.findall(body)
    plain = [part.strip() for part in FORMULA.split(body)]
    first = next(
        (
            part
            for part in "\n\n".join(plain).split("\n\n")
            if part and not part.startswith("[Open in")
        ),
        "",
    )
    slide = _slide("\n\n".join([heading[1], first, *formulas[:2]]), kind)
    return [slide, _slide(body, "notes")] if body.strip() != first else [slide]


def _of_code(cell: NotebookNode, after: NotebookNode) -> list[NotebookNode]:
    """A figure, and the sentence that says what to see in it."""
    pictures = [
        one
        for one in cell.outputs
        if {"image/png", "image/gif"} & set(one.get("data", {}))
    ]
    if not pictures:
        return []
    figure = v4.new_code_cell(
        "",
        outputs=pictures,
        metadata={**cell.metadata, "slideshow": {"slide_type": "subslide"}},
    )
    seen = after.source.removeprefix("**What you should see** ")
    if seen == after.source:
        return [figure]
    first, _, rest = seen.partition(". ")
    return [figure, _slide(first.rstrip(".") + ".", "-"), _slide(rest, "notes")]


def write(target: Path, reveal: str) -> list[Path]:
    """target/week_01.html, ...; their paths."""
    from nbconvert import SlidesExporter

    exporter = SlidesExporter(
        exclude_input=True, exclude_input_prompt=True, exclude_output_prompt=True
    )
    exporter.reveal_scroll = True
    exporter.reveal_theme = "simple"
    if reveal:
        exporter.reveal_url_prefix = reveal
    target.mkdir(parents=True, exist_ok=True)
    written = []
    for week, numbers in weeks(PLAN.read_text("utf-8")).items():
        lessons = [
            nbformat.read(path, as_version=4)
            for number in numbers
            for path in LESSONS.glob(f"{number}_*.ipynb")
        ]
        page, _ = exporter.from_notebook_node(deck(week, lessons))
        written.append(target / f"week_{week:02d}.html")
        written[-1].write_text(page, "utf-8")
    return written


def main(argv: list[str] | None = None) -> int:
    """0."""
    parser = argparse.ArgumentParser(description="A deck of slides for each week.")
    parser.add_argument("--out", type=Path, default=LESSONS.parent / "out" / "slides")
    parser.add_argument(
        "--reveal",
        default="",
        help="a folder or address of reveal.js, instead of the network's",
    )
    options = parser.parse_args(argv)
    paths = write(options.out, options.reveal)
    print(f"{len(paths)} decks in {options.out}, the first is {paths[0].name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
