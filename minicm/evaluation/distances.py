"""Distances between two sample sets, each 0 for equal sets, and the Fréchet distance of two Gaussians.

SW2² = E_u[∫ (Q_x(p; u) − Q_y(p; u))² dp] and ED = 2 E|x − y| − E|x − x'| − E|y − y'|, with x·u's quantile function Q_x.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive
from .projections import directions, project, sliced_w2
from .rows import rows_of_two

__all__ = ["energy_distance", "frechet_between", "frechet_distance", "mmd", "sliced_wasserstein"]

_CHUNK = 250  # rows of the (n, m) distances held at once: for m = 5000 they stay in the cache


def sliced_wasserstein(
    x: Tensor, y: Tensor, *, num_projections: int = 128, generator: torch.Generator | None = None
) -> float:
    """SW2 = √(mean over directions u of W2²(x·u, y·u)), data units.

    x: (n, *S), y: (m, *S); exact along each direction, also for n ≠ m.  generator: on the CPU, for the directions,
    which lie at equal angles in the plane, so that 128 of them leave no error of their own.
    Between true sets of n points SW2 falls as 1/√n, and more slowly where the data has gaps; see `noise_floor`.
    Raises ValueError as `rows` does, for other event shapes, and unless num_projections >= 1.
    Source: Bonneel et al. 2015 (sliced and Radon Wasserstein barycenters), where the mean is over the sphere.
    """
    check_count("num_projections", num_projections)
    a, b = rows_of_two(x, y)
    u = directions(a.shape[1], num_projections, generator)
    return sliced_w2(project(a, u), project(b, u))


def energy_distance(x: Tensor, y: Tensor) -> float:
    """ED = 2 E|x − y| − E|x − x'| − E|y − y'| over all pairs of the samples, data units.

    x: (n, *S), y: (m, *S).  This V-statistic counts x = x' as a pair, so it is >= 0, and 0 only for equal sets; between
    true sets its mean is (1/n + 1/m) E|x − x'|.
    Raises ValueError as `rows` does, and for other event shapes.
    Source: Székely and Rizzo 2013 (energy statistics), with exponent 1.
    """
    a, b = rows_of_two(x, y)
    means = [_mean_over_pairs(p, q, torch.sum) for p, q in ((a, b), (a, a), (b, b))]
    return 2 * means[0] - means[1] - means[2]


def mmd(x: Tensor, y: Tensor, bandwidths: Sequence[float] = (0.02, 0.05, 0.15)) -> float:
    """MMD² = E k(x, x') + E k(y, y') − 2 E k(x, y), mean over k = exp(−|x − y|²/2h²) with h in bandwidths, no unit.

    x: (n, *S), y: (m, *S); bandwidths in data units.  A V-statistic as `energy_distance`: >= 0, and between true sets
    its mean is (1/n + 1/m)(1 − E k(x, x')).
    Raises ValueError as `rows` does, for other event shapes, and unless all bandwidths are > 0.
    Source: Gretton et al. 2012, eq. 5.
    """
    if len(bandwidths) == 0:
        raise ValueError("expected bandwidths, at least one, got none")
    for h in bandwidths:
        check_positive("each of the bandwidths", h)
    a, b = rows_of_two(x, y)

    def kernel_sum(distance: Tensor) -> Tensor:
        square = distance.square()
        return torch.stack([(square / (-2 * h * h)).exp().sum() for h in bandwidths]).mean()

    means = [_mean_over_pairs(p, q, kernel_sum) for p, q in ((a, b), (a, a), (b, b))]
    return means[1] + means[2] - 2 * means[0]


def _mean_over_pairs(x: Tensor, y: Tensor, total: Callable[[Tensor], Tensor]) -> float:
    """Mean over all pairs of a function of |x − y|, given as `total`, its sum over a block; x: (n, D), y: (m, D)."""
    centre = y.mean(0)  # cdist squares: far from the origin it would lose digits
    y = y - centre
    blocks = [total(torch.cdist(part - centre, y)) for part in x.split(_CHUNK)]
    return torch.stack(blocks).sum().item() / (len(x) * len(y))


def frechet_distance(mean1: Tensor, cov1: Tensor, mean2: Tensor, cov2: Tensor) -> float:
    """FD = |m₁ − m₂|² + tr(C₁ + C₂ − 2 (√C₁ C₂ √C₁)^½): the squared W2 distance of two Gaussians.

    means: (D,), covariances: (D, D), symmetric; float64 inside.
    Raises ValueError for shapes that do not fit, NaN or infinity, or a covariance that is not symmetric.
    Source: Dowson and Landau 1982; Heusel et al. 2017 (FID), eq. 6.
    """
    m1, c1 = _moments(mean1, cov1, "1")
    m2, c2 = _moments(mean2, cov2, "2")
    if m1.shape != m2.shape:
        raise ValueError(f"expected mean1 and mean2 (and cov1 and cov2) of one length, got {len(m1)} and {len(m2)}")
    values, vectors = torch.linalg.eigh(c1)
    root = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    # The product is symmetric, so its eigenvalues are real: no square root of a matrix, no imaginary residue.
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp_min(0).sqrt().sum()
    return ((m1 - m2).square().sum() + c1.trace() + c2.trace() - 2 * cross).item()


def frechet_between(x: Tensor, y: Tensor) -> float:
    """Fréchet distance of the Gaussians with the samples' means and unbiased covariances; x: (n, *S), y: (m, *S).

    Between true sets it falls as 1/n and grows with D²: compare only at equal n.  Raises ValueError as `rows` does.
    """
    a, b = rows_of_two(x, y)
    cov_a, cov_b = (torch.atleast_2d(torch.cov(part.T)) for part in (a, b))
    return frechet_distance(a.mean(0), cov_a, b.mean(0), cov_b)


def _moments(mean: Tensor, cov: Tensor, which: str) -> tuple[Tensor, Tensor]:
    mean, cov = mean.detach().cpu().double(), cov.detach().cpu().double()
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
        got = f"{tuple(mean.shape)} and {tuple(cov.shape)}"
        raise ValueError(f"expected mean{which} (D,) and covariance cov{which} (D, D), got {got}")
    if not (mean.isfinite().all() and cov.isfinite().all() and torch.allclose(cov, cov.T, rtol=1e-5, atol=1e-8)):
        raise ValueError(f"expected mean{which} finite and cov{which} finite and symmetric, got NaN or another matrix")
    return mean, cov
