"""Continuous-time consistency on TrigFlow (sCM): the limit of the discrete loss as the pair of times closes up.

F moves along the tangent g = cos(t) df/dt, the change of f(x, t) = cos(t) x − σ_d sin(t) F(x/σ_d, t) along the
probability-flow ODE, by regression of F on sg(F + g).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..checks import check_batch, check_between, check_count, check_per_sample, check_positive
from ..paths import TrigFlow
from ..precond import Preconditioned, TrigFlowScaling
from ..seeds import forked_rng
from ..shapes import Denoiser, TangentNetwork, forward_derivative, like, of_path, per_sample
from ..times import Law


class Derivative(Protocol):
    """F with its gradient graph, and dF along (dx, dt) without one; x, dx, F, dF: (B, *S), t, dt: (B,)."""

    def __call__(  # noqa: D102
        self, model: Preconditioned, x: Tensor, t: Tensor, dx: Tensor, dt: Tensor, /
    ) -> tuple[Tensor, Tensor]: ...


def by_jvp(model: Preconditioned, x: Tensor, t: Tensor, dx: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """F and dF by forward-mode differentiation: works for every network that forward mode supports.

    Two passes: the one that differentiates keeps no gradient graph, which in a single pass would take most memory.
    Raises ValueError for shapes that do not fit, and for a network without forward mode.
    """
    check_batch("x", x, {"dx": dx}, {"t": t, "dt": dt})
    with forked_rng(x):  # both draw the same dropout mask
        dF = forward_derivative(model.raw, (x, t), (dx, dt), "derivative=by_differences()")
    return model.raw(x, t), dF


def by_network(model: Preconditioned, x: Tensor, t: Tensor, dx: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """F and dF by the network's own `with_tangent` (`MLP` and `UNet` have one): one pass, faster than `by_jvp`.

    The scaling must be TrigFlow's, with c_in constant and c_noise = t.  Raises ValueError for another one, and for a
    network without `with_tangent`.
    """
    check_batch("x", x, {"dx": dx}, {"t": t, "dt": dt})
    if not isinstance(model.scaling, TrigFlowScaling):
        raise ValueError(f"expected a model with TrigFlowScaling, got {model.scaling}: use by_jvp")
    network: TangentNetwork | Any = model.network
    if not hasattr(network, "with_tangent"):
        raise ValueError(f"expected a network with `with_tangent`, got {type(model.network).__name__}: use by_jvp")
    _, _, c_in, c_noise = model.scaling(t)
    u, du = like(c_in, x) * x, like(c_in, x) * dx
    F, dF = network.with_tangent(u, c_noise.to(x.dtype), du, dt.to(x.dtype))
    check_batch("x", x, {"what the network returns": F})
    return F, dF


def exact_derivative(model: Preconditioned, x: Tensor, t: Tensor, dx: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
    """F and dF `by_network` where the network offers `with_tangent`, `by_jvp` otherwise: equal but for rounding.

    Raises ValueError for shapes that do not fit, and for a network with neither.
    """
    by_hand = hasattr(getattr(model, "network", None), "with_tangent") and isinstance(model.scaling, TrigFlowScaling)
    return (by_network if by_hand else by_jvp)(model, x, t, dx, dt)


def by_differences(h: float = 1e-3) -> Derivative:
    """F and dF by the central difference (F(x + h dx, t + h dt) − F(x − h dx, t − h dt))/2h.

    Needs no forward mode, only float32 and two further forward passes; its error is of order h² and 1e-7/h.
    Raises ValueError unless h > 0.
    """
    check_positive("h", h)

    def differentiate(model: Preconditioned, x: Tensor, t: Tensor, dx: Tensor, dt: Tensor) -> tuple[Tensor, Tensor]:
        dF = central_difference(model.raw, (x, t), (dx, dt), h)  # first, so that all draw one dropout mask
        return model.raw(x, t), dF

    return differentiate


def central_difference(
    function: Callable[..., Tensor], at: tuple[Tensor, ...], along: tuple[Tensor, ...], h: float
) -> Tensor:
    """(function(at + h along) − function(at − h along))/2h, without graph; both draw the same dropout mask."""

    def beside(step: float) -> Tensor:
        with torch.no_grad(), forked_rng(at[0]):
            return function(*(z + step * dz for z, dz in zip(at, along, strict=True)))

    return (beside(h) - beside(-h)) / (2 * h)


def scm_tangent(
    model: Preconditioned,
    x: Tensor,
    t: Tensor,
    v: Tensor,
    *,
    path: TrigFlow,
    warmup: float = 1.0,
    derivative: Derivative = exact_derivative,
) -> tuple[Tensor, Tensor]:
    """F, and g = −cos²t (σ_d F − v) − r (cos t sin t x + σ_d cos t sin t dF/dt), without gradient; both (B, *S).

    g is cos(t) df/dt when r = 1.  dF/dt is the total derivative along (v, 1); cos t sin t is moved into its direction,
    which keeps it bounded at both ends of the path.  The prior weight 1/nsr of the paper is already inside g.
    x, v: (B, *S), data units (per radian).  t: (B,).  warmup: r in [0, 1]; at 0 the tangent is that of diffusion.
    Raises ValueError unless the model's scaling is TrigFlow's, with the path's σ_d.
    Source: Lu and Song 2024 (sCM), Alg. 1 and eq. 8.
    """
    check_batch("x", x, {"v": v}, {"t": t})
    check_between("warmup", warmup, 0.0, 1.0)
    if model.scaling != TrigFlowScaling(path.sigma_data):
        raise ValueError(f"expected a model with {TrigFlowScaling(path.sigma_data)}, got one with {model.scaling}")
    d, cos, sin = path.sigma_data, like(t.cos(), x), like(t.sin(), x)
    F, dF = derivative(model, x, t, cos * sin * v, t.cos() * t.sin())
    g = -(cos**2) * (d * F.detach() - v) - warmup * (cos * sin * x + d * dF)
    return F, g


def unchanged(g: Tensor, t: Tensor) -> Tensor:
    """The raw tangent: the regression is then unbiased, which teacher-free training on points needs."""
    return g


def normalised(c: float = 0.1) -> Callable[[Tensor, Tensor], Tensor]:
    """g/(‖g‖₂ + c), the norm over all elements of a sample.

    Raises ValueError unless c > 0.  Source: Lu and Song 2024, Alg. 1, c = .1.
    """
    check_positive("c", c)

    def rescale(g: Tensor, t: Tensor) -> Tensor:
        return g / like(g.flatten(1).norm(dim=1) + c, g)

    return rescale


def clipped(limit: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    """cos(t) clamp(df/dt, −limit, limit), element by element.

    Raises ValueError unless limit > 0.  Source: Lu and Song 2024, sec. 4, limit 1.
    """
    check_positive("limit", limit)

    def rescale(g: Tensor, t: Tensor) -> Tensor:
        cos = like(t.cos(), g)
        return cos * (g / cos).clamp(-limit, limit)

    return rescale


class AdaptiveWeight(nn.Module):
    """w(t), a linear head on fixed time features, 0 at first; the loss e^w L − w drives it to −ln E[L|t].

    Its parameters belong in the optimiser; start a new one when the loss changes.
    Raises ValueError unless count >= 1 and high > 0.
    Source: Lu and Song 2024, sec. 4; Karras et al. 2024 (EDM2), with the opposite sign.
    """

    frequencies: Tensor

    def __init__(self, count: int = 16, high: float = 8.0) -> None:
        super().__init__()
        check_count("count", count)
        check_positive("high", high)
        self.register_buffer("frequencies", torch.linspace(0, high, count), persistent=False)
        self.head = nn.Linear(2 * count, 1, bias=False)  # frequency 0 is the constant
        nn.init.zeros_(self.head.weight)

    def forward(self, t: Tensor) -> Tensor:
        """w(t); (B,) -> (B,).  Raises ValueError for another shape."""
        check_per_sample("t", t, t, "t")
        angles = t[:, None] * self.frequencies
        return self.head(torch.cat([angles.sin(), angles.cos()], dim=1).to(self.head.weight.dtype)).squeeze(1)


def scm_loss(
    model: Preconditioned,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    *,
    path: TrigFlow,
    teacher: Denoiser | None = None,
    warmup: float = 1.0,
    rescale: Callable[[Tensor, Tensor], Tensor] = unchanged,
    derivative: Derivative = exact_derivative,
    weight: AdaptiveWeight | None = None,
) -> Tensor:
    """e^w ‖F − sg(F + g)‖²/d − w, per sample; (B,).  Its value does not measure progress, its gradient does the work.

    x0, eps: (B, *S).  t: (B,), angles.  d: elements per sample.
    teacher: the denoiser whose ODE is distilled (sCD); None: x0 in its place (sCT), right on average.
    weight: w(t); None for w = 0, the better choice where the loss can reach 0, as on points in the plane.
    Raises ValueError for shapes that do not fit, and as `scm_tangent`.
    Source: Lu and Song 2024 (sCM), Alg. 1.
    """
    x, teacher = path.mix(x0, eps, t), of_path("teacher", teacher, path)
    with torch.no_grad():
        v = path.velocity(x, t, x0 if teacher is None else teacher(x, t))
    F, g = scm_tangent(model, x, t, v, path=path, warmup=warmup, derivative=derivative)
    error = per_sample((F - (F.detach() + rescale(g, t))) ** 2) / x0[0].numel()
    if weight is None:
        return error
    w = weight(t)
    return w.exp() * error - w


def tangent_warmup(iterations: int) -> Callable[[int], float]:
    """r(k) = min(1, k/iterations).

    Raises ValueError unless iterations >= 1.  Source: Lu and Song 2024, Alg. 1, with 10,000 iterations.
    """
    check_count("iterations", iterations)
    return lambda iteration: min(1.0, iteration / iterations)


def _always(iteration: int) -> float:
    return 1.0


@dataclass(frozen=True)
class SCMLoss:
    """`scm_loss` with random noise and times: a `Loss`.

    law: of the noise-to-signal ratio, data units; the paper's is log_normal(−1.0, 1.4) on CIFAR-10.
    warmup: iteration -> r.
    """

    path: TrigFlow
    law: Law
    teacher: Denoiser | None = None
    warmup: Callable[[int], float] = _always
    rescale: Callable[[Tensor, Tensor], Tensor] = unchanged
    derivative: Derivative = exact_derivative
    weight: AdaptiveWeight | None = None

    def __call__(self, model: Preconditioned, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        t = self.path.time_at(self.law(len(x0), generator))
        eps = torch.empty_like(x0).normal_(generator=generator)
        return scm_loss(
            model, x0, eps, t, path=self.path, teacher=self.teacher, warmup=self.warmup(iteration),
            rescale=self.rescale, derivative=self.derivative, weight=self.weight,
        )  # fmt: skip
