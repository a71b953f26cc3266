"""nbgrader, used as a library in a folder of its own: no server, no exchange, no configuration files.

A course folder holds source/, release/, submitted/, autograded/, feedback/ and gradebook.db.
"""

import os
import shutil
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .plan import MARKERS, SOURCE, assignments

if TYPE_CHECKING:
    from nbgrader.apps import NbGraderAPI

__all__ = ["STUDENT", "database", "leaks", "make_course", "open_course"]

STUDENT = "student"  # every submission has a course folder of its own, and is its only student


def database(root: Path) -> str:
    """The address of the course's gradebook."""
    return f"sqlite:///{root.resolve() / 'gradebook.db'}"


def with_scripts() -> None:
    """Put the programs of this Python's environment first on PATH: nbgrader starts `alembic` by its bare name."""
    scripts = sysconfig.get_path("scripts")
    if scripts not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([scripts, os.environ["PATH"]])


def open_course(root: Path, cell_seconds: int = 60) -> "NbGraderAPI":
    """nbgrader for the course folder root; a cell that runs longer than cell_seconds is interrupted."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    with_scripts()
    config = Config()
    config.CourseDirectory.root = str(root.resolve())
    config.CourseDirectory.course_id = "minicm"
    config.CourseDirectory.db_url = database(root)
    config.Exchange.root = str(root.resolve() / "exchange")  # nothing of ours uses it; by default it is in /usr/local
    (root / "exchange").mkdir(parents=True, exist_ok=True)
    config.Execute.timeout = cell_seconds
    config.ExecutePreprocessor.timeout = cell_seconds
    config.IgnorePattern.enabled = True  # otherwise whatever a test prints to stderr costs all its points
    config.IgnorePattern.pattern = r"(?s)."  # a dot alone leaves out a lone newline, with which tqdm ends
    return NbGraderAPI(config=config)


def make_course(root: Path, source: Path = SOURCE, names: Sequence[str] | None = None) -> Path:
    """root/release, made by nbgrader from the assignments in source, beside a gradebook that knows their tests.

    names: of the assignments; None for all.

    Raises RuntimeError, with nbgrader's own words, where it refuses a source.
    """
    root.mkdir(parents=True, exist_ok=True)
    api = open_course(root)
    for name in assignments(source) if names is None else names:
        (root / "source" / name).mkdir(parents=True)
        shutil.copy(source / name / f"{name}.ipynb", root / "source" / name)
        done = api.generate_assignment(name)
        if not done["success"]:
            raise RuntimeError(f"nbgrader cannot release {name}: {done['log'] or done['error']}")
    return root / "release"


def leaks(text: str) -> list[str]:
    """The markers of solutions, hidden tests and mark schemes that are left in a release."""
    return [marker for marker in MARKERS if marker in text]
