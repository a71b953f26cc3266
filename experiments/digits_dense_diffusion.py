"""A diffusion model of 8 x 8 digits with an MLP that is told which digit; digits_dense_ect.py starts from it.

    python -m minicm train experiments/digits_dense_diffusion.py

It sees one half of the pictures; the other half is there to judge by.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, setting, to_device
from minicm.lab.recipes.pictures import (
    PATH,
    dense_digits_model,
    dense_digits_pictures,
    digits_data,
    learning_rate,
    solved,
)
from minicm.losses import VelocityLoss
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    width: int = setting(336, "units of a layer")
    depth: int = setting(4, "hidden layers")
    classes: int = setting(10, "labels that the model is told; 0: none")
    channels: int = setting(1, "1: grey; 3: tinted by class")
    iterations: int = setting(4000, "updates")
    batch_size: int = setting(256, "pictures an update")
    lr: float = setting(2e-3, "of Adam; rises over the first fortieth, falls to 0 over the last three quarters")
    clip: float = setting(1.0, "largest gradient norm")
    log_mean: float = setting(-1.2, "of the noise-to-signal ratio")
    log_std: float = setting(1.2, "of the same")
    evaluations: int = setting(40, "for each picture of the run's folder")
    seed: int = setting(0, "of weights, data and noise")


def new_model(c: Config) -> Preconditioned:
    return dense_digits_model(c.channels, width=c.width, depth=c.depth, classes=c.classes, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return dense_digits_pictures(c.channels, c.classes)


def build(c: Config) -> Training:
    model = to_device(new_model(c), c)
    return Training(
        model,
        VelocityLoss(PATH, log_normal(c.log_mean, c.log_std)),
        digits_data(chosen_device(c), c.classes, c.channels),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=solved(pictures(c).shape, c.evaluations),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.25),
        clip=c.clip,
        seed=c.seed,
    )
