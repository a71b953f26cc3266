"""Sample sets seen along lines: sorted once, a set answers for two distances in n log n instead of n² operations.

W2² = ∫ (Q_x − Q_y)² dp along a line, and |v| = E_u|u·v|/c_D brings mean distances from the lines back to D dimensions.
"""

import math

import torch
from torch import Tensor

from ..checks import check_count

__all__ = ["directions", "mean_distance", "mean_distance_between", "project", "sliced_w2"]


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
    union = (n + m) ** 2 * mean_distance(_sort(torch.cat([x, y], 1)), dim)
    return (union - n**2 * mean_distance(x, dim) - m**2 * mean_distance(y, dim)) / (2 * n * m)


def _shrinkage(dim: int) -> float:
    """c_D = E|u·v|/|v| = Γ(D/2)/(√π Γ((D + 1)/2)) over directions u; 2/π in the plane."""
    return math.exp(math.lgamma(dim / 2) - math.lgamma((dim + 1) / 2)) / math.sqrt(math.pi)


def _sort(x: Tensor) -> Tensor:
    """Each row of a fresh, contiguous x in increasing order, in place."""
    x.numpy().sort(axis=1)
    return x
