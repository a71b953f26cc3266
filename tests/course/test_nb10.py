"""The checks of notebook 10: what they say to stubs, right and wrong answers."""

import pytest
import torch
from torch.func import jvp

from minicm.course.nb10 import check_normalised, check_regression, check_rotation, check_start, check_tangent
from minicm.losses import normalised, scm_tangent
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.shapes import like, per_sample


def rotation(F, x, t, s):
    return like((t - s).cos(), x) * x - like((t - s).sin(), x) * 0.5 * F


def turned(angle, std=0.5):
    return lambda F, x, t, s: like(angle(t, s).cos(), x) * x - like(angle(t, s).sin(), x) * std * F


def euler(F, x, t, s):
    return x + like(s - t, x) * 0.5 * F


def swapped(F, x, t, s):
    return like((t - s).sin(), x) * x - like((t - s).cos(), x) * 0.5 * F


def for_points_only(F, x, t, s):
    angle = (t - s)[:, None]
    return angle.cos() * x - angle.sin() * 0.5 * F


def without_broadcast(F, x, t, s):
    return (t - s).cos() * x - (t - s).sin() * 0.5 * F


def tangent(raw, x, t, v):
    model = Preconditioned(lambda u, c: raw(0.5 * u, c), TrigFlowScaling(0.5))
    return scm_tangent(model, x, t, v, path=TrigFlow())[1]


def parts(raw, x, t, v, dx=1.0, dt=1.0, scale=1.0):
    """The three terms of g by hand: with v, with x, with dF."""
    cos, sin = like(t.cos(), x), like(t.sin(), x)
    both = t.cos() * t.sin() * scale
    with torch.no_grad():
        dF = jvp(raw, (x, t), (dx * like(both, x) * v, dt * both))[1]
        return -(cos**2) * (0.5 * raw(x, t) - v), cos * sin * x, 0.5 * dF


def combined(rule, dx=1.0, dt=1.0):
    return lambda raw, x, t, v: rule(*parts(raw, x, t, v, dx, dt), like(t.cos(), x))


def with_graph(raw, x, t, v):
    """The derivative of f itself, times cos t."""

    def f(x, t):
        return like(t.cos(), x) * x - like(t.sin(), x) * 0.5 * raw(x, t)

    return like(t.cos(), x) * jvp(f, (x, t), (v, torch.ones_like(t)))[1]


def unscaled(raw, x, t, v):
    with torch.no_grad():
        dF = jvp(raw, (x, t), (v, torch.ones_like(t)))[1]
    first, still, _ = parts(raw, x, t, v)
    return first - still - 0.5 * dF


def doubled(raw, x, t, v):
    first, still, J = parts(raw, x, t, v)
    return first - still - like(t.cos() * t.sin(), x) * J


def no_data_std(raw, x, t, v):
    first, still, J = parts(raw, x, t, v)
    with torch.no_grad():
        return first - still - J - 0.5 * like(t.cos() ** 2, x) * raw(x, t)


def no_velocity(raw, x, t, v):
    first, still, J = parts(raw, x, t, v)
    return first - like(t.cos() ** 2, x) * v - still - J


def norm(g):
    return like(g.flatten(1).norm(dim=1), g)


def by_rms(g):
    return g / (like(g.flatten(1).square().mean(1).sqrt(), g) + 0.1)


def regression(F, g):
    return per_sample((F - (F + g).detach()) ** 2) / F[0].numel()


def square(F, aim):
    return per_sample((F - aim) ** 2) / F[0].numel()


def start(F, F_teacher, t):
    return -like(t.cos() ** 2, F) * 0.5 * (F - F_teacher)


def wrong_direction(raw, x, t, v):
    first, still, _ = parts(raw, x, t, v)
    with torch.no_grad():
        return first - still - 0.5 * jvp(raw, (x, t), (like(t.cos() * t.sin(), x) * v, torch.ones_like(t)))[1]


def points_only(F, g):
    return ((F - (F + g).detach()) ** 2).mean(dim=1)


CASES = [
    (
        check_rotation,
        lambda F, x, t, s: like(t.cos() - s.cos(), x) * x - like(t.sin() - s.sin(), x) * 0.5 * F,
        "angles first",
    ),
    (check_rotation, for_points_only, "right for points, but not for images"),
    (check_tangent, wrong_direction, "belongs to both parts"),
    (
        check_tangent,
        lambda raw, x, t, v: tangent(lambda x, t: raw(x / 0.5, t), x, t, v),
        "raw divides by sigma_d itself",
    ),
    (check_normalised, lambda g: g / (norm(g) ** 2 + 0.01).sqrt(), "another function"),
    (check_normalised, lambda g: g / norm(g).clamp(min=0.1), "by a maximum"),
    (check_normalised, lambda g: g / (like(g.flatten(1).abs().sum(1), g) + 0.1), "sum of absolute values"),
    (check_normalised, lambda g: g / (norm(g) + 0.5), "0.5 is the recipe's"),
    (check_normalised, lambda g: g / (g.norm(dim=1, keepdim=True) + 0.1), "right for points, but not for images"),
    (check_regression, points_only, "right for points, but not for images"),
    (check_start, lambda F, G, t: -(t.cos() ** 2)[:, None] * 0.5 * (F - G), "right for points, but not for images"),
    (check_start, lambda F, G, t: -(F - G), "the factors sigma_d and cos² t are missing"),
    (check_rotation, lambda F, x, t, s: None, "not solved yet"),
    (check_rotation, rotation, "PASS"),
    (check_rotation, turned(lambda t, s: s - t), "away from the data"),
    (check_rotation, turned(lambda t, s: t), "all the way to 0"),
    (check_rotation, turned(lambda t, s: s), "by their difference"),
    (check_rotation, turned(lambda t, s: t - s, 1.0), "sigma_d is missing"),
    (check_rotation, euler, "an Euler step"),
    (check_rotation, swapped, "sine and cosine are swapped"),
    (check_rotation, for_points_only, "it stops in the line"),
    (check_rotation, without_broadcast, "it stops in the line"),
    (check_rotation, lambda *a: rotation(*a).float(), "the dtype is wrong"),
    (check_tangent, lambda raw, x, t, v: None, "not solved yet"),
    (check_tangent, tangent, "PASS"),
    (check_tangent, lambda *a: with_graph(*a).detach(), "PASS"),
    (check_tangent, combined(lambda a, b, c, cos: a - b - c), "PASS"),
    (check_tangent, with_graph, "they carry a gradient"),
    (check_tangent, combined(lambda a, b, c, cos: (a - b - c) / cos), "the factor cos t is missing"),
    (check_tangent, combined(lambda a, b, c, cos: b + c - a), "the negative of the tangent"),
    (check_tangent, combined(lambda a, b, c, cos: a - b - c, dt=0.0), "F changes with t as well"),
    (check_tangent, combined(lambda a, b, c, cos: a - b - c, dx=0.0), "F changes with x as well"),
    (check_tangent, combined(lambda a, b, c, cos: a - b - 2 * c), "multiplied by sigma_d"),
    (check_tangent, no_data_std, "missing in front of F"),
    (check_tangent, combined(lambda a, b, c, cos: a + b + c), "look at the derivative of cos t"),
    (check_tangent, combined(lambda a, b, c, cos: a - b + c), "the derivative of F has the wrong sign"),
    (check_tangent, combined(lambda a, b, c, cos: a - c), "the part with x is missing"),
    (check_tangent, no_velocity, "the part with v is missing"),
    (check_tangent, combined(lambda a, b, c, cos: a / cos - b - c), "needs cos t twice"),
    (check_tangent, doubled, "applied twice"),
    (check_tangent, unscaled, "lacks cos t sin t"),
    (check_tangent, combined(lambda a, b, c, cos: a), "as if r = 0"),
    (check_tangent, lambda raw, x, t, v: x.add_(v), "in place"),
    (check_normalised, lambda g: None, "not solved yet"),
    (check_normalised, lambda g: g / (norm(g) + 0.1), "PASS"),
    (check_normalised, lambda g: normalised(0.1)(g, None), "PASS"),
    (check_normalised, by_rms, "root mean square"),
    (check_normalised, lambda g: g / (g.norm() + 0.1), "the whole batch"),
    (check_normalised, lambda g: g / (g.abs() + 0.1), "the direction is lost"),
    (check_normalised, lambda g: g / norm(g), "c is missing"),
    (check_normalised, lambda g: g / norm(g) + 0.1, "c stands outside"),
    (check_normalised, lambda g: g / (norm(g) ** 2 + 0.1), "the square of the norm"),
    (check_normalised, lambda g: g / (norm(g) ** 2 + 0.1).sqrt(), "inside of the root"),
    (check_normalised, lambda g: g / (g.norm(dim=-1, keepdim=True) + 0.1), "(5, 3, 4, 4): the norm runs over one axis"),
    (check_regression, lambda F, g: None, "not solved yet"),
    (check_regression, regression, "PASS"),
    (check_regression, lambda F, g: square(F, F + g), "cancels against the F inside the aim"),
    (check_regression, lambda F, g: square(F, F + g.detach()), "cancels against the F inside the aim"),
    (check_regression, lambda F, g: square(F, F.detach() + g), "a gradient flows into g"),
    (check_regression, lambda F, g: square(F, (F - g).detach()), "moves along -g"),
    (check_regression, lambda F, g: regression(F, g).detach(), "nothing carries a gradient"),
    (check_regression, lambda F, g: regression(F, g) * F[0].numel(), "divide by d"),
    (check_regression, lambda F, g: regression(F, g).sqrt(), "this is a root"),
    (check_regression, lambda F, g: regression(F, g).mean(), "the shape is wrong"),
    (check_start, lambda F, F_teacher, t: None, "not solved yet"),
    (check_start, start, "PASS"),
    (check_start, lambda F, G, t: -start(F, G, t), "away from its teacher"),
    (check_start, lambda F, G, t: start(F, G, t) / like(t.cos(), F), "cos t stands there twice"),
    (check_start, lambda F, G, t: start(F, G, t) / like(t.cos() ** 2, F), "the factor cos² t is missing"),
    (check_start, lambda F, G, t: 2 * start(F, G, t), "sigma_d is missing"),
    (check_start, lambda F, G, t: start(F, 2 * G, t), "v = sigma_d F, not F"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
