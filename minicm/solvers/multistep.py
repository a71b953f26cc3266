"""Solvers that remember: one evaluation a step, the slope between two times from a polynomial through earlier ones.

    x(s) = x(t) + Σ_j w_j v_j,   w_j = ∫ L_j(τ) dτ from t to s,   L_j = the Lagrange polynomials of the nodes.

The weights hold for any grid, even or not.  Each solver starts at the order that its history allows, and asks a model
in eval mode, without dropout.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checks import check_count, check_floats, check_positive
from ..paths import Path
from ..shapes import Denoiser, Velocity, in_eval, of_path, time_grid
from .steps import field

Remembered = list[tuple[Any, Tensor]]  # newest first: (node, value (B, *S))

_MAX_ORDER = 6  # beyond it the stability interval is too small to be of use
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_UNIT, _MASS = (_POINTS + 1) / 2, _WEIGHTS / 2  # Gauss-Legendre on [0, 1]: a polynomial in t is integrated exactly


def adams_bashforth(velocity: Velocity, x: Tensor, times: Tensor, *, order: int = 4) -> Tensor:
    """x at times[-1]: x + Σ_j w_j v_j over the last `order` velocities, one evaluation a step; (B, *S).

    x: (B, *S) at times[0].  times: (N + 1,), strictly monotone.  Order 1 is Euler.  On VE, with t = σ, it is the
    linear multistep sampler ("LMS") of k-diffusion; another path reaches it through `transport`.
    Raises ValueError if times are no grid or not of the velocity's path, for a denoiser as velocity, and unless order
    is in 1..6.
    Source: Hairer, Norsett, Wanner 1993 (Solving ODEs I), sec. III.1 and III.5.
    """
    check_floats("x", x)
    times = time_grid(times)
    v = field(velocity, times)
    check_count("order", order, 1, _MAX_ORDER)
    history: Remembered = []
    with in_eval(velocity):
        for t, s in zip(times[:-1].tolist(), times[1:].tolist(), strict=True):
            history = [(t, v(x, _everywhere(t, x))), *history[: order - 1]]
            x = x + (s - t) * _mean(history, t + (s - t) * _UNIT)
    return x


def dpm_solver_2m(denoise: Denoiser, x: Tensor, times: Tensor, path: Path) -> Tensor:
    """x at times[-1] by DDIM steps with D + (D − D_prev) h/(2 h_prev) for D, h = steps of ln(α/σ); (B, *S).

    That is D at the middle of the step, extrapolated; the first step is plain DDIM.  Order 2, one evaluation a step.
    x: (B, *S) at times[0].  times: (N + 1,), on the path; α = 0 is allowed at the first.
    Raises ValueError if times are no grid of this path.
    Source: Lu et al. 2022 (DPM-Solver++), algorithm 2; on TrigFlow, Lu and Song 2024 (sCM), eq. 28.
    """
    check_floats("x", x)
    times, f = path.check_times(time_grid(times)), of_path("denoise", denoise, path)
    h = -path.nsr(times).log().diff()  # infinite in the first place where α = 0: then its correction is 0
    last = None
    with in_eval(denoise):
        for i, t in enumerate(times[:-1].tolist()):
            d = f(x, _everywhere(t, x))
            middle = d if last is None else d + (h[i] / (2 * h[i - 1])).item() * (d - last)
            x, last = _ddim(x, t, times[i + 1].item(), middle, path), d
    return x


def exponential_adams(
    denoise: Denoiser, x: Tensor, times: Tensor, path: Path, *, order: int = 4, scale: float = 1.0
) -> Tensor:
    """x at times[-1] by d(x/σ)/dz = D, z = α/σ: each step is DDIM with D̄, the mean of a polynomial over its z.

        x_s = α_s D̄ + σ_s (x_t − α_t D̄)/σ_t,   D̄ = ∫ P(θ(z)) dz/(z_s − z_t),   θ(z) = arctan(1/(z scale)).

    P runs through the last `order` denoised values (Adams-Bashforth).  Once the value at s is known, the step to s is
    taken again with it among them (Adams-Moulton): that costs no evaluation, there is one a step.
    P is a polynomial in the angle θ because D levels off at both ends, far from the data and close to it.  In ln z
    those ends are long and a polynomial leaves them; in θ they are short, and θ is finite where α = 0.
    scale: the noise-to-signal ratio at 45 degrees, data units: about L/2, for L the RMS distance of two samples, which
    is σ_data √(2 dimensions); in the plane L serves as well.  `scale_grid` goes with it.
    The first steps are of lower order, which in the end leaves an error of order 3.

    x: (B, *S) at times[0].  times: (N + 1,), on the path; α = 0 is allowed at the first.
    Raises ValueError if times are no grid of this path, order is not in 2..6 or scale is not positive.
    Source: ours, from Lu et al. 2022 (DPM-Solver++), prop. 4.1, with a corrector as in Zhao et al. 2023 (UniPC).
    """
    check_floats("x", x)
    times, f = path.check_times(time_grid(times)), of_path("denoise", denoise, path)
    check_count("order", order, 2, _MAX_ORDER)
    check_positive("scale", scale)
    z = (path.alpha(times) / path.sigma(times)).numpy(force=True)
    history: Remembered = []
    before, grid = x, times.tolist()
    with in_eval(denoise):
        for i, t in enumerate(grid[:-1]):
            d = f(x, _everywhere(t, x))
            history = [(_angle(z[i], scale), d), *history[: order - 1]]
            if i > 0:  # correct the step that led here
                x = _ddim(
                    before, grid[i - 1], t, _mean(history, _angle(z[i - 1] + (z[i] - z[i - 1]) * _UNIT, scale)), path
                )
            before = x
            x = _ddim(x, t, grid[i + 1], _mean(history, _angle(z[i] + (z[i + 1] - z[i]) * _UNIT, scale)), path)
    return x


def _angle(z: np.ndarray, scale: float) -> np.ndarray:
    return np.arctan2(1.0, z * scale)


def _mean(history: Remembered, at: np.ndarray) -> Tensor:
    """∫ P(at(u)) du over u in [0, 1]: P through the remembered values, at: (Q,), at the _UNIT; (B, *S)."""
    nodes = np.array([node for node, _ in history])
    same = np.eye(len(nodes), dtype=bool)
    ratios = (at[:, None, None] - nodes) / (nodes[:, None] - nodes + same)  # (Q, J, J)
    lagrange = np.where(same, 1.0, ratios).prod(2)  # (Q, J): 1 at node j, 0 at the others
    return torch.stack([w * value for w, (_, value) in zip((_MASS @ lagrange).tolist(), history, strict=True)]).sum(0)


def _ddim(x: Tensor, t: float, s: float, x0: Tensor, path: Path) -> Tensor:
    """α_s x0 + σ_s ε, with ε from x, t and x0."""
    return path.mix(x0, path.noise(x, _everywhere(t, x), x0), _everywhere(s, x))


def _everywhere(t: float, x: Tensor) -> Tensor:
    """The time t for every sample of x: (B,), float64."""
    return torch.full((len(x),), t, dtype=torch.float64, device=x.device)
