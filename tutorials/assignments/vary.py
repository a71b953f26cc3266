"""Draw a term's variant of the assignments: python -m tutorials.assignments.vary --term 2027-spring.

A line of a test cell such as

    first, last = 0.8, 0.3  # vary: 0.7 to 0.9, 0.2 to 0.5

gets new numbers, integers where the old ones are.  They depend on the term's name alone.  Every variant is tried: the
reference must earn all points, a blank notebook none.
"""

import argparse
import random
import re
import sys
from functools import partial
from pathlib import Path

import nbformat

from .plan import ROOT, SOURCE, assignments, kind, name_of, questions, read
from .quick import score, solutions

__all__ = ["draw", "vary"]

LINE = re.compile(r"(?m)^(?P<names>[\w, ]+) = (?P<old>[-\d., e]+?)  # vary: (?P<ranges>.+)$")
TRIES = 20  # a constant may be unlucky, such as an order measured where the error changes its sign


def draw(notebook: nbformat.NotebookNode, seed: str) -> int:
    """Give every `# vary` line of the notebook new numbers, in place; how many lines there were."""
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and kind(cell) == "test":
            dice = random.Random(f"{seed}/{name_of(cell)}")
            cell.source, found = LINE.subn(partial(_redrawn, dice), cell.source)
            count += found
    return count


def _redrawn(dice: random.Random, line: re.Match) -> str:
    old = line["old"].split(", ")
    ranges = [part.split(" to ") for part in line["ranges"].split(", ")]
    new = []
    for value, (low, high) in zip(old, ranges, strict=True):
        whole = re.fullmatch(r"-?\d+", value) is not None
        new.append(str(dice.randint(int(low), int(high)) if whole else round(dice.uniform(float(low), float(high)), 2)))
    return f"{line['names']} = {', '.join(new)}  # vary: {line['ranges']}"


def fair(notebook: nbformat.NotebookNode) -> str | None:
    """None if the reference earns all automatic points and a blank notebook none, else what is wrong."""
    full = {question.name: question.points for question in questions(notebook) if not question.by_hand}
    got, messages = score(notebook, solutions(notebook))
    if got != full:
        return f"the reference fails {messages}"
    got, _ = score(notebook, {})
    return None if not any(got.values()) else f"a blank notebook earns {got}"


def vary(term: str, target: Path, source: Path = SOURCE) -> dict[str, int]:
    """Write the term's variant of every assignment below target; assignment -> how many lines are new.

    Raises RuntimeError where no draw passes its own tests.
    """
    counts = {}
    for name in assignments(source):
        for attempt in range(TRIES):
            notebook = read(name, source)
            counts[name] = draw(notebook, f"{term}/{attempt}")
            why = fair(notebook)
            if why is None:
                break
        else:
            raise RuntimeError(f"no variant of {name} passes its own tests after {TRIES} draws: {why}")
        (target / name).mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target / name / f"{name}.ipynb")
    return counts


def main(argv: list[str] | None = None) -> int:
    """0; prints one line for each assignment."""
    parser = argparse.ArgumentParser(description="Draw a term's variant of the assignments.")
    parser.add_argument("--term", required=True, help="any name; the same name draws the same variant")
    parser.add_argument("--out", type=Path, help="folder to write to (out/assignments-TERM)")
    options = parser.parse_args(argv)
    name = re.sub(r"[^\w.-]", "-", options.term)
    target = options.out or ROOT / "out" / f"assignments-{name}"
    for name, count in vary(options.term, target).items():
        print(f"{name}: {count} lines drawn anew; reference full, blank 0")
    print(f"sources in {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
