"""Flow maps X(x, t, s): networks that know both ends of a jump along the probability-flow ODE.

X(x, t, s) = A x + B V(x, t, s), the DDIM step with a velocity that knows its destination: V(x, t, t) is the velocity
of the ODE, X(x, t, t) = x whatever the network, and X(x, t, t_min) is a consistency function.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.func import jvp

from ..checks import answered, as_floats, check_batch, check_between, check_floats, check_positive
from ..losses.continuous import central_difference
from ..paths import Path, TrigFlow
from ..seeds import forked_rng
from ..shapes import Denoiser, PathDenoiser, check_path, forward_derivative, in_eval, like

Jump = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, t, s) -> the state at s of the trajectory through x at t


def coefficients(path: Path, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """A = (σ̇_t α_s − α̇_t σ_s)/W and B = (α_t σ_s − σ_t α_s)/W with W = σ̇_t α_t − α̇_t σ_t; (B,) each.

    1 and s − t on the linear path and on VE; cos(t − s) and −sin(t − s) on TrigFlow.  t, s: (B,).
    """
    wronskian = path.d_sigma(t) * path.alpha(t) - path.d_alpha(t) * path.sigma(t)
    a = path.d_sigma(t) * path.alpha(s) - path.d_alpha(t) * path.sigma(s)
    b = path.alpha(t) * path.sigma(s) - path.sigma(t) * path.alpha(s)
    return a / wronskian, b / wronskian


def start_rates(path: Path, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """∂_t A and ∂_t B; (B,) each.  0 and −1 on the linear path, −sin(t − s) and −cos(t − s) on TrigFlow."""
    ones = torch.ones_like(t)
    da, ds = path.d_alpha(t), path.d_sigma(t)
    (_, dda), (_, dds) = (jvp(f, (t.contiguous(),), (ones,)) for f in (path.d_alpha, path.d_sigma))
    wronskian = ds * path.alpha(t) - da * path.sigma(t)
    growth = (dds * path.alpha(t) - dda * path.sigma(t)) / wronskian  # of ln W
    a, b = coefficients(path, t, s)
    rate_a = (dds * path.alpha(s) - dda * path.sigma(s)) / wronskian
    rate_b = (da * path.sigma(s) - ds * path.alpha(s)) / wronskian
    return rate_a - growth * a, rate_b - growth * b


def end_rates(path: Path, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
    """∂_s A and ∂_s B; (B,) each.  0 and 1 on the linear path, sin(t − s) and cos(t − s) on TrigFlow."""
    wronskian = path.d_sigma(t) * path.alpha(t) - path.d_alpha(t) * path.sigma(t)
    a = path.d_sigma(t) * path.d_alpha(s) - path.d_alpha(t) * path.d_sigma(s)
    b = path.alpha(t) * path.d_sigma(s) - path.sigma(t) * path.d_alpha(s)
    return a / wronskian, b / wronskian


class FlowMap(nn.Module):
    """X(x, t, s) = A x + B V, with V = √((α̇ σ_d)² + σ̇²) F(x/√((α σ_d)² + σ²), [t, s]), both factors σ_d on TrigFlow.

    network: (u (B, *S), times (B, 2)) -> (B, *S), such as `two_time_mlp` makes.
    Raises ValueError unless sigma_data > 0.
    """

    def __init__(self, network: nn.Module, path: Path, sigma_data: float = 0.5) -> None:
        super().__init__()
        check_positive("sigma_data", sigma_data)
        self.network, self.path, self.sigma_data = network, path, sigma_data

    def forward(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """X(x, t, s): the state at s of the trajectory through x at t; x (B, *S), t and s (B,) -> (B, *S)."""
        V = self.velocity(x, t, s)
        a, b = coefficients(self.path, t, s)
        return like(a, x) * x + like(b, x) * V

    def velocity(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """V(x, t, s), (B, *S), data units per time.

        Raises ValueError unless t and s are (B,), and for a network that answers in another shape.
        """
        check_batch("x", x, times={"t": t, "s": s})
        path, d = self.path, self.sigma_data
        c_in = 1 / torch.hypot(path.alpha(t) * d, path.sigma(t))
        scale = torch.hypot(path.d_alpha(t) * d, path.d_sigma(t))
        times = torch.stack([t, s], 1).to(x.dtype)
        return like(scale, x) * answered("the network", self.network, like(c_in, x) * x, times)


class KnownMap(nn.Module):
    """Stands where `FlowMap` stands, for a flow that is known in closed form.

    V(x, t, s) = (X(x, t, s) − A x)/B, what a network would have to be; needs s ≠ t.
    """

    def __init__(self, flow: Jump, path: Path) -> None:
        super().__init__()
        self.flow, self.path = flow, path

    def forward(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """X(x, t, s), unchanged; (B, *S).  Raises ValueError unless t and s are (B,)."""
        check_batch("x", x, times={"t": t, "s": s})
        return answered("flow", self.flow, x, t, s)

    def velocity(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        """(X(x, t, s) − A x)/B; (B, *S)."""
        X = self(x, t, s)
        a, b = coefficients(self.path, t, s)
        return (X - like(a, x) * x) / like(b, x)


class VelocityDerivative(Protocol):
    """V with its gradient graph, and dV along (dx, dt, ds) without one; x, dx, V, dV: (B, *S), all times (B,)."""

    def __call__(  # noqa: D102
        self, model: FlowMap, x: Tensor, t: Tensor, s: Tensor, dx: Tensor, dt: Tensor, ds: Tensor, /
    ) -> tuple[Tensor, Tensor]: ...


def velocity_by_jvp(
    model: FlowMap, x: Tensor, t: Tensor, s: Tensor, dx: Tensor, dt: Tensor, ds: Tensor
) -> tuple[Tensor, Tensor]:
    """V and dV by forward-mode differentiation, on every path, in two passes; both draw the same dropout mask.

    Raises ValueError for shapes that do not fit, and for a network without forward mode.
    """
    check_batch("x", x, {"dx": dx}, {"t": t, "s": s, "dt": dt, "ds": ds})
    with forked_rng(x):
        dV = forward_derivative(model.velocity, (x, t, s), (dx, dt, ds), "derivative=velocity_by_differences()")
    return model.velocity(x, t, s), dV


def velocity_by_differences(h: float = 1e-3) -> VelocityDerivative:
    """V and dV by the central difference over 2h, for networks without forward mode: two further forward passes.

    Its error is of order h² and, in float32, 1e-7/h.  Raises ValueError unless h > 0.
    """
    check_positive("h", h)

    def differentiate(
        model: FlowMap, x: Tensor, t: Tensor, s: Tensor, dx: Tensor, dt: Tensor, ds: Tensor
    ) -> tuple[Tensor, Tensor]:
        dV = central_difference(model.velocity, (x, t, s), (dx, dt, ds), h)
        return model.velocity(x, t, s), dV

    return differentiate


def velocity_by_network(
    model: FlowMap, x: Tensor, t: Tensor, s: Tensor, dx: Tensor, dt: Tensor, ds: Tensor
) -> tuple[Tensor, Tensor]:
    """V and dV by the network's own `with_tangent`, in one pass, several times faster than `velocity_by_jvp`.

    Raises ValueError on a path where the factors of x and of V depend on t, which is any but TrigFlow.
    """
    if not isinstance(model.path, TrigFlow) or model.path.sigma_data != model.sigma_data:
        raise ValueError(f"expected a FlowMap on TrigFlow with its sigma_data, got {model.path}: use velocity_by_jvp")
    check_batch("x", x, {"dx": dx}, {"t": t, "s": s, "dt": dt, "ds": ds})
    d, times, dtimes = model.sigma_data, torch.stack([t, s], 1), torch.stack([dt, ds], 1)
    F, dF = model.network.with_tangent(x / d, times.to(x.dtype), dx / d, dtimes.to(x.dtype))
    check_batch("x", x, {"what the network returns": F})
    return d * F, d * dF


def exact_velocity_derivative(
    model: FlowMap, x: Tensor, t: Tensor, s: Tensor, dx: Tensor, dt: Tensor, ds: Tensor
) -> tuple[Tensor, Tensor]:
    """V and dV `velocity_by_network` on TrigFlow where the network offers `with_tangent`, else `velocity_by_jvp`.

    Raises ValueError for shapes that do not fit, and for a network with neither.
    """
    offered = hasattr(getattr(model, "network", None), "with_tangent") and isinstance(model.path, TrigFlow)
    by_hand = offered and model.path.sigma_data == model.sigma_data
    return (velocity_by_network if by_hand else velocity_by_jvp)(model, x, t, s, dx, dt, ds)


def to_data(jump: Jump, path: Path) -> Denoiser:
    """f(x, t) = X(x, t, t_min), the consistency function inside a flow map; (B, *S).

    Raises ValueError for a map on another path.
    """
    check_path("jump", jump, path)
    return PathDenoiser(lambda x, t: jump(x, t, torch.full_like(t, path.t_min)), path)


@torch.no_grad()
def jump_sample(
    jump: Jump,
    x: Tensor,
    times: Sequence[float] | Tensor,
    path: Path,
    *,
    gamma: float = 0.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x at t_min after len(times) jumps, from each time to the next and from the last to t_min; (B, *S).

    x: (B, *S), at times[0].  times: strictly decreasing.
    gamma: the share of the next noise level that is drawn anew, in [0, 1].  0: the deterministic flow; otherwise each
    jump but the last goes on to the time of noise level √(1 − γ²) nsr and noise γ nsr is added.
    A model is asked in eval mode, without dropout.
    Raises ValueError if times is empty, does not decrease, or leaves the path, for gamma outside [0, 1], and for a jump
    of another path or of another shape.
    Source: Kim et al. 2024 (CTM), γ-sampling, with general coefficients.
    """
    check_floats("x", x)
    check_path("jump", jump, path)
    times = path.check_times(as_floats("times", times))
    if times.ndim != 1 or len(times) < 1 or (times.diff() >= 0).any() or not times[-1] > path.t_min:
        raise ValueError(f"expected times > t_min, at least one, strictly decreasing, got {times.tolist()}")
    check_between("gamma", gamma, 0.0, 1.0)
    with in_eval(jump):
        for t, s in zip(times[:-1].to(x.device), times[1:].to(x.device), strict=True):
            t, s = t.expand(len(x)), s.expand(len(x))
            below = path.time_at(math.sqrt(1 - gamma**2) * path.nsr(s)).clamp(min=path.t_min)
            x = answered("jump", jump, x, t, below)
            grown = path.alpha(s) / path.alpha(below)
            added = (path.sigma(s) ** 2 - (grown * path.sigma(below)) ** 2).clamp(min=0).sqrt()
            if gamma > 0:
                eps = torch.empty_like(x, memory_format=torch.contiguous_format).normal_(generator=generator)
                x = like(grown, x) * x + like(added, x) * eps
        last = times[-1].to(x.device).expand(len(x))
        return answered("jump", jump, x, last, torch.full_like(last, path.t_min))
