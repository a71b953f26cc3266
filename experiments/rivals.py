"""The stored students of notebook 12: one teacher, five ways to distil it to one evaluation.

    python experiments/rivals.py [NAME ...] [--iterations N]

writes data/NAME.safetensors, in half precision, with the command and the measured quality inside.  NAME is one of
rival_direct, rival_progressive, rival_vsd, rival_dmd and rival_adversarial; the teacher is the stored one of the eight
Gaussians, and the settings are those of minicm.lab.recipes.rivals.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.stored import command, store_student, stored_teacher, trained  # noqa: E402
from minicm.data import eight_gaussians  # noqa: E402
from minicm.lab.recipes import rivals as recipes  # noqa: E402
from minicm.lab.recipes.plane import Chain, Run  # noqa: E402

ITERATIONS = 6000  # updates of the student, over all stages: one to three minutes of one core for each method


def with_pairs(run: Callable[..., Run]) -> Callable[[nn.Module, int], Run]:
    """run, given the teacher and the table of its noise-sample pairs."""
    return lambda teacher, n: run(eight_gaussians, teacher, recipes.teacher_pairs(teacher), n)


RUNS: dict[str, Callable[[nn.Module, int], Run | Chain]] = {
    "rival_direct": with_pairs(recipes.direct_run),
    "rival_progressive": lambda teacher, n: recipes.progressive_run(eight_gaussians, teacher, n),
    "rival_vsd": lambda teacher, n: recipes.vsd_run(eight_gaussians, teacher, n),
    "rival_dmd": with_pairs(recipes.dmd_run),
    "rival_adversarial": lambda teacher, n: recipes.adversarial_run(eight_gaussians, teacher, n),
}


def make(name: str, asked: int | None) -> None:
    """Train and store one student; of progressive distillation the last stage's, which takes one step."""
    iterations = asked or ITERATIONS
    run = RUNS[name](stored_teacher(), iterations)
    store_student(name, trained(name, run, iterations), "rivals", iterations)


if __name__ == "__main__":
    command(__doc__, make, RUNS)
