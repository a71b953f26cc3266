"""A consistency model of 8 x 8 digits from scratch, by easy consistency tuning: no teacher, no forward mode.

    python -m minicm train experiments/digits_ect.py

It sees one half of the pictures; the other half is there to judge by.
"""

from dataclasses import dataclass

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, placed
from minicm.lab.recipes.pictures import DIGITS, MIDDLE, digits_data, digits_ect, digits_model
from minicm.precond import Preconditioned


@dataclass(frozen=True)
class Config(Hardware):
    iterations: int = 4000  # updates
    batch_size: int = 64  # pictures an update
    lr: float = 1e-3  # of Adam; rises over the first fortieth, falls to 0 over the second half
    clip: float = 10.0  # largest gradient norm
    dropout: float = 0.1  # share of activations, the same on both sides of the loss
    log_mean: float = -1.1  # of the noise-to-signal ratio
    log_std: float = 2.0  # of the same
    stages: int = 8  # stages in which the pairs of times close up
    q: float = 2.0  # by this factor from stage to stage
    huber: float = 0.03  # c of the pseudo-Huber distance
    middle: float = MIDDLE  # radians, the second level of two-step sampling
    seed: int = 0  # of weights, data and noise


def new_model(c: Config) -> Preconditioned:
    return digits_model(dropout=c.dropout, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def build(c: Config) -> Training:
    return digits_ect(placed(new_model(c), c), digits_data(chosen_device(c)), c)
