"""sCT and sCD of MNIST or of one's own pictures: what both share is here, and they differ by a teacher."""

from dataclasses import dataclass

import torch

from ...losses import AdaptiveWeight, SCMLoss, normalised, tangent_warmup
from ...precond import Preconditioned
from ...times import log_normal
from ..experiment import Training
from ..hardware import accelerated, chosen_device, setting, to_device
from .patches import OnPictures, drawn_pictures, patched_model, picture_data
from .pictures import MIDDLE, PATH, few_steps, learning_rate, with_weights_of


@dataclass(frozen=True)
class Continuous(OnPictures):
    """Settings of training in continuous time."""

    iterations: int = setting(4000, "updates")
    batch_size: int = setting(64, "pictures an update")
    lr: float = setting(5e-4, "of RAdam; rises over the first fortieth, falls to 0 over the second half")
    clip: float = setting(10.0, "largest gradient norm")
    log_mean: float = setting(-1.0, "of the noise-to-signal ratio")
    log_std: float = setting(1.4, "of the same")
    tangent: float = setting(0.1, "c of the normalised tangent g/(|g| + c)")
    warmup: int = setting(400, "iterations in which the tangent's second part rises to its full size")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")
    seed: int = setting(0, "of data and noise")


def started(c: Continuous, run: str) -> Preconditioned:
    """The model of the run of mnist_diffusion.py in that folder, on its device."""
    return to_device(with_weights_of(patched_model(c, dropout=0.0, seed=c.seed), run, "mnist_diffusion"), c)


def continuous(c: Continuous, model: Preconditioned, teacher: Preconditioned | None) -> Training:
    """What trains `model`: sCD from the teacher, or sCT without one."""
    weight = AdaptiveWeight().to(chosen_device(c))
    loss = SCMLoss(
        PATH,
        log_normal(c.log_mean, c.log_std),
        teacher=None if teacher is None else accelerated(teacher.eval().requires_grad_(False), c),
        warmup=tangent_warmup(c.warmup),
        rescale=normalised(c.tangent),
        weight=weight,
    )
    return Training(
        model,
        loss,
        picture_data(c, chosen_device(c)),
        torch.optim.RAdam([*model.parameters(), *weight.parameters()], c.lr, betas=(0.9, 0.99)),
        draw=few_steps(drawn_pictures(c).shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.5),
        clip=c.clip,
        head=weight,
        seed=c.seed,
    )
