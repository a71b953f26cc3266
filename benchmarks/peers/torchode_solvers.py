"""torchode's adaptive solvers on the probability flow, in -ln t: every sample has steps of its own.

A call of the field is one evaluation, though the samples that have arrived already are evaluated with the others.
"""

import math
from collections.abc import Callable

import torch
import torchode
from torch import Tensor

from benchmarks.peers import Tolerant
from minicm.paths import VE
from minicm.shapes import Denoiser
from minicm.solvers import in_log_nsr, probability_flow

__all__ = ["contenders"]


def contenders() -> list[Tolerant]:
    """Its three methods under its two controllers."""
    methods = {"dopri5": torchode.Dopri5, "tsit5": torchode.Tsit5, "heun": torchode.Heun}
    controllers = {"": torchode.IntegralController, ", PID": pid}
    return [
        Tolerant(f"{name}{word}", "torchode", by_tolerance(method, controller), "ln t")
        for name, method in methods.items()
        for word, controller in controllers.items()
    ]


def pid(**options: object) -> torchode.PIDController:
    """With the coefficients of its documentation."""
    return torchode.PIDController(pcoeff=0.2, icoeff=0.5, dcoeff=0.0, **options)


def by_tolerance(method: type, controller: Callable[..., object]) -> Callable[[Denoiser, Tensor, float], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
        path = VE()
        field = in_log_nsr(probability_flow(denoise, path), path)

        def rising(u: Tensor, y: Tensor) -> Tensor:
            return -field(y.reshape(x.shape), -u).flatten(1)

        term = torchode.ODETerm(rising)
        control = controller(atol=tolerance, rtol=tolerance, term=term)
        ends = [x.new_full((len(x),), -math.log(end)) for end in (path.t_max, path.t_min)]
        problem = torchode.InitialValueProblem(y0=x.flatten(1), t_start=ends[0], t_end=ends[1])
        with torch.no_grad():
            solution = torchode.AutoDiffAdjoint(method(term=term), control).solve(problem)
        return solution.ys[:, -1].reshape(x.shape)

    return solve
