"""A diffusion model of 8 x 8 digits, the teacher of digits_scd.py.

    python -m minicm train experiments/digits_diffusion.py

It sees one half of the pictures; the other half is there to judge by.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, setting, to_device
from minicm.lab.recipes.pictures import DIGITS, PATH, digits_data, digits_model, learning_rate, solved
from minicm.losses import VelocityLoss
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    iterations: int = setting(3000, "updates")
    batch_size: int = setting(64, "pictures an update")
    lr: float = setting(2e-3, "of Adam; rises over the first fortieth, falls to 0 over the last three quarters")
    clip: float = setting(1.0, "largest gradient norm")
    dropout: float = setting(0.1, "share of activations")
    log_mean: float = setting(-1.2, "of the noise-to-signal ratio")
    log_std: float = setting(1.2, "of the same")
    evaluations: int = setting(18, "for each picture of the run's folder")
    seed: int = setting(0, "of weights, data and noise")


def new_model(c: Config) -> Preconditioned:
    return digits_model(dropout=c.dropout, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def build(c: Config) -> Training:
    model = to_device(new_model(c), c)
    return Training(
        model,
        VelocityLoss(PATH, log_normal(c.log_mean, c.log_std)),
        digits_data(chosen_device(c)),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=solved(DIGITS.shape, c.evaluations),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.25),
        clip=c.clip,
        seed=c.seed,
    )
