"""What to watch while sCM trains: ‖g‖, its parts, w and the error of f, each as a mean over bins of time.

The loss of sCM does not measure progress: with normalised tangents it stays near 1/d, with adaptive weight at 1 − w.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import answering, check_floats, check_per_sample
from ..losses.continuous import AdaptiveWeight, Derivative, exact_derivative, scm_tangent
from ..paths import TrigFlow
from ..precond import Preconditioned
from ..shapes import Denoiser

EDGES = tuple(k * math.pi / 16 for k in range(9))  # eight equal bins of the quarter circle, which hold every angle

Means = tuple[float, ...]  # one number a bin; NaN for a bin without samples


@dataclass(frozen=True)
class TangentRecord:
    """Means over the samples of each bin of time, plain numbers: `dataclasses.asdict` makes them ready for JSON."""

    edges: Means  # (n + 1,), radians
    count: tuple[int, ...]  # samples in each of the n bins
    tangent: Means  # ‖g‖, the raw tangent's L2 norm, what normalisation divides by
    jvp: Means  # ‖σ_d cos t sin t dF/dt‖, its part that the network's derivative makes
    network: Means  # ‖F‖
    weight: Means  # w(t), 0 without an adaptive weight
    error: Means  # of f against the exact map, as `one_step_error`; NaN without one

    @property
    def middle(self) -> Means:
        """The middles of the bins, to plot against."""
        return tuple((low + high) / 2 for low, high in zip(self.edges[:-1], self.edges[1:]))


@torch.no_grad()
def scm_record(
    model: Preconditioned,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    *,
    path: TrigFlow,
    teacher: Denoiser | None = None,
    weight: AdaptiveWeight | None = None,
    derivative: Derivative = exact_derivative,
    exact: Denoiser | None = None,
    edges: Sequence[float] = EDGES,
) -> TangentRecord:
    """The means of ‖g‖, ‖σ_d cos t sin t dF/dt‖, ‖F‖, w and |f − exact| by time, at x_t = cos(t) x0 + sin(t) σ_d ε.

    x0, eps: (B, *S).  t: (B,), angles; one beyond the ends counts in the bin at that end.
    teacher, weight, derivative: as in `scm_loss`.  exact: the consistency function, where it is known.
    edges: of the bins, increasing.  No gradient is made, and no parameter is touched: call it between updates.
    Raises ValueError for edges that do not increase.
    """
    index, bins = _bin_of(t, edges), len(edges) - 1
    x = path.mix(x0, eps, t)
    v = path.velocity(x, t, x0 if teacher is None else teacher(x, t))
    parts = []

    def kept(*args: object) -> tuple[Tensor, Tensor]:
        parts.append(derivative(*args))
        return parts[-1]

    F, g = scm_tangent(model, x, t, v, path=path, derivative=kept)
    w = torch.zeros_like(t) if weight is None else weight(t)
    error = torch.full_like(t, math.nan) if exact is None else _mean_square(model(x, t) - exact(x, t))
    return TangentRecord(
        edges=tuple(float(edge) for edge in edges),
        count=tuple(index.bincount(minlength=bins).tolist()),
        tangent=_means(_norm(g), index, bins),
        jvp=_means(path.sigma_data * _norm(parts[0][1]), index, bins),
        network=_means(_norm(F), index, bins),
        weight=_means(w, index, bins),
        error=tuple(math.sqrt(value) for value in _means(error, index, bins)),
    )


@torch.no_grad()
def one_step_error(model: Denoiser, exact: Denoiser, x: Tensor, t: Tensor, *, edges: Sequence[float] = EDGES) -> Means:
    """√(mean of |f(x, t) − exact(x, t)|²/d) in each bin of time, d elements a sample: data units, comparable with σ_d.

    x: (B, *S) on the path.  t, edges: as in `scm_record`.  In the last bin it is the error of one-step sampling.
    Raises ValueError for edges that do not increase.
    """
    check_per_sample("t", t, x)
    square = _mean_square(answering("model", model)(x, t) - answering("exact", exact)(x, t))
    return tuple(math.sqrt(value) for value in _means(square, _bin_of(t, edges), len(edges) - 1))


def _bin_of(t: Tensor, edges: Sequence[float]) -> Tensor:
    if len(edges) < 2 or any(not low < high for low, high in zip(edges[:-1], edges[1:])):
        raise ValueError(f"expected at least 2 edges, strictly increasing, got {list(edges)}")
    check_floats("t", t)
    inner = torch.tensor(edges[1:-1], dtype=t.dtype, device=t.device)
    return torch.bucketize(t, inner, right=True)


def _norm(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1)


def _mean_square(x: Tensor) -> Tensor:
    return x.flatten(1).square().mean(1)


def _means(values: Tensor, index: Tensor, bins: int) -> Means:
    """The mean of values (B,) over the samples of each bin, in float64."""
    total = torch.zeros(bins, dtype=torch.float64, device=values.device)
    total = total.index_add(0, index, values.to(total.dtype))
    return tuple((total / index.bincount(minlength=bins)).tolist())  # 0/0 is NaN: no samples, no mean
