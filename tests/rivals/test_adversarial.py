"""Adversarial losses: the best critic is a log density ratio, and R1 is differentiated twice."""

import math

import pytest
import torch
from gauntlet import SHAPES

from minicm.nets.discriminator import Discriminator
from minicm.paths import TrigFlow
from minicm.rivals import (
    AdversarialLoss,
    discriminator_loss,
    gan,
    gradient_penalty,
    hinge_critic,
    hinge_generator,
    logistic_critic,
    logistic_generator,
)


def test_the_best_critic_of_two_gaussians_is_the_log_ratio_of_their_densities():
    """N(.4, .6²) against N(0, 1): a quadratic critic, fitted, has the coefficients of ln p(x)/p_g(x)."""
    n, m, s = 200_000, 0.4, 0.6
    x, g = m + s * torch.randn(n), torch.randn(n)
    features = lambda z: torch.stack([torch.ones_like(z), z, z**2], 1)  # noqa: E731
    real, fake, w = features(x), features(g), torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.LBFGS([w], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        value = logistic_critic(real @ w, fake @ w).mean()
        value.backward()
        return value

    optimizer.step(closure)
    expected = torch.tensor([-math.log(s) - m**2 / (2 * s**2), m / s**2, 0.5 - 1 / (2 * s**2)])
    torch.testing.assert_close(w.detach(), expected, atol=0.03, rtol=0)


def test_at_equality_the_logistic_loss_is_2_ln_2_and_no_critic_does_better():
    c = torch.randn(1000)
    assert logistic_critic(torch.zeros(1), torch.zeros(1)).item() == pytest.approx(2 * math.log(2))
    assert (logistic_critic(c, c) >= 2 * math.log(2) - 1e-12).all()  # E over equal laws, point by point
    assert hinge_critic(torch.zeros(1), torch.zeros(1)).item() == 2
    assert (hinge_critic(c, c) >= 2 - 1e-12).all()


def test_a_generator_wants_a_higher_verdict_and_the_non_saturating_slope_is_the_critics_doubt():
    c = torch.linspace(-8, 8, 9, requires_grad=True)
    slope = torch.autograd.grad(logistic_generator(c).sum(), c)[0]
    torch.testing.assert_close(slope, -torch.sigmoid(-c))
    assert (torch.autograd.grad(hinge_generator(c).sum(), c)[0] == -1).all()


def test_the_critics_losses_push_apart():
    real, fake = torch.tensor([-2.0, 0.5, 2.0], requires_grad=True), torch.tensor([2.0, -0.5, -2.0], requires_grad=True)
    for loss, slopes in ((hinge_critic, [-1, -1, 0]), (logistic_critic, (-torch.sigmoid(-real)).tolist())):
        a, b = torch.autograd.grad(loss(real, fake).sum(), (real, fake))
        torch.testing.assert_close(a, torch.tensor(slopes, dtype=torch.float64))
        torch.testing.assert_close(b, -a)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gradient_penalty_is_the_squared_slope_and_its_gradient_reaches_the_critic(shape):
    critic = Discriminator(math.prod(shape), width=16, depth=2)
    torch.nn.init.normal_(critic.last.weight)
    x, h = torch.randn(3, *shape), 1e-5
    slope = torch.zeros(3, math.prod(shape))
    for k in range(slope.shape[1]):
        e = torch.zeros(slope.shape[1])
        e[k] = h
        slope[:, k] = (critic(x + e.view(shape)) - critic(x - e.view(shape))) / (2 * h)
    value = gradient_penalty(critic, x)
    torch.testing.assert_close(value, slope.square().sum(1).detach(), rtol=1e-6, atol=1e-6)
    value.sum().backward()
    assert all(p.grad is not None for name, p in critic.named_parameters() if name != "last.bias")


def test_r1_of_a_linear_critic_is_its_squared_length_and_adds_half_of_it():
    critic = torch.nn.Linear(2, 1)
    verdict = lambda x: critic(x).squeeze(1)  # noqa: E731
    x0 = torch.randn(6, 2)
    levels, path = torch.tensor([TrigFlow().t_max], dtype=torch.float64), TrigFlow()
    at = lambda r1: discriminator_loss(path, levels, r1=r1)(  # noqa: E731
        verdict, lambda x, t: x, x0, 0, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(at(0.3) - at(0.0), 0.15 * critic.weight.square().sum().expand(6))


def test_the_student_learns_the_mean_of_the_data_from_the_verdicts():
    """Equal widths: alternating descent moves a shifted Gaussian onto the data, R1 keeps it from circling."""
    path, shift = TrigFlow(), torch.nn.Parameter(torch.tensor([1.0]))
    critic = Discriminator(1, width=16, depth=1)
    optimizer = torch.optim.Adam(critic.parameters(), 0.01, betas=(0.5, 0.99))
    loss = gan(path, critic, optimizer, r1=0.5)
    own = torch.optim.Adam([shift], 0.02, betas=(0.5, 0.99))
    generator = torch.Generator().manual_seed(0)
    for k in range(300):
        x0 = -0.5 + 0.5 * torch.randn(128, 1, generator=generator)
        own.zero_grad()
        loss(lambda x, t: x + shift, x0, k, generator).mean().backward()
        own.step()
    assert shift.item() == pytest.approx(-0.5, abs=0.15)


def test_blur_adds_noise_of_the_law_to_what_the_critic_sees():
    path, seen = TrigFlow(), []
    critic = lambda x: seen.append(x) or x.sum(1)  # noqa: E731
    levels, n = torch.tensor([path.t_max], dtype=torch.float64), 50_000
    still = lambda x, t: torch.zeros_like(x)  # noqa: E731
    loss = AdversarialLoss(path, critic, levels, score=hinge_generator, blur=lambda n, g: torch.full((n,), 0.3))
    value = loss(still, torch.zeros(n, 2), 0, torch.Generator().manual_seed(0))
    torch.testing.assert_close(value, -seen[0].sum(1))
    assert seen[0].std().item() == pytest.approx(0.3, rel=0.02)


def test_a_discriminator_starts_without_an_opinion_and_answers_per_sample():
    critic = Discriminator(48, width=16, depth=2)
    x = torch.randn(5, 3, 4, 4)
    assert (critic(x) == 0).all() and critic(x).shape == (5,)
    torch.nn.init.normal_(critic.last.weight)
    torch.testing.assert_close(critic(x)[2:3], critic(x[2:3]))
    torch.testing.assert_close(critic(x), critic(x.flatten(1)))
    with pytest.raises(ValueError, match="^expected dim >= 1"):
        Discriminator(0)
