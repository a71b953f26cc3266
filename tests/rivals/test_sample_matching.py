"""Sample matching: fields against ideal denoisers, distribution functions, sorting and another library."""

import pytest
import torch
from gauntlet import PATHS, SHAPES, name

from minicm.losses import StableLoss
from minicm.nets import MLP
from minicm.oracles import empirical
from minicm.paths import VE, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import (
    SampleMatchingLoss,
    drifting,
    energy_field,
    gaussian_window,
    generate,
    laplace,
    mean_shift,
    sinkhorn,
    sinkhorn_plan,
)

FIELDS = {"drifting": drifting(), "Sinkhorn": sinkhorn(0.3, 500), "energy": energy_field}


def clouds(shape=(2,)):
    return torch.randn(9, *shape), torch.randn(12, *shape) + 0.5, torch.randn(11, *shape)


def test_with_a_gaussian_window_the_drift_is_the_difference_of_two_ideal_denoisers():
    (x, y, z), h = clouds(), 0.7
    levels = torch.full((9,), h)
    exact = empirical(y).denoiser(VE())(x, levels) - empirical(z).denoiser(VE())(x, levels)
    window = gaussian_window(h)
    torch.testing.assert_close(mean_shift(x, y, window) - mean_shift(x, z, window), exact)
    torch.testing.assert_close(drifting([window])(x, y, z), exact / exact.square().mean().sqrt())


def test_the_laplace_kernel_falls_by_e_within_its_reach():
    """Two points at distances a and b: the weights are as exp((b − a)/τ) to 1."""
    x, y = torch.zeros(1, 1), torch.tensor([[0.3], [-0.8]])
    w = torch.tensor(0.5 / 0.2).sigmoid()
    torch.testing.assert_close(mean_shift(x, y, laplace(0.2)), (0.3 * w - 0.8 * (1 - w)).reshape(1, 1))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_a_field_changes_its_sign_with_the_roles_and_is_silent_for_equal_sets(field, shape):
    x, y, z = clouds(shape)
    assert field(x, y, z).shape == x.shape and (field(x, y, z) != 0).any()
    torch.testing.assert_close(field(x, y, z), -field(x, z, y))
    assert (field(x, y, y) == 0).all()


def test_each_kernel_of_a_drift_has_the_same_weight():
    x, y, z = clouds()
    for tau in (0.02, 1.0):
        torch.testing.assert_close(drifting([laplace(tau)])(x, y, z).square().mean(), torch.tensor(1.0))
    both = drifting([laplace(0.1)])(x, y, z) + drifting([laplace(1.0)])(x, y, z)
    torch.testing.assert_close(drifting([laplace(0.1), laplace(1.0)])(x, y, z), both)


def test_on_a_line_the_energy_field_is_twice_the_gap_of_the_distribution_functions():
    x, y, z = torch.linspace(-2, 3, 9)[:, None], torch.randn(50, 1) + 0.4, torch.randn(40, 1)
    below = lambda points: (points.T < x).double().mean(1, keepdim=True)  # noqa: E731
    torch.testing.assert_close(energy_field(x, y, z), 2 * (below(z) - below(y)))


def test_a_plan_hands_out_every_point_as_often():
    x, y, _ = clouds()
    plan = sinkhorn_plan(x, y, 0.3, 2000)
    torch.testing.assert_close(plan.sum(1), torch.ones(9), rtol=0, atol=1e-12)
    torch.testing.assert_close(plan.sum(0), torch.full((12,), 9 / 12), rtol=0, atol=1e-6)


def test_without_entropy_a_line_is_sorted_and_with_much_only_the_mean_moves():
    x, y, z = torch.randn(12, 1), torch.randn(12, 1), torch.randn(12, 1)
    sorted_y = y.sort(0).values[x.flatten().argsort().argsort()]
    torch.testing.assert_close(sinkhorn_plan(x, y, 1e-3, 30_000) @ y, sorted_y, rtol=0, atol=0.02)
    moved = sinkhorn(1e6)(x, y, z)
    torch.testing.assert_close(moved, (y.mean() - z.mean()).expand(12, 1), rtol=0, atol=1e-5)


def test_the_plan_is_that_of_pot():
    ot = pytest.importorskip("ot", reason="POT is not installed")
    x, y, _ = clouds()
    cost = torch.cdist(x, y) ** 2 / 2
    theirs = ot.sinkhorn(torch.full((9,), 1 / 9), torch.full((12,), 1 / 12), cost, 0.3, numItermax=5000, stopThr=1e-13)
    torch.testing.assert_close(sinkhorn_plan(x, y, 0.3, 2000) / 9, theirs, rtol=0, atol=1e-9)


@pytest.mark.parametrize("path", PATHS[:3], ids=name)
def test_the_gradient_of_the_loss_is_the_field(path):
    scale = torch.nn.Parameter(torch.tensor(0.5))
    model, x0 = lambda x, t: scale * x, torch.randn(40, 2)
    levels = torch.tensor([path.t_max])
    loss = SampleMatchingLoss(path, energy_field)(model, x0, 0, torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(3)
    samples, others = (generate(model, x0, levels, path, generator) for _ in range(2))
    move = energy_field(samples.detach(), x0, others.detach())
    torch.testing.assert_close(loss, move.square().sum(1) / 2)
    (found,) = torch.autograd.grad(loss.sum(), scale)
    torch.testing.assert_close(found, -(move * samples.detach() / 0.5).sum())


def test_a_gaussian_is_matched_by_its_width():
    """One weight, the std of the samples, follows the energy field to the data's."""
    path, scale = TrigFlow(), torch.nn.Parameter(torch.tensor(0.2))
    loss, optimizer = SampleMatchingLoss(path, energy_field), torch.optim.SGD([scale], 0.3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        optimizer.zero_grad()
        x0 = 0.8 * torch.randn(200, 2, generator=generator)
        loss(lambda x, t: scale * x / path.sigma_data, x0, 0, generator).mean().backward()
        optimizer.step()
    assert abs(scale - 0.8) < 0.05


def test_what_is_refused():
    for make in (lambda: laplace(0.0), lambda: gaussian_window(-1.0), lambda: sinkhorn(0.0), lambda: sinkhorn(0.1, 0)):
        with pytest.raises(ValueError, match="expected"):
            make()
    with pytest.raises(ValueError, match="kernels"):
        drifting([])
    with pytest.raises(ValueError, match="levels"):
        SampleMatchingLoss(TrigFlow(), energy_field, torch.tensor([3.0]))
    model = Preconditioned(MLP(2, width=8, depth=1).double(), TrigFlowScaling())
    loss = SampleMatchingLoss(TrigFlow(), lambda x, y, z: x[:, :1])
    with pytest.raises(ValueError, match="what the field returns"):
        loss(model, torch.randn(8, 2), 0, torch.Generator())
    with pytest.raises(ValueError, match="SampleMatchingLoss"):
        StableLoss(loss, lambda n, generator: torch.randn(n, 2))
