"""One drawing for each frame, on the same axes, and what films and sliders make of the pictures."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from ..checks import check_count, check_positive, shown
from .style import style

Frame = TypeVar("Frame")
Draw = Callable[[Frame, Axes], object]
COLOURS = 96  # of one palette for all frames; the blended edges of letters and dots need most of them


def drawn(draw: Draw[Frame], frames: Sequence[Frame], size: tuple[float, float]) -> list[Image.Image]:
    """The pictures of draw(frames[k], ax) on emptied axes, RGB, `size` inches at 100 dpi.

    The room for labels is found once, for the first frame: axes that move would hide what changes.
    Raises ValueError for no frames, and for a draw that is no function.
    """
    if not callable(draw):
        raise ValueError(f"expected draw as a function (frame, axes), got {shown(draw)}")
    if not hasattr(frames, "__len__") or len(frames) == 0:
        raise ValueError(f"expected frames as a list, at least one, got {shown(frames)}")
    pictures = []
    with style():
        figure = Figure(figsize=size, layout="constrained", dpi=100)  # of no window: nothing to close
        canvas, ax = FigureCanvasAgg(figure), figure.add_subplot()
        for frame in frames:
            ax.clear()
            ax.set_axis_on()
            draw(frame, ax)
            canvas.draw()
            figure.set_layout_engine("none")
            pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    return pictures


def with_one_palette(pictures: list[Image.Image]) -> list[Image.Image]:
    """The pictures in the same few colours, so that files hold only what changes."""
    some = pictures[:: max(1, len(pictures) // 6)][-6:] + pictures[-1:]
    sheet = Image.new("RGB", (pictures[0].width, pictures[0].height * len(some)))
    for k, picture in enumerate(some):
        sheet.paste(picture, (0, k * picture.height))
    palette = np.array(sheet.quantize(COLOURS, dither=Image.Dither.NONE).getpalette()[: 3 * COLOURS]).reshape(-1, 3)
    return [_in_palette(picture, palette) for picture in pictures]


def _in_palette(picture: Image.Image, palette: np.ndarray) -> Image.Image:
    """The picture in the nearest of those colours (K, 3); Pillow's own search is rough, and makes white paper grey."""
    packed, places = np.unique(np.asarray(picture) @ np.array([65536, 256, 1]), return_inverse=True)
    held = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], 1)  # (N, 3), each colour of the picture once
    nearest = ((held[:, None] - palette) ** 2).sum(2).argmin(1).astype(np.uint8)
    flat = Image.fromarray(nearest[places].reshape(picture.height, picture.width), "P")
    flat.putpalette(palette.astype(np.uint8).tobytes())
    return flat


def side_by_side(pictures: list[Image.Image], count: int, panel: float) -> Figure:
    """Figure with `count` of the pictures in a row, the first and the last among them, `panel` inches each.

    Raises ValueError unless count >= 1 and panel > 0.
    """
    check_count("count", count)
    check_positive("panel", panel)
    chosen = np.unique(np.linspace(0, len(pictures) - 1, count).round().astype(int))[-count:]
    with style():
        size = (panel * len(chosen), panel * pictures[0].height / pictures[0].width)
        figure, axes = plt.subplots(1, len(chosen), figsize=size, layout="constrained", squeeze=False, dpi=150)
    for ax, k in zip(axes.flat, chosen, strict=True):
        ax.imshow(np.asarray(pictures[k]), interpolation="antialiased")
        ax.set_axis_off()
    return figure
