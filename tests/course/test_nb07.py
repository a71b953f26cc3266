"""The checks of notebook 07: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb07 import SIDES, check_gradient_sides, check_neighbours, check_num_levels, least_levels
from minicm.losses import squared
from minicm.shapes import like


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
