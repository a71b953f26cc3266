"""A consistency model of CIFAR-10 by easy consistency tuning (ECT) of the model of cifar10_diffusion.py.

    python -m minicm train experiments/cifar10_ect.py --start runs/cifar10_diffusion

The default size is meant for 8 minutes on one H100.  --preset paper: the network and the constants of ECT's long run.
--preset sixteen: a smaller model of 16 x 16 pictures, meant for 15 minutes of one CPU core.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, setting, to_device
from minicm.lab.recipes.pictures import (
    MIDDLE,
    PATH,
    cifar10_data,
    cifar10_model,
    cifar10_pictures,
    few_steps,
    learning_rate,
    with_weights_of,
)
from minicm.losses import ect, l2, pseudo_huber
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    start: str = setting("runs/cifar10_diffusion", "the run whose averaged weights it starts from")
    iterations: int = setting(10_000, "updates")
    batch_size: int = setting(384, "pictures an update")
    lr: float = setting(2e-4, "of RAdam")
    rise: int = setting(0, "iterations in which the learning rate rises")
    flat: float = setting(0.5, "share of the run after which it falls to 0")
    beta2: float = setting(0.99, "of RAdam")
    dropout: float = setting(0.1, "share of activations, the same on both sides of the loss")
    log_mean: float = setting(-1.1, "of the noise-to-signal ratio")
    log_std: float = setting(2.0, "of the same")
    stages: int = setting(8, "stages in which the pairs of times close up")
    q: float = setting(2.0, "by this factor from stage to stage")
    huber: float = setting(0.03, "c of the pseudo-Huber distance; 0: the l2 distance")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")
    clip: float = setting(10.0, "largest gradient norm")
    size: int = setting(32, "pixels; 16: means of 2 x 2 pixels")
    width: int = setting(64, "channels")
    blocks: int = setting(2, "residual blocks of each level")
    classes: int = setting(10, "10: the model is told the class; 0: it is not")
    double_norm: int = setting(1, "1: `DoubleNorm`; 0: EDM's additive conditioning")
    seed: int = setting(0, "of weights, data and noise")


PAPER = Config(
    start="runs/cifar10_diffusion_edm",  # made with --preset paper --double_norm 0
    iterations=400_000, batch_size=128, lr=1e-4, flat=1.0, beta2=0.999, clip=float("inf"), dropout=0.2, stages=16,
    huber=0.0, width=128, blocks=4, classes=0, double_norm=0, middle=1.02378,  # a noise-to-signal ratio of .821
    bf16=False, tf32=False,  # the late stages compare nearly equal answers: rounding would be most of the difference
)  # fmt: skip
SIXTEEN = Config(start="runs/cifar10_diffusion_sixteen", iterations=1100, batch_size=64, size=16, width=24, blocks=1)


def new_model(c: Config) -> Preconditioned:
    return cifar10_model(
        c.size, width=c.width, blocks=c.blocks, classes=c.classes, dropout=c.dropout, double_norm=c.double_norm,
        seed=c.seed,
    )  # fmt: skip


def pictures(c: Config) -> Pictures:
    return cifar10_pictures(c.size, c.classes)


def build(c: Config) -> Training:
    model = to_device(with_weights_of(new_model(c), c.start, "cifar10_diffusion"), c)
    distance = pseudo_huber(c.huber) if c.huber else l2
    loss = ect(
        PATH, c.iterations, stages=c.stages, q=c.q, law=log_normal(c.log_mean, c.log_std), distance=distance
    )  # fmt: skip
    optimizer = torch.optim.RAdam(model.parameters(), c.lr, betas=(0.9, c.beta2))
    return Training(
        model,
        loss,
        cifar10_data(c.size, c.classes, chosen_device(c)),
        optimizer,
        draw=few_steps((3, c.size, c.size), c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.rise, flat=c.flat),
        clip=c.clip,
        seed=c.seed,
    )
