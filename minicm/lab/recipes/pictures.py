"""The picture experiments, rung by rung: digits of 8 x 8, CIFAR-10 at 16 x 16 and 32 x 32; all on TrigFlow.

What the experiments of one rung share, so that the weights of one can start another.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ...checkpoints import load_weights
from ...checks import check_between, check_count
from ...data import digit_halves, of_labelled, of_points, tinted, to_grey, to_rgb
from ...data.cifar10 import cifar10_train, labelled_pictures, mirrored_pictures, pooled, to_data
from ...data.digits import INK, MEAN, STD, TINTED_MEAN, TINTED_STD
from ...data.units import Units
from ...nets.blocks import Additive, DoubleNorm
from ...nets.mlp import MLP
from ...nets.unet import UNet, digits_unet
from ...precond import Preconditioned
from ...sampling.few_steps import consistency_sample
from ...shapes import Loss
from ...solvers.steps import ddim_step, integrate, probability_flow
from ...times import karras_grid
from ...training import warmup_linear_decay
from ..experiment import Data, Pictures, Training
from ..hardware import Hardware, chosen_device, setting
from .plane import PATH as PATH
from .plane import seeded

MIDDLE = 1.1  # radians, the second level of two-step sampling; Lu and Song 2024, appendix G
DIGITS = Pictures((1, 8, 8), to_grey, to_data=Units(MEAN / INK, STD / INK).to_data)
TINTED = Pictures((3, 8, 8), to_rgb, to_data=Units(TINTED_MEAN / INK, TINTED_STD / INK).to_data)

Draw = Callable[[nn.Module, int, torch.Generator], Tensor]  # (model, n, generator) -> x (n, *S)


def digits_model(*, dropout: float, seed: int) -> Preconditioned:
    """An untrained U-Net for digits; the global generator is as it was."""
    return seeded(lambda: digits_unet(dropout=dropout), seed)


def dense_digits_model(channels: int, *, width: int, depth: int, classes: int, seed: int) -> Preconditioned:
    """An untrained MLP for digits, which is not told that pixels have neighbours; the global generator is as it was.

    classes: 10 for a model that is told which digit, 0 for one that is not.  channels: 1, or 3 for tinted ones.
    Raises ValueError for other channels.
    """
    _check_channels(channels)
    return seeded(lambda: MLP(64 * channels, width, depth, labels=classes), seed)


def dense_digits_pictures(channels: int, classes: int) -> Pictures:
    """What a model of digits draws: grey ones, or with 3 channels tinted ones.  Raises ValueError for others."""
    _check_channels(channels)
    return replace(DIGITS if channels == 1 else TINTED, classes=classes)


def digits_data(device: torch.device, classes: int = 0, channels: int = 1) -> Data:
    """Batches of the half to train on; (x0, label) if the model has classes.

    Raises ValueError unless classes is 0 or 10, and channels 1 or 3, for tinted ones.
    """
    if classes not in (0, 10):
        raise ValueError(f"expected classes 0 or 10, got {classes}")
    _check_channels(channels)
    h = digit_halves()
    x = (h.train if channels == 1 else tinted(h.train, h.train_labels)).to(device)
    return partial(of_labelled, x, h.train_labels.to(device)) if classes else partial(of_points, x)


@dataclass(frozen=True)
class OnCifar10(Hardware):
    """What the experiments of CIFAR-10 share: the run, the pictures and the network; each sets its own numbers."""

    iterations: int = setting(10_000, "updates")
    batch_size: int = setting(256, "pictures an update")
    lr: float = setting(2e-4, "of RAdam")
    rise: int = setting(0, "iterations in which the learning rate rises")
    flat: float = setting(0.5, "share of the run after which it falls to 0")
    clip: float = setting(10.0, "largest gradient norm")
    size: int = setting(32, "pixels; 16: means of 2 x 2 pixels")
    width: int = setting(64, "channels")
    blocks: int = setting(2, "residual blocks of each level")
    classes: int = setting(10, "10: the model is told the class; 0: it is not")
    dropout: float = setting(0.1, "share of activations, the same in both parts of the loss")
    double_norm: int = setting(1, "1: `DoubleNorm`; 0: EDM's additive conditioning")
    seed: int = setting(0, "of weights, data and noise")


def cifar10_model(c: OnCifar10) -> Preconditioned:
    """An untrained U-Net for CIFAR-10; the global generator is as it was.

    Pictures of 32 x 32 have three levels of 2 width channels, those of 16 x 16 width and 2 width.
    Raises ValueError for another size.
    """
    _check_size(c.size)
    multipliers, attention = ((2, 2, 2), (1,)) if c.size == 32 else ((1, 2), ())
    network = partial(
        UNet, 3, width=c.width, multipliers=multipliers, blocks=c.blocks, attention=attention, labels=c.classes,
        dropout=c.dropout, conditioning=DoubleNorm if c.double_norm else Additive,
    )  # fmt: skip
    return seeded(network, c.seed)


def cifar10_pictures(c: OnCifar10) -> Pictures:
    """What a model of CIFAR-10 draws."""
    return Pictures((3, c.size, c.size), lambda x: ((x + 1) / 2).clamp(0, 1), c.classes, to_data)


def cifar10_training(
    c: OnCifar10,
    model: nn.Module,
    loss: Loss,
    optimizer: torch.optim.Optimizer,
    draw: Draw,
    head: nn.Module | None = None,
) -> Training:
    """The training with the configuration's numbers, on mirrored pictures that stay on the device as uint8.

    head: parameters of the loss's own.  Raises ValueError unless the size is 16 or 32, OSError without the data.
    """
    _check_size(c.size)
    images, labels = cifar10_train()
    device = chosen_device(c)
    images = (images if c.size == 32 else pooled(images)).to(device)
    data = partial(labelled_pictures, images, labels.to(device)) if c.classes else partial(mirrored_pictures, images)
    return Training(
        model, loss, data, optimizer, c.iterations, c.batch_size, draw, clip=c.clip, head=head, seed=c.seed,
        lr=learning_rate(c.lr, total=c.iterations, rise=c.rise, flat=c.flat),
    )  # fmt: skip


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


def _check_channels(channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"expected channels 1, grey, or 3, tinted, got {channels}")


def _check_size(size: int) -> None:
    if size not in (16, 32):
        raise ValueError(f"expected size 16 or 32, got {size}")
