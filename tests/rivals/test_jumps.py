"""Flow maps as modules: the DDIM step inside, coefficients and their rates, sampling, two-time networks."""

import math

import pytest
import torch
from gauntlet import PATHS, SHAPES, name, some_t
from small_maps import MEAN, STD, exact_map, inner_pair, small_map
from torch.func import jvp

from minicm.nets import MLP, TimeFeatures, digits_unet
from minicm.nets.two_times import TwoTimeFeatures, two_time_mlp, two_time_unet
from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import VE, Linear, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import (
    FlowMap,
    coefficients,
    end_rates,
    jump_sample,
    start_rates,
    to_data,
    velocity_by_jvp,
    velocity_by_network,
)
from minicm.solvers import ddim_step, probability_flow


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_jump_is_the_ddim_step_with_the_velocity_of_the_network(path, shape):
    model, x, (t, s) = small_map(path, shape), torch.randn(7, *shape), inner_pair(path)
    V = model.velocity(x, t, s)
    torch.testing.assert_close(model(x, t, s), ddim_step(path)(lambda x, t: V, x, t, s))
    torch.testing.assert_close(model(x, t, t), x)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_on_the_diagonal_the_network_is_the_velocity_of_its_map(path):
    """∂_s X(x, t, s) at s = t is V(x, t, t), whatever the network."""
    model, x, t = small_map(path), torch.randn(7, 2), some_t(path)
    change = jvp(lambda s: model(x, t, s), (t,), (torch.ones_like(t),))[1]
    torch.testing.assert_close(change, model.velocity(x, t, t))


def test_the_coefficients_on_the_linear_path_and_on_trigflow():
    t, s = torch.tensor([0.9, 0.4]), torch.tensor([0.2, 0.1])
    for path in (Linear(), VE()):
        a, b = coefficients(path, t, s)
        torch.testing.assert_close(a, torch.ones(2))
        torch.testing.assert_close(b, s - t)
    a, b = coefficients(TrigFlow(), t, s)
    torch.testing.assert_close(a, torch.cos(t - s))
    torch.testing.assert_close(b, -torch.sin(t - s))


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_rates_are_the_derivatives_of_the_coefficients(path):
    t, s = inner_pair(path)
    start = jvp(lambda t: coefficients(path, t, s), (t,), (torch.ones_like(t),))[1]
    end = jvp(lambda s: coefficients(path, t, s), (s,), (torch.ones_like(t),))[1]
    for rates, expected in ((start_rates, start), (end_rates, end)):
        for a, b in zip(rates(path, t, s), expected, strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_inputs_and_velocities_of_a_flow_map_have_unit_scale(path):
    """For data of std σ_d: c_in x_t has variance 1, and so has the slope of a sample's path over the factor of F."""
    n, t = 400_000, some_t(path, 1).expand(400_000)
    x0, eps = 0.5 * torch.randn(n, 1), torch.randn(n, 1)
    x, seen = path.mix(x0, eps, t), []
    model = FlowMap(lambda u, times: seen.append(u) or torch.ones_like(u), path)
    scale = model.velocity(x, t, t)
    assert seen[0].std().item() == pytest.approx(1, rel=0.01)
    assert (path.velocity(x, t, x0) / scale).std().item() == pytest.approx(1, rel=0.01)


def test_the_known_average_velocity_on_the_linear_path():
    """MeanFlow's oracle in its own letters: u = (z − X(r))/(t − r), X(r) = (1 − r) m + √(V(r)/V(t)) (z − (1 − t) m)."""
    path, z, t, r = Linear(), torch.randn(5, 2), torch.full((5,), 0.8), torch.full((5,), 0.3)
    var = lambda t: (1 - t) ** 2 * STD**2 + t**2  # noqa: E731
    end = 0.7 * MEAN + math.sqrt(var(0.3) / var(0.8)) * (z - 0.2 * MEAN)
    torch.testing.assert_close(exact_map(path).velocity(z, t, r), (z - end) / 0.5)


def test_ctms_g_tends_to_the_denoiser_as_the_jump_shrinks():
    path, x = VE(), torch.randn(5, 2)
    t, denoise = torch.full((5,), 2.0), gaussian(MEAN, STD).denoiser(VE())
    g = lambda h: x - 2 * exact_map(path).velocity(x, t, t - h)  # noqa: E731
    errors = [(g(h) - denoise(x, t)).norm() for h in (4e-2, 2e-2, 1e-2)]
    assert 1.8 < errors[0] / errors[1] < 2.2 and 1.8 < errors[1] / errors[2] < 2.2


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0])
def test_jumps_of_the_exact_map_keep_the_law_whatever_gamma(path, gamma):
    """For a Gaussian every level's mean and variance are known; γ = 0 is the flow itself."""
    high = {"VE": 5.0, "VP": 0.7, "Linear": 0.9, "TrigFlow": 1.4}[name(path)]
    n, top = 100_000, torch.full((100_000,), high)
    x = path.mix(MEAN + STD * torch.randn(n, 2), torch.randn(n, 2), top)
    flow = gaussian_flow(MEAN, STD, path)
    out = jump_sample(flow, x, [high, high / 2, high / 4], path, gamma=gamma)
    low = torch.tensor(path.t_min)
    std = torch.hypot(path.alpha(low) * STD, path.sigma(low)).item()
    assert (out.mean(0) - path.alpha(low) * MEAN).abs().max() < 5 * std / math.sqrt(n)
    assert out.std(0).sub(std).abs().max() < 5 * std / math.sqrt(2 * n)
    if gamma == 0:
        torch.testing.assert_close(out, to_data(flow, path)(x, top))
    else:
        correlation = torch.corrcoef(torch.stack([out[:, 0], x[:, 0]]))[0, 1].item()
        assert correlation < 0.999


@pytest.mark.parametrize("path", [VE(), TrigFlow()], ids=name)
def test_gamma_is_the_share_of_the_noise_that_is_new(path):
    """Data at one point: γ of the noise level at the second time is new, √(1 − γ²) old."""
    flow = gaussian_flow(torch.zeros(1), 0.0, path)
    s = 0.8
    keep, n = [], 200_000
    x = path.mix(torch.zeros(n, 1), torch.randn(n, 1), torch.full((n,), 1.3))
    jump_sample(lambda x, t, s: keep.append(x) or flow(x, t, s), x, [1.3, s], path, gamma=0.6)
    correlation = torch.corrcoef(torch.stack([keep[0][:, 0], keep[1][:, 0]]))[0, 1].item()
    assert correlation == pytest.approx(0.8, abs=0.01)
    assert keep[1].std().item() == pytest.approx(path.sigma(torch.tensor(s)).item(), rel=0.01)


@pytest.mark.parametrize("times, gamma", [([], 0.0), ([0.5, 0.8], 0.0), ([2.0], 0.0), ([1.0], 1.5)])
def test_impossible_jumps_are_refused(times, gamma):
    with pytest.raises(ValueError, match="^expected"):
        jump_sample(lambda x, t, s: x, torch.randn(3, 2), times, TrigFlow(), gamma=gamma)


def test_a_diffusion_network_becomes_a_flow_map_of_ddim_steps():
    path, plain = TrigFlow(), Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())
    model, x, (t, s) = FlowMap(two_time_mlp(plain.network), path), torch.randn(7, 2), inner_pair(path)
    torch.testing.assert_close(model(x, t, s), ddim_step(path)(probability_flow(plain, path), x, t, s))
    with torch.no_grad():
        model.network.hidden[0].weight.add_(0.1)
    assert not torch.equal(model.velocity(x, t, s), model.velocity(x, t, s / 2))
    assert plain.network.hidden[0].weight.shape[1] == 2 + 16
    with pytest.raises(ValueError, match="^expected a network with TimeFeatures, got TwoTimeFeatures"):
        two_time_mlp(model.network)


def test_a_diffusion_unet_becomes_a_flow_map_of_ddim_steps_and_keeps_its_labels():
    path = TrigFlow()
    plain = Preconditioned(digits_unet(labels=10, guidance=TimeFeatures()).double(), TrigFlowScaling()).eval()
    with torch.no_grad():
        for p in plain.parameters():  # out of the closed branches of a new network
            p.add_(0.05 * torch.randn_like(p))
    wide = two_time_unet(plain.network)
    x, (t, s), label = torch.randn(2, 1, 8, 8), inner_pair(path, 2), torch.tensor([3, -1])
    scale = torch.tensor([1.0, 2.5])
    torch.testing.assert_close(
        wide(x, torch.stack([t, s], 1), label, scale), plain.network(x, t, label, scale), rtol=1e-12, atol=1e-12
    )
    model = FlowMap(wide, path)
    by_ddim = ddim_step(path)(probability_flow(lambda x, t: plain(x, t), path), x, t, s)
    torch.testing.assert_close(model(x, t, s), by_ddim, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        wide.map0.weight.add_(0.1)
    assert not torch.equal(model.velocity(x, t, s), model.velocity(x, t, s / 2))
    assert plain.network.map0.in_features == plain.network.map0.weight.shape[1] < wide.map0.weight.shape[1]
    with pytest.raises(ValueError, match="^expected a network with TimeFeatures, got TwoTimeFeatures"):
        two_time_unet(wide)


def test_the_velocity_of_a_unet_differentiates_along_both_times():
    path, wide = TrigFlow(), two_time_unet(digits_unet().double())
    with torch.no_grad():
        for p in wide.parameters():
            p.add_(0.05 * torch.randn_like(p))
    model = FlowMap(wide, path)
    x, (t, s), h = torch.randn(2, 1, 8, 8), inner_pair(path, 2), 1e-5
    dx, dt, ds = torch.randn_like(x), torch.randn(2), torch.randn(2)
    _, dV = velocity_by_jvp(model, x, t, s, dx, dt, ds)
    ahead = model.velocity(x + h * dx, t + h * dt, s + h * ds)
    behind = model.velocity(x - h * dx, t - h * dt, s - h * ds)
    torch.testing.assert_close(dV, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-7)


def test_both_derivatives_of_the_velocity_agree():
    path = TrigFlow()
    model = FlowMap(MLP(2, 16, 2, TwoTimeFeatures()).double(), path)
    x, (t, s) = torch.randn(7, 2), inner_pair(path)
    tangents = torch.randn(7, 2), torch.randn(7), torch.randn(7)
    for a, b in zip(*(f(model, x, t, s, *tangents) for f in (velocity_by_jvp, velocity_by_network)), strict=True):
        torch.testing.assert_close(a, b)
    h = 1e-5
    ahead, behind = (
        model.velocity(x + k * h * tangents[0], t + k * h * tangents[1], s + k * h * tangents[2]) for k in (1, -1)
    )
    change = velocity_by_jvp(model, x, t, s, *tangents)[1]
    torch.testing.assert_close(change, (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-7)
    with pytest.raises(ValueError, match="use velocity_by_jvp$"):
        velocity_by_network(FlowMap(model.network, Linear()), x, t, s, *tangents)
