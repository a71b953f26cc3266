"""What went wrong with samples in the plane, in a word: the last column of the arena."""

import torch
from torch import Tensor

__all__ = ["failure", "named", "nearest"]


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """The distance of each point of a (n, 2) to its nearest in b (m, 2); (n,)."""
    return torch.cat([torch.cdist(part, b).amin(1) for part in a.split(500)])


def failure(samples: Tensor, truth: Tensor, n: int = 4000) -> dict[str, object]:
    """What went wrong, in a word, from two shares and a width.

    off: samples farther from every true point than 99 % of true points are from other true points.  missed: the same
    with the two sets exchanged.  Both are .01 at the floor.  width: the std of the samples over that of the data.
    collapse: width < .5 or missed > .5 with off <= .5.  blob: off > .5, most samples lie where no data is.
    bridges: off > .1, samples between the parts of the data.  gaps: missed > .1.  Otherwise "none".
    """
    n = min(n, len(truth) // 2)
    samples, first, second = samples[:n].double(), truth[:n].double(), truth[n : 2 * n].double()
    usual = nearest(second, first).quantile(0.99)
    off = (nearest(samples, first) > usual).double().mean().item()
    missed = (nearest(second, samples) > usual).double().mean().item()
    return {"off": round(off, 4), "missed": round(missed, 4), "failure": named(off, missed, _width(samples, first))}


def _width(samples: Tensor, truth: Tensor) -> float:
    return (samples.var(0).sum() / truth.var(0).sum()).sqrt().item()


def named(off: float, missed: float, width: float) -> str:
    """The rule of `failure`."""
    if width < 0.5 or (missed > 0.5 and off <= 0.5):
        return "collapse"
    if off > 0.5:
        return "blob"
    if off > 0.1:
        return "bridges"
    return "gaps" if missed > 0.1 else "none"
