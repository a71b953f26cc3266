"""The films of the lessons, each made of states that its lesson has computed; see `minicm.plotting.animate`."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from matplotlib.axes import Axes
from torch import Tensor

from ..plotting import PALETTE, Film, Slider, animate, end_colours
from ..plotting.style import INK, bare, numbers

__all__ = [
    "film_of_guidance", "film_of_jumps", "film_of_learning", "film_of_solvers", "film_of_steps", "film_of_trajectory",
    "play",
]  # fmt: skip

BLUE, ORANGE, RED, _, GREY, VIOLET = PALETTE
SIGMA_DATA = 0.5
WIDE = (4.4, 2.5)  # inches, of two pictures side by side


def film_of_steps(states: Tensor, times: Tensor, jumped: Tensor) -> Film:
    """00: many small steps from noise to data, and beside them one jump of the same noise.

    What it shows: forty evaluations at the left arrive where one evaluation at the right has been all the time.
    states: (N + 1, B, 2), on VE, at times (N + 1,).  jumped: (B, 2), where the jump lands.
    Each state is divided by √(σ_d² + t²), so that noise and data fit into one picture.
    Raises ValueError for other shapes, or NaN.
    """
    t = numbers(times, (len(states),), "times")
    steps = numbers(states, (len(t), None, 2), "states") / np.sqrt(SIGMA_DATA**2 + t**2)[:, None, None]
    ends = numbers(jumped, (steps.shape[1], 2), "jumped") / SIGMA_DATA
    colours, shift = 0.85 * end_colours(SIGMA_DATA * ends), np.array([5.6, 0.0])

    def draw(k: int, ax: Axes) -> None:
        right, done = (steps[0], "noise") if k == 0 else (ends, "1 evaluation")
        for points in (steps[k], right + shift):
            ax.scatter(*points.T, s=3, c=colours, linewidths=0)
        ax.set(xlim=(-2.8, 8.4), ylim=(-3.1, 3.7), aspect="equal")
        ax.set_axis_off()
        for x, text in ((0, f"Euler: {k} of {len(t) - 1} evaluations"), (5.6, f"the jump: {done}")):
            ax.text(x, 3.1, text, ha="center", fontsize=9)
        ax.text(0, -3.0, f"noise level {t[k]:.3g}", ha="center", fontsize=8)

    alt = "Two clouds of noise. The left one shrinks to the ring step by step; the right one is there at once"
    return animate(draw, range(len(t)), seconds=5.0, size=WIDE, alt=alt)


def film_of_solvers(times: Tensor, exact: Tensor, walked: Mapping[str, tuple[Tensor, Tensor]]) -> Film:
    """03: solvers walk beside the exact solutions of an ODE on a line.

    What it shows: a solver goes straight from point to point; where the curve bends, the better solver keeps to it.
    times: (T,), falling.  exact: (T, B), the exact solutions; the last is the one that the solvers follow.
    walked: name -> (its times, its states (N + 1,)).  Raises ValueError for other shapes, or NaN.
    """
    t = numbers(times, (None,), "times")
    curves = numbers(exact, (len(t), None), "exact")
    near = curves[:, -1].min() - 0.3, curves[:, -1].max() + 0.5
    lines = {name: tuple(numbers(part, (None,), name) for part in pair) for name, pair in walked.items()}

    def draw(now: float, ax: Axes) -> None:
        ax.plot(t, curves, color="#d5d5da", linewidth=0.9)
        ax.plot(t, curves[:, -1], color=INK, linewidth=1.6, label="exact")
        for (name, (at, x)), colour, marker in zip(lines.items(), (ORANGE, VIOLET, BLUE), "os^", strict=False):
            reached = at >= now - 1e-9
            here = np.interp(-now, -at, x)
            ax.plot([*at[reached], now], [*x[reached], here], color=colour, linewidth=1.3)
            ax.plot(at[reached], x[reached], marker, color=colour, markersize=5, label=name)
        ax.set(xlim=(-0.04, 1.04 * t[0]), ylim=near, xlabel="time t: data at the left", ylabel="x")
        ax.legend(loc="upper right", fontsize=7.5)

    alt = "Curves from noise at the right to data at the left; the solvers' broken lines grow along one of them"
    return animate(draw, list(np.linspace(t[0], t[-1], 40)), seconds=5.0, alt=alt)


def film_of_trajectory(states: Tensor, times: Tensor, denoised: Tensor, mapped: Tensor, data: Tensor) -> Film:
    """06: a point is carried along its trajectory; D of it wanders, f of it stands still.

    What it shows: f is constant along a trajectory, which is what "consistency" means; D is not.
    states, denoised, mapped: (N + 1, 2), the point x, D(x, t) and f(x, t) at each of times (N + 1,), noise levels.
    data: (B, 2), to be seen behind them.  Raises ValueError for other shapes, or NaN.
    """
    t = numbers(times, (None,), "times")
    x, D, f = (numbers(v, (len(t), 2), "states, denoised and mapped") for v in (states, denoised, mapped))
    behind, reach = numbers(data, (None, 2), "data"), 1.08 * np.abs(x).max()
    low = np.abs(behind).max()

    def draw(k: int, ax: Axes) -> None:
        ax.scatter(*behind.T, s=3, color="#dcdce1", linewidths=0)
        ax.plot(*x[: k + 1].T, color=INK, linewidth=1.2)
        ax.plot(*D[: k + 1].T, color=ORANGE, linewidth=1.4)
        ax.plot(*np.stack([x[k], f[k]]).T, color=VIOLET, linewidth=0.9, linestyle=":")
        for point, marker, colour, name in (
            (D[k], "s", ORANGE, "D(x, t)"), (f[k], "D", VIOLET, "f(x, t)"), (x[k], "o", INK, "x"),
        ):  # fmt: skip
            ax.plot(*point, marker, color=colour, markersize=6, label=name, markeredgecolor="white", linestyle="none")
        ax.set(xlim=(-reach, reach), ylim=(-1.4 * low, reach), aspect="equal")
        ax.set_title(f"noise level {t[k]:.2f}")
        ax.legend(loc="lower center", fontsize=8, ncols=3, columnspacing=1.0, handletextpad=0.1)

    alt = "A dot moves along its trajectory into the data; the orange square D wanders, the violet diamond f stays"
    return animate(draw, range(len(t)), seconds=5.0, alt=alt)


def film_of_learning(times: Tensor, x: Tensor, tables: Tensor, trajectories: Tensor) -> Film:
    """07: a consistency function on a line while it is learnt: what the data end knows travels up to the noise.

    What it shows: each sweep copies the answers of a level to the next; in the end a trajectory has one colour.
    times: (L,), the levels.  x: (M,), places.  tables: (F, L, M), f(x, t) after each sweep.
    trajectories: (L, B), exact solutions at the levels, drawn as lines.  Raises ValueError for other shapes, or NaN.
    """
    t, at = numbers(times, (None,), "times"), numbers(x, (None,), "x")
    learnt = numbers(tables, (None, len(t), len(at)), "tables")
    lines, reach = numbers(trajectories, (len(t), None), "trajectories"), np.abs(learnt[-1]).max()

    def draw(k: int, ax: Axes) -> None:
        ax.pcolormesh(t, at, learnt[k].T, cmap="coolwarm", vmin=-reach, vmax=reach, shading="gouraud", rasterized=True)
        ax.plot(t, lines, color=INK, linewidth=0.6)
        ax.set(xlim=(t.min(), t.max()), ylim=(at.min(), at.max()), xlabel="time t: data at the left", ylabel="x")
        ax.set_title(f"f(x, t) after {k} sweeps")

    alt = "The plane of time and place. From the data at the left two colours spread to the right, one level a sweep"
    return animate(draw, range(len(learnt)), seconds=5.0, alt=alt)


def film_of_guidance(scales: Tensor, samples: Tensor, at: Tensor, tilted: Tensor, data: Tensor) -> Film:
    """11b: the same noises under a growing guidance scale, and where the tilted density would have them.

    What it shows: the samples run to one end of their class and beyond; the tilted density hardly moves.
    scales: (F,).  samples: (F, B, 2).  at: (M,), places along both axes.  tilted: (F, M, M), densities, row by row
    from the bottom.  data: (N, 2), to be seen behind them.  Raises ValueError for other shapes, or NaN.
    """
    w, places = numbers(scales, (None,), "scales"), numbers(at, (None,), "at")
    x, density = numbers(samples, (len(w), None, 2), "samples"), numbers(tilted, (len(w), *2 * [len(places)]), "tilted")
    behind, reach = numbers(data, (None, 2), "data"), np.abs(places).max()

    def draw(k: int, ax: Axes) -> None:
        heights = np.sort(density[k].ravel())[::-1]
        level = heights[np.searchsorted(heights.cumsum(), 0.9 * heights.sum())]
        ax.scatter(*behind.T, s=3, color="#dcdce1", linewidths=0)
        ax.contour(places, places, density[k], [level], colors=[ORANGE], linewidths=1.6)
        ax.scatter(*x[k].T, s=3, color=VIOLET, linewidths=0)
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        ax.set_axis_off()
        ax.set_title(f"scale w = {w[k]:.1f}")

    alt = "Violet samples of one arm run to its tip and beyond as the scale grows; an orange line around the arm stays"
    return animate(draw, range(len(w)), seconds=5.0, alt=alt)


def film_of_jumps(samplers: Sequence[tuple[Tensor, Tensor]], steps: int = 5) -> Film:
    """13: sampling as a staircase in the triangle of times, and the same jumps of many noises in the plane.

    What it shows: a jump is a point (t, s) of the triangle; consistency models know its lower edge alone.
    samplers: (times (N + 1,), states (N + 1, B, 2)) for each number of jumps, angles of TrigFlow and states there.
    steps: pictures of one jump.  Raises ValueError for other shapes, or NaN.
    """
    walks = [(numbers(t, (None,), "times"), numbers(x, (len(t), None, 2), "states")) for t, x in samplers]
    frames = [
        (w, k, (j + 1) / steps) for w, (t, _) in enumerate(walks) for k in range(len(t) - 1) for j in range(steps)
    ]
    colours = 0.85 * end_colours(walks[0][1][-1])

    def draw(frame: tuple[int, int, float], ax: Axes) -> None:
        which, k, share = frame
        t, x = walks[which]
        ax.set_axis_off()
        left, right = ax.inset_axes((0.1, 0.16, 0.4, 0.72)), ax.inset_axes((0.58, 0.16, 0.42, 0.72))
        _triangle(left, t, k, share)
        right.scatter(*(x[k] + share * (x[k + 1] - x[k])).T, s=5, c=colours, linewidths=0)
        bare(right).set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal")
        right.set_title("the samples", fontsize=9)

    alt = "A staircase in the triangle of the times t and s, with 1, 2 and 4 jumps, and the samples that take them"
    return animate(draw, frames, seconds=6.0, size=WIDE, alt=alt)


def _triangle(ax: Axes, t: np.ndarray, k: int, share: float) -> None:
    """The jumps t[0] -> t[1] -> ... as points (from, to), up to jump k, and the stairs that connect them."""
    top = 1.06 * t[0]
    ax.fill([0, top, top], [0, 0, top], color="#ececf0", linewidth=0)
    stairs = [(t[0], t[0])]
    for i in range(k):
        stairs += [(t[i], t[i + 1]), (t[i + 1], t[i + 1])]
    down, back = min(1, 2 * share), max(0, 2 * share - 1)  # first down to the jump, then back to the diagonal
    stairs.append((t[k], t[k] + down * (t[k + 1] - t[k])))
    stairs.append((t[k] + back * (t[k + 1] - t[k]), stairs[-1][1]))
    ax.plot(*np.array(stairs).T, color=INK, linewidth=1.1)
    done = k + 1 if share > 0.45 else k
    ax.plot(t[:done], t[1 : done + 1], "D", color=VIOLET, markersize=5.5)
    ax.set(xlim=(0, top), ylim=(-0.1, top), xlabel="from t", ylabel="to s")
    ax.set_title("one jump" if len(t) == 2 else f"{len(t) - 1} jumps", fontsize=9)


def play(film: Film | Slider) -> None:
    """Show the film or the slider where a notebook can, and under it five of its pictures, which paper shows too."""
    display(film)
    film.strip(5)
    plt.show()
