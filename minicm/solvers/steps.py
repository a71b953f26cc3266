"""Solvers of the probability-flow ODE on a grid of times: x(s) = x(t) + ∫ v(x, τ) dτ from t to s.

A solver is one function, step(velocity, x, t, s) -> x at s, without a loop and without a special last step.  Samplers
that end at the noise level 0 divide by it there; here one integrates to path.t_min and, if wanted, finishes with one
call of the denoiser, which is what the published samplers' last step amounts to.
Euler in σ/α, DDIM and TrigFlow's rotation are one method.  Midpoint, Heun and RK4 depend on the variable that they
run in: it is the t of the velocity, and `in_log_nsr` changes it.
"""

from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor

from ..checks import answering, check_batch, check_floats, check_per_sample
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, Step, Velocity, in_eval, like, of_path, time_grid


class ProbabilityFlow:
    """The field of `probability_flow`, which knows its path: times that are not the path's are refused."""

    def __init__(self, denoise: Denoiser, path: Path) -> None:
        self.denoise, self.path, self._denoise = denoise, path, of_path("denoise", denoise, path)

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        check_batch("x", x, times={"t": t})
        if not torch.compiler.is_compiling():
            with suppress(RuntimeError):  # under vmap and on the meta device nobody can look at numbers
                self.path.check_times(t, "t")
        return self.unchecked(x, t)

    def unchecked(self, x: Tensor, t: Tensor) -> Tensor:
        """The same for a solver that has looked at its times before."""
        return self.path.velocity(x, t, self._denoise(x, t))


def probability_flow(denoise: Denoiser, path: Path) -> ProbabilityFlow:
    """v(x, t) = α̇ D(x, t) + σ̇ (x − α D(x, t))/σ, the ODE that has the same marginals as the noising.

    The field takes x (B, *S), data units, and t (B,) with σ(t) > 0; it returns (B, *S), data units per time.
    Raises ValueError for a denoiser of another path; the field does unless t is (B,), on the path, and D(x, t) has the
    shape of x.
    Source: Song et al. 2021 (score SDE), eq. 13; Karras et al. 2022 (EDM), eq. 1.
    """
    return ProbabilityFlow(denoise, path)


def field(velocity: Velocity, times: Tensor) -> Velocity:
    """The velocity as a solver calls it inside, after the checks at its door; times: what it will be asked for.

    Raises ValueError for a denoiser, and for times that are not of the velocity's path, if it knows one.
    """
    _refuse_denoiser(velocity)
    if isinstance(velocity, ProbabilityFlow):
        velocity.path.check_times(times)
        return velocity.unchecked
    return answering("velocity", velocity)


def _refuse_denoiser(velocity: object) -> None:
    if isinstance(velocity, PathDenoiser) or hasattr(velocity, "scaling"):
        raise ValueError(
            f"expected velocity as a field (x, t) -> dx/dt, got a denoiser, {type(velocity).__name__}: "
            "use probability_flow(denoise, path)"
        )


def in_log_nsr(velocity: Velocity, path: Path) -> Velocity:
    """dx/du = v(x, t) / (σ̇/σ − α̇/α), the same flow in the time u = ln(σ/α), with t = t(u).

    The flow changes on the scale of t itself, so that steps in t must shrink by decades on the way to the data; in u
    every decade is equally long and steps of one size do.  A grid of u is path.nsr(times).log().
    The field takes x (B, *S) and u (B,); it needs α(t) > 0.  Raises ValueError for shapes that do not fit.
    """
    _refuse_denoiser(velocity)
    velocity = answering("velocity", velocity)

    def warped(x: Tensor, u: Tensor) -> Tensor:
        check_per_sample("u", u, x)
        t = path.time_at(u.double().exp())
        rate = path.d_sigma(t) / path.sigma(t) - path.d_alpha(t) / path.alpha(t)
        return velocity(x, t) / like(rate, x)

    return warped


def euler_step(velocity: Velocity, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """x + (s − t) v(x, t): order 1, one evaluation.  x: (B, *S), t and s: (B,); returns x at s, (B, *S).

    Raises ValueError for shapes that do not fit.
    """
    return x + _gap(velocity, t, s, x) * velocity(x, t)


def midpoint_step(velocity: Velocity, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """x + (s − t) v(x_m, m) with m = (t + s)/2 and x_m by Euler: order 2, two evaluations; (B, *S).

    Raises ValueError as `euler_step`.
    """
    h, half = _gap(velocity, t, s, x), (t + s) / 2
    return x + h * velocity(euler_step(velocity, x, t, half), half)


def heun_step(velocity: Velocity, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """x + (s − t)/2 (v(x, t) + v(x_e, s)) with x_e by Euler: order 2, two evaluations; (B, *S).

    Raises ValueError as `euler_step`.  Source: Karras et al. 2022 (EDM), algorithm 1 without its last step to 0.
    """
    h, v = _gap(velocity, t, s, x), velocity(x, t)
    return x + h / 2 * (v + velocity(x + h * v, s))


def rk4_step(velocity: Velocity, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """x + (s − t)/6 (k1 + 2 k2 + 2 k3 + k4), the classical Runge-Kutta step: order 4, four evaluations; (B, *S).

    Raises ValueError as `euler_step`.
    """
    h, half = _gap(velocity, t, s, x), (t + s) / 2
    k1 = velocity(x, t)
    k2 = velocity(x + h / 2 * k1, half)
    k3 = velocity(x + h / 2 * k2, half)
    k4 = velocity(x + h * k3, s)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _gap(velocity: Velocity, t: Tensor, s: Tensor, x: Tensor) -> Tensor:
    """s − t as it multiplies x, after a check of all four."""
    _refuse_denoiser(velocity)
    check_batch("x", x, times={"t": t, "s": s})
    return like(s - t, x)


def ddim_step(path: Path) -> Step:
    """α_s x̂0 + σ_s ε̂, with the x̂0 and ε̂ that the velocity at (x, t) implies: order 1, one evaluation.

    Exact while x̂0 stays constant, whatever the step.  It is Euler in σ/α, on every path; on TrigFlow it is the
    rotation cos(t − s) x + sin(s − t) v.  The returned Step takes x (B, *S), t and s (B,).
    Source: Song et al. 2021 (DDIM), eq. 12 with η = 0; Lu and Song 2024 (sCM), sec. 3.
    """

    def step(velocity: Velocity, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        _refuse_denoiser(velocity)
        check_batch("x", x, times={"t": t, "s": s})
        x0 = path.denoised(x, t, velocity(x, t))
        return path.mix(x0, path.noise(x, t, x0), s)

    return step


def states(velocity: Velocity, x: Tensor, times: Tensor, step: Step = heun_step) -> Iterator[Tensor]:
    """Yield x at each of `times`, the first being x itself; each is (B, *S), in x's dtype.

    times: (N + 1,), strictly monotone, either way, such as `path.grid(18)`; they reach the velocity as float64 (B,).
    Raises ValueError, at the first state, if times are no such grid or not of the velocity's path, and for a denoiser
    as velocity; later, for a state that is not finite at time 0.
    """
    check_floats("x", x)
    times = time_grid(times)
    velocity, ends, times = field(velocity, times), (times == 0).any().item(), times.to(x.device)
    yield x
    for t, s in zip(times[:-1], times[1:], strict=True):
        x = step(velocity, x, t.expand(len(x)), s.expand(len(x)))
        if ends and not x.isfinite().all():
            raise ValueError("expected times where the velocity is finite, got 0: stop at t_min and call the denoiser")
        yield x


def trajectory(velocity: Velocity, x: Tensor, times: Tensor, step: Step = heun_step) -> Tensor:
    """Every state of `states`, stacked: (N + 1, B, *S).  Raises ValueError as `states`.

    A model is asked in eval mode, without dropout.
    """
    with in_eval(velocity):
        return torch.stack(list(states(velocity, x, times, step)))


def integrate(velocity: Velocity, x: Tensor, times: Tensor, step: Step = heun_step) -> Tensor:
    """The last state of `states`, (B, *S), in constant memory.  Raises ValueError as `states`.

    A model is asked in eval mode, without dropout.
    For a sample without the rest noise of times[-1], finish with the denoiser: denoise(x, times[-1].expand(len(x))).
    """
    with in_eval(velocity):
        for state in states(velocity, x, times, step):
            x = state
    return x
