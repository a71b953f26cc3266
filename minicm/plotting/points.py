"""Sets of points and of images: single plots, and rows of small panels that share their limits."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from ..checks import check_count, check_positive
from .style import BLUE, INK, SQUARE, Colour, Limits, axes_or_new, bare, numbers, plane, style, subsample, window

MAX_POINTS = 2000  # more make files large and blots, not pictures


def scatter(
    points: Tensor,
    ax: Axes | None = None,
    *,
    limits: Limits = None,
    colour: Colour | Tensor | np.ndarray = BLUE,
    marker: str = "o",
    size: float = 5.0,
    label: str | None = None,
    title: str = "",
) -> Axes:
    """Axes with the points (B, 2), at most 2000 of them, always the same ones.

    What it shows: where samples lie, one dot each.
    limits: half-width or (left, right, bottom, top); default, all points.  colour: one colour, or (B, 3) RGB.
    Raises ValueError for another shape, for NaN, or for empty limits.
    """
    check_positive("size", size)
    xy = numbers(points, (None, 2), "points")
    box, chosen = window(limits, xy), subsample(len(xy), MAX_POINTS)
    if not isinstance(colour, (str, tuple)):
        colour = numbers(colour, (len(xy), 3), "colour")[chosen]
    ax = axes_or_new(ax, SQUARE)
    ax.scatter(
        *xy[chosen].T, s=size, color=colour, marker=marker, alpha=0.6, linewidths=0, label=label, rasterized=True
    )
    ax.set_title(title)
    return plane(ax, box)


def image_grid(
    images: Tensor,
    ax: Axes | None = None,
    *,
    columns: int = 8,
    value_range: tuple[float, float] = (-1.0, 1.0),
    title: str = "",
    labels: Sequence[str] = (),
) -> Axes:
    """Axes with the images (B, C, H, W), C = 1 (grey) or 3 (RGB), row by row, one pixel of white between them.

    What it shows: samples that are images.
    value_range: the values drawn as black and as white; what lies outside is cut off.
    labels: what each row is, written at its left; none, or one for each.
    Raises ValueError for another shape, for NaN, for columns < 1, or for another number of labels.
    """
    pixels = numbers(images, (None, None, None, None), "images")
    if pixels.shape[1] not in (1, 3):
        raise ValueError(f"expected images with 1 or 3 channels, got shape {pixels.shape}")
    check_count("columns", columns)
    if len(value_range) != 2 or not abs(value_range[1] - value_range[0]) > 0:  # (1, 0) draws ink as black
        raise ValueError(f"expected value_range as two different numbers, got {value_range}")
    height, rows = pixels.shape[2], math.ceil(len(pixels) / columns)
    if len(labels) not in (0, rows):
        raise ValueError(f"expected labels for all of {rows} rows or none, got {len(labels)}")
    low, high = value_range
    tiles = _tile(((pixels - low) / (high - low)).clip(0, 1), min(columns, len(pixels)))
    ax = axes_or_new(ax, (tiles.shape[1] / tiles.shape[0] * 2.4 + 0.1, 2.6))
    ax.imshow(tiles.repeat(3, axis=2) if tiles.shape[2] == 1 else tiles, interpolation="nearest")
    ax.set_title(title)
    ax.set_axis_off()
    for row, label in enumerate(labels):
        ax.text(-2, row * (height + 1) + (height - 1) / 2, label, ha="right", va="center", fontsize=8)
    return ax


def _tile(pixels: np.ndarray, columns: int) -> np.ndarray:
    """(B, C, H, W) -> one image (rows (H + 1) − 1, columns (W + 1) − 1, C), white between and after the last."""
    count, channels, height, width = pixels.shape
    rows = math.ceil(count / columns)
    cells = np.ones((rows * columns, channels, height + 1, width + 1))
    cells[:count, :, :height, :width] = pixels
    cells = cells.reshape(rows, columns, channels, height + 1, width + 1).transpose(0, 3, 1, 4, 2)
    return cells.reshape(rows * (height + 1), columns * (width + 1), channels)[:-1, :-1]


def filmstrip(
    sets: Sequence[Tensor],
    titles: Sequence[str] = (),
    *,
    columns: int = 6,
    limits: Limits = None,
    colour: Colour = BLUE,
    panel: float = 1.5,
) -> Figure:
    """Figure with one small panel for each set: points (B, 2), or images (B, C, H, W) as an `image_grid`.

    What it shows: how samples change from panel to panel, on the same limits.
    limits: as in `scatter`; default, all points of all sets.  panel: inches.  columns: where the row wraps.
    Raises ValueError for no sets, for another number of titles, and as `scatter` and `image_grid`.
    """
    check_count("columns", columns)
    check_positive("panel", panel)
    if not sets or (titles and len(titles) != len(sets)):
        raise ValueError(f"expected sets, at least one, and as many titles, got {len(sets)} and {len(titles)}")
    columns = min(columns, len(sets))
    rows = math.ceil(len(sets) / columns)
    points = [numbers(s, (None, 2), "points in sets") for s in sets if s.ndim != 4]
    box = window(limits, np.concatenate(points)) if points else None
    with style():
        size = (columns * panel, rows * (panel + 0.25 * bool(titles)))
        figure, axes = plt.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
        for ax, item, title in zip(axes.flat, sets, titles or [""] * len(sets)):
            if item.ndim == 4:
                image_grid(item, ax, columns=math.ceil(math.sqrt(len(item))))
            else:
                bare(scatter(item, ax, limits=box, colour=colour, size=2.5))
            ax.set_title(title, fontsize=9, color=INK)
        for ax in axes.flat[len(sets) :]:
            ax.set_axis_off()
    return figure
