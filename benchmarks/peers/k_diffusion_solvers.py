"""k-diffusion's samplers on grids that end at t_min instead of 0, those that add noise told to add none."""

from collections.abc import Callable

from k_diffusion import sampling
from torch import Tensor

from benchmarks.peers import Contender, Tolerant
from minicm.paths import VE
from minicm.shapes import Denoiser

__all__ = ["contenders"]


def contenders() -> list[Contender | Tolerant]:
    """In each order and form that they have."""
    origin = "k-diffusion"
    return [
        Contender("Euler", origin, on_grid(sampling.sample_euler)),
        Contender("Heun", origin, on_grid(sampling.sample_heun), cost=2, order=2),
        Contender("DPM-Solver-2", origin, on_grid(sampling.sample_dpm_2), cost=2, order=2),
        Contender("LMS 2", origin, on_grid(sampling.sample_lms, order=2), order=2),
        Contender("LMS 3", origin, on_grid(sampling.sample_lms, order=3), order=2),
        Contender("LMS", origin, on_grid(sampling.sample_lms), order=2),
        Contender("DPM-Solver++(2M)", origin, on_grid(sampling.sample_dpmpp_2m), order=2),
        Contender("DPM-Solver++(2M), heun", origin, quiet(sampling.sample_dpmpp_2m_sde, solver_type="heun"), order=2),
        Contender("DPM-Solver++(3M)", origin, quiet(sampling.sample_dpmpp_3m_sde), order=2),
        Contender("DPM-Solver++(2S)", origin, quiet(sampling.sample_dpmpp_2s_ancestral), cost=2, order=2),
        Contender("DPM-fast", origin, fast, ("log",), order=2),
        Tolerant("DPM-adaptive", origin, adaptive(3)),
        Tolerant("DPM-adaptive 2", origin, adaptive(2)),
    ]


def on_grid(sample: Callable[..., Tensor], **options: object) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        return sample(denoise, x, times.to(x), disable=True, **options)

    return solve


def quiet(sample: Callable[..., Tensor], **options: object) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    """A sampler that adds noise, told to add none."""
    return on_grid(sample, eta=0.0, noise_sampler=lambda *_: 0.0, **options)


def fast(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
    return sampling.sample_dpm_fast(denoise, x, times[-1].item(), times[0].item(), len(times) - 1, disable=True)


def adaptive(order: int) -> Callable[[Denoiser, Tensor, float], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, tolerance: float) -> Tensor:
        ends = VE().t_min, VE().t_max
        more = {"rtol": tolerance, "atol": tolerance / 10, "order": order}
        return sampling.sample_dpm_adaptive(denoise, x, *ends, disable=True, **more)

    return solve
