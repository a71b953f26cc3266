"""Discrete-time consistency losses; distillation and training are one formula.

d( f(x_t, t), sg f⁻(x_s, s) ), where x_s is one solver step from x_t along the probability-flow ODE.  With a teacher
the step follows its denoiser (distillation); without one, x0 itself stands in the denoiser's place (training).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..checks import check_batch, check_between, check_count, check_positive
from ..paths import Path
from ..seeds import forked_rng
from ..shapes import Denoiser, Distance, Loss, Step, check_path, of_path
from ..solvers.steps import ddim_step, heun_step, probability_flow
from ..times import Law, ct_levels, discretised_log_normal, ict_levels, log_normal
from .distances import pseudo_huber, squared
from .time_pairs import TimePairs, closing, neighbours


def consistency_loss(
    model: Denoiser,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    s: Tensor,
    *,
    path: Path,
    teacher: Denoiser | None = None,
    target: Denoiser | None = None,
    step: Step | None = None,
    distance: Distance = squared,
) -> Tensor:
    """d( f(x_t, t), sg f⁻(x_s, s) ), per sample; (B,).

    x0, eps: (B, *S), data units and standard normal.  t, s: (B,), s < t.
    teacher: the denoiser whose ODE leads from x_t to x_s; None: x0, so that x_s = α_s x0 + σ_s ε.
    target: f⁻; None: the model itself.  No gradient ever flows through it.
    step: the solver of that ODE, DDIM by default.  Raises ValueError for shapes that do not fit.
    Source: Song et al. 2023 (consistency models), Alg. 2 (distillation) and Alg. 3 (training).
    """
    check_batch("x0", x0, times={"s": s})
    model, teacher = of_path("model", model, path), of_path("teacher", teacher, path)
    target = model if target is None else of_path("target", target, path)
    x_t = path.mix(x0, eps, t)
    with torch.no_grad():
        x_s = _along_ode(x_t, x0, eps, t, s, path, teacher, step)
        with forked_rng(x0):  # both sides then draw the same dropout mask
            aim = target(x_s, s)
    return distance(model(x_t, t), aim)


def _along_ode(
    x_t: Tensor, x0: Tensor, eps: Tensor, t: Tensor, s: Tensor, path: Path, teacher: Denoiser | None, step: Step | None
) -> Tensor:
    if teacher is None and step is None:
        return path.mix(x0, eps, s)  # where DDIM leads when the denoiser is the constant x0, without the rounding
    denoise = teacher if teacher is not None else lambda x, t: x0
    return (step or ddim_step(path))(probability_flow(denoise, path).unchecked, x_t, t, s)


def one(t: Tensor, s: Tensor) -> Tensor:
    """The weight 1, (B,)."""
    return torch.ones_like(t)


def reciprocal_gap(path: Path) -> Callable[[Tensor, Tensor], Tensor]:
    """1/(nsr(t) − nsr(s)), (B,): keeps a distance that is not squared of order 1 as the pairs close up.

    The gap is that of the noise levels, as in the paper, whatever the path's own time: in angles the noisiest pair
    would weigh thousands of times as much.
    Source: Song and Dhariwal 2024 (improved consistency training), table 1.
    """
    return lambda t, s: 1 / (path.nsr(t) - path.nsr(s))


@dataclass(frozen=True)
class ConsistencyLoss:
    """`consistency_loss` with random noise and pairs of times: a `Loss`.

    CD, CT, iCT and ECT are values of these fields: see `cd`, `ct`, `ict`, `ect`.
    Raises ValueError for pairs that know their path and it is another one.
    """

    path: Path
    pairs: TimePairs
    teacher: Denoiser | None = None
    target: Denoiser | None = None
    step: Step | None = None
    distance: Distance = squared
    weight: Callable[[Tensor, Tensor], Tensor] = one

    def __post_init__(self) -> None:
        check_path("pairs", self.pairs, self.path)

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        t, s = self.pairs(len(x0), iteration, generator)
        eps = torch.empty_like(x0).normal_(generator=generator)
        value = consistency_loss(
            model, x0, eps, t, s,
            path=self.path, teacher=self.teacher, target=self.target, step=self.step, distance=self.distance,
        )  # fmt: skip
        return self.weight(t, s).to(value.dtype) * value


def _levels(path: Path) -> Callable[[int], Tensor]:
    """N -> the N levels of the Karras grid between the ends of the path, as its own times."""
    if not path.nsr(torch.tensor([path.t_max], dtype=torch.float64)).isfinite():
        raise ValueError(f"expected a path with signal left at t_max, got {path}: give it a smaller t_max")

    @lru_cache(maxsize=16)
    def levels(count: int) -> Tensor:
        return path.grid(count - 1)

    return levels


def cd(
    path: Path,
    teacher: Denoiser,
    *,
    target: Denoiser | None = None,
    levels: int = 18,
    step: Step = heun_step,
    distance: Distance = squared,
) -> Loss:
    """Consistency distillation: neighbours on a Karras grid of `levels` levels, drawn equally often.

    At best the student equals one pass of `step` over that grid with this teacher.
    target: a moving average of the model (the paper, on ImageNet) or None for the model itself (on CIFAR-10).
    Raises ValueError unless levels >= 2, and for a path whose σ/α is infinite at t_max.
    Source: Song et al. 2023, Alg. 2; 18 levels and Heun on CIFAR-10.
    """
    check_count("levels", levels, 2)
    grid = _levels(path)(levels)
    return ConsistencyLoss(path, neighbours(lambda iteration: grid), teacher, target, step, distance)


def ct(
    path: Path,
    total: int,
    *,
    target: Denoiser | None = None,
    first: int = 2,
    last: int = 150,
    distance: Distance = squared,
) -> Loss:
    """Consistency training: no teacher, and N(k) levels that grow from `first` to `last` + 1 over `total` iterations.

    target: in the paper a moving average with decay μ(k): the `.model` of ScheduledEMA(model, lambda k:
    ct_decay(k, total)), which `fit` then updates as its ema.  None: the model itself.
    Raises ValueError as `ct_levels`, and for a path whose σ/α is infinite at t_max.
    Source: Song et al. 2023, Alg. 3 and appendix C.
    """
    grid = _levels(path)
    ct_levels(0, total, first, last)  # its checks, before the first iteration
    pairs = neighbours(lambda k: grid(ct_levels(k, total, first, last)))
    return ConsistencyLoss(path, pairs, target=target, distance=distance)


def ict(
    path: Path,
    total: int,
    *,
    first: int = 10,
    last: int = 1280,
    mean: float = -1.1,
    std: float = 2.0,
    distance: Distance | None = None,
) -> Loss:
    """Improved consistency training: doubling levels, log-normal intervals, weight 1/gap, no moving average.

    distance: None for `pseudo_huber(.03)`, the paper's c for CIFAR-10, which also suits points in the plane.
    Raises ValueError as `ict_levels`, unless std > 0, and for a path whose σ/α is infinite at t_max.
    Source: Song and Dhariwal 2024, table 1 (first 10, last 1280, mean −1.1, std 2).
    """
    grid = _levels(path)
    ict_levels(0, total, first, last)  # its checks, before the first iteration
    check_between("mean", mean)
    check_positive("std", std)
    pairs = neighbours(
        lambda k: grid(ict_levels(k, total, first, last)),
        lambda times: discretised_log_normal(path.nsr(times), mean, std),
    )
    return ConsistencyLoss(path, pairs, distance=distance or pseudo_huber(0.03), weight=reciprocal_gap(path))


def ect(
    path: Path,
    total: int,
    *,
    stages: int = 8,
    q: float = 2.0,
    law: Law | None = None,
    distance: Distance | None = None,
) -> Loss:
    """Easy consistency tuning: log-normal t, partner s = r(t, stage), weight 1/gap; starts as diffusion training.

    law: of the noise-to-signal ratio; None for log_normal(−1.1, 2).  distance: None for `pseudo_huber(.03)`.
    Raises ValueError as `ect_stage`, and unless q > 0.
    Source: Geng et al. 2024 (ECT), sec. 3.
    """
    pairs = closing(path, total, stages=stages, q=q, law=law or log_normal(-1.1, 2.0))
    return ConsistencyLoss(path, pairs, distance=distance or pseudo_huber(0.03), weight=reciprocal_gap(path))
