"""Begin a lesson or an assignment with every cell that the rules ask for; the words are yours.

    python -m tutorials.new tutorials/16_a_topic.ipynb      # and its solution
    python -m tutorials.new tutorials/assignments/source/a7/a7.ipynb

The cells are those of tutorials/templates/.  Nothing is overwritten.  The rules are in
tests/notebook_rules.py and tests/classroom/test_assignments.py.
"""

import re
import sys
from pathlib import Path

import nbformat
from nbformat import v4

from .execute import normalise

__all__ = ["main", "new_assignment", "new_lesson"]

TEMPLATES = Path(__file__).resolve().parent / "templates"
LESSON = re.compile(r"(\d\d)_([a-z0-9]+(?:_[a-z0-9]+)*)\.ipynb")
ASSIGNMENT = re.compile(r"a(\d+)\.ipynb")
CELL = re.compile(r"(?ms)^%% (.*?)\n(.*?)(?=^%% |\Z)")
KINDS = {  # of an assignment's cells -> what is not as in a cell that students may change
    "locked": {"locked": True},
    "answer": {"solution": True},
    "test": {"locked": True, "grade": True},
    "manual": {"solution": True, "grade": True},
}


def new_lesson(path: Path) -> list[Path]:
    """Write the lesson NN_topic.ipynb, and its solution to the folder `solutions` beside it.

    Neither is executed yet.  Raises ValueError if the name is not that of a lesson, and
    FileExistsError if one of the two files is there.
    """
    found = LESSON.fullmatch(path.name)
    if not found:
        raise ValueError(f"expected a name like 16_a_topic.ipynb, got {path.name}")
    words = {
        "number": found[1],
        "title": found[2].replace("_", " ").capitalize(),
        "name": path.stem,
    }
    places = {"lesson": path, "solution": path.parent / "solutions" / path.name}
    for place in places.values():
        _check_free(place)
    for template, place in places.items():
        notebook = v4.new_notebook(cells=[cell for _, cell in _cells(template, words)])
        normalise(notebook)
        _write(place, notebook)
    return list(places.values())


def new_assignment(path: Path) -> list[Path]:
    """Write the nbgrader source aN/aN.ipynb: a question for the machine, one to mark by hand.

    Raises ValueError if the path is not that of a source, FileExistsError if it is there.
    """
    found = ASSIGNMENT.fullmatch(path.name)
    if not found or path.parent.name != path.stem:
        raise ValueError(
            f"expected a path like a7/a7.ipynb, got {path.parent.name}/{path.name}"
        )
    _check_free(path)
    cells = []
    for (name, kind, *points), cell in _cells(
        "assignment", {"number": found[1], "name": path.stem}
    ):
        about = {"schema_version": 3, "grade_id": f"{path.stem}-{name}", "locked": False}
        about |= {"grade": False, "solution": False, "task": False, **KINDS[kind]}
        about |= {"points": int(points[0])} if points else {}
        cell.metadata["nbgrader"], cell.id = about, about["grade_id"]
        cells.append(cell)
    notebook = v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {
        "display_name": "Python 3", "language": "python", "name": "python3"
    }  # fmt: skip
    notebook.metadata["language_info"] = {"name": "python"}
    _write(path, notebook)
    return [path]


def _cells(
    template: str, words: dict[str, str]
) -> list[tuple[list[str], nbformat.NotebookNode]]:
    """(what stands after the cell's kind, cell) of each cell of templates/<template>.txt."""
    text = (TEMPLATES / f"{template}.txt").read_text("utf-8")
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    make = {"text": v4.new_markdown_cell, "code": v4.new_code_cell}
    heads = [(head.split(), body.strip("\n")) for head, body in CELL.findall(text)]
    return [(rest, make[kind](body)) for (kind, *rest), body in heads]


def _check_free(path: Path) -> None:
    if path.exists():
        raise FileExistsError(f"{path} is there already: choose another name")


def _write(path: Path, notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> int:
    """0 if everything was written; otherwise 1, after a line that says why not."""
    try:
        if len(arguments) != 1:
            raise ValueError(
                f"expected one path, tutorials/16_a_topic.ipynb, got {len(arguments)}"
            )
        path = Path(arguments[0])
        made = (new_assignment if ASSIGNMENT.fullmatch(path.name) else new_lesson)(path)
    except (ValueError, FileExistsError) as error:
        print(f"minicm: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"written: {file}" for file in made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
