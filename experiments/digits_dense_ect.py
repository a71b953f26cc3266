"""A consistency model of 8 x 8 digits with an MLP, by easy consistency tuning of digits_dense_diffusion.py's model.

    python -m minicm train experiments/digits_dense_ect.py --start runs/digits_dense_diffusion

The tuning starts from a diffusion model, as in the paper.  It sees one half of the pictures, a little shaken; the other
half is there to judge by.
"""

from dataclasses import dataclass

import torch

from minicm.experiment import Pictures, Training
from minicm.hardware import Hardware, chosen_device, placed
from minicm.losses import ect, pseudo_huber
from minicm.precond import Preconditioned
from minicm.rungs import (
    DIGITS,
    PATH,
    dense_digits_model,
    few_steps,
    learning_rate,
    shaken_digits_data,
    started_from,
)
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    start: str = "runs/digits_dense_diffusion"  # the run whose averaged weights are tuned
    width: int = 336  # units of a layer, as in that run
    depth: int = 4  # hidden layers
    iterations: int = 16_000  # updates
    batch_size: int = 128  # pictures an update
    lr: float = 1e-3  # of Adam; rises over the first fortieth, falls to 0 over the last three quarters
    clip: float = 10.0  # largest gradient norm
    shake: float = 0.03  # of the pictures, see `minicm.rungs.shaken`
    log_mean: float = -1.1  # of the noise-to-signal ratio
    log_std: float = 2.0  # of the same
    stages: int = 8  # stages in which the pairs of times close up
    q: float = 2.0  # by this factor from stage to stage
    huber: float = 0.03  # c of the pseudo-Huber distance
    middle: float = 1.0  # radians, the second level of two-step sampling
    seed: int = 0  # of data and noise


def new_model(c: Config) -> Preconditioned:
    return dense_digits_model(width=c.width, depth=c.depth, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def build(c: Config) -> Training:
    model = placed(started_from(new_model(c), c.start, "digits_dense_diffusion"), c)
    law = log_normal(c.log_mean, c.log_std)
    return Training(
        model,
        ect(PATH, c.iterations, stages=c.stages, q=c.q, law=law, distance=pseudo_huber(c.huber)),
        shaken_digits_data(c.shake, chosen_device(c)),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=few_steps(DIGITS.shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.25),
        clip=c.clip,
        seed=c.seed,
    )
