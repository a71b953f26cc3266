"""The checks of notebook 07: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.exercises.nb07 import (
    SIDES,
    check_gradient_sides,
    check_neighbours,
    check_num_levels,
    check_target,
    least_levels,
)
from minicm.losses import squared
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


def neighbours(levels, n, generator):
    k = torch.randint(len(levels) - 1, (n,), generator=generator)
    return levels[k], levels[k + 1]


def drawn(count, first=lambda k: k, second=lambda k: k + 1):
    """t and s as levels number first(k) and second(k), for k below count(N)."""

    def pairs(levels, n, generator):
        k = torch.randint(count(len(levels)), (n,), generator=generator)
        return levels[first(k)], levels[second(k)]

    return pairs


def apart(levels, n, generator):
    k = torch.randint(len(levels) - 1, (2, n), generator=generator)
    return levels[k[0]], levels[k[1] + 1]


def one_for_all(levels, n, generator):
    k = torch.randint(len(levels) - 1, (1,), generator=generator).expand(n)
    return levels[k], levels[k + 1]


def mostly_clean(levels, n, generator):
    k = torch.randint(len(levels) - 1, (2, n), generator=generator).amax(0)
    return levels[k], levels[k + 1]


def without_generator(levels, n, generator):
    return neighbours(levels, n, None)


def always_the_same(levels, n, generator):
    return neighbours(levels, n, torch.Generator().manual_seed(0))


def heun(std, tolerance):
    return least_levels(std, tolerance, "heun")


def euler(std, tolerance):
    return least_levels(std, tolerance, "euler")


CASES = [
    (check_target, lambda model, teacher, x_t, t, s: None, "not solved yet"),
    (check_target, target, "PASS"),
    (check_target, lambda *a: target(*a).float(), "the dtype is wrong"),
    (check_target, state_detached, "through the target into the model"),
    (check_target, lambda m, d, x, t, s: m(moved(d, x, t, s), s), "through the target into the model"),
    (check_target, model_frozen, "into the teacher"),
    (check_target, with_step(euler_step), "this is an Euler step"),
    (check_target, with_step(midpoint_step), "a midpoint step"),
    (check_target, lambda m, d, x, t, s: moved(d, x, t, s).detach(), "the state x_s itself"),
    (check_target, lambda m, d, x, t, s: d(moved(d, x, t, s), s), "you ask the teacher for the aim"),
    (check_target, lambda m, d, x, t, s: m(moved(d, x, t, s), t), "with the time t"),
    (check_target, lambda m, d, x, t, s: m(x, s), "no step was taken: the model"),
    (check_target, lambda m, d, x, t, s: m(x, t), "compare f with itself"),
    (check_target, lambda m, d, x, t, s: m(d(x, t), s), "teacher's guess of x0"),
    (check_target, second_at_t, "the teacher and the division saw the time t"),
    (check_target, slopes_at_t, "the teacher saw the time t"),
    (check_target, second_of(lambda x, step: x, lambda t, s: s), "you took it at x_t again"),
    (check_target, second_of(lambda x, step: x + step, lambda t, s: s, sign=-1), "look at the last sign"),
    (check_target, first_half, "the second one is missing"),
    (check_target, teacher_for_slope, "no slope"),
    (check_target, second_over_t, "divided by t"),
    (check_target, both_added, "both slopes are added"),
    (check_target, from_the_end_of_euler, "leads from x_t"),
    (check_target, half_euler_first, "only half of the way"),
    (check_target, of_length(lambda t, s: s), "you have s"),
    (check_target, of_length(lambda t, s: -t), "you have −t"),
    (check_target, by_rows, "along the wrong axis"),
    (check_target, first_over_s, "divided by s"),
    (check_target, state_kept, "x is still x_t"),
    (check_target, answer_kept, "asks the teacher again"),
    (check_target, lambda m, d, x, t, s: m(heun_step(lambda y, u: y - d(y, u), x, t, s), s), "not divided by the time"),
    (check_target, lambda m, d, x, t, s: m(moved(m, x, t, s), s), "the student gives the slope"),
    (check_target, lambda m, d, x, t, s: target(d, m, x, t, s), "model and teacher are swapped"),
    (check_target, by_hand, "PASS"),
    (check_target, wrong_way, "the wrong way"),
    (check_target, in_place, "in place"),
    (check_target, lambda m, d, x, t, s: m(moved(d, x, t, s), s).sum(1).detach(), "the shape is wrong"),
    (check_target, lambda m, d, x, t, s: m(x + (s - t)[:, None] @ x, s), "stops in the line"),
    (check_neighbours, lambda levels, n, generator: None, "not solved yet"),
    (check_neighbours, neighbours, "PASS"),
    (check_neighbours, lambda *a: neighbours(*a)[::-1], "t and s are swapped"),
    (check_neighbours, drawn(len_ := lambda n: n), "IndexError"),
    (check_neighbours, drawn(len_, second=lambda k: (k + 1) % 5), "around the end of the list"),
    (check_neighbours, drawn(len_, second=lambda k: (k + 1).clamp(max=4)), "the same level"),
    (check_neighbours, drawn(lambda n: n - 2), "the pair at the data end is never drawn"),
    (check_neighbours, drawn(lambda n: n - 2, lambda k: k + 1, lambda k: k + 2), "at the noise end is never drawn"),
    (check_neighbours, drawn(lambda n: n - 2, second=lambda k: k + 2), "2 levels from t"),
    (check_neighbours, apart, "drawn apart from each other"),
    (check_neighbours, one_for_all, "all samples got the same pair"),
    (check_neighbours, mostly_clean, "not drawn equally often"),
    (check_neighbours, without_generator, "hand the generator"),
    (check_neighbours, always_the_same, "another seed gives the same pairs"),
    (check_neighbours, lambda *a: neighbours(*a)[0], "the two tensors (t, s)"),
    (check_neighbours, lambda *a: tuple(x.float() for x in neighbours(*a)), "the dtype is wrong"),
    (check_neighbours, lambda *a: tuple(x * 0.9 for x in neighbours(*a)), "no levels"),
    (check_num_levels, lambda std, tolerance: None, "not solved yet"),
    (check_num_levels, heun, "PASS"),
    (check_num_levels, lambda std, tolerance: heun(std, tolerance) - 1, "one too few"),
    (check_num_levels, lambda std, tolerance: heun(std, tolerance) + 1, "one too many"),
    (check_num_levels, euler, "the answer for Euler"),
    (check_num_levels, lambda std, tolerance: least_levels(std, tolerance, "heun, variance"), "you compare variances"),
    (check_num_levels, lambda std, tolerance: 2, "without its sign"),
    (check_num_levels, lambda std, tolerance: heun(0.5, tolerance), "std 0.5 only"),
    (check_num_levels, lambda std, tolerance: heun(std, 0.1), "one tolerance only"),
    (check_num_levels, lambda std, tolerance: 18, "the numbers differ"),
    (check_gradient_sides, None, "not solved yet"),
    (check_gradient_sides, dict.fromkeys("ABCDE"), "not solved yet"),
    (check_gradient_sides, SIDES, "PASS"),
    (check_gradient_sides, SIDES | {"A": "clean"}, "A is not right"),
    (check_gradient_sides, SIDES | {"C": "noisy"}, "C is not right: no line of it"),
    (check_gradient_sides, SIDES | {"E": "noisy"}, "weights of the model enter in another way"),
    (check_gradient_sides, SIDES | {"D": "both"}, "under no_grad"),
    (check_gradient_sides, SIDES | {"D": "neither"}, "answer with one of the words"),
    (check_gradient_sides, SIDES | {"D": None}, "no answer yet for D"),
    (check_gradient_sides, "noisy", "expected a dict"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1


VERSIONS = {  # as in the notebook
    "A": lambda f, x_t, t, x_s, s: squared(f(x_t, t), f(x_s, s).detach()),
    "B": lambda f, x_t, t, x_s, s: squared(f(x_t, t).detach(), f(x_s, s)),
    "C": lambda f, x_t, t, x_s, s: squared(f(x_t, t), f(x_s, s)),
    "D": torch.no_grad()(lambda f, x_t, t, x_s, s: squared(f(x_t, t), f(x_s, s))),
    "E": lambda f, x_t, t, x_s, s: squared(f(x_t, t), f(x_s.detach(), s)),
}


@pytest.mark.parametrize("letter", SIDES)
def test_the_answers_about_gradients_are_what_autograd_does(letter):
    x_t, t, s = torch.randn(3, 2), torch.full((3,), 2.0), torch.ones(3)
    noisy, clean = (torch.ones((), requires_grad=True) for _ in range(2))  # one weight for each side
    value = VERSIONS[letter](lambda x, time: x * torch.where(like(time, x) > 1.5, noisy, clean), x_t, t, 0.7 * x_t, s)
    if value.requires_grad:
        value.sum().backward()
    names = {(False, False): "none", (True, False): "noisy", (False, True): "clean", (True, True): "both"}
    moves = tuple(w.grad is not None and bool(w.grad != 0) for w in (noisy, clean))
    assert names[moves] == SIDES[letter]


def test_the_known_numbers_of_levels():
    # Heun's chain for std .5 is 1.055 times too wide with 18 levels and 1.0093 with 41; Euler's .981 with 151
    assert least_levels(0.5, 0.0554, "heun") == 18 and least_levels(0.5, 0.0550, "heun") == 19
    assert 150 <= least_levels(0.5, 0.0188, "euler") <= 152
