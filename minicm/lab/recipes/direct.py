"""Direct distillation of pictures: the student learns by heart where the teacher's own trajectories end.

A sample of the data is a whole trajectory with its label: kept states and, last, the end, (B, kept + 1, C, H, W).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ...checks import check_count
from ...data.batches import of_labelled, of_points
from ...losses import pseudo_huber
from ...precond import Preconditioned
from ...rivals.distillation import direct_loss, solved_pairs
from ...seeds import fold
from ...shapes import Denoiser, Loss
from ...solvers.steps import heun_step
from ...times import karras_grid
from ..experiment import Data, Pictures, Training
from ..hardware import Hardware, setting
from .pictures import MIDDLE, PATH, few_steps, learning_rate

_BATCH = 256  # trajectories at once


@dataclass(frozen=True)
class Direct(Hardware):
    """Settings of direct distillation."""

    iterations: int = setting(4000, "updates")
    batch_size: int = setting(64, "trajectories an update")
    lr: float = setting(1e-3, "of Adam; rises over the first fortieth, falls to 0 over the second half")
    clip: float = setting(10.0, "largest gradient norm")
    trajectories: int = setting(4000, "of the teacher, solved before training")
    each: int = setting(36, "evaluations of the teacher for each of them, by Heun's method")
    huber: float = setting(0.03, "c of the pseudo-Huber distance")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")
    seed: int = setting(0, "of trajectories and their order")


def direct(c: Direct, model: Preconditioned, teacher: Preconditioned, pictures: Pictures) -> Training:
    """What trains `model`; the teacher's trajectories are solved here."""
    teacher = teacher.eval().requires_grad_(False)
    return Training(
        model,
        trajectory_loss(learnt_times(c.each), c.huber),
        trajectories(teacher, pictures, count=c.trajectories, evaluations=c.each, seed=c.seed),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=few_steps(pictures.shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.5),
        clip=c.clip,
        seed=c.seed,
    )


def solved_times(evaluations: int) -> Tensor:
    """Times of a trajectory of Heun steps in about so many evaluations, the last one for the end; float64.

    Raises ValueError for fewer than 5.
    """
    check_count("evaluations", evaluations, 5)
    return PATH.time_at(karras_grid((evaluations - 1) // 2)).clamp(PATH.t_min, PATH.t_max)


def learnt_times(evaluations: int) -> Tensor:
    """Those of the states that are learnt from: the noisier half."""
    times = solved_times(evaluations)
    return times[: len(times) // 2]


def trajectories(teacher: Preconditioned, pictures: Pictures, *, count: int, evaluations: int, seed: int) -> Data:
    """Batches of `count` trajectories of the teacher's flow, labels in turn, at `learnt_times` and at their end.

    Raises ValueError for counts < 1.
    """
    check_count("trajectories", count)
    labels = torch.arange(count) % pictures.classes if pictures.classes else None
    states = torch.cat(list(_solved(teacher, pictures.shape, labels, count, evaluations, seed)))
    return partial(of_points, states) if labels is None else partial(of_labelled, states, labels.to(states.device))


def _solved(
    teacher: Preconditioned, shape: tuple[int, ...], labels: Tensor | None, count: int, evaluations: int, seed: int
) -> Iterator[Tensor]:
    device = next(teacher.parameters()).device
    generator = torch.Generator(device).manual_seed(fold(seed, 7))
    times, kept = solved_times(evaluations), len(learnt_times(evaluations))
    for rows in torch.arange(count).split(_BATCH):
        noise = PATH.prior((len(rows), *shape), generator)
        field = teacher if labels is None else teacher.given(labels[rows].to(device))
        states, _, ends = solved_pairs(field, noise, times, PATH, step=heun_step, kept=kept)
        yield torch.cat([states, ends[None]]).transpose(0, 1)


def trajectory_loss(times: Tensor, huber: float) -> Loss:
    """`direct_loss` at a random state of each trajectory; every other state is pure noise, on average.

    times: (kept,), those of the states.
    """
    distance = pseudo_huber(huber)

    def loss(model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        n, device = len(x0), x0.device
        level = torch.randint(len(times), (n,), generator=generator, device=device)
        level = level * torch.randint(2, (n,), generator=generator, device=device)
        x = x0[torch.arange(n, device=device), level]
        return direct_loss(model, x, times.to(device)[level], x0[:, -1], distance=distance)

    return loss
