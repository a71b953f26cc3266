"""The sliders of the lessons, each made of values that its lesson has computed; see `minicm.plotting.slide`."""

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from ..plotting import PALETTE, Slider, slide
from ..plotting.style import INK, numbers

__all__ = ["slider_of_answers"]

BLUE, ORANGE, RED, _, GREY, VIOLET = PALETTE


def slider_of_answers(times: Tensor, places: Tensor, means: Tensor, ends: Tensor, carried: Tensor) -> Slider:
    """06: the denoiser and the consistency function of data on a line, at the noise level of the slider.

    What it shows: with the noise the mean D flattens and forgets, while f stays a step.
    times: (L,), noise levels, rising.  places: (M,), x in units of its standard deviation at that level.
    means, ends: (L, M), D and f there.  carried: (L, 3), the place, the mean and the end of one trajectory.
    Raises ValueError for other shapes, or NaN.
    """
    t, z = numbers(times, (None,), "times"), numbers(places, (None,), "places")
    D, f = (numbers(v, (len(t), len(z)), "means and ends") for v in (means, ends))
    one = numbers(carried, (len(t), 3), "carried")
    reach = 1.15 * np.abs(f).max()

    def draw(k: int, ax: Axes) -> None:
        at, mean, end = one[k]
        ax.axvline(at, color=GREY, linewidth=0.8)
        ax.plot(z, D[k], color=ORANGE, linestyle="--", linewidth=2, label="D: the mean")
        ax.plot(z, f[k], color=BLUE, linewidth=2, label="f: the end")
        ax.plot(at, mean, "s", at, end, "D", color=INK, markersize=5)
        ax.set(xlim=(z[0], z[-1]), ylim=(-reach, reach), xlabel="x, in standard deviations of x", ylabel="answer")
        ax.set_title(f"noise level {t[k]:.2g}")
        ax.legend(loc="lower right")

    alt = "The answers of D and of f to each x on the line. D goes from a steep curve to a flat line, f keeps its step"
    said = [f"{level:.2g}" for level in t]
    return slide(draw, range(len(t)), values=said, label="noise level t", start=len(t) // 2, size=(4.0, 2.6), alt=alt)
