"""Stable targets: the denoiser of a batch against the exact one; losses that are right on average, with less noise."""

import pytest
import torch
from gauntlet import PATHS, name, some_t

from minicm.data import eight_gaussians
from minicm.losses import (
    DenoisingLoss,
    SCMLoss,
    StableLoss,
    VelocityLoss,
    batch_denoiser,
    cd,
    denoising_loss,
    ect,
    velocity_loss,
)
from minicm.nets import MLP
from minicm.oracles import empirical, gaussian
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.times import log_normal

PATH, LAW = TrigFlow(), log_normal(-1.0, 1.4)


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("shape", [(2,), (1, 4, 4)], ids=str)
def test_it_is_the_ideal_denoiser_of_the_references(path, shape):
    y, x, t = 0.5 * torch.randn(50, *shape), torch.randn(7, *shape), some_t(path)
    exact = empirical(y).denoiser(path)(x, t)
    torch.testing.assert_close(batch_denoiser(y, path)(x, t), exact, rtol=1e-9, atol=1e-9)


def test_float32_is_close_at_every_level():
    """The products of matrices lose digits where little noise is left, but not the reference that is nearest."""
    y = eight_gaussians(1024, torch.Generator().manual_seed(0))
    t = torch.linspace(PATH.t_min, PATH.t_max, 512)
    x = PATH.mix(y[:512], torch.randn(512, 2), t)
    exact = empirical(y.double()).denoiser(PATH)(x.double(), t.double())
    found = batch_denoiser(y.float(), PATH)(x.float(), t.float())
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-4)


def test_one_reference_is_its_own_mean():
    x0, eps, t = torch.randn(5, 2), torch.randn(5, 2), some_t(PATH)[:5]
    for point, noise, time in zip(x0, eps, t, strict=True):
        one, loss = point[None], VelocityLoss(PATH, LAW)
        own = batch_denoiser(one, PATH)
        model = gaussian(torch.zeros(2), 0.5).denoiser(PATH)
        for value in (velocity_loss, denoising_loss):
            plain = value(model, one, noise[None], time[None], path=PATH)
            torch.testing.assert_close(value(model, one, noise[None], time[None], path=PATH, teacher=own), plain)
        assert loss.teacher is None


def test_the_target_is_unbiased_with_the_own_point_among_the_references_and_less_noisy():
    """E over references of the target at a fixed x_t is E[x0|x_t], here that of a Gaussian, even for three of them.

    The own x0 is drawn from its posterior at x_t, the others from the data; leaving it out would pull the mean to 0.
    """
    std, level, n = 0.5, torch.tensor([0.6]), 40_000
    x = torch.tensor([[0.7]])
    alpha, sigma = PATH.alpha(level), PATH.sigma(level)
    mean = gaussian(torch.zeros(1), std).denoiser(PATH)(x, level)
    spread = (std**2 * sigma**2 / (alpha**2 * std**2 + sigma**2)).sqrt()
    own = mean + spread * torch.randn(n, 1)
    others = std * torch.randn(n, 2, 1)
    targets = torch.vmap(lambda y: batch_denoiser(y, PATH).function(x, level))(torch.cat([own[:, None], others], 1))
    assert abs(targets.mean() - mean) < 4 * targets.std() / n**0.5 + 1e-9
    assert targets.std() < 0.8 * own.std()
    without = torch.vmap(lambda y: batch_denoiser(y, PATH).function(x, level))(others)
    assert abs(without.mean() - mean) > 20 * without.std() / n**0.5


@pytest.mark.parametrize("loss", [VelocityLoss(PATH, LAW), DenoisingLoss(PATH, LAW)], ids=["velocity", "denoising"])
def test_it_is_the_loss_with_that_teacher_on_the_same_draws(loss):
    model = Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())
    x0, drawn = torch.randn(32, 2), torch.randn(8, 2)
    stable = StableLoss(loss, lambda n, generator: drawn[:n], extra=8)
    value = stable(model, x0, 0, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    t = PATH.time_at(LAW(32, generator))
    eps = torch.empty_like(x0).normal_(generator=generator)
    pure = velocity_loss if isinstance(loss, VelocityLoss) else denoising_loss
    teacher = empirical(torch.cat([x0, drawn])).denoiser(PATH)
    torch.testing.assert_close(value, pure(model, x0, eps, t, path=PATH, teacher=teacher), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("loss", [SCMLoss(PATH, LAW), ect(PATH, 100)], ids=["sCM", "ECT"])
def test_consistency_losses_take_it_as_their_teacher(loss):
    model = Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling())
    x0 = torch.randn(32, 2)
    value = StableLoss(loss, eight_gaussians, extra=64)(model, x0, 3, torch.Generator().manual_seed(1))
    plain = loss(model, x0, 3, torch.Generator().manual_seed(1))
    assert value.shape == (32,) and value.isfinite().all() and (value != plain).any()


def test_what_is_refused():
    model = Preconditioned(MLP(2).double(), TrigFlowScaling())
    with pytest.raises(ValueError, match="a teacher to fill in, got ConsistencyLoss with one"):
        StableLoss(cd(PATH, model), eight_gaussians)
    with pytest.raises(ValueError, match="extra"):
        StableLoss(VelocityLoss(PATH, LAW), eight_gaussians, extra=-1)
    with pytest.raises(ValueError, match=r"references of shape \(K, \*S\), K >= 1"):
        batch_denoiser(torch.zeros(0, 2), PATH)
    with pytest.raises(ValueError, match="references"):
        batch_denoiser(torch.zeros(4, 3), PATH)(torch.zeros(5, 2), torch.full((5,), 0.5))
