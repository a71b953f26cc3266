"""The stored students of notebooks 07 and 08: runs that a lesson shows in part, or beside one that it trains itself.

    python experiments/lessons.py [NAME ...] [--iterations N]

NAME: lesson_cd (07, from the stored teacher), lesson_cd_exact, lesson_ict or lesson_ect (08, from scratch); by default
all.  Writes data/NAME.safetensors in half precision, with the command and the measured quality inside.  The data are
the eight Gaussians.
"""

import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.stored import command, store_student, stored_teacher, trained  # noqa: E402
from minicm.data import eight_gaussians, eight_gaussians_mixture  # noqa: E402
from minicm.lab.recipes.plane import PATH, Run, cd_run, ect_run, ict_run, new_model  # noqa: E402
from minicm.losses import cd  # noqa: E402


def exact_cd_run(iterations: int) -> Run:
    """CD from scratch, with the exact denoiser as its teacher: 18 levels, one Heun step."""
    return Run(new_model(), cd(PATH, eight_gaussians_mixture().denoiser(PATH)), eight_gaussians, iterations)


# how it trains, and the updates: half a minute of a core for each
RUNS: dict[str, tuple[Callable[[int], Run], int]] = {
    "lesson_cd": (lambda n: cd_run(eight_gaussians, stored_teacher(), n), 3000),
    "lesson_cd_exact": (exact_cd_run, 2200),
    "lesson_ict": (lambda n: ict_run(eight_gaussians, n), 2200),
    "lesson_ect": (lambda n: ect_run(eight_gaussians, n), 2200),
}


def make(name: str, asked: int | None) -> None:
    """Train and store one student."""
    start, usual = RUNS[name]
    iterations = asked or usual
    store_student(name, trained(name, start(iterations), iterations), "lessons", iterations)


if __name__ == "__main__":
    command(__doc__, make, RUNS)
