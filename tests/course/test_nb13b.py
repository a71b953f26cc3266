"""The checks of notebook 13b: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb13b import check_drift, check_stable_target


def pulled(kernel, axis=1):
    """An answer with this logarithm of the kernel."""

    def drift(x, y, z, tau):
        to, among = (kernel(torch.cdist(x, points), tau) for points in (y, z))
        return to.softmax(axis) @ y - among.softmax(axis) @ z

    return drift


right = pulled(lambda d, tau: -d / tau)


def unweighted(x, y, z, tau):
    return (-torch.cdist(x, y) / tau).exp() @ y - (-torch.cdist(x, z) / tau).exp() @ z


def with_self(x, y, z, tau):
    return right(x, y, torch.cat([z, x]), tau)


DRIFTS = [
    (right, "PASS"),
    (lambda x, y, z, tau: None, "not solved yet"),
    (lambda x, y, z, tau: -right(x, y, z, tau), "flee from the data"),
    (lambda x, y, z, tau: (-torch.cdist(x, y) / tau).softmax(1) @ y - x, "attraction alone"),
    (pulled(lambda d, tau: -d / tau, 0), "runs over the samples"),
    (pulled(lambda d, tau: d / tau), "sign in the exponent"),
    (pulled(lambda d, tau: -(d**2) / tau), "squared"),
    (pulled(lambda d, tau: -(d**2) / (2 * tau**2)), "Gaussian window"),
    (pulled(lambda d, tau: -d * tau), "so divide"),
    (unweighted, "do not sum to 1"),
    (with_self, "the numbers differ"),
    (lambda x, y, z, tau: right(x, y, z, tau)[0], "shape"),
    (lambda x, y, z, tau: right(x, y, z, tau) * 3, "constant factor"),
    (lambda x, y, z, tau: right(x.sub_(1) + 1, y, z, tau), "in place"),
]


def mean(x_t, points, scale, power=2, axis=1):
    return (-(torch.cdist(x_t, points) ** power) / scale).softmax(axis) @ points


def target(change):
    """An answer from the noise's variance, t itself, and all references."""
    return lambda x_t, t, x0, others: change(x_t, t[:, None], torch.cat([x0, others]))


TARGETS = [
    (target(lambda x_t, t, points: mean(x_t, points, 2 * t**2)), "PASS"),
    (lambda x_t, t, x0, others: None, "not solved yet"),
    (lambda x_t, t, x0, others: mean(x_t, others, 2 * t[:, None] ** 2), "biased"),
    (lambda x_t, t, x0, others: x0.clone(), "the one x0"),
    (target(lambda x_t, t, points: mean(x_t, points, t**2)), "the 2 below the line"),
    (target(lambda x_t, t, points: mean(x_t, points, 2 * t)), "not by 2 t"),
    (target(lambda x_t, t, points: mean(x_t, points, 2 * t**2, 1)), "must be squared"),
    (target(lambda x_t, t, points: mean(x_t, points, 2 * t**2, 2, 0)), "runs over the x_t"),
    (target(lambda x_t, t, points: points.mean(0).expand(len(x_t), 2)), "count alike"),
    (target(lambda x_t, t, points: mean(x_t, points, -2 * t**2)), "sign in the exponent"),
    (lambda x_t, t, x0, others: mean(x_t, torch.cat([x0, others]), 2 * t**2), "it stops"),
]


@pytest.mark.parametrize(("answer", "words"), DRIFTS, ids=range(len(DRIFTS)))
def test_what_it_says_of_a_drift(answer, words, capsys):
    check_drift(answer)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1


@pytest.mark.parametrize(("answer", "words"), TARGETS, ids=range(len(TARGETS)))
def test_what_it_says_of_a_target(answer, words, capsys):
    check_stable_target(answer)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1


def test_they_are_the_drift_and_the_target_of_the_package(capsys):
    from minicm.losses.stable import batch_denoiser
    from minicm.paths import VE
    from minicm.rivals import laplace, mean_shift

    check_drift(lambda x, y, z, tau: mean_shift(x, y, laplace(tau)) - mean_shift(x, z, laplace(tau)))
    check_stable_target(lambda x_t, t, x0, others: batch_denoiser(torch.cat([x0, others]), VE())(x_t, t))
    assert capsys.readouterr().out.count("PASS") == 2
