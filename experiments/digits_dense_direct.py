"""A consistency model of 8 x 8 digits with an MLP, by regression on trajectories of digits_dense_diffusion.py's model.

    python -m minicm train experiments/digits_dense_direct.py --teacher runs/digits_dense_diffusion

The teacher's ODE is solved from noise to data once, when the run begins; the student learns where each state ends.  Its
training never sees a picture, only what the teacher makes of noise.

Regression answers with means: its samples are too smooth, 5.9 floors of FD-digits with one evaluation and 3.8 with two.
digits_dense_matching.py goes on from there.  With 30,000 trajectories one evaluation had 3.0 from the noise of the
training and 5.6 from other noise.
"""

from dataclasses import dataclass

import torch
from torch import nn

from minicm.experiment import Pictures, Training
from minicm.hardware import Hardware, chosen_device, placed
from minicm.losses.distillation import DirectLoss, Pairs, drawn_pairs, solved_pairs
from minicm.precond import Preconditioned
from minicm.rungs import DIGITS, PATH, dense_digits_model, digits_data, few_steps, learning_rate, started_from
from minicm.seeds import fold
from minicm.times import karras_grid

_NOISE = 7  # a stream of its own: whoever draws with the same seed must not get the noise of the training


@dataclass(frozen=True)
class Config(Hardware):
    teacher: str = "runs/digits_dense_diffusion"  # the run whose averaged weights teach
    teacher_width: int = 512  # units of a layer of that run's network
    width: int = 336  # of the student's, small enough to be stored
    depth: int = 4  # hidden layers of both
    trajectories: int = 80_000  # of the teacher
    solver_steps: int = 12  # of Heun's method, two evaluations each
    first: float = 0.6  # share of the states that are pure noise; the others are spread over `lowest` and above
    lowest: float = 0.5  # radians
    iterations: int = 9000  # updates
    batch_size: int = 256  # states an update
    lr: float = 2e-3  # of Adam; rises over the first fortieth, falls to 0 over the last three quarters
    clip: float = 10.0  # largest gradient norm
    middle: float = 0.7  # radians, the second level of two-step sampling
    seed: int = 0  # of weights and noise


def new_model(c: Config) -> Preconditioned:
    return dense_digits_model(width=c.width, depth=c.depth, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def solved(teacher: nn.Module, c: Config) -> Pairs:
    """States of the teacher's trajectories down to `lowest`, with the end of each."""
    times = PATH.time_at(karras_grid(c.solver_steps)).clamp(PATH.t_min, PATH.t_max)
    kept = max(1, int((times[:-1] >= c.lowest).sum()))
    device = chosen_device(c)
    noise = PATH.prior((c.trajectories, *DIGITS.shape), torch.Generator(device).manual_seed(fold(c.seed, _NOISE)))
    parts = [solved_pairs(teacher, x, times, PATH, kept=kept) for x in noise.split(1000)]  # small enough for the cache
    return drawn_pairs(
        torch.cat([p[0] for p in parts], 1), parts[0][1], torch.cat([p[2] for p in parts]), first=c.first
    )


def build(c: Config) -> Training:
    model = placed(new_model(c), c)
    untrained = dense_digits_model(width=c.teacher_width, depth=c.depth, seed=c.seed)
    teacher = placed(started_from(untrained, c.teacher, "digits_dense_diffusion"), c).eval().requires_grad_(False)
    return Training(
        model,
        DirectLoss(solved(teacher, c)),
        digits_data(chosen_device(c)),  # only tells how many
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=few_steps(DIGITS.shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.25),
        clip=c.clip,
        seed=c.seed,
    )
