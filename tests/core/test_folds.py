"""Determinants against maps whose own are known, and learnt maps that fold."""

from pathlib import Path

import pytest
import torch

from minicm import VE, TrigFlow
from minicm.checkpoints import load_weights
from minicm.evaluation import jacobian_determinant
from minicm.lab.recipes.plane import PATH, new_model
from minicm.oracles import gaussian_consistency

DATA = Path(__file__).parents[2] / "data"


def at(x, t):
    return torch.full((len(x),), t, dtype=x.dtype)


@pytest.mark.parametrize("dim", [1, 2, 4])
def test_of_a_linear_map_it_is_that_of_the_matrix(dim):
    matrix = torch.randn(dim, dim, dtype=torch.float64)
    x = torch.randn(5, dim, dtype=torch.float64)
    found = jacobian_determinant(lambda x, t: x @ matrix.T, x, at(x, 1.0))
    torch.testing.assert_close(found, torch.linalg.det(matrix).expand(5), rtol=1e-12, atol=1e-12)


def test_of_a_map_that_is_not_linear_it_is_the_product_of_its_slopes_and_half_of_a_fold_is_turned_over():
    x = torch.randn(64, 2, dtype=torch.float64)
    x = torch.cat([x, x * torch.tensor([-1.0, 1.0])])
    found = jacobian_determinant(lambda x, t: torch.stack([x[:, 0].abs(), x[:, 1] ** 3], 1), x, at(x, 1.0))
    torch.testing.assert_close(found, x[:, 0].sign() * 3 * x[:, 1] ** 2, rtol=1e-12, atol=1e-12)
    assert (found <= 0).double().mean() == 0.5


@pytest.mark.parametrize("path", [VE(), TrigFlow()])
def test_of_a_gaussian_s_consistency_function_it_is_the_square_of_the_ratio_of_stds(path):
    f = gaussian_consistency(torch.zeros(2, dtype=torch.float64), 0.5, path)
    x, t = torch.randn(7, 2, dtype=torch.float64), torch.linspace(0.3, 1.4, 7, dtype=torch.float64)
    variance = lambda t: (path.alpha(t) * 0.5) ** 2 + path.sigma(t) ** 2  # noqa: E731
    expected = variance(torch.full_like(t, path.t_min)) / variance(t)
    torch.testing.assert_close(jacobian_determinant(f, x, t), expected, rtol=1e-9, atol=0)


def test_learnt_maps_fold_and_the_mode_seeking_one_most():
    noise = PATH.prior((1000, 2), torch.Generator().manual_seed(0))
    share = {}
    for name in ("rival_direct", "eight_gaussians_scd", "rival_vsd"):
        model = new_model()
        load_weights(model, DATA / f"{name}.safetensors")
        share[name] = (jacobian_determinant(model, noise, at(noise, PATH.t_max)) <= 0).double().mean().item()
    assert 0 < share["rival_direct"] < 0.1 < share["eight_gaussians_scd"] < 0.35 < share["rival_vsd"] < 0.65


def test_times_of_another_batch_are_refused():
    with pytest.raises(ValueError, match="t of shape"):
        jacobian_determinant(lambda x, t: x, torch.randn(3, 2), torch.ones(2))
