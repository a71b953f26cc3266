"""Multistep solvers: orders on every path, exactness on polynomials, invariance under a change of path."""

import math

import numpy as np
import pytest
import torch
from gauntlet import PATHS, SHAPES, mixture, name
from reference import problem, rms, uneven_grid

from minicm.evaluation import CountCalls
from minicm.oracles import GaussianMixture
from minicm.paths import VE, Linear, TrigFlow
from minicm.precond import transport
from minicm.shapes import like
from minicm.solvers import (
    adams_bashforth,
    ddim_step,
    dpm_solver_2m,
    euler_step,
    exponential_adams,
    in_log_nsr,
    integrate,
    probability_flow,
    rk4_step,
)
from minicm.times import log_grid, scale_grid

by_path = pytest.mark.parametrize("path", PATHS, ids=name)
by_two_paths = pytest.mark.parametrize("path", [PATHS[0], PATHS[-1]], ids=name)
DENOISER_SOLVERS = [dpm_solver_2m, exponential_adams]
by_solver = pytest.mark.parametrize("solver", DENOISER_SOLVERS, ids=["2m", "adams"])


def order_of(solve, path, coarse, fine):
    _, x, exact = problem(path)
    errors = [rms(solve(x, uneven_grid(path, n)), exact) for n in (coarse, fine)]
    return math.log(errors[0] / errors[1]) / math.log(fine / coarse)


def with_tiny_start(times, order):
    """The grid with a geometric start, so that the lower orders of the first steps act on tiny ones."""
    tiny = 2.0 ** -torch.arange(3 * order, 0, -1)
    return torch.cat([times[:1], times[0] + (times[1] - times[0]) * tiny, times[1:]])


@by_two_paths
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_adams_bashforth_has_its_order_on_uneven_grids(path, order):
    def solve(x, times):
        return adams_bashforth(problem(path)[0], x, with_tiny_start(times, order), order=order)

    assert order - 0.5 < order_of(solve, path, 56, 224) < order + 1.1


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_adams_bashforth_is_exact_for_slopes_that_are_polynomials(order):
    """After the start the weights integrate t^m exactly for m < order, on a random grid, and not t^order."""
    grid, x0 = (0.1 + torch.rand(12)).cumsum(0).flip(0), torch.zeros(1, 1)
    for m in range(order + 1):

        def power(x, t, m=m):
            return like(t**m, x)

        there, next_one = (adams_bashforth(power, x0, grid[:n], order=order) for n in (11, 12))
        error = (next_one - there).item() - ((grid[11] ** (m + 1) - grid[10] ** (m + 1)) / (m + 1)).item()
        assert abs(error) < 1e-9 if m < order else abs(error) > 1e-5


def test_adams_bashforth_of_order_1_is_euler_and_of_order_2_the_textbook():
    (velocity, x, _), grid = problem(VE()), torch.linspace(5, 1, 9)
    assert torch.allclose(adams_bashforth(velocity, x, grid, order=1), integrate(velocity, x, grid, euler_step))
    one, two = (adams_bashforth(velocity, x, grid[: n + 1], order=2) for n in (1, 2))
    t = [grid[i].expand(16) for i in (0, 1)]
    assert torch.allclose(two, one - 0.5 * (1.5 * velocity(one, t[1]) - 0.5 * velocity(x, t[0])), atol=1e-13)


@by_path
def test_dpm_solver_2m_has_order_2(path):
    def solve(x, times):
        return dpm_solver_2m(mixture().denoiser(path), x, times, path)

    assert order_of(solve, path, 64, 256) == pytest.approx(2, abs=0.15)


def test_dpm_solver_2m_in_sigma_and_on_trigflow_are_one():
    """On TrigFlow it is the rotation plus sin(t − s)/(2 r sin t) (D − D_prev), r > 0."""
    path, denoise = TrigFlow(), mixture().denoiser(TrigFlow())
    times, (velocity, x, _) = torch.linspace(1.4, 0.1, 12), problem(TrigFlow())
    got = dpm_solver_2m(denoise, x, times, path)
    on_ve = dpm_solver_2m(transport(denoise, path, VE()), x / times[0].cos(), path.nsr(times), VE())
    assert torch.allclose(got, times[-1].cos() * on_ve, rtol=0, atol=1e-12)
    y, last = x, None
    for i, (t, s) in enumerate(zip(times[:-1], times[1:], strict=True)):
        d = denoise(y, t.expand(16))
        y = (t - s).cos() * y - (t - s).sin() * velocity(y, t.expand(16))
        if last is not None:
            r = (times[i - 1].tan() / t.tan()).log() / (t.tan() / s.tan()).log()
            y = y + (t - s).sin() / (2 * r * t.sin()) * (d - last)
        last = d
    assert torch.allclose(got, y, rtol=0, atol=1e-12)


@by_two_paths
@pytest.mark.parametrize("order", [2, 3, 4])
def test_exponential_adams_has_its_order(path, order):
    def solve(x, times):
        return exponential_adams(mixture().denoiser(path), x, with_tiny_start(times, order), path, order=order)

    assert order_of(solve, path, 32, 160) > order - 0.25  # the weights are exact to no higher order: next test


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
def test_exponential_adams_on_a_gaussian_against_its_closed_form(order):
    """N(0, s² I) from 80 to .002: the spread at the end over √((s² + .002²)/(s² + 80²)) tends to 1, at the order."""
    s, errors = 0.5, []
    denoise = GaussianMixture(torch.zeros(1, 1), torch.tensor([s])).denoiser(VE())
    exact = math.sqrt((s**2 + 0.002**2) / (s**2 + 80**2))
    for n in (160, 320):
        grid = with_tiny_start(scale_grid(n), order)
        errors.append(abs(exponential_adams(denoise, torch.ones(1, 1), grid, VE(), order=order).item() / exact - 1))
    assert errors[0] < 1e-4 * 0.06 ** (order - 2) and math.log2(errors[0] / errors[1]) > order - 0.4


@pytest.mark.parametrize("order", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_exponential_adams_integrates_polynomials_in_the_angle(order, scale):
    """D = θ^m, whatever x: x/σ grows by ∫ θ^m dz exactly for m < order, given enough history, and not for m = order.

    Two grids that share all but their last step: the shared part cancels in the difference of the predicted ends.
    """
    grid, x = log_grid(9, 0.2, 9.0), torch.zeros(1, 1)
    ends = [torch.cat([grid[:9], torch.tensor([end])]) for end in (0.28, 0.2)]
    u, w = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(100))
    z = 1 / 0.28 + (1 / 0.2 - 1 / 0.28) * (u + 1) / 2
    for m in range(order + 1):

        def power(x, t, m=m):
            return like(torch.atan(t / scale) ** m, x)

        a, b = ((exponential_adams(power, x, g, VE(), order=order, scale=scale) / g[-1]).item() for g in ends)
        exact = (w * torch.atan(1 / (z * scale)) ** m).sum().item() * (1 / 0.2 - 1 / 0.28) / 2
        assert abs(b - a - exact) < 1e-11 if m < order else abs(b - a - exact) > 1e-8


def test_the_corrector_takes_the_last_step_but_one_again():
    """Order 2 on two steps: trapezoid-like with both values, its weights by hand from ∫ θ dz."""
    grid, x = torch.tensor([4.0, 1.0, 0.5]), torch.randn(3, 2)
    denoise = mixture().denoiser(VE())
    theta, z = torch.atan(grid), 1 / grid
    integral = torch.log(1 + z**2) / 2 + z * torch.atan(1 / z)  # of arctan(1/z)
    d0 = denoise(x, grid[:1].expand(3))
    y = x / grid[0] + (z[1] - z[0]) * d0
    d1 = denoise(y * grid[1], grid[1:2].expand(3))
    slope = (d1 - d0) / (theta[1] - theta[0])
    y = x / grid[0]
    for i in (0, 1):  # the corrected first step, then the predicted second
        y = y + d1 * (z[i + 1] - z[i]) + slope * (integral[i + 1] - integral[i] - theta[1] * (z[i + 1] - z[i]))
    assert torch.allclose(exponential_adams(denoise, x, grid, VE(), order=2), grid[2] * y, rtol=0, atol=1e-13)


@by_path
@by_solver
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_exact_while_the_denoised_value_stays(path, solver, shape):
    x0, eps = torch.randn(3, *shape), torch.randn(3, *shape)
    times = path.time_at(log_grid(6, 0.05, 50.0))
    x = solver(lambda x, t: x0, path.mix(x0, eps, times[:1].expand(3)), times, path)
    assert torch.allclose(x, path.mix(x0, eps, times[-1:].expand(3)), rtol=0, atol=1e-11)


@by_path
@by_solver
def test_the_path_does_not_matter(path, solver):
    """Both live in σ/α: on every path the same steps, up to the scale α."""
    denoise, (_, x, _), times = mixture().denoiser(path), problem(path), uneven_grid(path, 9)
    on_ve = solver(transport(denoise, path, VE()), x / path.alpha(times[0]), path.nsr(times), VE())
    assert torch.allclose(solver(denoise, x, times, path), path.alpha(times[-1]) * on_ve, rtol=0, atol=1e-11)


@by_solver
def test_a_start_without_signal(solver):
    """On Linear at t = 1 the noise-to-signal ratio is infinite; the limit of starts near 1 is finite and right."""
    path, x = Linear(), torch.randn(8, 2)
    denoise = mixture().denoiser(path)
    at_one, near_one = (
        solver(denoise, x, torch.cat([torch.tensor([start]), torch.linspace(0.9, 0.1, 10)]), path)
        for start in (1.0, 1 - 1e-9)
    )
    assert torch.allclose(at_one, near_one, rtol=0, atol=1e-6 if solver is exponential_adams else 0.02)
    velocity = probability_flow(denoise, path)
    fine = integrate(velocity, x, torch.linspace(1, 0.1, 200), rk4_step)
    ddim = integrate(velocity, x, torch.linspace(1, 0.1, 11), ddim_step(path))
    assert rms(at_one, fine) < 0.2 * rms(ddim, fine)


def eight_gaussians():
    angle = torch.arange(8) * math.pi / 4
    return GaussianMixture(0.7 * torch.stack([angle.cos(), angle.sin()], 1), torch.full((8,), 0.035))


@pytest.fixture(scope="module")
def on_ve():
    """Eight Gaussians on VE: the denoiser, noise, and where RK4 takes it in 400 steps of ln t."""
    denoise = eight_gaussians().denoiser(VE())
    x = 80 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    field = in_log_nsr(probability_flow(denoise, VE()), VE())
    return denoise, x, integrate(field, x, log_grid(400).log(), rk4_step)


BEST_OF_OTHERS = {5: 7.6e-2, 10: 2.9e-2, 18: 8.2e-3, 40: 2.5e-3, 80: 5.1e-4, 160: 1.9e-5}  # evaluations -> RMS


@pytest.mark.parametrize("grid", [log_grid, scale_grid])
def test_exponential_adams_beats_the_others_on_eight_gaussians(on_ve, grid):
    """RMS error at .002 against evaluations: at most the best that other solvers reach at each budget."""
    denoise, x, exact = on_ve
    for evaluations, best in BEST_OF_OTHERS.items():
        counted = CountCalls(denoise)
        found = exponential_adams(counted, x, grid(evaluations), VE())
        assert (found - exact).square().sum(1).mean().sqrt() < best and counted.calls == evaluations


def test_steps_between_the_scales_of_the_data_halve_the_error(on_ve):
    denoise, x, exact = on_ve
    for n in (20, 40, 80):
        by_scale, by_log = (rms(exponential_adams(denoise, x, g(n), VE()), exact) for g in (scale_grid, log_grid))
        assert by_scale < 0.6 * by_log


@by_solver
def test_one_evaluation_a_step_and_the_callers_dtype(solver):
    calls = []

    def denoise(x, t):
        calls.append(t)
        return x / 2

    x = solver(denoise, torch.ones(3, 2, dtype=torch.float32), log_grid(6), VE())
    assert len(calls) == 6
    assert all(t.shape == (3,) and t.dtype == torch.float64 for t in calls)
    assert x.dtype == torch.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: adams_bashforth(lambda x, t: x, x, log_grid(4), order=0), "order .* got 0"),
        (lambda x: exponential_adams(lambda x, t: x, x, log_grid(4), VE(), order=1), "order .* got 1"),
        (lambda x: exponential_adams(lambda x, t: x, x, log_grid(4), VE(), scale=0.0), "expected scale .* got 0.0"),
        (lambda x: exponential_adams(lambda x, t: x, x, log_grid(4), TrigFlow()), "times of TrigFlow"),
        (lambda x: dpm_solver_2m(lambda x, t: x, x, torch.tensor([1.0, 2.0, 1.5]), VE()), "strictly decreasing"),
        (lambda x: dpm_solver_2m(lambda x, t: x, x, torch.tensor([100.0, 1.0]), VE()), "times of VE"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2, 2))
