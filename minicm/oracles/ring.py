"""A ring in the plane, blurred: on a path it stays a ring of radius α R and width v = √(α² w² + σ²).

Its radius follows Rice's law, p(r) = r/v² exp(−(r² + α² R²)/2v²) I₀(r α R/v²); the probability flow keeps the angle and
carries the radius by rank.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.special import i0e, i1e

from ..checks import check_batch, check_between, check_count, check_positive
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, like
from .base import Flow, FlowOracle, check_event
from .quantiles import LogTail, quantile_map

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_CUT = 90.0  # a tail is integrated until its density has fallen by exp(-_CUT/2), below the rounding of float64
_BULK = 11.0  # widths beyond which the other tail is a 1 to float64


@dataclass(frozen=True)
class Ring(FlowOracle):
    """Points uniform on the circle of this radius, plus isotropic Gaussian noise of std width; samples (B, 2).

    radius, width: data units; width 0 is the circle itself, whose density exists where σ(t) > 0.
    Raises ValueError unless radius > 0 and width >= 0, both finite.
    Source: Rice 1945, for the law of the radius.
    """

    radius: float
    width: float

    def __post_init__(self) -> None:
        check_positive("radius", self.radius)
        check_between("width", self.width, 0.0)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """R (cos θ, sin θ) + w ε; (n, 2) in the default dtype, on the generator's device.

        Raises ValueError unless n >= 1.
        """
        device = None if generator is None else generator.device
        check_count("n", n)
        angle = 2 * math.pi * torch.rand(n, generator=generator, device=device)
        circle = self.radius * torch.stack([angle.cos(), angle.sin()], 1)
        return circle + self.width * torch.randn((n, 2), generator=generator, device=device)

    def log_prob(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """The density, log p(r) − log 2πr; x: (B, 2), t: (B,).  Returns (B,)."""
        check_event(x, (2,), t)
        r = _length(x)
        return (self._log_rice(r, t, path) - (2 * math.pi * r).log())[:, 0]

    def denoiser(self, path: Path) -> Denoiser:
        """(x, t) -> α/v² (w² + σ² R²/v² I₁(k)/(k I₀(k))) x with k = r α R/v²; (B, 2)."""

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            radius, var = self._law(x, t, path)
            k = _length(x) * radius / var  # (B, 1)
            # I₁(k)/(k I₀(k)), which is 1/2 at the centre
            pull = torch.where(k > 1e-6, i1e(k) / (k.clamp_min(1e-6) * i0e(k)), 0.5)
            alpha, sigma = like(path.alpha(t), x), like(path.sigma(t), x)
            return alpha / var * (self.width**2 + (sigma * self.radius) ** 2 / var * pull) * x

        return PathDenoiser(denoise, path)

    def flow(self, path: Path) -> Flow:
        """(x, t, s) -> x with its length r replaced by the radius of the same rank at s; (B, 2)."""

        def flow(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
            check_event(x, (2,))
            check_batch("x", x, times={"t": t, "s": s})
            z, t, s = x.double(), t.double(), s.double()
            r = _length(z)
            (radius, var), (radius_s, var_s) = self._law(z, t, path), self._law(z, s, path)
            # |R + v z| differs from v|z| by at most R: the rank of r bounds |z|, and |z| bounds the radius at s.
            high = radius_s + (var_s / var).sqrt() * (r + radius)
            tails, bracket = (self._log_tail(t, path), self._log_tail(s, path)), (torch.zeros_like(high), high)
            y = quantile_map(r, *tails, lambda y: self._log_rice(y, s, path), bracket)
            return (y / r * z).to(x.dtype)

        return flow

    def _law(self, x: Tensor, t: Tensor, path: Path) -> tuple[Tensor, Tensor]:
        """Radius α R and squared width α² w² + σ² of the ring at t, (B, 1)."""
        alpha, sigma = like(path.alpha(t), x), like(path.sigma(t), x)
        return alpha * self.radius, (alpha * self.width) ** 2 + sigma**2

    def _log_rice(self, r: Tensor, t: Tensor, path: Path) -> Tensor:
        """The logarithm of Rice's density at the radii r (B, N)."""
        radius, var = self._law(r, t, path)
        return (r / var * i0e(r * radius / var)).log() - (r - radius) ** 2 / (2 * var)

    def _log_tail(self, t: Tensor, path: Path) -> LogTail:
        nodes, log_weights = (torch.as_tensor(a, device=t.device) for a in (_NODES, np.log(_WEIGHTS)))

        def log_tail(r: Tensor, side: Tensor) -> Tensor:
            """The logarithm of the density's integral from r outwards, by Gauss-Legendre on the stretch that counts."""
            radius, var = self._law(r, t, path)
            width = var.sqrt()
            inner, outer = radius - _BULK * width, radius + _BULK * width
            edge = torch.where(side > 0, torch.minimum(r, outer), torch.maximum(r, inner))
            depth = side * (radius - edge) / width  # how far outside the ring, in widths
            stretch = width * _CUT / (depth + (depth**2 + _CUT).sqrt())
            far = (edge - side * stretch).clamp_min(0)
            half = (edge - far) / 2  # (B, 1), signed
            density = self._log_rice((edge + far) / 2 + half * nodes, t, path)  # (B, nodes)
            return (density + log_weights).logsumexp(1, keepdim=True) + half.abs().log()

        return log_tail


def _length(x: Tensor) -> Tensor:
    """|x|, (B, 1), kept off 0, where it has no derivative and its logarithm no value."""
    check_event(x, (2,))
    return x.square().sum(1, keepdim=True).clamp_min(1e-36).sqrt()
