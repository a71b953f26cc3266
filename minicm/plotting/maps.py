"""Where states end: paths from noise to data, and the plane coloured by the end point f(x, t) of each place."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from torch import Tensor

from ..checks import check_between, check_positive
from ..shapes import Denoiser
from .colours import end_colours
from .fields import WINDOW, on_grid
from .style import INK, SQUARE, Colour, Limits, axes_or_new, numbers, plane, subsample, window

MAX_PATHS = 200
_INKED = 0.8  # lines and dots are darker than their place in `end_colours`, maps paler, so that both can be seen
_PALE = 0.3


def trajectories(
    states: Tensor,
    ax: Axes | None = None,
    *,
    limits: Limits = None,
    colour: Colour | None = None,
    width: float = 1.0,
    title: str = "",
) -> Axes:
    """Axes with a line for each path of states (N + 1, B, 2): hollow circle at the start, full one at the end.

    What it shows: how noise (the first state) becomes data (the last).
    limits: half-width or (left, right, bottom, top); default, all states, but no farther than 2.5 times the ends
    reach: VE starts at 80.  To see such a start, divide each state by √(σ_d² + t²) first.
    colour: one for all; default, `end_colours` of the ends, darkened.  Draws 200 paths at most, always the same ones.
    Raises ValueError for another shape, for NaN, or for empty limits.
    """
    check_positive("width", width)
    paths = numbers(states, (None, None, 2), "states")
    paths = paths[:, subsample(paths.shape[1], MAX_PATHS)]
    reach = min(np.abs(paths).max(), 2.5 * np.abs(paths[-1]).max())
    box = window(limits, np.array([[reach, reach]]))
    colours = _INKED * end_colours(paths[-1]) if colour is None else colour
    ax = axes_or_new(ax, SQUARE)
    ax.add_collection(LineCollection(paths.swapaxes(0, 1), colors=colours, linewidths=width, alpha=0.9, zorder=2))
    ax.scatter(*paths[0].T, s=16, facecolors="white", edgecolors=colours, linewidths=1.0, zorder=3)
    ax.scatter(*paths[-1].T, s=22, facecolors=colours, edgecolors="white", linewidths=0.7, zorder=4)
    ax.set_title(title)
    return plane(ax, box)


def end_map(ends: Tensor, ax: Axes | None = None, *, limits: Limits = WINDOW, title: str = "") -> Axes:
    """Axes with the plane coloured by ends (num, num, 2) as `on_grid` makes them; dots mark the ends themselves.

    What it shows: which noise ends where; a dot has the colour of all places that end at it.
    Raises ValueError for another shape, or for NaN.
    """
    num = np.shape(ends)[0] if np.ndim(ends) else None
    points = numbers(ends, (num, num, 2), "ends").reshape(-1, 2)
    box = window(limits, points)
    image = (_PALE + (1 - _PALE) * end_colours(points)).reshape(num, num, 3)
    dots = points[subsample(len(points), 400)]
    ax = axes_or_new(ax, SQUARE)
    ax.imshow(image, origin="lower", extent=box, interpolation="bilinear", zorder=0)
    ax.scatter(*dots.T, s=9, facecolors=_INKED * end_colours(dots), edgecolors="white", linewidths=0.3, zorder=1)
    ax.set_title(title)
    return plane(ax, box)


def consistency_map(
    model: Denoiser,
    t: float,
    ax: Axes | None = None,
    *,
    limits: Limits = WINDOW,
    num: int = 200,
    title: str = "",
) -> Axes:
    """Axes with the plane at time t, each place x in the colour of its end point model(x, t); see `end_map`.

    What it shows: which noise ends where, e.g. eight sectors for eight Gaussians.
    Raises ValueError as `on_grid`, and for NaN.
    """
    return end_map(on_grid(model, t, limits=limits, num=num), ax, limits=limits, title=title)


@torch.no_grad()
def consistency_arrows(
    model: Denoiser,
    t: float,
    points: Tensor,
    ax: Axes | None = None,
    *,
    limits: Limits = None,
    title: str = "",
) -> Axes:
    """Axes with an arrow from each of the points (B, 2) to model(points, t), in the colour of where it ends.

    What it shows: the jump that a consistency function makes in one evaluation, for a few points.
    limits: half-width or (left, right, bottom, top); default, all points and ends.
    Raises ValueError for another shape, or for NaN.
    """
    check_between("t", t)
    start = numbers(points, (None, 2), "points")
    times = torch.full((len(points),), t, dtype=torch.float64, device=points.device)
    end = numbers(model(points, times), start.shape, "ends of the model")
    box = window(limits, np.concatenate([start, end]))
    colours = _INKED * end_colours(end)
    ax = axes_or_new(ax, SQUARE)
    for a, b, colour in zip(start, end, colours):
        ax.annotate("", b, a, arrowprops={"arrowstyle": "-|>", "color": colour, "shrinkA": 2, "shrinkB": 0, "lw": 1.1})
    ax.scatter(*start.T, s=16, facecolors="white", edgecolors=INK, linewidths=0.9, zorder=3)
    ax.set_title(title)
    return plane(ax, box)
