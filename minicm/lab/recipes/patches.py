"""MNIST and pictures of one's own: data, a U-Net over patches that a CPU can train, and what the data say of it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ...checks import check_count
from ...data.batches import batches
from ...data.mnist import fashion_train, mnist_small, mnist_train
from ...data.own import own_pictures
from ...data.units import Units
from ...nets.blocks import DoubleNorm
from ...nets.patched import Patched
from ...nets.unet import UNet
from ...precond import Preconditioned
from ..experiment import Data, Pictures
from ..hardware import Hardware, setting
from ..run_folder import run_experiment
from .plane import seeded

_SETS = {
    "mnist": lambda: (mnist_small().train, mnist_small().train_labels),
    "mnist_full": mnist_train,
    "fashion": fashion_train,
}
_SAID = ("channels", "height", "breadth", "classes", "mean", "std")  # what the data say, and a student is told


@dataclass(frozen=True)
class OnPictures(Hardware):
    """What is drawn, and by which network; 0 and -1 stand for what the data say, which `described` fills in."""

    data: str = setting("mnist", "mnist, mnist_full, fashion, or your own: a folder of pictures, an .npz or .npy file")
    size: int = setting(0, "pixels of a side to which your own pictures are scaled, the middle square; 0: as they are")
    patch: int = setting(4, "side of the patches that the network sees, which divides the pictures")
    width: int = setting(64, "channels of the network")
    blocks: int = setting(1, "residual blocks on its way down")
    channels: int = setting(0, "1: grey, 3: red, green, blue; 0: as the data have")
    height: int = setting(0, "pixels; 0: as the data have")
    breadth: int = setting(0, "pixels; 0: as the data have")
    classes: int = setting(-1, "labels that the model is told; 0: none, -1: as the data have")
    mean: float = setting(0.0, "of the values; 0, with std 0: of the data")
    std: float = setting(0.0, "of the values; 0: of the data")


def described(config: OnPictures) -> OnPictures:
    """The configuration with what its data say; one line on stderr counts them.

    Raises OSError or ValueError, one line, for data that cannot be read or do not fit.
    """
    if config.height:
        return config
    pictures, labels = _pictures(config)
    count, channels, height, breadth = pictures.shape
    if height % config.patch or breadth % config.patch:
        instead = "--size N for another size, or another --patch"
        wanted = f"pictures whose height and width are multiples of --patch {config.patch}"
        raise ValueError(f"expected {wanted}, got {height} x {breadth} in {config.data}: use {instead}")
    classes = 0 if labels is None else int(labels.max()) + 1
    kind = {1: "grey", 3: "coloured"}[channels]
    print(
        f"minicm: {count} {kind} pictures of {height} x {breadth}, {classes} classes, in {config.data}", file=sys.stderr
    )
    units = Units.of(pictures)
    return replace(
        config, channels=channels, height=height, breadth=breadth, mean=units.mean, std=units.std,
        classes=classes if config.classes < 0 else config.classes,
    )  # fmt: skip


def described_by(config: OnPictures, run: str, experiment: str) -> OnPictures:
    """The configuration of a student: data and network are those of the run that it starts from.

    Raises OSError, one line, if there is no such run, and ValueError for one of another kind.
    """
    if config.height:
        return config
    if not (Path(run) / "config.json").exists():
        make = f"python -m minicm train experiments/{experiment}.py --out {run}"
        raise FileNotFoundError(f"expected a run in {run}, found none: first `{make}`")
    _, before = run_experiment(run)
    if not isinstance(before, OnPictures):
        raise ValueError(f"expected a run of experiments/{experiment}.py in {run}, got one of another experiment")
    told = ("data", "size", "patch", "width", "blocks", *_SAID)
    return replace(config, **{name: getattr(before, name) for name in told})


def patched_model(c: OnPictures, *, dropout: float, seed: int) -> Preconditioned:
    """An untrained U-Net over patches; the global generator is as it was.

    Raises ValueError for a configuration that no data have described.
    """
    check_count("height", c.height)
    places = c.channels * c.patch**2

    def network() -> Patched:
        unet = UNet(
            places, width=c.width, multipliers=(1,), blocks=c.blocks, labels=c.classes, dropout=dropout,
            conditioning=DoubleNorm,
        )  # fmt: skip
        return Patched(unet, c.patch)

    return seeded(network, seed)


def drawn_pictures(c: OnPictures) -> Pictures:
    """What a model of these pictures draws."""
    units = Units(c.mean, c.std)
    return Pictures((c.channels, c.height, c.breadth), units.to_unit, c.classes, units.to_data)


def picture_data(c: OnPictures, device: torch.device) -> Data:
    """Batches of the pictures, kept as uint8 on the device; (x0, label) if the model has classes.

    Raises OSError or ValueError, one line, for data that cannot be read, or are others than when the run began.
    """
    pictures, labels = _pictures(c)
    if pictures.shape[1:] != (c.channels, c.height, c.breadth):
        wanted, got = (c.channels, c.height, c.breadth), tuple(pictures.shape[1:])
        raise ValueError(f"expected pictures of shape {wanted} in {c.data}, as when the run began, got {got}")
    if c.classes and (labels is None or int(labels.max()) >= c.classes):
        raise ValueError(f"expected labels below --classes {c.classes} in {c.data}, got others, or none")
    pictures, units = pictures.to(device), Units(c.mean, c.std)
    labels = labels.to(device) if c.classes and labels is not None else None

    def draw(n: int, generator: torch.Generator) -> Tensor | tuple[Tensor, Tensor]:
        index = torch.randint(len(pictures), (n,), generator=generator).to(device)
        x0 = units.to_data(pictures[index])
        return x0 if labels is None else (x0, labels[index])

    def data(batch_size: int, *, seed: int, start: int) -> Iterator:
        return batches(draw, batch_size, seed=seed, start=start)

    return data


def _pictures(c: OnPictures) -> tuple[Tensor, Tensor | None]:
    """Pictures (N, C, H, W), uint8, and labels (N,) or None."""
    if c.data in _SETS:
        return _SETS[c.data]()
    return own_pictures(c.data, size=c.size or None)
