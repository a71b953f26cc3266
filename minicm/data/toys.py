"""Data sets in the plane, endless and seeded; each is moved and scaled to mean 0 and overall std ½ per coordinate.

x = (raw − E[raw]) · ½/√(tr Cov[raw]/2).  Both moments are formulas: no constant was fitted to a
sample.  One scale serves both coordinates, so that circles stay circles.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from ..checks import check_count
from ..oracles import GaussianMixture, LabelledMixture, Mixture1D, ProductMixture, Ring
from ..shapes import Sampler
from .drawing import DINOSAUR

STD = 0.5  # data units, the σ_d that every scaling and path of the package assumes


def eight_gaussians_mixture() -> GaussianMixture:
    """The exact law of `eight_gaussians`: raw radius 2 and std .1, so raw variance 2²/2 + .1² per coordinate."""
    scale = STD / math.sqrt(2**2 / 2 + 0.1**2)  # 1/2.8355
    angle = torch.arange(8) * (math.pi / 4)
    means = 2 * scale * torch.stack([angle.cos(), angle.sin()], 1)
    return GaussianMixture(means.to(torch.get_default_dtype()), torch.full((8,), 0.1 * scale))


def product_mixture_oracle() -> ProductMixture:
    """The exact law of `product_mixture`: two equal modes across, two of weights ⅔ and ⅓ upwards, all of variance ¼.

    A mixture of means m_k and one std s has variance Var[m] + s²: Var[m] is .45² across and 2 · .32² upwards.
    """
    across = Mixture1D(torch.tensor([-0.45, 0.45]), torch.full((2,), math.sqrt(STD**2 - 0.45**2)))
    upwards = Mixture1D(
        torch.tensor([-0.32, 0.64]), torch.full((2,), math.sqrt(STD**2 - 2 * 0.32**2)), torch.tensor([2 / 3, 1 / 3])
    )
    return ProductMixture([across, upwards])


def three_arms_mixture() -> LabelledMixture:
    """Three classes, arms of five Gaussians that meet in the middle; raw radii .25 to 1.35, raw stds .16 to .1.

    An arm turns by 1.1 radians on its way out, and is a third of a turn from the next, so that the mean is 0; the raw
    variance per coordinate is the mean of |m|²/2 + std² over the Gaussians.
    """
    out, arm = torch.arange(15) % 5 / 4, torch.arange(15) // 5
    radius, angle, std = 0.25 + 1.1 * out, 2 * math.pi / 3 * arm + 1.1 * out, 0.16 - 0.06 * out
    scale = STD / (radius**2 / 2 + std**2).mean().sqrt()
    means = scale * radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return LabelledMixture(GaussianMixture(means.to(torch.get_default_dtype()), scale * std), arm)


def ring_oracle() -> Ring:
    """The exact law of `ring`: raw radius 1 and width .1, so raw variance 1/2 + .1² per coordinate."""
    scale = STD / math.sqrt(1 / 2 + 0.1**2)
    return Ring(scale, 0.1 * scale)


def eight_gaussians(n: int, generator: torch.Generator) -> Tensor:
    """Eight equal Gaussians on a circle; (n, 2), data units."""
    return _kept(eight_gaussians_mixture, torch.get_default_dtype(), generator.device).sample(n, generator)


def product_mixture(n: int, generator: torch.Generator) -> Tensor:
    """Two modes across times two upwards, whose consistency function is known; (n, 2), data units."""
    return _kept(product_mixture_oracle, torch.get_default_dtype(), generator.device).sample(n, generator)


def ring(n: int, generator: torch.Generator) -> Tensor:
    """A blurred circle, whose consistency function is known; (n, 2), data units."""
    return ring_oracle().sample(n, generator)


def moons(n: int, generator: torch.Generator) -> Tensor:
    """Two interleaved half circles of raw radius 1 and noise .05; (n, 2), data units.

    Raises ValueError unless n >= 1.
    """
    angle, lower = math.pi * _uniform(n, generator), _uniform(n, generator) < 0.5
    x = torch.where(lower, 1 - angle.cos(), angle.cos())
    y = torch.where(lower, 0.5 - angle.sin(), angle.sin())
    # E[x²] = 1 and E[y²] = 5/8 − 1/π over both arcs; means ½ and ¼
    var = (3 / 4 + 9 / 16 - 1 / math.pi) / 2 + 0.05**2
    return _standardised(_blurred(torch.stack([x, y], 1), 0.05, generator), (0.5, 0.25), var)


def checkerboard(n: int, generator: torch.Generator) -> Tensor:
    """The black fields of a 4 × 4 board, uniform; (n, 2), data units.  Raises ValueError unless n >= 1."""
    x = 4 * _uniform(n, generator) - 2
    y = _uniform(n, generator) + x.floor() % 2 - 2 * (_uniform(n, generator) < 0.5)
    return _standardised(torch.stack([x, y], 1), (0.0, 0.0), 4**2 / 12)


def swiss_roll(n: int, generator: torch.Generator) -> Tensor:
    """One and a half turns of the spiral r = angle from 3π/2 to 9π/2, with noise ½; (n, 2), data units.

    Raises ValueError unless n >= 1.
    """
    angle = 1.5 * math.pi * (1 + 2 * _uniform(n, generator))
    raw = angle[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    # ∫ u cos u du = 6π and ∫ u sin u du = 2 over an interval of length 3π; E[u²] = 39π²/4
    mean = (2.0, 2 / (3 * math.pi))
    var = (39 * math.pi**2 / 4 - mean[0] ** 2 - mean[1] ** 2) / 2 + 0.5**2
    return _standardised(_blurred(raw, 0.5, generator), mean, var)


def pinwheel(n: int, generator: torch.Generator) -> Tensor:
    """Five arms, each a Gaussian of std (.3, .1) at radius 1 that is twisted by exp(radius)/4; (n, 2), data units.

    Raises ValueError unless n >= 1.
    """
    check_count("n", n)
    arm = torch.randint(5, (n,), generator=generator, device=generator.device)
    radial, across = torch.randn((2, n), generator=generator, device=generator.device)
    radial, across = 1 + 0.3 * radial, 0.1 * across
    angle = arm * (2 * math.pi / 5) + 0.25 * radial.exp()
    cos, sin = angle.cos(), angle.sin()
    raw = torch.stack([radial * cos - across * sin, radial * sin + across * cos], 1)
    return _standardised(raw, (0.0, 0.0), (1 + 0.3**2 + 0.1**2) / 2)  # turning keeps E|raw|²


def dinosaur(n: int, generator: torch.Generator) -> Tensor:
    """A drawing of a long-necked dinosaur, its lines blurred by .04 of the raw units; (n, 2), data units.

    Source: Matejka and Fitzmaurice 2017 (same moments, another picture), for the idea; the drawing is our own.
    """
    raw = _blurred(DINOSAUR.sample(n, generator), 0.04, generator)
    return _standardised(raw, DINOSAUR.mean, DINOSAUR.var + 0.04**2)


TOYS: dict[str, Sampler] = {
    "eight_gaussians": eight_gaussians,
    "moons": moons,
    "checkerboard": checkerboard,
    "swiss_roll": swiss_roll,
    "pinwheel": pinwheel,
    "product_mixture": product_mixture,
    "ring": ring,
    "dinosaur": dinosaur,
}


def toy(name: str) -> Sampler:
    """The sampler of that name; "g8" is short for "eight_gaussians".

    Raises ValueError, with the names there are, for another one.
    """
    found = TOYS.get(str("eight_gaussians" if name == "g8" else name))
    if found is None:
        raise ValueError(f"expected a data set among {', '.join(TOYS)}, got {name!r} as name")
    return found


@lru_cache
def _kept(
    make: Callable[[], GaussianMixture | ProductMixture], dtype: torch.dtype, device: torch.device
) -> GaussianMixture | ProductMixture:
    """What make() returns in this default dtype: its checks cost more than a batch of samples."""
    return make().to(dtype).to(device)


def _uniform(n: int, generator: torch.Generator) -> Tensor:
    check_count("n", n)
    return torch.rand(n, generator=generator, device=generator.device)


def _blurred(raw: Tensor, std: float, generator: torch.Generator) -> Tensor:
    return raw + std * torch.randn(raw.shape, generator=generator, device=raw.device)


def _standardised(raw: Tensor, mean: tuple[float, float], var: float) -> Tensor:
    return (raw - torch.tensor(mean, device=raw.device)) * (STD / math.sqrt(var))
