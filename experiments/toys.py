"""The stored models of the 2D notebooks: a diffusion teacher and its consistency student, for each data set.

    python experiments/toys.py [NAME ...] [--iterations N]

writes data/NAME_teacher.safetensors and data/NAME_scd.safetensors, with the command and the measured quality inside.
The lessons train from those of the eight Gaussians, which keep full precision.  The others travel in half precision, in
the page that `minicm explore` writes, together with NAME_ect.safetensors, a student that has no teacher.
"""

import sys
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.stored import command, one_step, rounded, store, trained  # noqa: E402
from minicm.data import eight_gaussians_mixture  # noqa: E402
from minicm.data.toys import TOYS, toy  # noqa: E402
from minicm.evaluation import Yardstick  # noqa: E402
from minicm.lab.recipes.plane import PATH, diffusion_run, ect_run, scd_run  # noqa: E402
from minicm.solvers import heun_step, integrate, probability_flow  # noqa: E402
from minicm.times import karras_grid  # noqa: E402

ITERATIONS = 12_000  # of each model: one to two minutes of one core
WHOLE = "eight_gaussians"  # the set whose models keep full precision


@torch.no_grad()
def by_ode(teacher: nn.Module, noise: torch.Tensor) -> torch.Tensor:
    """Samples with 79 evaluations of the teacher, near the end of its own ODE."""
    x = integrate(probability_flow(teacher, PATH), noise, PATH.time_at(karras_grid(39)), heun_step)
    return teacher(x, torch.full((len(x),), PATH.t_min, dtype=torch.float64))


def store_all(name: str, asked: int | None) -> None:
    """Train and store the models of one data set."""
    sampler, iterations = toy(name), asked or ITERATIONS
    yardstick = Yardstick(sampler, mixture=eight_gaussians_mixture() if name == WHOLE else None)
    noise = PATH.prior((yardstick.n, 2), torch.Generator().manual_seed(0))

    def keep(kind: str, model: nn.Module) -> None:
        """Measure what the file will hold, and write it."""
        kept = model if name == WHOLE else rounded(model)
        draw, evaluations = (by_ode, "79") if kind == "teacher" else (one_step, "1")
        found = yardstick.measure(draw(kept, noise))
        measured = {"ed_over_floor": f"{found.ed_over_floor:.2f}", "c2st": f"{found.c2st:.3f}"}
        kept = kept if name == WHOLE else kept.half()
        store(f"{name}_{kind}", kept, "toys", iterations, {"evaluations": evaluations} | measured)

    teacher = trained(f"{name} teacher", diffusion_run(sampler, iterations), iterations)
    keep("teacher", teacher)
    keep("scd", trained(f"{name} sCD", scd_run(sampler, teacher, iterations, seed=1), iterations))
    if name != WHOLE:
        keep("ect", trained(f"{name} ECT", ect_run(sampler, iterations, seed=1), iterations))


if __name__ == "__main__":
    command(__doc__, store_all, TOYS, [WHOLE])
