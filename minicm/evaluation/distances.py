"""Distances between two sample sets, each 0 for equal sets, and the Fréchet distance of two Gaussians.

SW2² = E_u[∫ (Q_x(p; u) − Q_y(p; u))² dp] and ED = 2 E|x − y| − E|x − x'| − E|y − y'|, with x·u's quantile function Q_x.
Seen along lines a set is sorted once and answers for both distances in n log n instead of n² operations:
W2² = ∫ (Q_x − Q_y)² dp along a line, and |v| = E_u|u·v|/c_D brings mean distances from the lines back to D dimensions.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..checks import check_count, check_positive, shown

_CHUNK = 250  # rows of the (n, m) distances held at once: for m = 5000 they stay in the cache


def rows(x: Tensor, name: str = "x") -> Tensor:
    """The same samples as (n, D), float64, on the CPU, without gradient.

    Float64 because a floor of 1e-4 is a difference of means near 1; the CPU because not every GPU has float64.
    Raises ValueError for fewer than 2 samples, no features, or NaN or infinity.
    """
    if not isinstance(x, Tensor) or x.is_complex():
        raise ValueError(f"expected {name} as a tensor of real samples (n, *S), got {shown(x)}")
    if x.ndim == 0 or len(x) < 2 or x[0].numel() == 0:
        raise ValueError(f"expected at least 2 samples in {name}, shape (n, *S), got shape {tuple(x.shape)}")
    flat = x.detach().reshape(len(x), -1).cpu().double()
    bad = int((~flat.isfinite()).any(1).sum())
    if bad > 0:
        raise ValueError(
            f"expected finite samples in {name}, got NaN or infinity in {bad} of {len(x)}: has the model diverged?"
        )
    return flat


def rows_of_two(x: Tensor, y: Tensor, names: tuple[str, str] = ("x", "y")) -> tuple[Tensor, Tensor]:
    """Both as `rows`; raises ValueError, beyond those of `rows`, when their numbers of features differ."""
    a, b = rows(x, names[0]), rows(y, names[1])
    if a.shape[1] != b.shape[1]:
        raise ValueError(
            f"expected {names[0]} and {names[1]} of one event shape, got {tuple(x.shape[1:])} and {tuple(y.shape[1:])}"
        )
    return a, b


def directions(dim: int, num: int, generator: torch.Generator | None = None) -> Tensor:
    """Unit vectors (dim, num), float64: in the plane equal angles from a random start, else uniform on the sphere.

    Raises ValueError unless num >= 1.
    """
    check_count("dim", dim)
    check_count("num", num)
    if dim == 2:  # equal angles make means over directions of |u·v| exact to 1/num², of (u·v)² to rounding
        angle = (torch.rand(1, generator=generator, dtype=torch.float64) + torch.arange(num)) * (math.pi / num)
        return torch.stack([angle.cos(), angle.sin()])
    u = torch.randn((dim, num), generator=generator, dtype=torch.float64)
    return u / u.norm(dim=0)


def project(x: Tensor, u: Tensor) -> Tensor:
    """x·u in increasing order along each direction; x: (n, D), u: (D, P).  Returns (P, n)."""
    return _sort(u.T.contiguous() @ x.T)


def sliced_w2(x: Tensor, y: Tensor) -> float:
    """√(mean over rows of ∫₀¹ (Q_x − Q_y)² dp); x: (P, n), y: (P, m), each row increasing."""
    n, m = x.shape[1], y.shape[1]
    if n == m:
        return (x - y).square().mean().sqrt().item()
    # Both quantile functions are constant between the points i/n and j/m; counted in units of 1/(nm) these are whole.
    ends = torch.cat([torch.arange(1, n + 1) * m, torch.arange(1, m + 1) * n]).unique()
    widths = ends.diff(prepend=torch.zeros(1, dtype=ends.dtype)).to(x) / (n * m)
    gap = x[:, (ends - 1) // m] - y[:, (ends - 1) // n]
    return (gap.square() @ widths).mean().sqrt().item()


def mean_distance(x: Tensor, dim: int) -> float:
    """E|x − x'| over all pairs, x = x' included, from sorted projections x (P, n) of points in dim dimensions.

    Along a line the sum over pairs is 2 Σ_i (2i − n − 1) x_(i), i from 1.
    """
    n = x.shape[1]
    ranks = 2 * torch.arange(1, n + 1).to(x) - n - 1
    return 2 * (x @ ranks).mean().item() / n**2 / _shrinkage(dim)


def mean_distance_between(x: Tensor, y: Tensor, dim: int) -> float:
    """E|x − y| over all pairs of two sets, from their sorted projections (P, n) and (P, m).

    The pairs of the union are those within x, those within y, and those between, twice.
    """
    n, m = x.shape[1], y.shape[1]
    both = torch.cat([x, y], 1)
    both.numpy().sort(axis=1, kind="stable")  # which finds the two increasing runs of each row, and merges them
    union = (n + m) ** 2 * mean_distance(both, dim)
    return (union - n**2 * mean_distance(x, dim) - m**2 * mean_distance(y, dim)) / (2 * n * m)


def _shrinkage(dim: int) -> float:
    """c_D = E|u·v|/|v| = Γ(D/2)/(√π Γ((D + 1)/2)) over directions u; 2/π in the plane."""
    return math.exp(math.lgamma(dim / 2) - math.lgamma((dim + 1) / 2)) / math.sqrt(math.pi)


def _sort(x: Tensor) -> Tensor:
    """Each row of a fresh, contiguous x in increasing order, in place."""
    x.numpy().sort(axis=1)
    return x


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
    left, right = (x - centre).split(_CHUNK), y - centre
    if torch.equal(x, y):  # each pair of blocks once, |x − x'| = |x' − x|; a copy as well, so its distance is 0 exactly
        after = [right[len(part) + _CHUNK * k :] for k, part in enumerate(left)]
        twice = [2 * total(torch.cdist(part, rest)) for part, rest in zip(left, after) if len(rest)]
        blocks = [total(torch.cdist(part, part)) for part in left] + twice
    else:
        blocks = [total(torch.cdist(part, right)) for part in left]
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
