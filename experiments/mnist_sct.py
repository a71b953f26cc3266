"""A consistency model of MNIST's digits, or of your own pictures, trained in continuous time (sCT).

    python -m minicm train experiments/mnist_sct.py --start runs/mnist_diffusion

Data, size and network are those of that run of mnist_diffusion.py.
"""

from dataclasses import dataclass

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import setting
from minicm.lab.recipes.continuous import Continuous, continuous, started
from minicm.lab.recipes.patches import described_by, drawn_pictures, patched_model
from minicm.precond import Preconditioned


@dataclass(frozen=True)
class Config(Continuous):
    start: str = setting("runs/mnist_diffusion", "the run whose averaged weights it starts from")


def completed(c: Config) -> Config:
    return described_by(c, c.start, "mnist_diffusion")


def new_model(c: Config) -> Preconditioned:
    return patched_model(c, dropout=0.0, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return drawn_pictures(c)


def build(c: Config) -> Training:
    return continuous(c, started(c, c.start), None)
