"""The stored models of the 2D notebooks: a diffusion teacher and its consistency student, for each data set.

    python experiments/toys.py [NAME ...] [--iterations N]

writes data/NAME_teacher.safetensors and data/NAME_scd.safetensors, with the command and the measured quality inside.
"""

import argparse
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from minicm.checkpoints import save_weights
from minicm.data import eight_gaussians_mixture, toy
from minicm.evaluation import Quality, Yardstick
from minicm.lab.recipes.plane import PATH, Run, diffusion_run, scd_run
from minicm.sampling import consistency_sample
from minicm.solvers import heun_step, integrate, probability_flow
from minicm.times import karras_grid

FOLDER = Path(__file__).resolve().parent.parent / "data"
ITERATIONS = 12_000  # of each model: about a minute of one core for both


def trained(name: str, run: Run) -> nn.Module:
    for _ in tqdm(run.records(), total=run.iterations, desc=name):
        pass
    return run.average.model


@torch.no_grad()
def by_ode(teacher: nn.Module, noise: torch.Tensor) -> torch.Tensor:
    """Samples with 79 evaluations of the teacher, near the end of its own ODE."""
    x = integrate(probability_flow(teacher, PATH), noise, PATH.time_at(karras_grid(39)), heun_step)
    return teacher(x, torch.full((len(x),), PATH.t_min, dtype=torch.float64))


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=["eight_gaussians"], help="data sets (eight_gaussians)")
    parser.add_argument("--iterations", type=int, default=ITERATIONS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in options.names:
        sampler = toy(name)
        yardstick = Yardstick(sampler, mixture=eight_gaussians_mixture() if name == "eight_gaussians" else None)
        noise = PATH.prior((yardstick.n, 2), torch.Generator().manual_seed(0))
        teacher = trained(f"{name} teacher", diffusion_run(sampler, options.iterations))
        quality = yardstick.measure(by_ode(teacher, noise))
        store(teacher, FOLDER / f"{name}_teacher.safetensors", quality, 79, options.iterations)
        student = trained(f"{name} student", scd_run(sampler, teacher, options.iterations, seed=1))
        quality = yardstick.measure(consistency_sample(student, noise, [PATH.t_max], PATH))
        store(student, FOLDER / f"{name}_scd.safetensors", quality, 1, options.iterations)


if __name__ == "__main__":
    main()
