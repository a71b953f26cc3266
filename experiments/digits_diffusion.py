"""A diffusion model of 8 x 8 digits, the teacher of digits_scd.py.

    python -m minicm train experiments/digits_diffusion.py

It sees one half of the pictures; the other half is there to judge by.
"""

from dataclasses import dataclass

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, chosen_device, placed
from minicm.lab.recipes.pictures import DIGITS, digits_data, digits_diffusion, digits_model
from minicm.precond import Preconditioned


@dataclass(frozen=True)
class Config(Hardware):
    iterations: int = 3000  # updates
    batch_size: int = 64  # pictures an update
    lr: float = 2e-3  # of Adam; rises over the first fortieth, falls to 0 over the last three quarters
    clip: float = 1.0  # largest gradient norm
    dropout: float = 0.1  # share of activations
    log_mean: float = -1.2  # of the noise-to-signal ratio
    log_std: float = 1.2  # of the same
    evaluations: int = 18  # for each picture of the run's folder
    seed: int = 0  # of weights, data and noise


def new_model(c: Config) -> Preconditioned:
    return digits_model(dropout=c.dropout, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return DIGITS


def build(c: Config) -> Training:
    return digits_diffusion(placed(new_model(c), c), digits_data(chosen_device(c)), c)
