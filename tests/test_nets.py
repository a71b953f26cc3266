"""Networks: derivatives in every input, low time derivatives, and an initialisation that leaves the saddle."""

import pytest
import torch
from torch.func import jvp

from minicm.data.toys import eight_gaussians, eight_gaussians_mixture
from minicm.losses import VelocityLoss
from minicm.nets import MLP, TimeFeatures
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, Recovered, TrigFlowScaling
from minicm.times import log_normal
from minicm.training import fit

NETS = [(MLP(2).double(), (2,)), (MLP(12, width=16, depth=2).double(), (3, 2, 2))]


@pytest.mark.parametrize("net, shape", NETS)
def test_forward_mode_is_the_finite_difference(net, shape):
    u, c, du, dc = torch.randn(7, *shape), torch.rand(7), torch.randn(7, *shape), torch.rand(7)
    h = 1e-5
    difference = (net(u + h * du, c + h * dc) - net(u - h * du, c - h * dc)) / (2 * h)
    torch.testing.assert_close(jvp(net, (u, c), (du, dc))[1], difference, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("net, shape", NETS)
def test_forward_mode_by_hand_is_that_of_autograd(net, shape):
    u, c, du, dc = torch.randn(7, *shape), torch.rand(7), torch.randn(7, *shape), torch.rand(7)
    value, tangent = net.with_tangent(u, c, du, dc)
    torch.testing.assert_close(value, net(u, c))
    torch.testing.assert_close(tangent, jvp(net, (u, c), (du, dc))[1], rtol=1e-12, atol=1e-12)
    assert value.requires_grad and not tangent.requires_grad


def test_time_features_change_slowly():
    """Each feature's time derivative is at most its frequency; above 10 continuous-time training fails."""
    features, t = TimeFeatures(), torch.linspace(0, 1.57, 100)
    slope = jvp(features, (t,), (torch.ones_like(t),))[1]
    torch.testing.assert_close(features.tangent(t, torch.ones_like(t)), slope, rtol=1e-6, atol=1e-6)
    assert slope.abs().max() <= 3.2 + 1e-6


def test_an_untrained_network_has_outputs_of_order_one_that_are_not_linear():
    torch.manual_seed(0)
    net, u, c = MLP(2), torch.randn(2000, 2), torch.rand(2000)
    assert 0.1 < net(u, c).std() < 1
    even = net(u, c) + net(-u, c) - 2 * net(0 * u, c)  # 0 for an affine function of u
    assert even.norm() > 0.2 * net(u, c).norm()


@pytest.mark.parametrize("seed", [0])
def test_after_500_steps_the_denoiser_beats_the_best_linear_one(seed):
    """F = 0 is the Gaussian denoiser: with torch's default initialisation training stays there on a symmetric set."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(seed)
    path, law = TrigFlow(), log_normal(-1.2, 1.2)
    model = Preconditioned(MLP(2), TrigFlowScaling())
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    data = (eight_gaussians(256, torch.Generator().manual_seed(k)) for k in range(500))
    for _ in fit(model, VelocityLoss(path, law), data, optimizer, seed=seed):
        pass
    g = torch.Generator().manual_seed(9)
    x0, t = eight_gaussians(20_000, g), path.time_at(law(20_000, g))
    x = path.mix(x0, torch.randn(x0.shape, generator=g), t)
    exact = Recovered(eight_gaussians_mixture().denoiser(path), TrigFlowScaling())
    with torch.no_grad():
        error = (model.raw(x, t) - exact.raw(x, t)).square().mean() / exact.raw(x, t).square().mean()
    assert error < 0.5, f"relative error {error:.2f}; staying at F = 0 gives 1.00"


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^expected samples .* of 2 elements each, got shape \(4, 3\)$"):
        MLP(2)(torch.randn(4, 3), torch.rand(4))
    with pytest.raises(ValueError, match="^expected dim >= 1"):
        MLP(0)
    with pytest.raises(ValueError, match="^expected count >= 1"):
        TimeFeatures(low=2.0, high=1.0)
