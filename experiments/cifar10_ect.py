"""A consistency model of CIFAR-10 by easy consistency tuning (ECT) of the model of cifar10_diffusion.py.

    python -m minicm train experiments/cifar10_ect.py --start runs/cifar10_diffusion

The default size is meant for 8 minutes on one H100.  --preset paper: the network and the constants of ECT's long run.
--preset sixteen: a smaller model of 16 x 16 pictures, meant for 15 minutes of one CPU core.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Training
from minicm.lab.hardware import setting, to_device
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
from minicm.losses import ect, l2, pseudo_huber
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(OnCifar10):
    start: str = setting("runs/cifar10_diffusion", "the run whose averaged weights it starts from")
    batch_size: int = setting(384, "pictures an update")
    beta2: float = setting(0.99, "of RAdam")
    dropout: float = setting(0.1, "share of activations, the same on both sides of the loss")
    log_mean: float = setting(-1.1, "of the noise-to-signal ratio")
    log_std: float = setting(2.0, "of the same")
    stages: int = setting(8, "stages in which the pairs of times close up")
    q: float = setting(2.0, "by this factor from stage to stage")
    huber: float = setting(0.03, "c of the pseudo-Huber distance; 0: the l2 distance")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")


PAPER = Config(
    start="runs/cifar10_diffusion_edm",  # made with --preset paper --double_norm 0
    iterations=400_000, batch_size=128, lr=1e-4, flat=1.0, beta2=0.999, clip=float("inf"), dropout=0.2, stages=16,
    huber=0.0, width=128, blocks=4, classes=0, double_norm=0, middle=1.02378,  # a noise-to-signal ratio of .821
    bf16=False, tf32=False,  # the late stages compare nearly equal answers: rounding would be most of the difference
)  # fmt: skip
SIXTEEN = Config(start="runs/cifar10_diffusion_sixteen", iterations=1100, batch_size=64, size=16, width=24, blocks=1)


new_model, pictures = cifar10_model, cifar10_pictures


def build(c: Config) -> Training:
    model = to_device(with_weights_of(new_model(c), c.start, "cifar10_diffusion"), c)
    distance = pseudo_huber(c.huber) if c.huber else l2
    loss = ect(
        PATH, c.iterations, stages=c.stages, q=c.q, law=log_normal(c.log_mean, c.log_std), distance=distance
    )  # fmt: skip
    optimizer = torch.optim.RAdam(model.parameters(), c.lr, betas=(0.9, c.beta2))
    return cifar10_training(c, model, loss, optimizer, few_steps((3, c.size, c.size), c.middle))
