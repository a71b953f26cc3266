"""Drawings as data sets: points uniform along smooth strokes, with the exact mean and variance of their law.

A segment from a to b of length ℓ has mean (a + b)/2 and second moment (a² + ab + b²)/3; a drawing's are their
ℓ-weighted means.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import as_floats, check_count

Stroke = Sequence[tuple[float, float]]

# A body seen from the side, head to the right, drawn clockwise from the tip of the tail.
_TAIL: Stroke = [(0.0, 2.9), (0.9, 2.75), (1.9, 3.0), (2.8, 3.65)]
_BACK: Stroke = [(3.7, 4.3), (4.7, 4.55), (5.6, 4.35), (6.3, 4.35)]
_NECK: Stroke = [(6.75, 4.9), (7.0, 5.8), (7.25, 6.7)]
_HEAD: Stroke = [(7.75, 7.25), (8.4, 7.3), (9.0, 7.0), (9.45, 6.75), (9.4, 6.4), (8.8, 6.3), (8.2, 6.25)]
_THROAT: Stroke = [(7.95, 5.6), (7.85, 4.6), (7.6, 3.6), (7.2, 2.9)]
_FORE_LEG: Stroke = [(7.15, 2.0), (7.2, 1.1), (7.15, 0.8), (6.3, 0.8), (6.25, 1.1), (6.3, 1.9), (6.1, 2.3)]
_BELLY: Stroke = [(5.5, 2.1), (4.9, 2.15)]
_HIND_LEG: Stroke = [(4.75, 1.8), (4.75, 1.1), (4.7, 0.8), (3.85, 0.8), (3.8, 1.1), (3.75, 1.8), (3.4, 2.3)]
_UNDER: Stroke = [(2.6, 2.3), (1.6, 2.2), (0.8, 2.4), (0.0, 2.9)]
_BODY: Stroke = [*_TAIL, *_BACK, *_NECK, *_HEAD, *_THROAT, *_FORE_LEG, *_BELLY, *_HIND_LEG, *_UNDER]
_EYE: Stroke = [(8.3, 6.85), (8.45, 7.0), (8.6, 6.85), (8.45, 6.7), (8.3, 6.85)]
_MOUTH: Stroke = [(9.4, 6.6), (9.0, 6.55), (8.75, 6.65)]


class Drawing:
    """The uniform law along strokes, each a list of at least two points that a Catmull-Rom spline passes through.

    mean: (x, y) and var: mean of the two coordinates' variances, both exact for the 8 chords that replace each piece.
    Raises ValueError for no strokes, and for one that has fewer than 2 finite points.
    """

    def __init__(self, strokes: Sequence[Stroke]) -> None:
        lines = [_smooth(_points(stroke)) for stroke in strokes]
        if not lines:
            raise ValueError("expected strokes, at least one, got none")
        self.starts = torch.cat([line[:-1] for line in lines])  # (N, 2)
        self.ends = torch.cat([line[1:] for line in lines])
        lengths = (self.ends - self.starts).norm(dim=1)
        self.shares = lengths / lengths.sum()  # (N,)
        a, b = self.starts, self.ends
        mean = self.shares @ (a + b) / 2
        self.mean: tuple[float, float] = (mean[0].item(), mean[1].item())
        self.var: float = ((self.shares @ (a * a + a * b + b * b)) / 3 - mean**2).mean().item()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Points uniform on the strokes; (n, 2), raw units.  Raises ValueError unless n >= 1."""
        check_count("n", n)
        device, dtype = generator.device, torch.get_default_dtype()
        i = torch.multinomial(self.shares.to(device), n, replacement=True, generator=generator)
        a, b = (points.to(device, dtype)[i] for points in (self.starts, self.ends))
        return a + torch.rand((n, 1), generator=generator, device=device) * (b - a)


def _points(stroke: Stroke) -> Tensor:
    points = as_floats("strokes", stroke)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not points.isfinite().all():
        raise ValueError(f"expected strokes of at least 2 finite points (x, y), got {stroke}")
    return points


def _smooth(points: Tensor, pieces: int = 8) -> Tensor:
    """The Catmull-Rom spline through points (N, 2) as a polygon of pieces chords between neighbours.

    Source: Catmull and Rom 1974, the cubic case.
    """
    closed = torch.equal(points[0], points[-1])
    before, after = (points[-2], points[1]) if closed else (points[0], points[-1])
    p = torch.cat([before[None], points, after[None]])
    slope = (p[2:] - p[:-2]) / 2  # (N, 2)
    u = torch.arange(pieces, dtype=points.dtype)[:, None, None] / pieces  # (pieces, 1, 1)
    left, right, m, k = points[:-1], points[1:], slope[:-1], slope[1:]
    curve = left + u * m + u**2 * (3 * (right - left) - 2 * m - k) + u**3 * (2 * (left - right) + m + k)
    return torch.cat([curve.transpose(0, 1).reshape(-1, 2), points[-1:]])


DINOSAUR = Drawing([_BODY, _EYE, _MOUTH])
