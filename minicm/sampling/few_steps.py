"""Few-step sampling with a consistency model: jump to the data, add noise again, jump again.

x0 <- f(x_t, t);  x_s = α(s) x0 + σ(s) ε;  x0 <- f(x_s, s);  and so on.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor

from ..checks import as_floats, check_count, check_floats, check_per_sample
from ..paths import Path
from ..shapes import Denoiser, in_eval, like, of_path


def renoise(x0: Tensor, t: Tensor, path: Path, generator: torch.Generator | None = None) -> Tensor:
    """x_t = (α_t/α_m) x0 + √(σ_t² − (α_t σ_m/α_m)²) ε with m = t_min: the way from the data end of the path to t.

    A consistency function ends at t_min, so what it returns still holds the noise of t_min, and that much less is
    added.  On VE this is x0 + √(t² − t_min²) ε.  At t = t_min nothing is added.  So it is for any path, TrigFlow too:
    a model whose function ends elsewhere, at t = 0 in the paper of sCM, wants a path with its end (nearly) as t_min.
    x0: (B, *S), data units.  t: (B,), float64, in [t_min, t_max].  Returns (B, *S).
    generator: on x0's device.  Raises ValueError unless t is (B,).
    Source: Song et al. 2023 (consistency models), Alg. 1, with general coefficients.
    """
    check_per_sample("t", t, x0, "x0")
    m = torch.full_like(t, path.t_min)
    keep = path.alpha(t) / path.alpha(m)
    added = (path.sigma(t) ** 2 - (keep * path.sigma(m)) ** 2).clamp(min=0).sqrt()
    eps = torch.empty_like(x0, memory_format=torch.contiguous_format).normal_(generator=generator)
    return like(keep, x0) * x0 + like(added, x0) * eps


def falling_times(times: Sequence[float] | Tensor, path: Path, name: str = "times") -> Tensor:
    """The times of few-step sampling in float64, (N,): on the path, at least one, strictly decreasing.

    Raises ValueError, with the argument's name, for others.
    """
    times = as_floats(name, times)
    if times.ndim != 1 or len(times) < 1 or not (times.diff() < 0).all():
        raise ValueError(f"expected {name}, at least one time, strictly decreasing, got {times.tolist()}")
    return path.check_times(times, name)


@torch.no_grad()
def consistency_sample(
    model: Denoiser, x: Tensor, times: Sequence[float] | Tensor, path: Path, generator: torch.Generator | None = None
) -> Tensor:
    """x0 after len(times) evaluations of a consistency model; one time is one-step sampling.

    x: (B, *S), drawn from `path.prior`.  times: decreasing, the first the time of x, e.g. [path.t_max] or
    [path.t_max, t_mid].  Intermediate levels that papers use, as noise-to-signal ratios for data of std .5: .821
    (iCT, ECT on CIFAR-10), .982 (sCM: t = 1.1 on TrigFlow), .585 (CD on CIFAR-10, index 11 of 18).
    The last thing done is always a call of the model, never a noise step; it is asked in eval mode, without dropout.
    generator: on x's device.
    Raises ValueError if times is empty, does not decrease, or leaves the path, and for a model of another path.
    Source: Song et al. 2023, Alg. 1.
    """
    check_floats("x", x)
    times, f = falling_times(times, path).to(x.device), of_path("model", model, path)
    with in_eval(model):
        x0 = f(x, times[0].expand(len(x)))
        for t in times[1:]:
            t = t.expand(len(x))
            x0 = f(renoise(x0, t, path, generator), t)
    return x0


def sweep_level(
    model: Denoiser, x: Tensor, levels: Iterable[float], path: Path, score: Callable[[Tensor], float], seed: int = 0
) -> list[tuple[float, float]]:
    """[(t, score of the two-step samples through t)] for each intermediate time, all with the same noise.

    score: (B, *S) -> a number, e.g. a distance to the data.  Use it to choose the level: neither end is best.
    Raises ValueError if a level is not inside the path.
    """
    check_floats("x", x)
    check_count("seed", seed, -math.inf)
    rows, levels = [], levels if isinstance(levels, (Tensor, float)) else list(levels)
    for level in as_floats("levels", levels).flatten().tolist():
        if not path.t_min < level < path.t_max:
            raise ValueError(f"expected levels between {path.t_min:.6g} and {path.t_max:.6g}, got {level:.6g}")
        generator = torch.Generator(x.device).manual_seed(seed)
        rows.append((level, score(consistency_sample(model, x, [path.t_max, level], path, generator))))
    return rows
