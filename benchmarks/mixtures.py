"""Mixtures of isotropic Gaussians to measure solvers on: a few of our own, and any from a JSON file.

Ours have mean 0 and std ½ per coordinate, as the sets of minicm.data; one's own are taken as they are.
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from minicm.checks import parsed_json
from minicm.oracles import GaussianMixture

__all__ = ["MIXTURES", "SEEN", "mixture", "overall_std", "usual_distance"]

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


def stretched(seed: int, components: int, ratio: float) -> GaussianMixture:
    """In the plane: normal means drawn out along a line, narrow modes beside wide ones, uneven weights."""
    generator = torch.Generator().manual_seed(seed)
    means = torch.randn(components, 2, generator=generator, dtype=torch.float64) * torch.tensor([ratio, 1.0])
    turn = math.pi * torch.rand(1, generator=generator, dtype=torch.float64).item()
    along, across = [math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]
    means = means @ torch.tensor([along, across], dtype=torch.float64)
    widths = 0.05 * 10 ** torch.rand(components, generator=generator, dtype=torch.float64)
    weights = 0.1 + torch.rand(components, generator=generator, dtype=torch.float64)
    return standardised(means, widths, weights)


def glyphs(seed: int, count: int, width: float) -> GaussianMixture:
    """A kernel of one width around each of a few drawings of two strokes, 8 by 8, as a set of small images is."""
    generator = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    pages = torch.zeros(count, 8, 8, dtype=torch.float64)
    for page in pages:
        for _ in range(2):
            (a, b), (c, d) = (7 * torch.rand(2, 2, generator=generator, dtype=torch.float64)).tolist()
            u = ((rows - a) * (c - a) + (columns - b) * (d - b)) / ((c - a) ** 2 + (d - b) ** 2)
            u = u.clamp(0, 1)  # the place on the stroke that is nearest to each pixel
            off = (rows - a - u * (c - a)) ** 2 + (columns - b - u * (d - b)) ** 2
            page.copy_(torch.maximum(page, torch.exp(-off.double())))
    one = torch.ones(count, dtype=torch.float64)
    return standardised(pages.flatten(1), width * one, one)


def clusters(seed: int, groups: int, members: int, dimension: int) -> GaussianMixture:
    """Narrow modes in groups a tenth as wide as their distance: the data have two coarse scales and a fine one."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(groups, 1, dimension, generator=generator, dtype=torch.float64)
    offsets = torch.randn(groups, members, dimension, generator=generator, dtype=torch.float64) / 10
    one = torch.ones(groups * members, dtype=torch.float64)
    return standardised((centres + offsets).flatten(0, 1), 0.02 * one, one)


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
    # The seeds below were written down before anything was run on them.
    "stretched": lambda: stretched(20261126, 7, 4.0),
    "d16": lambda: drawn(20261127, 10, 16, (0.05, 0.5)),
    "glyphs": lambda: glyphs(20261128, 12, 0.1),
    "clusters": lambda: clusters(20261129, 4, 4, 2),
    "stretched-b": lambda: stretched(20261226, 5, 8.0),
    "d32": lambda: drawn(20261227, 6, 32, (0.03, 0.3)),
    "glyphs-b": lambda: glyphs(20261228, 20, 0.2),
    "clusters-b": lambda: clusters(20261229, 3, 5, 6),
}
SEEN = ("g8", "uneven", "lattice", "d64")  # while solvers and grids were made: one cell of lattice was mended


def mixture(name: str) -> tuple[str, GaussianMixture]:
    """(a short name, the law) of one of ours or of a JSON file; ValueError or OSError in one line."""
    if name in MIXTURES:
        return name, MIXTURES[name]()
    if not name.endswith(".json"):
        raise ValueError(f"expected data among {', '.join(MIXTURES)} or a file *.json, got {name!r}")
    return Path(name).stem, _from_file(Path(name))


def _from_file(path: Path) -> GaussianMixture:
    found = parsed_json(path.read_bytes(), path)
    if not isinstance(found, dict) or sorted(found) != sorted(FIELDS):
        got = f"the fields {', '.join(map(str, found))}" if isinstance(found, dict) else type(found).__name__
        raise ValueError(f"{path}: expected an object with exactly the fields {', '.join(FIELDS)}, got {got}")
    try:
        weights, means, stds = (torch.tensor(found[field], dtype=torch.float64) for field in FIELDS)
        return GaussianMixture(means, stds, weights)
    except (ValueError, TypeError, RuntimeError) as error:  # torch's words for lists that are ragged or hold text
        raise ValueError(f"{path}: {error}") from None
