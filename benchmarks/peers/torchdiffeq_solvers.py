"""torchdiffeq's solvers on the probability flow, in ln t, where it is best behaved, and one in t."""

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


def contenders() -> list[Contender | Tolerant]:
    """Adaptive Runge-Kutta of orders 5 and 8, Runge's 3/8 rule, Adams-Bashforth."""
    by_error = [Tolerant(method, "torchdiffeq", in_logarithm(method), "ln t") for method in ("dopri5", "dopri8")]
    return [
        *by_error,
        Tolerant("dopri5", "torchdiffeq", in_level, "t"),
        Contender("rk4 (3/8)", "torchdiffeq", fixed("rk4"), ("log",), 4),
        Contender("explicit_adams 4", "torchdiffeq", fixed("explicit_adams", {"max_order": 4}), ("log",)),
    ]


def in_logarithm(method: str) -> Callable[[Denoiser, Tensor, float], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
        path = VE()
        field = in_log_nsr(probability_flow(denoise, path), path)
        return adaptive(
            field, x, math.log(path.t_max), math.log(path.t_min), rtol=tolerance, atol=tolerance, method=method
        )

    return solve


def in_level(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
    path = VE()
    return adaptive(probability_flow(denoise, path), x, path.t_max, path.t_min, rtol=tolerance, atol=tolerance)


def fixed(method: str, more: Mapping[str, int] = NOTHING) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    """As many equal steps of ln t as times has; explicit_adams begins with RK4: a few evaluations more."""

    def solve(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        ends = times[[0, -1]].log().tolist()
        field = in_log_nsr(probability_flow(denoise, VE()), VE())
        step = (ends[0] - ends[1]) / (len(times) - 1) * (1 + 1e-12)  # rounding must not add a step
        return adaptive(field, x, *ends, method=method, options={"step_size": step, **more})

    return solve
