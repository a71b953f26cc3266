"""The record of tangents: closed forms on Gaussian data, where every part of it is known."""

import json
import math
from dataclasses import asdict

import pytest
import torch
from torch.func import jvp

from minicm.evaluation.tangents import EDGES, TangentRecord, one_step_error, scm_record
from minicm.losses import AdaptiveWeight, by_differences, by_network
from minicm.nets import MLP
from minicm.oracles import gaussian, gaussian_consistency
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, Recovered, TrigFlowScaling
from minicm.shapes import like

PATH = TrigFlow()
MEAN, STD = torch.tensor([0.3, -0.2], dtype=torch.float64), 0.3


def draw(n=400):
    t = torch.linspace(0.05, 1.55, n)
    return torch.randn(n, 2), torch.randn(n, 2), t


def network():
    return Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())


def exact_model(mean=MEAN, std=STD):
    return Recovered(gaussian_consistency(mean, std, PATH), TrigFlowScaling())


class Zero(torch.nn.Module):
    """F = 0: the denoiser of N(0, σ_d²), f = cos(t) x."""

    def forward(self, u, c):
        return torch.zeros_like(u)


class Tangent(torch.nn.Module):
    """F = −tan(t/2) u: the consistency function of N(0, σ_d²), f = x."""

    def forward(self, u, c):
        return -like((c / 2).tan(), u) * u


STILL = gaussian(torch.zeros(2, dtype=torch.float64), PATH.sigma_data).denoiser(PATH)  # nothing moves on its ODE


def by_bin(values, t, edges=EDGES):
    """The mean of values where low <= t < high, by masks."""
    return [values[(t >= low) & (t < high)].mean().item() for low, high in zip(edges[:-1], edges[1:])]


def test_the_exact_flow_has_no_tangent_and_no_error():
    x0, eps, t = draw()
    teacher, exact = gaussian(MEAN, STD).denoiser(PATH), gaussian_consistency(MEAN, STD, PATH)
    found = scm_record(exact_model(), x0, eps, t, path=PATH, teacher=teacher, exact=exact)
    assert max(found.tangent) < 1e-13 and max(found.error) < 1e-13
    assert min(found.jvp) > 0.01  # the terms cancel; they are not 0
    assert min(scm_record(exact_model(), x0, eps, t, path=PATH).tangent) > 0.01  # without a teacher, right on average


def test_each_part_in_closed_form_where_nothing_moves():
    """On N(0, σ_d²) v = 0: F = 0 leaves g = −cos t sin t x; F = −tan(t/2) x/σ_d has dF/dt = −x/(2 σ_d cos²(t/2))."""
    x0, eps, t = draw()
    size, d = PATH.mix(x0, eps, t).norm(dim=1), PATH.sigma_data
    zero, right = (Preconditioned(net, TrigFlowScaling()) for net in (Zero(), Tangent()))
    stay = lambda x, t: x  # noqa: E731
    found = scm_record(zero, x0, eps, t, path=PATH, teacher=STILL, exact=stay)
    assert found.tangent == pytest.approx(by_bin(t.cos() * t.sin() * size, t))
    assert max(found.jvp) == max(found.network) == 0
    squares = by_bin(((1 - t.cos()) * size) ** 2 / 2, t)
    assert found.error == pytest.approx([math.sqrt(value) for value in squares])
    found = scm_record(right, x0, eps, t, path=PATH, teacher=STILL, exact=stay)
    assert max(found.tangent) < 1e-14 and max(found.error) < 1e-14
    assert found.network == pytest.approx(by_bin((t / 2).tan() * size / d, t))
    assert found.jvp == pytest.approx(by_bin(t.cos() * t.sin() / (1 + t.cos()) * size, t))


def test_the_tangent_is_cos_times_the_change_of_f():
    model, (x0, eps, t) = network(), draw()
    teacher = gaussian(MEAN, STD).denoiser(PATH)
    for given, guess in ((None, lambda x, t: x0), (teacher, teacher)):
        x = PATH.mix(x0, eps, t)
        change = jvp(model, (x, t), (PATH.velocity(x, t, guess(x, t)), torch.ones_like(t)))[1]
        found = scm_record(model, x0, eps, t, path=PATH, teacher=given)
        assert found.tangent == pytest.approx(by_bin(t.cos() * change.norm(dim=1), t))


def test_all_derivatives_give_the_same_record():
    model, (x0, eps, t) = network(), draw()
    wanted = scm_record(model, x0, eps, t, path=PATH)
    for derivative in (by_network, by_differences(1e-5)):
        found = scm_record(model, x0, eps, t, path=PATH, derivative=derivative)
        assert found.tangent == pytest.approx(wanted.tangent, rel=1e-6)
        assert found.jvp == pytest.approx(wanted.jvp, rel=1e-6)


def test_the_bins_share_the_samples_out():
    model, (x0, eps, t) = network(), draw()
    order = torch.randperm(len(t))
    fine, whole = (scm_record(model, x0[order], eps[order], t[order], path=PATH, edges=e) for e in (EDGES, (0, 2)))
    assert sum(fine.count) == whole.count[0] == len(t)
    for name in ("tangent", "jvp", "network"):
        means = getattr(fine, name)
        total = sum(mean * n for mean, n in zip(means, fine.count)) / len(t)
        assert getattr(whole, name) == pytest.approx([total])
    assert whole.middle == (1.0,) and fine.middle[0] == pytest.approx(math.pi / 32)


def test_a_time_on_an_edge_is_in_the_later_bin_and_none_is_lost():
    edges, t = (0.5, 1.0, 1.5), torch.tensor([0.1, 0.5, 1.0, 1.0, 1.5, 1.56])
    x0, eps = torch.randn(6, 2), torch.randn(6, 2)
    assert scm_record(network(), x0, eps, t, path=PATH, edges=edges).count == (2, 4)
    found = scm_record(network(), x0[:1], eps[:1], t[:1], path=PATH, edges=edges)
    assert found.count == (1, 0) and math.isnan(found.tangent[1]) and math.isnan(found.weight[1])


def test_the_weight_is_that_of_the_head():
    weight, (x0, eps, t) = AdaptiveWeight().double(), draw()
    torch.nn.init.normal_(weight.head.weight)
    found = scm_record(network(), x0, eps, t, path=PATH, weight=weight)
    assert found.weight == pytest.approx(by_bin(weight(t).detach(), t))
    assert set(scm_record(network(), x0, eps, t, path=PATH).weight) == {0.0}


def test_one_step_error_is_a_root_mean_square_per_element():
    """A model that is off by a constant c has the error |c| whatever the event shape, and by time where it is off."""
    x, t = torch.randn(300, 3, 4, 4), torch.linspace(0, 1.57, 300)
    exact = lambda x, t: 0.5 * x  # noqa: E731
    found = one_step_error(lambda x, t: exact(x, t) - 0.25 * like((t > math.pi / 4).double(), x), exact, x, t)
    assert found == pytest.approx([0.0] * 4 + [0.25] * 4)
    mixed = one_step_error(lambda x, t: exact(x, t) + 0.3 * (x > 0) - 0.4 * (x <= 0), exact, x, t, edges=(0, 2))
    assert mixed[0] == pytest.approx(math.sqrt((0.3**2 + 0.4**2) / 2), rel=2e-2)


def test_images_are_measured_sample_by_sample():
    class Scaled(torch.nn.Module):
        def forward(self, u, c):
            return 0.5 * u

    x0, eps, t = torch.randn(3, 3, 4, 4), torch.randn(3, 3, 4, 4), torch.tensor([0.3, 0.8, 1.2])
    found = scm_record(Preconditioned(Scaled(), TrigFlowScaling()), x0, eps, t, path=PATH, edges=(0, 0.5, 1, 2))
    sizes = PATH.mix(x0, eps, t).flatten(1).norm(dim=1)
    assert found.network == pytest.approx((0.5 * sizes / PATH.sigma_data).tolist())


def test_the_record_is_plain_and_leaves_the_model_alone():
    model, (x0, eps, t) = network(), draw(50)
    before = [p.clone() for p in model.parameters()]
    found = scm_record(model, x0, eps, t, path=PATH, exact=lambda x, t: x)
    assert TangentRecord(**{k: tuple(v) for k, v in json.loads(json.dumps(asdict(found))).items()}) == found
    assert all(torch.equal(p, q) and p.grad is None for p, q in zip(model.parameters(), before))
    assert all(math.isnan(e) for e in scm_record(model, x0, eps, t, path=PATH).error)


@pytest.mark.parametrize("edges", [(0.0,), (0.0, 1.0, 1.0), (1.0, 0.0)])
def test_bad_edges(edges):
    x0, eps, t = draw(5)
    message = r"^expected at least 2 edges, strictly increasing, got \["
    with pytest.raises(ValueError, match=message):
        scm_record(network(), x0, eps, t, path=PATH, edges=edges)
    with pytest.raises(ValueError, match=message):
        one_step_error(lambda x, t: x, lambda x, t: x, x0, t, edges=edges)
