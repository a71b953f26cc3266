"""The checks of notebook 13: targets of MeanFlow, Lagrangian distillation and Shortcut, and the mean discrepancy.

All on the linear path, where X(x, t, s) = x − (t − s) u(x, t, s) and u is the average velocity from t to s.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import jvp

from ..rivals.inductive import laplace_kernel, mmd_squared
from ..rivals.jumps import Jump
from ..shapes import like
from .checking import Answer, compare, grade


class _Average(nn.Module):
    """A smooth u(x, t, s) for any event shape, with a weight, so that gradients can be seen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.3, dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
        return (self.weight * x + like(t + 0.7 * t * s - 0.6 * s, x)).sin() + 0.5 * x.roll(1, -1) * like(t - s, x)


def _points(*event: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x and another tensor like it, (6, *event), and times t > s; float64."""
    x, v = torch.randn((2, 6, *(event or (2,))), dtype=torch.float64)
    t = torch.linspace(0.4, 0.95, 6, dtype=torch.float64)
    return x, v, t, t * torch.linspace(0.6, 0.1, 6, dtype=torch.float64)


def _along(u: Jump, x: Tensor, t: Tensor, s: Tensor, directions: tuple[Tensor | None, float, float]) -> Tensor:
    """The derivative of u in the direction (dx, dt, ds); None for dx = 0."""
    dx, dt, ds = directions
    dx = torch.zeros_like(x) if dx is None else dx
    return jvp(u, (x, t, s), (dx, dt * torch.ones_like(t), ds * torch.ones_like(s)))[1]


def _free(target: Tensor) -> str | None:
    if target.requires_grad:
        return "the numbers are right, but they carry a gradient: this is an aim, so stop it"
    return None


def check_meanflow_target(student: object) -> None:
    """Say how my_meanflow_target(u, x, t, s, v) does: v − (t − s) du/dt along (v, 1, 0), without gradient."""
    why = "The start of the jump moves along the trajectory, its end stays: that is the Eulerian derivative."
    grade("my_meanflow_target", student, [_meanflow], why=why)


def _meanflow(target: Answer) -> str | None:
    for event in ((2,), (3, 4, 4)):
        (x, v, t, s), u = _points(*event), _Average()
        length = like(t - s, x)
        with torch.no_grad():
            right = v - length * _along(u, x, t, s, (v, 1.0, 0.0))
            mistakes = {
                "x stands still in your derivative: the start moves along the path, with dx = v": (
                    v - length * _along(u, x, t, s, (None, 1.0, 0.0))
                ),
                "time stands still in your derivative: as x moves by v, t moves by 1": (
                    v - length * _along(u, x, t, s, (v, 0.0, 0.0))
                ),
                "s moves in your derivative: the end of the jump must stay where it is, ds = 0": (
                    v - length * _along(u, x, t, s, (v, 1.0, 1.0))
                ),
                "the sign in front of (t - s) is wrong: differentiate (t - s) u = x - X once more": 2 * v - right,
                "the length (t - s) of the jump is missing in front of the derivative": (
                    v - _along(u, x, t, s, (v, 1.0, 0.0))
                ),
                "the derivative is multiplied by t: the jump is t - s long": (
                    v - like(t, x) * _along(u, x, t, s, (v, 1.0, 0.0))
                ),
                "this is the derivative itself, not the target": _along(u, x, t, s, (v, 1.0, 0.0)),
                "you use u where v belongs: v is the velocity here and now": right - v + u(x, t, s),
            }
        found = target(u, x, t, s, v)
        wrong = compare(found, right, mistakes=mistakes) or _free(found)
        if wrong:
            return wrong
    return None


def check_lagrangian_target(student: object) -> None:
    """Say how my_lagrangian_target(u, x, t, s, velocity) does: v(X, s) + (t − s) ∂_s u, without gradient."""
    why = "The end of the jump moves with the velocity of the place where it is: the Lagrangian derivative."
    grade("my_lagrangian_target", student, [_lagrangian], why=why)


def _velocity(x: Tensor, t: Tensor) -> Tensor:
    return (0.8 * x - like(t, x)).cos()


def _lagrangian(target: Answer) -> str | None:
    for event in ((2,), (3, 4, 4)):
        (x, _, t, s), u = _points(*event), _Average()
        length = like(t - s, x)
        with torch.no_grad():
            change, end = length * _along(u, x, t, s, (None, 0.0, 1.0)), x - length * u(x, t, s)
            right = _velocity(end, s) + change
            slope = _velocity(x, t)
            mistakes = {
                "the velocity is taken at the start: it belongs to the end X of the jump": slope + change,
                "the velocity is taken at x with the time s: go to the end X first": _velocity(x, s) + change,
                "the velocity at X is taken with the time t: the end lives at the time s": _velocity(end, t) + change,
                "the sign of the derivative is wrong: (t - s) u = x - X, and s grows": right - 2 * change,
                "you jump the wrong way: X = x - (t - s) u": _velocity(2 * x - end, s) + change,
                "the derivative in s is missing: it is the part that knows how u changes": right - change,
                "the length (t - s) is missing in front of the derivative": (
                    right - change + _along(u, x, t, s, (None, 0.0, 1.0))
                ),
                "this differentiates in t, the Eulerian way: here the end moves, so differentiate in s": (
                    right - change + length * _along(u, x, t, s, (None, 1.0, 0.0))
                ),
                "x moves in your derivative: the start stays where it is": (
                    right - change + length * _along(u, x, t, s, (slope, 0.0, 1.0))
                ),
            }
        found = target(u, x, t, s, _velocity)
        wrong = compare(found, right, mistakes=mistakes) or _free(found)
        if wrong:
            return wrong
    return None


def check_shortcut_target(student: object) -> None:
    """Say how my_shortcut_target(u, x, t, s) does: the mean of u over two half jumps, without gradient."""
    why = "Two half jumps arrive where one whole jump should: the target needs no derivative, but only as good a u."
    grade("my_shortcut_target", student, [_shortcut], why=why)


def _shortcut(target: Answer) -> str | None:
    for event in ((2,), (3, 4, 4)):
        (x, _, t, s), u = _points(*event), _Average()
        with torch.no_grad():
            half, length = (t + s) / 2, like(t - s, x)
            first = u(x, t, half)
            there = x - length / 2 * first
            second = u(there, half, s)
            mistakes = {
                "this is the sum of the two velocities: over twice the length it is their mean that counts": (
                    first + second
                ),
                "the second half starts at x: it must start where the first half has arrived": (
                    (first + u(x, half, s)) / 2
                ),
                "the first half goes too far: it is (t - s)/2 long": (first + u(x - length * first, half, s)) / 2,
                "the first half goes towards the noise: X = x - (t - s) u": (
                    (first + u(x + length / 2 * first, half, s)) / 2
                ),
                "the first half must know that it ends in the middle: u(x, t, middle)": (
                    (u(x, t, s) + u(x - length / 2 * u(x, t, s), half, s)) / 2
                ),
                "the second half starts at the middle of the times, not at t": (first + u(there, t, s)) / 2,
                "the middle of t and s is (t + s)/2, not t/2": _through(u, x, t, s, t / 2),
                "this is the second half alone": second,
                "this is the first half alone": first,
                "this is the place where two jumps arrive; the target is a velocity": there - length / 2 * second,
            }
        found = target(u, x, t, s)
        wrong = compare(found, (first + second) / 2, mistakes=mistakes) or _free(found)
        if wrong:
            return wrong
    return None


def _through(u: Jump, x: Tensor, t: Tensor, s: Tensor, middle: Tensor) -> Tensor:
    """The mean of the two velocities for another middle."""
    first = u(x, t, middle)
    return (first + u(x - like(t - s, x) / 2 * first, middle, s)) / 2


def check_mmd(student: object) -> None:
    """Say how my_mmd_squared(a, b, kernel) does: mean k(a, a') + mean k(b, b') − 2 mean k(a, b), a number."""
    why = "It is 0 exactly when the two groups are the same set, in whatever order: laws are compared, not pairs."
    grade("my_mmd_squared", student, [_mmd], why=why)


def _mmd(answer: Answer) -> str | None:
    def kernel(distance: Tensor) -> Tensor:
        return (-distance / 0.8).exp()

    for count in (4, 7):
        a, b = torch.randn((2, count, 2), dtype=torch.float64)
        own, cross = _kernels(a, a, kernel) + _kernels(b, b, kernel), _kernels(a, b, kernel)
        right = mmd_squared(a[None], b[None], torch.tensor([0.8], dtype=torch.float64), laplace_kernel)[0]
        pairs = count * (count - 1)
        mistakes = {
            "take k(a, b) twice: once for k(a, b), once for k(b, a)": own.mean() - cross.mean(),
            "the sign is wrong: equal groups are the smallest, so k(a, b) is subtracted": 2 * cross.mean() - own.mean(),
            "these are sums over pairs, please take means": own.sum() - 2 * cross.sum(),
            "you leave out the pairs of a point with itself; here they count, so that the result is never negative": (
                (own.sum() - 2 * count) / pairs - 2 * cross.mean()
            ),
            "this is a root: the square is asked for": right.clamp(min=0).sqrt(),
            "the kernel takes distances, not their squares": _with_squares(a, b, kernel),
            "this compares a with b point by point: all pairs of the two groups count": (
                2 * (1 - kernel((a - b).norm(dim=1)).mean())
            ),
            "the last term alone": -2 * cross.mean(),
        }
        wrong = compare(answer(a, b, kernel), right.item(), mistakes=mistakes, rtol=1e-4)
        if wrong:
            return wrong
    return None


def _kernels(a: Tensor, b: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    return kernel((a[:, None] - b).norm(dim=2))


def _with_squares(a: Tensor, b: Tensor, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    def mean(x: Tensor, y: Tensor) -> Tensor:
        return kernel((x[:, None] - y).square().sum(2)).mean()

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)
