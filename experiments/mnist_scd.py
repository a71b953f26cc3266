"""A consistency model of MNIST's digits, or of your own pictures, distilled in continuous time (sCD).

    python -m minicm train experiments/mnist_scd.py --teacher runs/mnist_diffusion

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
    teacher: str = setting("runs/mnist_diffusion", "the run whose averaged weights teach, and start the student")


def completed(c: Config) -> Config:
    return described_by(c, c.teacher, "mnist_diffusion")


def new_model(c: Config) -> Preconditioned:
    return patched_model(c, dropout=0.0, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return drawn_pictures(c)


def build(c: Config) -> Training:
    return continuous(c, started(c, c.teacher), started(c, c.teacher))
