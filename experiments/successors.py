"""The stored flow maps of notebook 13: the successors on eight Gaussians, all from the stored teacher.

    python experiments/successors.py [NAME ...] [--iterations N]

NAME: successor_ctm, successor_shortcut, successor_meanflow, successor_eulerian, successor_lagrangian or successor_imm;
by default all.  Writes data/NAME.safetensors in half precision, with the command and the measured quality inside.  The
losses are those of minicm.lab.recipes.rivals; learning rate and average are those of `scd_run`, for all.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from minicm.checkpoints import load_weights, save_weights
from minicm.data import eight_gaussians, eight_gaussians_mixture
from minicm.evaluation import Yardstick
from minicm.lab.recipes import rivals as recipes
from minicm.lab.recipes.plane import PATH, new_model
from minicm.lab.recipes.rivals import LEVELS, by_jumps
from minicm.rivals import FlowMap

FOLDER = Path(__file__).resolve().parent.parent / "data"
ITERATIONS = 1500  # some twenty seconds of one core for each
RUNS = {
    "successor_ctm": recipes.ctm_run,
    "successor_shortcut": recipes.shortcut_run,
    "successor_meanflow": recipes.meanflow_run,
    "successor_eulerian": recipes.eulerian_run,
    "successor_lagrangian": recipes.lagrangian_run,
    "successor_imm": recipes.imm_run,
}


def stored_teacher() -> torch.nn.Module:
    """The diffusion model that all successors start from, frozen."""
    teacher = new_model().requires_grad_(False)
    load_weights(teacher, FOLDER / "eight_gaussians_teacher.safetensors")
    return teacher


def trained(name: str, teacher: torch.nn.Module, iterations: int) -> FlowMap:
    """The averaged flow map after so many updates."""
    run = replace(RUNS[name](eight_gaussians, teacher, iterations, 1), lr=3e-3, sigma_rel=0.1)
    for _ in tqdm(run.records(), total=iterations, desc=name):
        pass
    return run.average.model


def measured(model: FlowMap, yardstick: Yardstick) -> dict[str, str]:
    """What is stored beside the weights: the quality of samples that take 1, 2 and 4 jumps, no noise between them."""
    noise, note = PATH.prior((yardstick.n, 2), torch.Generator().manual_seed(0)), {}
    for evaluations in LEVELS:
        found = yardstick.measure(by_jumps(model, noise, evaluations, torch.Generator()))
        note[f"ed_over_floor_{evaluations}"] = f"{found.ed_over_floor:.2f}"
        note[f"c2st_{evaluations}"] = f"{found.c2st:.3f}"
    return note


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(RUNS)} (all)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    options = parser.parse_args()
    if unknown := set(options.names) - set(RUNS):
        parser.error(f"expected names among {', '.join(RUNS)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)
    teacher, yardstick = stored_teacher(), Yardstick(eight_gaussians, mixture=eight_gaussians_mixture())
    for name in options.names or RUNS:
        model = trained(name, teacher, options.iterations).half().float()  # what half precision keeps
        note = {"command": f"python experiments/successors.py {name}", "iterations": str(options.iterations)}
        note |= measured(model, yardstick)
        save_weights(model.half(), FOLDER / f"{name}.safetensors", metadata=note)
        print(f"{name}: {note}", flush=True)


if __name__ == "__main__":
    main()
