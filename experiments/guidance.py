"""The stored models of notebook 11b: a student of guidance in the plane, and digits with and without a label.

    python experiments/guidance.py [NAME ...] [--iterations N]

NAME: guided_student, one evaluation at any guidance scale from 1 to 6, distilled (sCD) from the exact guided fields of
`three_arms_mixture`; or guided_digits, a diffusion model of 8 x 8 digits that is told the label nine times in ten, so
that it can be asked with and without one; by default both.  Writes data/NAME.safetensors in half precision, with the
command and the measured quality inside.  A minute of one core for each.
"""

import argparse
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from minicm.checkpoints import save_weights
from minicm.data import digit_halves, three_arms_mixture
from minicm.evaluation import map_error
from minicm.evaluation.digits import digits_classifier, evaluate_digits
from minicm.lab.recipes.plane import PATH, Run, seeded
from minicm.losses import SCMLoss, VelocityLoss, normalised, tangent_warmup
from minicm.nets import MLP, GuidedMLP
from minicm.precond import Preconditioned
from minicm.rivals import GuidedSCMLoss
from minicm.sampling import consistency_sample, guided_by
from minicm.solvers import heun_step, integrate, probability_flow
from minicm.times import log_normal, uniform

FOLDER = Path(__file__).resolve().parent.parent / "data"
SCALES = uniform(1.0, 6.0)
DROPPED = 0.1  # share of the pictures whose label is not told


def new_student() -> Preconditioned:
    """The untrained student of points, told label and guidance scale."""
    return seeded(lambda: GuidedMLP(2, labels=3), 0)


def new_digits() -> Preconditioned:
    """The untrained diffusion model of digits, told a label or none."""
    return seeded(lambda: MLP(64, 256, 3, labels=10), 0)


def student_run(iterations: int) -> Run:
    """sCD from scratch: the teacher is exact, and guided by a scale that is drawn for each point."""
    law = three_arms_mixture().to(torch.float32)
    warmup = tangent_warmup(max(1, iterations // 10))
    loss = SCMLoss(PATH, log_normal(-1.2, 1.6), law.denoiser(PATH), warmup, normalised(0.5))

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        return *law.sample(n, generator), SCALES(n, generator).float()

    return Run(new_student(), GuidedSCMLoss(loss), draw, iterations, lr=3e-3, sigma_rel=0.1)


def digits_run(iterations: int) -> Run:
    """Diffusion training; a label of -1 means none."""
    h = digit_halves()

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(h.train), (n,), generator=generator)
        told = torch.rand(n, generator=generator) >= DROPPED
        return h.train[rows], torch.where(told, h.train_labels[rows], -1)

    return Run(new_digits(), VelocityLoss(PATH, log_normal(-1.2, 1.2)), draw, iterations, sigma_rel=0.1)


@torch.no_grad()
def student_quality(model: Preconditioned, n: int = 1500) -> dict[str, str]:
    """Median distance, data units, of the student's one jump from where the exact guided flow takes the same noise."""
    law, found = three_arms_mixture().to(torch.float32), {}
    noise, label = PATH.prior((n, 2), torch.Generator().manual_seed(0)), torch.arange(n) % law.labels
    for w in (1.0, 3.0, 5.0):
        scales, teacher = torch.full((n,), w), law.denoiser(PATH)
        field = guided_by(teacher.given(label), teacher.given(None), scales)
        ends = integrate(probability_flow(field, PATH), noise, PATH.grid(40), heun_step)
        jumped = consistency_sample(model.given(label, scales), noise, [PATH.t_max], PATH)
        found[f"error_{w:g}"] = f"{map_error(jumped, ends).median:.4f}"
    return found


def guided_digits(model: Preconditioned, w: float, n: int, steps: int = 12) -> tuple[Tensor, Tensor]:
    """n digits, 0 to 9 in turn, by Heun's method along the guided field, and the labels they were asked for."""
    label = torch.arange(n) % 10
    noise = PATH.prior((n, 1, 8, 8), torch.Generator().manual_seed(0))
    field = guided_by(model.given(label), model.given(None), torch.full((n,), w))
    return integrate(probability_flow(field, PATH), noise, PATH.grid(steps), heun_step), label


@torch.no_grad()
def digits_quality(model: Preconditioned) -> dict[str, str]:
    """FD-digits in floors and the share that the classifier reads as asked, of 898 samples at w = 1 and 3."""
    found = {}
    for w in (1.0, 3.0):
        x, label = guided_digits(model, w, 898)
        right = (digits_classifier()(x).argmax(1) == label).double().mean().item()
        found |= {f"over_floor_{w:g}": f"{evaluate_digits(x).over_floor:.2f}", f"right_{w:g}": f"{right:.3f}"}
    return found


Quality = Callable[[Preconditioned], dict[str, str]]
RUNS: dict[str, tuple[Callable[[int], Run], int, Quality]] = {
    "guided_student": (student_run, 8000, student_quality),
    "guided_digits": (digits_run, 6000, digits_quality),
}


def rounded(model: nn.Module) -> nn.Module:
    """A copy whose weights are those that half precision keeps."""
    return deepcopy(model).half().float()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=list(RUNS), help=f"{', '.join(RUNS)} (all)")
    parser.add_argument("--iterations", type=int, help="updates of each")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(RUNS)):
        parser.error(f"expected names among {', '.join(RUNS)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    for name in options.names:
        make, usual, quality = RUNS[name]
        run = make(options.iterations or usual)
        for _ in tqdm(run.records(), total=run.iterations, desc=name):
            pass
        model = rounded(run.result())
        note = {"command": f"python experiments/guidance.py {name}", "iterations": str(run.iterations)}
        found = quality(model)
        save_weights(model.half(), FOLDER / f"{name}.safetensors", metadata=note | found)
        print(f"{name}: {found}")


if __name__ == "__main__":
    main()
