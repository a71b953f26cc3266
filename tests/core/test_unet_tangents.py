"""Tangents by hand: every part of the U-Net, and the whole, against torch's forward mode and a finite difference."""

import pytest
import torch
from torch import nn
from torch.func import jvp

from minicm.data import digit_images
from minicm.lab.hardware import Hardware, accelerated
from minicm.losses import SCMLoss, by_jvp, by_network, exact_derivative
from minicm.nets import MLP, Additive, DoubleNorm, Patched, TimeFeatures, UNet, digits_unet, two_time_unet
from minicm.nets.blocks import Attention, Block
from minicm.nets.layers import Dropout, GroupNorm, halved, unchanged_size, upsampled
from minicm.paths import Linear, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import FlowMap, velocity_by_jvp
from minicm.rivals.flow_maps import meanflow
from minicm.rivals.jumps import exact_velocity_derivative
from minicm.times import log_normal

EXACT = {torch.float64: 1e-10, torch.float32: 1e-5}  # of the norm
each_dtype = pytest.mark.parametrize("dtype", EXACT)
each_conditioning = pytest.mark.parametrize("conditioning", [Additive, DoubleNorm])


def block(resample=unchanged_size, outputs=8, **options):
    options = {"conditioning": DoubleNorm, "dropout": 0.0, "attention": None} | options
    return Block(8, outputs, 6, resample=resample, **options)


PARTS = {  # each with the number of its inputs: x alone, or x and the embedding
    "GroupNorm": (lambda: GroupNorm(8), 1),
    "Attention": (lambda: Attention(8), 1),
    "Dropout": (lambda: Dropout(0.4), 1),
    "Additive": (lambda: Additive(8, 6), 2),
    "DoubleNorm": (lambda: DoubleNorm(8, 6), 2),
    "block": (block, 2),
    "block, halved": (lambda: block(halved), 2),
    "block, upsampled": (lambda: block(upsampled, dropout=0.3), 2),
    "block, wider, attends": (lambda: block(outputs=16, attention=Attention(16), conditioning=Additive), 2),
}


def opened(module, dtype=torch.float64):
    """The same module with weights that all count."""
    for p in module.parameters():
        p.data += 0.2 * torch.randn_like(p)
    return module.to(dtype)


def network(dtype=torch.float64, conditioning=DoubleNorm, **options):
    """Two levels, attention on both, labels, a guidance scale and dropout."""
    wide = UNet(
        2, width=8, multipliers=(1, 2), blocks=1, attention=(0,), labels=3, guidance=TimeFeatures(4),
        conditioning=conditioning, **{"dropout": 0.3} | options,
    )  # fmt: skip
    return opened(wide, dtype)


def state(dtype=torch.float64, times=(4,), channels=2):
    x, dx = torch.randn(2, 4, channels, 8, 8, dtype=dtype)
    t, dt = torch.rand(2, *times, dtype=dtype)
    return x, t, dx, dt


def conditions(dtype=torch.float64):
    return torch.tensor([0, 2, -1, 1]), torch.rand(4, dtype=dtype)


def seeded(function, *arguments):
    torch.manual_seed(5)
    return function(*arguments)


def relative(a, b):
    assert a.shape == b.shape and a.dtype == b.dtype
    return ((a - b).norm() / b.norm()).item()


@each_dtype
@pytest.mark.parametrize("name", PARTS)
def test_each_part_states_its_own_tangent(name, dtype):
    make, inputs = PARTS[name]
    part = opened(make(), dtype).train()
    at = torch.randn(4, 8, 4, 6, dtype=dtype), torch.randn(4, 6, dtype=dtype)
    along = tuple(torch.randn_like(z) for z in at)
    pairs = [z for pair in zip(at[:inputs], along[:inputs], strict=True) for z in pair]
    value, tangent = seeded(part.with_tangent, *pairs)
    wanted, change = seeded(jvp, part, at[:inputs], along[:inputs])
    assert relative(value, wanted) < EXACT[dtype] and relative(tangent, change) < EXACT[dtype]
    assert not tangent.requires_grad
    if dtype == torch.float64:
        h = 1e-5
        ahead, behind = (seeded(part, *(z + k * h * d for z, d in zip(at[:inputs], along))) for k in (1, -1))
        assert relative(tangent, (ahead - behind) / (2 * h)) < 1e-7


@each_dtype
@each_conditioning
@pytest.mark.parametrize("times", [(4,), (4, 2)], ids=["one time", "two times"])
def test_the_whole_network_in_one_walk(conditioning, dtype, times):
    net, told = network(dtype, conditioning), conditions(dtype)
    net = (two_time_unet(net) if len(times) == 2 else net).train()
    x, t, dx, dt = state(dtype, times)
    value, tangent = seeded(net.with_tangent, x, t, dx, dt, *told)
    _, change = seeded(jvp, lambda u, c: net(u, c, *told), (x, t), (dx, dt))
    again = seeded(net, x, t, *told)
    assert torch.equal(value, again) and relative(tangent, change) < EXACT[dtype]
    gradients, usual = (torch.autograd.grad(v.square().sum(), list(net.parameters())) for v in (value, again))
    assert all(torch.equal(a, b) for a, b in zip(gradients, usual, strict=True)) and not tangent.requires_grad


@each_conditioning
def test_the_tangent_is_the_finite_difference(conditioning):
    net, told, h = network(conditioning=conditioning).eval(), conditions(), 1e-5
    x, t, dx, dt = state()
    ahead, behind = (net(x + k * h * dx, t + k * h * dt, *told) for k in (1, -1))
    assert relative(net.with_tangent(x, t, dx, dt, *told)[1], (ahead - behind) / (2 * h)) < 1e-6


def test_each_layer_is_asked_twice_and_its_value_computed_once():
    net, calls = network().eval(), []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda *_: calls.append(1))
    net.with_tangent(*state(), *conditions())
    assert len(calls) == sum(isinstance(layer, nn.Conv2d) for layer in net.modules())


def test_channels_last_changes_nothing():
    net, told = network(torch.float32).eval().to(memory_format=torch.channels_last), conditions(torch.float32)
    x, t, dx, dt = state(torch.float32)
    usual = net.with_tangent(x, t, dx, dt, *told)
    moved = net.with_tangent(
        *(z.to(memory_format=torch.channels_last) if z.ndim == 4 else z for z in (x, t, dx, dt)), *told
    )
    assert all(relative(a, b) < 1e-5 for a, b in zip(moved, usual, strict=True))


def test_in_bfloat16_the_tangent_is_right_within_five_percent_and_every_weight_learns():
    """Under autocast a copy of a weight that is made without a graph would stop its gradient."""
    model, (x, t, dx, dt) = Preconditioned(network(torch.float32, dropout=0.0), TrigFlowScaling()), state(torch.float32)
    fast = accelerated(model, Hardware(bf16=True))
    _, exact = by_network(model, x, t, dx, dt)
    value, tangent = exact_derivative(fast, x, t, dx, dt)
    assert value.dtype == tangent.dtype == torch.float32 and 1e-4 < relative(tangent, exact) < 0.05
    value.square().sum().backward()
    silent = {"network.label_map.weight", "network.scale_map.weight"}  # nothing was told
    assert {name for name, p in model.named_parameters() if p.grad is None} == silent


@pytest.mark.slow
def test_it_is_traced_without_a_break():
    """All of torch.compile but the code it generates, which takes minutes on a CPU."""
    net = opened(UNet(1, width=4, multipliers=(1, 2), blocks=1, attention=(1,)), torch.float32).eval()
    at = state(torch.float32, channels=1)
    compiled = torch.compile(net.with_tangent, backend="aot_eager", fullgraph=True)
    with torch.no_grad():
        pairs = zip(compiled(*at), net.with_tangent(*at), strict=True)
    assert all(relative(a, b) < 1e-5 for a, b in pairs)


# ---- who uses it


def test_a_bound_label_goes_along_and_the_loss_is_that_of_forward_mode():
    net, label = network(torch.float32, dropout=0.2).train(), torch.tensor([0, 2, -1, 1])
    model, x0 = Preconditioned(net, TrigFlowScaling()).given(label), 0.5 * torch.randn(4, 2, 8, 8, dtype=torch.float32)
    gradients = []
    for derivative in (exact_derivative, by_jvp):
        loss = SCMLoss(TrigFlow(), log_normal(-1.0, 1.4), derivative=derivative)
        value = seeded(loss, model, x0, 0, torch.Generator().manual_seed(2)).mean()
        kept = [p for name, p in net.named_parameters() if "scale_map" not in name]
        gradients.append(torch.cat([g.flatten() for g in torch.autograd.grad(value, kept)]))
    assert relative(*gradients) < 1e-4


def test_it_is_used_where_it_is_offered_and_nowhere_else():
    calls, at = [], state()

    class Offers(nn.Module):
        def with_tangent(self, u, c, du, dc):
            calls.append(1)
            return u, du

        def forward(self, u, c):
            return u

    exact_derivative(Preconditioned(Offers(), TrigFlowScaling()), *at)
    exact_derivative(Preconditioned(Offers(), TrigFlowScaling()).given(), *at)
    exact_velocity_derivative(FlowMap(Offers(), TrigFlow()), *at[:2], at[1] / 2, *at[2:], at[3])
    assert len(calls) == 3
    exact_velocity_derivative(FlowMap(Offers(), Linear()), *at[:2], at[1] / 2, *at[2:], at[3])
    plain = nn.Module()
    plain.forward = lambda u, c: 2 * u
    for model in (Preconditioned(plain, TrigFlowScaling()), Preconditioned(plain, TrigFlowScaling()).given()):
        assert torch.equal(exact_derivative(model, *at)[1], 2 * 2 * at[2])
    assert len(calls) == 3


def test_the_mlp_is_told_its_label_in_its_tangent():
    net, label = MLP(4, 16, 2, labels=3).double(), torch.tensor([0, 2, -1])
    x, t, dx, dt = (
        torch.randn(3, 4).double(),
        torch.rand(3).double(),
        torch.randn(3, 4).double(),
        torch.rand(3).double(),
    )
    value, tangent = net.with_tangent(x, t, dx, dt, label)
    wanted, change = jvp(lambda u, c: net(u, c, label), (x, t), (dx, dt))
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(tangent, change)


def test_meanflow_of_pictures_takes_it():
    net = two_time_unet(opened(digits_unet()))
    model, (x, t, dx, dt) = FlowMap(net, TrigFlow()), state(channels=1)
    along = (x, t, t / 3, dx, dt, torch.rand(4).double())
    for a, b in zip(exact_velocity_derivative(model, *along), velocity_by_jvp(model, *along), strict=True):
        torch.testing.assert_close(a, b)
    x0 = digit_images()[0][:4].double()
    value = meanflow(TrigFlow(), log_normal(-1.0, 1.4))(model, x0, 0, torch.Generator().manual_seed(0))
    assert value.shape == (4,) and value.requires_grad


# ---- over patches


def test_patches_only_move_numbers():
    class Kept(nn.Module):
        labels = 7

        def forward(self, u, c):
            self.seen = u
            return u

    net, u = Patched(Kept(), 2), torch.arange(32.0).view(1, 2, 4, 4)
    assert torch.equal(net(u, torch.zeros(1)), u) and net.labels == 7
    assert torch.equal(net.network.seen[0, :, 0, 1], torch.cat([u[0, k, :2, 2:].flatten() for k in (0, 1)]))


def test_the_tangent_passes_patches():
    net, told = Patched(opened(UNet(8, width=8, multipliers=(1,), blocks=1, labels=3)), 2), conditions()[:1]
    x, t, dx, dt = state()
    value, tangent = net.with_tangent(x, t, dx, dt, *told)
    wanted, change = jvp(lambda u, c: net(u, c, *told), (x, t), (dx, dt))
    torch.testing.assert_close(value, wanted)
    torch.testing.assert_close(tangent, change)


def test_pictures_that_patches_do_not_divide_are_refused():
    net = Patched(UNet(4, width=8, multipliers=(1,), blocks=1), 2)
    with pytest.raises(
        ValueError, match=r"^expected pictures u \(B, C, H, W\), H and W multiples of 2, got \(1, 1, 5, 4\)"
    ):
        net(torch.randn(1, 1, 5, 4), torch.rand(1))
