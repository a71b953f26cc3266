"""A consistency model of 8 x 8 digits, distilled in continuous time (sCD) from the model of digits_diffusion.py.

    python -m minicm train experiments/digits_scd.py --teacher runs/digits_diffusion

It sees one half of the pictures; the other half is there to judge by.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, accelerated, chosen_device, setting, to_device
from minicm.lab.recipes.pictures import (
    DIGITS,
    MIDDLE,
    PATH,
    digits_data,
    digits_model,
    few_steps,
    learning_rate,
    with_weights_of,
)
from minicm.losses import SCMLoss, normalised, tangent_warmup
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(Hardware):
    teacher: str = setting("runs/digits_diffusion", "the run whose averaged weights teach, and start the student")
    iterations: int = setting(2000, "updates")
    batch_size: int = setting(64, "pictures an update")
    lr: float = setting(1e-3, "of Adam; rises over the first fortieth, falls to 0 over the last three quarters")
    clip: float = setting(10.0, "largest gradient norm")
    log_mean: float = setting(-1.0, "of the noise-to-signal ratio")
    log_std: float = setting(1.4, "of the same")
    tangent: float = setting(0.1, "c of the normalised tangent g/(|g| + c)")
    warmup: float = setting(0.1, "share of the run in which the tangent's second part rises to its full size")
    middle: float = setting(MIDDLE, "radians, the second level of two-step sampling")
    seed: int = setting(0, "of data and noise")


def new_model(c: Config) -> Preconditioned:
    return digits_model(dropout=0.0, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def build(c: Config) -> Training:
    model = to_device(with_weights_of(new_model(c), c.teacher, "digits_diffusion"), c)
    teacher = to_device(with_weights_of(new_model(c), c.teacher, "digits_diffusion"), c).eval().requires_grad_(False)
    loss = SCMLoss(
        PATH,
        log_normal(c.log_mean, c.log_std),
        teacher=accelerated(teacher, c),
        warmup=tangent_warmup(max(1, round(c.warmup * c.iterations))),
        rescale=normalised(c.tangent),
    )
    return Training(
        model,
        loss,
        digits_data(chosen_device(c)),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=few_steps(DIGITS.shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.25),
        clip=c.clip,
        seed=c.seed,
    )
