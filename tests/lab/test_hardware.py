"""The fast view of a model is the same model: its parameters, its names, its values up to the rounding asked for."""

import pytest
import torch

from minicm.averages import PowerEMA
from minicm.lab.hardware import Hardware, accelerated, chosen_device, to_device
from minicm.losses import by_jvp
from minicm.nets import MLP
from minicm.precond import Preconditioned, TrigFlowScaling

CPU = Hardware(device="cpu")


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


class Labelled(MLP):
    """An MLP that adds its label."""

    def forward(self, u, c, label=None):
        return super().forward(u, c) + (0 if label is None else label[:, None])


@pytest.fixture
def model():
    return Preconditioned(Labelled(4, 32, 2), TrigFlowScaling(0.5))


def inputs():
    g = torch.Generator().manual_seed(1)
    return torch.randn(5, 4, generator=g), torch.rand(5, generator=g)


def test_on_a_cpu_nothing_changes_unless_asked_for(model):
    assert accelerated(model, CPU) is model and chosen_device(CPU) == torch.device("cpu")
    assert to_device(model, CPU) is model


def test_bf16_rounds_the_network_alone(model):
    """D = cos(t) x − σ_d sin(t) F: the rounding of F reaches D with the factor σ_d sin t and no other."""
    view, (x, t) = accelerated(model, Hardware(device="cpu", bf16=True)), inputs()
    gap = view.raw(x, t) - model.raw(x, t)
    assert 1e-4 < gap.abs().max() < 0.1 * model.raw(x, t).abs().max()
    expected = -0.5 * t.sin()[:, None] * gap
    assert torch.allclose(view(x, t) - model(x, t), expected, atol=1e-6)
    assert view(x, t).dtype == torch.float32


def test_the_view_shares_parameters_modes_and_conditions(model):
    view, (x, t) = accelerated(model, Hardware(device="cpu", bf16=True)), inputs()
    assert all(a is b for a, b in zip(view.parameters(), model.parameters(), strict=True))
    average = PowerEMA(model)
    with torch.no_grad():
        model.network.last.bias += 1
    average.update(view)
    assert torch.equal(average.model.network.last.bias, model.network.last.bias)
    label = torch.arange(5.0)
    assert torch.allclose(view.given(label).raw(x, t) - view.raw(x, t), label[:, None].expand(5, 4), atol=0.05)
    view.eval()
    assert not model.network.training


def test_bf16_keeps_the_tangent(model):
    view, (x, t) = accelerated(model, Hardware(device="cpu", bf16=True)), inputs()
    (_, exact), (F, found) = (by_jvp(m, x, t, torch.ones_like(x), torch.ones_like(t)) for m in (model, view))
    assert found.dtype == F.dtype == torch.float32
    assert (found - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("name", ["abacus", "cuda:99"])
def test_a_device_that_is_not_there(name):
    with pytest.raises(ValueError, match=f"got {name}: try --device cpu"):
        chosen_device(Hardware(device=name))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_the_compiled_view_is_the_model():
    model, (x, t) = to_device(Preconditioned(MLP(4, 32, 2), TrigFlowScaling(0.5)), Hardware()), inputs()
    x, t = x.cuda(), t.cuda()
    view = accelerated(model, Hardware(bf16=False))
    assert torch.allclose(view(x, t), model(x, t), atol=1e-3)
    (_, exact), (_, found) = (by_jvp(m, x, t, torch.ones_like(x), torch.ones_like(t)) for m in (model, view))
    assert torch.allclose(found, exact, atol=1e-2)
