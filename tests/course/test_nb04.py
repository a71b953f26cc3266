"""The checks of notebook 04: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb04 import check_edm_weight, check_ema_update, check_linear_scaling, check_velocity_target
from minicm.losses import denoising_loss
from minicm.paths import VE, Linear, TrigFlow
from minicm.precond import EDMScaling


def linear_scaling(t, d):
    """EDM's scalings, moved to the linear path: its states are those of VE times 1 − t."""
    c_skip, _, c_in, _ = EDMScaling(d)(Linear().nsr(t))
    return c_skip / (1 - t), c_in / (1 - t)


def edm_weight(nsr, d):
    """The loss of a denoiser that is off by 1 in every coordinate."""
    x0 = torch.zeros(len(nsr), 2, dtype=nsr.dtype)
    return denoising_loss(lambda x, t: 0 * x + 1, x0, 0 * x0, nsr, path=VE(), sigma_data=d)


def velocity_target(x0, eps, t):
    return TrigFlow().velocity(TrigFlow().mix(x0, eps, t), t, x0)


def ema_update(average, parameter, n, decay):
    return average.lerp(parameter.detach(), 1 - min(decay, (1 + n) / (10 + n)))


def row_target(x0, eps, t):
    return 0.5 * t.cos() * eps - t.sin() * x0


def in_place(average, parameter, n, decay):
    return average.mul_(decay).add_((1 - decay) * parameter.detach())


CASES = [
    (check_linear_scaling, lambda t, d: None, "not solved yet"),
    (check_linear_scaling, linear_scaling, "PASS"),
    (check_linear_scaling, lambda t, d: linear_scaling(t, d)[::-1], "wrong order"),
    (check_linear_scaling, lambda t, d: linear_scaling(t, d)[0], "expected the two tensors"),
    (check_linear_scaling, lambda t, d: EDMScaling(d)(t)[0:3:2], "c_in is EDM's"),
    (check_linear_scaling, lambda t, d: (t, linear_scaling(t, d)[1] ** 2), "c_in is 1/variance"),
    (check_linear_scaling, lambda t, d: (t, 1 / (d * (1 - t) + t)), "the variances add"),
    (check_linear_scaling, lambda t, d: (1 - t, linear_scaling(t, d)[1]), "how well x predicts x0"),
    (
        check_linear_scaling,
        lambda t, d: (linear_scaling(t, d)[0] / (1 - t), linear_scaling(t, d)[1]),
        "c_skip lacks a factor",
    ),
    (check_linear_scaling, lambda t, d: linear_scaling(t, 0.5), "c_in takes .5"),
    (check_linear_scaling, lambda t, d: (linear_scaling(t, 0.5)[0], linear_scaling(t, d)[1]), "c_skip takes .5"),
    (
        check_linear_scaling,
        lambda t, d: (linear_scaling(t, d)[0] * (0.5 / d) ** 2, linear_scaling(t, d)[1]),
        "c_skip takes .5 for sigma_data in Cov",
    ),
    (check_linear_scaling, lambda t, d: (t, linear_scaling(t, d**0.5)[1]), "c_in takes sigma_data for a variance"),
    (check_linear_scaling, lambda t, d: (t, (d**2 * (1 - t) + t**2) ** -0.5), "c_in lacks a square"),
    (
        check_linear_scaling,
        lambda t, d: (linear_scaling(t, d)[0] / d, linear_scaling(t, d)[1]),
        "c_skip takes sigma_data for a variance",
    ),
    (check_linear_scaling, lambda t, d: (-linear_scaling(t, d)[0], linear_scaling(t, d)[1]), "c_skip: the sign"),
    (check_edm_weight, lambda nsr, d: None, "not solved yet"),
    (check_edm_weight, edm_weight, "PASS"),
    (check_edm_weight, lambda nsr, d: edm_weight(nsr, d).sqrt(), "the error enters squared"),
    (check_edm_weight, lambda nsr, d: (nsr**2 + d**2) / (nsr * d), "must be squared as well"),
    (check_edm_weight, lambda nsr, d: edm_weight(nsr, 0.5), "your sigma_data is .5"),
    (check_edm_weight, lambda nsr, d: 1 / edm_weight(nsr, d), "this is c_out²"),
    (check_edm_weight, lambda nsr, d: nsr**-2, "predicts the noise"),
    (check_edm_weight, lambda nsr, d: (d * nsr.sin()) ** -2, "nsr for TrigFlow's angle: the angle"),
    (check_edm_weight, lambda nsr, d: (0.5 * nsr.sin()) ** -2, "and .5 for sigma_data"),
    (check_edm_weight, lambda nsr, d: (d * nsr.atan().sin()) ** -2, "your angle is arctan(nsr)"),
    (check_edm_weight, lambda nsr, d: (d * (nsr / d).atan().sin()) ** -2, "PASS"),
    (check_edm_weight, lambda nsr, d: (nsr + d) ** 2 / (nsr * d) ** 2, "two stds are added"),
    (check_edm_weight, lambda nsr, d: (nsr * d) ** -2, "has a denominator too"),
    (check_velocity_target, lambda x0, eps, t: None, "not solved yet"),
    (check_velocity_target, velocity_target, "PASS"),
    (check_velocity_target, lambda x0, eps, t: velocity_target(x0, 2 * eps, t), "z = σ_d ε"),
    (check_velocity_target, lambda x0, eps, t: -velocity_target(x0, eps, t), "t grows from data to noise"),
    (check_velocity_target, lambda x0, eps, t: velocity_target(-x0, eps, t), "derivative of cos t"),
    (check_velocity_target, lambda x0, eps, t: TrigFlow().mix(x0, eps, t), "this is the state"),
    (check_velocity_target, lambda x0, eps, t: TrigFlow().mix(x0, -eps, t), "each part keeps its own"),
    (check_velocity_target, row_target, "wrong axis"),
    (check_velocity_target, lambda x0, eps, t: t.cos()[:, None, None] * eps, "shape is wrong"),
    (check_ema_update, lambda average, parameter, n, decay: None, "not solved yet"),
    (check_ema_update, ema_update, "PASS"),
    (check_ema_update, lambda a, p, n, decay: decay * a + (1 - decay) * p, "the warm-up min(decay"),
    (check_ema_update, lambda a, p, n, decay: ema_update(p, a, n, decay), "share of the past"),
    (check_ema_update, lambda a, p, n, decay: a.lerp(p, 1 - (1 + n) / (10 + n)), "β exceeds decay"),
    (check_ema_update, lambda a, p, n, decay: ema_update(a, p, n - 1, decay), "one update off"),
    (check_ema_update, lambda a, p, n, decay: a.lerp(p, 1 - decay * (1 + n) / (10 + n)), "are multiplied"),
    (check_ema_update, lambda a, p, n, decay: a.lerp(p, 1 - min(decay, (1 + n) / (10 + n))), "autograd graph"),
    (check_ema_update, in_place, "argument number 1 in place"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
