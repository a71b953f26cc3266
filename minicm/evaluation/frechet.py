"""Sets of pictures compared in the features of a network: Fréchet distance, KID, precision and recall, neighbours.

FD = |m₁ − m₂|² + tr(C₁ + C₂ − 2 (√C₁ C₂ √C₁)^½) of the features' means and covariances.  With Inception's features it
is FID; with any other network's it is another number, on another scale.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..checks import check_count
from .distances import frechet_distance, rows, rows_of_two

Features = Callable[[Tensor], Tensor]  # pictures (n, *S) -> features (n, D)

_CHUNK = 500  # rows of the (n, m) distances held at once


@torch.no_grad()
def features_of(features: Features, x: Tensor, *, batch_size: int = 500, name: str = "x") -> Tensor:
    """features(x) in parts of batch_size, (n, D), float64, on the CPU.

    A module, also that of a method, is put into eval mode.
    x: (n, *S), whatever the features take, on their device.  Raises ValueError as `rows` does, and unless each sample
    gets one row.
    """
    check_count("batch_size", batch_size)
    rows(x, name)
    module = getattr(features, "__self__", features)
    if isinstance(module, nn.Module):
        module.eval()
    found = torch.cat([features(part).flatten(1).cpu() for part in x.split(batch_size)])
    if len(found) != len(x):
        raise ValueError(f"expected a row of features for each of {len(x)} samples, got {len(found)}")
    return rows(found)


@dataclass(frozen=True)
class Moments:
    """Mean (D,) and covariance (D, D) of features, float64: all that a Fréchet distance keeps of a set."""

    mean: Tensor
    cov: Tensor

    @classmethod
    def of(cls, found: Tensor) -> "Moments":
        """Those of the rows (n, D), the covariance divided by n − 1.  Raises ValueError as `rows` does."""
        found = rows(found)
        return cls(found.mean(0), torch.atleast_2d(torch.cov(found.T)))

    def distance(self, other: "Moments") -> float:
        """FD between the two; 0 for equal ones.  Source: Dowson and Landau 1982."""
        return frechet_distance(self.mean, self.cov, other.mean, other.cov)


def kid(x: Tensor, y: Tensor) -> float:
    """MMD² = mean k(x, x') + mean k(y, y') − 2 mean k(x, y) with k = (a·b/D + 1)³, pairs of one sample left out.

    x: (n, D), y: (m, D), features.  Unbiased: 0 in the mean for equal laws at every n, so it may be negative.
    Raises ValueError as `rows` does, and for other numbers of features.
    Source: Bińkowski et al. 2018 (KID), sec. 4; Gretton et al. 2012, eq. 3.
    """
    a, b = rows_of_two(x, y)
    n, m = len(a), len(b)
    within = (_kernel_sum(a, a) - _kernel(a, a).sum()) / (n * (n - 1))
    within = within + (_kernel_sum(b, b) - _kernel(b, b).sum()) / (m * (m - 1))
    return (within - 2 * _kernel_sum(a, b) / (n * m)).item()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """k of row i of a and row i of b."""
    return ((a * b).sum(1) / a.shape[1] + 1) ** 3


def _kernel_sum(a: Tensor, b: Tensor) -> Tensor:
    """The sum of k over all pairs."""
    return torch.stack([((part @ b.T / a.shape[1] + 1) ** 3).sum() for part in a.split(_CHUNK)]).sum()


@dataclass(frozen=True)
class PrecisionRecall:
    """precision: share of samples that look like data; recall: share of the data that the samples reach."""

    precision: float
    recall: float


def precision_recall(x: Tensor, y: Tensor, *, k: int = 3) -> PrecisionRecall:
    """Share of samples x within the data's balls, and of data y within the samples' balls.

    A set's balls are around each of its points, as wide as the distance to the k-th nearest other one.
    x: (n, D), samples, y: (m, D), data, features.  Both depend on n and m: give as many of each.
    Raises ValueError as `kid` does, and unless 1 <= k < n, m.
    Source: Kynkäänniemi et al. 2019, eq. 1 and 2.
    """
    a, b = rows_of_two(x, y)
    check_count("k", k)
    if not k < min(len(a), len(b)):
        raise ValueError(f"expected 1 <= k < the number of samples, got k {k} and {len(a)}, {len(b)} samples")
    return PrecisionRecall(_covered(a, b, k), _covered(b, a, k))


def _covered(points: Tensor, centres: Tensor, k: int) -> float:
    """Share of the points that lie in a ball around one of the centres."""
    others = [torch.cdist(part, centres).topk(k + 1, largest=False).values[:, k] for part in centres.split(_CHUNK)]
    radius = torch.cat(others)  # topk's first is the distance of the point to itself
    inside = [(torch.cdist(part, centres) <= radius).any(1) for part in points.split(_CHUNK)]
    return torch.cat(inside).double().mean().item()


@dataclass(frozen=True)
class Neighbours:
    """distance (n,), in the unit of the samples, and index (n,) of the point nearest to each."""

    distance: Tensor
    index: Tensor


def nearest(x: Tensor, points: Tensor) -> Neighbours:
    """|x − p| of the nearest point p, sample by sample; x: (n, *S), points: (m, *S), such as the training pictures.

    A model that repeats its data lies nearer to it than fresh data does; measure fresh data too.
    An exact copy is at 0.
    Raises ValueError as `rows` does, and for other event shapes.
    """
    a, b = rows_of_two(x, points, ("x", "points"))
    centre = b.mean(0)  # cdist squares, so that what all points share would cost digits
    index = torch.cat([torch.cdist(part - centre, b - centre).argmin(1) for part in a.split(_CHUNK)])
    return Neighbours((a - b[index]).norm(dim=1), index)  # cdist gives some 1e-6 for exact copies
