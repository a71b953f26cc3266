"""The one way into every metric: samples (n, *S) become rows (n, D) in float64 on the CPU, or a clear error."""

from torch import Tensor

from ..checks import shown

__all__ = ["rows", "rows_of_two"]


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
