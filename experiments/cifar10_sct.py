"""A consistency model of CIFAR-10, trained in continuous time (sCT) from the model of cifar10_diffusion.py.

    python -m minicm train experiments/cifar10_sct.py --start runs/cifar10_diffusion

The default size is meant for 8 minutes on one H100.  --preset paper: the network and the constants of sCM.
--preset sixteen: a smaller model of 16 x 16 pictures, meant for 15 minutes of one CPU core.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Training
from minicm.lab.hardware import chosen_device, setting, to_device
from minicm.lab.recipes.pictures import (
    MIDDLE,
    PATH,
    OnCifar10,
    cifar10_model,
    cifar10_pictures,
    cifar10_training,
    few_steps,
    with_weights_of,
)
from minicm.losses import AdaptiveWeight, SCMLoss, normalised, tangent_warmup
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(OnCifar10):
    start: str = setting("runs/cifar10_diffusion", "the run whose averaged weights it starts from")
    dropout: float = setting(0.1, "share of activations, the same in the tangent")
    log_mean: float = setting(-1.0, "of the noise-to-signal ratio")
    log_std: float = setting(1.4, "of the same")
    tangent: float = setting(0.1, "c of the normalised tangent g/(|g| + c)")
    warmup: int = setting(800, "iterations in which the tangent's second part rises to its full size")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")


PAPER = Config(
    start="runs/cifar10_diffusion_paper", iterations=400_000, batch_size=512, lr=1e-4, flat=1.0, clip=float("inf"),
    dropout=0.2, warmup=10_000, width=128, blocks=4, classes=0,
)  # fmt: skip
SIXTEEN = Config(
    start="runs/cifar10_diffusion_sixteen", iterations=700, batch_size=64, warmup=70, size=16, width=24, blocks=1
)  # fmt: skip


new_model, pictures = cifar10_model, cifar10_pictures


def build(c: Config) -> Training:
    model = to_device(with_weights_of(new_model(c), c.start, "cifar10_diffusion"), c)
    weight = AdaptiveWeight().to(chosen_device(c))
    loss = SCMLoss(
        PATH,
        log_normal(c.log_mean, c.log_std),
        warmup=tangent_warmup(c.warmup),
        rescale=normalised(c.tangent),
        weight=weight,
    )
    optimizer = torch.optim.RAdam([*model.parameters(), *weight.parameters()], c.lr, betas=(0.9, 0.99))
    return cifar10_training(c, model, loss, optimizer, few_steps((3, c.size, c.size), c.middle), head=weight)
