"""Samplers that add noise on the way, by the reverse-time SDE of the path or around a deterministic step.

    dx = (v(x, t) + g²/2 · ε̂/σ) dt + g dw,   g²/2 = σ (σ̇ − σ α̇/α),   ε̂ = (x − α D)/σ,   t decreasing,

has the same marginals as the probability flow dx = v dt: the extra drift undoes what the extra noise adds.
"""

import math
from numbers import Real

import torch
from torch import Tensor

from ..checks import check_between, check_floats
from ..paths import VE, Path
from ..shapes import Denoiser, in_eval, like, of_path, time_grid
from .steps import heun_step, probability_flow


def reverse_sde(
    denoise: Denoiser, x: Tensor, times: Tensor, path: Path, generator: torch.Generator | None = None
) -> Tensor:
    """x at times[-1] by Euler-Maruyama on the reverse SDE: x + h (v + g²/2 ε̂/σ) + √|h| g z, h = s − t; (B, *S).

    One evaluation a step, weak order 1.  x: (B, *S) at times[0], data units.  times: (N + 1,), decreasing, on the
    path, α(t) > 0.  generator: on x's device.
    Raises ValueError if times are no such grid, among them a start at α = 0, where g is infinite.
    Source: Anderson 1982; Song et al. 2021 (score SDE), eq. 6; g as in Kingma et al. 2021 (VDM).
    """
    check_floats("x", x)
    times, f = _decreasing(path.check_times(time_grid(times))).to(x.device), of_path("denoise", denoise, path)
    if not (path.alpha(times) > 0).all():
        raise ValueError(f"expected times with alpha > 0, got a start at {times[0]:.6g}, where the SDE is singular")
    with in_eval(denoise):
        for t, s in zip(times[:-1], times[1:], strict=True):
            t = t.expand(len(x))
            x0 = f(x, t)
            rate = path.d_sigma(t) - path.sigma(t) * path.d_alpha(t) / path.alpha(t)  # (B,), g²/2σ
            drift = path.velocity(x, t, x0) + like(rate, x) * path.noise(x, t, x0)
            spread = (2 * path.sigma(t) * rate * (t - s)).sqrt()
            x = x + like(s - t, x) * drift + like(spread, x) * _normal(x, generator)
    return x


def edm_stochastic(
    denoise: Denoiser,
    x: Tensor,
    times: Tensor,
    generator: torch.Generator | None = None,
    *,
    churn: float = 0.0,
    churn_min: float = 0.0,
    churn_max: float = math.inf,
    churn_noise: float = 1.0,
) -> Tensor:
    """x at times[-1] on VE: before each Heun step, noise lifts the level t to t̂ = t (1 + γ); (B, *S).

        γ = min(churn/N, √2 − 1) where churn_min <= t <= churn_max, else 0;   x̂ = x + churn_noise √(t̂² − t²) z.

    N counts the levels, len(times).  The paper's last step, to noise level 0, is left to the denoiser.  With
    churn = 0 nothing is drawn and this is `integrate` with Heun, bit for bit.  Two evaluations a step.
    x: (B, *S) at times[0], data units.  times: (N,), decreasing noise levels.  generator: on x's device.
    Raises ValueError if times do not decrease or churn < 0.
    Source: Karras et al. 2022 (EDM), algorithm 2; S_churn, S_min, S_max, S_noise are the four numbers.
    """
    check_floats("x", x)
    times = _decreasing(time_grid(times)).to(x.device)
    if not times[-1] > 0:
        raise ValueError(f"expected times as noise levels > 0, got {times[-1]:.6g}: stop above 0, call the denoiser")
    for name, value in (("churn", churn), ("churn_min", churn_min), ("churn_noise", churn_noise)):
        check_between(name, value, 0.0)
    if not (isinstance(churn_max, Real) and churn_max >= 0):
        raise ValueError(f"expected churn_max as a number >= 0, got {churn_max!r}")
    velocity = probability_flow(denoise, VE()).unchecked
    gain = min(churn / len(times), math.sqrt(2) - 1)
    with in_eval(denoise):
        for t, s in zip(times[:-1], times[1:], strict=True):
            if gain > 0 and churn_min <= t <= churn_max:
                lifted = t * (1 + gain)
                x = x + churn_noise * (lifted**2 - t**2).sqrt().to(x.dtype) * _normal(x, generator)
                t = lifted
            x = heun_step(velocity, x, t.expand(len(x)), s.expand(len(x)))
    return x


def _decreasing(times: Tensor) -> Tensor:
    if times[0] < times[-1]:
        raise ValueError(f"expected times that decrease, from noise to data, got {times[0]:.6g} to {times[-1]:.6g}")
    return times


def _normal(x: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
