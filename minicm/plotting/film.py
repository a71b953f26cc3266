"""Pictures that move: one drawing for each frame, together a GIF that plays wherever pictures are shown."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure
from PIL import Image

from ..checks import check_positive
from .frames import Draw, Frame, drawn, side_by_side, with_one_palette


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
        return side_by_side(self.pictures(), count, panel)


def animate(
    draw: Draw[Frame],
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
    check_positive("seconds", seconds)
    check_positive("hold", hold)
    pictures = with_one_palette(drawn(draw, frames, size))
    tick = max(20, round(1000 * seconds / len(frames) / 10) * 10)  # GIFs count in 10 ms; browsers slow down below 20
    durations = [tick] * (len(frames) - 1) + [tick + round(100 * hold) * 10]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0, optimize=False)
    return Film(file.getvalue(), len(frames), alt or f"an animation of {len(frames)} frames")
