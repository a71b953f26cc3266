"""make assignments: the students' notebooks, as a folder and a zip file.

python -m tutorials.assignments.release [--term NAME] [--out FOLDER]
"""

import argparse
import shutil
import sys
import tempfile
import zipfile
from contextlib import contextmanager
from pathlib import Path

from .course import leaks, make_course
from .plan import ROOT, SOURCE, assignments

__all__ = ["release", "sources"]

OLD = (1980, 1, 1, 0, 0, 0)  # the same notebooks make the same zip file, bit for bit


@contextmanager
def sources(term: str | None):
    """The folder of sources: ours, or the variant of a term."""
    if term is None:
        yield SOURCE
        return
    from .vary import vary  # needs torch

    with tempfile.TemporaryDirectory() as folder:
        vary(term, Path(folder))
        yield Path(folder)


def release(target: Path, source: Path = SOURCE) -> list[Path]:
    """Write a1.ipynb, ... and assignments.zip to the folder target; the notebooks' paths.

    Raises RuntimeError if nbgrader refuses a source, or a marker of a solution is left.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        made = make_course(Path(folder) / "course", source)
        for name in assignments(source):
            text = (made / name / f"{name}.ipynb").read_text("utf-8")
            if leaks(text):
                raise RuntimeError(f"{name}: the release would show {', '.join(leaks(text))}")
        paths = [Path(shutil.copy(made / name / f"{name}.ipynb", target)) for name in assignments(source)]
    temporary = target / "assignments.zip.tmp"
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            about = zipfile.ZipInfo(f"assignments/{path.name}", OLD)
            archive.writestr(about, path.read_bytes(), zipfile.ZIP_DEFLATED)
    temporary.replace(target / "assignments.zip")
    return paths


def main(argv: list[str] | None = None) -> int:
    """0 if everything was written."""
    parser = argparse.ArgumentParser(description="Write the students' release of the assignments.")
    parser.add_argument("--term", help="release this term's variant")
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "assignments")
    options = parser.parse_args(argv)
    with sources(options.term) as source:
        paths = release(options.out, source)
    print(f"{len(paths)} assignments without solutions in {options.out}, and all of them in assignments.zip")
    return 0


if __name__ == "__main__":
    sys.exit(main())
