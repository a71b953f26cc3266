"""The checks of notebook 06: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb06 import check_boundary_scalings, check_gaussian_f, check_inconsistency, check_one_step
from minicm.oracles import gaussian, gaussian_consistency
from minicm.paths import VE
from minicm.precond import ConsistencyScaling, EDMScaling


def boundary_scalings(t, t_min, d):
    return ConsistencyScaling(d, t_min)(t)[:2]


def all_shifted(t, t_min, d):
    return EDMScaling(d)(t - t_min)[:2]


def by_an_if(t, t_min, d):
    c_skip, c_out, _, _ = EDMScaling(d)(t)
    return torch.where(t == t_min, 1.0, c_skip), torch.where(t == t_min, 0.0, c_out)


def gaussian_f(x, t, mean, std, t_min):
    return gaussian_consistency(mean, std, VE(t_min=t_min))(x, t)


def gaussian_denoiser(x, t, mean, std, t_min):
    return gaussian(mean, std).denoiser(VE())(x, t)


def no_root(x, t, mean, std, t_min):
    return mean + ((std**2 + t_min**2) / (std**2 + t**2))[:, None] * (x - mean)


def gaps(f, states, times):
    """Distances (N + 1, B) between the ends that f gives and the last of them."""
    ends = torch.stack([f(x, t.expand(len(x))) for x, t in zip(states, times, strict=True)])
    return torch.cdist(ends.transpose(0, 1), ends[-1:].transpose(0, 1))[..., 0].T


def against_states(f, states, times):
    ends = torch.stack([f(x, t.expand(len(x))) for x, t in zip(states, times, strict=True)])
    return (ends - states[-1]).norm(dim=-1).max()


def between_neighbours(f, states, times):
    return max(gaps(f, states[k : k + 2], times[k : k + 2]).max() for k in range(len(times) - 1))


def one_step(f, eps, t_max):
    return f(t_max * eps, torch.full((len(eps),), t_max))


CASES = [
    (check_boundary_scalings, lambda t, t_min, d: None, "not solved yet"),
    (check_boundary_scalings, boundary_scalings, "PASS"),
    (check_boundary_scalings, all_shifted, "PASS"),
    (check_boundary_scalings, lambda t, t_min, d: EDMScaling(d)(t)[:2], "these are EDM's own"),
    (check_boundary_scalings, lambda t, t_min, d: boundary_scalings(t, t_min, d)[::-1], "wrong order"),
    (check_boundary_scalings, by_an_if, "they jump"),
    (check_boundary_scalings, lambda t, t_min, d: (1 + 0 * t, 0 * t), "c_skip at t ≫ t_min"),
    (
        check_boundary_scalings,
        lambda t, t_min, d: (boundary_scalings(t, t_min, d)[0], EDMScaling(d)(t)[1]),
        "still has a say",
    ),
    (
        check_boundary_scalings,
        lambda t, t_min, d: (EDMScaling(d)(t)[0], boundary_scalings(t, t_min, d)[1]),
        "f(x, t_min) is not x",
    ),
    (
        check_boundary_scalings,
        lambda t, t_min, d: (boundary_scalings(t, t_min, d)[0], -boundary_scalings(t, t_min, d)[1]),
        "the sign is wrong",
    ),
    (
        check_boundary_scalings,
        lambda t, t_min, d: (boundary_scalings(t, t_min, d)[0] - 3e-8, boundary_scalings(t, t_min, d)[1]),
        "off 1 by -3e-08",
    ),
    (check_gaussian_f, lambda x, t, mean, std, t_min: None, "not solved yet"),
    (check_gaussian_f, gaussian_f, "PASS"),
    (check_gaussian_f, gaussian_denoiser, "this is the denoiser"),
    (check_gaussian_f, lambda x, t, mean, std, t_min: gaussian_f(x, t, mean, std, 1e-9), "end at t = 0"),
    (check_gaussian_f, no_root, "lacks its root"),
    (check_gaussian_f, lambda x, t, mean, std, t_min: gaussian_f(x, t, 0 * mean, std, t_min), "never subtracted"),
    (check_gaussian_f, lambda x, t, mean, std, t_min: gaussian_f(x, t, mean, std, t_min) - mean, "not added back"),
    (check_gaussian_f, lambda x, t, mean, std, t_min: 2 * mean - gaussian_f(x, t, mean, std, t_min), "differ"),
    (
        check_gaussian_f,
        lambda x, t, mean, std, t_min: mean + gaussian_f(x, t, 0 * mean, std, t_min),
        "not subtracted before",
    ),
    (
        check_gaussian_f,
        lambda x, t, mean, std, t_min: mean + ((std + t_min) / (std + t))[:, None] * (x - mean),
        "the variances add",
    ),
    (check_inconsistency, lambda f, states, times: None, "not solved yet"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times).max(), "PASS"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times).max().item(), "PASS"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times).mean(), "you took the mean"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times.flip(0)).max(), "wrong order"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times)[0].max(), "only the first state"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times).sum(), "took the sum"),
    (check_inconsistency, lambda f, states, times: gaps(f, states.flip(0), times.flip(0)).max(), "f at the first"),
    (check_inconsistency, between_neighbours, "neighbours only"),
    (check_inconsistency, lambda f, states, times: gaps(f, states, times), "expected a number"),
    (check_inconsistency, lambda f, states, times: (states - states[-1]).norm(dim=-1).max(), "never called"),
    (check_inconsistency, lambda f, states, times: f(states[0], times[0]).max(), "expected t of shape (3,)"),
    (check_inconsistency, against_states, "with f at the last state"),
    (check_one_step, lambda f, eps, t_max: None, "not solved yet"),
    (check_one_step, one_step, "PASS"),
    (check_one_step, lambda f, eps, t_max: f(eps, torch.full((len(eps),), t_max)), "80 times as large"),
    (check_one_step, lambda f, eps, t_max: one_step(f, eps / t_max**0.5, t_max), "scaled by √t_max"),
    (check_one_step, lambda f, eps, t_max: f(t_max * eps, 0 * eps[:, 0] + 0.002), "must be t_max"),
    (check_one_step, lambda f, eps, t_max: one_step(f, eps, t_max) + 0.002 * eps, "nothing is left to do"),
    (check_one_step, lambda f, eps, t_max: one_step(f, one_step(f, eps, t_max), t_max), "called 2 times"),
    (check_one_step, lambda f, eps, t_max: f(t_max * eps, t_max), "stops in the line"),
    (check_one_step, lambda f, eps, t_max: t_max * eps, "called 0 times"),
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_is_said(check, student, words, capsys):
    check(student)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
