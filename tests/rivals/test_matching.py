"""Distribution matching: exact gradients of the reverse divergence on Gaussians, and losses with a memory."""

import math
from copy import deepcopy

import pytest
import torch
from gauntlet import PATHS, SHAPES, mixture, name, some_t

from minicm.averages import EMA
from minicm.data import batches
from minicm.losses import VelocityLoss
from minicm.nets import MLP
from minicm.oracles import GaussianMixture, gaussian
from minicm.paths import VE, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import (
    Alternating,
    MatchingLoss,
    by_teacher_error,
    fake_score_loss,
    forward_kl,
    frozen,
    generate,
    jensen_shannon,
    matching_loss,
    reverse_kl,
    summed,
    unweighted,
    vsd,
)
from minicm.times import log_normal
from minicm.training import fit

M, STD = 0.3, 0.7


def small_model():
    return Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())


def gradient_for(g, eps, t, path, real, fake, weighting=unweighted):
    g = g.clone().requires_grad_(True)
    loss = matching_loss(g, eps, t, path=path, real=real, fake=fake, weighting=weighting)
    return torch.autograd.grad(loss.sum(), g)[0] * g[0].numel(), loss.detach()


def test_the_gradient_for_a_shifted_gaussian():
    """σ² (μ − m)/(s² + σ²), whatever the sample: zero if and only if the means agree."""
    path, g, eps, t = VE(), torch.randn(7, 2), torch.randn(7, 2), some_t(VE())
    law = lambda mean: gaussian(torch.full((2,), mean), STD).denoiser(path)  # noqa: E731
    for mu in (M, 0.9):
        grad, _ = gradient_for(g, eps, t, path, law(M), law(mu))
        torch.testing.assert_close(grad, (t**2 * (mu - M) / (STD**2 + t**2))[:, None].expand(7, 2))


def test_the_gradient_for_a_gaussian_of_another_width():
    """σ² (s_g² − s²) x/((s_g² + σ²)(s² + σ²)): a generator that is too wide is drawn inwards."""
    path, g, eps, t, wide = VE(), torch.randn(7, 2), torch.randn(7, 2), some_t(VE()), 1.1
    law = lambda std: gaussian(torch.zeros(2), std).denoiser(path)  # noqa: E731
    grad, value = gradient_for(g, eps, t, path, law(STD), law(wide))
    x, var = path.mix(g, eps, t), t[:, None] ** 2
    expected = var * (wide**2 - STD**2) * x / ((wide**2 + var) * (STD**2 + var))
    torch.testing.assert_close(grad, expected)
    torch.testing.assert_close(value, expected.square().sum(1) / 4)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_with_its_weight_it_is_the_gradient_of_the_reverse_divergence(path):
    """d KL(N(α μ, v) ‖ N(α m, v))/dμ = α² (μ − m)/v for each coordinate, v = α² s² + σ²: fixes the factor."""
    mu, t = 0.9, some_t(path)
    law = lambda mean: gaussian(torch.full((2,), mean), STD).denoiser(path)  # noqa: E731
    kl = lambda gap, real, g, t, path: gap / path.nsr(t).square()[:, None]  # noqa: E731
    grad, _ = gradient_for(torch.randn(7, 2), torch.randn(7, 2), t, path, law(M), law(mu), kl)
    expected = path.alpha(t) ** 2 * (mu - M) / ((path.alpha(t) * STD) ** 2 + path.sigma(t) ** 2)
    torch.testing.assert_close(grad, expected[:, None].expand(7, 2))


DIVERGENCES = {  # f of E_g f(r), from ln r; and what counts a sample's gradient, made from ln r
    "reverse": (lambda a: -a, lambda log_ratio: reverse_kl),
    "forward": (lambda a: a.exp() * a, forward_kl),
    "Jensen and Shannon": (lambda a: a.exp() * a - (1 + a.exp()) * ((1 + a.exp()) / 2).log(), jensen_shannon),
}


@pytest.mark.parametrize("which", DIVERGENCES)
@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_gradient_of_each_divergence_on_a_line(path, which):
    """dD/dμ of E_g f(p_t/p_g,t), by a sum over a line: a Gaussian of mean μ that shall match two modes."""
    f, counting = DIVERGENCES[which]
    two = GaussianMixture(torch.tensor([[-0.7], [0.5]]), torch.tensor([0.3, 0.2]), torch.tensor([0.3, 0.7]))
    one = lambda mu: GaussianMixture(mu.reshape(1, 1), torch.tensor([0.5]), torch.ones(1))  # noqa: E731
    x, mu = torch.linspace(-6, 6, 4001)[:, None], torch.tensor(0.2, requires_grad=True)
    t = path.time_at(torch.full((len(x),), 0.4))
    log_p = lambda x, t: two.log_prob(x, t, path)  # noqa: E731
    log_g = lambda x, t: one(mu).log_prob(x, t, path)  # noqa: E731
    mass = log_g(x, t).exp() * (x[1] - x[0])
    (expected,) = torch.autograd.grad((mass * f(log_p(x, t) - log_g(x, t))).sum(), mu)

    g, fake = (x / path.alpha(t)[:, None]).requires_grad_(True), one(mu.detach()).denoiser(path)
    values = matching_loss(
        g, torch.zeros_like(g), t, path=path, real=two.denoiser(path), fake=fake,
        weighting=lambda gap, real, g, t, path: gap / path.nsr(t).square()[:, None],
        divergence=counting(lambda x, t: log_p(x, t) - log_g(x, t)),
    )  # fmt: skip
    grad = torch.autograd.grad(values.sum(), g)[0][:, 0]
    torch.testing.assert_close((mass.detach() * grad).sum(), expected, rtol=1e-6, atol=1e-8)


def test_forward_divergence_covers_two_modes_and_the_reverse_one_seeks_one():
    """A Gaussian with exact scores: forward it takes mean and std of the data, reverse those of one mode."""
    path, ends = TrigFlow(), {}
    two = GaussianMixture(torch.tensor([[-0.8], [0.8]]), torch.tensor([0.2, 0.2]), torch.tensor([0.5, 0.5]))
    z = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(400) + 0.5) / 400)[:, None]  # a Gaussian's quantiles
    t = path.time_at(torch.full((len(z),), 1e-2))
    for which in ("reverse", "forward"):
        mean, log_std = (torch.tensor([v], requires_grad=True) for v in (0.3, -1.0))
        optimizer = torch.optim.Adam([mean, log_std], 0.02)
        for _ in range(400):
            law = GaussianMixture(mean.detach().reshape(1, 1), log_std.detach().exp(), torch.ones(1))
            log_ratio = lambda x, t: two.log_prob(x, t, path) - law.log_prob(x, t, path)  # noqa: B023, E731
            optimizer.zero_grad()
            matching_loss(
                mean + log_std.exp() * z, torch.zeros_like(z), t, path=path, real=two.denoiser(path),
                fake=law.denoiser(path), divergence=DIVERGENCES[which][1](log_ratio),
            ).mean().backward()  # fmt: skip
            optimizer.step()
        ends[which] = mean.item(), log_std.exp().item()
    assert ends["reverse"] == pytest.approx((0.8, 0.2), abs=0.05), ends
    assert ends["forward"] == pytest.approx((0.0, math.sqrt(0.8**2 + 0.2**2)), abs=0.05), ends


def test_a_divergence_that_does_not_count_each_sample_is_refused():
    half = lambda x, t: x / 2  # noqa: E731
    with pytest.raises(ValueError, match="values of the divergence"):
        matching_loss(torch.ones(3, 2), torch.ones(3, 2), torch.full((3,), 0.5), path=TrigFlow(), real=half, fake=half,
                      divergence=lambda x, t: x)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_dmds_weight_is_the_mean_error_of_the_teacher(shape):
    path, t = TrigFlow(), some_t(TrigFlow())
    g, eps = torch.randn(7, *shape), torch.randn(7, *shape)
    real, fake = mixture(shape).denoiser(path), gaussian(torch.zeros(shape), 1.0).denoiser(path)
    plain, _ = gradient_for(g, eps, t, path, real, fake)
    weighted, _ = gradient_for(g, eps, t, path, real, fake, by_teacher_error)
    error = (g - real(path.mix(g, eps, t), t)).abs().flatten(1).mean(1)
    torch.testing.assert_close(weighted * error.view(-1, *[1] * len(shape)), plain)


def test_descent_on_the_gradient_moves_a_gaussian_onto_the_data():
    """The generator g = μ + s_g z with its own exact scores: mean and std tend to those of the data."""
    path, mean, log_std = TrigFlow(), torch.tensor([0.9]), torch.tensor([0.2])
    for p in (mean, log_std):
        p.requires_grad_(True)
    real, optimizer = gaussian(torch.tensor([M]), STD).denoiser(path), torch.optim.Adam([mean, log_std], 0.02)
    for _ in range(300):
        g = mean + log_std.exp() * torch.randn(256, 1)
        fake = gaussian(mean.detach(), log_std.exp().item()).denoiser(path)
        t = 0.2 + torch.rand(256)
        optimizer.zero_grad()
        matching_loss(g, torch.randn(256, 1), t, path=path, real=real, fake=fake).mean().backward()
        optimizer.step()
    assert mean.item() == pytest.approx(M, abs=0.03) and log_std.exp().item() == pytest.approx(STD, abs=0.03)


def test_generated_samples_start_from_pure_noise_at_the_end_and_from_noised_data_before():
    path, n = TrigFlow(), 2000
    levels, seen = torch.tensor([path.t_max, 0.6]), []
    model = lambda x, t: seen.append((x, t)) or x  # noqa: E731
    x0 = torch.full((n, 2), 100.0)
    generate(model, x0, levels, path, torch.Generator().manual_seed(0))
    x, t = seen[0]
    top = t == path.t_max
    assert abs(top.double().mean() - 0.5) < 4 * 0.5 / math.sqrt(n)
    assert x[top].abs().max() < 5 and x[top].std().item() == pytest.approx(0.5, rel=0.05)
    inner = (x[~top] - 100 * math.cos(0.6)) / (0.5 * math.sin(0.6))
    assert inner.std().item() == pytest.approx(1, rel=0.05) and inner.mean().abs() < 0.1


def test_the_fake_score_learns_the_generators_law():
    """At the exact denoiser of N(μ, s²) the critic's gradient vanishes when the generator makes that law."""
    path, law, n = TrigFlow(), log_normal(-1.0, 1.0), 100_000
    exact = gaussian(torch.full((2,), M), STD).denoiser(path)
    generator = lambda x, t: M + STD / 0.5 / math.sin(path.t_max) * x  # noqa: E731
    scale = torch.ones(1, requires_grad=True)
    critic = lambda x, t: scale * exact(x, t)  # noqa: E731
    levels = torch.tensor([path.t_max], dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    values = fake_score_loss(path, law, levels)(critic, generator, torch.zeros(n, 2), 0, g)
    slope = torch.autograd.grad(values.mean(), scale)[0]
    assert values.shape == (n,) and abs(slope.item()) < 0.02


# ---- losses with a memory


def small_vsd(model, seed=0, updates=2):
    torch.manual_seed(seed)
    teacher, fake = mixture().denoiser(TrigFlow()), small_model()
    return vsd(
        TrigFlow(), log_normal(-1, 1), teacher, fake, torch.optim.Adam(fake.parameters(), 1e-3), updates=updates,
        lr=lambda k: 1e-3 / (k + 1),
    )  # fmt: skip


def test_the_critic_is_updated_first_and_gets_no_gradient_from_the_generator():
    model, order = small_model(), []
    loss = small_vsd(model)
    inner, step = loss.loss, loss.optimizer.step
    loss.loss = lambda *a: order.append("generator") or inner(*a)
    loss.optimizer.step = lambda: order.append("critic") or step()
    before = [p.clone() for p in loss.critic.parameters()]
    loss(model, torch.randn(8, 2), 4, torch.Generator().manual_seed(0)).sum().backward()
    assert order == ["critic", "critic", "generator"] and loss.optimizer.param_groups[0]["lr"] == 1e-3 / 5
    assert all(p.requires_grad for p in loss.critic.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, loss.critic.parameters(), strict=True))
    assert all(p.grad is not None for p in model.parameters())
    left = [p.grad.clone() for p in loss.critic.parameters()]
    loss.loss(model, torch.randn(8, 2), 4, torch.Generator().manual_seed(0)).sum().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(left, loss.critic.parameters(), strict=True))


def test_a_critic_inside_the_generators_loss_gets_no_gradient():
    critic, model = torch.nn.Linear(2, 1), torch.nn.Linear(2, 2)
    loss = Alternating(
        lambda f, x, k, g: critic(f(x)).squeeze(1), critic, lambda c, f, x, k, g: c(x).squeeze(1) ** 2,
        torch.optim.SGD(critic.parameters(), 0.1),
    )  # fmt: skip
    value = loss(model, torch.randn(4, 2), 0, torch.Generator())
    left = [p.grad.clone() for p in critic.parameters()]
    value.sum().backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(left, critic.parameters(), strict=True))
    assert model.weight.grad.abs().sum() > 0


def test_a_run_cut_in_two_equals_the_run_in_one_piece():
    """What `fit` cannot know is in the loss's state."""
    data = lambda start=0: batches(lambda n, g: torch.randn(n, 2, generator=g), 8, start=start)  # noqa: E731

    def advance(model, loss, optimizer, start, stop):
        for record in fit(model, loss, data(start), optimizer, start=start):
            if record.iteration == stop - 1:
                break

    torch.manual_seed(0)
    model = small_model()
    optimizer, loss = torch.optim.Adam(model.parameters(), 1e-3), small_vsd(model, 1)
    advance(model, loss, optimizer, 0, 3)
    state = [s.state_dict() for s in (model, optimizer)] + [loss.state_dict()]
    state = deepcopy(state)
    advance(model, loss, optimizer, 3, 6)
    again = small_model()
    optimizer_again, loss_again = torch.optim.Adam(again.parameters(), 1e-3), small_vsd(again, 2)
    for target, part in zip((again, optimizer_again, loss_again), state, strict=True):
        target.load_state_dict(part)
    advance(again, loss_again, optimizer_again, 3, 6)
    for a, b in zip([*model.parameters(), *loss.critic.parameters()],
                    [*again.parameters(), *loss_again.critic.parameters()], strict=True):  # fmt: skip
        assert torch.equal(a, b)


def test_a_critic_that_diverges_stops_the_run_with_the_iteration():
    critic = torch.nn.Linear(2, 1)
    loss = Alternating(
        lambda f, x, k, g: f(x).sum(1), critic, lambda c, f, x, k, g: c(x).squeeze(1) / 0,
        torch.optim.SGD(critic.parameters(), 0.1),
    )  # fmt: skip
    before = critic.weight.clone()
    with pytest.raises(FloatingPointError, match="^the critic's loss is .* at iteration 7: "):
        loss(torch.nn.Linear(2, 2), torch.randn(4, 2), 7, torch.Generator())
    assert torch.equal(before, critic.weight)
    with pytest.raises(ValueError, match="^expected updates >= 1"):
        Alternating(loss.loss, critic, loss.critic_loss, loss.optimizer, updates=0)


def test_frozen_parameters_pass_the_gradient_on():
    layer, x = torch.nn.Linear(2, 2), torch.randn(3, 2, requires_grad=True)
    layer.bias.requires_grad_(False)
    with frozen(layer):
        y = layer(x)
    y.sum().backward()
    assert layer.weight.grad is None and x.grad.abs().sum() > 0
    assert layer.weight.requires_grad and not layer.bias.requires_grad


def test_a_sum_of_losses_adds_values_with_their_weights():
    path, model, x0 = TrigFlow(), small_model(), torch.randn(5, 2)
    first, second = VelocityLoss(path, log_normal(-1, 1)), VelocityLoss(path, log_normal(1, 0.5))
    g = torch.Generator().manual_seed(0)
    parts = 2.0 * first(model, x0, 0, g) + 0.1 * second(model, x0, 0, g)
    both = summed((2.0, first), (0.1, second))(model, x0, 0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(both, parts)
    with pytest.raises(ValueError, match="^expected at least one part"):
        summed()


def test_fit_and_an_average_know_nothing_of_the_critic():
    model = small_model()
    average, loss = EMA(model), small_vsd(model)
    records = fit(
        model, loss, batches(lambda n, g: torch.randn(n, 2, generator=g), 8),
        torch.optim.Adam(model.parameters(), 1e-3), ema=average,
    )  # fmt: skip
    assert [next(records).iteration for _ in range(3)] == [0, 1, 2]
    assert isinstance(loss.loss, MatchingLoss)
