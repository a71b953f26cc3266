"""The picture experiments, rung by rung: digits of 8 x 8, CIFAR-10 at 16 x 16 and 32 x 32; all on TrigFlow.

What the experiments of one rung share, so that the weights of one can start another.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ...checkpoints import load_weights
from ...checks import check_between, check_count
from ...data import digit_halves, of_labelled, of_points, to_grey
from ...data.cifar10 import cifar10_train, labelled_pictures, mirrored_pictures, pooled
from ...nets.blocks import Additive, DoubleNorm
from ...nets.mlp import MLP
from ...nets.unet import UNet, digits_unet
from ...precond import Preconditioned
from ...sampling.few_steps import consistency_sample
from ...solvers.steps import ddim_step, integrate, probability_flow
from ...times import karras_grid
from ...training import warmup_linear_decay
from ..experiment import Data, Pictures
from .plane import PATH as PATH
from .plane import seeded

MIDDLE = 1.1  # radians, the second level of two-step sampling; Lu and Song 2024, appendix G
DIGITS = Pictures((1, 8, 8), to_grey)

Draw = Callable[[nn.Module, int, torch.Generator], Tensor]  # (model, n, generator) -> x (n, *S)


def digits_model(*, dropout: float, seed: int) -> Preconditioned:
    """An untrained U-Net for digits; the global generator is as it was."""
    return seeded(lambda: digits_unet(dropout=dropout), seed)


def dense_digits_model(*, width: int, depth: int, classes: int, seed: int) -> Preconditioned:
    """An untrained MLP for digits, which is not told that pixels have neighbours; the global generator is as it was.

    classes: 10 for a model that is told which digit, 0 for one that is not.
    """
    return seeded(lambda: MLP(64, width, depth, labels=classes), seed)


def digits_data(device: torch.device, classes: int = 0) -> Data:
    """Batches of the half to train on; (x0, label) if the model has classes.  Raises ValueError unless 0 or 10."""
    if classes not in (0, 10):
        raise ValueError(f"expected classes 0 or 10, got {classes}")
    h = digit_halves()
    x = h.train.to(device)
    return partial(of_labelled, x, h.train_labels.to(device)) if classes else partial(of_points, x)


def cifar10_model(
    size: int, *, width: int, blocks: int, classes: int, dropout: float, double_norm: int, seed: int
) -> Preconditioned:
    """An untrained U-Net for CIFAR-10; the global generator is as it was.

    size: 32, with three levels of 2 width channels, or 16, with width and 2 width.
    double_norm: 1 for `DoubleNorm`, 0 for EDM's `Additive`.  Raises ValueError for another size.
    """
    _check_size(size)
    multipliers, attention = ((2, 2, 2), (1,)) if size == 32 else ((1, 2), ())
    network = partial(
        UNet, 3, width=width, multipliers=multipliers, blocks=blocks, attention=attention, labels=classes,
        dropout=dropout, conditioning=DoubleNorm if double_norm else Additive,
    )  # fmt: skip
    return seeded(network, seed)


def cifar10_data(size: int, classes: int, device: torch.device) -> Data:
    """Batches of mirrored training pictures, kept as uint8 on the device; (x0, label) if the model has classes.

    Raises ValueError unless size is 16 or 32.
    """
    _check_size(size)
    images, labels = cifar10_train()
    images = (images if size == 32 else pooled(images)).to(device)
    return partial(labelled_pictures, images, labels.to(device)) if classes else partial(mirrored_pictures, images)


def cifar10_pictures(size: int, classes: int) -> Pictures:
    """What a model of CIFAR-10 draws."""
    return Pictures((3, size, size), lambda x: ((x + 1) / 2).clamp(0, 1), classes)


def with_weights_of(model: Preconditioned, folder: str, experiment: str) -> Preconditioned:
    """The model with the averaged weights of the run in `folder`.

    experiment: the name of the one that makes such runs.  Raises OSError or ValueError, one line, if there is none.
    """
    file = Path(folder) / "ema10.safetensors"
    if not file.exists():
        make = f"python -m minicm train experiments/{experiment}.py --out {folder}"
        raise FileNotFoundError(f"expected a trained model in {file}, found none: first run `{make}`, same preset")
    load_weights(model, file)
    return model


def learning_rate(peak: float, *, total: int, rise: int = 0, flat: float = 1.0) -> Callable[[int], float]:
    """`warmup_linear_decay` that falls from the share `flat` of the run on; at 1 it stays constant to the end.

    rise: iterations in which it rises to peak, at most a quarter of the run.  Raises ValueError unless total >= 1.
    """
    check_count("iterations", total)
    check_between("flat", flat, 0.0, 1.0)
    start = min(int(flat * total), total - 1)
    return warmup_linear_decay(peak, total=total, warmup=min(rise, total // 4, start), decay_from=start)


def few_steps(shape: tuple[int, ...], *middle: float) -> Draw:
    """Draws with a consistency model in 1 + len(middle) evaluations, through these times; shape: (C, H, W)."""

    def draw(model: nn.Module, n: int, generator: torch.Generator) -> Tensor:
        noise = PATH.prior((n, *shape), generator)
        return consistency_sample(model, noise, [PATH.t_max, *middle], PATH, generator)

    return draw


def solved(shape: tuple[int, ...], evaluations: int) -> Draw:
    """Draws with a diffusion model by DDIM; the last evaluation leads to the data.  shape: (C, H, W).

    Raises ValueError unless evaluations >= 2.
    """
    check_count("evaluations", evaluations, 2)
    times = PATH.time_at(karras_grid(evaluations - 1)).clamp(PATH.t_min, PATH.t_max)

    def draw(model: nn.Module, n: int, generator: torch.Generator) -> Tensor:
        noise = PATH.prior((n, *shape), generator)
        x = integrate(probability_flow(model, PATH), noise, times, ddim_step(PATH))
        return model(x, times[-1].to(x.device).expand(n))

    return draw


def _check_size(size: int) -> None:
    if size not in (16, 32):
        raise ValueError(f"expected size 16 or 32, got {size}")
