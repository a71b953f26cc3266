"""The look that all figures share: colours, sizes, fonts, and the checks on what goes into a figure."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from torch import Tensor

Colour = str | tuple[float, ...]
Limits = float | tuple[float, float, float, float] | None  # half-width of a centred square, or left, right, bottom, top

PALETTE = ("#5790fc", "#f89c20", "#e42536", "#964a8b", "#9c9ca1", "#7a21dd")  # petroff6: apart for the colour-blind
BLUE, ORANGE, RED, MAUVE, GREY, VIOLET = PALETTE
INK = "#333338"
MARKERS = ("o", "s", "^", "D", "v", "P")  # the second cue, in the order of PALETTE
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)))

SMALL, WIDE, SQUARE = (4.0, 3.0), (6.0, 3.0), (3.4, 3.4)  # inches

_RC = {
    "axes.prop_cycle": cycler(color=PALETTE),
    "axes.edgecolor": INK,
    "axes.grid": False,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "figure.figsize": SMALL,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so figures are the same everywhere
    "font.size": 9,
    "image.cmap": "viridis",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "savefig.dpi": 100,
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8,
}


@contextmanager
def style() -> Iterator[None]:
    """A context in which figures have the look of minicm; on leaving it, all settings are as before."""
    with plt.rc_context(_RC):
        yield


def use_style() -> None:
    """Give every later figure the look of minicm, e.g. at the top of a notebook."""
    plt.rcParams.update(_RC)


def axes_or_new(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """The given axes, or those of a new figure of `size` inches in our style."""
    if ax is not None:
        return ax
    with style():
        return plt.figure(figsize=size, layout="constrained").add_subplot()


def numbers(values: Tensor | np.ndarray, shape: tuple[int | None, ...], name: str) -> np.ndarray:
    """Any tensor as float64 numpy on the CPU, after a check of its shape (None: any length from 1) and its values.

    Raises ValueError for another shape, or when a value is NaN or infinite.
    """
    array = torch.as_tensor(values).detach().cpu().double().numpy()
    fits = array.ndim == len(shape) and all(got == (want or got) > 0 for got, want in zip(array.shape, shape))
    if not fits:
        wanted = ", ".join("n" if want is None else str(want) for want in shape)
        raise ValueError(f"expected {name} of shape ({wanted}), each n >= 1, got {array.shape}")
    bad = int((~np.isfinite(array)).sum())
    if bad:
        raise ValueError(
            f"expected finite {name}, got {bad} of {array.size} values NaN or infinite: look for their cause"
        )
    return array


def window(limits: Limits, points: np.ndarray) -> tuple[float, float, float, float]:
    """(left, right, bottom, top) of `limits`; without limits, a centred square that holds all points (B, 2).

    Raises ValueError unless left < right and bottom < top.
    """
    if limits is None:
        limits = 1.08 * float(np.abs(points).max()) or 1.0
    box = (-limits, limits, -limits, limits) if np.ndim(limits) == 0 else tuple(limits)
    if len(box) != 4 or not (-np.inf < box[0] < box[1] < np.inf and -np.inf < box[2] < box[3] < np.inf):
        raise ValueError(f"expected limits as a number > 0 or (left, right, bottom, top), got {limits}")
    return box


def plane(ax: Axes, box: tuple[float, float, float, float]) -> Axes:
    """Make `ax` show the box with equal aspect and few ticks."""
    ax.set(xlim=box[:2], ylim=box[2:], aspect="equal")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10], min_n_ticks=3))
    ax.tick_params(length=2.5, width=0.7, labelsize=8, colors=INK)
    return ax


def bare(ax: Axes) -> Axes:
    """Take the ticks away and leave a thin grey frame: for small panels that share limits."""
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(visible=True, color="#c8c8cc", linewidth=0.7)
    return ax


def subsample(count: int, most: int) -> np.ndarray:
    """`most` of the indices 0..count − 1 in increasing order, always the same ones; all of them if they are fewer."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).permutation(count)[:most])
