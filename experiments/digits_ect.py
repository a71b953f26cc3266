"""A consistency model of 8 x 8 digits from scratch, by easy consistency tuning: no teacher, no forward mode.

    python -m minicm train experiments/digits_ect.py

It sees one half of the pictures; the other half is there to judge by.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, setting, to_device
from minicm.lab.recipes.pictures import DIGITS, MIDDLE, PATH, digits_data, digits_model, few_steps, learning_rate
from minicm.losses import ect, pseudo_huber
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    iterations: int = setting(4000, "updates")
    batch_size: int = setting(64, "pictures an update")
    lr: float = setting(1e-3, "of Adam; rises over the first fortieth, falls to 0 over the second half")
    clip: float = setting(10.0, "largest gradient norm")
    dropout: float = setting(0.1, "share of activations, the same on both sides of the loss")
    log_mean: float = setting(-1.1, "of the noise-to-signal ratio")
    log_std: float = setting(2.0, "of the same")
    stages: int = setting(8, "stages in which the pairs of times close up")
    q: float = setting(2.0, "by this factor from stage to stage")
    huber: float = setting(0.03, "c of the pseudo-Huber distance")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")
    seed: int = setting(0, "of weights, data and noise")


def new_model(c: Config) -> Preconditioned:
    return digits_model(dropout=c.dropout, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def build(c: Config) -> Training:
    model = to_device(new_model(c), c)
    law = log_normal(c.log_mean, c.log_std)
    return Training(
        model,
        ect(PATH, c.iterations, stages=c.stages, q=c.q, law=law, distance=pseudo_huber(c.huber)),
        digits_data(chosen_device(c)),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=few_steps(DIGITS.shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.5),
        clip=c.clip,
        seed=c.seed,
    )
