"""An autograder for Gradescope: python -m tutorials.assignments.gradescope a1 writes out/gradescope_a1.zip.

There, `run_autograder` calls this module again, with the folder of a submission and the file for results.  Students
see their points and the hints of the visible tests; of hidden tests they see nothing until you publish the grades.
"""

import argparse
import json
import sys
import tempfile
import zipfile
from pathlib import Path

from .containment import Limits, Worker
from .pages import hint_of
from .plan import ROOT, SOURCE, assignments, read
from .release import OLD, sources
from .report import Row
from .score import Bench, score_submission
from .submissions import CONTENT, Submission

__all__ = ["bundle", "results"]

SETUP = """#!/usr/bin/env bash
# Gradescope runs this once, to build the image in which work is graded.
set -e
apt-get update && apt-get install -y python3 python3-venv
python3 -m venv /autograder/python
cd /autograder/source
/autograder/python/bin/python -m pip install --no-cache-dir -c constraints.txt ".[notebooks]" psutil filelock
"""
RUN = """#!/usr/bin/env bash
# Gradescope runs this for each submission.
base=${AUTOGRADER:-/autograder}
python=${PYTHON:-$base/python/bin/python}
cd "$base/source" || exit 1
exec "$python" -m tutorials.assignments.gradescope "$base/submission" "$base/results/results.json"
"""
LIMITS = Limits(seconds=240)  # Gradescope's own is ten minutes, start included


def bundle(name: str, target: Path, source: Path = SOURCE) -> Path:
    """Write the zip file that Gradescope asks for: the grader, the package, and this assignment alone."""
    files = [path for path in (ROOT / "minicm").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    files += [path for path in (ROOT / "tutorials" / "assignments").rglob("*.py") if "__pycache__" not in path.parts]
    files += [ROOT / part for part in ("pyproject.toml", "constraints.txt", "README.md", "LICENSE")]
    content = {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in files}
    content[f"tutorials/assignments/source/{name}/{name}.ipynb"] = (source / name / f"{name}.ipynb").read_bytes()
    content |= {"setup.sh": SETUP.encode(), "run_autograder": RUN.encode()}
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(content.items()):
            about = zipfile.ZipInfo(path, OLD)
            about.external_attr = (0o755 if path in ("setup.sh", "run_autograder") else 0o644) << 16
            archive.writestr(about, data, zipfile.ZIP_DEFLATED)
    return target


def results(submission: Path, work: Path, source: Path = SOURCE, limits: Limits = LIMITS) -> dict:
    """What results.json holds for the folder of one submission, whatever its notebook is called."""
    (name,) = assignments(source)
    found = sorted(submission.rglob("*.ipynb"), key=lambda path: (name.encode() not in _holds(path), path.name))
    if not found:
        return {"output": "not graded: expected a notebook, a file that ends in .ipynb", "tests": []}
    bench = Bench(work.resolve(), {name: read(name, source)}, limits, [submission.resolve(), source.resolve()], "")
    worker = Worker(work / "python")
    try:
        one = Submission("student", name, found[0].read_bytes())
        row = score_submission(bench, worker, one, "student", "")
    finally:
        worker.close()
    print(row.note)  # for the instructor: Gradescope shows this output to staff alone
    if not row.graded and not row.digest:
        raise RuntimeError(row.note)  # the grader's fault is no mark: Gradescope says that the autograder failed
    return _told(row, bench, work / f"student_{name}" / "graded.ipynb") | {"extra_data": {"note": row.note}}


def _holds(path: Path) -> list[bytes]:
    return CONTENT.findall(path.read_bytes())


def _told(row: Row, bench: Bench, graded: Path) -> dict:
    """The points of each test with its words; a hidden one is invisible until grades are published."""
    import nbformat

    asked = bench.asked[row.assignment]
    if not row.graded:
        return {"output": row.note, "tests": []}
    hints = {
        cell.metadata.get("nbgrader", {}).get("grade_id"): hint_of(cell) for cell in nbformat.read(graded, 4).cells
    }
    tests = [
        {
            "name": f"{q.title}: {q.part}",
            "score": row.points[q.name],
            "max_score": q.points,
            "output": hints.get(q.name, ""),
            "visibility": "after_published" if q.name.endswith("-hidden") else "visible",
        }
        for q in asked
        if not q.by_hand
    ]
    by_hand = sum(q.points for q in asked if q.by_hand)
    said = f"{by_hand:g} points more are given by hand." if by_hand else ""
    return {"output": said, "tests": tests, "stdout_visibility": "hidden"}


def main(argv: list[str] | None = None) -> int:
    """With one argument write the zip file, with two grade."""
    parser = argparse.ArgumentParser(description="An autograder for Gradescope.")
    parser.add_argument("what", help="an assignment, such as a1; or the folder of a submission")
    parser.add_argument("results", nargs="?", type=Path, help="results.json, to grade the folder")
    parser.add_argument("--term", help="the variant that was released")
    options = parser.parse_args(argv)
    if options.results is None:
        if options.what not in assignments():
            print(f"minicm: expected A={assignments()[0]} to {assignments()[-1]}, got {options.what}", file=sys.stderr)
            return 1
        with sources(options.term) as source:
            path = bundle(options.what, ROOT / "out" / f"gradescope_{options.what}.zip", source)
        print(f"upload {path.relative_to(ROOT)} on Gradescope under Configure Autograder")
        return 0
    with tempfile.TemporaryDirectory() as work:
        told = results(Path(options.what), Path(work))
    options.results.parent.mkdir(parents=True, exist_ok=True)
    options.results.write_text(json.dumps(told), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
