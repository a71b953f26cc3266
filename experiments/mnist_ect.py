"""A consistency model of MNIST's digits, or of your own pictures, by easy consistency tuning from mnist_diffusion.py.

    python -m minicm train experiments/mnist_ect.py --start runs/mnist_diffusion

Data, size and network are those of the run that it starts from.
"""

from dataclasses import dataclass

import torch

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import chosen_device, setting, to_device
from minicm.lab.recipes.patches import OnPictures, described_by, drawn_pictures, patched_model, picture_data
from minicm.lab.recipes.pictures import PATH, few_steps, learning_rate, with_weights_of
from minicm.losses import ect, pseudo_huber
from minicm.precond import Preconditioned
from minicm.times import log_normal


@dataclass(frozen=True)
class Config(OnPictures):
    start: str = setting("runs/mnist_diffusion", "the run whose averaged weights are tuned")
    iterations: int = setting(6000, "updates")
    batch_size: int = setting(64, "pictures an update")
    lr: float = setting(1e-3, "of Adam; rises over the first fortieth, falls to 0 over the second half")
    clip: float = setting(10.0, "largest gradient norm")
    dropout: float = setting(0.0, "share of activations, the same on both sides of the loss")
    log_mean: float = setting(-0.6, "of the noise-to-signal ratio")
    log_std: float = setting(2.0, "of the same")
    stages: int = setting(6, "stages in which the pairs of times close up")
    q: float = setting(2.0, "by this factor from stage to stage")
    huber: float = setting(0.03, "c of the pseudo-Huber distance")
    middle: float = setting(1.45, "radians, the second level of two-step sampling")
    seed: int = setting(0, "of data and noise")


def completed(c: Config) -> Config:
    return described_by(c, c.start, "mnist_diffusion")


def new_model(c: Config) -> Preconditioned:
    return patched_model(c, dropout=c.dropout, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return drawn_pictures(c)


def build(c: Config) -> Training:
    model = to_device(with_weights_of(new_model(c), c.start, "mnist_diffusion"), c)
    law = log_normal(c.log_mean, c.log_std)
    return Training(
        model,
        ect(PATH, c.iterations, stages=c.stages, q=c.q, law=law, distance=pseudo_huber(c.huber)),
        picture_data(c, chosen_device(c)),
        torch.optim.Adam(model.parameters(), c.lr, fused=True),
        draw=few_steps(pictures(c).shape, c.middle),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.iterations // 40, flat=0.5),
        clip=c.clip,
        seed=c.seed,
    )
