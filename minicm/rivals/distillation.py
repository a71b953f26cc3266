"""Distillation by regression on a teacher's own trajectories: direct (knowledge) and progressive.

direct        ‖f(x_t, t) − x_0‖², x_0 the end of the solver's trajectory through x_t
progressive   ‖D(x_t, t) − x̃‖², x̃ such that one DDIM step with it equals two steps of the teacher
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import (
    answering,
    as_floats,
    check_batch,
    check_between,
    check_count,
    check_event_shape,
    check_floats,
    check_per_sample,
    check_positive,
)
from ..losses.distances import squared
from ..paths import Path
from ..sampling.few_steps import falling_times
from ..shapes import Denoiser, Distance, Step, in_eval, like, of_path, per_sample, time_grid
from ..solvers.steps import ddim_step, heun_step, probability_flow, states

Pairs = Callable[[int, torch.Generator], tuple[Tensor, Tensor, Tensor]]
# (n, generator) -> x_t (n, *S), t (n,), and x_0 (n, *S), the end of the trajectory through x_t


def direct_loss(model: Denoiser, x: Tensor, t: Tensor, end: Tensor, *, distance: Distance = squared) -> Tensor:
    """d(f(x_t, t), x_0)/d, per sample; (B,).  x, end: (B, *S), on one trajectory.  d: elements per sample.

    Raises ValueError for shapes that do not fit.
    Source: Luhman and Luhman 2021 (knowledge distillation), with t = t_max.
    """
    check_batch("x", x, {"end": end}, {"t": t})
    return distance(answering("model", model)(x, t), end) / x[0].numel()


@dataclass(frozen=True)
class DirectLoss:
    """`direct_loss` on drawn pairs: a `Loss`, to which a batch of data says only how many."""

    pairs: Pairs
    distance: Distance = squared

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        return direct_loss(model, *self.pairs(len(x0), generator), distance=self.distance)


@torch.no_grad()
def solved_pairs(
    teacher: Denoiser, x: Tensor, times: Tensor, path: Path, *, step: Step = heun_step, kept: int = 1
) -> tuple[Tensor, Tensor, Tensor]:
    """States x_t (kept, K, *S) at the first `kept` of the times, these times (kept,), and the ends x_0 (K, *S).

    x: (K, *S), drawn from `path.prior`.  times: (N + 1,), decreasing, from t_max to t_min.  The end is the teacher's
    denoised last state, without the rest noise of t_min; it is asked in eval mode.  kept = 1 are noise-sample pairs.
    Raises ValueError if times are no grid or hold fewer than `kept` before the last.
    """
    check_floats("x", x)
    check_count("kept", kept, -math.inf)
    times, f = falling_times(times, path), of_path("teacher", teacher, path)
    if not 1 <= kept < len(times):
        raise ValueError(f"expected 1 <= kept < {len(times)}, the number of times, got {kept}")
    held = []
    with in_eval(teacher):
        for state in states(probability_flow(f, path), x, times, step):
            if len(held) < kept:
                held.append(state)
        end = f(state, times[-1].to(x.device).expand(len(x)))
    return torch.stack(held), times[:kept].to(x.device), end


def drawn_pairs(states: Tensor, times: Tensor, ends: Tensor, *, first: float = 0.5) -> Pairs:
    """Pairs from a table as `solved_pairs` makes it, drawn with replacement: a share `first` at times[0].

    The rest is spread evenly over the other times.  Raises ValueError for shapes that do not fit.
    """
    check_between("first", first, 0.0, 1.0)
    times = as_floats("times", times)
    if times.ndim == 1 and len(times) > 1:
        times = time_grid(times)
    if times.ndim != 1 or ends.ndim < 1 or states.shape != (len(times), *ends.shape):
        got = f"{tuple(states.shape)}, {tuple(times.shape)} and {tuple(ends.shape)}"
        raise ValueError(f"expected states (K, N, *S), times (K,) and ends (N, *S), got {got}")

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        device = generator.device
        row = torch.randint(len(ends), (n,), generator=generator, device=device)
        level = torch.zeros(n, dtype=torch.long, device=device)
        if len(times) > 1:
            later = torch.randint(1, len(times), (n,), generator=generator, device=device)
            level = torch.where(torch.rand(n, generator=generator, device=device) < first, level, later)
        return states[level, row], times[level], ends[row]

    return draw


def fresh_pairs(
    teacher: Denoiser, event: tuple[int, ...], times: Tensor, path: Path, *, step: Step = heun_step
) -> Pairs:
    """Noise-sample pairs without end, each solved when drawn: no table that a network could learn by heart.

    event: S of a sample.  times: (N + 1,), as for `solved_pairs`.  Raises ValueError for another event or other times.
    """
    times = falling_times(time_grid(times), path)
    check_event_shape("event", event)

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        x = path.prior((n, *event), generator)
        _, first, end = solved_pairs(teacher, x, times, path, step=step)
        return x, first.expand(n), end

    return draw


def progressive_loss(
    model: Denoiser,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    s: Tensor,
    *,
    path: Path,
    teacher: Denoiser,
    between: Tensor | None = None,
    sigma_data: float = 0.5,
) -> Tensor:
    """max((σ_d/nsr)², 1) ‖D(x_t, t) − x̃‖²/d, per sample; (B,), with x̃ = (x_s − r x_t)/(α_s − r α_t), r = σ_s/σ_t.

    x_s: two DDIM steps of the teacher from x_t, over u; x̃ is the x0 with which one step arrives there.
    x0, eps: (B, *S).  t, s: (B,), s < t.  between: u, (B,); None: (t + s)/2.
    Raises ValueError for shapes that do not fit, and unless sigma_data > 0.
    Source: Salimans and Ho 2022 (progressive distillation), Alg. 2 and eq. 9 (truncated SNR, for data of std 1).
    """
    check_positive("sigma_data", sigma_data)
    check_per_sample("s", s, x0, "x0")
    x, u = path.mix(x0, eps, t), (t + s) / 2 if between is None else between
    check_per_sample("between", u, x0, "x0")
    model, teacher = of_path("model", model, path), of_path("teacher", teacher, path)
    with torch.no_grad():
        step, velocity = ddim_step(path), probability_flow(teacher, path).unchecked
        x_s = step(velocity, step(velocity, x, t, u), u, s)
        ratio = path.sigma(s) / path.sigma(t)
        aim = (x_s - like(ratio, x) * x) / like(path.alpha(s) - ratio * path.alpha(t), x)
    weight = (sigma_data / path.nsr(t)).square().clamp(min=1)
    return per_sample(like(weight, x) * (model(x, t) - aim) ** 2) / x0[0].numel()


def halving_times(grid: Tensor, steps: int) -> Tensor:
    """The times of a student of `steps` steps and of its teacher of twice as many: every so many-th of the grid.

    grid: (N + 1,), decreasing, N = 2^k.  Returns (2 steps + 1,); its even entries are the student's.
    Raises ValueError unless 2 · steps divides N.
    """
    grid = time_grid(grid, "grid")
    if not grid[0] > grid[-1] > 0:
        raise ValueError(f"expected grid > 0, decreasing, got {grid.tolist()}")
    count = len(grid) - 1
    check_count("steps", steps)
    if count % (2 * steps):
        raise ValueError(f"expected 2 · steps to divide the {count} intervals of the grid, got steps {steps}")
    return grid[:: count // (2 * steps)]


@dataclass(frozen=True)
class ProgressiveLoss:
    """`progressive_loss` of a student whose steps are two of the teacher's each: a `Loss`.

    times: (2N + 1,), decreasing, as `halving_times` gives them.  One loss is one stage: afterwards the student is the
    teacher of the next, with half the times.
    Raises ValueError for other times, and unless sigma_data > 0.
    """

    path: Path
    teacher: Denoiser
    times: Tensor
    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data)
        if len(falling_times(time_grid(self.times), self.path)) % 2 == 0:
            raise ValueError(f"expected times (2N + 1,), as halving_times gives them, got {len(self.times)}")

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        grid = self.times.to(x0.device)
        index = 2 * torch.randint(len(grid) // 2, (len(x0),), generator=generator, device=x0.device)
        eps = torch.empty_like(x0).normal_(generator=generator)
        return progressive_loss(
            model, x0, eps, grid[index], grid[index + 2],
            path=self.path, teacher=self.teacher, between=grid[index + 1], sigma_data=self.sigma_data,
        )  # fmt: skip
