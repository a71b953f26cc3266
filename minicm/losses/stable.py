"""Stable targets: the mean of all the data that a noised point may have come from, in place of the one that it did.

x_t is made from one x0, and a loss that asks for that x0 has a noisy target: other data, noised otherwise, end at the
same x_t.  Their mean, weighed by how probable each is, is the posterior mean over a set of references, the ideal
denoiser of notebook 02.  The references contain the point's own x0, drawn like the others, and so the target is still
right on average, and its variance falls as they become more.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_alike, check_batch, check_count, check_floats
from ..paths import Path
from ..shapes import Denoiser, Loss, PathDenoiser, Sampler, like
from .continuous import SCMLoss
from .denoising import DenoisingLoss, VelocityLoss
from .discrete import ConsistencyLoss


def batch_denoiser(references: Tensor, path: Path) -> Denoiser:
    """E[x0 | x_t] if the data were these references (K, *S), each equally often; (x, t) -> (B, *S).

    What `empirical(references).denoiser(path)` says, by two products of matrices in the dtype of the points: fast
    enough for every update, with logits (α x·y − α² |y|²/2)/σ².  On a path that ends without noise, t must have σ > 0.
    Raises ValueError for references that are no floats or none at all, and for points of another shape.
    Source: Xu et al. 2023 (stable target field), the target of its training objective.
    """
    check_floats("references", references)
    if references.ndim < 2 or not len(references):
        raise ValueError(f"expected references of shape (K, *S), K >= 1, got {tuple(references.shape)}")
    flat = references.flatten(1)
    half_square = flat.square().sum(1) / 2

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        check_alike("references", references[:1], "x", x[:1])
        check_batch("x", x, times={"t": t})
        alpha, var = path.alpha(t), path.sigma(t) ** 2
        near = like(alpha / var, x).reshape(-1, 1) * (x.flatten(1) @ flat.T)
        logits = near - like(alpha**2 / var, x).reshape(-1, 1) * half_square
        return (logits.softmax(1) @ flat).reshape(x.shape)

    return PathDenoiser(denoise, path)


@dataclass(frozen=True)
class StableLoss:
    """A loss whose teacher is the `batch_denoiser` of each batch and `extra` fresh points beside it: a `Loss`.

    loss: of diffusion (`VelocityLoss`, `DenoisingLoss`), of consistency models (`ct`, `ect`, `ict`) or `SCMLoss`,
    without a teacher of its own.  references: draws the fresh points, from the law of the data; `extra` may be 0.
    For data that many references cover, as points in the plane.  Among pictures the nearest reference has all the
    weight: the target is then the one x0 again, and a model that is trained on it long enough repeats its data.
    Raises ValueError unless extra >= 0, and for a loss with a teacher.
    Source: Xu et al. 2023 (stable target field); Wang et al. 2024 (stable consistency tuning).
    """

    loss: VelocityLoss | DenoisingLoss | ConsistencyLoss | SCMLoss
    references: Sampler
    extra: int = 768

    def __post_init__(self) -> None:
        check_count("extra", self.extra, 0)
        if getattr(self.loss, "teacher", self) is not None:
            raise ValueError(f"expected a loss with a teacher to fill in, got {type(self.loss).__name__} with one")

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        fresh = [self.references(self.extra, generator).to(x0)] if self.extra else []
        loss: Loss = replace(self.loss, teacher=batch_denoiser(torch.cat([x0, *fresh]), self.loss.path))  # type: ignore[assignment]
        return loss(model, x0, iteration, generator)
