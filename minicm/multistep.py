"""Solvers that remember: one evaluation a step, the slope between two times from a polynomial through earlier ones.

    x(s) = x(t) + Σ_j w_j v_j,   w_j = ∫ L_j(τ) dτ from t to s,   L_j = the Lagrange polynomials of the nodes.

The weights hold for any grid, even or not.  Each solver starts at the order that its history allows.
"""

import numpy as np
import torch
from torch import Tensor

from .paths import Path
from .shapes import Denoiser, Velocity, time_grid

__all__ = ["adams_bashforth", "dpm_solver_2m", "exponential_adams"]

Remembered = list[tuple[Tensor, Tensor]]  # newest first: (node, value (B, *S))

MAX_ORDER = 6  # beyond it the stability interval is too small to be of use
QUADRATURE = np.polynomial.legendre.leggauss(24)  # exact for the polynomials in t, close to rounding in the angle


def adams_bashforth(velocity: Velocity, x: Tensor, times: Tensor, *, order: int = 4) -> Tensor:
    """x at times[-1]: x + Σ_j w_j v_j over the last `order` velocities, one evaluation a step; (B, *S).

    x: (B, *S) at times[0].  times: (N + 1,), strictly monotone.  Order 1 is Euler.  On VE, with t = σ, it is the
    linear multistep sampler ("LMS") of k-diffusion; another path reaches it through `transport`.
    Raises ValueError if times are no grid or order is not in 1..6.
    Source: Hairer, Norsett, Wanner 1993 (Solving ODEs I), sec. III.5, eq. 5.7.
    """
    times = _checked(time_grid(times), order).to(x.device)
    history: Remembered = []
    for t, s in zip(times[:-1], times[1:], strict=True):
        history = [(t, velocity(x, t.expand(len(x)))), *history[: order - 1]]
        unit, weight = _quadrature(times)
        x = x + _interpolated(history, at=t + (s - t) * unit, measure=(s - t) * weight)
    return x


def dpm_solver_2m(denoise: Denoiser, x: Tensor, times: Tensor, path: Path) -> Tensor:
    """x at times[-1] by DDIM steps with D + (D − D_prev) h/(2 h_prev) for D, h = steps in ln(α/σ); (B, *S).

    The bracket is D at the middle of the step, extrapolated; the first step is plain DDIM.  Order 2, one evaluation
    a step.  x: (B, *S) at times[0].  times: (N + 1,), on the path; α = 0 is allowed at the first.
    Raises ValueError if times are no grid of this path.
    Source: Lu et al. 2022 (DPM-Solver++), algorithm 2; on TrigFlow, Lu and Song 2024 (sCM), appendix D.
    """
    times = path.check_times(time_grid(times)).to(x.device)
    h = -path.nsr(times).log().diff()  # the first is infinite where α = 0, and its correction 0
    last = None
    for i, (t, s) in enumerate(zip(times[:-1], times[1:], strict=True)):
        d = denoise(x, t.expand(len(x)))
        middle = d if last is None else d + (d - last) * (h[i] / (2 * h[i - 1])).to(x.dtype)
        x, last = _ddim(x, t, s, middle, path), d
    return x


def exponential_adams(
    denoise: Denoiser, x: Tensor, times: Tensor, path: Path, *, order: int = 4, scale: float = 1.0
) -> Tensor:
    """x at times[-1] by d(x/σ)/dz = D, z = α/σ: each step is DDIM with D̄, the mean of a polynomial over its z.

        x_s = α_s D̄ + σ_s (x_t − α_t D̄)/σ_t,   D̄ = ∫ P(θ(z)) dz/(z_s − z_t),   θ(z) = arctan(1/(z scale)).

    P runs through the last `order` denoised values (Adams-Bashforth).  Once the value at s is known, the step to s is
    taken again with P through it as well (Adams-Moulton): that costs no evaluation, there is one a step.
    P is a polynomial in the angle θ because D levels off at both ends, far from the data and close to it.  In ln z
    those ends are long and a polynomial leaves them; in θ they are short, and θ is finite where α = 0.
    scale: the noise-to-signal ratio at 45 degrees, data units; 2 σ_data is a good value.  The natural grid is even in
    ln(σ/α); on it the error is at or below that of LMS and DPM-Solver++, from 5 steps up.

    x: (B, *S) at times[0].  times: (N + 1,), on the path; α = 0 is allowed at the first.
    Raises ValueError if times are no grid of this path, order is not in 1..6 or scale is not positive.
    Source: ours, from Lu et al. 2022 (DPM-Solver++), prop. 4.1, with a corrector as in Zhao et al. 2023 (UniPC).
    """
    times = _checked(path.check_times(time_grid(times)), order).to(x.device)
    if not scale > 0:
        raise ValueError(f"expected scale > 0, a noise-to-signal ratio, got {scale}")
    z = path.alpha(times) / path.sigma(times)
    theta = torch.atan2(torch.ones_like(z), z * scale)
    history: Remembered = []
    before = x
    for i, t in enumerate(times[:-1]):
        d = denoise(x, t.expand(len(x)))
        history = [(theta[i], d), *history[: order - 1]]
        if i > 0:  # correct the step that led here
            x = _ddim(before, times[i - 1], t, _mean(history, z[i - 1], z[i], scale), path)
        before = x
        x = _ddim(x, t, times[i + 1], _mean(history, z[i], z[i + 1], scale), path)
    return x


def _ddim(x: Tensor, t: Tensor, s: Tensor, x0: Tensor, path: Path) -> Tensor:
    """α_s x0 + σ_s ε with ε from (x, t, x0); t and s are 0-d."""
    return path.mix(x0, path.noise(x, t.expand(len(x)), x0), s.expand(len(x)))


def _mean(history: Remembered, z: Tensor, z_next: Tensor, scale: float) -> Tensor:
    """∫ P(arctan(1/(z scale))) dz/(z_next − z) over the step, P through the remembered (θ, D); (B, *S)."""
    unit, weight = _quadrature(z)
    at = z + (z_next - z) * unit
    return _interpolated(history, at=torch.atan2(torch.ones_like(at), at * scale), measure=weight)


def _interpolated(history: Remembered, at: Tensor, measure: Tensor) -> Tensor:
    """Σ_q measure_q P(at_q), P through the remembered values; at and measure (Q,); returns (B, *S)."""
    nodes = torch.stack([node for node, _ in history])
    total = torch.zeros_like(history[0][1])
    for j, (node, value) in enumerate(history):
        others = torch.cat([nodes[:j], nodes[j + 1 :]])
        lagrange = ((at[:, None] - others) / (node - others)).prod(1)  # (Q,), 1 at this node, 0 at the others
        total = total + (measure * lagrange).sum().to(value.dtype) * value
    return total


def _quadrature(like_this: Tensor) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points and weights of [0, 1], on the device of the argument; both (Q,) in float64."""
    points, weights = (torch.as_tensor(a, dtype=torch.float64, device=like_this.device) for a in QUADRATURE)
    return (points + 1) / 2, weights / 2


def _checked(times: Tensor, order: int) -> Tensor:
    if not 1 <= order <= MAX_ORDER:
        raise ValueError(f"expected an order in 1..{MAX_ORDER}, got {order}")
    return times
