"""The pictures that `minicm edit` begins with: some that the model never saw, or one of your own, and what is known."""

import argparse
import sys
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from ...data.cifar10 import cifar10_test, pooled
from ...data.digits import digit_halves, tinted
from ...data.mnist import fashion_test, mnist_small, mnist_test
from ...data.own import own_mask, own_picture
from ...seeds import fold
from ...shapes import Denoiser
from .drawing import Drawing

_DARK, _LIGHT = 0.35, 0.65  # mean brightness: what is beyond these is drawn on black, or on white
_LABELLED = Callable[[], tuple[Tensor, Tensor]]
_28: dict[str, _LABELLED] = {
    "mnist": lambda: (mnist_small().test, mnist_small().test_labels),
    "mnist_full": mnist_test,
    "fashion": fashion_test,
}


class Given(NamedTuple):
    """Pictures y (N, C, H, W) in data units, on the model's device, and the model, told what they show."""

    y: Tensor
    model: Denoiser


def given(drawing: Drawing, options: argparse.Namespace) -> Given:
    """The picture of --input in N columns, or N pictures that the model never saw.

    Raises OSError or ValueError, one line, for a picture that cannot be read, and for a model without such pictures.
    """
    return _own(drawing, options) if options.input else _unseen(drawing, options)


def told(drawing: Drawing, labels: Tensor | None) -> Denoiser:
    """The model under these labels, if it has any."""
    return drawing.model if labels is None else drawing.model.given(labels.to(drawing.device))


def masked(drawing: Drawing, options: argparse.Namespace) -> Tensor:
    """What stays, (1, H, W) bool: all but what is white in --mask, or the left half.

    Raises OSError or ValueError, one line, for a mask without a picture, of another size than it, or of one colour.
    """
    if not options.mask:
        _, height, breadth = drawing.pictures.shape
        return (torch.arange(breadth) < breadth // 2).expand(1, height, breadth).clone()
    if not options.input:
        raise ValueError("expected --mask together with --input PICTURE, got a mask alone")
    return ~own_mask(options.mask, options.input, drawing.pictures.shape)


def _own(drawing: Drawing, options: argparse.Namespace) -> Given:
    """One column for each label, unless --labels or --number say otherwise."""
    pictures = drawing.pictures
    if pictures.to_data is None:
        raise ValueError("expected an experiment whose Pictures have to_data, the way from pixels to data units")
    picture = own_picture(options.input, pictures.shape)
    labels = drawing.labels(options.number, options.labels)
    _say_if_inverted(drawing, picture.double().mean().item() / 255, options.input)
    y = pictures.to_data(picture)[None].repeat(options.number, 1, 1, 1)
    return Given(y.to(drawing.device), told(drawing, labels))


def _say_if_inverted(drawing: Drawing, brightness: float, source: str) -> None:
    """A line on stderr for ink on white where the model knows light on black, or the other way round."""
    usual = drawing.pictures.to_unit(torch.zeros(1, *drawing.pictures.shape)).mean().item()
    kinds = {True: "light on black", False: "ink on white"}
    if min(usual, brightness) < _DARK and max(usual, brightness) > _LIGHT:
        known, got = kinds[usual < _DARK], kinds[usual > _LIGHT]
        print(f"minicm: the model draws {known}, {source} is {got}: inverted it may fit better", file=sys.stderr)


def _unseen(drawing: Drawing, options: argparse.Namespace) -> Given:
    if options.labels:
        raise ValueError("expected --labels together with --input PICTURE: the others have labels of their own")
    x, labels = _judging(drawing)
    if options.number > len(x):
        raise ValueError(f"expected --number up to {len(x)}, got {options.number}")
    index = torch.randperm(len(x), generator=torch.Generator().manual_seed(fold(options.seed, 2)))[: options.number]
    chosen = drawing.pictures.to_data(x[index]) if x.dtype == torch.uint8 and drawing.pictures.to_data else x[index]
    return Given(chosen.to(drawing.device), told(drawing, labels[index] if drawing.pictures.classes else None))


def _judging(drawing: Drawing) -> tuple[Tensor, Tensor]:
    """Pictures that the model never saw, uint8 or in data units, and their labels.

    Raises ValueError for pictures of another kind.
    """
    shape, data = drawing.pictures.shape, getattr(drawing.config, "data", None)
    if data in _28:
        return _28[data]()
    if data is None and shape[1:] == (8, 8):
        h = digit_halves()
        return (h.test if shape[0] == 1 else tinted(h.test, h.test_labels)), h.test_labels
    if data is None and shape in ((3, 32, 32), (3, 16, 16)):
        x, labels = cifar10_test()
        return (pooled(x) if shape[1] == 16 else x), labels
    kinds = f"expected a model of digits, MNIST or CIFAR-10, got one of {data or f'pictures of shape {shape}'}"
    raise ValueError(f"{kinds}: give one of your pictures with --input")
