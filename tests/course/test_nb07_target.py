"""The check of notebook 07's target: what it says to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb07 import check_target
from minicm.paths import VE
from minicm.shapes import like
from minicm.solvers import euler_step, heun_step, midpoint_step, probability_flow


def moved(teacher, x_t, t, s, step=heun_step):
    return step(probability_flow(teacher, VE()), x_t, t, s)


def target(model, teacher, x_t, t, s):
    with torch.no_grad():
        return model(moved(teacher, x_t, t, s), s)


def with_step(step):
    return lambda model, teacher, x_t, t, s: model(moved(teacher, x_t, t, s, step), s).detach()


def slopes_at_t(model, teacher, x_t, t, s):
    return model(moved(lambda x, time: teacher(x, t), x_t, t, s), s)  # only the teacher gets the wrong time


def slope(teacher, x, t):
    return (x - teacher(x, t)) / like(t, x)


def second_at_t(model, teacher, x_t, t, s):
    h, k = like(s - t, x_t), slope(teacher, x_t, t)
    return model(x_t + h / 2 * (k + slope(teacher, x_t + h * k, t)), s)


def second_over_t(model, teacher, x_t, t, s):
    h, k = like(s - t, x_t), slope(teacher, x_t, t)
    euler = x_t + h * k
    return model(x_t + h / 2 * (k + (euler - teacher(euler, s)) / like(t, x_t)), s)


def second_of(place, time, sign=1):
    """A step of sign h/2 (k1 + k2), with the second slope at place(x_t, h k1) and time(t, s)."""

    def answer(model, teacher, x_t, t, s):
        h, k = like(s - t, x_t), slope(teacher, x_t, t)
        return model(x_t + sign * h / 2 * (k + slope(teacher, place(x_t, h * k), time(t, s))), s)

    return answer


def first_half(model, teacher, x_t, t, s):
    return model(x_t + like(s - t, x_t) / 2 * slope(teacher, x_t, t), s)


def teacher_for_slope(model, teacher, x_t, t, s):
    return model(heun_step(teacher, x_t, t, s), s)


def both_added(model, teacher, x_t, t, s):
    x_s = moved(teacher, x_t, t, s)
    return model(2 * x_s - x_t, s)


def wrong_way(model, teacher, x_t, t, s):
    h, k = like(t - s, x_t), slope(teacher, x_t, t)
    return model(x_t + h / 2 * (k + slope(teacher, x_t + h * k, s)), s)


def from_the_end_of_euler(model, teacher, x_t, t, s):
    step = like(s - t, x_t) * slope(teacher, x_t, t)
    return model(moved(teacher, x_t, t, s) + step, s)


def half_euler_first(model, teacher, x_t, t, s):
    h, k = like(s - t, x_t), slope(teacher, x_t, t)
    return model(x_t + h / 2 * (k + slope(teacher, x_t + h / 2 * k, s)), s)


def of_length(length):
    """Heun with length(t, s) in the place of s − t."""

    def answer(model, teacher, x_t, t, s):
        h, k = like(length(t, s), x_t), slope(teacher, x_t, t)
        return model(x_t + h / 2 * (k + slope(teacher, x_t + h * k, s)), s)

    return answer


def by_rows(model, teacher, x_t, t, s):
    h, k = s - t, slope(teacher, x_t, t)
    return model(x_t + h / 2 * (k + slope(teacher, x_t + h * k, s)), s)


def first_over_s(model, teacher, x_t, t, s):
    h, k = like(s - t, x_t), (x_t - teacher(x_t, t)) / like(s, x_t)
    return model(x_t + h / 2 * (k + slope(teacher, x_t + h * k, s)), s)


def state_kept(model, teacher, x_t, t, s):
    h, k = like(s - t, x_t), slope(teacher, x_t, t)
    return model(x_t + h / 2 * (k + (x_t - teacher(x_t + h * k, s)) / like(s, x_t)), s)


def answer_kept(model, teacher, x_t, t, s):
    h, k = like(s - t, x_t), slope(teacher, x_t, t)
    return model(x_t + h / 2 * (k + (x_t + h * k - teacher(x_t, t)) / like(s, x_t)), s)


def by_hand(model, teacher, x_t, t, s):
    """Right, with falling times counted the other way and the two half steps added one after the other."""
    with torch.no_grad():
        gap, first = (t - s).view(-1, 1), (teacher(x_t, t) - x_t) / t.view(-1, 1)
        guess = x_t + gap * first
        second = (teacher(guess, s) - guess) / s.view(-1, 1)
        return model(x_t + 0.5 * gap * first + 0.5 * gap * second, s)


def state_detached(model, teacher, x_t, t, s):
    return model(moved(teacher, x_t, t, s).detach(), s)


def model_frozen(model, teacher, x_t, t, s):
    """No gradient to the model's weights, but one to the teacher's."""
    x_s = moved(teacher, x_t, t, s)
    shift = model(x_s, s).detach()
    return shift + (x_s - x_s.detach())


def in_place(model, teacher, x_t, t, s):
    x_t += like(s - t, x_t) * slope(teacher, x_t, t)
    return model(x_t, s)


ANSWERS = [
    (lambda model, teacher, x_t, t, s: None, "not solved yet"),
    (target, "PASS"),
    (lambda *a: target(*a).float(), "the dtype is wrong"),
    (state_detached, "through the target into the model"),
    (lambda m, d, x, t, s: m(moved(d, x, t, s), s), "through the target into the model"),
    (model_frozen, "into the teacher"),
    (with_step(euler_step), "this is an Euler step"),
    (with_step(midpoint_step), "a midpoint step"),
    (lambda m, d, x, t, s: moved(d, x, t, s).detach(), "the state x_s itself"),
    (lambda m, d, x, t, s: d(moved(d, x, t, s), s), "you ask the teacher for the aim"),
    (lambda m, d, x, t, s: m(moved(d, x, t, s), t), "with the time t"),
    (lambda m, d, x, t, s: m(x, s), "no step was taken: the model"),
    (lambda m, d, x, t, s: m(x, t), "compare f with itself"),
    (lambda m, d, x, t, s: m(d(x, t), s), "teacher's guess of x0"),
    (second_at_t, "the teacher and the division saw the time t"),
    (slopes_at_t, "the teacher saw the time t"),
    (second_of(lambda x, step: x, lambda t, s: s), "you took it at x_t again"),
    (second_of(lambda x, step: x + step, lambda t, s: s, sign=-1), "look at the last sign"),
    (first_half, "the second one is missing"),
    (teacher_for_slope, "no slope"),
    (second_over_t, "divided by t"),
    (both_added, "both slopes are added"),
    (from_the_end_of_euler, "leads from x_t"),
    (half_euler_first, "only half of the way"),
    (of_length(lambda t, s: s), "you have s"),
    (of_length(lambda t, s: -t), "you have −t"),
    (by_rows, "along the wrong axis"),
    (first_over_s, "divided by s"),
    (state_kept, "x is still x_t"),
    (answer_kept, "asks the teacher again"),
    (lambda m, d, x, t, s: m(heun_step(lambda y, u: y - d(y, u), x, t, s), s), "not divided by the time"),
    (lambda m, d, x, t, s: m(moved(m, x, t, s), s), "the student gives the slope"),
    (lambda m, d, x, t, s: target(d, m, x, t, s), "model and teacher are swapped"),
    (by_hand, "PASS"),
    (wrong_way, "the wrong way"),
    (in_place, "in place"),
    (lambda m, d, x, t, s: m(moved(d, x, t, s), s).sum(1).detach(), "the shape is wrong"),
    (lambda m, d, x, t, s: m(x + (s - t)[:, None] @ x, s), "stops in the line"),
]


@pytest.mark.parametrize(("student", "words"), ANSWERS)
def test_what_is_said_of_a_target(student, words, capsys):
    check_target(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
