"""Pairs of times t and s <= t for each sample, drawn: what a consistency loss compares, where a flow map jumps.

    neighbours   t, s = τ_i, τ_{i+1}, levels of a grid       CD, CT, iCT
    closing      t from a law, s = r(t, stage)               ECT
    two_times    t, s = max, min of two draws from a law     MeanFlow, Shortcut, CTM, IMM

t, s: (B,), float64, times of the path.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_between
from ..paths import Path
from ..times import Law, ect_stage, ect_time, partner, stage_of

TimePairs = Callable[[int, int, torch.Generator | None], tuple[Tensor, Tensor]]  # (B, iteration, generator) -> t, s


@dataclass(frozen=True)
class PathPairs:
    """Pairs that know their path: a loss on another one refuses them."""

    draw: TimePairs
    path: Path

    def __call__(self, batch: int, iteration: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        return self.draw(batch, iteration, generator)


def neighbours(levels: Callable[[int], Tensor], probabilities: Callable[[Tensor], Tensor] | None = None) -> TimePairs:
    """Pairs of neighbouring levels of a decreasing grid that may depend on the iteration.

    levels: iteration -> (N,), decreasing times.  probabilities: levels -> (N − 1,), how often each interval is drawn;
    None: equally often.
    """

    def draw(batch: int, iteration: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        device = None if generator is None else generator.device
        grid = levels(iteration).to(device)
        if probabilities is None:
            index = torch.randint(len(grid) - 1, (batch,), generator=generator, device=device)
        else:
            index = torch.multinomial(probabilities(grid), batch, replacement=True, generator=generator)
        return grid[index], grid[index + 1]

    return draw


def closing(path: Path, total: int, *, stages: int, q: float, law: Law) -> PathPairs:
    """Pairs that close up in stages over `total` iterations: t from the law, s = r(t, stage) of `ect_time`.

    law: of the noise-to-signal ratio, cut to the path.  Raises ValueError as `ect_stage`, and unless q > 0.
    Source: Geng et al. 2024 (ECT), sec. 3.
    """
    ect_time(torch.ones(1), ect_stage(0, total, stages), q)  # their checks, once
    low, high = path.nsr(torch.tensor([path.t_min, path.t_max], dtype=torch.float64)).tolist()

    def draw(batch: int, iteration: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        nsr = law(batch, generator).clamp(1.05 * low, high)  # so that s >= t_min is below t
        near = partner(nsr, stage_of(iteration, total, stages), q).clamp(min=low)
        return path.time_at(nsr), path.time_at(near).clamp(min=path.t_min)

    return PathPairs(draw, path)


def two_times(path: Path, law: Law, *, diagonal: float = 0.25, ends: float = 0.25) -> PathPairs:
    """Pairs s <= t: both from the law, sorted, but s = t in a share `diagonal`, and s = t_min in a share `ends`.

    law: of the noise-to-signal ratio, cut to the path.  Raises ValueError unless both shares are >= 0, their sum <= 1.
    """
    check_between("diagonal", diagonal, 0.0, 1.0)
    check_between("ends", ends, 0.0, 1.0)
    if diagonal + ends > 1:
        raise ValueError(f"expected shares >= 0 whose sum is <= 1, got diagonal {diagonal} and ends {ends}")

    def draw(batch: int, iteration: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        first, second = (path.time_at(law(batch, generator)).clamp(path.t_min, path.t_max) for _ in range(2))
        t, s = torch.maximum(first, second), torch.minimum(first, second)
        fixed = round(batch * diagonal), round(batch * ends)
        t[: sum(fixed)] = first[: sum(fixed)]  # a fresh draw, not the larger of two
        s[: fixed[0]] = t[: fixed[0]]
        s[fixed[0] : sum(fixed)] = path.t_min
        return t, s

    return PathPairs(draw, path)
