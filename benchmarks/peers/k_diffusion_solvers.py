"""k-diffusion's deterministic samplers, on grids that end at t_min instead of 0."""

from collections.abc import Callable

from k_diffusion import sampling
from torch import Tensor

from benchmarks.peers import Contender, Tolerant
from minicm.paths import VE
from minicm.shapes import Denoiser

__all__ = ["contenders"]


def contenders() -> list[Contender | Tolerant]:
    """Those without noise of their own."""
    origin = "k-diffusion"
    return [
        Contender("Euler", origin, on_grid(sampling.sample_euler)),
        Contender("Heun", origin, on_grid(sampling.sample_heun), cost=2),
        Contender("DPM-Solver-2", origin, on_grid(sampling.sample_dpm_2), cost=2),
        Contender("LMS", origin, on_grid(sampling.sample_lms)),
        Contender("DPM-Solver++(2M)", origin, on_grid(sampling.sample_dpmpp_2m)),
        Contender("DPM-fast", origin, fast, ("log",)),
        Tolerant("DPM-adaptive", origin, adaptive),
    ]


def on_grid(sample: Callable[..., Tensor]) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        return sample(denoise, x, times.to(x), disable=True)

    return solve


def fast(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    return sampling.sample_dpm_fast(denoise, x, times[-1].item(), times[0].item(), len(times) - 1, disable=True)


def adaptive(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
    path = VE()
    return sampling.sample_dpm_adaptive(
        denoise, x, path.t_min, path.t_max, disable=True, rtol=tolerance, atol=tolerance / 10
    )
