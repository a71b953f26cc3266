"""diffusers' multistep schedulers with a grid of ours in place of their own.

They live on the variance-preserving path, x/√(1 + σ²), and compute in float32: errors below 1e-6 are theirs, not the
method's.
"""

from diffusers import DEISMultistepScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler
from torch import Tensor

from benchmarks.peers import Contender
from minicm.shapes import Denoiser

__all__ = ["contenders"]


def contenders() -> list[Contender]:
    """The three that solve the ODE, with the orders that they allow."""
    made = [
        ("DPM-Solver++(2M)", DPMSolverMultistepScheduler, 2),
        ("DPM-Solver++(3M)", DPMSolverMultistepScheduler, 3),
        ("UniPC-2", UniPCMultistepScheduler, 2),
        ("UniPC-3", UniPCMultistepScheduler, 3),
        ("DEIS-3", DEISMultistepScheduler, 3),
    ]
    return [Contender(name, "diffusers", Scheduled(kind, order)) for name, kind, order in made]


class Scheduled:
    """(denoise, x, times) -> x by a scheduler that is told the denoised value."""

    def __init__(self, kind: type, order: int) -> None:
        self.kind, self.order = kind, order

    def __call__(self, denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        """x (B, *S) at times[0] on VE; returns x at times[-1], in x's dtype."""
        options = {"solver_order": self.order, "prediction_type": "sample", "lower_order_final": False}
        if self.kind is not DEISMultistepScheduler:  # the others would make their last step of order 1
            options["final_sigmas_type"] = "sigma_min"
        scheduler = self.kind(**options)
        scheduler.set_timesteps(len(times) - 1)
        scheduler.sigmas = times.float()
        scale = (1 + times.square()).sqrt()
        y = x / scale[0]
        for t, a, index in zip(times[:-1], scale[:-1], scheduler.timesteps, strict=True):
            x0 = denoise(y * a, t.expand(len(x)))
            y = scheduler.step(x0, index, y).prev_sample.to(x)
        return y * scale[-1]
