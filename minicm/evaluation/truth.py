"""Comparisons that need the truth itself: the modes of a known mixture, an exact map, and a count of network calls.

Of a D-dimensional Gaussian, P(|x − m| > k std) = Γ(D/2, k²/2)/Γ(D/2), which is exp(−k²/2) in the plane.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from ..oracles import GaussianMixture
from ..shapes import Denoiser
from .distances import rows, rows_of_two

_COVERED = 0.1  # of its mass a mode must receive to count


class CountCalls:
    """The same denoiser (or velocity), which counts its calls: `calls` is the number of function evaluations."""

    def __init__(self, denoise: Denoiser) -> None:
        self.denoise, self.calls = denoise, 0

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """denoise(x, t), counted; (B, *S) and (B,) as there."""
        self.calls += 1
        return self.denoise(x, t)


@dataclass(frozen=True)
class MapError:
    """√(mean |x − y|²) and median |x − y| over samples, data units; points near a separatrix decide the first alone."""

    rmse: float
    median: float


def map_error(found: Tensor, exact: Tensor) -> MapError:
    """Distance, sample by sample, between what a model made of a noise and what the exact map makes of it.

    found, exact: (n, *S), row by row from the same noise.  The floor is 0.
    Raises ValueError as `rows` does, and for other shapes.
    """
    if found.shape != exact.shape:
        raise ValueError(
            f"expected found and exact of one shape, row by row, got {tuple(found.shape)} and {tuple(exact.shape)}"
        )
    a, b = rows_of_two(found, exact, ("found", "exact"))
    error = (a - b).norm(dim=1)
    return MapError(error.square().mean().sqrt().item(), error.quantile(0.5).item())


@dataclass(frozen=True)
class Modes:
    """counts (K,): samples near each mode; covered: modes with > 10 % of their mass; total_variation of the weights."""

    counts: tuple[int, ...]
    covered: int
    total_variation: float


def mode_coverage(x: Tensor, mixture: GaussianMixture, *, num_std: float = 3.0) -> Modes:
    """How the samples share out over the modes; a sample counts for its nearest mode, if within num_std of its stds.

    total_variation is ½ Σ |c_k/Σc − w_k| over the samples that count, 1 if none does; its floor is about
    Σ √(w_k (1 − w_k)/2πn), the mean for n true samples of separate modes.  Where modes overlap, true samples of one
    count for another, and no n brings the floor to 0.
    x: (n, *S).  Raises ValueError as `rows` does, for another event shape, and for a mixture with a zero std.
    """
    check_positive("num_std", num_std)
    distance, nearest = _in_stds(x, mixture).min(1)
    weights = mixture.weights.detach().cpu().double()
    counts = nearest[distance <= num_std].bincount(minlength=len(weights))
    near = counts.sum().item()
    gap = (counts / near - weights).abs().sum().item() / 2 if near > 0 else 1.0
    return Modes(tuple(counts.tolist()), int((counts / len(x) > _COVERED * weights).sum()), gap)


def far_fraction(x: Tensor, mixture: GaussianMixture, *, num_std: float = 3.0) -> float:
    """Fraction of samples that lie more than num_std stds from every mode; its floor is `far_floor`.

    x: (n, *S).  Raises ValueError as `mode_coverage` does.
    """
    check_positive("num_std", num_std)
    return (_in_stds(x, mixture).amin(1) > num_std).double().mean().item()


def far_floor(dim: int, *, num_std: float = 3.0) -> float:
    """P(|z| > num_std) of a standard normal z in dim dimensions: the far fraction of true samples of distant modes.

    exp(−9/2) = .0111 in the plane.  Modes that overlap have less.  Raises ValueError unless dim >= 1 and num_std > 0.
    """
    check_count("dim", dim)
    check_positive("num_std", num_std)
    return torch.special.gammaincc(torch.tensor(dim / 2).double(), torch.tensor(num_std**2 / 2).double()).item()


def _in_stds(x: Tensor, mixture: GaussianMixture) -> Tensor:
    """|x − m_k|/std_k, (n, K)."""
    stds = mixture.stds.detach().cpu().double()
    if not (stds > 0).all():
        raise ValueError("expected a mixture of positive stds to measure distances in, got a std of 0")
    means = mixture.means.detach().cpu().double()
    if x.shape[1:] != means.shape[1:]:
        raise ValueError(f"expected samples x of event shape {tuple(means.shape[1:])}, got {tuple(x.shape[1:])}")
    return torch.cdist(rows(x), means.flatten(1)) / stds
