"""Truncated consistency and inductive moment matching: boundaries, and identities of the mean discrepancy."""

import math

import pytest
import torch
from gauntlet import SHAPES
from small_maps import MEAN, STD, gradients, inner_pair, small_map

from minicm.evaluation import energy_distance
from minicm.losses import two_times
from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import Linear, TrigFlow
from minicm.rivals import (
    FlowMap,
    IMMLoss,
    KnownMap,
    TruncatedLoss,
    energy_kernel,
    imm_loss,
    laplace_kernel,
    mmd_squared,
    with_first_stage,
)
from minicm.shapes import like
from minicm.times import log_normal


def test_truncated_models_answer_on_their_own_side_of_the_boundary():
    joined = with_first_stage(lambda x, t: 2 * x, lambda x, t: 3 * x, 0.8)
    x, t = torch.randn(3, 2), torch.tensor([0.5, 0.8, 0.9])
    torch.testing.assert_close(joined(x, t), like(torch.tensor([3.0, 3.0, 2.0]), x) * x)


def test_the_truncated_loss_learns_above_the_boundary_and_meets_the_first_stage_there():
    path, first = TrigFlow(), gaussian(MEAN, STD).denoiser(TrigFlow())
    pairs = lambda n, k, g: (torch.linspace(0.3, 1.5, n), torch.linspace(0.2, 1.4, n))  # noqa: E731
    seen = []

    def model(x, t):
        seen.append(t)
        return torch.zeros_like(x)

    x0 = torch.randn(40, 2)
    loss = TruncatedLoss(path, first, 0.8, pairs, share=0.1)
    value = loss(model, x0, 0, torch.Generator().manual_seed(0))
    assert all((t >= 0.8).all() for t in seen) and (seen[-1][:4] == 0.8).all() and (seen[-1] == 0.8).sum() > 4
    eps = torch.empty_like(x0).normal_(generator=torch.Generator().manual_seed(0))
    at = torch.full((4,), 0.8)
    torch.testing.assert_close(value[:4], first(path.mix(x0[:4], eps[:4], at), at).square().sum(1))
    assert (value[-4:] == 0).all()  # the target above the boundary is the model itself


# ---- inductive moment matching


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", [laplace_kernel, energy_kernel])
def test_mmd_is_zero_for_equal_groups_symmetric_and_positive(kernel, shape):
    a, b, scale = torch.randn(5, 4, *shape), torch.randn(5, 4, *shape), 0.5 + torch.rand(5)
    order = torch.randperm(4)
    assert mmd_squared(a, a[:, order], scale, kernel).abs().max() < 1e-12
    assert (mmd_squared(a, b, scale, kernel) > 0).all()
    torch.testing.assert_close(mmd_squared(a, b, scale, kernel), mmd_squared(b, a, scale, kernel))
    torch.testing.assert_close(mmd_squared(a, b, scale, kernel)[2:3], mmd_squared(a[2:3], b[2:3], scale[2:3], kernel))


def test_the_energy_kernels_mmd_is_the_energy_distance_and_with_one_particle_consistency():
    a, b, scale = torch.randn(1, 50, 2), torch.randn(1, 50, 2), torch.ones(1)
    assert mmd_squared(a, b, scale, energy_kernel).item() == pytest.approx(energy_distance(a[0], b[0]), rel=1e-6)
    path, model, (t, s) = TrigFlow(), small_map(TrigFlow()), inner_pair(TrigFlow())
    x0, eps, r = torch.randn(7, 2), torch.randn(7, 2), (t + s) / 2
    value = imm_loss(model, x0, eps, t, r, s, particles=1, kernel=energy_kernel)
    gap = model(path.mix(x0, eps, t), t, s) - model(path.mix(x0, eps, r), r, s)
    torch.testing.assert_close(value, 2 * gap.norm(dim=1), rtol=1e-6, atol=1e-6)


def test_a_laplace_kernel_of_known_distances():
    """Two groups of one point: k(0) + k(0) − 2 k(5) with scale 5 is 2 − 2/e."""
    a, b = torch.zeros(1, 1, 2), torch.tensor([[[3.0, 4.0]]])
    assert mmd_squared(a, b, torch.tensor([5.0])).item() == pytest.approx(2 - 2 / math.e, rel=1e-6)


def test_imm_compares_laws_and_not_samples():
    """All data at one point, so both jumps land on one trajectory: exchange within a group costs nothing."""
    path, flow = TrigFlow(), gaussian_flow(MEAN, 0.0, TrigFlow())
    x0, eps, t, s = MEAN.expand(8, 2), torch.randn(8, 2), torch.full((8,), 1.2), torch.full((8,), 0.3)

    def exchanged(order):
        return KnownMap(lambda x, t, s: flow(x, t, s)[order] if t[0] > 1 else flow(x, t, s), path)

    within, across = [1, 2, 3, 0, 5, 6, 7, 4], [4, 1, 2, 3, 0, 5, 6, 7]
    assert imm_loss(exchanged(within), x0, eps, t, t - 0.4, s).abs().max() < 1e-12
    assert imm_loss(exchanged(across), x0, eps, t, t - 0.4, s).min() > 1e-3


def test_imm_takes_its_gradient_from_the_noisier_side_and_its_scale_from_the_jump():
    path, model = TrigFlow(), small_map(TrigFlow())
    t, s = torch.full((8,), 1.2), torch.full((8,), 0.3)
    x0, eps, r = torch.randn(8, 2), torch.randn(8, 2), torch.full((8,), 1.0)
    value = imm_loss(model, x0, eps, t, r, s)
    assert torch.equal(value[:4], value[:1].expand(4)) and not torch.equal(value[0], value[4])
    with torch.no_grad():
        aim = model(path.mix(x0, eps, r), r, s).unflatten(0, (2, 4))
    reach = (path.nsr(t) - path.nsr(s))[::4] / (1 + path.nsr(t)[::4])
    by_hand = mmd_squared(model(path.mix(x0, eps, t), t, s).unflatten(0, (2, 4)), aim, 2 * reach)
    torch.testing.assert_close(gradients(value.sum(), model), gradients(4 * by_hand.sum(), model))
    with pytest.raises(ValueError, match="^expected a batch of whole groups of 4 particles, got 7 samples"):
        imm_loss(model, x0[:7], eps[:7], t[:7], r[:7], s[:7])


def test_a_jump_of_no_length_costs_nothing_and_has_a_finite_gradient():
    path, model = TrigFlow(), small_map(TrigFlow())
    low = torch.full((8,), path.t_min)
    value = imm_loss(model, torch.randn(8, 2), torch.randn(8, 2), low, low, low)
    assert value.abs().max() < 1e-6
    value.sum().backward()
    assert all(p.grad is None or p.grad.abs().max() < 1e-6 for p in model.parameters())


def test_imm_draws_whole_groups_with_r_between():
    path, seen = TrigFlow(), []

    def jump(x, t, s):
        seen.append((t, s))
        return x

    loss = IMMLoss(two_times(path, log_normal(-1, 1.6), diagonal=0, ends=0.5), gap=0.1)
    loss(KnownMap(jump, path), torch.randn(32, 2), 0, torch.Generator().manual_seed(0))
    (r, s), (t, _) = seen
    assert torch.equal(t.view(8, 4), t[::4, None].expand(8, 4)) and (s <= r).all() and (r <= t).all()
    inner = r > s
    torch.testing.assert_close(path.nsr(r)[inner], 0.9 * path.nsr(t)[inner])


def test_both_sides_have_one_dropout_mask_so_that_equal_times_cost_nothing():
    torch.manual_seed(0)

    class Dropped(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(2, 2)

        def forward(self, u, times):
            return torch.nn.functional.dropout(self.layer(u), 0.5)

    model, x0, eps = FlowMap(Dropped(), TrigFlow()), torch.randn(8, 2), torch.randn(8, 2)
    t, s = torch.full((8,), 1.2), torch.full((8,), 0.4)
    assert imm_loss(model, x0, eps, t, t, s, particles=4).abs().max() < 1e-12
    assert imm_loss(model, x0, eps, t, s + 0.1, s, particles=4).abs().max() > 1e-4


def test_the_scale_is_finite_where_the_path_has_no_data_left():
    """On the linear path nsr(1) is infinite, and the gap (nsr_t − nsr_s)/(1 + nsr_t) tends to 1."""
    model, path = KnownMap(gaussian_flow(MEAN, STD, Linear()), Linear()), Linear()
    x0, eps, s = torch.randn(8, 2), torch.randn(8, 2), torch.full((8,), 0.3)
    at = lambda t: imm_loss(model, x0, eps, torch.full((8,), t), s + 0.2, s, particles=4)  # noqa: E731
    assert path.nsr(torch.ones(1)).isinf() and at(1.0).isfinite().all()
    torch.testing.assert_close(at(1.0), at(1 - 1e-9), rtol=1e-6, atol=1e-9)
