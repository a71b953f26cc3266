"""torchdiffeq's solvers on the probability flow, in ln t, where it is best behaved, and one in t.

explicit_adams with max_order k is Adams-Bashforth of order k - 1: it keeps k - 1 velocities.  It begins with two steps
of RK4, which cost three evaluations more each.  scipy_solver's LSODA, BDF and Radau keep a matrix of the whole batch's
size squared and are left out.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

import torchdiffeq  # noqa: F401  (minicm.solvers.adaptive imports it late; here it is missed at once)
from torch import Tensor

from benchmarks.peers import Contender, Tolerant
from minicm.paths import VE
from minicm.shapes import Denoiser
from minicm.solvers import adaptive, in_log_nsr, probability_flow

__all__ = ["contenders"]

NOTHING: Mapping[str, int] = MappingProxyType({})
LOOSE = 1e9  # a tolerance that the corrector of implicit_adams meets at its first try: two evaluations a step
START = 6


def contenders() -> list[Contender | Tolerant]:
    """Adaptive Runge-Kutta of orders 2 to 8, fixed steps of orders 1 to 4, Adams with and without corrector."""
    methods = ("dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun")
    simple = [("euler", 1, 1), ("midpoint", 2, 2), ("heun2", 2, 2), ("heun3", 3, 3), ("rk4", 4, 4)]
    return [
        *(Tolerant(method, "torchdiffeq", in_logarithm(method), "ln t") for method in methods),
        Tolerant("dopri5", "torchdiffeq", in_level, "t"),
        *(Contender(name, "torchdiffeq", fixed(name), ("log",), cost, order=p) for name, cost, p in simple),
        *(explicit(most) for most in (4, 5, 6, 7, 8)),
        *(implicit(most) for most in (4, 5, 6)),
    ]


def explicit(most: int) -> Contender:
    solve = fixed("explicit_adams", {"max_order": most})
    return Contender(f"explicit_adams {most}", "torchdiffeq", solve, ("log",), 1, START, min(most - 1, 4))


def implicit(most: int) -> Contender:
    solve = fixed("implicit_adams", {"max_order": most}, LOOSE)
    return Contender(f"implicit_adams {most}", "torchdiffeq", solve, ("log",), 2, START - 2, 4)


def in_logarithm(method: str) -> Callable[[Denoiser, Tensor, float], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
        path = VE()
        field = in_log_nsr(probability_flow(denoise, path), path)
        ends = math.log(path.t_max), math.log(path.t_min)
        return adaptive(field, x, *ends, rtol=tolerance, atol=tolerance, method=method)

    return solve


def in_level(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
    path = VE()
    return adaptive(probability_flow(denoise, path), x, path.t_max, path.t_min, rtol=tolerance, atol=tolerance)


def fixed(
    method: str, more: Mapping[str, int] = NOTHING, tolerance: float = 1e-5
) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    """As many equal steps of ln t as times has."""

    def solve(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        ends = times[[0, -1]].log().tolist()
        field = in_log_nsr(probability_flow(denoise, VE()), VE())
        step = (ends[0] - ends[1]) / (len(times) - 1) * (1 + 1e-12)  # rounding must not add a step
        options = {"step_size": step, **more}
        return adaptive(field, x, *ends, rtol=tolerance, atol=tolerance, method=method, options=options)

    return solve
