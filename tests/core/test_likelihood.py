"""Likelihoods against densities in closed form, traces against dense Jacobians."""

import math

import pytest
import torch
from gauntlet import INNER, PATHS, SHAPES, mixture, name
from torch.func import jacrev, vmap

from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import VE
from minicm.shapes import like
from minicm.solvers import (
    bits_per_dim,
    exact_trace,
    heun_step,
    hutchinson_trace,
    log_likelihood,
    probability_flow,
    rademacher,
)
from minicm.times import karras_grid, log_grid

by_path = pytest.mark.parametrize("path", PATHS, ids=name)
by_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def inner(path, n):
    """n steps, even in ln(σ/α), over the path's inner interval."""
    low, high = (path.nsr(torch.tensor(t)).item() for t in INNER[name(path)])
    return path.time_at(log_grid(n, low, high))


def true_prior(oracle, path, t):
    return lambda x: oracle.log_prob(x, t.expand(len(x)), path)


@by_path
@by_shape
def test_gaussian_with_its_exact_prior(path, shape):
    """log N(x; α m, α² s² + σ²) at the data end; from one probe too, for the Jacobian is a multiple of 1."""
    oracle, grid = gaussian(torch.randn(shape), 0.8), path.time_at(log_grid(20, 0.7, 1.0))
    x = torch.randn(5, *shape)
    want = oracle.log_prob(x, grid[-1:].expand(5), path)
    for trace in (exact_trace, hutchinson_trace(rademacher(x)))[shape != (2,) :]:
        prior = true_prior(oracle, path, grid[:1])
        got = log_likelihood(oracle.denoiser(path), x, path, grid, trace=trace, prior_log_prob=prior)
        assert torch.allclose(got, want, rtol=0, atol=5e-8)


@by_path
def test_mixture_density(path):
    oracle, grid, x = mixture(), inner(path, 32), torch.randn(20, 2)
    got = log_likelihood(oracle.denoiser(path), x, path, grid, prior_log_prob=true_prior(oracle, path, grid[:1]))
    assert torch.allclose(got, oracle.log_prob(x, grid[-1:].expand(20), path), rtol=0, atol=6e-5)


def test_default_prior_is_normal_and_misses_by_what_the_data_adds():
    """N(0, 80²) for N(m, s² + 80²): the difference of the two at the noise end, and little."""
    oracle, x, grid = gaussian(torch.tensor([0.3, -0.6]), 0.8), torch.randn(6, 2), log_grid(40)
    prior = true_prior(oracle, VE(), grid[:1])
    got = log_likelihood(oracle.denoiser(VE()), x, VE(), grid)
    exact = log_likelihood(oracle.denoiser(VE()), x, VE(), grid, prior_log_prob=prior)
    noise = gaussian_flow(oracle.means[0], 0.8, VE())(x, grid[-1:].expand(6), grid[:1].expand(6))
    normal = torch.distributions.Normal(0.0, 80.0).log_prob(noise).sum(1)
    assert torch.allclose(got - exact, normal - prior(noise), rtol=0, atol=1e-5)
    assert 1e-4 < (got - exact).abs().max() < 0.1


def test_the_density_integrates_to_one():
    """A check that needs no closed form: the mixture's likelihood summed over a fine square."""
    oracle, side = mixture(), torch.linspace(-7, 7, 36)
    x = torch.cartesian_prod(side, side)
    grid = log_grid(20, 0.4, 5.0)
    log_p = log_likelihood(oracle.denoiser(VE()), x, VE(), grid, prior_log_prob=true_prior(oracle, VE(), grid[:1]))
    assert (log_p.exp().sum() * (side[1] - side[0]) ** 2).item() == pytest.approx(1, abs=1e-3)


@by_path
def test_either_order_of_the_grid_and_any_step(path):
    oracle, grid, x = mixture(), inner(path, 14), torch.randn(4, 2)
    prior = true_prior(oracle, path, grid[:1])
    fine = log_likelihood(oracle.denoiser(path), x, path, grid, prior_log_prob=prior)
    assert torch.equal(log_likelihood(oracle.denoiser(path), x, path, grid.flip(0), prior_log_prob=prior), fine)
    heun = log_likelihood(oracle.denoiser(path), x, path, grid, prior_log_prob=prior, step=heun_step)
    assert 0 < (heun - fine).abs().max() < 0.1


@by_shape
def test_exact_trace_is_the_trace_of_the_jacobian(shape):
    velocity, x, t = (
        probability_flow(mixture(shape).denoiser(VE()), VE()),
        torch.randn(3, *shape),
        torch.tensor([0.3, 1.0, 4.0]),
    )
    v, divergence = exact_trace(velocity, x, t)
    dense = vmap(jacrev(lambda y, u: velocity(y[None], u[None])[0].flatten()))(x, t).flatten(2)
    assert torch.allclose(v, velocity(x, t))
    assert torch.allclose(divergence, dense.diagonal(dim1=1, dim2=2).sum(1), rtol=1e-10)


def test_hutchinson_is_unbiased_with_the_known_variance():
    """Over all four sign patterns in 2D: the mean is the trace, the variance 2 Σ_{i≠j} J_ij²  (J symmetric)."""
    velocity, x, t = probability_flow(mixture().denoiser(VE()), VE()), torch.randn(3, 2), torch.tensor([0.3, 1.0, 4.0])
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    estimates = torch.stack([hutchinson_trace(p.expand(3, 2))(velocity, x, t)[1] for p in signs])
    assert torch.allclose(estimates.mean(0), exact_trace(velocity, x, t)[1], rtol=1e-12)
    off = vmap(jacrev(lambda y, u: velocity(y[None], u[None])[0]))(x, t)[:, 0, 1]
    assert (off.abs() > 1e-3).all()
    assert torch.allclose(estimates.var(0, unbiased=False), 4 * off**2, rtol=1e-10)


def test_one_probe_serves_the_whole_trajectory():
    """Equal probes, equal answers; the average over many comes to the exact trace within 4 standard errors."""
    oracle, path, grid = mixture(), VE(), inner(VE(), 15)
    x = torch.randn(1, 2).expand(400, 2)
    probe = rademacher(x, torch.Generator().manual_seed(1))
    one, two = (log_likelihood(oracle.denoiser(path), x, path, grid, trace=hutchinson_trace(probe)) for _ in range(2))
    assert torch.equal(one, two)
    exact = log_likelihood(oracle.denoiser(path), x[:1], path, grid)
    assert (one.mean() - exact).abs().item() < 4 * one.std().item() / 20
    assert one.std() > 1e-3


def test_rademacher_draws_signs():
    p = rademacher(torch.zeros(10_000, 3, dtype=torch.float32), torch.Generator().manual_seed(1))
    assert p.dtype == torch.float32
    assert torch.equal(p.abs(), torch.ones_like(p))
    assert p.mean(0).abs().max() < 0.04
    assert (p.T @ p / 10_000 - torch.eye(3, dtype=torch.float32)).abs().max() < 0.04


def test_bits_per_dim_of_uniform_bytes_is_8():
    """A density of 1/2 on [−1, 1] in each of 12 dimensions."""
    assert torch.allclose(bits_per_dim(torch.full((3,), -12 * math.log(2)), 12), torch.full((3,), 8.0))
    assert torch.allclose(bits_per_dim(torch.zeros(1), 5, bin_width=1.0), torch.zeros(1))
    shift = bits_per_dim(torch.tensor([-3.0]), 4) - bits_per_dim(torch.tensor([0.0]), 4)
    assert shift.item() == pytest.approx(3 / (4 * math.log(2)))


def test_float32_stays_float32():
    oracle = mixture().to(torch.float32)
    got = log_likelihood(oracle.denoiser(VE()), torch.randn(3, 2, dtype=torch.float32), VE(), karras_grid(20))
    assert got.dtype == torch.float32
    assert got.isfinite().all()


@pytest.mark.parametrize(
    ("times", "message"), [([1.0], "grid of"), ([1.0, 3.0, 2.0], "strictly"), ([0.1, 100.0], "times of VE")]
)
def test_refusals(times, message):
    with pytest.raises(ValueError, match=message):
        log_likelihood(lambda x, t: x * like(t, x), torch.ones(2, 2), VE(), torch.tensor(times))
