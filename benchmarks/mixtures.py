"""Mixtures of isotropic Gaussians to measure solvers on: a few of our own, and any from a JSON file.

Ours have mean 0 and std ½ per coordinate, as the sets of minicm.data; one's own are taken as they are.
"""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from minicm.oracles import GaussianMixture

__all__ = ["MIXTURES", "mixture", "overall_std", "usual_distance"]

FIELDS = ("weights", "means", "stds")


def overall_std(law: GaussianMixture) -> float:
    """√ of the variance per coordinate, averaged over the coordinates."""
    weights, means = law.weights, law.means.flatten(1)
    spread = (means - weights @ means).square().mean(1)
    return (weights @ (spread + law.stds**2)).sqrt().item()


def usual_distance(law: GaussianMixture) -> float:
    """√ of the mean squared distance of two samples: the std per coordinate times √(2 dimensions)."""
    return overall_std(law) * math.sqrt(2 * law.means[0].numel())


def standardised(means: Tensor, stds: Tensor, weights: Tensor) -> GaussianMixture:
    """The mixture moved and scaled to mean 0 and std ½ per coordinate."""
    means = means - (weights / weights.sum()) @ means
    scale = 0.5 / overall_std(GaussianMixture(means, stds, weights))
    return GaussianMixture(means * scale, stds * scale, weights)


def drawn(seed: int, components: int, dimension: int, stds: tuple[float, float]) -> GaussianMixture:
    """Means normal, weights uneven, stds log-uniform between two bounds (before scaling): all from the seed."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(components, dimension, generator=generator, dtype=torch.float64)
    low, high = stds
    widths = low * (high / low) ** torch.rand(components, generator=generator, dtype=torch.float64)
    weights = 0.1 + torch.rand(components, generator=generator, dtype=torch.float64)
    return standardised(means, widths, weights)


def lattice() -> GaussianMixture:
    """16 equal modes on a square lattice, their std a twentieth of their distance."""
    side = torch.arange(4, dtype=torch.float64)
    means = torch.cartesian_prod(side, side)
    return standardised(means, torch.full((16,), 0.05, dtype=torch.float64), torch.ones(16, dtype=torch.float64))


def eight() -> GaussianMixture:
    """The eight Gaussians of the package, rounded as in float64."""
    angle = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    means = 2 * torch.stack([angle.cos(), angle.sin()], 1)
    return standardised(means, torch.full((8,), 0.1, dtype=torch.float64), torch.ones(8, dtype=torch.float64))


MIXTURES: dict[str, Callable[[], GaussianMixture]] = {
    "g8": eight,
    "uneven": lambda: drawn(11, 6, 2, (0.03, 0.5)),
    "lattice": lattice,
    "d64": lambda: drawn(13, 4, 64, (0.1, 0.5)),
}


def mixture(name: str) -> tuple[str, GaussianMixture]:
    """(a short name, the law) of one of ours or of a JSON file; ValueError or OSError in one line."""
    if name in MIXTURES:
        return name, MIXTURES[name]()
    if not name.endswith(".json"):
        raise ValueError(f"expected data among {', '.join(MIXTURES)} or a file *.json, got {name!r}")
    return Path(name).stem, _from_file(Path(name))


def _from_file(path: Path) -> GaussianMixture:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:  # no JSON, or no text
        raise ValueError(f"{path}: expected JSON, got {error}") from None
    if not isinstance(found, dict) or sorted(found) != sorted(FIELDS):
        got = f"the fields {', '.join(map(str, found))}" if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{path}: expected an object with exactly the fields {', '.join(FIELDS)}, got {got}")
    try:
        weights, means, stds = (torch.tensor(found[field], dtype=torch.float64) for field in FIELDS)
        return GaussianMixture(means, stds, weights)
    except (ValueError, TypeError, RuntimeError) as error:  # torch's words for lists that are ragged or hold text
        raise ValueError(f"{path}: {error}") from None
