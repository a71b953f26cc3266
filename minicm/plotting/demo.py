"""The picture of `make demo`: samples after few evaluations, and the map that lets one evaluation suffice."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from .fields import WINDOW
from .maps import end_map, trajectories
from .points import scatter
from .style import GREY, INK, Limits, bare, style


@dataclass(frozen=True)
class Panel:
    """One sample set (B, 2) of the demo: its title, the line of numbers under it, and its colour."""

    points: Tensor
    title: str
    caption: str = ""
    colour: str = INK


def demo_figure(
    data: Tensor,
    panels: Sequence[Panel],
    states: Tensor,
    ends: Tensor,
    *,
    limits: Limits = WINDOW,
    map_limits: Limits = 1.4,
    map_title: str = "Where each noise ends, and the paths it takes there",
) -> Figure:
    """Figure, 12 x 5 in: the data and the panels in two rows, and at the right the map of ends under some paths.

    What it shows: Euler steps miss the data until there are many of them, one jump along the map does not.
    data: (B, 2); it is also the grey shadow in every panel.  panels: five make the 2 x 3 that the page is drawn for;
    put the consistency samples first, so that they stand beside the data, above the Euler ones.
    states: (N + 1, B, 2), on TrigFlow, whose states keep one size.  ends: (num, num, 2), `on_grid` of the consistency
    function at t_max over map_limits.  It belongs to no window: save it with `save_png`.
    Raises ValueError as `scatter`, `trajectories` and `end_map`, and for no panels.
    """
    if not panels:
        raise ValueError("expected at least one panel of samples, got none")
    with style():
        figure = Figure(figsize=(12, 5), layout="constrained")
        left, right = figure.subfigures(1, 2, width_ratios=(7.2, 4.8))
        axes = left.subplots(2, math.ceil((len(panels) + 1) / 2), squeeze=False)
        _sample_panel(axes.flat[0], data, Panel(data, "Data", f"{len(data)} samples", GREY), limits)
        for ax, panel in zip(axes.flat[1:], panels):
            _sample_panel(ax, data, panel, limits)
        for ax in axes.flat[len(panels) + 1 :]:
            ax.set_axis_off()
        _map_panel(right.subplots(), states, ends, map_limits, map_title)
    return figure


def save_png(figure: Figure, path: str | Path, *, most: int = 250_000) -> None:
    """Write the figure as a PNG; where that takes more than `most` bytes, with 256 colours instead of all.

    What it shows: the same; the palette is chosen for this picture and takes about a quarter of the bytes.
    Raises OSError, having written nothing, where the folder does not exist or the file cannot be opened.
    """
    file = io.BytesIO()
    figure.savefig(file, format="png")
    if file.tell() > most:
        picture = Image.open(file).convert("RGB").quantize(256, dither=Image.Dither.NONE)
        file = io.BytesIO()
        picture.save(file, "PNG", optimize=True)
    Path(path).write_bytes(file.getvalue())


def _sample_panel(ax: Axes, data: Tensor, panel: Panel, limits: Limits) -> None:
    scatter(data, ax, limits=limits, colour="#d9d9dd", size=3)
    scatter(panel.points, ax, limits=limits, colour=panel.colour, size=3)
    bare(ax)
    ax.set_title(panel.title, fontsize=11)
    ax.set_xlabel(panel.caption, fontsize=9.5)


def _map_panel(ax: Axes, states: Tensor, ends: Tensor, limits: Limits, title: str) -> None:
    end_map(ends, ax, limits=limits)
    trajectories(states, ax, limits=limits, colour=INK)
    bare(ax)
    ax.set_title(title, fontsize=11)
    ax.set_xlabel("○ noise   ● its end on the ODE   colour: its end in one evaluation", fontsize=9.5)
