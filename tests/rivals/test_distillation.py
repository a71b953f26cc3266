"""Direct and progressive distillation: closed-form optima on Gaussians, and targets that undo the teacher's steps."""

import math

import pytest
import torch
from gauntlet import PATHS, SHAPES, mixture, name, some_t

from minicm.losses import squared
from minicm.nets import MLP
from minicm.oracles import gaussian, gaussian_consistency
from minicm.paths import VE, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import (
    DirectLoss,
    ProgressiveLoss,
    coefficients,
    direct_loss,
    drawn_pairs,
    fresh_pairs,
    halving_times,
    progressive_loss,
    solved_pairs,
)
from minicm.shapes import like
from minicm.solvers import ddim_step, heun_step, integrate, probability_flow, rk4_step
from minicm.times import karras_grid, log_grid

MEAN, STD = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.7


def grid_of(path, steps=16):
    low, high = path.nsr(torch.tensor([path.t_min, path.t_max])).tolist()
    return path.time_at(log_grid(steps, low, min(high, 80.0))).clamp(path.t_min, path.t_max)


@pytest.mark.parametrize("path", [VE(), TrigFlow()], ids=name)
def test_noise_sample_pairs_of_a_gaussian_lie_on_its_consistency_function(path):
    """The end is the denoised last state: f at t_min, which adds the little that the rest noise hides."""
    teacher, x = gaussian(MEAN, STD).denoiser(path), path.prior((32, 2))
    states, times, ends = solved_pairs(teacher, x, grid_of(path, 200), path, step=rk4_step)
    assert torch.equal(states[0], x) and times.tolist() == [path.t_max]
    end = gaussian_consistency(MEAN, STD, path)(x, torch.full((32,), path.t_max))
    low = torch.full((32,), path.t_min)
    torch.testing.assert_close(ends, teacher(end, low), rtol=1e-6, atol=1e-6)
    assert direct_loss(gaussian_consistency(MEAN, STD, path), x, low + path.t_max - path.t_min, ends).max() < 1e-4


def test_the_optimum_of_direct_distillation_is_affine_with_the_flows_slope():
    """f(x) = m + (x − m) √((s² + t_min²)/(s² + t_max²)) on VE, found by least squares through the pairs."""
    path, n = VE(t_min=1e-3, t_max=20.0), 1000
    x, t, end = fresh_pairs(gaussian(MEAN, STD).denoiser(path), (2,), grid_of(path, 60), path, step=rk4_step)(
        n, torch.Generator().manual_seed(0)
    )
    features = torch.stack([torch.ones(n), x[:, 0]], 1)
    offset, slope = torch.linalg.lstsq(features, end[:, :1]).solution[:, 0].tolist()
    expected = math.sqrt((STD**2 + 1e-6) / (STD**2 + 400))
    assert slope == pytest.approx(expected, rel=1e-4) and offset == pytest.approx(1 - expected, rel=1e-4)
    assert direct_loss(lambda x, t: MEAN + expected * (x - MEAN), x, t, end).max() < 1e-8  # no noise in the target


def test_kept_states_lie_on_the_trajectories_of_the_solver():
    path, teacher = TrigFlow(), mixture().denoiser(TrigFlow())
    x, times = path.prior((5, 2)), grid_of(TrigFlow(), 12)
    states, kept, ends = solved_pairs(teacher, x, times, path, kept=7)
    velocity = probability_flow(teacher, path)
    torch.testing.assert_close(kept, times[:7])
    torch.testing.assert_close(states[6], integrate(velocity, x, times[:7], heun_step))
    torch.testing.assert_close(ends, teacher(integrate(velocity, states[6], times[6:], heun_step), times[-1].expand(5)))
    with pytest.raises(ValueError, match="^expected 1 <= kept < 13"):
        solved_pairs(teacher, x, times, path, kept=13)


def test_drawn_pairs_come_from_one_row_and_half_of_them_from_the_first_time():
    times, ends = torch.tensor([3.0, 2.0, 1.0]), torch.arange(50.0)[:, None].expand(50, 2)
    states = ends + 100 * times[:, None, None]
    x, t, end = drawn_pairs(states, times, ends, first=0.5)(4000, torch.Generator().manual_seed(0))
    torch.testing.assert_close(x, end + 100 * t[:, None])
    shares = torch.stack([(t == u).double().mean() for u in times])
    assert (shares - torch.tensor([0.5, 0.25, 0.25])).abs().max() < 4 * 0.5 / math.sqrt(4000)
    assert len(end[:, 0].unique()) == 50
    with pytest.raises(ValueError, match=r"^expected states .*, got \(2, 50, 2\)[^\n]*$"):
        drawn_pairs(states[1:], times, ends)


@pytest.mark.parametrize("shape", SHAPES)
def test_direct_loss_is_the_mean_over_elements_and_pairs_need_no_data(shape):
    path = TrigFlow()
    pairs = fresh_pairs(mixture(shape).denoiser(path), shape, grid_of(path, 4), path)
    x, t, end = pairs(5, torch.Generator().manual_seed(3))
    no_data, again = torch.full((5, *shape), math.nan), torch.Generator().manual_seed(3)
    value = DirectLoss(pairs)(lambda x, t: 0.1 * x, no_data, 0, again)
    torch.testing.assert_close(value, (0.1 * x - end).square().flatten(1).mean(1))
    assert (t == path.t_max).all() and len(value) == 5


# ---- progressive distillation


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("shape", SHAPES)
def test_one_step_with_the_target_is_two_steps_of_the_teacher(path, shape):
    """A model that answers x̃ has no loss: x̃ is found by inverting one DDIM step, on every path."""
    teacher, t = mixture(shape).denoiser(path), some_t(path)
    s, u, step, velocity = 0.4 * t, 0.8 * t, ddim_step(path), probability_flow(teacher, path)

    def student(x, t):
        x_s = step(velocity, step(velocity, x, t, u), u, s)
        a, b = coefficients(path, t, s)
        return path.denoised(x, t, (x_s - like(a, x) * x) / like(b, x))

    x0, eps = torch.randn(7, *shape), torch.randn(7, *shape)
    value = progressive_loss(student, x0, eps, t, s, path=path, teacher=teacher, between=u)
    assert value.max() < 1e-16
    assert progressive_loss(teacher, x0, eps, t, s, path=path, teacher=teacher, between=u).min() > 1e-9


def test_progressive_distillation_of_a_gaussian_keeps_the_product_of_its_first_teachers_steps():
    """From 8 DDIM steps down to one, each student's slope fitted at each of its times: the product stays the same."""
    path, steps = VE(t_min=0.01, t_max=10.0), 8
    grid = log_grid(steps, 0.01, 10.0)
    exact = gaussian(torch.zeros(1), STD).denoiser(path)
    product = torch.prod((STD**2 + grid[1:] * grid[:-1]) / (STD**2 + grid[:-1] ** 2)).item()
    teacher, count = exact, steps
    while count > 1:
        count //= 2
        teacher = _optimal_student(teacher, halving_times(grid, count), path)
    x = torch.randn(5, 1)
    end = ddim_step(path)(probability_flow(teacher, path), x, grid[:1].expand(5), grid[-1:].expand(5))
    torch.testing.assert_close(end, product * x)


def _optimal_student(teacher, times, path):
    """The linear denoiser D(x, t) = a(t) x without progressive loss: per time a parabola through three values."""
    slopes = {}
    for t, u, s in zip(times[:-1:2], times[1::2], times[2::2], strict=True):
        x0, eps = torch.randn(64, 1), torch.randn(64, 1)
        low, middle, high = (
            progressive_loss(
                lambda x, t, a=a: a * x, x0, eps, t.expand(64), s.expand(64),
                path=path, teacher=teacher, between=u.expand(64),
            ).mean()
            for a in (0.0, 0.5, 1.0)
        )  # fmt: skip
        slopes[t.item()] = (-(-3 * low + 4 * middle - high) / (4 * (low - 2 * middle + high))).item()
    return lambda x, t: torch.tensor([slopes[v] for v in t.tolist()])[:, None] * x


def test_the_weight_is_the_truncated_signal_to_noise_ratio():
    """On TrigFlow max(cot² t, 1): the error of the denoiser counts more where little noise is left."""
    path, t = TrigFlow(), torch.tensor([0.2, 0.5, 1.0, 1.4])
    x0, eps = torch.randn(4, 2), torch.randn(4, 2)
    teacher = mixture().denoiser(path)
    shift = lambda d: lambda x, t: teacher(x, t) + d  # noqa: E731
    zero, one, two = (
        progressive_loss(shift(d), x0, eps, t, t / 2, path=path, teacher=teacher) for d in (-1.0, 0.0, 1.0)
    )
    torch.testing.assert_close((zero + two) / 2 - one, torch.tan(t).pow(-2).clamp(min=1))


def test_stages_take_every_so_many_th_time_and_the_student_every_second_of_them():
    grid = karras_grid(8)
    for steps in (4, 2, 1):
        times = halving_times(grid, steps)
        assert len(times) == 2 * steps + 1 and times[0] == grid[0] and times[-1] == grid[-1]
    torch.testing.assert_close(halving_times(grid, 2), grid[[0, 2, 4, 6, 8]])
    torch.testing.assert_close(halving_times(grid, 2)[::2], halving_times(grid, 1))
    with pytest.raises(ValueError, match="^expected 2 · steps to divide the 8 intervals of the grid, got steps 3$"):
        halving_times(grid, 3)


def test_a_stage_draws_all_its_steps_equally_often_and_no_gradient_reaches_the_teacher():
    path, seen = TrigFlow(), []
    teacher = Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())

    def student(x, t):
        seen.append(t)
        return teacher(x, t)

    times = halving_times(grid_of(path, 8), 2)
    loss = ProgressiveLoss(path, teacher, times)
    value = loss(student, torch.randn(4000, 2), 0, torch.Generator().manual_seed(0))
    assert sorted(seen[0].unique().tolist()) == sorted(times[:-1:2].tolist())
    assert abs((seen[0] == times[0]).double().mean() - 0.5) < 4 * 0.5 / math.sqrt(4000)
    other = Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())
    ProgressiveLoss(path, teacher, times)(other, torch.randn(8, 2), 0, torch.Generator()).sum().backward()
    assert all(p.grad is None for p in teacher.parameters()) and all(p.grad is not None for p in other.parameters())
    assert value.shape == (4000,)


def test_between_is_the_middle_unless_given():
    path, teacher, t = TrigFlow(), mixture().denoiser(TrigFlow()), some_t(TrigFlow())
    x0, eps = torch.randn(7, 2), torch.randn(7, 2)
    plain, same, other = (
        progressive_loss(teacher, x0, eps, t, t / 2, path=path, teacher=teacher, between=u)
        for u in (None, 0.75 * t, 0.6 * t)
    )
    torch.testing.assert_close(plain, same)
    assert not torch.allclose(plain, other)


def test_direct_distance_may_be_another():
    x, t, end = torch.randn(3, 2), torch.ones(3), torch.randn(3, 2)
    torch.testing.assert_close(direct_loss(lambda x, t: x, x, t, end), squared(x, end) / 2)
