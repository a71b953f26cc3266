"""Endless batches whose k-th depends on nothing but (seed, k): a run that stops at k goes on from start=k."""

import math
from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor

from ..checks import check_count, shown
from ..seeds import fold
from ..shapes import Sampler

_DATA = 3  # the stream that is data's: from the loss's stream, the noise in x0 would repeat in ε


def batches(sampler: Sampler, batch_size: int, *, seed: int = 0, start: int = 0) -> Iterator[Tensor]:
    """Batches start, start + 1, ... without end, each (batch_size, *S) in data units on the CPU.

    Raises ValueError, at the call, unless batch_size >= 1 and start >= 0.
    """
    check_count("batch_size", batch_size)
    check_count("start", start, 0)
    check_count("seed", seed, -math.inf)
    return (sampler(batch_size, torch.Generator().manual_seed(fold(seed, k, _DATA))) for k in count(start))


def of_points(points: Tensor, batch_size: int, *, seed: int = 0, start: int = 0) -> Iterator[Tensor]:
    """The same from a finite data set (N, *S), drawn with replacement; batches have its dtype and device.

    Raises ValueError as `batches` does, and for a data set that is empty or holds NaN or infinity.
    """
    _check_points(points)
    return batches(lambda n, g: points[_places(points, n, g)], batch_size, seed=seed, start=start)


def of_labelled(
    points: Tensor, labels: Tensor, batch_size: int, *, seed: int = 0, start: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """(x0, label): the same batches as `of_points`, with the labels (batch_size,) of their points.

    Raises ValueError as that does, and unless labels is (N,).
    """
    _check_points(points)
    if not isinstance(labels, Tensor) or labels.shape != points.shape[:1]:
        got = f"shape {tuple(labels.shape)}" if isinstance(labels, Tensor) else shown(labels)
        raise ValueError(f"expected labels, one for each of {len(points)} points, got {got}")
    labels = labels.to(points.device)

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        places = _places(points, n, generator)
        return points[places], labels[places]

    return batches(draw, batch_size, seed=seed, start=start)


def _places(points: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.randint(len(points), (n,), generator=generator).to(points.device)


def _check_points(points: Tensor) -> None:
    if not isinstance(points, Tensor):
        wanted = "a tensor (N, *S): torch.as_tensor(points, dtype=torch.float32)"
        raise ValueError(f"expected points as {wanted}, got {type(points).__name__}")
    if points.ndim == 0 or points.numel() == 0:
        raise ValueError(f"expected points, at least one data point, shape (N, *S), got shape {tuple(points.shape)}")
    if not points.isfinite().all():
        raise ValueError(f"expected finite points, got NaN or infinity in {_bad_rows(points)} of {len(points)} points")


def _bad_rows(points: Tensor) -> int:
    return int((~points.isfinite()).reshape(len(points), -1).any(1).sum())
