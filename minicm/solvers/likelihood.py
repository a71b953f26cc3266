"""Exact log-likelihood under the probability-flow ODE, by the instantaneous change of variables.

    log p(x at t_min) = log p(x at t_max) + ∫ div v(x(t), t) dt from t_min to t_max,   div v = tr ∂v/∂x.

It belongs to a diffusion model.  A consistency model has none: its map is not invertible by construction.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import vjp

from ..checks import check_alike, check_batch, check_count, check_floats, check_per_sample, check_positive
from ..paths import Path
from ..shapes import Denoiser, Step, Velocity, in_eval, per_sample, time_grid
from .steps import integrate, probability_flow, rk4_step

Trace = Callable[[Velocity, Tensor, Tensor], tuple[Tensor, Tensor]]  # (velocity, x, t) -> v (B, *S), div v (B,)


def exact_trace(velocity: Velocity, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """v and div v = Σ_i e_i·(∂v/∂x) e_i: one evaluation and one backward pass per dimension, so meant for D <= 16.

    x: (B, *S), D elements each; t: (B,).  Returns v (B, *S) and the divergence (B,).  v must act on each sample alone.
    Raises ValueError for another t, or another shape of what velocity returns.
    """
    check_per_sample("t", t, x)
    v, pull = vjp(lambda y: velocity(y, t), x)[:2]
    check_alike("what velocity returns", v, "x", x)
    divergence = x.new_zeros(len(x))
    for row in torch.eye(x[0].numel(), dtype=x.dtype, device=x.device):
        basis = row.reshape(x.shape[1:]).expand_as(x)
        divergence = divergence + per_sample(basis * pull(basis)[0])
    return v, divergence


def hutchinson_trace(probe: Tensor) -> Trace:
    """div v ≈ p·(∂v/∂x) p, unbiased for probes with E[p pᵀ] = 1: one backward pass in any dimension.

    probe: (B, *S), of x's dtype, one per sample for the whole trajectory: a fresh one at each time would make the
    integrand rough, and no solver of high order or adaptive step would converge.  For the variance of the estimate
    repeat with other probes.  Signs (`rademacher`) have none where the Jacobian is diagonal.
    Raises ValueError unless probe holds floats; the result does, for a shape unlike x's or a t that is not (B,).
    Source: Hutchinson 1990; Grathwohl et al. 2019 (FFJORD).
    """
    check_floats("probe", probe)

    def trace(velocity: Velocity, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        check_batch("x", x, {"probe": probe}, {"t": t})
        v, pull = vjp(lambda y: velocity(y, t), x)[:2]
        check_alike("what velocity returns", v, "x", x)
        return v, per_sample(probe * pull(probe)[0])

    return trace


def rademacher(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Independent signs ±1 of the shape, dtype and device of x: least variance among independent entries."""
    bits = torch.randint(0, 2, x.shape, generator=generator, device=x.device)
    return (2 * bits - 1).to(x.dtype)


def log_likelihood(
    denoise: Denoiser,
    x: Tensor,
    path: Path,
    times: Tensor,
    *,
    trace: Trace = exact_trace,
    step: Step = rk4_step,
    prior_log_prob: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """log p(x) at the smallest of times, from the prior at the largest; (B,), nats.

    The pair (x, ∫ div v dt) is one state of D + 1 numbers, and any generic step integrates it (not ddim_step).
    x: (B, *S) at the smallest of times.  times: (N + 1,), on the path, in either order.
    prior_log_prob: x at the largest of times (B, *S) -> (B,); None is N(0, σ²), which lacks the data's own variance.
    Raises ValueError if times are no grid of this path.
    Source: Chen et al. 2018 (neural ODEs), theorem 1; Song et al. 2021 (score SDE).
    """
    check_floats("x", x)
    times = path.check_times(time_grid(times)).sort().values
    velocity = probability_flow(denoise, path).unchecked

    def augmented(state: Tensor, t: Tensor) -> Tensor:
        v, divergence = trace(velocity, state[:, :-1].reshape(x.shape), t)
        return torch.cat([v.flatten(1), divergence[:, None]], 1)

    start = torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1)
    with in_eval(denoise):
        end = integrate(augmented, start, times, step)
    noise, total = end[:, :-1].reshape(x.shape), end[:, -1]
    prior = _normal_log_prob(noise, path.sigma(times[-1])) if prior_log_prob is None else prior_log_prob(noise)
    return prior + total


def bits_per_dim(log_prob: Tensor, num_elements: int, *, bin_width: float = 2 / 256) -> Tensor:
    """−(log p/D + ln w)/ln 2: bits per element of data that come in bins of width w; (B,) -> (B,).

    log_prob: (B,), nats, of data with uniform noise of one bin added.  num_elements: D.  bin_width: data units, 2/256
    for bytes spread over [−1, 1], which adds the 7 bits of the literature.
    Raises ValueError unless num_elements >= 1 and bin_width > 0.
    Source: Theis, van den Oord, Bethge 2016.
    """
    check_count("num_elements", num_elements)
    check_positive("bin_width", bin_width)
    return -(log_prob / num_elements + math.log(bin_width)) / math.log(2)


def _normal_log_prob(x: Tensor, std: Tensor) -> Tensor:
    """log N(x; 0, std² 1), (B, *S) -> (B,); std is 0-d."""
    z = x / std.to(x)
    return -per_sample(z**2 + math.log(2 * math.pi)) / 2 - x[0].numel() * std.log().to(x)
