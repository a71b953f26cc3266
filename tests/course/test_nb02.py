"""The checks of notebook 02: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb02 import check_flow_by_score, check_importance, check_score, check_two_points


def two_points_by_exp(x, alpha, sigma, a):
    up, down = torch.exp(alpha * a * x / sigma**2), torch.exp(-alpha * a * x / sigma**2)
    return a * (up - down) / (up + down)


def two_points_unnormalised(x, alpha, sigma, a):
    up, down = (torch.exp(-((x - alpha * m) ** 2) / (2 * sigma**2)) for m in (a, -a))
    return a * (up - down)


def logits(x, alpha, sigma, samples):
    return -(x[:, None] - alpha * samples).square().sum(2) / (2 * sigma**2)


def by_exp(x, alpha, sigma, samples):
    weights = logits(x, alpha, sigma, samples).exp()
    return weights @ samples / weights.sum(1, keepdim=True)


def flow(x, t, path, score):
    a, s, da, ds = (f(t)[:, None] for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
    return da / a * x - s**2 * (ds / s - da / a) * score


def flow_of(first, second):
    """first x + second score, both functions of α, σ and their derivatives, one number per row."""

    def answer(x, t, path, score):
        parts = [f(t)[:, None] for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma)]
        return first(*parts) * x + second(*parts) * score

    return answer


def flow_by_rows(x, t, path, score):
    a, s, da, ds = (f(t) for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
    return da / a * x - s**2 * (ds / s - da / a) * score


def drift(x, t, path):
    return (path.d_alpha(t) / path.alpha(t))[:, None] * x


CASES = [
    (check_two_points, lambda x, alpha, sigma, a: a * torch.tanh(alpha * a * x / sigma**2), "PASS"),
    (
        check_two_points,
        lambda x, alpha, sigma, a: a * (2 * torch.sigmoid(2 * alpha * a * x / sigma**2) - 1),
        "PASS",
    ),
    (check_two_points, lambda x, alpha, sigma, a: None, "not solved yet"),
    (check_two_points, lambda x, alpha, sigma, a: -a * torch.tanh(alpha * a * x / sigma**2), "sign"),
    (check_two_points, lambda x, alpha, sigma, a: a * torch.tanh(a * x / sigma**2), "α is missing"),
    (check_two_points, lambda x, alpha, sigma, a: a * torch.tanh(2 * alpha * a * x / sigma**2), "twice too large"),
    (check_two_points, lambda x, alpha, sigma, a: a * torch.tanh(alpha * a * x / sigma), "σ enters squared"),
    (check_two_points, lambda x, alpha, sigma, a: torch.tanh(alpha * a * x / sigma**2), "between −a and a"),
    (check_two_points, lambda x, alpha, sigma, a: torch.sigmoid(2 * alpha * a * x / sigma**2), "probability of +a"),
    (check_two_points, lambda x, alpha, sigma, a: a * x.sign(), "nearer point"),
    (check_two_points, lambda x, alpha, sigma, a: a * torch.tanh(alpha * a * x / sigma**2 / 2), "twice too small"),
    (check_two_points, lambda x, alpha, sigma, a: a * torch.tanh(alpha * x / sigma**2), "a is missing inside"),
    (check_two_points, lambda x, alpha, sigma, a: a * torch.sigmoid(2 * alpha * a * x / sigma**2), "only +a is"),
    (check_two_points, two_points_unnormalised, "divide by their sum"),
    (check_two_points, two_points_by_exp, "overflows"),
    (check_score, lambda x, alpha, sigma, x0_hat: (alpha * x0_hat - x) / sigma**2, "PASS"),
    (check_score, lambda x, alpha, sigma, x0_hat: None, "not solved yet"),
    (check_score, lambda x, alpha, sigma, x0_hat: (x - alpha * x0_hat) / sigma**2, "sign is wrong"),
    (check_score, lambda x, alpha, sigma, x0_hat: (alpha * x0_hat - x) / sigma, "σ enters squared"),
    (check_score, lambda x, alpha, sigma, x0_hat: (x0_hat - x) / sigma**2, "α before x0_hat"),
    (check_score, lambda x, alpha, sigma, x0_hat: (x - alpha * x0_hat) / sigma, "the noise that the denoiser"),
    (check_score, lambda x, alpha, sigma, x0_hat: x.sub_(alpha * x0_hat) / -(sigma**2), "in place"),
    (check_importance, lambda x, alpha, sigma, samples: logits(x, alpha, sigma, samples).softmax(1) @ samples, "PASS"),
    (check_importance, lambda x, alpha, sigma, samples: None, "not solved yet"),
    (check_importance, by_exp, "far from all samples some numbers are NaN"),
    (check_importance, lambda x, alpha, sigma, samples: samples.mean(0).expand(2, 2), "same weight"),
    (
        check_importance,
        lambda x, alpha, sigma, samples: logits(x, alpha, sigma, samples).exp() @ samples,
        "do not add up to 1",
    ),
    (
        check_importance,
        lambda x, alpha, sigma, samples: logits(x, 1, sigma, samples).softmax(1) @ samples,
        "α is missing",
    ),
    (
        check_importance,
        lambda x, alpha, sigma, samples: logits(x, alpha, sigma.sqrt(), samples).softmax(1) @ samples,
        "σ enters squared",
    ),
    (
        check_importance,
        lambda x, alpha, sigma, samples: (-logits(x, alpha, sigma, samples)).softmax(1) @ samples,
        "sign in the exponent",
    ),
    (
        check_importance,
        lambda x, alpha, sigma, samples: logits(x, alpha, sigma, samples).softmax(0) @ samples,
        "over the wrong axis",
    ),
    (
        check_importance,
        lambda x, alpha, sigma, samples: (
            logits(x, alpha, sigma, samples).flatten().softmax(0).view(len(x), -1) @ samples
        ),
        "one sum for all x",
    ),
    (check_importance, lambda x, alpha, sigma, samples: samples.mean(0), "shape is wrong"),
    (check_flow_by_score, flow, "PASS"),
    (check_flow_by_score, lambda x, t, path, score: None, "not solved yet"),
    (check_flow_by_score, lambda x, t, path, score: 2 * drift(x, t, path) - flow(x, t, path, score), "score term"),
    (
        check_flow_by_score,
        lambda x, t, path, score: flow(x, t, path, score) - drift(x, t, path),
        "term with x is missing",
    ),
    (
        check_flow_by_score,
        lambda x, t, path, score: drift(x, t, path) - (path.sigma(t) * path.d_sigma(t))[:, None] * score,
        "right on VE only",
    ),
    (check_flow_by_score, lambda x, t, path, score: 2 * flow(x, t, path, score) - drift(x, t, path), "reverse SDE"),
    (
        check_flow_by_score,
        flow_of(lambda a, s, da, ds: da / a, lambda a, s, da, ds: s**2 * da / a + s * ds),
        "opposite signs",
    ),
    (
        check_flow_by_score,
        flow_of(lambda a, s, da, ds: da / a, lambda a, s, da, ds: (s**2 * da / a - s * ds) / 2),
        "half of the right one",
    ),
    (
        check_flow_by_score,
        flow_of(lambda a, s, da, ds: da, lambda a, s, da, ds: s**2 * da - s * ds),
        "without its division by α",
    ),
    (check_flow_by_score, flow_by_rows, "wrong axis"),
    (check_flow_by_score, lambda x, t, path, score: path.d_alpha(t) * x, "numbers differ"),
]


def by_tweedie(field):
    """The answer field(x, D, ε, α, σ, dα, dσ, score) with D and ε = (x − α D)/σ from the score, one number per row."""

    def answer(x, t, path, score):
        a, s, da, ds = (f(t)[:, None] for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
        mean = (x + s**2 * score) / a
        return field(x, mean, (x - a * mean) / s, a, s, da, ds, score)

    return answer


def with_mean(mean):
    """The answer whose D is mean(x, α, σ, score)."""

    def answer(x, D, e, a, s, da, ds, score):
        wrong = mean(x, a, s, score)
        return da * wrong + ds * (x - a * wrong) / s

    return by_tweedie(answer)


SUBSTITUTES = [
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D + ds * e), "PASS"),
    (with_mean(lambda x, a, s, score: x + s**2 * score), "division by α is missing"),
    (with_mean(lambda x, a, s, score: (x + s * score) / a), "σ enters squared"),
    (with_mean(lambda x, a, s, score: (x + score) / a), "σ² before the score is missing"),
    (with_mean(lambda x, a, s, score: s**2 * score / a), "x is missing"),
    (with_mean(lambda x, a, s, score: score), "in the place of D"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D + ds * (x - D) / s), "α before it is missing"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D + ds * s * score), "opposite signs"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D - ds * score), "σ is missing"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D - ds * score / s), "you divided by σ"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D + ds * (x - a * D)), "(x − α D) without its own"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D + e), "dσ/dt is missing"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: da * D), "the second term"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: ds * D + da * e), "are swapped"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: a * D + s * e), "where their derivatives belong"),
    (by_tweedie(lambda x, D, e, a, s, da, ds, score: ds * e), "dα/dt D is missing"),
    (flow_of(lambda a, s, da, ds: da / a, lambda a, s, da, ds: da / a - ds / s), "σ² before the score"),
    (flow_of(lambda a, s, da, ds: da / a, lambda a, s, da, ds: s**2 * (da / a - ds)), "without its division by σ"),
    (flow_of(lambda a, s, da, ds: da / a, lambda a, s, da, ds: s**2 * (da - ds / s)), "in the factor of the score"),
    (lambda x, t, path, score: -t[:, None] * score, "VE's field"),
    (flow_of(lambda a, s, da, ds: a / da, lambda a, s, da, ds: s**2 * (a / da - ds / s)), "upside down"),
    (lambda *given: -flow(*given), "negatives of the right ones"),
    (flow_of(lambda a, s, da, ds: (da / a).T, lambda a, s, da, ds: s**2 * (da / a - ds / s)), "in the term with x"),
    (flow_of(lambda a, s, da, ds: da / a, lambda a, s, da, ds: (s**2 * (da / a - ds / s)).T), "with the score"),
]
CASES += [(check_flow_by_score, *case) for case in SUBSTITUTES]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("check", sorted({case[0] for case in CASES}, key=lambda check: check.__name__))
def test_answers_stay_right_in_single_precision_by_default(check, capsys):
    torch.set_default_dtype(torch.float32)
    check(next(student for c, student, words in CASES if c is check and words == "PASS"))
    assert "PASS" in capsys.readouterr().out
