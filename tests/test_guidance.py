"""Guidance: its two ends, its velocity, and a case where the guided law is known."""

import pytest
import torch
from gauntlet import PATHS, mixture, name, some_t

from minicm.guidance import guided, guided_by
from minicm.oracles import gaussian
from minicm.paths import VE


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


def test_each_sample_may_have_its_own_scale():
    one, other = mixture(k=2).denoiser(VE()), mixture(k=3).denoiser(VE())
    x, t, scales = torch.randn(2, 2), some_t(VE(), 2), torch.tensor([1.3, 2.0])  # batch = event size
    whole = guided_by(one, other, scales)(x, t)
    for k in range(2):
        torch.testing.assert_close(whole[k : k + 1], guided(one, other, scales[k].item())(x[k : k + 1], t[k : k + 1]))
