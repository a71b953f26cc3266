"""Pictures that move: one drawing for each frame, together a GIF that plays wherever pictures are shown."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
COLOURS = 96  # of one palette for all frames; the blended edges of letters and dots need most of them


@dataclass(frozen=True)
class Film:
    """A GIF, its number of frames and what it shows in words; a notebook plays it, and `strip` is for paper."""

    gif: bytes = field(repr=False)
    frames: int
    alt: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        return {"image/gif": base64.b64encode(self.gif).decode("ascii"), "text/plain": self.alt}

    def pictures(self) -> list[Image.Image]:
        """The pictures that the GIF holds, RGB; one that stays the same for some frames is there once."""
        with Image.open(io.BytesIO(self.gif)) as film:
            held = []
            for k in range(getattr(film, "n_frames", 1)):
                film.seek(k)
                held.append(film.convert("RGB"))
        return held

    def strip(self, count: int = 5, *, panel: float = 1.6) -> Figure:
        """Figure with so many pictures side by side, the first and the last among them, `panel` inches each.

        What it shows: the film on paper.  Raises ValueError unless count >= 1 and panel > 0.
        """
        check_count("count", count)
        check_positive("panel", panel)
        pictures = self.pictures()
        chosen = np.unique(np.linspace(0, len(pictures) - 1, count).round().astype(int))[-count:]
        with style():
            size = (panel * len(chosen), panel * pictures[0].height / pictures[0].width)
            figure, axes = plt.subplots(1, len(chosen), figsize=size, layout="constrained", squeeze=False, dpi=150)
        for ax, k in zip(axes.flat, chosen, strict=True):
            ax.imshow(np.asarray(pictures[k]), interpolation="antialiased")
            ax.set_axis_off()
        return figure


def animate(
    draw: Callable[[Frame, Axes], object],
    frames: Sequence[Frame],
    *,
    seconds: float = 4.0,
    hold: float = 1.5,
    size: tuple[float, float] = (3.0, 3.0),
    alt: str = "",
) -> Film:
    """The film whose picture k is what draw(frames[k], ax) draws on empty axes.

    What it shows: whatever changes from frame to frame; every plot here that takes (something, ax) can be `draw`.
    Give `draw` fixed limits, or the axes will jump.  The same frames make the same bytes.
    seconds: of one round; then the last picture stays for `hold` seconds more, and the film begins again.
    size: inches, at 100 dpi.  alt: what the film shows, in words, for those who do not see it.
    Raises ValueError for no frames, for a draw that is no function, and unless seconds > 0 and hold > 0.
    """
    if not callable(draw):
        raise ValueError(f"expected draw as a function (frame, axes), got {shown(draw)}")
    if not hasattr(frames, "__len__") or len(frames) == 0:
        raise ValueError(f"expected frames as a list, at least one, got {shown(frames)}")
    check_positive("seconds", seconds)
    check_positive("hold", hold)
    pictures = [_picture(draw, frame, size) for frame in frames]
    tick = max(20, round(1000 * seconds / len(frames) / 10) * 10)  # GIFs count in 10 ms; browsers slow down below 20
    durations = [tick] * (len(frames) - 1) + [tick + round(100 * hold) * 10]
    return Film(_gif(pictures, durations), len(frames), alt or f"an animation of {len(frames)} frames")


def _picture(draw: Callable[[Frame, Axes], object], frame: Frame, size: tuple[float, float]) -> Image.Image:
    with style():
        figure = Figure(figsize=size, layout="constrained", dpi=100)  # of no window: nothing to close
        canvas = FigureCanvasAgg(figure)
        draw(frame, figure.add_subplot())
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _gif(pictures: list[Image.Image], durations: list[int]) -> bytes:
    """All pictures with one palette, so that only what moves is stored again."""
    some = pictures[:: max(1, len(pictures) // 6)][-6:] + pictures[-1:]
    sheet = Image.new("RGB", (pictures[0].width, pictures[0].height * len(some)))
    for k, picture in enumerate(some):
        sheet.paste(picture, (0, k * picture.height))
    palette = np.array(sheet.quantize(COLOURS, dither=Image.Dither.NONE).getpalette()[: 3 * COLOURS]).reshape(-1, 3)
    flat = [_in_palette(picture, palette) for picture in pictures]
    file = io.BytesIO()
    flat[0].save(file, "GIF", save_all=True, append_images=flat[1:], duration=durations, loop=0, optimize=False)
    return file.getvalue()


def _in_palette(picture: Image.Image, palette: np.ndarray) -> Image.Image:
    """The picture in the nearest of those colours (K, 3); Pillow's own search is rough, and makes white paper grey."""
    packed, places = np.unique(np.asarray(picture) @ np.array([65536, 256, 1]), return_inverse=True)
    held = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], 1)  # (N, 3), each colour of the picture once
    nearest = ((held[:, None] - palette) ** 2).sum(2).argmin(1).astype(np.uint8)
    flat = Image.fromarray(nearest[places].reshape(picture.height, picture.width), "P")
    flat.putpalette(palette.astype(np.uint8).tobytes())
    return flat
