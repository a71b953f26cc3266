"""diffusers' schedulers for the probability flow, with a grid of ours in place of their own.

They live on the variance-preserving path, x/√(1 + σ²), and compute in float32: errors below some 1e-6 are theirs, not
the method's.
"""

from collections.abc import Mapping

from diffusers import (
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    UniPCMultistepScheduler,
)
from torch import Tensor

from benchmarks.peers import Contender
from minicm.shapes import Denoiser

__all__ = ["contenders"]

TO_THE_END = {"final_sigmas_type": "sigma_min"}  # as the others' last step would be of order 1
OLD = {"algorithm_type": "dpmsolver", **TO_THE_END}  # in the noise instead of the denoised value


def contenders() -> list[Contender]:
    """Those that solve the ODE, with the orders that they allow; one evaluation a step."""
    made = [
        ("DPM-Solver++(2M)", DPMSolverMultistepScheduler, 2, TO_THE_END),
        ("DPM-Solver++(3M)", DPMSolverMultistepScheduler, 3, TO_THE_END),
        ("DPM-Solver(3M)", DPMSolverMultistepScheduler, 3, OLD),
        ("DPM-Solver++(2S)", DPMSolverSinglestepScheduler, 2, TO_THE_END),
        ("DPM-Solver++(3S)", DPMSolverSinglestepScheduler, 3, TO_THE_END),
        ("UniPC-2", UniPCMultistepScheduler, 2, TO_THE_END),
        ("UniPC-3", UniPCMultistepScheduler, 3, TO_THE_END),
        ("DEIS, 3 values", DEISMultistepScheduler, 3, {}),
    ]
    return [Contender(name, "diffusers", Scheduled(kind, order, more)) for name, kind, order, more in made]


class Scheduled:
    """(denoise, x, times) -> x by a scheduler that is told the denoised value."""

    def __init__(self, kind: type, order: int, options: Mapping[str, str]) -> None:
        self.kind, self.options = kind, {"solver_order": order, "prediction_type": "sample", **options}
        self.lower_at_the_end = kind is DPMSolverSinglestepScheduler  # else the last steps would have no values

    def __call__(self, denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        """x (B, *S) at times[0] on VE; returns x at times[-1], in x's dtype."""
        scheduler = self.kind(lower_order_final=self.lower_at_the_end, **self.options)
        scheduler.set_timesteps(len(times) - 1)
        scheduler.sigmas = times.float()
        scale = (1 + times.square()).sqrt()
        y = x / scale[0]
        for t, a, index in zip(times[:-1], scale[:-1], scheduler.timesteps, strict=True):
            x0 = denoise(y * a, t.expand(len(x)))
            y = scheduler.step(x0, index, y).prev_sample.to(x)
        return y * scale[-1]
