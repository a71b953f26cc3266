"""Mixtures in one dimension, and products of them, with the exact consistency function f(x, t) = Q_{t_min}(F_t(x)).

F_t(x) = Σ_k w_k Φ((x − α m_k)/√(α² std_k² + σ²)).  Noise is isotropic, so the coordinates of a product never meet.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ..checks import check_batch
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, like
from .base import Flow, FlowOracle, check_event
from .gaussians import GaussianMixture, floating
from .quantiles import LogTail, quantile_map


class Mixture1D(FlowOracle):
    """A mixture of Gaussians on the line, samples (B, 1): means, stds, weights (K,), weights None for equal.

    Raises ValueError as GaussianMixture does.
    Source: trajectories that cannot cross keep their rank.
    """

    def __init__(self, means: Tensor, stds: Tensor, weights: Tensor | None = None) -> None:
        means = floating(means, "means")
        if means.ndim != 1:
            raise ValueError(f"expected means of shape (K,), numbers on a line, got {tuple(means.shape)}")
        self.mixture = GaussianMixture(means[:, None], stds, weights)

    def to(self, target: torch.dtype | torch.device | str) -> "Mixture1D":
        """The same mixture in another dtype or on another device."""
        moved = self.mixture.to(target)
        return Mixture1D(moved.means[:, 0], moved.stds, moved.weights)

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """As GaussianMixture.sample; (n, 1)."""
        return self.mixture.sample(n, generator)

    def log_prob(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """As GaussianMixture.log_prob; x: (B, 1).  Returns (B,)."""
        return self.mixture.log_prob(x, t, path)

    def denoiser(self, path: Path) -> Denoiser:
        """As GaussianMixture.denoiser; (B, 1)."""
        return self.mixture.denoiser(path)

    def flow(self, path: Path) -> Flow:
        """(x, t, s) -> the y with F_s(y) = F_t(x); x: (B, 1), t and s: (B,).  Returns (B, 1)."""

        def flow(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
            check_event(x, (1,))
            check_batch("x", x, times={"t": t, "s": s})
            z, t, s = x.double(), t.double(), s.double()
            # A mixture's quantile lies among its components' quantiles, and so does its rank: that brackets y.
            centre, scale = self._components(z, t, path)
            ranks = (z - centre) / scale
            centre, scale = self._components(z, s, path)
            low = (centre + scale * ranks.amin(1, keepdim=True)).amin(1, keepdim=True)
            high = (centre + scale * ranks.amax(1, keepdim=True)).amax(1, keepdim=True)
            tails = self._log_tail(z, t, path), self._log_tail(z, s, path)
            y = quantile_map(z, *tails, lambda y: self.log_prob(y, s, path)[:, None], (low, high))
            return y.to(x.dtype)

        return flow

    def _components(self, x: Tensor, t: Tensor, path: Path) -> tuple[Tensor, Tensor]:
        """Centres and scales of the components at t, (B, K)."""
        alpha, sigma = like(path.alpha(t), x), like(path.sigma(t), x)
        return alpha * self.mixture.means[:, 0], torch.hypot(alpha * self.mixture.stds, sigma)

    def _log_tail(self, x: Tensor, t: Tensor, path: Path) -> LogTail:
        centre, scale = self._components(x, t, path)
        log_weights = self.mixture.weights.double().log()

        def log_tail(x: Tensor, side: Tensor) -> Tensor:
            return (log_weights + torch.special.log_ndtr(side * (x - centre) / scale)).logsumexp(1, keepdim=True)

        return log_tail


class ProductMixture(FlowOracle):
    """Independent coordinates, each a Mixture1D; samples (B, D).

    Two mixtures of two make the smallest data set of several modes in the plane whose consistency function is known.
    Raises ValueError for no coordinate.
    """

    def __init__(self, coordinates: Sequence[Mixture1D]) -> None:
        fits = isinstance(coordinates, Sequence) and all(isinstance(c, Mixture1D) for c in coordinates)
        if not fits or not coordinates:
            raise ValueError(f"expected coordinates as at least one Mixture1D, one for each axis, got {coordinates!r}")
        self.coordinates = tuple(coordinates)

    def to(self, target: torch.dtype | torch.device | str) -> "ProductMixture":
        """The same distribution in another dtype or on another device."""
        return ProductMixture([c.to(target) for c in self.coordinates])

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """One draw of each coordinate, side by side; (n, D)."""
        return torch.cat([c.sample(n, generator) for c in self.coordinates], 1)

    def log_prob(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """Σ_i log p_t(x_i); x: (B, D).  Returns (B,)."""
        parts = zip(self.coordinates, self._columns(x), strict=True)
        return torch.stack([c.log_prob(column, t, path) for c, column in parts]).sum(0)

    def denoiser(self, path: Path) -> Denoiser:
        """(x, t) -> the denoisers of the coordinates, side by side; (B, D)."""
        parts = [c.denoiser(path) for c in self.coordinates]

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            return torch.cat([d(c, t) for d, c in zip(parts, self._columns(x), strict=True)], 1)

        return PathDenoiser(denoise, path)

    def flow(self, path: Path) -> Flow:
        """(x, t, s) -> the flows of the coordinates, side by side; (B, D)."""
        parts = [c.flow(path) for c in self.coordinates]
        return lambda x, t, s: torch.cat([f(c, t, s) for f, c in zip(parts, self._columns(x), strict=True)], 1)

    def _columns(self, x: Tensor) -> tuple[Tensor, ...]:
        check_event(x, (len(self.coordinates),))
        return x.split(1, 1)
