"""Preconditioning: a raw network F becomes a denoiser D(x, t) = c_skip x + c_out F(c_in x, c_noise).

A scaling is a function t -> (c_skip, c_out, c_in, c_noise), each (B,), in float64 when t is.  Its attribute `path`, if
it has one, says where it belongs; losses and samplers refuse a model on another path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from .checks import answered, check_batch, check_between, check_labels, check_positive
from .paths import VE, Path, TrigFlow
from .shapes import Denoiser, PathDenoiser, like, of_path

Scaling = Callable[[Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class EDMScaling:
    """VE scalings that give F inputs and targets of unit variance; D(x, t) → x as t → 0.

    t is the noise level, > 0.  Source: Karras et al. 2022 (EDM), table 1, derived in appendix B.6.
    Raises ValueError unless σ_d > 0.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data)

    path = VE()

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        d = self.sigma_data
        total = (t**2 + d**2).sqrt()
        return d**2 / total**2, t * d / total, 1 / total, t.log() / 4


@dataclass(frozen=True)
class ConsistencyScaling:
    """EDM's scalings shifted so that f(x, t_min) = x exactly: the boundary condition, for any network.

    t is the noise level, >= t_min.  The shift t − t_min stands in c_skip and in c_out's factor; the roots keep t.
    Raises ValueError unless σ_d > 0 and t_min > 0.
    Source: Song et al. 2023 (consistency models), appendix C.
    """

    sigma_data: float = 0.5
    t_min: float = 0.002

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data)
        check_positive("t_min", self.t_min)

    path = VE()

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        d, gap = self.sigma_data, t - self.t_min
        total = (t**2 + d**2).sqrt()
        return d**2 / (gap**2 + d**2), gap * d / total, 1 / total, t.log() / 4


@dataclass(frozen=True)
class TrigFlowScaling:
    """D(x, t) = cos(t) x − σ_d sin(t) F(x/σ_d, t); the same formula serves diffusion and consistency models.

    t is the angle, in [0, π/2]; D(x, 0) = x exactly.  F of a diffusion model is the velocity dx/dt in units of σ_d;
    F of a consistency model is another function.  Raises ValueError unless σ_d > 0.
    Source: Lu and Song 2024 (sCM), eq. 3 to 5.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data)

    @cached_property
    def path(self) -> TrigFlow:
        """TrigFlow with this σ_d."""
        return TrigFlow(self.sigma_data)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        d = self.sigma_data
        return t.cos(), -d * t.sin(), torch.full_like(t, 1 / d), t


@dataclass(frozen=True)
class PathScaling:
    """The scalings of any path: F has inputs and targets of unit variance, and f(x, boundary) = x whatever it is.

        c_skip = (α α_b σ_d² + σ σ_b)/T²,   c_out = −(σ α_b − α σ_b) σ_d/T,   c_in = 1/T,   T² = (α σ_d)² + σ²

    c_noise = arctan(σ/(α σ_d)), the angle that TrigFlow has as its time, so that one network means the same on every
    path.  boundary: a time b of the path; at 0, where α = 1 and σ = 0, this is EDM's scaling on VE, but for the sign
    of F and c_noise, and TrigFlow's on TrigFlow.  At t_min it is that of a consistency function which ends there.
    Raises ValueError unless σ_d > 0 and boundary >= 0.
    Source: Karras et al. 2022 (EDM), appendix B.6, with general coefficients; sign and angle of Lu and Song 2024 (sCM).
    """

    path: Path
    sigma_data: float = 0.5
    boundary: float = 0.0

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data)
        check_between("boundary", self.boundary, 0.0, self.path.t_max)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        d, b = self.sigma_data, torch.full_like(t, self.boundary)
        clean, noise = self.path.alpha(t) * d, self.path.sigma(t)
        clean_b, noise_b = self.path.alpha(b) * d, self.path.sigma(b)
        square = clean**2 + noise**2
        c_in = square.rsqrt()
        c_skip = (clean * clean_b + noise * noise_b) / square
        return c_skip, (clean * noise_b - noise * clean_b) * c_in, c_in, torch.atan2(noise, clean)


class Preconditioned(nn.Module):
    """A network and a scaling, together a denoiser or a consistency function.

    network: (u (B, *S), c_noise (B,)) -> (B, *S).
    """

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network, self.scaling = network, scaling

    @property
    def path(self) -> Path | None:
        """The path that the scaling belongs to; None if it does not say."""
        return getattr(self.scaling, "path", None)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """c_skip x + c_out F(c_in x, c_noise); x (B, *S), t (B,) -> (B, *S), data units.

        Raises ValueError if t is not (B,), and for a network that answers in another shape.
        """
        check_batch("x", x, times={"t": t})
        c_skip, c_out, c_in, c_noise = self.scaling(t)
        F = answered("the network", self.network, like(c_in, x) * x, c_noise.to(x.dtype))
        return like(c_skip, x) * x + like(c_out, x) * F

    def raw(self, x: Tensor, t: Tensor) -> Tensor:
        """F(c_in x, c_noise) alone, (B, *S), of unit scale: what sCM differentiates.  Raises as `forward`."""
        check_batch("x", x, times={"t": t})
        _, _, c_in, c_noise = self.scaling(t)
        return answered("the network", self.network, like(c_in, x) * x, c_noise.to(x.dtype))

    def given(self, *conditions: Tensor | None) -> "Preconditioned":
        """The same model with its conditions bound, a label or a guidance scale: losses and solvers never see them.

        conditions: each (B, ...) or None, handed to the network after its first two arguments.
        Raises ValueError for a label, the first of them, beyond the classes of a network that says how many it has.
        """
        classes, label = getattr(self.network, "labels", 0), conditions[0] if conditions else None
        if isinstance(classes, int) and classes and isinstance(label, Tensor) and not label.is_floating_point():
            check_labels(label.cpu(), classes)  # here once, where looking makes a GPU wait once
        return Preconditioned(_Given(self.network, *conditions), self.scaling)


def model_on(path: Path, network: nn.Module, sigma_data: float | None = None) -> Preconditioned:
    """A denoiser or consistency function on this path: the network with the scaling that belongs to the path.

    network: (u (B, *S), c_noise (B,)) -> (B, *S), where c_noise is the angle in [0, π/2].
    sigma_data: the std of the data per coordinate; None for the path's own if it has one, else .5.
    f(x, t) = x at the clean end of the path; for an exact boundary at t_min give `Preconditioned` a `PathScaling`.
    Raises ValueError unless sigma_data > 0.
    """
    own = getattr(path, "sigma_data", 0.5)
    if isinstance(path, TrigFlow) and sigma_data in (None, own):
        return Preconditioned(network, TrigFlowScaling(own))  # the same numbers without a root
    return Preconditioned(network, PathScaling(path, own if sigma_data is None else sigma_data))


class _Given(nn.Module):
    def __init__(self, network: nn.Module, *conditions: Tensor | None) -> None:
        super().__init__()
        self.network, self.conditions = network, conditions

    def forward(self, u: Tensor, c: Tensor) -> Tensor:
        return self.network(u, c, *self.conditions)

    @property
    def with_tangent(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The network's own with the conditions bound; AttributeError where it offers none."""
        own: Any = self.network.with_tangent
        return lambda u, c, du, dc: own(u, c, du, dc, *self.conditions)


class Recovered(nn.Module):
    """Stands where `Preconditioned` stands, for a denoiser that is known in closed form.

    raw(x, t) = (D(x, t) − c_skip x)/c_out, the F that a network would have to be; needs c_out(t) ≠ 0.
    """

    def __init__(self, denoise: Denoiser, scaling: Scaling) -> None:
        super().__init__()
        self.denoise, self.scaling = denoise, scaling

    path = Preconditioned.path

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """D(x, t), unchanged.  Raises ValueError for a denoiser that answers in another shape."""
        return answered("denoise", self.denoise, x, t)

    def raw(self, x: Tensor, t: Tensor) -> Tensor:
        """(D(x, t) − c_skip x)/c_out; (B, *S).  Raises ValueError unless t is (B,)."""
        check_batch("x", x, times={"t": t})
        c_skip, c_out, _, _ = self.scaling(t)
        return (self(x, t) - like(c_skip, x) * x) / like(c_out, x)


def transport(denoise: Denoiser, source: Path, target: Path) -> Denoiser:
    """The same denoiser, trained on `source`, read on `target`: D_target(x, t) = D_source(x α_s(u)/α_t(t), u).

    u is the source time of equal noise-to-signal ratio, so both states are one VE sample up to scale.
    x: (B, *S) on target; t: (B,) with α_t(t) > 0.  Returns (B, *S), data units.
    The result raises ValueError unless t is (B,).
    Source: Karras et al. 2022, appendix B; Lu and Song 2024, eq. 29.
    """
    denoise = of_path("denoise", denoise, source)

    def moved(x: Tensor, t: Tensor) -> Tensor:
        check_batch("x", x, times={"t": t})
        u = source.time_at(target.nsr(t))
        return denoise(like(source.alpha(u) / target.alpha(t), x) * x, u)

    return PathDenoiser(moved, target)
