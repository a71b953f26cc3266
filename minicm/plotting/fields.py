"""Functions on the plane at one time: velocities as arrows, errors as heat."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from torch import Tensor, nn

from ..checks import check_between, check_count
from ..shapes import Denoiser, Velocity
from .style import INK, SMALL, Limits, axes_or_new, numbers, plane, window

WINDOW = 1.25  # half-width, data units: the toys have std .5 per coordinate and reach to about 1


def cells(limits: Limits, num: int) -> Tensor:
    """The centres of num x num equal cells of the window; (num², 2) float64, row by row from the bottom."""
    left, right, bottom, top = window(limits, np.zeros((1, 2)))
    u = (torch.arange(num, dtype=torch.float64) + 0.5) / num
    y, x = torch.meshgrid(bottom + (top - bottom) * u, left + (right - left) * u, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


@torch.no_grad()
def on_grid(function: Denoiser, t: float, *, limits: Limits = WINDOW, num: int = 200) -> Tensor:
    """function(x, t) at the centres of num x num equal cells of the window; (num, num, 2), row by row from the bottom.

    function: (x (B, 2), t (B,)) -> (B, 2).  An nn.Module gets x in the dtype and on the device of its first
    parameter, any other callable in torch's defaults; t is float64.
    Raises ValueError if what comes back is not (B, 2).
    """
    check_between("t", t)
    check_count("num", num)
    parameter = next(function.parameters(), None) if isinstance(function, nn.Module) else None
    x = cells(limits, num).to(torch.empty(0) if parameter is None else parameter)
    values = function(x, torch.full((len(x),), t, dtype=torch.float64, device=x.device))
    if values.shape != x.shape:
        raise ValueError(
            f"expected {tuple(x.shape)} from the function, model, velocity, f or exact, got {tuple(values.shape)}"
        )
    return values.reshape(num, num, 2)


def vector_field(
    velocity: Velocity,
    t: float,
    ax: Axes | None = None,
    *,
    limits: Limits = WINDOW,
    num: int = 19,
    title: str = "",
) -> Axes:
    """Axes with num x num arrows of one length along velocity(x, t), the speed as their colour.

    What it shows: where each point of the plane moves as t grows, and how fast.
    limits: half-width or (left, right, bottom, top).  Raises ValueError as `on_grid`, and for NaN velocities.
    """
    check_count("num", num)
    box, at = window(limits, np.zeros((1, 2))), cells(limits, num).numpy()
    v = numbers(on_grid(velocity, t, limits=limits, num=num), (num, num, 2), "velocities").reshape(-1, 2)
    speed = np.linalg.norm(v, axis=1)
    arrows = 0.8 * (box[1] - box[0]) / num * v / np.maximum(speed, 1e-12)[:, None]
    shape = {"pivot": "mid", "width": 0.006, "headwidth": 4.0, "headlength": 4.5, "headaxislength": 4.0}
    ax = axes_or_new(ax, SMALL)
    artist = ax.quiver(*at.T, *arrows.T, speed, angles="xy", scale_units="xy", scale=1.0, cmap="viridis", **shape)
    _colour_bar(artist, ax, "speed")
    ax.set_title(title)
    return plane(ax, box)


def error_heat(
    f: Denoiser,
    exact: Denoiser,
    t: float,
    ax: Axes | None = None,
    *,
    limits: Limits = WINDOW,
    num: int = 200,
    largest: float | None = None,
    title: str = "",
) -> Axes:
    """Axes with |f(x, t) − exact(x, t)| over the plane, data units.

    What it shows: where a learnt function is wrong, and by how much.
    largest: the error at the top of the colour bar, to make figures comparable; default, the largest there is.
    Raises ValueError as `on_grid`, and for NaN.
    """
    box = window(limits, np.zeros((1, 2)))
    values = [numbers(on_grid(g, t, limits=limits, num=num), (num, num, 2), "values") for g in (f, exact)]
    error = np.linalg.norm(values[0] - values[1], axis=2)
    ax = axes_or_new(ax, SMALL)
    artist = ax.imshow(error, origin="lower", extent=box, vmin=0, vmax=largest, cmap="viridis", interpolation="nearest")
    _colour_bar(artist, ax, "error, data units")
    ax.set_title(title)
    return plane(ax, box)


def _colour_bar(artist: ScalarMappable, ax: Axes, label: str) -> None:
    bar = ax.figure.colorbar(artist, ax=ax, fraction=0.05, pad=0.03, aspect=24)
    bar.set_label(label, color=INK, fontsize=9)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2.5, width=0.7, labelsize=8, colors=INK)
