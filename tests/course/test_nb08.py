"""The checks of notebook 08: what they say to stubs, right and wrong answers."""

import math

import pytest
import torch

from minicm.course.nb08 import check_ct_levels, check_ct_pair, check_ect_partner, check_ict_loss, check_pseudo_huber
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


def states(at):
    """The answer whose state at each time u is at(x0, eps, α, σ, u, other time), all columns."""

    def answer(x0, eps, t, s, path):
        column = [(path.alpha(u)[:, None], path.sigma(u)[:, None], u[:, None]) for u in (t, s)]
        return tuple(at(x0, eps, *column[k], column[1 - k][2]) for k in (0, 1))

    return answer


def then(move):
    """The answer with the right x_t, and x_s = move(x_t, x0, eps, t, s, path)."""

    def answer(x0, eps, t, s, path):
        x_t = path.mix(x0, eps, t)
        return x_t, move(x_t, x0, eps, t, s, path)

    return answer


def column(values):
    return values[:, None]


def huber(a, b, c):
    return pseudo_huber(c)(a, b)


def of_square(distance):
    """The answer distance(‖a − b‖², c)."""
    return lambda a, b, c: distance((a - b).square().flatten(1).sum(1), c)


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


def partner(ratio, below=0.0):
    """The answer t times ratio(n, t, stage, q), at least `below`."""
    return lambda t, stage, q: (t * ratio(1 + 8 * torch.sigmoid(-t), t, stage, q)).clamp(min=below)


def root(k, K, a, b):
    return math.sqrt(k / K * ((b + 1) ** 2 - a**2) + a**2)


def by_share(weight):
    """iCT's loss with weight(t, s) in the place of 1/(t − s)."""
    return lambda f, x0, eps, t, s, c: ict_loss(f, x0, eps, t, s, c) * (t - s) * weight(t, s)


CASES = [
    (
        check_ct_pair,
        then(lambda x, x0, eps, t, s, path: column(path.sigma(s) / path.sigma(t)) * x),
        "by the ratio of the σ",
    ),
    (check_ct_levels, lambda k, K, a, b: math.ceil(root(k // K * K, K, a, b) - 1) + 1, "divide with /"),
    (
        check_ct_levels,
        lambda k, K, a, b: math.ceil(math.sqrt(k / K * ((b + 1) ** 2 - a) + a) - 1) + 1,
        "first is squared",
    ),
    (
        check_ct_levels,
        lambda k, K, a, b: math.ceil(math.sqrt(k / K) * (b + 1 - a) + a - 1) + 1,
        "not over k/K alone",
    ),
    (check_pseudo_huber, lambda a, b, c: huber(a, b, c).detach(), "no gradient reaches a"),
    (check_ict_loss, by_share(lambda t, s: 1 / s), "the weight is 1/s"),
    (check_ict_loss, by_share(lambda t, s: (1 / (t - s)) / (1 / (t - s)).mean()), "on its neighbours"),
    (check_ict_loss, by_share(lambda t, s: (1 / (t - s)) / (1 / (t - s)).sum()), "to the sum 1"),
    (check_ict_loss, by_share(lambda t, s: 1 / (torch.atan(2 * t) - torch.atan(2 * s))), "in TrigFlow's angle"),
    (check_ect_partner, lambda t, stage, q: t - ect_time(t, stage, q), "this is the gap"),
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
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: a * x0 + eps), "σ is missing"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: s * x0 + a * eps), "swapped: α belongs"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: a * x0 + u * eps), "t stands for σ"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: a * x0 + 0.5 * s * eps), "σ_d counts twice"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: u.cos() * x0 + u.sin() * eps), "cos and sin are typed in"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: a * x0 + s**2 * eps), "σ is squared"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: a * x0 + s**0.5 * eps), "under a root"),
    (
        check_ct_pair,
        then(lambda x, x0, e, t, s, p: column(p.alpha(s)) * x0 + column(p.sigma(t - s)) * e),
        "noise is at",
    ),
    (check_ct_pair, then(lambda x, x0, e, t, s, p: p.mix(x0, e, t - s)), "at the time t − s"),
    (check_ct_pair, then(lambda x, x0, e, t, s, p: p.mix(x, e, s)), "added to the other state"),
    (check_ct_pair, then(lambda x, x0, e, t, s, p: x + column(s - t) * e), "as on VE"),
    (check_ct_pair, then(lambda x, x0, e, t, s, p: x + column(p.sigma(s) - p.sigma(t)) * e), "α at the wrong time"),
    (check_ct_pair, then(lambda x, x0, e, t, s, p: x * column(p.alpha(s) / p.alpha(t))), "only rescaled"),
    (check_ct_pair, then(lambda x, x0, e, t, s, p: x + column(s - t) * p.velocity(x, t, x0)), "leaves the arc"),
    (check_ct_pair, lambda x0, eps, t, s, path: list(pair(x0, eps, t, s, path)), "PASS"),
    (check_ct_pair, states(lambda x0, eps, a, s, u, other: torch.addcmul(a * x0, s, eps)), "PASS"),
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
    (check_pseudo_huber, of_square(lambda q, c: (q + c**2).sqrt() - c**2), "c² is subtracted at the end"),
    (check_pseudo_huber, of_square(lambda q, c: (q + c**2).sqrt() + c), "c is added at the end"),
    (check_pseudo_huber, of_square(lambda q, c: q.sqrt() - c), "c² under the root is missing"),
    (check_pseudo_huber, of_square(lambda q, c: (q - c**2).abs().sqrt() - c), "subtracted under the root"),
    (check_pseudo_huber, of_square(lambda q, c: (q.sqrt() + c**2).sqrt() - c), "norm must be squared"),
    (check_pseudo_huber, of_square(lambda q, c: q + c**2 - c), "the root is missing"),
    (check_pseudo_huber, of_square(lambda q, c: q + c**2), "and c enters squared"),
    (check_pseudo_huber, of_square(lambda q, c: c**2 * ((1 + q / c**2).sqrt() - 1)), "c times ours"),
    (check_pseudo_huber, of_square(lambda q, c: (1 + q / c**2).sqrt() - 1), "divided by c"),
    (check_pseudo_huber, of_square(lambda q, c: q.sqrt()), "this is the norm"),
    (check_pseudo_huber, of_square(lambda q, c: q), "the squared distance"),
    (check_pseudo_huber, of_square(lambda q, c: q / (2 * c)), "near 0 only"),
    (check_pseudo_huber, of_square(lambda q, c: torch.where(q < c**2, q / 2, c * (q.sqrt() - c / 2))), "in two pieces"),
    (check_pseudo_huber, of_square(lambda q, c: ((q + c**2).sqrt() - c) / 2), "half of it"),
    (check_pseudo_huber, lambda a, b, c: ((a - b).sum(1) ** 2 + c**2).sqrt() - c, "added, then squared"),
    (check_pseudo_huber, lambda a, b, c: ((a - b).abs().sum(1) ** 2 + c**2).sqrt() - c, "absolute values"),
    (check_pseudo_huber, lambda a, b, c: huber(a, -b, c), "a and b are added"),
    (check_pseudo_huber, of_square(lambda q, c: q / ((q + c**2).sqrt() + c)), "PASS"),
    (check_pseudo_huber, of_square(lambda q, c: c * ((1 + q / c**2).sqrt() - 1)), "PASS"),
    (check_pseudo_huber, lambda a, b, c: torch.hypot((a - b).flatten(1).norm(dim=1), torch.tensor(c)) - c, "PASS"),
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
    (check_ect_partner, lambda *a: without_clamp(*a).abs(), "by an absolute value"),
    (check_ect_partner, lambda *a: without_clamp(*a).clamp(min=0.002), "became 0.002"),
    (check_ect_partner, lambda *a: without_clamp(*a).clamp(max=0), "wrong way round"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - n / q ** (k + 1) / t), "the t before n"),
    (check_ect_partner, partner(lambda n, t, k, q: (1 - n) / q ** (k + 1)), "all partners are 0"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - n * q ** (k + 1)), "all partners are 0"),
    (check_ect_partner, partner(lambda n, t, k, q: (1 - n) / q ** (k + 1), -100.0), "1 − n as a whole"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 + n / q ** (k + 1)), "has a minus"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - (7 + n) / 8 / q ** (k + 1)), "factor 8 is missing"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - (7 + n) / q ** (k + 1)), "multiplies the 1"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - (1 + 8 / torch.exp(t)) / q ** (k + 1)), "in the denominator"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - 5 / q ** (k + 1)), "the same for all t"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - n / q ** (k + 2)), "one too high"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - n / (q**k + 1)), "write q ** (stage + 1)"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - n / (k + 1) ** q), "q and the power are swapped"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - n / (q * (k + 1))), "where a power belongs"),
    (check_ect_partner, partner(lambda n, t, k, q: 1 - (n - 1) / q ** (k + 1)), "1 + is missing in n"),
    (check_ect_partner, lambda t, k, q: t * (1 - (1 + 8 / (1 + t.exp())) / q ** (k + 1)).relu(), "PASS"),
    (check_ect_partner, lambda *a: torch.where(without_clamp(*a) < 0, 0.0, without_clamp(*a)), "PASS"),
    (check_ect_partner, lambda *a: torch.maximum(without_clamp(*a), torch.zeros(())), "PASS"),
]


@pytest.mark.parametrize(("check", "answer", "words"), CASES)
def test_the_check_says(check, answer, words, capsys):
    check(answer)
    said = capsys.readouterr().out
    assert words in said
    assert said.count("\n") == 1
    assert said.startswith(("PASS", "not solved yet")) or said.startswith("not yet: ")
