"""The nonlinear problem that orders are measured on, with its solution, computed once per path."""

from functools import lru_cache

import torch
from gauntlet import INNER, mixture, name

from minicm.paths import Path
from minicm.shapes import Velocity
from minicm.solvers import adaptive, probability_flow


def rms(a: torch.Tensor, b: torch.Tensor) -> float:
    """√ of the mean squared difference."""
    return (a - b).square().mean().sqrt().item()


def inner_grid(path: Path, n: int) -> torch.Tensor:
    """n equal steps of t over the path's inner interval, from noise to data."""
    low, high = INNER[name(path)]
    return torch.linspace(high, low, n + 1, dtype=torch.float64)


def uneven_grid(path: Path, n: int) -> torch.Tensor:
    """Steps over the same interval that grow by a factor of 3: weights of even grids lose their order here."""
    low, high = INNER[name(path)]
    u = torch.linspace(0, 1, n + 1, dtype=torch.float64)
    return high + (low - high) * (u + u**2) / 2


@lru_cache
def problem(path: Path) -> tuple[Velocity, torch.Tensor, torch.Tensor]:
    """The mixture's probability flow, 16 samples at the noise end, and where torchdiffeq takes them."""
    g = torch.Generator().manual_seed(2)
    x0, eps = mixture().sample(16, g), torch.randn(16, 2, generator=g, dtype=torch.float64)
    velocity, (low, high) = probability_flow(mixture().denoiser(path), path), INNER[name(path)]
    x = path.mix(x0, eps, torch.full((16,), high, dtype=torch.float64))
    return velocity, x, adaptive(velocity, x, high, low, rtol=1e-12, atol=1e-12, method="dopri8")
