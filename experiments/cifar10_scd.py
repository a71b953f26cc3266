"""A consistency model of CIFAR-10, distilled in continuous time (sCD) from the model of cifar10_diffusion.py.

    python -m minicm train experiments/cifar10_scd.py --teacher runs/cifar10_diffusion

The default size is meant for 8 minutes on one H100.  --preset paper: the network and the constants of sCM.
--preset sixteen: a smaller model of 16 x 16 pictures, meant for 15 minutes of one CPU core.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, accelerated, chosen_device, setting, to_device
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
from minicm.losses import AdaptiveWeight, SCMLoss, normalised, tangent_warmup
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    teacher: str = setting("runs/cifar10_diffusion", "the run whose averaged weights teach, and start the student")
    iterations: int = setting(8_000, "updates")
    batch_size: int = setting(256, "pictures an update")
    lr: float = setting(2e-4, "of RAdam")
    rise: int = setting(0, "iterations in which the learning rate rises")
    flat: float = setting(0.5, "share of the run after which it falls to 0")
    log_mean: float = setting(-1.0, "of the noise-to-signal ratio")
    log_std: float = setting(1.4, "of the same")
    tangent: float = setting(0.1, "c of the normalised tangent g/(|g| + c)")
    warmup: int = setting(800, "iterations in which the tangent's second part rises to its full size")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")
    clip: float = setting(10.0, "largest gradient norm")
    size: int = setting(32, "pixels; 16: means of 2 x 2 pixels")
    width: int = setting(64, "channels")
    blocks: int = setting(2, "residual blocks of each level")
    classes: int = setting(10, "10: the model is told the class; 0: it is not")
    double_norm: int = setting(1, "1: `DoubleNorm`; 0: EDM's additive conditioning")
    seed: int = setting(0, "of weights, data and noise")


PAPER = Config(
    teacher="runs/cifar10_diffusion_paper", iterations=400_000, batch_size=512, lr=1e-4, flat=1.0, clip=float("inf"),
    warmup=10_000, width=128, blocks=4, classes=0,
)  # fmt: skip
SIXTEEN = Config(
    teacher="runs/cifar10_diffusion_sixteen", iterations=700, batch_size=64, warmup=70, size=16, width=24, blocks=1
)  # fmt: skip


def new_model(c: Config) -> Preconditioned:
    return cifar10_model(
        c.size, width=c.width, blocks=c.blocks, classes=c.classes, dropout=0.0, double_norm=c.double_norm,
        seed=c.seed,
    )  # fmt: skip


def pictures(c: Config) -> Pictures:
    return cifar10_pictures(c.size, c.classes)


def build(c: Config) -> Training:
    model = to_device(with_weights_of(new_model(c), c.teacher, "cifar10_diffusion"), c)
    teacher = to_device(with_weights_of(new_model(c), c.teacher, "cifar10_diffusion"), c).eval().requires_grad_(False)
    weight = AdaptiveWeight().to(chosen_device(c))
    loss = SCMLoss(
        PATH,
        log_normal(c.log_mean, c.log_std),
        teacher=accelerated(teacher, c),
        warmup=tangent_warmup(c.warmup),
        rescale=normalised(c.tangent),
        weight=weight,
    )
    optimizer = torch.optim.RAdam([*model.parameters(), *weight.parameters()], c.lr, betas=(0.9, 0.99))
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
        head=weight,
        seed=c.seed,
    )
