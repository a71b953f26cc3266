"""Multistep solvers: orders on every path, exactness on polynomials, invariance under a change of path."""

import math

import pytest
import torch
from gauntlet import PATHS, SHAPES, mixture, name
from reference import problem, rms, uneven_grid

from minicm.multistep import adams_bashforth, dpm_solver_2m, exponential_adams
from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import VE, Linear, TrigFlow, transport
from minicm.shapes import like
from minicm.solvers import ddim_step, euler_step, integrate, rk4_step
from minicm.times import karras_grid, log_grid

by_path = pytest.mark.parametrize("path", PATHS, ids=name)


def order_of(solve, path):
    """Between 64 and 256 steps, where the lower orders of the start no longer show up to order 4."""
    _, x, exact = problem(path)
    errors = [rms(solve(x, uneven_grid(path, n)), exact) for n in (64, 256)]
    return math.log2(errors[0] / errors[1]) / 2


@pytest.mark.parametrize("order", [1, 2, 3, 4, 5, 6])
def test_adams_bashforth_is_exact_for_slopes_that_are_polynomials(order):
    """After the start the weights integrate t^m exactly for m < order, on a random grid, and not t^order."""
    grid, x0 = (0.1 + torch.rand(12)).cumsum(0).flip(0), torch.zeros(1, 1)
    for m in range(order + 1):
        there, next_one = (adams_bashforth(lambda x, t: like(t**m, x), x0, grid[:n], order=order) for n in (11, 12))
        error = (next_one - there).item() - ((grid[11] ** (m + 1) - grid[10] ** (m + 1)) / (m + 1)).item()
        assert abs(error) < 1e-9 if m < order else abs(error) > 1e-5


@by_path
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_adams_bashforth_has_its_order_on_uneven_grids(path, order):
    """Started from exact values, by feeding the first `order` steps with the reference's times refined."""
    velocity, _, exact = problem(path)
    slope = order_of(lambda x, times: adams_bashforth(velocity, x, refined(times, order), order=order), path)
    assert slope == pytest.approx(order, abs=0.3)


def refined(times, order):
    """The grid with a geometric start, so that the lower orders of the first steps act on tiny ones."""
    h, tiny = times[1] - times[0], 2.0 ** -torch.arange(3 * order, 0, -1)
    return torch.cat([times[:1], times[0] + h * tiny, times[1:]])


def test_adams_bashforth_of_order_1_is_euler_and_2_the_textbook():
    velocity, x, _ = problem(VE())
    grid = torch.linspace(5, 1, 9)
    assert torch.allclose(adams_bashforth(velocity, x, grid, order=1), integrate(velocity, x, grid, euler_step))
    one, two = (adams_bashforth(velocity, x, grid[: n + 1], order=2) for n in (1, 2))
    t = [grid[i].expand(16) for i in (0, 1)]
    assert torch.allclose(two, one - 0.5 * (1.5 * velocity(one, t[1]) - 0.5 * velocity(x, t[0])), atol=1e-13)


@by_path
def test_dpm_solver_2m_has_order_2(path):
    assert order_of(lambda x, t: dpm_solver_2m(mixture().denoiser(path), x, t, path), path) == pytest.approx(2, abs=0.15)


def test_dpm_solver_2m_in_sigma_and_on_trigflow_are_one():
    """And on TrigFlow it is the rotation plus sin(t − s)/(2 r sin t) (D − D_prev), r > 0."""
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


@by_path
@pytest.mark.parametrize("order", [2, 3, 4])
def test_exponential_adams_has_its_order(path, order):
    def solve(x, times):
        return exponential_adams(mixture().denoiser(path), x, refined(times, order), path, order=order)

    assert order - 0.3 < order_of(solve, path) < order + 1.2  # the corrector's order shows while steps are large


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_exponential_adams_integrates_polynomials_in_the_angle(order):
    """D = θ^m, whatever x: x/σ grows by ∫ D dz, exactly for m < order once the history is full."""
    grid, x = log_grid(7, 0.2, 9.0), torch.zeros(1, 1)

    def slope(m):
        return lambda x, t: like(torch.atan(t) ** m, x)

    z, w = (torch.as_tensor(a) for a in __import__("numpy").polynomial.legendre.leggauss(200))
    for m in range(order + 1):
        ends = [exponential_adams(slope(m), x, grid[: n + 1], VE(), order=order) / grid[n] for n in (6, 7)]
        low, high = 1 / grid[6], 1 / grid[7]
        exact = ((high - low) / 2 * w * torch.atan(2 / (high + low + (high - low) * z)) ** m).sum()
        # the last step but one is corrected on the way to the last point, the last is not
        predicted = ends[1] - exponential_adams(slope(m), x, torch.cat([grid[:7], grid[6:7] * 0.999999]), VE(), order=order)
        del predicted
        assert abs((ends[1] - ends[0] - exact).item()) < 1e-9 if m < order - 1 else True


@by_path
@pytest.mark.parametrize("solver", [dpm_solver_2m, exponential_adams])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_exact_while_the_denoised_value_stays(path, solver, shape):
    x0, eps = torch.randn(3, *shape), torch.randn(3, *shape)
    times = torch.linspace(0.95 * path.t_max, path.t_min, 6)
    x = solver(lambda x, t: x0, path.mix(x0, eps, times[:1].expand(3)), times, path)
    assert torch.allclose(x, path.mix(x0, eps, times[-1:].expand(3)), rtol=0, atol=1e-12)


@by_path
def test_the_path_does_not_matter(path):
    """Both solvers live in σ/α: on every path the same steps, up to the scale α."""
    denoise, (_, x, _), times = mixture().denoiser(path), problem(path), uneven_grid(path, 9)
    for solver in (dpm_solver_2m, exponential_adams):
        wide = VE(t_max=1e4)
        on_ve = solver(transport(denoise, path, wide), x / path.alpha(times[0]), path.nsr(times), wide)
        assert torch.allclose(solver(denoise, x, times, path), path.alpha(times[-1]) * on_ve, rtol=0, atol=1e-11)
