"""The checks of notebook 03 pass what is right and name what is wrong."""

import math

import pytest
import torch

from minicm.course import nb03
from minicm.shapes import like
from minicm.solvers import euler_step, heun_step, midpoint_step
from minicm.times import karras_grid, log_grid, uniform_grid


def said(check, student, capsys):
    check(student)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out


def heun_in_place(velocity, x, t, s):
    v = velocity(x, t)
    x += like(s - t, x) * v
    return x


def heun_with(h, second):
    """x + h/2 (v + second slope), h and the arguments of the second slope given."""

    def step(velocity, x, t, s):
        v = velocity(x, t)
        return x + h(x, t, s) / 2 * (v + velocity(*second(x, v, t, s)))

    return step


def column(x, t, s):
    return (s - t)[:, None]


def old_time(x, v, t, s):
    return x + column(x, t, s) * v, t


def half_way(x, v, t, s):
    return x + column(x, t, s) / 2 * v, s


def old_place(x, v, t, s):
    return x, s


def heun_three_calls(velocity, x, t, s):
    h = column(x, t, s)
    return x + h / 2 * (velocity(x, t) + velocity(x + h * velocity(x, t), s))


def heun_backwards(velocity, x, t, s):
    h, v = like(t - s, x), velocity(x, t)
    return x + h / 2 * (v + velocity(x + h * v, s))


def heun_in_double(velocity, x, t, s):
    h = (s - t)[:, None]
    v = velocity(x, t)
    return x + h / 2 * (v + velocity(x + h * v, s))


def two_half_euler_steps(velocity, x, t, s):
    middle = (t + s) / 2
    return euler_step(velocity, euler_step(velocity, x, t, middle), middle, s)


def one_step_size(velocity, x, t, s):
    return heun_with(lambda x, t, s: (s - t)[0], lambda x, v, t, s: (x + (s - t)[0] * v, s))(velocity, x, t, s)


HEUN = [
    (two_half_euler_steps, "two Euler steps of half the length"),
    (one_step_size, "that of the first"),
    (lambda velocity, x, t, s: None, "not solved yet"),
    (heun_step, "PASS"),
    (euler_step, "that is Euler's step"),
    (midpoint_step, "midpoint step"),
    (heun_with(column, old_time), "the time t again"),
    (heun_with(column, old_place), "at the old x"),
    (heun_with(column, half_way), "at half of it"),
    (heun_backwards, "wrong way in time"),
    (heun_in_place, "in place"),
    (heun_three_calls, "3 times"),
    (heun_in_double, "expected torch.float32"),
    (lambda velocity, x, t, s: x + (s - t) / 2 * (velocity(x, t) + velocity(x + (s - t) * velocity(x, t), s)), "axis"),
    (lambda velocity, x, t, s: x + column(x, t, s) * velocity(euler_step(velocity, x, t, s), s), "only the second"),
    (lambda velocity, x, t, s: velocity(x), "TypeError"),
]


def order(coarse, fine, ratio):
    return math.log(coarse / fine) / math.log(ratio)


ORDER = [
    (lambda coarse, fine, ratio: round(order(coarse, fine, ratio)), "that is rounded"),
    (lambda coarse, fine, ratio: math.log10(coarse / fine), "yours is 10"),
    (lambda coarse, fine, ratio: None, "not solved yet"),
    (lambda coarse, fine, ratio: math.log(coarse / fine) / math.log(ratio), "PASS"),
    (lambda coarse, fine, ratio: math.log(fine / coarse) / math.log(ratio), "positive"),
    (lambda coarse, fine, ratio: math.log2(coarse / fine), "ratio = 2 only"),
    (lambda coarse, fine, ratio: math.log(coarse / fine), "against the logarithm"),
    (lambda coarse, fine, ratio: math.log(coarse / fine) / ratio, "by `ratio` itself"),
    (lambda coarse, fine, ratio: coarse / fine, "which power"),
    (lambda coarse, fine, ratio: math.log(ratio) / math.log(coarse / fine), "upside down"),
    (lambda coarse, fine, ratio: "one", "expected a number"),
]


def angles(n):
    return 0.5 * torch.tan(torch.linspace(math.atan(160), math.atan(0.004), n + 1, dtype=torch.float64))


def beyond_a_right_angle(n):
    return 0.5 * torch.tan(torch.linspace(math.atan(80) / 0.5, math.atan(0.002) / 0.5, n + 1, dtype=torch.float64))


GRID = [
    (beyond_a_right_angle, "divide inside of it"),
    (lambda n: None, "not solved yet"),
    (angles, "PASS"),
    (lambda n: angles(n - 1) if n > 1 else angles(1)[:1], "N + 1 ends"),
    (lambda n: angles(n).flip(0), "increase"),
    (lambda n: 2 * angles(n), "start at 80"),
    (lambda n: uniform_grid(n, 0.002, 80.0), "straight"),
    (log_grid, "count its levels"),
    (karras_grid, "count its levels"),
    (lambda n: torch.linspace(80, 0, n + 1), "positive"),
    (lambda n: torch.full((n + 1,), 80.0), "decrease at every step"),
    (lambda n: [80.0, 0.002], "expected a tensor"),
]


def linear(signal, noise):
    """signal(t, s) x0 + noise(t, s) eps on the straight path."""

    def step(x, x0, t, s):
        t, s = t[:, None], s[:, None]
        return signal(t, s) * x0 + noise(t, s) * (x - (1 - t) * x0) / t

    return step


DDIM = [
    (lambda x, x0, t, s: None, "not solved yet"),
    (linear(lambda t, s: 1 - s, lambda t, s: s), "PASS"),
    (lambda x, x0, t, s: x + ((s - t) / t)[:, None] * (x - x0), "PASS"),  # Euler: x + (s − t) v with v = (x − x0)/t
    (linear(lambda t, s: 1 - s, lambda t, s: t), "noise kept its old level"),
    (linear(lambda t, s: s, lambda t, s: 1 - s), "swapped"),
    (linear(lambda t, s: 1, lambda t, s: s), "VE path"),
    (lambda x, x0, t, s: (1 - s)[:, None] * x0 + s[:, None] * x, "x itself is not the noise"),
    (lambda x, x0, t, s: (1 - s) * x0 + s * (x - (1 - t) * x0) / t, "axis"),
    (lambda x, x0, t, s: x - ((s - t) / t)[:, None] * (x - x0), "velocity has the wrong sign"),
    (lambda x, x0, t, s: x + (s - t)[:, None] * (x - x0), "not yet divided"),
    (lambda x, x0, t, s: x0 + 1, "numbers differ"),
]

CASES = [
    (check, *case)
    for check, cases in (
        (nb03.check_heun_step, HEUN),
        (nb03.check_order, ORDER),
        (nb03.check_grid, GRID),
        (nb03.check_ddim_linear, DDIM),
    )
    for case in cases
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_the_check_says(check, student, words, capsys):
    out = said(check, student, capsys)
    assert words in out
    assert out.startswith("PASS") == (words == "PASS")
