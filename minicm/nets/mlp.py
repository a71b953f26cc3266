"""A small network for points in the plane and pictures of a few pixels: F(u, c) = MLP([u, features(c)]).

Two constants here decide whether few-step training in 2D works at all: the frequencies of the time features and the
scale of the initial weights.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import check_alike, check_batch, check_count, check_labels, check_per_sample, check_positive


class TimeFeatures(nn.Module):
    """sin(w t) and cos(w t) for `count` frequencies w, geometric from `low` to `high`; (B,) -> (B, 2 count).

    The frequencies stay low on purpose: continuous-time losses differentiate in t, each feature's derivative is its
    frequency, and with ten times these values that derivative drowns the rest.
    Raises ValueError unless count >= 1 and 0 < low <= high.
    Source: Lu and Song 2024 (sCM), sec. 4, on the time embedding.
    """

    frequencies: Tensor

    def __init__(self, count: int = 8, low: float = 0.1, high: float = 3.2) -> None:
        super().__init__()
        check_count("count", count)
        check_positive("low", low)
        check_positive("high", high)
        if not low <= high:
            raise ValueError(f"expected count >= 1 and 0 < low <= high, got {count}, {low} and {high}")
        frequencies = torch.logspace(math.log10(low), math.log10(high), count)
        self.register_buffer("frequencies", frequencies, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """The features of t; unit: radians.  Raises ValueError unless t is (B,)."""
        check_batch("t", t, times={"t": t})
        angles = t[:, None] * self.frequencies.to(t.dtype)
        return torch.cat([angles.sin(), angles.cos()], dim=1)

    def tangent(self, t: Tensor, dt: Tensor) -> Tensor:
        """The derivative of the features along dt; (B,), (B,) -> (B, 2 count).  Raises ValueError for other shapes."""
        check_per_sample("t", t, t, "t")
        check_alike("dt", dt, "t", t)
        w = self.frequencies.to(t.dtype)
        angles = t[:, None] * w
        return torch.cat([angles.cos(), -angles.sin()], dim=1) * (dt[:, None] * torch.cat([w, w]))


class MLP(nn.Module):
    """`depth` hidden layers of `width` SiLU units over samples of `dim` elements, any event shape, and time features.

    The weights start normal with gain 1.7 (last layer .3).  With torch's default, smaller initialisation the network
    starts linear, and since the preconditioning has removed the linear part of the target, F = 0 is a saddle that a
    symmetric data set never leaves.
    labels: number of classes, 0 for none; the label comes in beside the sample, as `labels` numbers, all 0 but one.
    Safe under forward-mode differentiation.  Raises ValueError if a sample does not have `dim` elements.
    """

    def __init__(
        self, dim: int = 2, width: int = 128, depth: int = 4, features: nn.Module | None = None, *, labels: int = 0
    ) -> None:
        super().__init__()
        for name, value in (("dim", dim), ("width", width), ("depth", depth)):
            check_count(name, value)
        check_count("labels", labels, 0)
        self.dim, self.labels = dim, labels
        self.features: Any = features if features is not None else TimeFeatures()  # a flow map's knows two times
        frequencies: Any = self.features.frequencies
        sizes = [dim + labels + 2 * len(frequencies), *[width] * depth]
        layers = [nn.Linear(m, n) for m, n in zip(sizes[:-1], sizes[1:], strict=True)]
        self.hidden: Any = nn.ModuleList(layers)
        self.last = nn.Linear(width, dim)
        for layer in layers:
            _init_normal(layer, 1.7)
        _init_normal(self.last, 0.3)

    def forward(self, u: Tensor, c: Tensor, label: Tensor | None = None) -> Tensor:
        """F(u, c, label): u (B, *S), c (B,) -> (B, *S).

        label: (B,), long, from 0; a negative one, or None for all, means no label: what guidance subtracts.
        Raises ValueError for shapes that do not fit, and for a label that the network does not know.
        """
        self._check(u, c)
        h = torch.cat([u.flatten(1), *self._one_hot(label, u), self.features(c)], dim=1)
        for layer in self.hidden:
            h = nn.functional.silu(layer(h))
        return self.last(h).view_as(u)

    def with_tangent(
        self, u: Tensor, c: Tensor, du: Tensor, dc: Tensor, label: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """F(u, c, label) with its gradient graph, and its derivative along (du, dc) without one; both (B, *S).

        Forward mode by hand: each layer hands on its value and its tangent, and the value is computed once for both.
        Raises ValueError for shapes that do not fit, and for a label that the network does not know.
        """
        self._check(u, c)
        check_alike("du", du, "u", u)
        check_alike("dc", dc, "c", c)
        h = torch.cat([u.flatten(1), *self._one_hot(label, u), self.features(c)], dim=1)
        dh = torch.cat([du.flatten(1), *self._one_hot(None, u), self.features.tangent(c, dc)], dim=1)
        for layer in self.hidden:
            a = layer(h)
            h = nn.functional.silu(a)
            with torch.no_grad():
                dh = torch.ops.aten.silu_backward(dh @ layer.weight.T, a)  # times silu'(a), in one pass over memory
        with torch.no_grad():
            dF = dh @ self.last.weight.T
        return self.last(h).view_as(u), dF.view_as(u)

    def _one_hot(self, label: Tensor | None, u: Tensor) -> list[Tensor]:
        """√labels at the label's place and 0 elsewhere, (B, labels), so that each number has mean square 1."""
        if label is None:
            return [u.new_zeros(u.shape[0], self.labels)] if self.labels else []
        got = f"{label.dtype} {tuple(label.shape)}" if isinstance(label, Tensor) else type(label).__name__
        if not self.labels:
            raise ValueError(f"expected no label, the network was made without labels=..., got {got}")
        if not isinstance(label, Tensor) or label.shape != u.shape[:1] or label.dtype != torch.long:
            raise ValueError(f"expected a long label for each of {u.shape[0]} samples, got {got}")
        check_labels(label, self.labels)
        places = torch.arange(self.labels, device=u.device)
        return [math.sqrt(self.labels) * (label[:, None] == places).to(u.dtype)]

    def _check(self, u: Tensor, c: Tensor) -> None:
        """c is (B,), or (B, 2) for features of two times."""
        check_batch("u", u)
        if not (isinstance(c, Tensor) and c.is_floating_point() and c.ndim):
            check_batch("c", c)
        if u.ndim < 2 or u[0].numel() != self.dim:
            raise ValueError(f"expected samples u (x of a model) of {self.dim} elements, got shape {tuple(u.shape)}")
        if c.shape[0] != u.shape[0] or c.device != u.device:  # len(u) would fix the batch size of an exported model
            wanted = f"{u.shape[0]} on {u.device}"
            raise ValueError(f"expected times c for each of u, {wanted}, got {c.shape[0]} on {c.device}")


def _init_normal(layer: nn.Linear, gain: float) -> None:
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.in_features))
    nn.init.zeros_(layer.bias)
