"""Pictures without a download: the 8 x 8 digits that come with scikit-learn, grey, or tinted by class.

x = (value − mean) · ½/std with the mean and std over all values of all pictures, so that σ_d = ½ fits them.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..checks import check_count, check_floats

INK = 16.0  # the value of full ink; paper is 0
MEAN, STD = 4.884165, 6.016788  # of the 1797 · 64 values
TINTED_MEAN, TINTED_STD = 2.244568, 3.783030  # of the 1797 · 3 · 64 values of `tinted`, in the same unit

LUMA = (0.2989, 0.5870, 0.1140)  # grey value = LUMA · (r, g, b)
_HUES = ((1.0, 0.22, 0.22), (1.0, 0.8, 0.0), (0.1, 1.0, 0.25), (0.1, 0.55, 1.0), (1.0, 0.2, 1.0))
_LEVEL = 0.45  # the grey value of every tint: brightness then says nothing about the colour, only shape does


def _tint(hue: tuple[float, float, float]) -> tuple[float, float, float]:
    r, g, b = (_LEVEL * c / sum(w * h for w, h in zip(LUMA, hue)) for c in hue)
    return r, g, b


TINTS = tuple(_tint(hue) for hue in _HUES)  # red, gold, green, blue, violet; rgb in [0, 1]


@dataclass(frozen=True)
class Halves:
    """Pictures (N, C, H, W) and their labels (N,): one part to train on, one to judge by.  Digits are in data units."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor


def digit_images() -> tuple[Tensor, Tensor]:
    """All pictures, (1797, 1, 8, 8) in torch's default dtype, data units, and their labels 0 to 9, (1797,).

    Ink is positive, paper negative.
    Source: Alpaydin and Kaynak 1998, optical recognition of handwritten digits (UCI), as scikit-learn has it.
    """
    images, labels = _kept()
    return (images.to(torch.get_default_dtype()) - MEAN) / (2 * STD), labels.clone()


def digit_halves(seed: int = 0) -> Halves:
    """The digits in two random halves of 899 and 898; the halves of each class differ by one picture at most.

    Raises ValueError unless seed is a whole number.
    """
    check_count("seed", seed, -math.inf)
    x, labels = digit_images()
    shuffled = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    train, test = by_class[0::2], by_class[1::2]
    return Halves(x[train], labels[train], x[test], labels[test])


def tinted(x: Tensor, labels: Tensor) -> Tensor:
    """The same digits in colour: ink of class k has TINTS[k mod 5]; (N, 1, 8, 8), (N,) -> (N, 3, 8, 8), data units.

    3 and 8 share a colour, and so do 4 and 9.  All tints are equally bright, so a grey picture does not show them.
    Raises ValueError unless x is (N, 1, H, W) and labels is (N,).
    """
    check_floats("x", x)
    if x.ndim != 4 or x.shape[1] != 1 or labels.shape != (len(x),):
        raise ValueError(
            f"expected grey x of shape (N, 1, H, W) and labels (N,), got {tuple(x.shape)} and {tuple(labels.shape)}"
        )
    tint = torch.tensor(TINTS).to(x)[labels % len(TINTS)]
    return ((x * (2 * STD) + MEAN) * tint[:, :, None, None] - TINTED_MEAN) / (2 * TINTED_STD)


def to_grey(x: Tensor) -> Tensor:
    """Ink in [0, 1], cut off there, of digits in data units; any shape.  Raises ValueError unless x holds floats."""
    check_floats("x", x)
    return ((x * (2 * STD) + MEAN) / INK).clamp(0, 1)


def to_rgb(x: Tensor) -> Tensor:
    """Red, green and blue in [0, 1], cut off there, of tinted digits in data units; any shape.

    Raises ValueError unless x holds floats.
    """
    check_floats("x", x)
    return ((x * (2 * TINTED_STD) + TINTED_MEAN) / INK).clamp(0, 1)


def tint_index(x: Tensor) -> Tensor:
    """Which of TINTS fits each tinted picture best, by the squared error over its values; (N, 3, H, W) -> (N,).

    Raises ValueError for another shape.
    """
    check_floats("x", x)
    if x.ndim != 4 or x.shape[1] != 3:
        raise ValueError(f"expected tinted x of shape (N, 3, H, W), got {tuple(x.shape)}")
    rgb = (x * (2 * TINTED_STD) + TINTED_MEAN) / INK
    ink = torch.einsum("nchw,c->nhw", rgb, torch.tensor(LUMA).to(x)) / _LEVEL
    drawn = torch.tensor(TINTS).to(x)[:, None, :, None, None] * ink[None, :, None]  # (5, N, 3, H, W)
    return (drawn - rgb).square().flatten(2).sum(2).argmin(0)


@lru_cache(maxsize=1)
def _kept() -> tuple[Tensor, Tensor]:
    """The values 0 to 16 and the labels; reading the file takes longer than most of what is done with it."""
    from sklearn.datasets import load_digits  # here, because `import minicm` must stay light

    bunch = load_digits()
    return torch.as_tensor(bunch.images, dtype=torch.float64)[:, None], torch.as_tensor(bunch.target).long()
