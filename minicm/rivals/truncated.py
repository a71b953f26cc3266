"""Truncated consistency: a second stage learns t > t' alone, and the first stage answers below.

f(x, t) = first(x, t) for t <= t', so the boundary condition of the second stage stands at t' instead of at the data.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_between, check_positive
from ..losses.discrete import consistency_loss
from ..losses.distances import squared
from ..losses.time_pairs import TimePairs
from ..paths import Path
from ..shapes import Denoiser, Distance, PathDenoiser, check_path, like


def with_first_stage(model: Denoiser, first: Denoiser, boundary: float) -> Denoiser:
    """(x, t) -> first(x, t) where t <= boundary, model(x, t) above; (B, *S).  One call where all t are on one side.

    Raises ValueError unless boundary > 0, and for two models of different paths.
    Source: Lee et al. 2025 (truncated consistency models).
    """
    check_positive("boundary", boundary)
    path = getattr(model, "path", None)
    check_path("first", first, path)

    def joined(x: Tensor, t: Tensor) -> Tensor:
        above = t > boundary
        if above.all():
            return model(x, t)
        return torch.where(like(above.to(t.dtype), x) > 0, model(x, t), first(x, t)) if above.any() else first(x, t)

    return PathDenoiser(joined, path)


@dataclass(frozen=True)
class TruncatedLoss:
    """`consistency_loss` of pairs above the boundary, whose target below it is the first stage: a `Loss`.

    boundary: t'.  share: of the batch that has t = s = t', where the model must equal the first stage.
    pairs: (t, s), of which t is moved up to t' and s as well: no pair looks below the boundary.  What they
    put below t' is then at the boundary, beside the share: choose pairs that are mostly above it.
    Raises ValueError unless t_min <= boundary <= t_max, 0 <= share <= 1, and for a stage or pairs of another path.
    Source: Lee et al. 2025 (truncated consistency models), with the boundary share of its code.
    """

    path: Path
    first: Denoiser
    boundary: float
    pairs: TimePairs
    share: float = 0.05
    teacher: Denoiser | None = None
    distance: Distance = squared

    def __post_init__(self) -> None:
        check_between("boundary", self.boundary, self.path.t_min, self.path.t_max)
        check_path("first", self.first, self.path)
        check_path("pairs", self.pairs, self.path)
        check_between("share", self.share, 0.0, 1.0)

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        t, s = (u.clamp(min=self.boundary) for u in self.pairs(len(x0), iteration, generator))
        t[: round(self.share * len(x0))] = self.boundary
        s = torch.minimum(s, t)
        eps = torch.empty_like(x0).normal_(generator=generator)
        return consistency_loss(
            model, x0, eps, t, s, path=self.path, teacher=self.teacher, distance=self.distance,
            target=with_first_stage(model, self.first, self.boundary),
        )  # fmt: skip
