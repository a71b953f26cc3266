"""The vocabulary of the package: shapes, the callables that act on them, and the only broadcasting rule.

Samples are (B, *S): S is (2,) for points, (1, 8, 8) for digits, (3, 32, 32) for CIFAR-10.  Times are (B,).
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import jvp

from .checks import Asked, answering, as_floats, check_floats, check_per_sample

Denoiser = Callable[[Tensor, Tensor], Tensor]  # (x, t) -> E[x0|x_t], or a consistency function
Velocity = Callable[[Tensor, Tensor], Tensor]  # (x, t) -> dx/dt
Step = Callable[[Velocity, Tensor, Tensor, Tensor], Tensor]  # (velocity, x, t, s) -> x at s
Distance = Callable[[Tensor, Tensor], Tensor]  # (a, b) -> (B,)
Loss = Callable[[Denoiser, Tensor, int, torch.Generator], Tensor]  # (model, x0, iteration, generator) -> (B,)
Sampler = Callable[[int, torch.Generator], Tensor]  # (n, generator) -> (n, *S), data units


class TangentNetwork(Protocol):
    """A network that differentiates itself forward, by hand: what `losses.exact_derivative` looks for."""

    def with_tangent(
        self, u: Tensor, c: Tensor, du: Tensor, dc: Tensor, *conditions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """F(u, c, *conditions) with its gradient graph, and its derivative along (du, dc) without one; both (B, *S)."""


def like(t: Tensor, x: Tensor) -> Tensor:
    """View per-sample numbers t (B,) so that they multiply x (B, *S); the result is (B, 1, ..., 1) in x's dtype.

    Raises ValueError for any other shape of t, since a (B, 1) or scalar t would broadcast silently along a wrong axis,
    for numbers that are not floats, and for two devices.
    """
    fit = isinstance(t, Tensor) and isinstance(x, Tensor) and t.ndim == 1 <= x.ndim and t.shape[0] == x.shape[0]
    if not (fit and t.device == x.device and t.is_floating_point() and x.is_floating_point()):
        check_per_sample("t", t, x)
    return t.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def per_sample(x: Tensor) -> Tensor:
    """Σ over every axis but the first: (B, *S) -> (B,).  Raises ValueError unless x holds floats."""
    if not (isinstance(x, Tensor) and x.is_floating_point() and x.ndim):
        check_floats("x", x)
    return x.flatten(1).sum(1)


def time_grid(times: Tensor, name: str = "times") -> Tensor:
    """The same grid in float64, after a check that it is one: (N + 1,), finite, strictly monotone, N >= 1.

    Raises ValueError for anything else.
    """
    times = as_floats(name, times)
    if times.ndim != 1 or len(times) < 2:
        raise ValueError(f"expected a grid of at least 2 {name}, shape (N + 1,), got shape {tuple(times.shape)}")
    steps = times.diff()
    if not (times.isfinite().all() and ((steps > 0).all() or (steps < 0).all())):
        raise ValueError(f"expected a strictly decreasing (or increasing) grid of finite {name}, got {times.tolist()}")
    return times


@dataclass(frozen=True)
class PathDenoiser:
    """A function (x, t) -> x0 that knows its path, so that it is refused on another one, and as a velocity.

    path: None where it is not known.
    """

    function: Denoiser
    path: Any

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        check_per_sample("t", t, x)
        return self.function(x, t)


def check_path(name: str, held: object, path: Any) -> None:  # noqa: ANN401  a Path, which stands above this module
    """Raise ValueError, with both paths, for a model that knows its path and it is not this one; None fits all."""
    found = getattr(held, "path", None)
    if found is not None and path is not None and not path.agrees(found):
        both = "scaling and path must fit, as those of model_on(path, network) do"
        raise ValueError(f"expected {name} on the path {path}, got one on {found}: {both}")


def of_path(name: str, denoise: Asked, path: Any) -> Asked:  # noqa: ANN401
    """The same denoiser, whose answers have the shape of x (`answering`), after `check_path`.

    A model knows its path by its scaling; a plain function does not and is taken at its word.  None stays None.
    Raises ValueError, with both paths, for a denoiser of another one.
    """
    check_path(name, denoise, path)
    return answering(name, denoise)


def forward_derivative(
    function: Callable[..., Tensor], at: tuple[Tensor, ...], along: tuple[Tensor, ...], instead: str
) -> Tensor:
    """The derivative of function at `at` in the direction `along`, by forward-mode differentiation, without graph.

    Raises ValueError for a function without forward mode, as attention and autograd.Functions may be, which names
    what to use instead.
    """
    with torch.no_grad():
        try:
            return jvp(function, tuple(z.contiguous() for z in at), tuple(z.contiguous() for z in along))[1]
        except RuntimeError as error:
            function(*at)  # an error that comes here too has another cause
            reason = f"{type(error).__name__}: {(str(error) or 'none given').splitlines()[0][:100]}"
    raise ValueError(f"expected a network that forward mode can differentiate, got {reason}: use {instead}")


@contextmanager
def in_eval(function: object) -> Iterator[None]:
    """Inside, a model that is sampled is in eval mode, without dropout; afterwards each part is as it was.

    function: a module, or a function made of modules, as fields, `guided` and a lambda around a model are.
    """
    modes = [(part, part.training) for part in _modules_in(function)]
    try:
        for part, _ in modes:
            part.training = False
        yield
    finally:
        for part, training in modes:
            part.training = training


def _modules_in(function: object) -> list[nn.Module]:
    """Each module that a function asks, with its parts: held as an attribute, or by a name from around the function."""
    found: dict[int, nn.Module] = {}
    rest, seen = [function], set()
    while rest:
        held = rest.pop()
        if isinstance(held, nn.Module):
            found |= {id(part): part for part in held.modules()}
        elif callable(held) and id(held) not in seen:
            seen.add(id(held))
            rest += [getattr(held, name, None) for name in ("denoise", "function", "__self__")]
            with suppress(ValueError, TypeError):  # a name without a value yet; what is no Python function
                around = inspect.getclosurevars(held)
                rest += [*around.nonlocals.values(), *(v for v in around.globals.values() if isinstance(v, nn.Module))]
    return list(found.values())


def conditioned(loss: Loss, *conditions: Tensor) -> Loss:
    """The loss with the conditions bound to the models that it holds: teacher, target, critic.

    By its own method `given`, if it has one; otherwise by that of each field of a dataclass that has one.
    """
    if hasattr(loss, "given"):
        return loss.given(*conditions)
    if not is_dataclass(loss):
        return loss
    held = {field.name: getattr(loss, field.name) for field in fields(loss)}
    return replace(loss, **{name: m.given(*conditions) for name, m in held.items() if hasattr(m, "given")})
