"""The checks of notebook 09: what they say to stubs, right and wrong answers, and what the cases show."""

import math

import pytest
import torch

from minicm.course.nb09 import (
    CAUSES,
    TwoLevels,
    case,
    check_diagnosis,
    check_gradient_test,
    check_renoised_std,
    check_repaired_loss,
)
from minicm.losses import consistency_loss, squared
from minicm.paths import VE

X0, EPS = torch.tensor([[0.3, 0.1]]).double(), torch.tensor([[0.5, -1.0]]).double()
T, S = torch.tensor([2.0]).double(), torch.tensor([0.5]).double()


def right(model, x0, eps, t, s):
    return consistency_loss(model, x0, eps, t, s, path=VE())


def both_sides(model, x0, eps, t, s):
    return squared(model(x0 + t[:, None] * eps, t), model(x0 + s[:, None] * eps, s))


def wrong_side(model, x0, eps, t, s):
    return squared(model(x0 + t[:, None] * eps, t).detach(), model(x0 + s[:, None] * eps, s))


def other_noise(model, x0, eps, t, s):
    aim = model(x0 + s[:, None] * torch.randn_like(x0), s).detach()
    return squared(model(x0 + t[:, None] * eps, t), aim)


def target_at_t(model, x0, eps, t, s):
    return squared(model(x0 + t[:, None] * eps, t), model(x0 + s[:, None] * eps, t).detach())


def gradients(loss):
    """The gradients of the two weights, None where there is none."""
    model = TwoLevels()
    value = loss(model, X0, EPS, T, S).sum()
    if value.requires_grad:
        value.backward()
    return model.high.grad, model.low.grad


def my_test(loss):
    high, low = gradients(loss)
    return high is not None and bool(high != 0) and (low is None or bool(low == 0))


def stds(s, tau, sigma_data):
    return math.hypot(s, tau), math.hypot(s * math.cos(tau), sigma_data * math.sin(tau))


CASES = [
    (check_repaired_loss, lambda model, x0, eps, t, s: None, "not solved yet"),
    (check_repaired_loss, right, "PASS"),
    (check_repaired_loss, both_sides, "it flows through both sides"),
    (check_repaired_loss, wrong_side, "into the side at s"),
    (check_repaired_loss, other_noise, "another noise than eps"),
    (check_repaired_loss, target_at_t, "the state at s is shown with the time t"),
    (check_repaired_loss, lambda m, x0, e, t, s: right(m, x0, e, t, s).detach(), "there is none"),
    (check_repaired_loss, lambda m, x0, e, t, s: right(m, x0, e, t, s).mean(), "one number for each sample"),
    (check_repaired_loss, lambda m, x0, e, t, s: right(m, x0, e, t, s) / 2, "mean over the coordinates"),
    (check_repaired_loss, lambda m, x0, e, t, s: right(m, x0, e, t, s).sqrt(), "not its square"),
    (check_repaired_loss, lambda m, x0, e, t, s: squared(m(x0 + t[:, None] * e, t), x0), "asked 1 times"),
    (check_repaired_loss, lambda m, x0, e, t, s: right(m, x0, e, t, t), "both calls are at the same end"),
    (check_repaired_loss, lambda m, x0, e, t, s: m(x0 + t * e, t), "stops in the line"),
    (check_gradient_test, lambda loss: None, "not solved yet"),
    (check_gradient_test, my_test, "PASS"),
    (check_gradient_test, lambda loss: True, "green for a loss in which the gradient flows through both sides"),
    (check_gradient_test, lambda loss: False, "false alarm"),
    (check_gradient_test, lambda loss: gradients(loss)[1] is None, "false alarm"),
    (check_gradient_test, lambda loss: gradients(loss)[1] in (None, 0), "in which nothing learns"),
    (check_gradient_test, lambda loss: gradients(loss)[0] is not None, "through both sides"),
    (check_gradient_test, lambda loss: bool(gradients(loss)[0].abs() > 1e-3), "tiny gradients"),
    (check_gradient_test, lambda loss: gradients(loss)[0], "through both sides"),
    (check_gradient_test, lambda loss: gradients(loss)[0] > 0, "a loss of negative slope"),
    (check_gradient_test, lambda loss: "yes", "expected True or False"),
    (check_renoised_std, lambda s, tau, sigma_data: None, "not solved yet"),
    (check_renoised_std, stds, "PASS"),
    (check_renoised_std, lambda s, tau, d: (s + tau, stds(s, tau, d)[1]), "on VE, stds do not add"),
    (check_renoised_std, lambda s, tau, d: (s**2 + tau**2, stds(s, tau, d)[1]), "on VE, this is the variance"),
    (check_renoised_std, lambda s, tau, d: (math.hypot(s, tau),) * 2, "this is the answer for VE"),
    (
        check_renoised_std,
        lambda s, tau, d: (math.hypot(s, tau), math.hypot(s, d * math.sin(tau))),
        "scaled by cos τ",
    ),
    (check_renoised_std, lambda s, tau, d: math.hypot(s, tau), "expected the two numbers"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1


RIGHT = {
    "A": "slow target",
    "B": "noise after the last step",
    "C": "no boundary condition",
    "D": "independent noises",
}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("cause", CAUSES)
def test_only_the_true_cause_passes_and_the_others_hear_a_number_that_contradicts(name, cause, capsys):
    check_diagnosis(name, cause)
    said = capsys.readouterr().out
    assert said.startswith("PASS") if cause == RIGHT[name] else "look at that number again" in said
    assert RIGHT[name] not in said.split("PASS")[0] or RIGHT[name] == cause  # a hint does not tell the answer


def test_a_missing_and_an_unknown_diagnosis(capsys):
    check_diagnosis("A", None)
    check_diagnosis("A", "bad luck")
    said = capsys.readouterr().out.splitlines()
    assert "not solved yet" in said[0] and "expected one of the causes" in said[1]


def shows(value, words, *, small):
    """Whether a measured number is what the table of causes says of it."""
    return {
        "0": abs(value) < small,
        "about 0": abs(value) < small,
        "> 0": value > 10 * small,
        "large": value > 10 * small,
        "> 1": value > 1.1,
        "< 1": value < 0.9,
    }[words]


@pytest.mark.parametrize("name", RIGHT)
def test_every_case_shows_the_signs_of_its_cause(name):
    found = case(name)
    small = {"loss": 1e-4, "boundary_gap": 1e-3, "target_lag": 1e-2, "std_ratio": 0.05}
    for sign, words in CAUSES[RIGHT[name]].items():
        assert shows(getattr(found, sign), words, small=small[sign]), sign


def test_the_healthy_case_has_no_sign_of_illness():
    found = case("healthy")
    assert max(found.loss, found.boundary_gap, found.target_lag) < 1e-9 and abs(found.std_ratio - 1) < 0.03


def test_noise_after_the_last_step_adds_its_variance():
    assert case("B").std_ratio == pytest.approx(math.hypot(0.5, 0.3) / 0.5, rel=0.03)


@pytest.mark.parametrize("call", [lambda: case("E"), lambda: check_diagnosis("E", "slow target")])
def test_an_unknown_case_is_refused(call):
    with pytest.raises(ValueError, match="expected a case among A, B, C, D"):
        call()
