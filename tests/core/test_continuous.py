"""Continuous-time consistency: the tangent against finite differences and exact flows, and the gradient it gives."""

import math

import pytest
import torch
from gauntlet import mixture, some_t
from torch.func import jvp

from minicm.losses import (
    AdaptiveWeight,
    SCMLoss,
    by_differences,
    by_jvp,
    by_network,
    clipped,
    consistency_loss,
    normalised,
    scm_loss,
    scm_tangent,
    tangent_warmup,
    unchanged,
)
from minicm.nets import MLP
from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, Recovered, TrigFlowScaling
from minicm.shapes import like
from minicm.solvers import heun_step, rk4_step, trajectory
from minicm.times import log_normal, uniform_grid

MEAN, STD = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.7
PATHS = [TrigFlow(), TrigFlow(sigma_data=0.8)]
DERIVATIVES = [by_jvp, by_network, by_differences(1e-4)]


class Conv(torch.nn.Module):
    """A small network on images, with dropout, to show that nothing here knows the event shape."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.first, self.last = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, 3, 3, padding=1)
        self.time, self.dropout = torch.nn.Linear(1, 8), torch.nn.Dropout(dropout)

    def forward(self, u, c):
        h = self.first(u) + self.time(c[:, None])[:, :, None, None]
        return self.last(self.dropout(torch.nn.functional.silu(h)))


def mlp_model(path):
    return Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling(path.sigma_data))


def exact_model(path):
    flow = gaussian_flow(MEAN, STD, path)
    return Recovered(lambda x, t: flow(x, t, torch.zeros_like(t)), TrigFlowScaling(path.sigma_data))


@pytest.mark.parametrize("path", PATHS)
def test_the_exact_consistency_function_has_no_tangent(path):
    denoise, x, t = gaussian(MEAN, STD).denoiser(path), torch.randn(64, 2), some_t(path, 64)
    _, g = scm_tangent(exact_model(path), x, t, path.velocity(x, t, denoise(x, t)), path=path)
    assert g.abs().max() < 1e-10


def test_for_data_of_std_sigma_data_the_network_is_minus_tan_of_half_the_angle():
    """Lu and Song's simplest case: the flow stands still, f(x, t) = x, and F = −tan(t/2) x/σ_d."""
    path, x, t = TrigFlow(), torch.randn(64, 2), some_t(TrigFlow(), 64)
    model = Preconditioned(lambda u, c: -like(torch.tan(c / 2), u) * u, TrigFlowScaling())
    torch.testing.assert_close(model(x, t), x)
    _, g = scm_tangent(model, x, t, torch.zeros_like(x), path=path)
    assert g.abs().max() < 1e-12


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("derivative", DERIVATIVES, ids=["jvp", "network", "differences"])
def test_the_tangent_is_cos_t_times_the_change_of_f_along_the_path(path, derivative):
    model, x, t, v = mlp_model(path), torch.randn(5, 2), some_t(path, 5), torch.randn(5, 2)
    change = jvp(model, (x, t), (v, torch.ones_like(t)))[1]
    F, g = scm_tangent(model, x, t, v, path=path, derivative=derivative)
    torch.testing.assert_close(g, like(t.cos(), x) * change, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(F, model.raw(x, t))
    assert F.requires_grad and not g.requires_grad


@pytest.mark.parametrize("derivative", [by_jvp, by_differences(1e-4)], ids=["jvp", "differences"])
def test_the_tangent_knows_no_event_shape(derivative):
    path, model = TrigFlow(), Preconditioned(Conv().double(), TrigFlowScaling())
    x, t, v = torch.randn(3, 3, 8, 8), some_t(path, 3), torch.randn(3, 3, 8, 8)  # batch = channels
    change = jvp(model, (x, t), (v, torch.ones_like(t)))[1]
    _, g = scm_tangent(model, x, t, v, path=path, derivative=derivative)
    torch.testing.assert_close(g, like(t.cos(), x) * change, rtol=1e-6, atol=1e-7)


def test_the_tangent_is_the_difference_quotient_of_f_along_the_exact_ode():
    path, model, denoise = TrigFlow(), mlp_model(TrigFlow()), mixture().denoiser(TrigFlow())
    velocity = lambda x, t: path.velocity(x, t, denoise(x, t))  # noqa: E731
    x, time, h = torch.randn(5, 2), 0.9, 1e-4
    t = torch.full((5,), time)
    ahead = trajectory(velocity, x, uniform_grid(4, time, time + h).flip(0), rk4_step)[-1]
    behind = trajectory(velocity, x, uniform_grid(4, time - h, time), rk4_step)[-1]
    change = (model(ahead, t + h) - model(behind, t - h)) / (2 * h)
    _, g = scm_tangent(model, x, t, velocity(x, t), path=path)
    torch.testing.assert_close(g, math.cos(time) * change, rtol=1e-7, atol=1e-8)


def test_without_warmup_term_the_tangent_is_that_of_diffusion_matching():
    """At r = 0 the gradient is that of cos² ‖σ_d F − v‖², and vanishes when F is the teacher."""
    path, denoise = TrigFlow(), mixture().denoiser(TrigFlow())
    x, t = torch.randn(5, 2), some_t(path, 5)
    v = path.velocity(x, t, denoise(x, t))
    teacher = Recovered(denoise, TrigFlowScaling())
    assert scm_tangent(teacher, x, t, v, path=path, warmup=0.0)[1].abs().max() < 1e-12
    model = mlp_model(path)
    F, g = scm_tangent(model, x, t, v, path=path, warmup=0.0)
    torch.testing.assert_close(g, like(t.cos() ** 2, x) * (v - 0.5 * F.detach()))


def test_the_tangent_is_affine_in_the_warmup():
    path, model = TrigFlow(), mlp_model(TrigFlow())
    x, t, v = torch.randn(5, 2), some_t(path, 5), torch.randn(5, 2)
    g = [scm_tangent(model, x, t, v, path=path, warmup=r)[1] for r in (0.0, 0.3, 1.0)]
    torch.testing.assert_close(g[1], 0.7 * g[0] + 0.3 * g[2])
    assert [tangent_warmup(1000)(k) for k in (0, 500, 1000, 5000)] == [0, 0.5, 1, 1]


def test_sct_is_right_on_average():
    """E[g|x] = 0 at the exact f: the tangent without a teacher is noise of mean 0, uncorrelated with x."""
    path, n = TrigFlow(), 200_000
    x0, eps, t = MEAN + STD * torch.randn(n, 2), torch.randn(n, 2), torch.full((n,), 0.9)
    x = path.mix(x0, eps, t)
    _, g = scm_tangent(exact_model(path), x, t, path.velocity(x, t, x0), path=path)
    centred = x - x.mean(0)
    slope = (centred * g).mean(0) / centred.square().mean(0)
    assert g.std() > 0.1 and g.mean(0).abs().max() < 4 * g.std() / math.sqrt(n)
    assert slope.abs().max() < 4 * g.std() / (centred.std() * math.sqrt(n))


def gradients(value, model):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, model.parameters())])


@pytest.mark.parametrize("path", PATHS)
def test_the_gradient_points_along_that_of_the_consistency_condition(path):
    """For one sample the gradient is a positive multiple of ⟨df/dt, ∂f/∂θ⟩: this fixes the sign."""
    denoise, model = mixture().denoiser(path), mlp_model(path)
    x0, eps, t = torch.randn(1, 2), torch.randn(1, 2), torch.tensor([0.7])
    x = path.mix(x0, eps, t)
    v = path.velocity(x, t, denoise(x, t))
    f, change = jvp(model, (x, t), (v, torch.ones_like(t)))
    wanted = gradients((f * change.detach()).sum(), model)
    for rescale in (unchanged, normalised(0.1)):
        got = gradients(scm_loss(model, x0, eps, t, path=path, teacher=denoise, rescale=rescale).sum(), model)
        assert torch.nn.functional.cosine_similarity(wanted, got, dim=0) > 1 - 1e-10


def test_the_gradient_is_the_limit_of_the_discrete_one_with_the_prior_weight_inside():
    """∂/∂θ of ‖f(x_t, t) − f⁻(x_s, s)‖²/(2(t − s)) tends to ⟨df/dt, ∂f/∂θ⟩ = −σ_d tan(t) ⟨g, ∂F/∂θ⟩, at order 1."""
    path, denoise, model = TrigFlow(), mixture().denoiser(TrigFlow()), mlp_model(TrigFlow())
    x0, eps, t = torch.randn(32, 2), torch.randn(32, 2), torch.full((32,), 0.7)
    scm = scm_loss(model, x0, eps, t, path=path, teacher=denoise).sum()
    limit = gradients(scm * (0.5 * math.tan(0.7)), model)  # scm's own factor 2 cancels d = 2
    errors = []
    for h in (1e-2, 5e-3, 2.5e-3):
        loss = consistency_loss(model, x0, eps, t, t - h, path=path, teacher=denoise, step=heun_step).sum() / (2 * h)
        errors.append((gradients(loss, model) - limit).norm())
    assert 1.7 < errors[0] / errors[1] < 2.3 and 1.7 < errors[1] / errors[2] < 2.3


def test_one_time_for_all_may_be_an_expanded_view():
    path, model, x = TrigFlow(), mlp_model(TrigFlow()), torch.randn(5, 2)
    view = torch.tensor(0.7).expand(5)
    torch.testing.assert_close(
        scm_tangent(model, x, view, x, path=path)[1], scm_tangent(model, x, view.clone(), x, path=path)[1]
    )


def test_rescaled_tangents():
    g, t = torch.tensor([[3.0, 4.0], [0.03, 0.04]]), torch.tensor([0.0, 0.0])
    torch.testing.assert_close(normalised(0.1)(g, t).norm(dim=1), torch.tensor([5 / 5.1, 0.05 / 0.15]))
    torch.testing.assert_close(unchanged(g, t), g)
    torch.testing.assert_close(clipped(1.0)(g, t), torch.tensor([[1.0, 1.0], [0.03, 0.04]]))
    later = torch.full((2,), math.pi / 3)
    torch.testing.assert_close(clipped(1.0)(g, later), torch.tensor([[0.5, 0.5], [0.03, 0.04]]))
    image = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(normalised(0.1)(image, t).flatten(1), normalised(0.1)(image.flatten(1), t))


def test_the_adaptive_weight_tends_to_minus_the_logarithm_of_the_loss():
    weight, t = AdaptiveWeight().double(), torch.linspace(0.1, 1.5, 64)
    level = torch.exp(2 * torch.sin(3 * t))
    assert (weight(t) == 0).all()
    optimizer = torch.optim.LBFGS(weight.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = (weight(t).exp() * level - weight(t)).mean()
        value.backward()
        return value

    optimizer.step(closure)
    torch.testing.assert_close(weight(t), -level.log(), atol=1e-2, rtol=0)


def test_the_weight_enters_the_loss_as_in_the_paper():
    path, model, weight = TrigFlow(), mlp_model(TrigFlow()), AdaptiveWeight().double()
    torch.nn.init.normal_(weight.head.weight)
    x0, eps, t = torch.randn(5, 2), torch.randn(5, 2), some_t(path, 5)
    plain, weighted = (scm_loss(model, x0, eps, t, path=path, weight=w) for w in (None, weight))
    torch.testing.assert_close(weighted, weight(t).exp() * plain - weight(t))


def test_the_value_of_the_loss_is_the_mean_square_of_the_tangent():
    path, model = TrigFlow(), mlp_model(TrigFlow())
    x0, eps, t = torch.randn(5, 2), torch.randn(5, 2), some_t(path, 5)
    x = path.mix(x0, eps, t)
    _, g = scm_tangent(model, x, t, path.velocity(x, t, x0), path=path)
    torch.testing.assert_close(scm_loss(model, x0, eps, t, path=path), g.square().mean(1))


def test_derivative_and_value_share_the_dropout_mask():
    model = Preconditioned(Conv(dropout=0.5).double(), TrigFlowScaling())
    x, t, dx = torch.randn(4, 3, 8, 8), some_t(TrigFlow(), 4), torch.randn(4, 3, 8, 8)
    torch.manual_seed(5)
    F, dF = by_jvp(model, x, t, dx, torch.ones_like(t))
    torch.manual_seed(5)
    same_mask, dF_same = jvp(model.raw, (x, t), (dx, torch.ones_like(t)))
    torch.testing.assert_close(F, same_mask)
    torch.testing.assert_close(dF, dF_same)
    torch.manual_seed(5)
    F_fd, dF_fd = by_differences(1e-5)(model, x, t, dx, torch.ones_like(t))
    torch.testing.assert_close(F_fd, F)
    torch.testing.assert_close(dF_fd, dF, rtol=1e-5, atol=1e-6)


def test_the_loss_draws_from_its_generator_and_warms_up_with_the_iteration():
    path, model, x0 = TrigFlow(), mlp_model(TrigFlow()), torch.randn(6, 2)
    loss = SCMLoss(path, log_normal(-1.0, 1.4), warmup=tangent_warmup(10))
    at = lambda k: loss(model, x0, k, torch.Generator().manual_seed(1))  # noqa: E731
    assert torch.equal(at(0), at(0)) and not torch.equal(at(0), at(5)) and torch.equal(at(10), at(11))
    with pytest.raises(ValueError, match="^expected iterations >= 1, a whole number, got 0$"):
        tangent_warmup(0)
