"""The checks of notebook 13: what they say to stubs, right and wrong answers."""

import pytest
import torch
from torch.func import jvp

from minicm.course.nb13 import check_lagrangian_target, check_meanflow_target, check_mmd, check_shortcut_target
from minicm.shapes import like


def along(u, x, t, s, dx, dt, ds):
    one = torch.ones_like(t)
    return jvp(u, (x, t, s), (dx, dt * one, ds * one))[1]


# ---- MeanFlow


def meanflow(u, x, t, s, v):
    with torch.no_grad():
        return v - like(t - s, x) * along(u, x, t, s, v, 1, 0)


def meanflow_with(dx=1, dt=1, ds=0, factor=lambda t, s: t - s, sign=-1):
    def target(u, x, t, s, v):
        with torch.no_grad():
            return v + sign * like(factor(t, s), x) * along(u, x, t, s, dx * v, dt, ds)

    return target


@torch.no_grad()
def meanflow_with_u(u, x, t, s, v):
    return u(x, t, s) - like(t - s, x) * along(u, x, t, s, v, 1, 0)


def meanflow_for_points(u, x, t, s, v):
    with torch.no_grad():
        return v - (t - s)[:, None] * along(u, x, t, s, v, 1, 0)


# ---- Lagrangian


@torch.no_grad()
def lagrangian(u, x, t, s, velocity, dx=0, dt=0, ds=1):
    end = x - like(t - s, x) * u(x, t, s)
    return velocity(end, s) + like(t - s, x) * along(u, x, t, s, dx * velocity(x, t), dt, ds)


@torch.no_grad()
def lagrangian_with(u, x, t, s, velocity, at, time, factor):
    return velocity(at(x, like(t - s, x) * u(x, t, s)), time(t, s)) + like(factor(t, s), x) * along(
        u, x, t, s, torch.zeros_like(x), 0, 1
    )


def lagrangian_as(at=lambda x, jump: x - jump, time=lambda t, s: s, factor=lambda t, s: t - s):
    return lambda *a: lagrangian_with(*a, at, time, factor)


def lagrangian_with_graph(u, x, t, s, velocity):
    end = x - like(t - s, x) * u(x, t, s)
    return velocity(end, s) + like(t - s, x) * along(u, x, t, s, torch.zeros_like(x), 0, 1)


# ---- Shortcut


@torch.no_grad()
def shortcut(u, x, t, s):
    return two(u, x, t, s)


def two(u, x, t, s, middle=0.5, length=0.5, ends=lambda m, s: m, start=lambda t, m: m):
    m = s + middle * (t - s)
    first = u(x, t, ends(m, s))
    return (first + u(x - length * like(t - s, x) * first, start(t, m), s)) / 2


def halves(u, x, t, s):
    with torch.no_grad():
        m = (t + s) / 2
        first = u(x, t, m)
        there = x - like(t - s, x) / 2 * first
        return first, u(there, m, s), there


def as_shortcut(**changes):
    return torch.no_grad()(lambda u, x, t, s: two(u, x, t, s, **changes))


@torch.no_grad()
def middle_of_zero(u, x, t, s):
    first = u(x, t, t / 2)
    return (first + u(x - like(t - s, x) / 2 * first, t / 2, s)) / 2


@torch.no_grad()
def two_jumps(u, x, t, s):
    _, second, there = halves(u, x, t, s)
    return there - like(t - s, x) / 2 * second


# ---- the mean discrepancy


def kernels(a, b, kernel):
    return kernel((a[:, None] - b).norm(dim=2))


def mmd(a, b, kernel, cross=2.0):
    return kernels(a, a, kernel).mean() + kernels(b, b, kernel).mean() - cross * kernels(a, b, kernel).mean()


def without_self(a, b, kernel):
    n = len(a)
    own = kernels(a, a, kernel).sum() + kernels(b, b, kernel).sum() - 2 * n
    return own / (n * (n - 1)) - 2 * kernels(a, b, kernel).mean()


def by_squares(a, b, kernel):
    return mmd(a, b, lambda d: kernel(d**2))


CASES = [
    (check_meanflow_target, lambda *a: None, "not solved yet"),
    (check_meanflow_target, meanflow, "PASS"),
    (check_meanflow_target, meanflow_with(dx=0), "x stands still"),
    (check_meanflow_target, meanflow_with(dt=0), "time stands still"),
    (check_meanflow_target, meanflow_with(ds=1), "the end of the jump must stay"),
    (check_meanflow_target, meanflow_with(sign=1), "the sign in front of (t - s)"),
    (check_meanflow_target, meanflow_with(factor=lambda t, s: torch.ones_like(t)), "(t - s) of the jump is missing"),
    (check_meanflow_target, meanflow_with(factor=lambda t, s: t), "multiplied by t"),
    (check_meanflow_target, lambda u, x, t, s, v: along(u, x, t, s, v, 1, 0).detach(), "not the target"),
    (check_meanflow_target, meanflow_with_u, "you use u where v belongs"),
    (check_meanflow_target, lambda u, x, t, s, v: v - like(t - s, x) * along(u, x, t, s, v, 1, 0), "carry a gradient"),
    (check_meanflow_target, meanflow_for_points, "it stops in the line"),
    (check_lagrangian_target, lambda *a: None, "not solved yet"),
    (check_lagrangian_target, lagrangian, "PASS"),
    (check_lagrangian_target, lagrangian_as(at=lambda x, j: x, time=lambda t, s: t), "taken at the start"),
    (check_lagrangian_target, lagrangian_as(at=lambda x, j: x), "go to the end X first"),
    (check_lagrangian_target, lagrangian_as(time=lambda t, s: t), "the end lives at the time s"),
    (check_lagrangian_target, lagrangian_as(factor=lambda t, s: s - t), "the sign of the derivative is wrong"),
    (check_lagrangian_target, lagrangian_as(at=lambda x, j: x + j), "you jump the wrong way"),
    (check_lagrangian_target, lagrangian_as(factor=lambda t, s: 0 * t), "the derivative in s is missing"),
    (check_lagrangian_target, lagrangian_as(factor=lambda t, s: 0 * t + 1), "the length (t - s) is missing"),
    (check_lagrangian_target, lambda *a: lagrangian(*a, dt=1, ds=0), "the Eulerian way"),
    (check_lagrangian_target, lambda *a: lagrangian(*a, dx=1), "x moves in your derivative"),
    (check_lagrangian_target, lagrangian_with_graph, "carry a gradient"),
    (check_shortcut_target, lambda *a: None, "not solved yet"),
    (check_shortcut_target, shortcut, "PASS"),
    (check_shortcut_target, two, "carry a gradient"),
    (check_shortcut_target, lambda *a: 2 * shortcut(*a), "the sum of the two velocities"),
    (check_shortcut_target, as_shortcut(length=0.0), "where the first half has arrived"),
    (check_shortcut_target, as_shortcut(length=1.0), "the first half goes too far"),
    (check_shortcut_target, as_shortcut(length=-0.5), "towards the noise"),
    (check_shortcut_target, as_shortcut(ends=lambda m, s: s), "it ends in the middle"),
    (check_shortcut_target, as_shortcut(start=lambda t, m: t), "the middle of the times, not at t"),
    (check_shortcut_target, middle_of_zero, "not t/2"),
    (check_shortcut_target, lambda *a: halves(*a)[1], "the second half alone"),
    (check_shortcut_target, lambda *a: halves(*a)[0], "the first half alone"),
    (check_shortcut_target, two_jumps, "the target is a velocity"),
    (check_mmd, lambda *a: None, "not solved yet"),
    (check_mmd, mmd, "PASS"),
    (check_mmd, lambda *a: mmd(*a).item(), "PASS"),
    (check_mmd, lambda *a: mmd(*a, cross=1.0), "take k(a, b) twice"),
    (check_mmd, lambda *a: -mmd(*a), "k(a, b) is subtracted"),
    (check_mmd, lambda a, b, kernel: len(a) ** 2 * mmd(a, b, kernel), "please take means"),
    (check_mmd, without_self, "here they count"),
    (check_mmd, lambda *a: mmd(*a).sqrt(), "this is a root"),
    (check_mmd, by_squares, "not their squares"),
    (check_mmd, lambda a, b, kernel: 2 * (1 - kernel((a - b).norm(dim=1)).mean()), "point by point"),
    (check_mmd, lambda a, b, kernel: -2 * kernels(a, b, kernel).mean(), "the last term alone"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
