"""The stored models of 8 x 8 digits, grey and tinted: a consistency student each, distilled from a diffusion teacher.

    python experiments/digits_mlp.py [digits] [tinted]

writes data/digits_student.safetensors and data/tinted_student.safetensors, with the command and the measured quality
inside.  The networks see one half of the pictures; quality is measured against the other half.

The student learns f(x_t, t) = x at t_min directly, by regression on trajectories of the teacher.  With this small
network in 64 dimensions CD and sCD (3000 to 8000 updates) left low noise nearly untouched, f(x, t) = x for noise-to-
signal ratios below .1, and their samples had speckles.
"""

import argparse
import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from minicm.checkpoints import save_weights
from minicm.data.digits import digit_halves, tinted
from minicm.evaluation import energy_distance
from minicm.lab.recipes.plane import Run
from minicm.losses import VelocityLoss
from minicm.nets import MLP
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.sampling import consistency_sample
from minicm.shapes import Sampler, like, per_sample
from minicm.solvers import heun_step, probability_flow, trajectory
from minicm.times import karras_grid, log_normal

FOLDER = Path(__file__).resolve().parent.parent / "data"
PATH = TrigFlow()
LOWEST = 0.01  # noise-to-signal ratio: below, a picture is its own end


@dataclass(frozen=True)
class Settings:
    shape: tuple[int, ...]
    width: int
    depth: int  # hidden layers; the file must stay below 1 MB
    teacher_iterations: int = 6000
    student_iterations: int = 7000
    trajectories: int = 16_000
    batch_size: int = 128
    lr: float = 2e-3


SETTINGS = {"digits": Settings((1, 8, 8), 256, 4), "tinted": Settings((3, 8, 8), 264, 3)}


def new_model(name: str, seed: int = 0) -> Preconditioned:
    """The untrained network of `digits` or `tinted`; the global generator is as it was."""
    s = SETTINGS[name]
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return Preconditioned(MLP(torch.Size(s.shape).numel(), s.width, s.depth), TrigFlowScaling(PATH.sigma_data))


def described(name: str) -> dict[str, str]:
    """What `minicm sample` and `edit` read of a file: the experiment that has this network, and its fields."""
    s = SETTINGS[name]
    fields = {"width": s.width, "depth": s.depth, "classes": 0, "channels": s.shape[0]}
    return {"experiment": "digits_direct", "fields": json.dumps(fields)}


def data(name: str) -> tuple[Tensor, Tensor]:
    """The half to train on and the half to judge by, float32."""
    h = digit_halves()
    if name == "digits":
        return h.train, h.test
    return tinted(h.train, h.train_labels), tinted(h.test, h.test_labels)


def drawn_from(points: Tensor) -> Sampler:
    """Rows of points with replacement."""
    return lambda n, generator: points[torch.randint(len(points), (n,), generator=generator)]


def teacher_run(name: str, points: Tensor) -> Run:
    s = SETTINGS[name]
    loss = VelocityLoss(PATH, log_normal(-1.2, 1.2))
    return Run(new_model(name), loss, drawn_from(points), s.teacher_iterations, 0, s.batch_size, s.lr)


@dataclass(frozen=True)
class Trajectories:
    """States x (M, *S) at times t (M,) of solved trajectories, and which of the ends (N, *S) each leads to, (M,)."""

    x: Tensor
    t: Tensor
    which: Tensor
    ends: Tensor


@torch.no_grad()
def solved(name: str, teacher: nn.Module, seed: int = 2) -> Trajectories:
    """The teacher's own ODE from noise to data by Heun's method, on grids of 18 to 25 steps for a spread of times."""
    s, generator, xs, ts = SETTINGS[name], torch.Generator().manual_seed(seed), [], []
    field, chunk, ends = probability_flow(teacher, PATH), s.trajectories // 8, []
    for k in range(8):
        times = PATH.time_at(karras_grid(18 + k)).clamp(PATH.t_min, PATH.t_max)
        path = trajectory(field, PATH.prior((chunk, *s.shape), generator), times, heun_step)  # (N + 1, chunk, *S)
        kept = PATH.nsr(times) > LOWEST
        xs.append(path[kept].flatten(0, 1))
        ts.append(times[kept].repeat_interleave(chunk))
        ends.append(path[-1])
    which = torch.cat([k * chunk + torch.arange(chunk).repeat(len(x) // chunk) for k, x in enumerate(xs)])
    return Trajectories(torch.cat(xs), torch.cat(ts), which, torch.cat(ends))


def student_run(name: str, teacher: nn.Module) -> Run:
    """Regression of f on the ends, every level weighted as in diffusion training: by 1/σ², an error of F."""
    s, known = SETTINGS[name], solved(name, teacher)

    def loss(model: nn.Module, rows: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        x, t, end = known.x[rows], known.t[rows], known.ends[known.which[rows]]
        return per_sample((model(x, t) - end) ** 2 / like(PATH.sigma(t) ** 2, x)) / x[0].numel()

    def rows(n: int, generator: torch.Generator) -> Tensor:
        return torch.randint(len(known.x), (n,), generator=generator)

    student = deepcopy(teacher).requires_grad_(True)
    return Run(student, loss, rows, s.student_iterations, 1, s.batch_size, s.lr)


def trained(label: str, run: Run) -> nn.Module:
    for _ in tqdm(run.records(), total=run.iterations, desc=label):
        pass
    return run.average.model


@torch.no_grad()
def samples(model: nn.Module, name: str, n: int, times: list[float], seed: int = 0) -> Tensor:
    """n pictures in len(times) evaluations."""
    generator = torch.Generator().manual_seed(seed)
    noise = PATH.prior((n, *SETTINGS[name].shape), generator)
    return consistency_sample(model, noise, times, PATH, generator)


def nearest(x: Tensor, points: Tensor) -> float:
    """Median distance of a picture to the nearest of points: memorised pictures have it near 0."""
    return torch.cdist(x.flatten(1), points.flatten(1)).amin(1).median().item()


def quality(x: Tensor, train: Tensor, test: Tensor) -> dict[str, float]:
    """Energy distance to the test half over that of the train half, and distances to the nearest training picture."""
    return {
        "ed_over_floor": energy_distance(x, test) / energy_distance(train[: len(test)], test),
        "nearest": nearest(x, train),
        "nearest_of_test": nearest(test, train),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(SETTINGS), help="digits, tinted; both by default")
    torch.set_num_threads(1)
    for name in parser.parse_args().names:
        s, (train, test) = SETTINGS[name], data(name)
        teacher = trained(f"{name} teacher", teacher_run(name, train))
        student = trained(f"{name} student", student_run(name, teacher))
        found = quality(samples(student, name, len(test), [PATH.t_max]), train, test)
        file = FOLDER / f"{name}_student.safetensors"
        note = {
            "command": f"python experiments/digits_mlp.py {name}",
            "iterations": f"{s.teacher_iterations} of the teacher, {s.student_iterations} of the student",
            "evaluations": "1",
            **described(name),
        }
        save_weights(student, file, metadata=note | {key: f"{value:.2f}" for key, value in found.items()})
        print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB, {found}")


if __name__ == "__main__":
    main()
