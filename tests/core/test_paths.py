"""The path gauntlet: a new path joins by one entry of gauntlet.PATHS."""

import math

import pytest
import torch
from gauntlet import INNER, PATHS, SHAPES, mixture, name, some_t
from hypothesis import given
from hypothesis import strategies as st
from torch.func import jvp

from minicm.paths import VE, VP, Linear, TrigFlow
from minicm.precond import transport
from minicm.shapes import like

every_path = pytest.mark.parametrize("path", PATHS, ids=name)
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def pair(shape, n=7):
    return torch.randn(n, *shape), torch.randn(n, *shape)


@every_path
def test_derivatives_are_those_of_the_coefficients(path):
    t = some_t(path)
    for f, df in ((path.alpha, path.d_alpha), (path.sigma, path.d_sigma)):
        torch.testing.assert_close(df(t), jvp(f, (t,), (torch.ones_like(t),))[1])


@every_path
@every_shape
def test_velocity_is_the_time_derivative_of_mix(path, shape):
    (x0, eps), t = pair(shape), some_t(path)
    x, v = jvp(lambda u: path.mix(x0, eps, u), (t,), (torch.ones_like(t),))
    torch.testing.assert_close(path.velocity(x, t, x0), v)
    torch.testing.assert_close(path.denoised(x, t, v), x0)
    torch.testing.assert_close(path.noise(x, t, x0), eps)


@every_path
def test_denoised_undoes_velocity_wherever_the_two_come_from(path):
    (x, x0), t = pair((2,)), some_t(path)
    torch.testing.assert_close(path.denoised(x, t, path.velocity(x, t, x0)), x0)


@every_path
def test_time_at_inverts_the_noise_to_signal_ratio(path):
    t = torch.linspace(path.t_min, path.t_max, 101)[:-1]
    torch.testing.assert_close(path.time_at(path.sigma(t) / path.alpha(t)), t)
    assert path.nsr(t).diff().min() > 0


@every_path
def test_every_path_is_ve_up_to_scale(path):
    (x0, eps), t = pair((2,)), some_t(path)
    torch.testing.assert_close(path.mix(x0, eps, t) / like(path.alpha(t), x0), VE().mix(x0, eps, path.nsr(t)))


@every_path
def test_the_data_end_is_data_and_the_noise_end_is_noise(path):
    ends = torch.tensor([path.t_min, path.t_max])
    alpha, nsr = path.alpha(ends), path.nsr(ends)
    assert abs(alpha[0] - 1) < 2e-3 and nsr[0] < 0.02
    assert nsr[1] > 80 * (1 - 1e-12)


@every_path
@pytest.mark.parametrize("shape", [(2,), (3,), (4, 4)], ids=str)
def test_a_batch_as_long_as_an_event_axis_does_not_confuse_broadcasting(path, shape):
    n = shape[0]
    (x0, eps), t = pair(shape, n), some_t(path, n)
    for f in (path.mix, lambda a, b, u: path.velocity(a, u, b), lambda a, b, u: path.denoised(a, u, b)):
        alone = torch.cat([f(x0[i : i + 1], eps[i : i + 1], t[i : i + 1]) for i in range(n)])
        torch.testing.assert_close(f(x0, eps, t), alone)
        for wrong in (t[:, None], t[:1], t[0], torch.cat([t, t])):
            with pytest.raises(ValueError, match="expected t of shape"):
                f(x0, eps, wrong)


@every_path
def test_samples_keep_their_dtype_and_float32_agrees_with_float64(path):
    (x0, eps), t = pair((2,), 64), some_t(path, 64)
    x = path.mix(x0, eps, t)
    v = path.velocity(x, t, x0)
    for times in (t, t.float()):  # grids are float64, whatever the samples are
        single = path.velocity(x.float(), times, x0.float())
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), v, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(path.mix(x0.float(), eps.float(), times).double(), x, rtol=1e-5, atol=1e-5)


@given(
    which=st.integers(0, len(PATHS) - 1),
    where=st.floats(0, 1),
    event=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    batch=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_the_ends_of_the_conditional_flow_hold_for_any_event(which, where, event, batch, seed):
    """Along one sample's path, x − (t − s) v is Euler's step: exact on straight paths, second order on all."""
    path, g = PATHS[which], torch.Generator().manual_seed(seed)
    low, high = INNER[name(path)]
    t = torch.full((batch,), low + where * (high - low))
    x0, eps = torch.randn((batch, *event), generator=g), torch.randn((batch, *event), generator=g)
    h = 1e-4 * (high - low)
    central = (path.mix(x0, eps, t + h) - path.mix(x0, eps, t - h)) / (2 * h)
    torch.testing.assert_close(path.velocity(path.mix(x0, eps, t), t, x0), central, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("target", PATHS, ids=name)
@pytest.mark.parametrize("source", PATHS, ids=name)
def test_transport_gives_the_denoiser_of_the_other_path(source, target):
    m, t, x = mixture(), some_t(target), torch.randn(7, 2)
    torch.testing.assert_close(transport(m.denoiser(source), source, target)(x, t), m.denoiser(target)(x, t))


@every_path
def test_velocity_with_the_denoiser_is_drift_and_score(path):
    """dx/dt = (α̇/α) x − σ² (σ̇/σ − α̇/α) ∇log p: the probability flow as Song et al. write it, eq. 13."""
    m, t, x = mixture(), some_t(path), torch.randn(7, 2)
    x = x.requires_grad_()
    (score,) = torch.autograd.grad(m.log_prob(x, t, path).sum(), x)
    drift = jvp(lambda u: path.alpha(u).log(), (t,), (torch.ones_like(t),))[1]
    noise = jvp(lambda u: path.sigma(u).log(), (t,), (torch.ones_like(t),))[1]
    expected = like(drift, x) * x - like(path.sigma(t) ** 2 * (noise - drift), x) * score
    torch.testing.assert_close(path.velocity(x, t, m.denoiser(path)(x, t)), expected)


def test_vp_is_the_diffusion_of_its_noise_rate():
    """dx/dt = −β(t)/2 (x + ∇log p) with β = beta_min + beta_d t, and α² + σ² = 1."""
    path, m, x = VP(), mixture(), torch.randn(7, 2)
    t = some_t(path)
    rate = like(0.1 + 19.9 * t, x)
    v = path.velocity(x, t, m.denoiser(path)(x, t))
    torch.testing.assert_close(v, -rate / 2 * (x + m.score(x, t, path)))
    torch.testing.assert_close(path.alpha(t) ** 2 + path.sigma(t) ** 2, torch.ones_like(t))
    torch.testing.assert_close(path.nsr(t), (torch.exp(19.9 * t**2 / 2 + 0.1 * t) - 1).sqrt())


def test_vp_keeps_its_digits_where_the_noise_vanishes():
    t = torch.tensor([1e-12, 1e-9, 1e-6])
    torch.testing.assert_close(VP().sigma(t), (0.1 * t).sqrt(), rtol=1e-3, atol=0)
    torch.testing.assert_close(VP().time_at(VP().nsr(t)), t, rtol=1e-9, atol=0)


def test_trigflow_angles_of_well_known_noise_levels():
    path = TrigFlow()
    angles = path.time_at(torch.tensor([80.0, 0.821, 0.002]))
    torch.testing.assert_close(angles, torch.tensor([1.56455, 1.02378, 0.0039999]), atol=1e-5, rtol=0)
    levels = path.nsr(torch.tensor([1.1, 1.3]))
    torch.testing.assert_close(levels, torch.tensor([0.98238, 1.8011]), atol=5e-5, rtol=0)
    assert path.t_max == pytest.approx(1.56455, abs=1e-5) and path.t_max < math.pi / 2


def test_trigflow_keeps_the_scale_of_the_data_and_its_network_is_minus_edm():
    path, sd = TrigFlow(), 0.5
    t, x, x0 = some_t(path), *pair((2,))
    torch.testing.assert_close(path.alpha(t) ** 2 * sd**2 + path.sigma(t) ** 2, torch.full_like(t, sd**2))
    level = like(path.nsr(t), x)
    x_ve = x / like(path.alpha(t), x)
    edm = (x0 - sd**2 / (level**2 + sd**2) * x_ve) / (level * sd / (level**2 + sd**2).sqrt())
    torch.testing.assert_close(path.velocity(x, t, x0), -sd * edm)


def test_linear_is_a_straight_line():
    path = Linear()
    (x0, eps), t = pair((2,)), some_t(path)
    torch.testing.assert_close(path.velocity(path.mix(x0, eps, t), t, x0), eps - x0)
    torch.testing.assert_close(path.time_at(torch.tensor([1.0, 3.0])), torch.tensor([0.5, 0.75]))


def test_ve_velocity_points_away_from_the_denoised():
    x, x0 = pair((2,))
    t = some_t(VE())
    torch.testing.assert_close(VE().velocity(x, t, x0), (x - x0) / like(t, x))


@every_path
def test_prior_has_the_scale_of_the_noise_end(path):
    g = torch.Generator().manual_seed(3)
    x = path.prior((40_000, 2), g, dtype=torch.float32)
    t = torch.tensor([path.t_max])
    assert x.dtype == torch.float32
    assert abs(x.std().item() / path.sigma(t).item() - 1) < 4 / math.sqrt(2 * x.numel())
    torch.testing.assert_close(path.prior((4, 2), g.manual_seed(5)), path.prior((4, 2), g.manual_seed(5)))


@every_path
def test_check_times_keeps_what_is_inside_and_refuses_what_is_not(path):
    inside = torch.tensor([path.t_max, (path.t_min + path.t_max) / 2, path.t_min])
    assert torch.equal(path.check_times(inside), inside)
    torch.testing.assert_close(path.check_times(inside.float()), inside)  # rounding to float32 is forgiven
    for wrong in (path.t_min / 2, path.t_max * 1.001, math.nan, math.inf, -1.0):
        with pytest.raises(ValueError, match=rf"expected times of {name(path)} in \["):
            path.check_times(torch.tensor([path.t_max, wrong]))


@pytest.mark.parametrize(
    "build",
    [
        lambda: VE(t_min=0.0),
        lambda: VE(t_min=2.0, t_max=1.0),
        lambda: VE(t_max=math.nan),
        lambda: VP(t_min=-1.0),
        lambda: Linear(t_max=math.inf),
        lambda: TrigFlow(sigma_data=0.0),
        lambda: TrigFlow(sigma_data=math.nan),
        lambda: TrigFlow(nsr_min=1.0, nsr_max=1.0),
    ],
)
def test_a_path_that_is_none_is_refused(build):
    with pytest.raises(ValueError, match="expected"):
        build()
