"""Preconditioning: a raw network F becomes a denoiser D(x, t) = c_skip x + c_out F(c_in x, c_noise).

A scaling is a function t -> (c_skip, c_out, c_in, c_noise), each (B,), in float64 when t is.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .checks import check_alike, check_per_sample, check_positive
from .shapes import Denoiser, like

__all__ = ["ConsistencyScaling", "EDMScaling", "Preconditioned", "Recovered", "Scaling", "TrigFlowScaling"]

Scaling = Callable[[Tensor], tuple[Tensor, Tensor, Tensor, Tensor]]


def _check_sigma_data(sigma_data: float) -> None:
    check_positive("sigma_data", sigma_data)  # the std of the data per coordinate


@dataclass(frozen=True)
class EDMScaling:
    """VE scalings that give F inputs and targets of unit variance; D(x, t) → x as t → 0.

    t is the noise level, > 0.  Source: Karras et al. 2022 (EDM), table 1, derived in appendix B.6.
    Raises ValueError unless σ_d > 0.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        _check_sigma_data(self.sigma_data)

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
        _check_sigma_data(self.sigma_data)
        check_positive("t_min", self.t_min)

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
        _check_sigma_data(self.sigma_data)

    def __call__(self, t: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        d = self.sigma_data
        return t.cos(), -d * t.sin(), torch.full_like(t, 1 / d), t


class Preconditioned(nn.Module):
    """A network and a scaling, together a denoiser or a consistency function.

    network: (u (B, *S), c_noise (B,)) -> (B, *S).
    """

    def __init__(self, network: nn.Module, scaling: Scaling) -> None:
        super().__init__()
        self.network, self.scaling = network, scaling

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """c_skip x + c_out F(c_in x, c_noise); x (B, *S), t (B,) -> (B, *S), data units.

        Raises ValueError if t is not (B,).
        """
        check_per_sample("t", t, x)
        c_skip, c_out, c_in, c_noise = self.scaling(t)
        raw = self.network(like(c_in, x) * x, c_noise.to(x.dtype))
        check_alike("what the network returns", raw, "x", x)
        return like(c_skip, x) * x + like(c_out, x) * raw

    def raw(self, x: Tensor, t: Tensor) -> Tensor:
        """F(c_in x, c_noise) alone, (B, *S), of unit scale: what sCM differentiates.

        Raises ValueError unless t is (B,).
        """
        check_per_sample("t", t, x)
        _, _, c_in, c_noise = self.scaling(t)
        return self.network(like(c_in, x) * x, c_noise.to(x.dtype))

    def given(self, *conditions: Tensor | None) -> "Preconditioned":
        """The same model with its conditions bound, a label or a guidance scale: losses and solvers never see them.

        conditions: each (B, ...) or None, handed to the network after its first two arguments.
        """
        return Preconditioned(_Given(self.network, *conditions), self.scaling)


class _Given(nn.Module):
    def __init__(self, network: nn.Module, *conditions: Tensor | None) -> None:
        super().__init__()
        self.network, self.conditions = network, conditions

    def forward(self, u: Tensor, c: Tensor) -> Tensor:
        return self.network(u, c, *self.conditions)


class Recovered(nn.Module):
    """Stands where `Preconditioned` stands, for a denoiser that is known in closed form.

    raw(x, t) = (D(x, t) − c_skip x)/c_out, the F that a network would have to be; needs c_out(t) ≠ 0.
    """

    def __init__(self, denoise: Denoiser, scaling: Scaling) -> None:
        super().__init__()
        self.denoise, self.scaling = denoise, scaling

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """D(x, t), unchanged."""
        return self.denoise(x, t)

    def raw(self, x: Tensor, t: Tensor) -> Tensor:
        """(D(x, t) − c_skip x)/c_out; (B, *S).  Raises ValueError unless t is (B,)."""
        check_per_sample("t", t, x)
        c_skip, c_out, _, _ = self.scaling(t)
        return (self.denoise(x, t) - like(c_skip, x) * x) / like(c_out, x)
