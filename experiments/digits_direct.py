"""A consistency model of 8 x 8 digits, grey or tinted, by direct distillation.

    python -m minicm train experiments/digits_direct.py --teacher runs/digits_dense_diffusion

The network is an MLP, that of the run.  The stored model tinted_student, which digits_mlp.py trains, is one of
--channels 3 --classes 0 --width 264 --depth 3.
"""

from dataclasses import dataclass

from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import setting, to_device
from minicm.lab.recipes.direct import Direct, direct
from minicm.lab.recipes.pictures import dense_digits_model, dense_digits_pictures, with_weights_of
from minicm.precond import Preconditioned


@dataclass(frozen=True)
class Config(Direct):
    teacher: str = setting("runs/digits_dense_diffusion", "the run whose averaged weights teach, and start the student")
    width: int = setting(336, "units of a layer of that run's network")
    depth: int = setting(4, "hidden layers")
    classes: int = setting(10, "labels that the model is told; 0: none")
    channels: int = setting(1, "1: grey; 3: tinted by class")


def new_model(c: Config) -> Preconditioned:
    return dense_digits_model(c.channels, width=c.width, depth=c.depth, classes=c.classes, seed=c.seed)


def pictures(c: Config) -> Pictures:
    return dense_digits_pictures(c.channels, c.classes)


def build(c: Config) -> Training:
    model, teacher = (with_weights_of(new_model(c), c.teacher, "digits_dense_diffusion") for _ in range(2))
    return direct(c, to_device(model, c), to_device(teacher, c), pictures(c))
