"""A diffusion model of CIFAR-10, from which the consistency models of CIFAR-10 start.

    python -m minicm train experiments/cifar10_diffusion.py

The default size is meant for 10 minutes on one H100.  --preset paper: EDM's network, sCM's constants of its teacher.
--preset sixteen: a smaller model of 16 x 16 pictures, meant for 15 minutes of one CPU core.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Training
from minicm.lab.hardware import setting, to_device
from minicm.lab.recipes.pictures import PATH, OnCifar10, cifar10_model, cifar10_pictures, cifar10_training, solved
from minicm.losses import VelocityLoss
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(OnCifar10):
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


PAPER = Config(
    iterations=400_000, rise=20_000, flat=1.0, clip=float("inf"), width=128, blocks=4, classes=0, dropout=0.13
)
SIXTEEN = Config(iterations=1500, batch_size=64, rise=100, flat=0.25, size=16, width=24, blocks=1)


new_model, pictures = cifar10_model, cifar10_pictures


def build(c: Config) -> Training:
    model = to_device(new_model(c), c)
    loss = VelocityLoss(PATH, log_normal(c.log_mean, c.log_std))
    optimizer = torch.optim.Adam(model.parameters(), c.lr, fused=True)
    return cifar10_training(c, model, loss, optimizer, solved((3, c.size, c.size), c.evaluations))
