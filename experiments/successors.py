"""The stored flow maps of notebook 13: the successors on eight Gaussians, all from the stored teacher.

    python experiments/successors.py [NAME ...] [--iterations N]

NAME: successor_ctm, successor_shortcut, successor_meanflow, successor_eulerian, successor_lagrangian or successor_imm;
by default all.  Writes data/NAME.safetensors in half precision, with the command and the measured quality inside.  The
losses are those of minicm.lab.recipes.rivals; learning rate and average are those of `scd_run`, for all.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.stored import command, rounded, store, stored_teacher, trained  # noqa: E402
from minicm.data import eight_gaussians, eight_gaussians_mixture  # noqa: E402
from minicm.evaluation import Yardstick  # noqa: E402
from minicm.lab.recipes import rivals as recipes  # noqa: E402
from minicm.lab.recipes.plane import PATH  # noqa: E402
from minicm.lab.recipes.rivals import LEVELS, by_jumps  # noqa: E402
from minicm.rivals import FlowMap  # noqa: E402

ITERATIONS = 1500  # some twenty seconds of one core for each
RUNS = {
    "successor_ctm": recipes.ctm_run,
    "successor_shortcut": recipes.shortcut_run,
    "successor_meanflow": recipes.meanflow_run,
    "successor_eulerian": recipes.eulerian_run,
    "successor_lagrangian": recipes.lagrangian_run,
    "successor_imm": recipes.imm_run,
}


def measured(model: FlowMap, yardstick: Yardstick) -> dict[str, str]:
    """What is stored beside the weights: the quality of samples that take 1, 2 and 4 jumps, no noise between them."""
    noise, note = PATH.prior((yardstick.n, 2), torch.Generator().manual_seed(0)), {}
    for evaluations in LEVELS:
        found = yardstick.measure(by_jumps(model, noise, evaluations, torch.Generator()))
        note[f"ed_over_floor_{evaluations}"] = f"{found.ed_over_floor:.2f}"
        note[f"c2st_{evaluations}"] = f"{found.c2st:.3f}"
    return note


def make(name: str, asked: int | None) -> None:
    """Train and store one flow map."""
    iterations = asked or ITERATIONS
    run = replace(RUNS[name](eight_gaussians, stored_teacher(), iterations, 1), lr=3e-3, sigma_rel=0.1)
    model = rounded(trained(name, run, iterations))  # what half precision keeps
    note = measured(model, Yardstick(eight_gaussians, mixture=eight_gaussians_mixture()))
    store(name, model.half(), "successors", iterations, note)


if __name__ == "__main__":
    command(__doc__, make, RUNS)
