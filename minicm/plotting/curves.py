"""Numbers against effort: the loss of each update, and the quality that each evaluation buys."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from ..checks import check_positive
from .style import BLUE, GREY, INK, LINES, MARKERS, PALETTE, WIDE, Colour, axes_or_new, numbers


def loss_curve(
    records: Sequence[object],
    ax: Axes | None = None,
    *,
    smooth: float = 50.0,
    colour: Colour = BLUE,
    line: str | tuple = "-",
    label: str | None = None,
    title: str = "",
) -> Axes:
    """Axes with the loss of each record, thin, and its running mean, thick, on a logarithmic axis.

    What it shows: whether and how fast training goes down.
    records: of `fit`, with .iteration and .loss, or plain numbers.  smooth: updates that the exponential running mean
    remembers; it starts unbiased.  For a second curve, pass the axes and another colour and line.
    Raises ValueError for no records, for NaN, and unless losses are >= 0 and not all 0.
    """
    check_positive("smooth", smooth)
    if len(records) == 0:
        raise ValueError("expected records, losses of shape (n,) with n >= 1, got none")
    raw = numbers([getattr(r, "loss", r) for r in records], (None,), "losses in records")
    if raw.min() < 0 or raw.max() == 0:
        raise ValueError(
            f"expected records of losses >= 0, not all 0, for the axis, got {raw.min():.6g} to {raw.max():.6g}"
        )
    at = [getattr(r, "iteration", i) for i, r in enumerate(records)]
    ax = axes_or_new(ax, WIDE)
    ax.plot(at, raw, color=colour, linewidth=0.5, alpha=0.35)
    ax.plot(at, _running_mean(raw, smooth), color=colour, linestyle=line, linewidth=1.8, label=label)
    ax.set(yscale="log", xlabel="iteration", ylabel="loss", title=title)
    if label is not None:
        ax.legend(frameon=False, fontsize=8)
    return ax


def _running_mean(values: np.ndarray, memory: float) -> np.ndarray:
    """Σ_j w^(k−j) v_j / Σ_j w^(k−j) with w = 1 − 1/memory: weights sum to 1 from the first value on."""
    keep, total, weight = 1 - 1 / max(memory, 1.0), 0.0, 0.0
    means = np.empty_like(values)
    for k, value in enumerate(values):
        total, weight = keep * total + value, keep * weight + 1
        means[k] = total / weight
    return means


def quality_against_evaluations(
    rows: Sequence[Mapping[str, object]],
    ax: Axes | None = None,
    *,
    metric: str = "ed_over_floor",
    label: str = "energy distance / floor",
    floor: tuple[float, float] = (0.5, 1.5),
    title: str = "",
) -> Axes:
    """Axes with one line for each sampler: rows' metric against their evaluations, both logarithmic.

    What it shows: what each further evaluation buys, and when samples are as good as fresh data (the grey band).
    rows: with "sampler", "evaluations" and the metric, as in out/demo.json; a sampler that comes with several numbers
    of evaluations makes a line.  floor: the band that distances between two sets of true data fall into, in floors.
    Raises ValueError for no rows, a missing key, more than 6 samplers, NaN or numbers <= 0.
    """
    lines = _lines(rows, metric)
    ax = axes_or_new(ax, WIDE)
    ax.axhspan(*floor, color=GREY, alpha=0.25, linewidth=0)
    ax.axhline(1, color=GREY, linewidth=0.9)
    for (name, line), colour, marker, dashes in zip(lines.items(), PALETTE, MARKERS, LINES):
        look = {"color": colour, "marker": marker, "linestyle": dashes, "markeredgecolor": "white"}
        ax.plot(*line.T, label=name, linewidth=1.5, markersize=7, markeredgewidth=0.7, **look)
    ax.set(xscale="log", yscale="log", xlabel="evaluations of the network", ylabel=label, title=title)
    _label_ticks(ax, np.unique(np.concatenate([line[:, 0] for line in lines.values()])))
    ax.text(0.01, floor[0] * 1.05, "true data", transform=ax.get_yaxis_transform(), va="bottom", color=INK, fontsize=8)
    ax.legend(frameon=False, fontsize=8)
    return ax


def _lines(rows: Sequence[Mapping[str, object]], metric: str) -> dict[str, np.ndarray]:
    """Sampler -> (n, 2) of evaluations and metric, by evaluations."""
    missing = [key for key in ("sampler", "evaluations", metric) for row in rows if key not in row]
    names = list(dict.fromkeys(str(row.get("sampler")) for row in rows))
    if missing or not 1 <= len(names) <= len(PALETTE):
        raise ValueError(
            f"expected rows with sampler, evaluations and the metric {metric}, 1 to {len(PALETTE)} samplers, "
            f"got {len(names)} samplers" + (f" and a row without {missing[0]}" if missing else "")
        )
    lines = {}
    for name in names:
        pairs = sorted((float(r["evaluations"]), float(r[metric])) for r in rows if str(r["sampler"]) == name)
        lines[name] = numbers(np.array(pairs), (None, 2), f"numbers of {name} in rows")
        if lines[name].min() <= 0:
            raise ValueError(
                f"expected rows with evaluations and {metric} > 0 for logarithmic axes, got {pairs} of {name}"
            )
    return lines


def _label_ticks(ax: Axes, counts: np.ndarray) -> None:
    """Plain numbers on both axes: 1, 3, 10 up, and along the evaluations that occur, unless too close to the last."""
    kept = []
    for count in counts:
        if not kept or count >= 1.25 * kept[-1]:
            kept.append(count)
    ax.xaxis.set(major_locator=FixedLocator(kept), minor_locator=NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:g}"))
    ax.yaxis.set(major_locator=LogLocator(subs=(1.0, 3.0)), minor_locator=NullLocator())
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
