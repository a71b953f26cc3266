"""Distances between batches of samples: (B, *S), (B, *S) -> (B,), one number per *sample*, never per element.

Any function of this signature (a perceptual distance, say) can stand in their place.
"""

from torch import Tensor

from ..checks import check_batch, check_positive
from ..shapes import Distance, per_sample


def squared(a: Tensor, b: Tensor) -> Tensor:
    """‖a − b‖₂², data units squared.  Raises ValueError unless both have one shape."""
    check_batch("a", a, {"b": b})
    return per_sample((a - b) ** 2)


def l2(a: Tensor, b: Tensor) -> Tensor:
    """‖a − b‖₂, data units; its gradient has length 1 however close a is to b (and is 0 where they are equal).

    Raises ValueError as `squared`.
    """
    check_batch("a", a, {"b": b})
    return (a - b).flatten(1).norm(dim=1)


def pseudo_huber(c: float) -> Distance:
    """√(‖a − b‖₂² + c²) − c: squared/(2c) near 0, the norm far away.

    c: data units, > 0.  The paper's c = .00054 √d fits images (d = 3072: .03); points in the plane want about .03 too,
    as with the .00076 of the formula it is the norm itself.  Raises ValueError unless c > 0 (use `l2` for 0).
    Source: Song and Dhariwal 2024 (improved consistency training), table 1.
    """
    check_positive("c", c)  # for c = 0 there is `l2`

    def distance(a: Tensor, b: Tensor) -> Tensor:
        gap = squared(a, b)
        return gap / ((gap + c**2).sqrt() + c)  # the same number without cancellation for small gaps

    return distance
