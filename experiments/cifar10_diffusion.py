"""A diffusion model of CIFAR-10, from which the consistency models of CIFAR-10 start.

    python -m minicm train experiments/cifar10_diffusion.py

The default size is meant for 10 minutes on one H100.  --preset paper: EDM's network, sCM's constants of its teacher.
--preset sixteen: a smaller model of 16 x 16 pictures, meant for 15 minutes of one CPU core.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, setting, to_device
from minicm.lab.recipes.pictures import PATH, cifar10_data, cifar10_model, cifar10_pictures, learning_rate, solved
from minicm.losses import VelocityLoss
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    iterations: int = setting(12_000, "updates")
    batch_size: int = setting(512, "pictures an update")
    lr: float = setting(1e-3, "of Adam")
    rise: int = setting(500, "iterations in which the learning rate rises")
    flat: float = setting(0.67, "share of the run after which it falls to 0")
    dropout: float = setting(0.1, "share of activations")
    log_mean: float = setting(-1.2, "of the noise-to-signal ratio")
    log_std: float = setting(1.2, "of the same")
    evaluations: int = setting(18, "for each picture of the run's folder")
    clip: float = setting(1.0, "largest gradient norm")
    size: int = setting(32, "pixels; 16: means of 2 x 2 pixels")
    width: int = setting(64, "channels")
    blocks: int = setting(2, "residual blocks of each level")
    classes: int = setting(10, "10: the model is told the class; 0: it is not")
    double_norm: int = setting(1, "1: `DoubleNorm`; 0: EDM's additive conditioning")
    seed: int = setting(0, "of weights, data and noise")


PAPER = Config(
    iterations=400_000, rise=20_000, flat=1.0, clip=float("inf"), width=128, blocks=4, classes=0, dropout=0.13
)
SIXTEEN = Config(iterations=1500, batch_size=64, rise=100, flat=0.25, size=16, width=24, blocks=1)


def new_model(c: Config) -> Preconditioned:
    return cifar10_model(
        c.size, width=c.width, blocks=c.blocks, classes=c.classes, dropout=c.dropout, double_norm=c.double_norm,
        seed=c.seed,
    )  # fmt: skip


def pictures(c: Config) -> Pictures:
    return cifar10_pictures(c.size, c.classes)


def build(c: Config) -> Training:
    model = to_device(new_model(c), c)
    loss = VelocityLoss(PATH, log_normal(c.log_mean, c.log_std))
    optimizer = torch.optim.Adam(model.parameters(), c.lr, fused=True)
    return Training(
        model,
        loss,
        cifar10_data(c.size, c.classes, chosen_device(c)),
        optimizer,
        draw=solved((3, c.size, c.size), c.evaluations),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.rise, flat=c.flat),
        clip=c.clip,
        seed=c.seed,
    )
