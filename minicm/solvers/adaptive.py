"""An error-controlled solution of dx/dt = v(x, t) by the solvers of torchdiffeq: the reference for all the others."""

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ..checks import check_between, check_floats, check_positive, one_line
from ..shapes import Velocity, in_eval
from .steps import field


def adaptive(
    velocity: Velocity,
    x: Tensor,
    t: float,
    s: float,
    *,
    rtol: float = 1e-5,
    atol: float = 1e-5,
    method: str = "dopri5",
    options: dict[str, Any] | None = None,
) -> Tensor:
    """x at s from x at t, each step's error below atol + rtol |x|, root mean square over the batch; (B, *S).

    The whole batch takes the same steps.  1e-5 suits float32, which never reaches 1e-7; float64 reaches 1e-10.
    Near the data the flow changes on the scale of t, and most steps go there: give `in_log_nsr(velocity, path)`, with
    t and s in ln(σ/α), instead.  method: any of torchdiffeq's; its fixed-step ones ignore the tolerances and need
    options={"step_size": ...}.
    The velocity is asked for times from t to s alone; a model is asked in eval mode, without dropout.
    Raises ValueError unless t and s are finite, differ and are of the velocity's path, for a denoiser as velocity, for
    an unknown method, for a fixed-step one without step, for a velocity that no step is small enough for.
    Source: Chen et al. 2018 (neural ODEs); Dormand and Prince 1980 for dopri5.
    """
    from torchdiffeq import odeint  # here, so that importing minicm does not import it

    check_floats("x", x)
    check_positive("rtol", rtol)
    check_between("atol", atol, 0.0)
    if not all(isinstance(u, Real) and math.isfinite(u) for u in (t, s)) or t == s:
        raise ValueError(f"expected two different finite times, got t = {t!r} and s = {s!r}")
    options = _checked_options(method, options, s)
    ends = torch.tensor([t, s], dtype=torch.float64, device=x.device)  # two: a state is kept for each time asked for

    v, (low, high) = field(velocity, torch.tensor([t, s])), sorted((t, s))

    def inside(u: Tensor, y: Tensor) -> Tensor:
        return v(y, u.clamp(low, high).expand(len(y)))  # torchdiffeq's probe for its first step may go beyond

    with in_eval(velocity):
        try:
            return odeint(inside, x, ends, rtol=rtol, atol=atol, method=method, options=options)[-1]
        except AssertionError as error:  # its steps have shrunk to nothing
            raise ValueError(f"expected a velocity that is finite from {t} to {s}, got {one_line(error)}") from None


def _checked_options(method: str, options: dict[str, Any] | None, s: float) -> dict[str, Any]:
    """With a stop at s: left alone, adaptive ones step beyond and interpolate at order 4, which spoils dopri8."""
    from torchdiffeq._impl.odeint import SOLVERS
    from torchdiffeq._impl.rk_common import RKAdaptiveStepsizeODESolver
    from torchdiffeq._impl.solvers import FixedGridODESolver

    if method not in SOLVERS:
        raise ValueError(f"expected a method of torchdiffeq ({', '.join(sorted(SOLVERS))}), got {method!r}")
    if issubclass(SOLVERS[method], FixedGridODESolver) and not options:  # it would go from t to s in one step
        raise ValueError(f'{method} has a fixed step: give options={{"step_size": ...}}, or use integrate on a grid')
    if issubclass(SOLVERS[method], RKAdaptiveStepsizeODESolver):
        return {"step_t": torch.tensor([s], dtype=torch.float64), **(options or {})}
    return options or {}
