"""Steps and the adaptive reference: orders, evaluation counts, closed-form products and foreign solutions."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from gauntlet import INNER, PATHS, SHAPES, mixture, name
from reference import inner_grid, problem, rms

from minicm.oracles import Mixture1D, gaussian, gaussian_flow
from minicm.paths import VE, TrigFlow
from minicm.precond import transport
from minicm.shapes import like
from minicm.solvers import (
    adaptive,
    ddim_step,
    euler_step,
    heun_step,
    in_log_nsr,
    integrate,
    midpoint_step,
    probability_flow,
    rk4_step,
    states,
    trajectory,
)
from minicm.times import karras_grid, log_grid

by_path = pytest.mark.parametrize("path", PATHS, ids=name)
by_two_paths = pytest.mark.parametrize("path", [PATHS[0], PATHS[-1]], ids=name)
STEPS = {"euler": (1, 1), "ddim": (1, 1), "midpoint": (2, 2), "heun": (2, 2), "rk4": (4, 4)}  # order, evaluations
by_step = pytest.mark.parametrize("step", STEPS)


def step_named(step, path):
    steps = {"euler": euler_step, "midpoint": midpoint_step, "heun": heun_step, "rk4": rk4_step}
    return ddim_step(path) if step == "ddim" else steps[step]


class Counted:
    """A field that counts its calls and keeps the times."""

    def __init__(self, field):
        self.field, self.times = field, []

    def __call__(self, x, t):
        self.times.append(t)
        return self.field(x, t)


@by_step
def test_a_time_that_would_broadcast_is_refused_by_its_name(step):
    """t of one number beside s of three: s − t has the right shape."""
    x, t, s = torch.ones(3, 2), torch.full((3,), 0.9), torch.full((3,), 0.5)
    move, still = step_named(step, PATHS[0]), lambda x, t: torch.zeros_like(x)
    assert move(still, x, t, s).shape == x.shape
    for named, times in (("t", (t[:1], s)), ("s", (t, s[:1]))):
        with pytest.raises(ValueError, match=rf"^expected {named} of shape \(3,\)"):
            move(still, x, *times)


@by_two_paths
@by_step
def test_order_of_convergence(path, step):
    velocity, x, exact = problem(path)
    errors = [rms(integrate(velocity, x, inner_grid(path, n), step_named(step, path)), exact) for n in (24, 96)]
    slope = math.log2(errors[0] / errors[1]) / 2
    assert slope == pytest.approx(STEPS[step][0], abs=0.2)


@by_two_paths
@by_step
def test_forwards_then_backwards_returns(path, step):
    velocity, x, exact = problem(path)
    there = integrate(velocity, x, inner_grid(path, 50), step_named(step, path))
    back = integrate(velocity, there, inner_grid(path, 50).flip(0), step_named(step, path))
    assert rms(there, exact) < 0.25 * rms(x, exact)
    assert rms(back, x) < {1: 0.6, 2: 5e-4, 4: 3e-7}[STEPS[step][0]]


@by_step
def test_evaluations_are_counted_and_times_are_float64(step):
    velocity = Counted(probability_flow(gaussian(torch.zeros(2), 0.5).denoiser(VE()), VE()))
    x = integrate(velocity, torch.randn(3, 2, dtype=torch.float32), karras_grid(7), step_named(step, VE()))
    assert len(velocity.times) == 7 * STEPS[step][1]
    assert all(t.shape == (3,) and t.dtype == torch.float64 for t in velocity.times)
    assert x.dtype == torch.float32


@by_path
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ddim_is_exact_while_the_denoised_value_stays(path, shape):
    x0, eps = torch.randn(5, *shape), torch.randn(5, *shape)
    velocity = probability_flow(lambda x, t: x0, path)
    times = torch.tensor([path.t_max * 0.99, path.t_min])
    x = integrate(velocity, path.mix(x0, eps, times[:1].expand(5)), times, ddim_step(path))
    assert torch.allclose(x, path.mix(x0, eps, times[1:].expand(5)), atol=1e-12)


@by_path
def test_ddim_is_euler_in_the_noise_to_signal_ratio(path):
    """Per interval: the path's own DDIM, and Euler in σ on VE after the change of variables, end at the same point."""
    denoise, times, x = mixture().denoiser(path), inner_grid(path, 9), problem(path)[1]
    ve = transport(denoise, path, VE())
    y = x / path.alpha(times[0])
    nsr = path.nsr(times)
    euler = integrate(probability_flow(ve, VE()), y, nsr, euler_step)
    ddim = integrate(probability_flow(denoise, path), x, times, ddim_step(path))
    assert torch.allclose(ddim, path.alpha(times[-1]) * euler, rtol=0, atol=1e-12)


def test_ddim_on_trigflow_is_a_rotation():
    path = TrigFlow()
    velocity, x, _ = problem(path)
    t, s = torch.full((16,), 1.2), torch.linspace(0.05, 1.1, 16)
    turned = like(torch.cos(t - s), x) * x - like(torch.sin(t - s), x) * velocity(x, t)
    assert torch.allclose(ddim_step(path)(velocity, x, t, s), turned, rtol=0, atol=1e-12)


def euler_factor(t, s, std):
    return (std**2 + t * s) / (std**2 + t**2)


def heun_factor(t, s, std):
    h, k1 = s - t, t / (std**2 + t**2)
    return 1 + h / 2 * (k1 + s / (std**2 + s**2) * (1 + h * k1))


@pytest.mark.parametrize(
    ("step", "factor", "levels", "ratio"),
    [
        (euler_step, euler_factor, 18, 0.8461),
        (euler_step, euler_factor, 151, 0.9812),
        (euler_step, euler_factor, 1281, 0.9978),
        (heun_step, heun_factor, 18, 1.0553),
        (heun_step, heun_factor, 41, 1.0093),
    ],
)
def test_on_a_gaussian_the_numerical_solution_is_a_product(step, factor, levels, ratio):
    """Euler shrinks the spread of the samples, Heun inflates it: by how much is known without any code."""
    std, grid = 0.5, karras_grid(levels - 1)
    mean, x = torch.tensor([0.3, -1.0]), torch.randn(4, 2) * 80
    got = integrate(probability_flow(gaussian(mean, std).denoiser(VE()), VE()), x, grid, step) - mean
    product = np.prod([factor(t, s, std) for t, s in pairwise(grid.tolist())])
    assert torch.allclose(got, product * (x - mean), rtol=1e-12, atol=1e-12)
    exact = gaussian_flow(mean, std, VE())(x, grid[:1].expand(4), grid[-1:].expand(4)) - mean
    assert torch.allclose(got / exact, torch.tensor(ratio), atol=1e-4)


@pytest.mark.parametrize("step", [midpoint_step, rk4_step])
def test_one_step_on_a_linear_field_is_the_truncated_exponential(step):
    """dx/dt = x gives 1 + h + h²/2 (+ h³/6 + h⁴/24); dx/dt = t³ has no x, and RK4 is Simpson's rule, exact."""
    x, t, s = torch.ones(1, 1), torch.tensor([0.3]), torch.tensor([-0.4])
    terms = 2 if step is midpoint_step else 4
    series = sum((-0.7) ** k / math.factorial(k) for k in range(terms + 1))
    assert step(lambda x, t: x, x, t, s).item() == pytest.approx(series, abs=1e-14)
    cubic = step(lambda x, t: like(t**3, x), x, t, s).item() - 1
    exact = {midpoint_step: -0.7 * (-0.05) ** 3, rk4_step: (0.4**4 - 0.3**4) / 4}[step]
    assert cubic == pytest.approx(exact, abs=1e-14)


def test_rk4_against_the_closed_form_from_far_out():
    """400 steps in ln σ from 80 to .002, 99.7 from the mean."""
    mean, std, x = torch.tensor([0.3]), 0.8, torch.tensor([[100.0]])
    velocity = in_log_nsr(probability_flow(gaussian(mean, std).denoiser(VE()), VE()), VE())
    got = integrate(velocity, x, log_grid(400).log(), rk4_step)
    exact = gaussian_flow(mean, std, VE())(x, torch.tensor([80.0]), torch.tensor([0.002]))
    assert torch.allclose(got, exact, rtol=0, atol=1e-7)


@by_path
def test_log_nsr_is_the_same_flow_in_another_time(path):
    velocity, x, exact = problem(path)
    times = inner_grid(path, 128)
    warped = integrate(in_log_nsr(velocity, path), x, path.nsr(times).log(), rk4_step)
    assert torch.allclose(warped, exact, rtol=0, atol=1e-5)
    t = torch.full((16,), times[50].item())
    ratio = velocity(x, t) / in_log_nsr(velocity, path)(x, path.nsr(t).log())  # du/dt, by its definition
    slope = torch.autograd.functional.jacobian(lambda t: path.nsr(t).log(), t).diagonal()
    assert torch.allclose(ratio, slope[:, None].expand(16, 2), rtol=1e-9)


def test_rk4_follows_the_quantile_map():
    line = Mixture1D(torch.tensor([-0.8, 0.5]), torch.tensor([0.2, 0.1]), torch.tensor([0.4, 0.6]))
    x = 80 * torch.linspace(-2, 2, 21)[:, None]
    got = integrate(in_log_nsr(probability_flow(line.denoiser(VE()), VE()), VE()), x, log_grid(250).log(), rk4_step)
    exact = line.flow(VE())(x, torch.full((21,), 80.0), torch.full((21,), 0.002))
    assert torch.allclose(got, exact, rtol=0, atol=2e-7)


def test_trajectory_holds_every_state_and_ends_with_integrate():
    (velocity, x, _), grid = problem(VE()), inner_grid(VE(), 6)
    whole = trajectory(velocity, x, grid, midpoint_step)
    assert whole.shape == (7, 16, 2)
    assert torch.equal(whole[0], x)
    assert torch.equal(whole[-1], integrate(velocity, x, grid, midpoint_step))
    for i, state in enumerate(states(velocity, x, grid, midpoint_step)):
        assert torch.equal(state, integrate(velocity, x, grid[: i + 1], midpoint_step) if i else x)


@pytest.mark.parametrize("times", [[1.0], [1.0, 1.0], [3.0, 1.0, 2.0], [1.0, math.nan], [[2.0, 1.0]], [math.inf, 1.0]])
def test_a_grid_that_is_none_is_refused(times):
    with pytest.raises(ValueError, match="grid of"):
        integrate(lambda x, t: x, torch.ones(2, 2), torch.tensor(times))


@by_path
@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_adaptive_there_and_back(path, method):
    (velocity, x, exact), (low, high) = problem(path), INNER[name(path)]
    got = adaptive(velocity, x, high, low, rtol=1e-10, atol=1e-10, method=method)
    assert torch.allclose(got, exact, rtol=0, atol=2e-9)  # 1e-6 if dopri8 interpolates the end point
    assert torch.allclose(adaptive(velocity, got, low, high, rtol=1e-10, atol=1e-10, method=method), x, atol=2e-9)


def test_adaptive_follows_the_quantile_map_and_log_time_is_cheaper():
    line = Mixture1D(torch.tensor([-0.8, 0.5]), torch.tensor([0.2, 0.1]), torch.tensor([0.4, 0.6]))
    x = 80 * torch.linspace(-2, 2, 21)[:, None]
    exact = line.flow(VE())(x, torch.full((21,), 80.0), torch.full((21,), 0.002))
    plain = Counted(probability_flow(line.denoiser(VE()), VE()))
    log_time = Counted(in_log_nsr(plain.field, VE()))
    for velocity, t, s in ((plain, 80.0, 0.002), (log_time, math.log(80.0), math.log(0.002))):
        assert torch.allclose(adaptive(velocity, x, t, s), exact, rtol=0, atol=2e-4)
        assert torch.allclose(adaptive(velocity.field, x, t, s, rtol=1e-9, atol=1e-9), exact, rtol=0, atol=1e-8)
    assert len(log_time.times) < 0.6 * len(plain.times)


def test_adaptive_asks_for_two_points_only(monkeypatch):
    import torchdiffeq

    asked = []
    monkeypatch.setattr(torchdiffeq, "odeint", lambda f, x, t, **options: asked.append(t) or x[None])
    adaptive(lambda x, t: x, torch.ones(1, 1), 2.0, 1.0)
    assert [t.tolist() for t in asked] == [[2.0, 1.0]]


def test_a_fixed_step_method_is_one_of_ours():
    velocity, x, _ = problem(VE())
    got = adaptive(velocity, x, 5.0, 1.0, method="midpoint", options={"step_size": 0.5})
    assert torch.allclose(got, integrate(velocity, x, torch.linspace(5, 1, 9), midpoint_step), atol=1e-12)


@pytest.mark.parametrize(
    ("t", "s", "method", "message"),
    [
        (1.0, 1.0, "dopri5", "two different finite times"),
        (1.0, math.nan, "dopri5", "two different finite times"),
        (2.0, 1.0, "dopri6", "dopri8.*got 'dopri6'"),
        (2.0, 1.0, "rk4", "step_size"),
    ],
)
def test_adaptive_refuses(t, s, method, message):
    with pytest.raises(ValueError, match=message) as caught:
        adaptive(lambda x, t: x, torch.ones(2, 2), t, s, method=method)
    assert "\n" not in str(caught.value)
