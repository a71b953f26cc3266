"""Guidance: its two ends, its velocity, and a case where the guided law is known."""

import math

import pytest
import torch
from gauntlet import PATHS, mixture, name, some_t

from minicm.evaluation import CountCalls
from minicm.losses import SCMLoss, scm_tangent
from minicm.nets import TimeFeatures, UNet
from minicm.oracles import gaussian
from minicm.paths import VE, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import GuidedSCMLoss, with_scales
from minicm.sampling import guided, guided_by, guided_within
from minicm.shapes import conditioned
from minicm.solvers import integrate, probability_flow, rk4_step
from minicm.times import log_normal, uniform
from minicm.training import fit

PATH = TrigFlow()


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_guidance_mixes_velocities_as_it_mixes_denoisers(path):
    one, other = mixture(k=2).denoiser(path), mixture(k=3).denoiser(path)
    x, t = torch.randn(7, 2), some_t(path)
    velocity = lambda denoise: path.velocity(x, t, denoise(x, t))  # noqa: E731
    mixed = velocity(other) + 1.7 * (velocity(one) - velocity(other))
    torch.testing.assert_close(velocity(guided(one, other, 1.7)), mixed)
    torch.testing.assert_close(guided(one, other, 1.0)(x, t), one(x, t))
    torch.testing.assert_close(guided(one, other, 0.0)(x, t), other(x, t))


def test_between_gaussians_of_one_width_guidance_moves_the_mean():
    """N(m, s²) guided against N(0, s²) with scale w is the denoiser of N(w m, s²)."""
    m, s, w = torch.tensor([0.4, -0.2]), 0.5, 2.5
    x, t = torch.randn(7, 2), some_t(VE())
    strong = guided(gaussian(m, s).denoiser(VE()), gaussian(0 * m, s).denoiser(VE()), w)
    torch.testing.assert_close(strong(x, t), gaussian(w * m, s).denoiser(VE())(x, t))


@pytest.mark.parametrize("w", [0.5, 3.0])
def test_between_gaussians_of_one_mean_the_flow_takes_the_geometric_mean_of_the_widths(w):
    """x(s) = x(t) (b(s)/b(t))^w (a(s)/a(t))^(1−w), b² = s_c² + t², a² = s_0² + t²: not the tilted density's width."""
    narrow, wide, path = 0.3, 0.9, VE()
    field = probability_flow(guided(*(gaussian(torch.zeros(2), s).denoiser(path) for s in (narrow, wide)), w), path)
    t, s = torch.tensor(20.0), torch.tensor(0.01)
    x = torch.randn(5, 2)
    ratio = 1.0
    for std, power in ((narrow, w), (wide, 1 - w)):
        ratio = ratio * (torch.hypot(torch.tensor(std), s) / torch.hypot(torch.tensor(std), t)) ** power
    grid = torch.logspace(torch.log10(t).item(), torch.log10(s).item(), 201)
    torch.testing.assert_close(integrate(field, x, grid, rk4_step), ratio * x, rtol=1e-5, atol=0)


def test_a_bad_guide_that_is_too_wide_takes_a_good_one_to_the_truth():
    """Autoguidance between N(0, s_g²) and N(0, s_b²) ends at s_g^w s_b^(1−w), so at s for w = ln(s/s_b)/ln(s_g/s_b)."""
    s, good, bad, path = 0.4, 0.5, 0.7, VE()
    w = math.log(s / bad) / math.log(good / bad)
    field = probability_flow(guided(*(gaussian(torch.zeros(2), b).denoiser(path) for b in (good, bad)), w), path)
    x, grid = torch.randn(5, 2), path.grid(100)
    torch.testing.assert_close(integrate(field, x, grid, rk4_step), s * x / path.t_max, rtol=1e-3, atol=0)


def test_within_an_interval_there_is_guidance_and_elsewhere_the_conditional_model_alone():
    path = TrigFlow()
    one, other = CountCalls(mixture(k=2).denoiser(path)), CountCalls(mixture(k=3).denoiser(path))
    part = guided_within(one, other, 2.5, path=path, nsr_min=0.2, nsr_max=3.0)
    x, t = torch.randn(4, 2), path.time_at(torch.tensor([0.1, 0.2, 3.0, 3.1]))
    t[1:3] += torch.tensor([1e-9, -1e-9])
    answer = part(x, t)
    assert (one.calls, other.calls) == (1, 1)
    torch.testing.assert_close(answer[1:3], guided(one, other, 2.5)(x, t)[1:3])
    torch.testing.assert_close(answer[[0, 3]], one(x, t)[[0, 3]])
    one.calls = other.calls = 0
    assert torch.equal(part(x[::3], t[::3]), one.denoise(x[::3], t[::3]))
    assert (one.calls, other.calls) == (1, 0)  # outside, the unconditional model is not asked


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"nsr_min": 4.0}, "nsr_min <= nsr_max, got 4.0 and 3.0"),
        ({"scale": math.nan}, "scale"),
        ({"path": VE()}, "conditional on the path"),
    ],
)
def test_an_interval_that_is_none_is_refused_in_one_line(wrong, words):
    one, other = mixture(k=2).denoiser(PATH), mixture(k=3).denoiser(PATH)
    good = {"scale": 2.0, "path": PATH, "nsr_min": 0.2, "nsr_max": 3.0}
    with pytest.raises(ValueError, match=words) as caught:
        guided_within(one, other, **good | wrong)
    assert "\n" not in str(caught.value)


def test_each_sample_may_have_its_own_scale():
    one, other = mixture(k=2).denoiser(VE()), mixture(k=3).denoiser(VE())
    x, t, scales = torch.randn(2, 2), some_t(VE(), 2), torch.tensor([1.3, 2.0])  # batch = event size
    whole = guided_by(one, other, scales)(x, t)
    for k in range(2):
        torch.testing.assert_close(whole[k : k + 1], guided(one, other, scales[k].item())(x[k : k + 1], t[k : k + 1]))


class Conditional:
    """N(m_y, s²) for label y, N(0, s²) for none: a teacher that is known, with the interface of `Preconditioned`."""

    means, s = torch.tensor([[0.4, -0.2], [-0.3, 0.5], [0.1, 0.6]]).double(), 0.5

    def given(self, label):
        means = 0 * self.means[:1] if label is None else self.means[label]
        return lambda x, t: gaussian_rows(x, t, means, self.s)


def gaussian_rows(x, t, means, s):
    """The denoiser of N(means[b], s²) for row b."""
    rows = [gaussian(m, s).denoiser(PATH)(x[b : b + 1], t[b : b + 1]) for b, m in enumerate(means.expand(len(x), -1))]
    return torch.cat(rows)


class Flow(torch.nn.Module):
    """The exact consistency function of N(w_b m_b, s²) in row b, as a model on TrigFlow."""

    def __init__(self, label, scale):
        super().__init__()
        self.scaling, self.means = TrigFlowScaling(PATH.sigma_data), scale[:, None] * Conditional.means[label]

    def f(self, x, t):
        s, d = Conditional.s, PATH.sigma_data
        spread = (s**2 * t.cos() ** 2 + d**2 * t.sin() ** 2).sqrt()[:, None]
        return self.means + s / spread * (x - t.cos()[:, None] * self.means)

    def raw(self, x, t):
        return (t.cos()[:, None] * x - self.f(x, t)) / (PATH.sigma_data * t.sin()[:, None])


def test_the_guided_flow_of_gaussians_is_where_guided_distillation_comes_to_rest():
    label, scale = torch.tensor([0, 1, 2, 1]), torch.tensor([1.0, 2.5, 0.5, 3.0])
    loss = GuidedSCMLoss(SCMLoss(PATH, log_normal(-1.0, 1.4), teacher=Conditional())).given(label, scale)
    t, x0, eps = torch.tensor([0.3, 0.8, 1.2, 1.5]), torch.randn(4, 2), torch.randn(4, 2)
    x = PATH.mix(x0, eps, t)
    for scales, at_rest in ((scale, True), (scale + 0.5, False), (scale.flip(0), False)):
        model = Flow(label, scales)
        _, g = scm_tangent(model, x, t, PATH.velocity(x, t, loss.teacher(x, t)), path=PATH)
        assert (g.abs().max() < 1e-12) == at_rest


def test_scales_belong_to_their_batch_and_reach_the_network():
    labelled = [(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, -1])) for _ in range(3)]
    law = uniform(1.0, 4.0)
    whole = list(with_scales(labelled, law, seed=5))
    rest = list(with_scales(labelled[1:], law, seed=5, start=1))
    assert all(torch.equal(a[2], b[2]) for a, b in zip(whole[1:], rest, strict=True))
    assert not torch.equal(whole[0][2], whole[1][2]) and all(((1 <= b[2]) & (b[2] <= 4)).all() for b in whole)
    net = UNet(1, width=8, multipliers=(1,), blocks=1, labels=3, guidance=TimeFeatures())
    student = Preconditioned(net, TrigFlowScaling())
    teacher = Preconditioned(UNet(1, width=8, multipliers=(1,), blocks=1, labels=3), TrigFlowScaling())
    before = net.scale_map.weight.clone()
    loss = GuidedSCMLoss(SCMLoss(PATH, log_normal(-1.0, 1.4), teacher=teacher))
    records = list(fit(student, loss, whole, torch.optim.SGD(net.parameters(), 1.0)))
    assert len(records) == 3 and not torch.equal(net.scale_map.weight, before)


def test_a_loss_binds_the_batchs_labels_to_its_teacher():
    labels, x, t = torch.tensor([2, 0, 1]), torch.randn(3, 2), torch.full((3,), 0.7)
    bound = conditioned(SCMLoss(PATH, log_normal(-1.0, 1.4), teacher=Conditional()), labels)
    torch.testing.assert_close(bound.teacher(x, t), Conditional().given(labels)(x, t))
    alone = SCMLoss(PATH, log_normal(-1.0, 1.4))
    assert conditioned(alone, labels) == alone
