"""Pictures to drag through: drawn beforehand, one for each value, shown by a slider that needs no kernel."""

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure
from PIL import Image

from ..checks import check_count, shown
from .frames import Draw, Frame, drawn, side_by_side, with_one_palette

# Attributes in the place of a script: they also work where HTML is put into a page that is already there.  The slider
# is disabled, and the line under it seen, until the picture's `onload` has run: where a page keeps scripts out, it
# never does.  JupyterLab takes arrow keys away from what has the focus, but not with data-lm-suppress-shortcuts on it.
_READY = """const box = this.closest('figure'); this.onload = null;
box.querySelector('input').disabled = false; box.querySelector('small').remove()"""
_MOVED = """const [said, picture] = JSON.parse(this.dataset.frames)[this.value], box = this.closest('figure');
const image = box.querySelector('img'); image.src = 'data:image/png;base64,' + picture;
image.alt = this.dataset.alt + ': ' + said; this.setAttribute('aria-valuetext', said);
box.querySelector('output').value = said"""
_PAGE = """<figure style="margin: 0; max-width: {width}px">
<img src="data:image/png;base64,{picture}" width="{width}" alt="{alt}: {said}" onload="{ready}">
<div style="display: flex; gap: 0.8em">
<label style="flex: 1; display: flex; gap: 0.8em">{label}
<input type="range" min="0" max="{last}" step="1" value="{start}" disabled autocomplete="off" style="flex: 1"
data-lm-suppress-shortcuts="true"
aria-valuetext="{said}" data-alt="{alt}" data-frames="{frames}" oninput="{moved}"></label>
<output style="min-width: 3em">{said}</output></div>
<small>The slider moves once this cell has been run.</small>
</figure>"""


@dataclass(frozen=True)
class Slider:
    """Pictures as PNGs, the text of each, and a slider over them for a notebook; `strip` is for paper."""

    pngs: tuple[bytes, ...] = field(repr=False)
    values: tuple[str, ...]
    label: str
    start: int
    alt: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        coded = [base64.b64encode(png).decode("ascii") for png in self.pngs]
        parts = {
            "picture": coded[self.start],
            "said": self.values[self.start],
            "frames": json.dumps(list(zip(self.values, coded)), ensure_ascii=False, separators=(",", ":")),
            **{"alt": self.alt, "label": self.label, "start": self.start, "last": len(coded) - 1},
            **{"width": self.pictures()[0].width, "ready": _READY, "moved": _MOVED},
        }
        page = _PAGE.format(**{name: html.escape(str(part)) for name, part in parts.items()})
        return {"text/html": page, "text/plain": f"{self.alt} (a slider: {self.label})"}

    def pictures(self) -> list[Image.Image]:
        """The pictures, RGB, in the order of the values."""
        return [Image.open(io.BytesIO(png)).convert("RGB") for png in self.pngs]

    def strip(self, count: int = 5, *, panel: float = 1.6) -> Figure:
        """Figure with so many pictures side by side, the first and the last among them, `panel` inches each.

        What it shows: the slider on paper.  Raises ValueError unless count >= 1 and panel > 0.
        """
        return side_by_side(self.pictures(), count, panel)


def slide(
    draw: Draw[Frame],
    frames: Sequence[Frame],
    *,
    values: Sequence[str],
    label: str,
    start: int = 0,
    size: tuple[float, float] = (4.4, 2.5),
    alt: str = "",
) -> Slider:
    """The slider whose picture k is what draw(frames[k], ax) draws on empty axes; no kernel is asked when it moves.

    What it shows: how a figure depends on one number.  About 20 frames are smooth enough, and small.
    values: what is said of each frame, as "0.5".  label: what the slider changes, as "noise level t".
    start: the frame that is seen first.  size: inches, at 100 dpi.  alt: what it shows, in words.
    Raises ValueError for no frames, for a draw that is no function, for values that are not one text for each frame,
    and for a start that is no frame.
    """
    pictures = with_one_palette(drawn(draw, frames, size))
    texts = isinstance(values, Sequence) and all(isinstance(value, str) for value in values)
    if not texts or len(values) != len(pictures):
        raise ValueError(f"expected values as {len(pictures)} texts, one for each frame, got {shown(values)}")
    check_count("start", start, 0, len(pictures) - 1)
    alt = alt or f"a slider over {len(pictures)} pictures"
    return Slider(tuple(map(_png, pictures)), tuple(values), label, start, alt)


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
