"""Losses of flow maps X(x, t, s) = A x + B V(x, t, s) from any t to any s: CTM, Shortcut, MeanFlow and distillation.

Each says one thing that the exact map obeys, as a regression of V on sg(V + move), where move is 0 at the exact map:

    Eulerian    dX(x_t, t, s)/dt = 0 along the ODE   move = −∂_t B dX/dt              MeanFlow; sCM is its case s = 0
    Lagrangian  ∂_s X(x, t, s) = v(X, s)             move = ∂_s B (v(X, s) − ∂_s X)
    semigroup   X(x, t, s) = X(X(x, t, u), u, s)     move = (X(X(x, t, u), u, s) − X(x, t, s))/B   Shortcut; CTM

Two neighbours of the Eulerian rule: iMF differentiates V along its own velocity, and α-Flow takes a short jump along v
in place of the derivative.

On the diagonal s = t, X = x, and the first two moves are v − V: flow matching is part of them.  The papers' letters:

    here (noise at t_max)        CTM           Shortcut (noise at 0)       MeanFlow
    t, s, on our path            t, s          1 − t, 1 − t − d            t, r
    X(x, t, s)                   G(x, t, s)    x + s(x, t, d) d            z_t − (t − r) u(z_t, r, t)
    V(x, t, s), linear, VE       (x − g)/t     −s(x, t, d)                 u(z_t, r, t)
    V(x, t, t) = v               (x − D)/t     −s(x, t, 0)                 v
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..checks import check_alike, check_batch, check_between, check_per_sample, check_positive
from ..losses.denoising import velocity_loss
from ..losses.time_pairs import TimePairs, two_times
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, Step, check_path, like, of_path, per_sample
from ..solvers.steps import heun_step, probability_flow
from ..times import Law
from .alternating import frozen
from .jumps import FlowMap, VelocityDerivative, coefficients, end_rates, exact_velocity_derivative, start_rates


class Rule(Protocol):
    """V with its gradient graph, and its move without one; v: dx/dt at (x, t).  x, v, V, move: (B, *S), t, s: (B,)."""

    def __call__(  # noqa: D102
        self, model: FlowMap, x: Tensor, t: Tensor, s: Tensor, v: Tensor, /
    ) -> tuple[Tensor, Tensor]: ...


def eulerian(derivative: VelocityDerivative = exact_velocity_derivative, *, own: float = 0.0) -> Rule:
    """move = −∂_t B dX/dt, the total derivative along (v, 1) with s held: where on its way x is does not matter.

    On the linear path V + move = v − (t − s) dV/dt, MeanFlow's target; on TrigFlow with s = 0 it is sCM's tangent.
    own: β, the share of V(x, t, t) in the direction of V's derivative, which is β V(x, t, t) + (1 − β) v; 0 in
    MeanFlow, 1 in iMF.  Of v, the slope of one sample's path, the move then repeats the noise −∂_t B A times instead of
    −∂_t B dX/dx times: less where the map tears basins apart, more where it contracts.
    Raises ValueError unless 0 <= own <= 1.
    Source: Geng et al. 2025 (MeanFlow), eq. 6; Boffi et al. 2024 (flow map matching), Eulerian map distillation;
    Geng et al. 2025 (improved MeanFlow), sec. 4.1.
    """
    check_between("own", own, 0.0, 1.0)

    def rule(model: FlowMap, x: Tensor, t: Tensor, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        along = v
        if own:
            with torch.no_grad():
                along = own * model.velocity(x, t, t) + (1 - own) * v
        V, dV = derivative(model, x, t, s, along, torch.ones_like(t), torch.zeros_like(s))
        (a, b), (da, db) = coefficients(model.path, t, s), start_rates(model.path, t, s)
        change = like(da, x) * x + like(a, x) * v + like(db, x) * V.detach() + like(b, x) * dV
        return V, -like(db, x) * change

    return rule


def alpha_flow(alpha: float) -> Rule:
    """move = ((X(x_u, u, s) − A x)/B − V)/α, x_u a jump along v from t to u = t − α (t − s): no derivative at all.

    One number leads from trajectory flow matching (α = 1, where the target is v) over twice the semigroup's move (α =
    1/2, if v is V(x, t, u)) to MeanFlow (α → 0, where it is the Eulerian move up to a factor near 1).
    Raises ValueError unless 0 < alpha <= 1.  Source: Zhang et al. 2025 (AlphaFlow), its α-Flow objective.
    """
    check_positive("alpha", alpha)
    check_between("alpha", alpha, 0.0, 1.0)

    def rule(model: FlowMap, x: Tensor, t: Tensor, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        check_alike("v", v, "x", x)
        V, u = model.velocity(x, t, s), t - alpha * (t - s)
        (a, b), (first_a, first_b) = coefficients(model.path, t, s), coefficients(model.path, t, u)
        with torch.no_grad():
            end = model(like(first_a, x) * x + like(first_b, x) * v, u, s)
            wanted = (end - like(a, x) * x) / like(torch.where(s < t, b, 1), x)
        return V, _off_diagonal((wanted - V.detach()) / alpha, v - V.detach(), t, s)

    return rule


def lagrangian(teacher: Denoiser, derivative: VelocityDerivative = exact_velocity_derivative) -> Rule:
    """move = ∂_s B (v(X, s) − ∂_s X): with its destination, X moves as the ODE does; v − V on the diagonal.

    teacher: the denoiser whose ODE that is.  Without one, the model's own diagonal in its place, training diverges at
    usual rates: the target asks a model that is still wrong where its own jump ends.
    Raises ValueError for None.
    Source: Boffi et al. 2024 (flow map matching), Lagrangian map distillation, here with a stopped target.
    """
    if teacher is None:
        raise ValueError("expected a teacher, got None: by itself this rule diverges, use eulerian() or semigroup")

    def rule(model: FlowMap, x: Tensor, t: Tensor, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        V, dV = derivative(model, x, t, s, torch.zeros_like(x), torch.zeros_like(t), torch.ones_like(s))
        (a, b), (da, db) = coefficients(model.path, t, s), end_rates(model.path, t, s)
        with torch.no_grad():
            end = like(a, x) * x + like(b, x) * V
            change = like(da, x) * x + like(db, x) * V + like(b, x) * dV
            wanted = model.path.velocity(end, s, teacher(end, s))
        return V, _off_diagonal(like(db, x) * (wanted - change), v - V.detach(), t, s)

    return rule


def semigroup(model: FlowMap, x: Tensor, t: Tensor, s: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """V + move = the V of two jumps of half the length, t to u to s with u = (t + s)/2; v on the diagonal.

    On the linear path it is the mean of the two velocities.  Raises ValueError for shapes that do not fit.
    Source: Frans et al. 2025 (Shortcut), the self-consistency target.
    """
    check_alike("v", v, "x", x)
    V, u = model.velocity(x, t, s), (t + s) / 2
    a, b = coefficients(model.path, t, s)
    with torch.no_grad():
        two = model(model(x, t, u), u, s)
        single = (two - like(a, x) * x) / like(torch.where(s < t, b, 1), x)
    return V, _off_diagonal(single - V.detach(), v - V.detach(), t, s)


def _off_diagonal(move: Tensor, on: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """`move` where s < t, `on` where s = t."""
    return torch.where((s < t).view(-1, *[1] * (move.ndim - 1)), move, on)


def flow_map_loss(
    model: FlowMap,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    s: Tensor,
    *,
    rule: Rule,
    teacher: Denoiser | None = None,
    power: float = 0.0,
) -> Tensor:
    """‖V − sg(V + move)‖²/d / sg(‖move‖² + .001)^power, per sample; (B,).

    x0, eps: (B, *S).  t, s: (B,), s <= t.  The model carries the path.
    teacher: the denoiser whose velocity at x_t counts; None: x0, so that v is the slope of that sample's path, right on
    average for `eulerian` and on the diagonal.
    power: MeanFlow's adaptive weight, .75 on CIFAR-10; for points in the plane 0, as it turns a mean into a median.
    Raises ValueError for shapes that do not fit, and unless power >= 0.
    Source: Geng et al. 2025 (MeanFlow), eq. 9, and its adaptive loss weight.
    """
    check_between("power", power, 0.0)
    x = model.path.mix(x0, eps, t)
    check_per_sample("s", s, x)
    with torch.no_grad():
        v = model.path.velocity(x, t, x0 if teacher is None else of_path("teacher", teacher, model.path)(x, t))
    V, move = rule(model, x, t, s, v)
    value = per_sample((V - (V.detach() + move)) ** 2)
    return value / (value.detach() + 1e-3) ** power / x0[0].numel()


@dataclass(frozen=True)
class FlowMapLoss:
    """`flow_map_loss` with random noise and pairs of times: a `Loss` of a FlowMap, whose network has no dropout.

    Raises ValueError unless power >= 0.
    """

    pairs: TimePairs
    rule: Rule
    teacher: Denoiser | None = None
    power: float = 0.0

    def __post_init__(self) -> None:
        check_between("power", self.power, 0.0)

    def __call__(self, model: FlowMap, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        check_path("model", model, getattr(self.pairs, "path", None))
        t, s = self.pairs(len(x0), iteration, generator)
        eps = torch.empty_like(x0).normal_(generator=generator)
        return flow_map_loss(model, x0, eps, t, s, rule=self.rule, teacher=self.teacher, power=self.power)


def meanflow(
    path: Path,
    law: Law,
    *,
    diagonal: float = 0.5,
    ends: float = 0.1,
    power: float = 0.0,
    derivative: VelocityDerivative = exact_velocity_derivative,
    own: float = 0.0,
) -> FlowMapLoss:
    """MeanFlow: the Eulerian rule with data in the teacher's place; own = 1: iMF.

    Source: Geng et al. 2025 (MeanFlow), Alg. 1; Geng et al. 2025 (improved MeanFlow), sec. 4.1.
    """
    return FlowMapLoss(two_times(path, law, diagonal=diagonal, ends=ends), eulerian(derivative, own=own), power=power)


def shortcut(path: Path, law: Law, *, diagonal: float = 0.5, ends: float = 0.2) -> FlowMapLoss:
    """Shortcut: flow matching on the diagonal, two half jumps of its own elsewhere; any s, where the paper has 2^−k.

    Source: Frans et al. 2025, Alg. 1, where three quarters of the batch are flow matching.
    """
    return FlowMapLoss(two_times(path, law, diagonal=diagonal, ends=ends), semigroup)


def ctm_loss(
    model: FlowMap,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    u: Tensor,
    s: Tensor,
    *,
    teacher: Denoiser | None = None,
    step: Step = heun_step,
    target: FlowMap | None = None,
) -> Tensor:
    """‖X⁻(X(x_t, t, s), s, t_min) − X⁻(X⁻(x_u, u, s), s, t_min)‖²/d with x_u a solver step from x_t; (B,).

    Both ends are carried on to the data by X⁻, whose weights get no gradient, and compared there.
    t, u, s: (B,), t_min <= s <= u < t.  teacher: None for x0, then x_u = α_u x0 + σ_u ε.
    target: X⁻, a moving average in the paper; None: the model.  Raises ValueError for shapes that do not fit.
    Source: Kim et al. 2024 (CTM), the soft consistency loss of Alg. 1.
    """
    check_batch("x0", x0, times={"u": u, "s": s})
    path, last = model.path, torch.full_like(s, model.path.t_min)
    x, still = path.mix(x0, eps, t), target or model
    with torch.no_grad():
        x_u = path.mix(x0, eps, u) if teacher is None else step(probability_flow(teacher, path).unchecked, x, t, u)
        aim = still(still(x_u, u, s), s, last)
    jumped = model(x, t, s)
    with frozen(still):
        return per_sample((still(jumped, s, last) - aim) ** 2) / x0[0].numel()


@dataclass(frozen=True)
class CTMLoss:
    """`ctm_loss` plus `share` times the velocity loss on the diagonal, with random noise and times: a `Loss`.

    law: of the noise-to-signal ratio on the diagonal.  u lies between `shortest` and `longest` of the way from t to s:
    the solver goes there in one step.
    The paper adds a discriminator as well: `summed` with an `AdversarialLoss` does that.  For networks without dropout.
    Raises ValueError unless share >= 0 and 0 <= shortest <= longest <= 1.
    """

    law: Law
    pairs: TimePairs
    teacher: Denoiser | None = None
    step: Step = heun_step
    share: float = 1.0
    shortest: float = 0.02
    longest: float = 0.5

    def __post_init__(self) -> None:
        check_between("share", self.share, 0.0)
        check_between("shortest", self.shortest, 0.0, 1.0)
        check_between("longest", self.longest, self.shortest, 1.0)

    def __call__(self, model: FlowMap, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        check_path("model", model, getattr(self.pairs, "path", None))
        t, s = self.pairs(len(x0), iteration, generator)
        draw = torch.rand(len(x0), generator=generator, device=x0.device, dtype=t.dtype)
        u = t + (self.shortest + (self.longest - self.shortest) * draw) * (s - t)
        eps, other = (torch.empty_like(x0).normal_(generator=generator) for _ in range(2))
        value = ctm_loss(model, x0, eps, t, u, s, teacher=self.teacher, step=self.step)
        r = model.path.time_at(self.law(len(x0), generator)).clamp(model.path.t_min, model.path.t_max)
        return value + self.share * velocity_loss(diagonal(model), x0, other, r, path=model.path)


def diagonal(model: FlowMap) -> Denoiser:
    """D(x, t), the denoiser that V(x, t, t) implies: a flow map contains the diffusion model; (B, *S)."""
    return PathDenoiser(lambda x, t: model.path.denoised(x, t, model.velocity(x, t, t)), model.path)
