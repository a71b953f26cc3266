"""Stochastic samplers: exact moments on Gaussians, and no noise where none is asked for."""

import math

import pytest
import torch
from gauntlet import INNER, PATHS, mixture, name

from minicm.oracles import gaussian
from minicm.paths import VE, Linear
from minicm.solvers import edm_stochastic, heun_step, integrate, probability_flow, reverse_sde
from minicm.times import karras_grid

by_path = pytest.mark.parametrize("path", PATHS, ids=name)
STD, MEAN = 0.5, 0.3


def inner(path, n):
    low, high = INNER[name(path)]
    return torch.linspace(high, low, n + 1)


def variance(path, t):
    return (path.alpha(t) * STD) ** 2 + path.sigma(t) ** 2


@by_path
def test_reverse_sde_keeps_the_marginals(path):
    """Mean and variance of 10 000 samples: the law at s, within 4 standard errors and the bias of 100 steps."""
    n, times = 10_000, inner(path, 100)
    g = torch.Generator().manual_seed(3)
    t, s = times[:1], times[-1:]
    x = path.alpha(t) * MEAN + variance(path, t).sqrt() * torch.randn(n, 1, generator=g)
    x = reverse_sde(gaussian(torch.tensor([MEAN]), STD).denoiser(path), x, times, path, g)
    bias = 0.06
    v = variance(path, s).item()
    assert x.mean().item() == pytest.approx(
        (path.alpha(s) * MEAN).item(), abs=4 * math.sqrt(v / n) + bias * math.sqrt(v)
    )
    assert x.var().item() == pytest.approx(v, rel=4 * math.sqrt(2 / n) + bias)


@by_path
def test_reverse_sde_forgets_as_the_posterior_does(path):
    """Equal noise, two starts: their distance shrinks by the posterior's slope α_t V_s/(α_s V_t), at order 1."""
    denoise, (t, s) = gaussian(torch.zeros(1), STD).denoiser(path), inner(path, 1)
    exact = (path.alpha(t) * variance(path, s) / (path.alpha(s) * variance(path, t))).item()
    errors = []
    for n in (64, 128):
        starts = (torch.full((1, 1), x) for x in (0.0, 1.0))
        ends = [reverse_sde(denoise, x, inner(path, n), path, torch.Generator().manual_seed(1)) for x in starts]
        errors.append(abs((ends[1] - ends[0]).item() / exact - 1))
    assert errors[0] < 0.5
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.35)


@by_path
def test_reverse_sde_has_weak_order_1(path):
    """The variance that the discrete scheme ends with, summed from the response to each step's noise."""
    denoise, (t, s) = gaussian(torch.zeros(1), STD).denoiser(path), inner(path, 1)

    def end_variance(n):
        grid, total = inner(path, n), variance(path, t).item()
        for i in range(n):
            slope, spread = one_step(denoise, grid[i : i + 2], path)
            total = slope**2 * total + spread**2
        return total

    errors = [abs(end_variance(n) / variance(path, s).item() - 1) for n in (64, 128)]
    assert errors[0] < 0.5
    assert math.log2(errors[0] / errors[1]) == pytest.approx(1, abs=0.35)


def one_step(denoise, pair, path):
    """How one step multiplies a difference of starts, and the size of the noise it adds, from a known draw."""
    ends = [
        reverse_sde(denoise, torch.full((1, 1), x), pair, path, torch.Generator().manual_seed(1)).item()
        for x in (0.0, 1.0)
    ]
    return ends[1] - ends[0], ends[0] / torch.randn(1, 1, generator=torch.Generator().manual_seed(1)).item()


def test_the_noise_is_that_of_the_forward_process():
    """On VE one step adds variance g² |h| = 2 t (t − s), the increase of σ² to first order."""
    pair = torch.tensor([2.0, 1.999])
    _, g = one_step(gaussian(torch.zeros(1), STD).denoiser(VE()), pair, VE())
    assert g**2 == pytest.approx(2.0**2 - 1.999**2, rel=1e-3)


def test_reverse_sde_repeats_with_its_generator():
    denoise, x = mixture().denoiser(VE()), torch.randn(4, 2)
    one, two, other = (
        reverse_sde(denoise, x, inner(VE(), 9), VE(), torch.Generator().manual_seed(k)) for k in (1, 1, 2)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_without_churn_it_is_heun_bit_for_bit():
    denoise, x = mixture().denoiser(VE()), 80 * torch.randn(9, 2)
    generator = torch.Generator().manual_seed(1)
    before = generator.get_state()
    heun = integrate(probability_flow(denoise, VE()), x, karras_grid(17), heun_step)
    assert torch.equal(edm_stochastic(denoise, x, karras_grid(17), generator), heun)
    assert torch.equal(generator.get_state(), before)
    outside = edm_stochastic(denoise, x, karras_grid(17), churn=40.0, churn_min=100.0)
    assert torch.equal(outside, heun)


@pytest.mark.parametrize("churn", [10.0, 60.0])
def test_churn_keeps_the_variance(churn):
    """Gaussian data, 64 levels: s² + t_min² within 4 standard errors and Heun's error of 1 %."""
    n, grid = 20_000, karras_grid(63)
    g = torch.Generator().manual_seed(4)
    x = MEAN + math.sqrt(80.0**2 + STD**2) * torch.randn(n, 1, generator=g)
    x = edm_stochastic(gaussian(torch.tensor([MEAN]), STD).denoiser(VE()), x, grid, g, churn=churn)
    assert x.var().item() == pytest.approx(STD**2 + 0.002**2, rel=4 * math.sqrt(2 / n) + 0.02)
    assert x.mean().item() == pytest.approx(MEAN, abs=4 * STD / math.sqrt(n) + 0.005)


@pytest.mark.parametrize(("churn", "gain"), [(3.0, 0.75), (40.0, math.sqrt(2) - 1), (1.0, 0.25)])
def test_churn_lifts_the_level_and_the_variance_together(churn, gain):
    """N = 4 levels: γ = min(churn/4, √2 − 1), Heun starts at t (1 + γ), and x̂ has the variance of that level."""
    gain, seen = min(gain, math.sqrt(2) - 1), []

    def denoise(x, t):
        seen.append((x, t))
        return torch.zeros_like(x)  # data at 0: x is all noise

    g = torch.Generator().manual_seed(5)
    x = 8.0 * torch.randn(40_000, 1, generator=g)
    edm_stochastic(denoise, x, torch.tensor([8.0, 4.0, 2.0, 1.0]), g, churn=churn, churn_min=3.0)
    levels = [t[0].item() for _, t in seen[::2]]
    assert levels == pytest.approx([8 * (1 + gain), 4 * (1 + gain), 2.0], rel=1e-12)
    assert [t[0].item() for _, t in seen[1::2]] == [4.0, 2.0, 1.0]
    for x, t in seen:
        assert x.std().item() == pytest.approx(t[0].item(), rel=4 / math.sqrt(2 * 40_000))


def test_churn_noise_scales_the_noise():
    x, grid = torch.zeros(40_000, 1), torch.tensor([8.0, 4.0])
    x = edm_stochastic(
        lambda x, t: torch.zeros_like(x), x, grid, torch.Generator().manual_seed(6), churn=9.0, churn_noise=1.5
    )
    # data at 0, exact under Heun: x̂ = 1.5 √(t̂² − t²) z = 1.5 t z, carried from t̂ = √2 t to 4
    assert x.std().item() == pytest.approx(1.5 * 8 * 4 / (8 * math.sqrt(2)), rel=4 / math.sqrt(2 * 40_000))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: reverse_sde(lambda x, t: x, x, torch.tensor([1.0, 2.0]), VE()), "decrease"),
        (lambda x: reverse_sde(lambda x, t: x, x, torch.tensor([1.0, 0.5]), Linear()), "alpha > 0"),
        (lambda x: reverse_sde(lambda x, t: x, x, torch.tensor([90.0, 0.5]), VE()), "times of VE"),
        (lambda x: edm_stochastic(lambda x, t: x, x, torch.tensor([1.0, 2.0])), "decrease"),
        (lambda x: edm_stochastic(lambda x, t: x, x, karras_grid(4), churn=-1.0), "churn >= 0"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 2))
