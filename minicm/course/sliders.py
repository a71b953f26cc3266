"""The sliders of the lessons, each made of values that its lesson has computed; see `minicm.plotting.slide`."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from torch import Tensor

from ..plotting import PALETTE, Slider, slide
from ..plotting.style import INK, bare, numbers

__all__ = ["slider_of_answers", "slider_of_chains", "slider_of_second_level", "slider_of_shares"]

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


def slider_of_shares(ratios: Tensor, points: Tensor, place: Tensor, shares: Tensor, guesses: Tensor) -> Slider:
    """02: which data points a noisy point may have come from, and the mean of them, at the level of the slider.

    What it shows: the denoiser is a mean of the data; the noise level decides how many points take part.
    ratios: (L,), noise-to-signal ratios, rising.  points: (K, 2), the data.  place: (2,), the noisy point over α.
    shares: (L, K), the probability of each point.  guesses: (L, 2), the denoiser's answers.
    Raises ValueError for other shapes, or NaN.
    """
    nsr, data = numbers(ratios, (None,), "ratios"), numbers(points, (None, 2), "points")
    x, share = numbers(place, (2,), "place"), numbers(shares, (len(nsr), len(data)), "shares")
    D = numbers(guesses, (len(nsr), 2), "guesses")

    def draw(k: int, ax: Axes) -> None:
        ax.add_patch(Circle(x, nsr[k], color="#ececf0"))
        ax.scatter(*data.T, s=900 * share[k], color=BLUE, alpha=0.45, linewidths=0)
        ax.plot(*data.T, "*", color="black", markersize=7, label="data")
        ax.plot(*D.T, color=ORANGE, linewidth=0.8)
        ax.plot(*x, "x", color=INK, markersize=7, label="x/α")
        ax.plot(*D[k], "s", color=ORANGE, markersize=6, label="D(x, t)")
        bare(ax).set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
        ax.set_title(f"noise-to-signal ratio {nsr[k]:.2g}")
        ax.legend(loc="lower left", ncols=3, columnspacing=1.0, handletextpad=0.2)

    alt = "Five stars with discs as large as their shares. With the noise the guess moves from one star to the middle"
    said = [f"{ratio:.2g}" for ratio in nsr]
    return slide(
        draw, range(len(nsr)), values=said, label="noise-to-signal ratio", start=len(nsr) // 2, size=(3.2, 3.2), alt=alt
    )


def slider_of_chains(counts: Sequence[int], x: Tensor, exact: Tensor, chains: Mapping[str, Tensor]) -> Slider:
    """08: where solvers with N levels lead the noises of a line, beside where the exact ODE does.

    What it shows: what a consistency model that is trained with N levels reaches at best.
    counts: the numbers N of levels.  x: (M,), noises.  exact: (M,), their ends.  chains: name -> (C, M), one row per N.
    Raises ValueError for other shapes, or NaN.
    """
    at, truth = numbers(x, (None,), "x"), numbers(exact, (len(x),), "exact")
    solved = {name: numbers(ends, (len(counts), len(at)), name) for name, ends in chains.items()}
    reach = 1.6 * np.abs(truth).max()

    def draw(k: int, ax: Axes) -> None:
        ax.plot(at, truth, color=INK, linewidth=3, alpha=0.35, label="exact f")
        for (name, ends), colour, line in zip(solved.items(), (ORANGE, BLUE), ("--", "-"), strict=False):
            error = np.sqrt(((ends[k] - truth) ** 2).mean())
            ax.plot(at, ends[k], color=colour, linestyle=line, label=f"{name}: off by {error:.2f}")
        ax.set(xlim=(at[0], at[-1]), ylim=(-reach, reach), xlabel="the noise", ylabel="its end")
        ax.set_title(f"{counts[k]} levels")
        ax.legend(loc="upper left")

    alt = "The ends of all noises on a line, by two solvers and exactly. With more levels the solvers come to the step"
    said = [str(count) for count in counts]
    return slide(draw, range(len(said)), values=said, label="levels N", start=len(said) // 3, size=(4.0, 2.6), alt=alt)


def slider_of_second_level(ratios: Tensor, shares: Tensor, samples: Tensor, far: Tensor) -> Slider:
    """11: the samples after two jumps, by the level of the second one, and the share of them that lies far off.

    What it shows: from a high level the second jump errs as the first did; from a low one it mends nothing.
    ratios: (L,), levels of the second jump.  shares: (L,), of far samples.  samples: (L, B, 2).  far: (L, B), which.
    Raises ValueError for other shapes, or NaN.
    """
    nsr = numbers(ratios, (None,), "ratios")
    share, x = numbers(shares, (len(nsr),), "shares"), numbers(samples, (len(nsr), None, 2), "samples")
    strays = numbers(far, (len(nsr), x.shape[1]), "far") > 0

    def draw(k: int, ax: Axes) -> None:
        for which, colour, size in ((~strays[k], BLUE, 1.5), (strays[k], RED, 3)):
            ax.plot(*x[k][which].T, "o", markersize=size, color=colour, markeredgewidth=0)
        bare(ax).set(xlim=(-0.9, 0.9), ylim=(-0.9, 0.9), aspect="equal")
        ax.set_title(f"second level {nsr[k]:.2g}: {100 * share[k]:.1f} % are far")

    alt = "Samples after two jumps, those far from the clusters in red. They are fewest for a second level in between"
    said = [f"{ratio:.2g}" for ratio in nsr]
    return slide(
        draw,
        range(len(nsr)),
        values=said,
        label="level of the second jump",
        start=len(nsr) - 1,
        size=(3.0, 3.0),
        alt=alt,
    )
