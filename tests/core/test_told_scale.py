"""An MLP that is told a guidance scale: what its layers get, its tangent, and what it refuses."""

import math

import pytest
import torch

from minicm.nets import GuidedMLP
from minicm.precond import Preconditioned, TrigFlowScaling


def case():
    torch.manual_seed(0)
    net = GuidedMLP(2, width=8, depth=2, labels=3)
    return net, torch.randn(2, 2), torch.rand(2), torch.tensor([2, 0]), torch.tensor([1.5, 3.0])  # batch = event size


def test_its_layers_get_sample_label_time_and_scale():
    net, u, c, label, scale = case()
    features = net.mlp.features.single
    h = torch.cat([u, math.sqrt(3) * torch.eye(3)[label], features(c), features(scale)], 1)
    for layer in net.mlp.hidden:
        h = torch.nn.functional.silu(layer(h))
    torch.testing.assert_close(net(u, c, label, scale), net.mlp.last(h))
    assert not torch.allclose(net(u, c, label, scale), net(u, c, label, scale + 0.1))
    torch.testing.assert_close(net(u, c, label), net(u, c, label, torch.ones(2)))
    bound = Preconditioned(net, TrigFlowScaling()).given(label, scale)
    torch.testing.assert_close(bound.raw(u, c), net(u / 0.5, c, label, scale))


def test_its_tangent_is_that_of_forward_mode():
    net, u, c, label, scale = case()
    du, dc = torch.randn(2, 2), torch.randn(2)
    right = torch.func.jvp(lambda u, c: net(u, c, label, scale), (u, c), (du, dc))
    torch.testing.assert_close(net.with_tangent(u, c, du, dc, label, scale), right)


@pytest.mark.parametrize(
    ("scale", "words"), [(torch.ones(2, 1), r"scale of shape \(2,\)"), (torch.tensor(1.0), "scale of"), (2.0, "scale")]
)
def test_a_scale_that_does_not_fit_is_refused_in_one_line(scale, words):
    net, u, c, label, _ = case()
    with pytest.raises(ValueError, match=words) as caught:
        net(u, c, label, scale)
    assert "\n" not in str(caught.value)
