"""experiments/digits_dense_energy.py: its loss is the energy distance, and moves samples onto the data's law."""

import pytest
import torch

from experiments.digits_dense_energy import Config, energy_loss, one_and_two
from minicm.evaluation import energy_distance
from minicm.rungs import PATH
from minicm.sampling import consistency_sample


def test_the_mean_of_the_loss_is_the_energy_distance_without_pairs_of_a_sample_with_itself():
    """ED counts x = x' as a pair: it divides by n² what is here divided by n (n − 1), and takes E|x − x'| off."""
    g, x = torch.randn(7, 1, 2, 2), torch.randn(5, 1, 2, 2) + 1
    within = [torch.cdist(a.flatten(1), a.flatten(1)).mean() for a in (g, x)]
    expected = energy_distance(g, x) + within[1] + within[0] - within[0] * 7 / 6
    assert energy_loss(g, x).shape == (7,)
    assert energy_loss(g, x).mean().item() == pytest.approx(expected.item(), rel=1e-6)


def test_its_gradient_pulls_to_the_data_and_pushes_samples_apart():
    """On a line d/dg_i of the mean is (2/n)(mean_j sign(g_i − x_j) − mean_{k≠i} sign(g_i − g_k))."""
    g = torch.tensor([[0.0], [1.0], [3.0]], requires_grad=True)
    x = torch.tensor([[-1.0], [2.0]])
    (slope,) = torch.autograd.grad(energy_loss(g, x).mean(), g)
    torch.testing.assert_close(slope[:, 0], 2 / 3 * torch.tensor([0.0 + 1, 0.0 + 0, 1.0 - 1]))


def test_descent_moves_a_gaussian_onto_the_data():
    mean, log_std = torch.tensor([0.9, 0.0]).requires_grad_(True), torch.tensor([0.0]).requires_grad_(True)
    x = 0.5 * torch.randn(2000, 2) + torch.tensor([-0.4, 0.3])
    optimizer = torch.optim.Adam([mean, log_std], 0.03)
    for _ in range(200):
        optimizer.zero_grad()
        energy_loss(mean + log_std.exp() * torch.randn(256, 2), x).mean().backward()
        optimizer.step()
    assert (mean - x.mean(0)).abs().max() < 0.06 and log_std.exp().item() == pytest.approx(0.5, abs=0.05)


def test_the_second_evaluation_is_trained_on_what_two_step_sampling_gives_it():
    c, data, calls = Config(nearness=0.0), torch.randn(20, 1, 8, 8), []
    model = lambda x, t: calls.append((x, t)) or 0.8 * x  # noqa: E731
    x0 = torch.empty(6, 1, 8, 8)
    value = one_and_two(model, x0, 0, torch.Generator().manual_seed(3), data=data, c=c)
    g = torch.Generator().manual_seed(3)
    noise = PATH.prior(x0.shape, g)
    seen = list(calls)
    two = consistency_sample(model, noise, [PATH.t_max, c.middle], PATH, g)
    for (x, t), (y, s) in zip(seen, calls[2:], strict=True):
        torch.testing.assert_close(x, y)
        torch.testing.assert_close(t, s)
    one = 0.8 * noise
    torch.testing.assert_close(value, energy_loss(one, data) + energy_loss(two, data))
    near = one_and_two(model, x0, 0, torch.Generator().manual_seed(3), data=data, c=Config(nearness=0.5))
    torch.testing.assert_close(near - value, (two - one).flatten(1).norm(dim=1) / 2)
