"""The stored students of notebooks 07 and 08: runs that a lesson shows in part, or beside one that it trains itself.

    python experiments/lessons.py [NAME ...] [--iterations N]

NAME: lesson_cd (07, from the stored teacher), lesson_cd_exact, lesson_ict or lesson_ect (08, from scratch); by default
all.  Writes data/NAME.safetensors in half precision, with the command and the measured quality inside.  The data are
the eight Gaussians.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from minicm.checkpoints import load_weights, save_weights
from minicm.data import eight_gaussians, eight_gaussians_mixture
from minicm.evaluation import Quality, Yardstick
from minicm.losses import cd
from minicm.recipes import PATH, Run, cd_run, ect_run, ict_run, new_model
from minicm.sampling import consistency_sample

FOLDER = Path(__file__).resolve().parent.parent / "data"
N = 5000  # samples of a measurement, as in the lessons


def stored_teacher() -> nn.Module:
    """The diffusion model that the student of notebook 07 starts from, frozen."""
    teacher = new_model().eval().requires_grad_(False)
    load_weights(teacher, FOLDER / "eight_gaussians_teacher.safetensors")
    return teacher


def exact_cd_run(iterations: int) -> Run:
    """CD from scratch, with the exact denoiser as its teacher: 18 levels, one Heun step."""
    return Run(new_model(), cd(PATH, eight_gaussians_mixture().denoiser(PATH)), eight_gaussians, iterations)


RUNS: dict[
    str, tuple[Callable[[int], Run], int]
] = {  # how it trains, and the updates: half a minute of a core for each
    "lesson_cd": (lambda n: cd_run(eight_gaussians, stored_teacher(), n), 3000),
    "lesson_cd_exact": (exact_cd_run, 2200),
    "lesson_ict": (lambda n: ict_run(eight_gaussians, n), 2200),
    "lesson_ect": (lambda n: ect_run(eight_gaussians, n), 2200),
}


def quality(model: nn.Module) -> Quality:
    """Of N samples with one evaluation each."""
    noise = PATH.prior((N, 2), torch.Generator().manual_seed(0))
    yardstick = Yardstick(eight_gaussians, N, mixture=eight_gaussians_mixture())
    return yardstick.measure(consistency_sample(model, noise, [PATH.t_max], PATH))


def store(name: str, model: nn.Module, iterations: int) -> None:
    """Write the weights in half precision, after measuring what they are worth when read back."""
    rounded = deepcopy(model).half().float()
    found, before = quality(rounded), quality(model)
    note = {
        "command": f"python experiments/lessons.py {name}",
        "iterations": str(iterations),
        "evaluations": "1",
        "ed_over_floor": f"{found.ed_over_floor:.2f}",
        "c2st": f"{found.c2st:.3f}",
        "modes": str(found.modes),
    }
    save_weights(rounded.half(), FOLDER / f"{name}.safetensors", metadata=note)
    print(f"{name}: {found}; before rounding: {before}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(RUNS)} (all)")
    parser.add_argument("--iterations", type=int, help="updates of each (as in the lessons)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(RUNS)):
        parser.error(f"expected names among {', '.join(RUNS)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    for name in options.names or RUNS:
        make, iterations = RUNS[name]
        run = make(options.iterations or iterations)
        for _ in tqdm(run.records(), total=run.iterations, desc=name):
            pass
        store(name, run.average.model, run.iterations)


if __name__ == "__main__":
    main()
