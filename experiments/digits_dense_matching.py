"""A consistency model of 8 x 8 digits with an MLP, sharpened by distribution matching after digits_dense_direct.py.

    python -m minicm train experiments/digits_dense_matching.py

Regression answers with means, which are too smooth: the student's samples vary less than digits do.  Matching moves
them to where the teacher's density is higher than their own, so the student chooses which noise becomes which picture.
A fake score, a copy of the teacher, follows the samples; it is trained in the same update.  77 seconds of one core,
after about 7 minutes for the two runs before.

FD-digits in floors; 4490 samples each, as `minicm evaluate --seed` draws them with seeds 0, 101 and 102:
    this one                                         2.78, 2.73, 2.15 with one evaluation, 3.10, 3.04, 2.68 with two
    before it, digits_dense_direct.py, seed 0        5.9 and 3.8
    the training half, drawn at random               about 2, all of them copies; the Gaussian fit: 10.3
    easy consistency tuning of an MLP, 4500 updates  11.9 and 4.4, from a teacher of 3000 updates
Nearer to a training picture than 99 % of the test half: 3 % of the samples with one evaluation, none with two, for
those keep some noise.  The teacher itself is at 3.3 (18 steps of Heun's method); digits_dense_energy.py goes on.
"""

from dataclasses import dataclass
from functools import partial

import torch

from minicm.experiment import Pictures, Training
from minicm.hardware import Hardware, chosen_device, placed
from minicm.losses import MatchingLoss, summed
from minicm.losses.matching import fake_score_loss
from minicm.precond import Preconditioned
from minicm.rungs import DIGITS, PATH, dense_digits_model, digits_data, few_steps, learning_rate, started_from
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    start: str = "runs/digits_dense_direct"  # the run whose averaged weights are sharpened
    teacher: str = "runs/digits_dense_diffusion"  # the run whose averaged weights teach
    teacher_width: int = 512  # units of a layer of that run's network
    width: int = 336  # of the student's, small enough to be stored
    depth: int = 4  # hidden layers of both
    iterations: int = 800  # updates
    batch_size: int = 256  # samples an update
    lr: float = 5e-4  # of Adam, for both networks; rises over the first fortieth, falls to 0 over the second half
    clip: float = 1.0  # largest gradient norm
    log_mean: float = -0.5  # of the noise-to-signal ratio at which samples and data are compared
    log_std: float = 1.2  # of the same
    middle: float = 0.7  # radians, the second level of two-step sampling; a third of the samples begin there
    seed: int = 0  # of noise


def new_model(c: Config) -> Preconditioned:
    return dense_digits_model(width=c.width, depth=c.depth, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def taught(c: Config) -> Preconditioned:
    """A network with the teacher's weights."""
    untrained = dense_digits_model(width=c.teacher_width, depth=c.depth, seed=c.seed)
    return placed(started_from(untrained, c.teacher, "digits_dense_diffusion"), c)


def build(c: Config) -> Training:
    model = placed(started_from(new_model(c), c.start, "digits_dense_direct"), c)
    teacher, fake = taught(c).eval().requires_grad_(False), taught(c)
    law = log_normal(c.log_mean, c.log_std)
    levels = torch.tensor([PATH.t_max, PATH.t_max, c.middle], dtype=torch.float64)
    return Training(
        model,
        summed(
            (1.0, MatchingLoss(PATH, law, teacher, fake, levels)),  # leaves the fake score alone
            (1.0, partial(fake_score_loss(PATH, law, levels), fake)),  # leaves the student alone
        ),
        digits_data(chosen_device(c)),
        torch.optim.Adam([*model.parameters(), *fake.parameters()], c.lr, betas=(0.5, 0.99), fused=True),
        draw=few_steps(DIGITS.shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.5),
        clip=c.clip,
        head=fake,
        seed=c.seed,
    )
