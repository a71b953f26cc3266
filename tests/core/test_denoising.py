"""Diffusion losses: their minima on Gaussian data, and that they are one loss in several coordinates."""

import pytest
import torch
from gauntlet import PATHS, mixture, name, some_t

from minicm.losses import DenoisingLoss, VelocityLoss, denoising_loss, velocity_loss
from minicm.nets import MLP
from minicm.oracles import gaussian
from minicm.paths import VE, Linear, TrigFlow
from minicm.precond import EDMScaling, Preconditioned, TrigFlowScaling, transport
from minicm.times import log_normal

N = 400_000


def pair(std, n=N):
    return std * torch.randn(n, 2), torch.randn(n, 2)


@pytest.mark.parametrize("sigma", [0.05, 0.5, 10.0])
def test_edm_loss_is_one_at_its_optimum_when_the_data_have_std_sigma_data(sigma):
    x0, eps = pair(0.5)
    exact = gaussian(torch.zeros(2), 0.5).denoiser(VE())
    loss = denoising_loss(exact, x0, eps, torch.full((N,), sigma), path=VE())
    assert abs(loss.mean() - 1) < 0.01


def test_edm_loss_of_a_silent_network_is_the_known_one():
    std, sigma, d = 1.2, 0.7, 0.5
    x0, eps = pair(std)
    silent = Preconditioned(lambda u, c: 0 * u, EDMScaling())
    loss = denoising_loss(silent, x0, eps, torch.full((N,), sigma), path=VE())
    assert abs(loss.mean() - (sigma**2 * std**2 / d**2 + d**2) / (sigma**2 + d**2)) < 0.02


@pytest.mark.parametrize("t", [0.1, 0.8, 1.5])
def test_trigflow_loss_has_its_known_minimum(t):
    std, path = 0.8, TrigFlow()
    x0, eps = pair(std)
    time = torch.full((N,), t)
    loss = velocity_loss(gaussian(torch.zeros(2), std).denoiser(path), x0, eps, time, path=path).mean()
    variance = (path.alpha(time)[0] * std) ** 2 + path.sigma(time)[0] ** 2
    torch.testing.assert_close(loss, std**2 * 0.25 / variance, rtol=0.01, atol=0)


def test_flow_matching_loss_has_its_known_minimum():
    std, path, t = 0.8, Linear(), torch.full((N,), 0.3)
    x0, eps = pair(std)
    loss = velocity_loss(gaussian(torch.zeros(2), std).denoiser(path), x0, eps, t, path=path).mean()
    torch.testing.assert_close(loss, torch.tensor(std**2 / (0.7**2 * std**2 + 0.3**2)), rtol=0.01, atol=0)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_velocity_loss_is_the_squared_difference_of_velocities(path):
    x0, eps, t, denoise = torch.randn(7, 2), torch.randn(7, 2), some_t(path), mixture().denoiser(path)
    x = path.mix(x0, eps, t)
    gap = path.velocity(x, t, denoise(x, t)) - path.velocity(x, t, x0)
    torch.testing.assert_close(velocity_loss(denoise, x0, eps, t, path=path), gap.square().mean(1))


def test_on_trigflow_both_losses_are_one_up_to_sigma_data_squared():
    path = TrigFlow(sigma_data=0.7)
    model = Preconditioned(MLP(2).double(), TrigFlowScaling(0.7))
    x0, eps, t = torch.randn(7, 2), torch.randn(7, 2), some_t(path)
    v, d = velocity_loss(model, x0, eps, t, path=path), denoising_loss(model, x0, eps, t, path=path, sigma_data=0.7)
    torch.testing.assert_close(v, 0.7**2 * d)


def test_edm_loss_does_not_depend_on_the_path_it_is_written_on():
    denoise, x0, eps, t = mixture().denoiser(VE()), torch.randn(7, 2), torch.randn(7, 2), some_t(VE())
    for path in PATHS[1:]:
        moved = transport(denoise, VE(), path)
        torch.testing.assert_close(
            denoising_loss(moved, x0, eps, path.time_at(t), path=path), denoising_loss(denoise, x0, eps, t, path=VE())
        )


@pytest.mark.parametrize("shape", [(2,), (3, 4, 4)])
@pytest.mark.parametrize("loss", [DenoisingLoss, VelocityLoss])
def test_a_loss_draws_its_randomness_from_the_generator_alone(loss, shape):
    path, x0 = TrigFlow(), torch.randn(5, *shape)
    draw = lambda seed: loss(path, log_normal(-1.2, 1.2))(  # noqa: E731
        mixture(shape).denoiser(path), x0, 0, torch.Generator().manual_seed(seed)
    )
    first = draw(3)
    torch.manual_seed(99)
    assert torch.equal(first, draw(3)) and not torch.equal(first, draw(4)) and first.shape == (5,)
