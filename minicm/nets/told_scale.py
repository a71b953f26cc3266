"""An MLP that is told a guidance scale: F(u, c, label, w), for one student of all scales.

The scale goes beside the time, as features of its own; for pictures, a UNet with guidance=... does the same.
"""

import torch
from torch import Tensor, nn

from ..checks import check_per_sample
from .mlp import MLP
from .two_times import TwoTimeFeatures


class GuidedMLP(nn.Module):
    """F(u, c, label, w): u (B, *S) of `dim` elements, c (B,), label (B,) or None, w (B,) -> (B, *S).

    An `MLP` of that width, depth and number of labels; bind label and scale by `model.given(label, w)`.
    Source: Meng et al. 2023 (distillation of guided models), for the scale as an input.
    """

    def __init__(self, dim: int = 2, width: int = 128, depth: int = 4, *, labels: int = 0) -> None:
        super().__init__()
        self.mlp = MLP(dim, width, depth, TwoTimeFeatures(), labels=labels)
        self.labels = labels

    def forward(self, u: Tensor, c: Tensor, label: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        """The answer for these scales; None means 1 for all, which is no guidance.  Raises ValueError as `MLP` does."""
        return self.mlp(u, _with_scale(u, c, scale), label)

    def with_tangent(
        self, u: Tensor, c: Tensor, du: Tensor, dc: Tensor, label: Tensor | None = None, scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The answer with its gradient graph, and its derivative along (du, dc) without one; both (B, *S).

        Raises ValueError as `MLP` does, and for times that are not (B,).
        """
        check_per_sample("dc", dc, u, "u")
        return self.mlp.with_tangent(u, _with_scale(u, c, scale), du, torch.stack([dc, dc], 1), label)


def _with_scale(u: Tensor, c: Tensor, scale: Tensor | None) -> Tensor:
    """The pair [c, c − w], whose features of two times are those of c and of the gap, which is w; (B, 2)."""
    check_per_sample("c", c, u, "u")
    scale = torch.ones_like(c) if scale is None else scale
    check_per_sample("scale", scale, u, "u")
    return torch.stack([c, c - scale.to(c.dtype)], 1)
