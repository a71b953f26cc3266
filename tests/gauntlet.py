"""What several tests share: every path, times inside it, and a mixture of any event shape."""

import torch

from minicm.oracles import GaussianMixture
from minicm.paths import VE, VP, Linear, Path, TrigFlow

PATHS = [VE(), VP(), Linear(), TrigFlow()]
INNER = {"VE": (0.1, 5.0), "VP": (0.1, 0.7), "Linear": (0.1, 0.9), "TrigFlow": (0.1, 1.4)}  # σ and α away from 0
SHAPES = [(2,), (3, 4, 4)]


def name(path: Path) -> str:
    """The path's name, for pytest's ids."""
    return type(path).__name__


def some_t(path: Path, n: int = 7) -> torch.Tensor:
    """Times of the path's inner interval, uniform; (n,)."""
    low, high = INNER[name(path)]
    return low + (high - low) * torch.rand(n)


def mixture(shape: tuple[int, ...] = (2,), k: int = 3) -> GaussianMixture:
    """A mixture of k with unequal stds and weights; the same on every call."""
    g = torch.Generator().manual_seed(1)
    means, stds = torch.randn((k, *shape), generator=g), 0.3 + torch.rand(k, generator=g)
    return GaussianMixture(means, stds, torch.arange(1.0, k + 1))
