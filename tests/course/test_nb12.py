"""The checks of notebook 12: what they say to stubs, right and wrong answers."""

import pytest
from torch.nn.functional import softplus

from minicm.course.nb12 import check_critic, check_matching, check_target, check_weight
from minicm.rivals import by_teacher_error, hinge_critic, logistic_critic, logistic_generator
from minicm.shapes import like, per_sample


def coefficients(x, t, s):
    return like(t.cos(), x), like(t.sin(), x), like(s.cos(), x), like(s.sin(), x)


def target(rule):
    return lambda x, x_s, t, s: rule(x, x_s, *coefficients(x, t, s))


def right(x, x_s, a, b, a_s, b_s):
    return (x_s - b_s / b * x) / (a_s - b_s / b * a)


def ve(x, x_s, a, b, a_s, b_s):
    ratio = b_s / a_s * a / b
    return (x_s - ratio * x) / (1 - ratio)


def for_points_only(x, x_s, t, s):
    r = (s.sin() / t.sin())[:, None]
    return (x_s - r * x) / (s.cos()[:, None] - r * t.cos()[:, None])


def pulled(aim):
    return lambda g, gap: per_sample((g - aim(g, gap)) ** 2) / 2 / g[0].numel()


def stopped(g, gap):
    return (g - gap).detach()


def scaled(size):
    return lambda gap, real, g: gap / like(size((g - real).flatten(1)), g)


CASES = [
    (check_target, lambda x, x_s, t, s: None, "not solved yet"),
    (check_target, target(right), "PASS"),
    (check_target, target(lambda x, y, a, b, c, d: right(x, y, a, d, c, b)), "the ratio is upside down"),
    (check_target, lambda x, x_s, t, s: 1 * x_s, "where the teacher's two steps end"),
    (check_target, target(lambda x, y, a, b, c, d: y - d / b * x), "the division is missing"),
    (check_target, target(lambda x, y, a, b, c, d: right(x, y, c, b, a, d)), "swapped below the line"),
    (check_target, target(lambda x, y, a, b, c, d: right(y, x, a, b, c, d)), "swapped above the line"),
    (check_target, target(lambda x, y, a, b, c, d: right(x, y, a, -b, c, d)), "there is a minus"),
    (check_target, target(ve), "the formula of VE"),
    (check_target, target(lambda x, y, a, b, c, d: right(x, y, 1, b, 1, d)), "as if it were 1"),
    (check_target, for_points_only, "it stops in the line"),
    (check_matching, lambda g, gap: None, "not solved yet"),
    (check_matching, pulled(stopped), "PASS"),
    (check_matching, lambda g, gap: 2 * pulled(stopped)(g, gap), "the half is missing"),
    (check_matching, lambda g, gap: g[0].numel() * pulled(stopped)(g, gap), "divide by d"),
    (check_matching, lambda g, gap: 2 * g[0].numel() * pulled(stopped)(g, gap), "are both missing"),
    (check_matching, lambda g, gap: pulled(stopped)(g.detach(), gap), "nothing carries a gradient"),
    (check_matching, pulled(lambda g, gap: g - gap), "g cancels against the g inside"),
    (check_matching, pulled(lambda g, gap: g.detach() - gap), "a gradient flows into the gap"),
    (check_matching, pulled(lambda g, gap: (g + gap).detach()), "g moves along +gap"),
    (check_matching, lambda g, gap: pulled(stopped)(g, gap).mean(), "the shape is wrong"),
    (check_weight, lambda gap, real, g: None, "not solved yet"),
    (check_weight, scaled(lambda e: e.abs().mean(1)), "PASS"),
    (check_weight, lambda gap, real, g: by_teacher_error(gap, real, g, None, None), "PASS"),
    (check_weight, lambda gap, real, g: gap / (g - real).abs().mean(), "the whole batch"),
    (check_weight, lambda gap, real, g: gap / (g - real).abs(), "the direction of the gap is lost"),
    (check_weight, scaled(lambda e: e.square().mean(1).sqrt()), "the root mean square"),
    (check_weight, scaled(lambda e: e.norm(dim=1)), "this is the norm"),
    (check_weight, scaled(lambda e: e.abs().sum(1)), "sum instead of mean"),
    (check_weight, scaled(lambda e: e.mean(1)), "errors of both signs cancel"),
    (check_weight, lambda gap, real, g: gap / like(gap.abs().flatten(1).mean(1), g), "the gap's own size"),
    (check_weight, lambda gap, real, g: gap * like((g - real).abs().flatten(1).mean(1), g), "you multiply"),
    (check_weight, lambda gap, real, g: gap / (g - real).abs().mean(1, keepdim=True), "(5, 3, 4, 4)"),
    (check_critic, lambda real, fake: None, "not solved yet"),
    (check_critic, logistic_critic, "PASS"),
    (check_critic, lambda real, fake: logistic_critic(-real, -fake), "the signs are exchanged"),
    (check_critic, lambda real, fake: softplus(-real) + softplus(-fake), "both terms have the same sign"),
    (check_critic, lambda real, fake: logistic_generator(fake), "what the generator minimises"),
    (check_critic, lambda real, fake: softplus(fake), "generated samples' term alone"),
    (check_critic, lambda real, fake: softplus(-real), "the data's term alone"),
    (check_critic, hinge_critic, "the hinge loss"),
    (check_critic, lambda real, fake: -logistic_critic(real, fake), "the critic would learn to be wrong"),
    (check_critic, lambda real, fake: logistic_critic(real, fake) / 2, "take their sum"),
    (check_critic, lambda real, fake: logistic_critic(real, fake).mean(), "the shape is wrong"),
    (check_critic, lambda real, fake: -(real.sigmoid().log() + (1 - fake.sigmoid()).log()), "as large as 800"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
