"""A consistency model of MNIST's digits, or of your own pictures, by direct distillation.

    python -m minicm train experiments/mnist_direct.py --teacher runs/mnist_diffusion

Data, size and network are those of that run.  Solving 4,000 trajectories takes some minutes before it starts.
"""

from dataclasses import dataclass

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import setting, to_device
from minicm.lab.recipes.direct import Direct, direct
from minicm.lab.recipes.patches import OnPictures, described_by, drawn_pictures, patched_model
from minicm.lab.recipes.pictures import with_weights_of
from minicm.precond import Preconditioned


@dataclass(frozen=True)
class Config(Direct, OnPictures):
    teacher: str = setting("runs/mnist_diffusion", "the run whose averaged weights teach, and start the student")


def completed(c: Config) -> Config:
    return described_by(c, c.teacher, "mnist_diffusion")


def new_model(c: Config) -> Preconditioned:
    return patched_model(c, dropout=0.0, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return drawn_pictures(c)


def build(c: Config) -> Training:
    model, teacher = (with_weights_of(new_model(c), c.teacher, "mnist_diffusion") for _ in range(2))
    return direct(c, to_device(model, c), to_device(teacher, c), pictures(c))
