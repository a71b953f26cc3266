"""Grids, laws and curricula against the numbers that the papers' formulas give."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicm import times as T
from minicm.oracles import GaussianMixture
from minicm.paths import VE
from minicm.solvers import euler_step, integrate, probability_flow

KARRAS_18 = [80, 57.586, 40.786, 28.375, 19.352, 12.910, 8.4009, 5.3152, 3.2568, 1.9233, 1.0882, 0.58535, 0.29644,
             0.13952, 0.05995, 0.02293, 0.00753, 0.002]  # fmt: skip


def test_karras_grid_of_18_levels():
    torch.testing.assert_close(T.karras_grid(17), torch.tensor(KARRAS_18), rtol=7e-4, atol=0)  # as printed


def test_log_grid_has_equal_ratios_and_uniform_grid_equal_gaps():
    ratios = T.log_grid(10)[1:] / T.log_grid(10)[:-1]
    torch.testing.assert_close(ratios, torch.full((10,), (0.002 / 80) ** 0.1))
    torch.testing.assert_close(T.uniform_grid(4, 1.0, 3.0), torch.tensor([3.0, 2.5, 2.0, 1.5, 1.0]))


@given(n=st.integers(1, 300), low=st.floats(1e-4, 0.5), span=st.floats(1.01, 1e5))
@pytest.mark.parametrize("grid", [T.karras_grid, T.log_grid, T.scale_grid, T.uniform_grid])
def test_grids_decrease_strictly_and_hit_both_ends(grid, n, low, span):
    times = grid(n, low, low * span)
    assert times.dtype == torch.float64 and len(times) == n + 1
    assert times[0] == low * span and times[-1] == low and (times.diff() < 0).all()


def test_karras_with_rho_1_is_uniform():
    torch.testing.assert_close(T.karras_grid(7, 0.1, 5.0, rho=1.0), T.uniform_grid(7, 0.1, 5.0))


def test_the_scale_grid_is_even_in_its_variable_and_a_log_grid_in_the_limit():
    grid = T.scale_grid(12, 0.01, 50.0, low=0.1, high=3.0)
    steps = torch.log((grid + 3) / (grid + 0.1)).diff()
    assert torch.allclose(steps, steps.mean(), rtol=1e-10, atol=0) and steps[0] > 0
    assert grid[0] == 50 and grid[-1] == 0.01 and grid.dtype == torch.float64
    assert torch.allclose(T.scale_grid(12, 0.01, 50.0, low=0, high=1e9), T.log_grid(12, 0.01, 50.0), rtol=1e-5, atol=0)


def test_ddim_steps_even_in_the_angle_do_equal_harm_on_a_gaussian():
    """The density of `scale_grid` comes from this: on N(0, s² I) the least error of order 1 is at even arctan(t/s).

    What DDIM loses of the spread from t to s' is (s² + t s')/√((s² + t²)(s² + s'²)) = cos(θ − θ'), θ = arctan(t/s).
    """
    s, x = 0.5, torch.ones(1, 1)
    denoise = GaussianMixture(torch.zeros(1, 1), torch.tensor([s])).denoiser(VE())
    velocity = probability_flow(denoise, VE())
    theta = torch.linspace(math.atan(80 / s), math.atan(0.002 / s), 9)
    even = s * theta.tan()
    exact = math.sqrt((s**2 + even[-1] ** 2) / (s**2 + even[0] ** 2))
    lost = [integrate(velocity, x, g, euler_step).item() / exact for g in (even, T.log_grid(8), T.scale_grid(8))]
    assert lost[0] == pytest.approx(math.cos(theta[0] - theta[1]) ** 8, abs=1e-12)
    assert 1 > lost[0] > lost[2] > lost[1]


def test_log_normal_has_its_moments():
    logs = T.log_normal(-1.1, 2.0)(200_000, torch.Generator().manual_seed(0)).log()
    assert abs(logs.mean() + 1.1) < 4 * 2 / math.sqrt(2e5) and abs(logs.std() - 2) < 4 * 2 / math.sqrt(4e5)


def test_uniform_law_has_its_moments():
    draws = T.uniform(1.0, 3.0)(100_000, torch.Generator().manual_seed(0))
    assert 1 <= draws.min() and draws.max() < 3 and abs(draws.mean() - 2) < 4 * 2 / math.sqrt(12e5)


@pytest.mark.parametrize(
    "k, levels", [(0, 2), (1, 3), (1000, 6), (10_000, 17), (100_000, 54), (200_000, 76), (400_000, 107), (800_000, 151)]
)
def test_ct_levels_of_the_paper(k, levels):
    assert T.ct_levels(k, 800_000) == levels


def test_ct_decay_starts_at_its_first_value_and_follows_the_levels():
    assert T.ct_decay(0, 800_000) == pytest.approx(0.9)
    assert T.ct_decay(800_000, 800_000) == pytest.approx(0.9 ** (2 / 151))


def test_ict_levels_double_in_eight_stages():
    stages = [T.ict_levels(50_000 * i, 400_000) for i in range(8)]
    assert stages == [11, 21, 41, 81, 161, 321, 641, 1281]
    assert T.ict_levels(49_999, 400_000) == 11 and T.ict_levels(399_999, 400_000) == 1281


def test_discretised_log_normal_for_eleven_levels():
    increasing = torch.tensor([0.0626, 0.1817, 0.2455, 0.2135, 0.1424, 0.0806, 0.0411, 0.0196, 0.0089, 0.004])
    p = T.discretised_log_normal(T.karras_grid(10))
    torch.testing.assert_close(p.flip(0), increasing, atol=1e-4, rtol=0)


def test_ect_partner_of_the_paper():
    ratio = lambda t, stage, q=2.0: (T.ect_time(torch.tensor([t]), stage, q) / t).item()  # noqa: E731
    assert ratio(5.0, 0) == pytest.approx(0.473, abs=1e-3)
    assert ratio(80.0, 0) == pytest.approx(0.5, abs=1e-3)
    assert ratio(0.01, 2) == pytest.approx(0.3775, abs=1e-3)
    for t in (0.01, 0.5, 5.0, 80.0):
        assert ratio(t, 7) == pytest.approx(ratio(t, 0, 256.0), abs=1e-12)


def test_ect_starts_as_diffusion_training_below_a_known_time():
    for stage, edge in ((0, math.log(7)), (1, math.log(5 / 3))):
        s = T.ect_time(torch.tensor([edge - 1e-6, edge + 1e-6]), stage)
        assert s[0] == 0 and s[1] > 0


def test_ect_stages_are_equal_and_end_at_the_last():
    stages = [T.ect_stage(k, 800) for k in (0, 99, 100, 799, 10_000)]
    assert stages == [0, 0, 1, 7, 7]


@pytest.mark.parametrize(
    "call",
    [
        lambda: T.karras_grid(0),
        lambda: T.karras_grid(5, 0.0, 1.0),
        lambda: T.log_grid(5, 2.0, 1.0),
        lambda: T.uniform_grid(5, 1.0, math.inf),
        lambda: T.karras_grid(5, rho=0.0),
        lambda: T.scale_grid(0),
        lambda: T.scale_grid(5, low=1.0, high=0.5),
        lambda: T.scale_grid(5, low=-0.1),
        lambda: T.log_normal(0.0, 0.0),
        lambda: T.uniform(2.0, 1.0),
        lambda: T.ct_levels(3, 0),
        lambda: T.ict_levels(3, 0),
        lambda: T.ect_stage(3, 0),
        lambda: T.ict_levels(3, 10, 20, 10),
    ],
)
def test_bad_arguments_are_named(call):
    with pytest.raises(ValueError, match="^expected [^\n]*got[^\n]*$"):
        call()
