"""The monotone map that carries one law of a number to another: F_s(y) = F_t(x).

Trajectories of a one-dimensional ODE cannot cross, so a point keeps its rank: this map is the probability flow.
"""

from collections.abc import Callable

import torch
from torch import Tensor

LogTail = Callable[[Tensor, Tensor], Tensor]  # (x, side) -> log P(X <= x) where side = 1, log P(X >= x) where side = -1


def quantile_map(
    x: Tensor, source: LogTail, target: LogTail, log_density: Callable[[Tensor], Tensor], bracket: tuple[Tensor, Tensor]
) -> Tensor:
    """The y with F_target(y) = F_source(x), in float64; x, y and the bracket that holds y: (B, 1).

    log_density belongs to the target.  The smaller of the two tails is matched, by its logarithm, so that both far ends
    keep their digits.  First derivatives (both modes of AD) follow from F_s(y) = F_t(x); second ones do not.
    In a gap between modes, where the density is below 1e-16, y is known no better than F is.
    """
    side = torch.ones_like(x)
    lower, upper = source(x, side), source(x, -side)
    smaller = lower < upper
    side = torch.where(smaller, side, -side).detach()
    rank = side * torch.where(smaller, lower, upper)  # grows with x; `minimum` would have slope 0 where both are equal

    def growth(y: Tensor) -> Tensor:
        return side * target(y, side)

    def slope(y: Tensor) -> Tensor:
        return (log_density(y) - target(y, side)).exp().clamp_min(1e-300)

    with torch.no_grad():
        y = _increasing_root(growth, slope, rank.detach(), *(end.detach() for end in bracket)).detach()
    residual = rank - growth(y)
    return y + (residual - residual.detach()) / slope(y).detach()  # adds 0, and the derivatives that the search lacks


def _increasing_root(
    function: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], value: Tensor, low: Tensor, high: Tensor
) -> Tensor:
    """The root of function(y) = value in [low, high]: 28 halvings, then Newton's steps, kept inside the bracket."""
    for _ in range(28):
        y = (low + high) / 2
        below = function(y) < value
        low, high = torch.where(below, y, low), torch.where(below, high, y)
    for _ in range(4):
        y = torch.clamp(y + (value - function(y)) / slope(y), low, high)
    return y
