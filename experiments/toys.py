"""The stored models of the 2D notebooks: a diffusion teacher and its consistency student, for each data set.

    python experiments/toys.py [NAME ...] [--iterations N]

writes data/NAME_teacher.safetensors and data/NAME_scd.safetensors, with the command and the measured quality inside.
The lessons train from those of the eight Gaussians, which keep full precision.  The others travel in half precision, in
the page that `minicm explore` writes, together with NAME_ect.safetensors, a student that has no teacher.
"""

import argparse
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from minicm.checkpoints import save_weights
from minicm.data import eight_gaussians_mixture, toy
from minicm.evaluation import Quality, Yardstick
from minicm.lab.recipes.plane import PATH, Run, diffusion_run, ect_run, scd_run
from minicm.sampling import consistency_sample
from minicm.solvers import heun_step, integrate, probability_flow
from minicm.times import karras_grid

FOLDER = Path(__file__).resolve().parent.parent / "data"
ITERATIONS = 12_000  # of each model: one to two minutes of one core
WHOLE = "eight_gaussians"  # the set whose models keep full precision


def trained(name: str, run: Run) -> nn.Module:
    for _ in tqdm(run.records(), total=run.iterations, desc=name):
        pass
    return run.average.model


@torch.no_grad()
def by_ode(teacher: nn.Module, noise: torch.Tensor) -> torch.Tensor:
    """Samples with 79 evaluations of the teacher, near the end of its own ODE."""
    x = integrate(probability_flow(teacher, PATH), noise, PATH.time_at(karras_grid(39)), heun_step)
    return teacher(x, torch.full((len(x),), PATH.t_min, dtype=torch.float64))


def one_step(student: nn.Module, noise: torch.Tensor) -> torch.Tensor:
    """Samples with one evaluation of the student."""
    return consistency_sample(student, noise, [PATH.t_max], PATH)


def store(model: nn.Module, file: Path, quality: Quality, evaluations: int, iterations: int) -> None:
    note = {
        "command": f"python experiments/toys.py {file.stem.rsplit('_', 1)[0]}",
        "iterations": str(iterations),
        "evaluations": str(evaluations),
        "ed_over_floor": f"{quality.ed_over_floor:.2f}",
        "c2st": f"{quality.c2st:.3f}",
    }
    save_weights(model, file, metadata=note)
    print(f"{file.name}: {evaluations} evaluations, {quality}")


def store_all(name: str, iterations: int) -> None:
    """Train and store the models of one data set."""
    sampler = toy(name)
    yardstick = Yardstick(sampler, mixture=eight_gaussians_mixture() if name == WHOLE else None)
    noise = PATH.prior((yardstick.n, 2), torch.Generator().manual_seed(0))

    def keep(kind: str, model: nn.Module) -> None:
        """Measure what the file will hold, and write it."""
        rounded = model if name == WHOLE else deepcopy(model).half().float()
        x = by_ode(rounded, noise) if kind == "teacher" else one_step(rounded, noise)
        quality, evaluations = yardstick.measure(x), 79 if kind == "teacher" else 1
        kept = rounded if name == WHOLE else rounded.half()
        store(kept, FOLDER / f"{name}_{kind}.safetensors", quality, evaluations, iterations)

    teacher = trained(f"{name} teacher", diffusion_run(sampler, iterations))
    keep("teacher", teacher)
    keep("scd", trained(f"{name} sCD", scd_run(sampler, teacher, iterations, seed=1)))
    if name != WHOLE:
        keep("ect", trained(f"{name} ECT", ect_run(sampler, iterations, seed=1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["eight_gaussians"], help="data sets (eight_gaussians)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in options.names:
        store_all(name, options.iterations)


if __name__ == "__main__":
    main()
