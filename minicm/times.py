"""Time grids for solvers, laws of training times, and the curricula of consistency training.

Grids decrease from noise to data and hold num_steps + 1 times in float64.  Curricula are pure functions of the
iteration, so that a resumed run sees the same times.  Times are noise-to-signal ratios; `path.time_at` moves them to
another path.
"""

import math
from collections.abc import Callable
from numbers import Real

import torch
from torch import Tensor

from .checks import as_floats, check_between, check_count, check_floats, check_positive

Law = Callable[[int, torch.Generator | None], Tensor]  # (n, generator) -> (n,) float64, on the generator's device


def _check_grid(num_steps: int, t_min: float, t_max: float) -> None:
    check_count("num_steps", num_steps)
    check_positive("t_min", t_min)
    check_positive("t_max", t_max)
    if not t_min < t_max:
        raise ValueError(f"expected 0 < t_min < t_max, got {t_min} and {t_max}")


def karras_grid(num_steps: int, t_min: float = 0.002, t_max: float = 80.0, rho: float = 7.0) -> Tensor:
    """t_i = (t_max^(1/ρ) + i/N (t_min^(1/ρ) − t_max^(1/ρ)))^ρ for i = 0..N; (N + 1,) float64, decreasing.

    num_steps: the number N of intervals.  The paper's N counts levels, so its N = 18 is num_steps = 17 here.
    Raises ValueError unless num_steps >= 1, 0 < t_min < t_max and rho > 0.
    Source: Karras et al. 2022 (EDM), eq. 5; Song et al. 2023 (consistency models), with the index reversed.
    """
    _check_grid(num_steps, t_min, t_max)
    check_positive("rho", rho)
    u = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    first, last = t_max ** (1 / rho), t_min ** (1 / rho)
    return _with_exact_ends((first + u * (last - first)) ** rho, t_min, t_max)


def log_grid(num_steps: int, t_min: float = 0.002, t_max: float = 80.0) -> Tensor:
    """t_i = t_max (t_min/t_max)^(i/N): equal steps in ln t; arguments and errors as in `karras_grid`."""
    _check_grid(num_steps, t_min, t_max)
    u = torch.linspace(0, 1, num_steps + 1, dtype=torch.float64)
    return _with_exact_ends(t_max * (t_min / t_max) ** u, t_min, t_max)


def scale_grid(
    num_steps: int, t_min: float = 0.002, t_max: float = 80.0, *, low: float = 0.02, high: float = 2.0
) -> Tensor:
    """Equal steps of ln((t + high)/(t + low)): as `log_grid` between low and high, longer outside; (N + 1,) float64.

    low, high: noise-to-signal ratios around the finest and the coarsest scale of the data; beyond them D levels off.
    Modes at a distance L begin to be told apart at a noise of about L, in many dimensions too: take high = 2 L, with
    L = σ_data √(2 dimensions), the RMS distance of two samples.
    For N(m, s² I) a step du of u = ln t, of a method of order p, leaves at the end an error of du^(p+1) times a factor
    that falls as 1/t² above s and as t² below it.  All steps do equal harm where their density in u is the (p + 1)-th
    root of the factor: for p = 1 it falls as 1/t and as t.  So it does here: t (high − low)/((t + high)(t + low)), with
    a plateau for the scales between.  The defaults are σ_data/25 and 2 L for σ_data = ½ in the plane.
    Times are noise-to-signal ratios: `path.time_at` moves them to another path.
    Raises ValueError as `log_grid` does, and unless 0 <= low < high.
    """
    check_between("low", low, 0.0)
    check_positive("high", high)
    if not low < high:
        raise ValueError(f"expected 0 <= low < high, noise-to-signal ratios, got {low} and {high}")
    times = log_grid(num_steps, t_min, t_max)  # its checks, and its exact ends
    ratio = log_grid(num_steps, (t_min + low) / (t_min + high), (t_max + low) / (t_max + high))
    times[1:-1] = ((high * ratio - low) / (1 - ratio))[1:-1]
    return times


def uniform_grid(num_steps: int, t_min: float, t_max: float) -> Tensor:
    """t_i = t_max + i/N (t_min − t_max): equal steps in t; arguments and errors as in `karras_grid`."""
    _check_grid(num_steps, t_min, t_max)
    return torch.linspace(t_max, t_min, num_steps + 1, dtype=torch.float64)


def _with_exact_ends(grid: Tensor, t_min: float, t_max: float) -> Tensor:
    grid[0], grid[-1] = t_max, t_min  # powers round; the boundary condition is exact only at exactly t_min
    return grid


def log_normal(mean: float, std: float) -> Law:
    """The law ln t ~ N(mean, std²): P_mean and P_std of EDM (−1.2, 1.2), of iCT and ECT (−1.1, 2.0).

    Raises ValueError unless std > 0.  Source: Karras et al. 2022, table 1.
    """
    check_between("mean", mean)
    check_positive("std", std)

    def draw(n: int, generator: torch.Generator | None = None) -> Tensor:
        return torch.exp(mean + std * _drawn(torch.randn, n, generator))

    return draw


def uniform(low: float, high: float) -> Law:
    """The law t ~ U(low, high), (n,) float64.  Raises ValueError unless low < high."""
    check_between("low", low)
    check_between("high", high)
    if not low < high:
        raise ValueError(f"expected low < high, got {low} and {high}")

    def draw(n: int, generator: torch.Generator | None = None) -> Tensor:
        return low + (high - low) * _drawn(torch.rand, n, generator)

    return draw


def _drawn(draw: Callable[..., Tensor], n: int, generator: torch.Generator | None) -> Tensor:
    check_count("n", n)
    return draw(n, generator=generator, device=None if generator is None else generator.device, dtype=torch.float64)


def _check_levels(iteration: int, total: int, first: int, last: int) -> None:
    check_count("iteration", iteration, 0)
    check_count("total iterations", total)  # the iterations of the whole run
    check_count("first", first)
    check_count("last", last)
    if not first <= last:
        raise ValueError(f"expected 1 <= first <= last, numbers of levels, got {first} and {last}")


def ct_levels(iteration: int, total: int, first: int = 2, last: int = 150) -> int:
    """N(k) = ⌈√(k/K ((s₁+1)² − s₀²) + s₀²) − 1⌉ + 1, the number of levels of consistency training.

    Levels, not intervals: N(0) = s₀ = first, N(K) = s₁ + 1 = last + 1.
    Raises ValueError unless iteration >= 0, total >= 1 and 1 <= first <= last.
    Source: Song et al. 2023, appendix C.
    """
    _check_levels(iteration, total, first, last)
    k = min(iteration, total) / total
    return math.ceil(math.sqrt(k * ((last + 1) ** 2 - first**2) + first**2) - 1) + 1


def ct_decay(iteration: int, total: int, decay: float = 0.9, first: int = 2, last: int = 150) -> float:
    """μ(k) = exp(s₀ ln μ₀ / N(k)), the decay of the target's moving average in consistency training.

    With the paper's N(k): μ(0) = μ₀.  (OpenAI's code puts N(k) − 1 in its place and starts at μ₀².)
    Raises ValueError unless 0 < decay < 1, and as `ct_levels`.
    Source: Song et al. 2023, appendix C.
    """
    if not (isinstance(decay, Real) and 0 < decay < 1):
        raise ValueError(f"expected decay between 0 and 1, got {decay!r}")
    levels = ct_levels(iteration, total, first, last)
    return math.exp(first * math.log(decay) / levels)


def ict_levels(iteration: int, total: int, first: int = 10, last: int = 1280) -> int:
    """N(k) = min(s₀ 2^⌊k/K'⌋, s₁) + 1 with K' = ⌊K/(log₂⌊s₁/s₀⌋ + 1)⌋: levels that double in equal stages.

    Raises ValueError as `ct_levels`.  Source: Song and Dhariwal 2024 (improved consistency training), table 1.
    """
    _check_levels(iteration, total, first, last)
    stage_length = math.floor(total / (math.log2(last // first) + 1))
    return min(first * 2 ** (iteration // max(stage_length, 1)), last) + 1


def discretised_log_normal(levels: Tensor, mean: float = -1.1, std: float = 2.0) -> Tensor:
    """p_i ∝ erf((ln s_{i+1} − m)/(√2 σ)) − erf((ln s_i − m)/(√2 σ)): how often interval i of a grid is drawn.

    levels: (N,), monotone.  Returns (N − 1,), sums to 1, in the order of the grid's intervals.
    Raises ValueError for other levels, and unless std > 0.
    Source: Song and Dhariwal 2024, table 1.
    """
    check_between("mean", mean)
    check_positive("std", std)
    levels = as_floats("levels", levels)
    gaps = levels.flatten().diff()
    fits = levels.ndim == 1 and len(levels) > 1 and (levels > 0).all() and levels.isfinite().all()
    if not fits or not ((gaps < 0).all() or (gaps > 0).all()):
        raise ValueError(f"expected levels (N,), N >= 2, > 0, finite, strictly monotone, got {levels.tolist()}")
    cdf = torch.erf((levels.log() - mean) / (math.sqrt(2) * std))
    mass = cdf.diff().abs()
    return mass / mass.sum()


def ect_time(t: Tensor, stage: float, q: float = 2.0, k: float = 8.0, b: float = 1.0) -> Tensor:
    """s = t (1 − n(t)/q^(stage+1)), at least 0, with n(t) = 1 + k sigmoid(−b t): the partner of t in ECT.

    At stage 0 and small t it is 0, so the target is the sample itself: training starts as diffusion training.
    t: (B,), noise-to-signal ratio.  Returns (B,), in [0, t).  Raises ValueError unless stage, k >= 0 and q, b > 0.
    Source: Geng et al. 2024 (ECT), sec. 3, with the constants q, k, b of its code.
    """
    check_floats("t", t)
    check_between("stage", stage, 0.0)
    check_between("k", k, 0.0)
    check_positive("q", q)
    check_positive("b", b)
    return partner(t, stage, q, k, b)


def partner(t: Tensor, stage: float, q: float, k: float = 8.0, b: float = 1.0) -> Tensor:
    """`ect_time` after its checks."""
    return t * (1 - (1 + k * torch.sigmoid(-b * t)) / q ** (stage + 1)).clamp(min=0)


def ect_stage(iteration: int, total: int, stages: int = 8) -> int:
    """⌊iteration · stages/total⌋, at most stages − 1: the stage of ECT that an iteration belongs to.

    Raises ValueError unless iteration >= 0, total >= 1 and stages >= 1.
    """
    check_count("iteration", iteration, 0)
    check_count("total iterations", total)
    check_count("stages", stages)
    return stage_of(iteration, total, stages)


def stage_of(iteration: int, total: int, stages: int) -> int:
    """`ect_stage` after its checks."""
    return min(iteration * stages // total, stages - 1)
