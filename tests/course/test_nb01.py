"""The checks of notebook 01: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb01 import check_convert, check_ou_time, check_ou_velocity, check_standardise


def standardise(raw):
    raw = raw - raw.mean(0)
    return 0.5 * raw / raw.std()


def ou_velocity(x, t, x0):
    alpha, sigma = torch.exp(-t)[:, None], torch.sqrt(1 - torch.exp(-2 * t))[:, None]
    return -alpha * x0 + alpha**2 / sigma * (x - alpha * x0) / sigma


def velocity_on_the_wrong_axis(x, t, x0):
    alpha, sigma = torch.exp(-t), torch.sqrt(1 - torch.exp(-2 * t))
    return -alpha * x0 + alpha**2 / sigma * (x - alpha * x0) / sigma


def with_noise(noise):
    """The answer whose noise term is that function of (x, x0, α, σ), each with one number per row."""

    def velocity(x, t, x0):
        alpha, sigma = torch.exp(-t)[:, None], torch.sqrt(1 - torch.exp(-2 * t))[:, None]
        return -alpha * x0 + noise(x, x0, alpha, sigma)

    return velocity


def convert(x, t):
    nsr = 0.5 * torch.tan(t)
    u = nsr / (1 + nsr)
    return x * ((1 - u) / torch.cos(t))[:, None], u


CASES = [
    (check_standardise, standardise, "PASS"),
    (check_standardise, lambda raw: 0.5 * (raw - raw.mean(0)) / (raw - raw.mean(0)).square().mean().sqrt(), "PASS"),
    (check_standardise, lambda raw: None, "not solved yet"),
    (check_standardise, lambda raw: 0.5 * (raw - raw.mean(0)) / raw.std(0), "a scale of its own"),
    (check_standardise, lambda raw: 2 * standardise(raw), "the std is 1"),
    (check_standardise, lambda raw: (raw - raw.mean(0)) / (2 * (raw - raw.mean(0)).var()), "divided by the variance"),
    (check_standardise, lambda raw: 0.5 * (raw - raw.mean()) / (raw - raw.mean()).std(), "one number from both"),
    (check_standardise, lambda raw: (raw - raw.mean(0)) / raw.std(0), "a scale of its own, and the std is 1"),
    (check_standardise, lambda raw: 0.5 * (raw - raw.mean(0)) / raw.std(), "before the means were subtracted"),
    (check_standardise, lambda raw: raw.sub_(raw.mean(0)) * 0.5 / raw.std(), "in place"),
    (check_ou_time, lambda nsr: torch.log1p(nsr**2) / 2, "PASS"),
    (check_ou_time, lambda nsr: None, "not solved yet"),
    (check_ou_time, lambda nsr: torch.log1p(nsr**2), "factor 1/2"),
    (check_ou_time, lambda nsr: torch.log1p(nsr) / 2, "enters squared"),
    (check_ou_time, lambda nsr: torch.log(nsr), "the 1 got lost"),
    (check_ou_time, lambda nsr: torch.log(1 - nsr) / 2, "NaN"),
    (check_ou_time, lambda nsr: -torch.log1p(nsr**2) / 2, "sign"),
    (check_ou_velocity, ou_velocity, "PASS"),
    (check_ou_velocity, lambda x, t, x0: None, "not solved yet"),
    (check_ou_velocity, lambda x, t, x0: ou_velocity(x, t, x0) + 2 * torch.exp(-t)[:, None] * x0, "x0 term is wrong"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: -(a**2) / s**2 * (x - a * x0)), "sign of the noise term"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: 0), "noise term is missing"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: x - a * x0), "used σ where its derivative"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s**2 * (x - x0)), "α before x0"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: (x - a * x0) / (2 * s**2)), "stops halfway"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / (2 * s**2) * (x - a * x0)), "half too small"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: 2 * a**2 / s**2 * (x - a * x0)), "twice too large"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: 2 * a**2 * (x - a * x0) / s), "differentiated σ², not σ"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 * (x - a * x0) / s), "one division by σ"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 * (x - a * x0)), "both divisions by σ"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: (x - a * x0) / s**2), "more than its factor 2"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a / s**2 * (x - a * x0)), "α once"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s**3 * (x - a * x0)), "divided by σ²"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s * (x - x0)), "and the division by σ"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s * x), "x is not the noise"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s**2 * x), "x/σ is not the noise"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: -(a**2) / s / a.log() * (x - x0)), "over t is not the noise"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s**4 * (x - a * x0)), "the root is missing"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a / (2 * (1 - a)) * (x - a * x0)), "2 in the exponent"),
    (check_ou_velocity, with_noise(lambda x, x0, a, s: a**2 / s.T**2 * (x - a * x0)), "times of σ went along"),
    (
        check_ou_velocity,
        lambda x, t, x0: ou_velocity(x, t, x0) - (1 - torch.exp(-t)[:, None]) * x0,
        "missing before x0",
    ),
    (
        check_ou_velocity,
        lambda x, t, x0: ou_velocity(x, t, x0) + ((1 - t) * torch.exp(-t))[:, None] * x0,
        "no factor t",
    ),
    (check_ou_velocity, lambda x, t, x0: ou_velocity(x, t, x0) + torch.exp(-t)[:, None] * (x0 - x), "not x"),
    (check_ou_velocity, lambda x, t, x0: 1 * x, "the state itself"),
    (
        check_ou_velocity,
        lambda x, t, x0: (
            (torch.exp(-t)[:, None] * (torch.exp(-t)[:, None] * x - x0)) / (1 - torch.exp(-2 * t))[:, None]
        ),
        "PASS",
    ),  # fmt: skip
    (check_ou_velocity, velocity_on_the_wrong_axis, "wrong axis"),
    (check_ou_velocity, lambda x, t, x0: ou_velocity(x, t[:, None], x0), "shape is wrong"),
    (check_convert, convert, "PASS"),
    (check_convert, lambda x, t: None, "not solved yet"),
    (check_convert, lambda x, t: convert(x, t)[0], "two results"),
    (check_convert, lambda x, t: (x, convert(x, t)[1]), "x_linear: x is unchanged"),
    (check_convert, lambda x, t: (x**2 / convert(x, t)[0], convert(x, t)[1]), "upside down"),
    (check_convert, lambda x, t: (x / torch.cos(t)[:, None], convert(x, t)[1]), "now multiply"),
    (check_convert, lambda x, t: (x * (1 - convert(x, t)[1]) / torch.cos(t), convert(x, t)[1]), "wrong axis"),
    (check_convert, lambda x, t: (x, torch.tan(t) / (1 + torch.tan(t))), "σ_d = 0.5 is missing"),
    (check_convert, lambda x, t: (x, t), "same ratio, not the same time"),
    (check_convert, lambda x, t: (x, 0.5 * torch.tan(t)), "solve t/(1 − t)"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    assert words in capsys.readouterr().out


@pytest.mark.parametrize("check", sorted({case[0] for case in CASES}, key=lambda check: check.__name__))
def test_answers_stay_right_in_single_precision_by_default(check, capsys):
    torch.set_default_dtype(torch.float32)
    check(next(student for c, student, words in CASES if c is check and words == "PASS"))
    assert "PASS" in capsys.readouterr().out
