"""The stored students of notebook 12: one teacher, five ways to distil it to one evaluation.

    python experiments/rivals.py [NAME ...] [--iterations N]

writes data/NAME.safetensors, in half precision, with the command and the measured quality inside.  NAME is one of
rival_direct, rival_progressive, rival_vsd, rival_dmd and rival_adversarial; the teacher is the stored one of the eight
Gaussians, and the settings are those of minicm.lab.recipes.rivals.
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
from minicm.lab.recipes import rivals as recipes
from minicm.lab.recipes.plane import PATH, Chain, Run, new_model
from minicm.rivals import Pairs
from minicm.sampling import consistency_sample
from minicm.shapes import Sampler

FOLDER = Path(__file__).resolve().parent.parent / "data"
ITERATIONS = 6000  # updates of the student, over all stages: one to three minutes of one core for each method
N = 5000  # samples of a measurement, as in the notebook


def stored_teacher() -> nn.Module:
    """The diffusion model that all rivals start from, frozen."""
    teacher = new_model().eval().requires_grad_(False)
    load_weights(teacher, FOLDER / "eight_gaussians_teacher.safetensors")
    return teacher


def with_pairs(run: Callable[..., Run]) -> Callable[[nn.Module, int], Run]:
    """run, given the teacher and the table of its noise-sample pairs."""
    return lambda teacher, n: run(eight_gaussians, teacher, recipes.teacher_pairs(teacher), n)


def direct(sampler: Sampler, teacher: nn.Module, pairs: Pairs, iterations: int) -> Run:
    """`recipes.direct_run` from the teacher's weights."""
    return recipes.direct_run(sampler, teacher, pairs, iterations)


RUNS: dict[str, Callable[[nn.Module, int], Run | Chain]] = {
    "rival_direct": with_pairs(direct),
    "rival_progressive": lambda teacher, n: recipes.progressive_run(eight_gaussians, teacher, n),
    "rival_vsd": lambda teacher, n: recipes.vsd_run(eight_gaussians, teacher, n),
    "rival_dmd": with_pairs(recipes.dmd_run),
    "rival_adversarial": lambda teacher, n: recipes.adversarial_run(eight_gaussians, teacher, n),
}


def trained(name: str, iterations: int) -> nn.Module:
    """The averaged student; of progressive distillation the last stage's, which takes one step."""
    run = RUNS[name](stored_teacher(), iterations)
    for _ in tqdm(run.records(), total=iterations, desc=name):
        pass
    return run.models[-1] if isinstance(run, Chain) else run.average.model


def quality(model: nn.Module, n: int = N) -> Quality:
    """Of n samples with one evaluation each, the model's answer to pure noise."""
    noise = PATH.prior((n, 2), torch.Generator().manual_seed(0))
    return Yardstick(eight_gaussians, n=n, mixture=eight_gaussians_mixture()).measure(
        consistency_sample(model, noise, [PATH.t_max], PATH)
    )


def store(name: str, model: nn.Module, iterations: int, command: str) -> None:
    """Write the weights in half precision, after measuring what they are worth when read back.

    command: what makes this file.
    """
    rounded = deepcopy(model).half().float()
    found, before = quality(rounded), quality(model)
    note = {
        "command": command,
        "iterations": str(iterations),
        "evaluations": "1",
        "ed_over_floor": f"{found.ed_over_floor:.2f}",
        "c2st": f"{found.c2st:.3f}",
        "modes": str(found.modes),
    }
    save_weights(rounded.half(), FOLDER / f"{name}.safetensors", metadata=note)
    print(f"{name}: {found}; before rounding: {before}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(RUNS), help=f"{', '.join(RUNS)} (all)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(RUNS))
    if unknown:
        parser.error(f"expected names among {', '.join(RUNS)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    for name in options.names:
        store(name, trained(name, options.iterations), options.iterations, f"python experiments/rivals.py {name}")


if __name__ == "__main__":
    main()
