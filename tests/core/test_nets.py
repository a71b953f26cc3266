"""Networks: derivatives in every input, low time derivatives, and an initialisation that leaves the saddle."""

import pytest
import torch
from torch.func import jvp

from minicm.data import of_labelled
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


def test_a_label_reaches_every_output_and_none_is_as_good_as_a_negative_one():
    """The first layer adds √labels times the label's column, so a network told k is the bare one with that bias."""
    torch.manual_seed(0)
    net, u, c = MLP(6, width=8, depth=2, labels=3).double(), torch.randn(4, 2, 3), torch.rand(4)
    label = torch.tensor([2, 0, 1, 2])
    bare = MLP(6, width=8, depth=2).double()
    first = net.hidden[0].weight.detach()
    bare.load_state_dict(net.state_dict() | {"hidden.0.weight": torch.cat([first[:, :6], first[:, 9:]], 1)})
    torch.testing.assert_close(net(u, c), bare(u, c))
    assert torch.equal(net(u, c, torch.full((4,), -1)), net(u, c))
    for k in range(3):
        with torch.no_grad():
            bare.hidden[0].bias.copy_(net.hidden[0].bias + 3**0.5 * first[:, 6 + k])
        told = label == k
        torch.testing.assert_close(net(u, c, label)[told], bare(u, c)[told])
    du, dc = torch.randn_like(u), torch.rand(4)
    value, tangent = net.with_tangent(u, c, du, dc)  # without a label
    torch.testing.assert_close(value, net(u, c))
    torch.testing.assert_close(tangent, jvp(net, (u, c), (du, dc))[1])


@pytest.mark.parametrize(
    ("labels", "label", "message"),
    [
        (0, torch.tensor([0, 0]), "expected no label, the network was made without labels=..., got torch.int64"),
        (3, torch.tensor([0, 3]), "expected labels up to 2, got 3"),
        (3, 1, "expected a long label for each of 2 samples, got int"),
        (3, torch.tensor([0]), "expected a long label for each of 2 samples, got torch.int64"),
        (3, torch.tensor([0.0, 1.0]), "expected a long label for each of 2 samples, got torch.float32"),
    ],
)
def test_a_label_that_the_network_cannot_know_is_refused(labels, label, message):
    with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
        MLP(2, labels=labels)(torch.randn(2, 2, dtype=torch.float32), torch.rand(2, dtype=torch.float32), label)


def test_a_labelled_diffusion_model_learns_a_law_for_each_label():
    """Two classes at ∓1: by the exact score D(x, t) is the denoiser of the class's Gaussian, not of their mixture."""
    torch.manual_seed(0)
    path, std = TrigFlow(), 0.2
    centre = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])
    label = torch.arange(4000) % 2
    points = centre[label] + std * torch.randn(4000, 2)
    model = Preconditioned(MLP(2, width=32, depth=2, labels=2), TrigFlowScaling())
    optimizer, law = torch.optim.Adam(model.parameters(), 5e-3), log_normal(0.0, 1.0)
    for _ in zip(range(400), fit(model, VelocityLoss(path, law), of_labelled(points, label, 256), optimizer)):
        pass
    t = torch.full((500,), 1.2)
    for k in (0, 1):
        x = path.mix(centre[k] + std * torch.randn(500, 2), torch.randn(500, 2), t)
        a, s = path.alpha(t)[:, None], path.sigma(t)[:, None]
        exact = centre[k] + std**2 * a / (std**2 * a**2 + s**2) * (x - a * centre[k])
        with torch.no_grad():
            error = (model.given(torch.full((500,), k))(x, t) - exact).square().mean().sqrt()
        assert error < 0.15, error  # without labels: about 1, since the noise hides the class


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"^expected samples .* of 2 elements, got shape \(4, 3\)$"):
        MLP(2)(torch.randn(4, 3), torch.rand(4))
    with pytest.raises(ValueError, match="^expected dim >= 1"):
        MLP(0)
    with pytest.raises(ValueError, match="^expected count >= 1"):
        TimeFeatures(low=2.0, high=1.0)
