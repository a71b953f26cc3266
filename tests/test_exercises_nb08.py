"""The checks of notebook 08: what they say to stubs, right and wrong answers."""

import math

import pytest
import torch

from minicm.exercises.nb08 import (
    check_ct_levels,
    check_ct_pair,
    check_ect_partner,
    check_ict_loss,
    check_pseudo_huber,
)
from minicm.losses import pseudo_huber
from minicm.paths import VE
from minicm.times import ct_levels, ect_time


def pair(x0, eps, t, s, path):
    return path.mix(x0, eps, t), path.mix(x0, eps, s)


def by_rows(x0, eps, t, s, path):
    return tuple(path.alpha(u) * x0 + path.sigma(u) * eps for u in (t, s))


def one_alpha(x0, eps, t, s, path):
    return path.mix(x0, eps, t), path.alpha(t)[:, None] * x0 + path.sigma(s)[:, None] * eps


def without_alpha(x0, eps, t, s, path):
    return tuple(x0 + path.sigma(u)[:, None] * eps for u in (t, s))


def huber(a, b, c):
    return pseudo_huber(c)(a, b)


def elements(a, b, c):
    return ((a - b) ** 2 + c**2).sqrt() - c


def ict_loss(f, x0, eps, t, s, c):
    with torch.no_grad():
        aim = f(VE().mix(x0, eps, s), s)
    return pseudo_huber(c)(f(VE().mix(x0, eps, t), t), aim) / (t - s)


def parts(f, x0, eps, t, s):
    return f(VE().mix(x0, eps, t), t), f(VE().mix(x0, eps, s), s)


def both_sides(f, x0, eps, t, s, c):
    return pseudo_huber(c)(*parts(f, x0, eps, t, s)) / (t - s)


def wrong_side(f, x0, eps, t, s, c):
    near, far = parts(f, x0, eps, t, s)
    return pseudo_huber(c)(near.detach(), far) / (t - s)


def no_side(f, x0, eps, t, s, c):
    return ict_loss(f, x0, eps, t, s, c).detach()


def time_of_the_other(f, x0, eps, t, s, c):
    return pseudo_huber(c)(f(VE().mix(x0, eps, t), t), f(VE().mix(x0, eps, s), t).detach()) / (t - s)


def fresh_noise(f, x0, eps, t, s, c):
    return pseudo_huber(c)(f(VE().mix(x0, eps, t), t), f(VE().mix(x0, torch.randn_like(eps), s), s).detach()) / (t - s)


def element_wise_loss(f, x0, eps, t, s, c):
    near, far = parts(f, x0, eps, t, s)
    return elements(near, far.detach(), c).sum(1) / (t - s)


def without_clamp(t, stage, q):
    return t * (1 - (1 + 8 * torch.sigmoid(-t)) / q ** (stage + 1))


def root(k, K, a, b):
    return math.sqrt(k / K * ((b + 1) ** 2 - a**2) + a**2)


CASES = [
    (check_ct_pair, lambda *a: None, "not solved yet"),
    (check_ct_pair, pair, "PASS"),
    (check_ct_pair, lambda x0, eps, t, s, path: pair(x0, torch.randn_like(eps), t, s, path), "noise in it that is not"),
    (
        check_ct_pair,
        lambda x0, eps, t, s, path: (path.mix(x0, eps, t), path.mix(x0, torch.randn_like(eps), s)),
        "noise in it that is not ε",
    ),
    (check_ct_pair, lambda x0, eps, t, s, path: pair(x0, eps, s, t, path), "wrong order"),
    (check_ct_pair, lambda x0, eps, t, s, path: pair(x0, eps, t, t, path), "x_s: this state is at the other time"),
    (check_ct_pair, lambda x0, eps, t, s, path: pair(x0, eps, t, s, VE()), "this is VE's formula"),
    (check_ct_pair, lambda x0, eps, t, s, path: pair(x0, -eps, t, s, path), "the noise is subtracted"),
    (check_ct_pair, one_alpha, "x_s: α at the wrong time"),
    (check_ct_pair, without_alpha, "α is missing"),
    (check_ct_pair, lambda x0, eps, t, s, path: pair(x0, eps, t, s, path)[:1], "expected the two tensors"),
    (check_ct_pair, by_rows, "wrong axis"),
    (check_ct_pair, lambda x0, eps, t, s, path: path.mix(x0, eps, t), "expected the two tensors"),
    (check_ct_levels, lambda *a: None, "not solved yet"),
    (check_ct_levels, ct_levels, "PASS"),
    (check_ct_levels, lambda k, K, a, b: math.floor(root(k, K, a, b)), "rounds down"),
    (check_ct_levels, lambda k, K, a, b: round(root(k, K, a, b) - 1) + 1, "to the nearest"),
    (check_ct_levels, lambda k, K, a, b: ct_levels(k, K, a, b) - 1, "one too few"),
    (check_ct_levels, lambda k, K, a, b: ct_levels(k, K, a, b) + 1, "one too many"),
    (check_ct_levels, lambda k, K, a, b: ct_levels(k, K, a, b - 1), "at the end it is `last`"),
    (check_ct_levels, lambda k, K, a, b: math.ceil(a + k / K * (b + 1 - a)), "straight line"),
    (check_ct_levels, root, "whole number"),
    (check_pseudo_huber, lambda *a: None, "not solved yet"),
    (check_pseudo_huber, huber, "PASS"),
    (check_pseudo_huber, lambda a, b, c: elements(a, b, c).sum(1), "element by element"),
    (check_pseudo_huber, lambda a, b, c: elements(a, b, c).mean(1), "and then averaged"),
    (check_pseudo_huber, elements, "one number for each element"),
    (check_pseudo_huber, lambda a, b, c: elements(a, b, c).mean(), "whole batch"),
    (check_pseudo_huber, lambda a, b, c: huber(a, b, c) + c, "distance 0"),
    (check_pseudo_huber, lambda a, b, c: (((a - b) ** 2).sum(1) + c).sqrt() - c, "c must be squared"),
    (check_pseudo_huber, lambda a, b, c: (((a - b) ** 2).mean(1) + c**2).sqrt() - c, "averaged: the norm"),
    (check_pseudo_huber, lambda a, b, c: (((a - b) ** 2).sum(1) + c**2).sqrt() - c, "but not for images"),
    (check_ict_loss, lambda *a: None, "not solved yet"),
    (check_ict_loss, ict_loss, "PASS"),
    (check_ict_loss, both_sides, "both sides"),
    (check_ict_loss, wrong_side, "wrong side"),
    (check_ict_loss, no_side, "no gradient reaches f"),
    (check_ict_loss, time_of_the_other, "the time of the other"),
    (check_ict_loss, fresh_noise, "the same ε"),
    (check_ict_loss, element_wise_loss, "one root for each sample"),
    (check_ict_loss, lambda f, x0, eps, t, s, c: ict_loss(f, x0, eps, t, s, c).mean(), "shape is wrong"),
    (
        check_ict_loss,
        lambda f, x0, eps, t, s, c: ict_loss(f, x0, eps, t, s, c) * (t - s),
        "the weight is missing",
    ),
    (
        check_ict_loss,
        lambda f, x0, eps, t, s, c: ict_loss(f, x0, eps, t, s, c) * (t - s) ** 2,
        "upside down",
    ),
    (
        check_ict_loss,
        lambda f, x0, eps, t, s, c: -ict_loss(f, x0, eps, t, s, c),
        "sign of the weight",
    ),
    (check_ect_partner, lambda *a: None, "not solved yet"),
    (check_ect_partner, ect_time, "PASS"),
    (check_ect_partner, without_clamp, "negative times"),
    (check_ect_partner, lambda t, stage, q: ect_time(t, stage, q) / t, "multiply it by t"),
    (check_ect_partner, lambda t, stage, q: t - ect_time(t, stage, q), "this is the gap"),
    (check_ect_partner, lambda t, stage, q: ect_time(t, stage, q, b=-1.0), "wrong sign"),
    (check_ect_partner, lambda t, stage, q: ect_time(t, stage - 1, q), "one too low"),
    (check_ect_partner, lambda t, stage, q: ect_time(t, 0, q), "no part in it"),
    (check_ect_partner, lambda t, stage, q: ect_time(t, stage), "q is 2 whatever"),
    (check_ect_partner, lambda t, stage, q: ect_time(t, stage, q)[:, None], "shape is wrong"),
]


@pytest.mark.parametrize(("check", "answer", "words"), CASES)
def test_the_check_says(check, answer, words, capsys):
    check(answer)
    said = capsys.readouterr().out
    assert words in said
    assert said.count("\n") == 1
    assert said.startswith(("PASS", "not solved yet")) or said.startswith("not yet: ")
