"""Train in a notebook and watch: how far it is, and the loss so far, drawn anew each second.

    LIVE = False                        # True trains here what the lesson otherwise loads
    student = watch(recipes.cd_run(eight_gaussians, teacher, 3000), "CD") if LIVE else stored

Outside of a notebook nothing is drawn.
"""

import time
from collections.abc import Iterator
from typing import Protocol

import matplotlib.pyplot as plt
from torch import nn

from ..averages import Average
from ..plotting import loss_curve
from ..training import Record

__all__ = ["Trains", "watch"]


class Trains(Protocol):
    """What can be watched: a run of the recipes, or anything that trains as it does."""

    iterations: int
    average: Average

    def records(self) -> Iterator[Record]:
        """Train, yielding after each update."""


def watch(run: Trains, name: str) -> nn.Module:
    """The averaged model of the run, trained here; in a notebook its progress and its loss are shown meanwhile.

    name: what stands above the curve.  Raises what the run raises, for example ValueError for a loss that is NaN.
    """
    records: list[Record] = []
    view, shown = _View(name), time.monotonic()
    for record in run.records():
        records.append(record)
        if time.monotonic() - shown > 1:
            view(records, run.iterations)
            shown = time.monotonic()
    view(records, run.iterations)
    print(f"{name}: trained here, {len(records)} updates")
    return run.average.model.eval().requires_grad_(False)


class _View:
    """A picture that is drawn anew in its place; outside of a notebook, nothing."""

    def __init__(self, name: str) -> None:
        self.name, self.handle = name, None

    def __call__(self, records: list[Record], total: int) -> None:
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            return
        if getattr(get_ipython(), "kernel", None) is None or not records:
            return
        figure, ax = plt.subplots(figsize=(5, 2.4), layout="constrained")
        loss_curve(records, ax, title=f"{self.name}: {len(records)} of {total} updates")
        ax.set_xlim(0, total)
        plt.close(figure)  # or it would be drawn a second time, below
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)
