"""diffusers' schedulers for the probability flow, with a grid of ours in place of their own.

The grid ends at t_min for all: their own ends at 0 or at the last level of training (DEIS, SA-Solver), and with some
N steps do the work of N - 1.  Most live on the variance-preserving path, x/√(1 + σ²).  The levels are float64: with
the float32 of their own, DEIS and SA-Solver of orders 3 and 4 become worse as steps become smaller.  Not here, since
they are others under another name: DDIM, Euler and EDMEuler (Euler), LMSDiscrete (k-diffusion's LMS),
EDMDPMSolverMultistep (DPM-Solver++).
"""

from collections.abc import Mapping

import torch
from diffusers import (
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    SASolverScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from benchmarks.peers import Contender
from minicm.shapes import Denoiser

__all__ = ["contenders"]

Options = Mapping[str, object]

TO_THE_END = {"final_sigmas_type": "sigma_min", "lower_order_final": False}  # 0 would make the last step one of order 1
NO_CARE = {"final_sigmas_type": "sigma_min"}  # their default: lower orders in the last steps where there are few
OLD = {"algorithm_type": "dpmsolver", **TO_THE_END}  # in the noise instead of the denoised value
HEUN = {"solver_type": "heun", **TO_THE_END}
BH1 = {"solver_type": "bh1", **TO_THE_END}
IN_NOISE = {"predict_x0": False, **TO_THE_END}


def contenders() -> list[Contender]:
    """Those that solve the ODE, with the orders and forms that they allow."""
    dpm, single, unipc = DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler, UniPCMultistepScheduler
    one_value: list[tuple[str, type, Options, float]] = [
        ("DPM-Solver++(2M)", dpm, {"solver_order": 2, **TO_THE_END}, 2),
        ("DPM-Solver++(2M), heun", dpm, {"solver_order": 2, **HEUN}, 2),
        ("DPM-Solver++(2M), lower at the end", dpm, {"solver_order": 2, **NO_CARE}, 2),
        ("DPM-Solver++(3M)", dpm, {"solver_order": 3, **TO_THE_END}, 2),
        ("DPM-Solver++(3M), lower at the end", dpm, {"solver_order": 3, **NO_CARE}, 2),
        ("DPM-Solver(2M)", dpm, {"solver_order": 2, **OLD}, 2),
        ("DPM-Solver(3M)", dpm, {"solver_order": 3, **OLD}, 2),
        ("DPM-Solver++(2S)", single, {"solver_order": 2, **NO_CARE}, 2),  # else the last steps would have no values
        ("DPM-Solver++(3S)", single, {"solver_order": 3, **NO_CARE}, 2),
        ("UniPC-2", unipc, {"solver_order": 2, **TO_THE_END}, 3),
        ("UniPC-3", unipc, {"solver_order": 3, **TO_THE_END}, 3),
        ("UniPC-4", unipc, {"solver_order": 4, **TO_THE_END}, 3),
        ("UniPC-2, bh1", unipc, {"solver_order": 2, **BH1}, 3),
        ("UniPC-3, bh1", unipc, {"solver_order": 3, **BH1}, 3),
        ("UniPC-3, lower at the end", unipc, {"solver_order": 3, **NO_CARE}, 2),
        ("UniPC-3, noise", unipc, {"solver_order": 3, **IN_NOISE}, 3),
        ("DEIS, 2 values", DEISMultistepScheduler, {"solver_order": 2, "lower_order_final": False}, 2),
        ("DEIS, 3 values", DEISMultistepScheduler, {"solver_order": 3, "lower_order_final": False}, 2),
        *(
            (f"SA-Solver {p} and {c}, {form}", SASolverScheduler, sa_options(p, c, form), 2)
            for p, c in ((2, 2), (3, 3), (3, 4), (4, 4))
            for form in ("data", "noise")
        ),
    ]
    made = [Contender(name, "diffusers", Scheduled(kind, more), order=order) for name, kind, more, order in one_value]
    pairs = (("Heun", HeunDiscreteScheduler), ("KDPM2", KDPM2DiscreteScheduler))
    return made + [Contender(name, "diffusers", InPairs(kind), ("rho7",), 2, order=2) for name, kind in pairs]


def sa_options(predictor: int, corrector: int, form: str) -> Options:
    """Without noise of its own: tau is 0."""
    orders = {"predictor_order": predictor, "corrector_order": corrector, "lower_order_final": False}
    return {**orders, "algorithm_type": f"{form}_prediction", "tau_func": lambda t: 0}


class Scheduled:
    """(denoise, x, times) -> x by a scheduler that is told the denoised value."""

    def __init__(self, kind: type, options: Options) -> None:
        self.kind, self.options = kind, options

    def __call__(self, denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        """x (B, *S) at times[0] on VE; returns x at times[-1], in x's dtype."""
        scheduler = self.kind(prediction_type="sample", **self.options)
        scheduler.set_timesteps(len(times) - 1)
        scheduler.sigmas = times
        scale = (1 + times.square()).sqrt()
        y = x / scale[0]
        for t, a, index in zip(times[:-1], scale[:-1], scheduler.timesteps, strict=True):
            x0 = denoise(y * a, t.expand(len(x)))
            y = scheduler.step(x0, index, y).prev_sample.to(x)
        return y * scale[-1]


class InPairs:
    """(denoise, x, times) -> x by a scheduler with two evaluations an interval, which lives on VE."""

    def __init__(self, kind: type) -> None:
        self.kind = kind

    def __call__(self, denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        """x (B, *S) at times[0] on VE; returns x at times[-1], in x's dtype."""
        scheduler = self.kind(prediction_type="epsilon")
        scheduler.set_timesteps(len(times))
        scheduler.set_begin_index(0)
        levels = scheduler.sigmas = torch.cat([times[:1], times[1:].repeat_interleave(2)])
        if self.kind is KDPM2DiscreteScheduler:
            middle = (times[1:] * times[:-1]).sqrt().repeat_interleave(2)
            scheduler.sigmas_interpol = torch.cat([times[:1], middle])
            levels = torch.stack([levels[0:-1:2], middle[::2]], 1).flatten()
        for t in levels[: 2 * (len(times) - 1)]:
            eps = (x - denoise(x, t.expand(len(x)))) / t
            x = scheduler.step(eps, t, x).prev_sample.to(x)
        return x
