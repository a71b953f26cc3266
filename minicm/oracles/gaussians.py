"""Gaussians and their mixtures: on a path, component k is N(α m_k, v_k) with v_k = α² std_k² + σ².

E[x0|x] = Σ_k r_k (σ² m_k + α std_k² x)/v_k, where r_k = softmax_k(log w_k + log N(x; α m_k, v_k)).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ..checks import as_floats, check_batch, check_between, check_count, shown
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, like
from .base import Flow, Oracle, check_event

_ELEMENTS = 2**20  # of the (rows, D, K) differences held at once: 8 MB in float64, which still sits in a cache


class GaussianMixture(Oracle):
    """Isotropic components on any event shape: means (K, *S), stds (K,) in data units, weights (K,) or None for equal.

    A zero std is a point mass, whose density and denoiser exist where σ(t) > 0.  Weights are divided by their sum.
    Raises ValueError for no component, wrong shapes, numbers that are not finite, std < 0, weight <= 0.
    Source: Karras et al. 2022 (EDM), appendix B.3, for point masses.
    """

    def __init__(self, means: Tensor, stds: Tensor, weights: Tensor | None = None) -> None:
        self.means = floating(means, "means")
        if self.means.ndim < 2 or self.means.numel() == 0:
            raise ValueError(f"expected means of shape (K, *S), K >= 1, such as (8, 2), got {tuple(self.means.shape)}")
        k = len(self.means)
        self.stds = torch.as_tensor(stds).to(self.means)
        weights = torch.as_tensor(torch.ones(k) if weights is None else weights).to(self.means)
        for name, given in (("stds", self.stds), ("weights", weights)):
            if given.shape != (k,):
                raise ValueError(f"expected {name} of shape ({k},), one per component, got {tuple(given.shape)}")
        if not self.means.isfinite().all():
            raise ValueError("expected finite means, got NaN or infinity among them")
        if not ((self.stds >= 0) & self.stds.isfinite()).all():
            raise ValueError(f"expected finite stds >= 0, got one of {self.stds.min().item()}")
        if not ((weights > 0) & weights.isfinite()).all():
            raise ValueError(f"expected finite weights > 0, got one of {weights.min().item()}: leave it out")
        self.weights = weights / weights.sum()

    def to(self, target: torch.dtype | torch.device | str) -> "GaussianMixture":
        """The same mixture in another dtype or on another device."""
        return GaussianMixture(self.means.to(target), self.stds.to(target), self.weights.to(target))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """m_k + std_k ε with k drawn by weight; (n, *S), in the dtype and on the device of the means.

        Raises ValueError unless n >= 1.
        """
        return self._draw(n, generator)[0]

    def _draw(self, n: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """The same draws, and the component k that each comes from, (n,)."""
        check_count("n", n)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        eps = torch.randn((n, *self.means.shape[1:]), generator=generator, dtype=self.means.dtype, device=k.device)
        return self.means[k] + like(self.stds[k], eps) * eps, k

    def log_prob(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """The density, log Σ_k w_k N(x; α m_k, v_k); x: (B, *S), t: (B,).  Returns (B,)."""

        def rows(x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
            return self._log_joint(x, alpha, sigma)[0].logsumexp(1)

        return self._by_rows(rows, x, t, path)

    def denoiser(self, path: Path) -> Denoiser:
        """(x, t) -> Σ_k r_k (σ² m_k + α std_k² x)/v_k; (B, *S) in x's dtype.  Raises ValueError for a wrong shape."""
        return PathDenoiser(lambda x, t: self._by_rows(self._posterior_mean, x, t, path).reshape(x.shape), path)

    def _log_joint(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of w_k N(x; α m_k, v_k) and v_k, both (B, K), of rows x (B, D) and columns α, σ (B, 1)."""
        var = (alpha * self.stds) ** 2 + sigma**2
        # Differences, not |x|² − 2x·m + |m|²: that loses all digits in float32 once σ is small.
        square = (x[:, :, None] - alpha[:, :, None] * self.means.flatten(1).T).square().sum(1)
        return self.weights.log() - square / (2 * var) - x.shape[1] / 2 * (2 * math.pi * var).log(), var

    def _posterior_mean(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        log_joint, var = self._log_joint(x, alpha, sigma)
        share = log_joint.softmax(1) / var  # (B, K), r_k / v_k
        towards_means = (sigma**2 * share) @ self.means.flatten(1).to(share.dtype)
        return towards_means + alpha * (share * self.stds**2).sum(1, keepdim=True) * x

    def _by_rows(self, function: Callable[..., Tensor], x: Tensor, t: Tensor, path: Path) -> Tensor:
        """function(x (b, D), α (b, 1), σ (b, 1)) on so few rows at once that thousands of components fit in memory."""
        check_event(x, self.means.shape[1:], t)
        flat = x.flatten(1).to(torch.promote_types(x.dtype, self.means.dtype))
        columns = flat, like(path.alpha(t), flat), like(path.sigma(t), flat)
        size = max(1, _ELEMENTS // self.means.numel())
        parts = zip(*(column.split(size) for column in columns), strict=True)
        return torch.cat([function(*part) for part in parts]).to(x.dtype)


def gaussian(mean: Tensor, std: float) -> GaussianMixture:
    """N(mean, std² I); mean: (*S), std: a number, both in data units.  Raises as GaussianMixture."""
    mean = floating(mean, "mean")
    if mean.ndim < 1 or mean.numel() == 0 or not mean.isfinite().all():
        raise ValueError(f"expected mean of shape (*S), finite, such as (2,), got {shown(mean)}")
    if not isinstance(std, Tensor):
        check_between("std", std, 0.0)
    return GaussianMixture(mean[None], torch.as_tensor(std).reshape(-1))


def empirical(points: Tensor) -> GaussianMixture:
    """Equal point masses at points (K, *S).

    Its denoiser Σ_k softmax_k(−|x − α x_k|²/2σ²) x_k is the ideal one of a data set.  Raises as GaussianMixture.
    """
    points = floating(points, "points")
    if points.ndim < 2 or points.numel() == 0 or not points.isfinite().all():
        raise ValueError(f"expected points of shape (K, *S), K >= 1, finite, got {shown(points)}")
    return GaussianMixture(points, torch.zeros(len(points)))


def gaussian_flow(mean: Tensor, std: float, path: Path) -> Flow:
    """(x, t, s) -> α_s m + (x − α_t m) √(α_s² std² + σ_s²)/√(α_t² std² + σ_t²), the probability flow of N(m, std² I).

    mean: (*S), std: a number, data units.  x: (B, *S) at t; t, s: (B,).  Returns (B, *S) at s.
    Raises ValueError as GaussianMixture does.
    Source: Karras et al. 2022 (EDM), eq. 4, solved for a linear denoiser.
    """
    law = gaussian(mean, std)

    def flow(x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        check_event(x, law.means.shape[1:])
        check_batch("x", x, times={"t": t, "s": s})
        m, std = law.means[0].to(x), law.stds[0].to(t)
        ratio = torch.hypot(path.alpha(s) * std, path.sigma(s)) / torch.hypot(path.alpha(t) * std, path.sigma(t))
        return like(path.alpha(s), x) * m + like(ratio, x) * (x - like(path.alpha(t), x) * m)

    return flow


def gaussian_consistency(mean: Tensor, std: float, path: Path) -> Denoiser:
    """f(x, t) = `gaussian_flow` from t to path.t_min: the exact consistency function of N(mean, std² I); (B, *S)."""
    flow = gaussian_flow(mean, std, path)
    return PathDenoiser(lambda x, t: flow(x, t, torch.full_like(t, path.t_min)), path)


def floating(values: Tensor, name: str) -> Tensor:
    """The numbers as a tensor of floats, in the default dtype unless they have one.  Raises ValueError for others."""
    if hasattr(values, "dtype"):  # a tensor or an array, which keep theirs
        values = torch.as_tensor(values)
    else:
        values = as_floats(name, values).to(torch.get_default_dtype())
    if values.is_complex():
        raise ValueError(f"expected {name} as real numbers, got {shown(values)}")
    return values if values.is_floating_point() else values.to(torch.get_default_dtype())
