"""Discrete consistency losses: exact flows, closed-form optima, gradients, and the pairs of times of each recipe."""

import math

import pytest
import torch
from gauntlet import PATHS, SHAPES, mixture, name, some_t
from hypothesis import given
from hypothesis import strategies as st

from minicm.losses import cd, consistency_loss, ct, ect, ict, l2, neighbours, pseudo_huber, reciprocal_gap, squared
from minicm.losses.discrete import ConsistencyLoss
from minicm.nets import MLP
from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import VE, TrigFlow
from minicm.precond import ConsistencyScaling, Preconditioned, transport
from minicm.shapes import like
from minicm.solvers import ddim_step, euler_step, heun_step
from minicm.times import karras_grid

MEAN, STD = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.7


def small_model():
    return Preconditioned(MLP(2, width=16, depth=2).double(), ConsistencyScaling())


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_exact_flow_has_a_distillation_loss_that_falls_at_the_solvers_rate(path):
    """Heun's local error is of order 3: the root of a squared loss falls eightfold when t − s is halved."""
    flow, teacher = gaussian_flow(MEAN, STD, path), gaussian(MEAN, STD).denoiser(path)
    exact = lambda x, t: flow(x, t, torch.full_like(t, path.t_min))  # noqa: E731
    x0, eps, t = torch.randn(64, 2), torch.randn(64, 2), some_t(path, 64)
    roots = [
        consistency_loss(exact, x0, eps, t, t * (1 - h), path=path, teacher=teacher, step=heun_step).mean().sqrt()
        for h in (0.1, 0.05, 0.025)
    ]
    assert 6 < roots[0] / roots[1] < 10 and 6 < roots[1] / roots[2] < 10


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("shape", SHAPES)
def test_training_is_distillation_from_the_constant_denoiser_x0(path, shape):
    x0, eps, t = torch.randn(7, *shape), torch.randn(7, *shape), some_t(path)
    model = mixture(shape).denoiser(path)
    s = 0.8 * t
    training = consistency_loss(model, x0, eps, t, s, path=path)
    distillation = consistency_loss(model, x0, eps, t, s, path=path, teacher=lambda x, u: x0, step=ddim_step(path))
    torch.testing.assert_close(training, distillation)


def test_on_ve_one_ddim_step_is_one_euler_step():
    path, teacher = VE(), mixture().denoiser(VE())
    x0, eps, t = torch.randn(7, 2), torch.randn(7, 2), some_t(VE())
    values = [
        consistency_loss(teacher, x0, eps, t, t / 2, path=path, teacher=teacher, step=s) for s in (None, euler_step)
    ]
    torch.testing.assert_close(*values)


def linear_optimum(path, t, s, slope_s, std, teacher=None, step=None):
    """The a that minimises the loss of f(x, t) = a x when f(x, s) = slope_s x: a parabola through three values."""
    n = 400_000
    x0, eps = std * torch.randn(n, 1), torch.randn(n, 1)
    value = lambda a: consistency_loss(  # noqa: E731
        lambda x, u: a * x, x0, eps, torch.full((n,), t), torch.full((n,), s), path=path, teacher=teacher, step=step,
        target=lambda x, u: slope_s * x,
    ).mean()  # fmt: skip
    low, middle, high = value(0.0), value(0.5), value(1.0)
    curve, slope = 2 * (low - 2 * middle + high), -3 * low + 4 * middle - high
    return (-slope / (2 * curve)).item()


@pytest.mark.parametrize("teacher", ["none", "exact"])
def test_the_optimum_on_gaussian_data_is_the_euler_solution(teacher):
    """With and without a teacher: a(t) = a(s) (σ_x² + s t)/(σ_x² + t²), so both inherit Euler's shrinkage."""
    std, t, s = 0.5, 3.2, 1.1
    denoise = gaussian(torch.zeros(1), std).denoiser(VE()) if teacher == "exact" else None
    expected = 0.4 * (std**2 + s * t) / (std**2 + t**2)
    assert linear_optimum(VE(), t, s, 0.4, std, denoise) == pytest.approx(expected, rel=5e-3)


def test_distillation_with_heun_inherits_heuns_inflation():
    std, t, s = 0.5, 3.2, 1.1
    h, k1 = s - t, t / (std**2 + t**2)
    heun = 1 + h / 2 * (k1 + s / (std**2 + s**2) * (1 + h * k1))
    teacher = gaussian(torch.zeros(1), std).denoiser(VE())
    assert linear_optimum(VE(), t, s, 0.4, std, teacher, heun_step) == pytest.approx(0.4 * heun, rel=1e-6)


@pytest.mark.parametrize("stage, ratio", list(enumerate([0.597, 0.678, 0.862, 0.937, 0.970, 0.985, 0.993, 0.996])))
def test_ect_pairs_lead_to_the_known_fixed_points(stage, ratio):
    """The std of one-step samples over the truth at each stage, on Gaussian data of std ½ (walk down the pairs)."""
    path, std = VE(t_min=1e-7), 0.5
    law = lambda n, generator: torch.full((n,), level)  # noqa: E731
    pairs = ect(path, 8, law=law).pairs
    level, a = 80.0, 1.0
    while level > 1e-6:
        t, s = pairs(1, stage, None)
        a *= ((std**2 + s * t) / (std**2 + t**2)).item()
        level = s.item()
    exact = math.sqrt(std**2 / (std**2 + 80**2))
    assert a / exact == pytest.approx(ratio, abs=1e-3)


def test_no_gradient_reaches_the_target_and_only_the_noisier_side_carries_one():
    model, other = small_model(), small_model()
    x0, eps, t = torch.randn(7, 2), torch.randn(7, 2), some_t(VE())
    consistency_loss(model, x0, eps, t, t / 2, path=VE(), target=other).sum().backward()
    assert all(p.grad is None for p in other.parameters()) and all(p.grad is not None for p in model.parameters())
    parameters = list(model.parameters())
    own = torch.autograd.grad(consistency_loss(model, x0, eps, t, t / 2, path=VE()).sum(), parameters)
    with torch.no_grad():
        aim = model(VE().mix(x0, eps, t / 2), t / 2)
    frozen = torch.autograd.grad(squared(model(VE().mix(x0, eps, t), t), aim).sum(), parameters)
    for a, b in zip(own, frozen, strict=True):
        torch.testing.assert_close(a, b)


def test_both_sides_see_the_same_dropout_mask():
    dropout = torch.nn.Dropout(0.5)
    seen = []

    def model(x, t):
        seen.append(dropout(torch.ones(7, 64)))
        return x

    x0, t = torch.randn(7, 2), some_t(VE())
    consistency_loss(model, x0, torch.randn(7, 2), t, t / 2, path=VE())
    assert torch.equal(*seen) and not torch.equal(seen[0], dropout(torch.ones(7, 64)))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_permuted_batch_gives_the_permuted_loss(shape):
    path, n = VE(), shape[0]  # the batch as long as an axis of the event
    x0, eps, t, order = torch.randn(n, *shape), torch.randn(n, *shape), some_t(path, n), torch.randperm(n)
    model = mixture(shape).denoiser(path)
    value = consistency_loss(model, x0, eps, t, t / 2, path=path)
    torch.testing.assert_close(
        consistency_loss(model, x0[order], eps[order], t[order], t[order] / 2, path=path), value[order]
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("distance", [squared, l2, pseudo_huber(0.03)])
def test_distances_are_per_sample_symmetric_and_zero_only_for_equals(distance, shape):
    a, b = torch.randn(5, *shape), torch.randn(5, *shape)
    torch.testing.assert_close(distance(a, b), distance(b, a))
    assert (distance(a, a) == 0).all() and (distance(a, b) > 0).all()
    torch.testing.assert_close(distance(a, b)[2:3], distance(a[2:3], b[2:3]))


def test_distances_of_a_known_triangle():
    a, b = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    assert [d(a, b).item() for d in (squared, l2)] == [25, 5]
    assert pseudo_huber(12.0)(a, b).item() == pytest.approx(1)  # √(25 + 144) − 12


def test_pseudo_huber_is_squared_when_near_and_the_norm_when_far():
    a, b = torch.zeros(1, 3), torch.ones(1, 3)
    torch.testing.assert_close(2e4 * pseudo_huber(1e4)(a, b), squared(a, b), rtol=1e-6, atol=0)
    torch.testing.assert_close(pseudo_huber(1e-9)(a, b), l2(a, b))


@given(batch=st.integers(1, 64), share=st.floats(0, 1), seed=st.integers(0, 10))
@pytest.mark.parametrize("path", [VE(), TrigFlow()], ids=name)
@pytest.mark.parametrize("recipe", [ct, ict, ect])
def test_pairs_stay_on_the_path_with_s_below_t(recipe, path, batch, share, seed):
    t, s = recipe(path, 1000).pairs(batch, int(1000 * share), torch.Generator().manual_seed(seed))
    assert t.shape == s.shape == (batch,)
    assert (path.t_min <= s).all() and (s < t).all() and (t <= path.t_max).all()


def test_cd_draws_neighbours_of_the_karras_grid_equally_often():
    t, s = cd(VE(), lambda x, t: x).pairs(17_000, 0, torch.Generator().manual_seed(0))
    grid = karras_grid(17)
    torch.testing.assert_close(torch.unique(t).flip(0), grid[:-1])
    torch.testing.assert_close(torch.unique(s).flip(0), grid[1:])
    index = torch.searchsorted(-grid, -t)
    torch.testing.assert_close(s, grid[index + 1])
    assert index.bincount().float().sub(1000).abs().max() < 5 * math.sqrt(1000)


def test_ict_draws_levels_by_the_discretised_log_normal_and_weights_by_the_gap():
    loss = ict(VE(), 800)
    t, s = loss.pairs(100_000, 0, torch.Generator().manual_seed(0))
    share = (s < 0.0021).double().mean()
    assert abs(share - 0.0626) < 4 * math.sqrt(0.0626 / 1e5)
    torch.testing.assert_close(loss.weight(t, s)[s < 0.0021][0], torch.tensor(67.93), rtol=2e-3, atol=0)
    torch.testing.assert_close(reciprocal_gap(VE())(torch.tensor([3.0]), torch.tensor([1.0])), torch.tensor([0.5]))


@pytest.mark.parametrize("recipe", [ict, ect])
def test_the_papers_weight_is_the_same_on_every_path(recipe):
    """Pairs of equal noise levels weigh the same, whether time is a level or an angle."""
    ve, trig = VE(), TrigFlow()
    on_ve, on_trig = recipe(ve, 100), recipe(trig, 100)
    t, s = on_ve.pairs(64, 50, torch.Generator().manual_seed(0))
    torch.testing.assert_close(on_trig.weight(trig.time_at(t), trig.time_at(s)), on_ve.weight(t, s), rtol=1e-6, atol=0)


def test_ct_levels_grow_with_the_iteration():
    loss, g = ct(VE(), 1000), torch.Generator().manual_seed(0)
    count = lambda k: len(torch.unique(loss.pairs(20_000, k, g)[0]))  # noqa: E731
    assert count(0) == 1 and count(1000) == 150


def test_the_weight_multiplies_each_sample():
    pairs = neighbours(lambda k: torch.tensor([4.0, 2.0, 1.0]))
    x0, model = torch.randn(64, 2), mixture().denoiser(VE())
    plain, halved = (
        ConsistencyLoss(VE(), pairs, weight=w)(model, x0, 0, torch.Generator().manual_seed(0))
        for w in (lambda t, s: torch.ones_like(t), reciprocal_gap(VE()))
    )
    t, s = pairs(64, 0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(halved, plain / (t - s))


def test_ve_and_trigflow_losses_agree_on_the_same_model():
    """Equal noise-to-signal ratios, the transported model and teacher: the same number."""
    ve, trig, m = VE(), TrigFlow(), mixture()
    model, teacher = (lambda x, t: like(1 / (1 + t), x) * x), m.denoiser(ve)
    x0, eps, t = torch.randn(7, 2), torch.randn(7, 2), some_t(ve)
    on_ve = consistency_loss(model, x0, eps, t, t / 2, path=ve, teacher=teacher)
    on_trig = consistency_loss(
        transport(model, ve, trig), x0, eps, trig.time_at(t), trig.time_at(t / 2), path=trig,
        teacher=transport(teacher, ve, trig),
    )  # fmt: skip
    torch.testing.assert_close(on_ve, on_trig)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="^expected c > 0, got 0"):
        pseudo_huber(0)
