"""Samplers of the diffusion libraries, written anew from their papers, on the VE path: (denoise, x, times) -> x.

times (N + 1,) fall from the noise level t_max to t_min; λ = −ln t; each takes N evaluations.  The libraries' own
code stands in the modules beside this one, where it can be imported.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from minicm.paths import VE
from minicm.shapes import Denoiser
from minicm.solvers import adams_bashforth, probability_flow

__all__ = ["deis", "dpm_fast", "dpm_solver_2", "dpm_solver_pp_3m", "lms", "unipc"]

Solve = Callable[[Denoiser, Tensor, Tensor], Tensor]


def lms(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    """Linear multistep of order 4 in the noise level, k-diffusion's default."""
    return adams_bashforth(probability_flow(denoise, VE()), x, times, order=4)


def dpm_solver_pp_3m(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    """DPM-Solver++ with three values, in the multistep form that diffusers has; the first steps have fewer."""
    values: list[Tensor] = []
    lam = (-times.log()).tolist()
    for i, t in enumerate(times[:-1].tolist()):
        values = [_call(denoise, x, t), *values[:2]]
        h = lam[i + 1] - lam[i]
        e = math.expm1(-h)
        x = math.exp(-h) * x - e * values[0]
        if len(values) == 1:
            continue
        r0 = (lam[i] - lam[i - 1]) / h
        first = (values[0] - values[1]) / r0
        if len(values) == 2:
            x = x - 0.5 * e * first
            continue
        r1 = (lam[i - 1] - lam[i - 2]) / h
        second = (values[1] - values[2]) / r1
        slope = first + r0 / (r0 + r1) * (first - second)
        x = x + (e / h + 1) * slope - ((e + h) / h**2 - 0.5) * (first - second) / (r0 + r1)
    return x


def unipc(order: int) -> Solve:
    """UniPC, the bh2 form with its corrector: Zhao et al. 2023, algorithms 5 to 8."""

    def solve(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        lam, grid = (-times.log()).tolist(), times.tolist()
        values: list[tuple[float, Tensor]] = []  # newest first
        before = x
        for i, t in enumerate(grid[:-1]):
            d = _call(denoise, x, t)
            if i > 0:
                x = _unified(before, values, lam[i], d)
            values, before = [(lam[i], d), *values[: order - 1]], x
            x = _unified(x, values, lam[i + 1], None)
        return x

    return solve


def _unified(x: Tensor, values: list[tuple[float, Tensor]], end: float, at_end: Tensor | None) -> Tensor:
    """One step of UniPC from the newest value's place to end: its predictor, or with at_end its corrector."""
    place, newest = values[0]
    h = end - place
    ratios = [(other - place) / h for other, _ in values[1:]]
    slopes = [(value - newest) / r for r, (_, value) in zip(ratios, values[1:], strict=True)]
    if at_end is not None:
        ratios, slopes = [*ratios, 1.0], [*slopes, at_end - newest]
    x = math.exp(-h) * x - math.expm1(-h) * newest
    if not slopes:
        return x
    weights = _weights(ratios, h) if len(ratios) > 1 else torch.tensor([0.5])  # ½ as published: order 2 still
    return x - math.expm1(-h) * sum(w * s for w, s in zip(weights.tolist(), slopes, strict=True))


def _weights(ratios: list[float], h: float) -> Tensor:
    """ρ of Σ_k ρ_k r_k^(j−1) = j! φ_(j+1)(−h) (−h)/expm1(−h), j = 1, 2, ..."""
    phi, sides, factorial = math.expm1(-h) / -h - 1, [], 1.0
    for j in range(1, len(ratios) + 1):
        sides.append(phi * factorial / math.expm1(-h))
        factorial *= j + 1
        phi = phi / -h - 1 / factorial
    nodes = torch.tensor(ratios, dtype=torch.float64)
    powers = torch.stack([nodes**j for j in range(len(ratios))])
    return torch.linalg.solve(powers, torch.tensor(sides, dtype=torch.float64))


def deis(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    """DEIS tAB3 in ln σ: the noise estimate as a cubic in ln σ through the last four; Zhang and Chen 2023."""
    history: list[tuple[float, Tensor]] = []
    grid = times.tolist()
    for t, s in zip(grid[:-1], grid[1:], strict=True):
        history = [(math.log(t), (x - _call(denoise, x, t)) / t), *history[:3]]
        nodes = torch.tensor([node for node, _ in history], dtype=torch.float64)
        x = x + sum(w * eps for w, (_, eps) in zip(_log_weights(nodes, t, s), history, strict=True))
    return x


def _log_weights(nodes: Tensor, t: float, s: float) -> list[float]:
    """∫ L_j(ln σ) dσ from t to s, L_j the Lagrange polynomials of the nodes, by Gauss-Legendre quadrature."""
    points, masses = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(24))
    at = (t + (s - t) * (points + 1) / 2).log() - nodes[0]
    powers, sides = ([v**k for k in range(len(nodes))] for v in (nodes - nodes[0], at))
    moments = torch.stack([(s - t) / 2 * (masses @ side) for side in sides])
    return torch.linalg.solve(torch.stack(powers), moments).tolist()


def dpm_solver_2(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    """DPM-Solver-2 on every interval, two evaluations each; Lu et al. 2022 (DPM-Solver), algorithm 1."""
    return _singlestep(denoise, x, times.tolist(), [2] * (len(times) - 1))


def dpm_fast(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    """DPM-Solver-fast: as many evaluations as times has steps, in thirds, on a logarithmic grid of its own."""
    n = len(times) - 1
    orders = [3] * (n // 3 - 1) + [2, 1] if n % 3 == 0 else [3] * (n // 3) + [n % 3]
    ends = times[[0, -1]].log()
    grid = torch.linspace(ends[0], ends[1], len(orders) + 1, dtype=torch.float64).exp()
    return _singlestep(denoise, x, grid.tolist(), orders)


def _singlestep(denoise: Denoiser, x: Tensor, grid: list[float], orders: list[int]) -> Tensor:
    """DPM-Solver of order 1, 2 or 3 on each interval; Lu et al. 2022 (DPM-Solver), algorithms 1 and 2."""
    for t, s, order in zip(grid[:-1], grid[1:], orders, strict=True):
        h = math.log(t / s)
        eps = (x - _call(denoise, x, t)) / t

        def at(r: float, x: Tensor = x, t: float = t, h: float = h, eps: Tensor = eps) -> tuple[float, Tensor]:
            u = t * math.exp(-r * h)
            return u, x - u * math.expm1(r * h) * eps

        end, y = at(1.0)
        if order == 2:
            middle, z = at(0.5)
            y = y - end * math.expm1(h) * ((z - _call(denoise, z, middle)) / middle - eps)
        elif order == 3:
            u, z = at(1 / 3)
            d1 = (z - _call(denoise, z, u)) / u - eps
            u, z = at(2 / 3)
            z = z - u * 2 * (math.expm1(2 * h / 3) / (2 * h / 3) - 1) * d1
            d2 = (z - _call(denoise, z, u)) / u - eps
            y = y - end * 1.5 * (math.expm1(h) / h - 1) * d2
        x = y
    return x


def _call(denoise: Denoiser, x: Tensor, t: float) -> Tensor:
    return denoise(x, torch.full((len(x),), t, dtype=torch.float64))
