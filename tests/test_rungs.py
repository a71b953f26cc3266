"""What the picture experiments share: pictures that are shaken a little, and the network that is not told of pixels."""

import pytest
import torch

from minicm.data import digit_halves
from minicm.rungs import dense_digits_model, shaken, shaken_digits_data


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_picture_that_is_not_shaken_is_itself():
    x = digit_halves().train[:50]
    assert torch.allclose(shaken(x, 0.0, draws()), x, atol=1e-6)


def test_paper_stays_paper_and_a_picture_does_not_depend_on_the_others():
    x = digit_halves().train[:8]
    blank = torch.full_like(x, -0.4)
    assert torch.allclose(shaken(blank, 0.3, draws()), blank, atol=1e-6)
    together = shaken(torch.cat([x[:4], 5 + x[4:]]), 0.1, draws())
    assert torch.allclose(together[:4], shaken(x, 0.1, draws())[:4], atol=1e-6)
    assert torch.allclose(together[4:], 5 + shaken(x, 0.1, draws())[4:], atol=1e-5)


def test_a_plane_is_sampled_where_the_map_says():
    """Inside, the picture a·col + b·row becomes that of the map, to a few hundredths of a pixel's step."""
    col = torch.linspace(-1 + 1 / 16, 1 - 1 / 16, 16, dtype=torch.float64)
    plane = (2 * col[None, :] + 3 * col[:, None]).expand(200, 1, 16, 16)
    found = shaken(plane, 0.02, draws())
    maps = torch.eye(2, 3, dtype=torch.float64) + 0.02 * torch.randn(
        (200, 2, 3), generator=draws(), dtype=torch.float64
    )
    places = torch.stack([col[None, :].expand(16, 16), col[:, None].expand(16, 16), torch.ones(16, 16)], 2).double()
    where = places @ maps.transpose(1, 2)[:, None]  # (200, 16, 16, 2), column and row
    expected = 2 * where[..., 0] + 3 * where[..., 1]
    inside = slice(5, -5)  # the kernel and the largest shift stay within the picture
    gap = (found[:, 0, inside, inside] - expected[:, inside, inside]).abs().max() / (5 / 8)
    assert gap < 0.08  # pixels; the bicubic kernel is not exact on slopes


def test_shaken_data_is_near_the_training_half_and_depends_on_seed_and_number_alone():
    data = shaken_digits_data(0.03, torch.device("cpu"))
    first, second = (batch for _, batch in zip(range(2), data(64, seed=1, start=0)))
    assert torch.equal(next(data(64, seed=1, start=1)), second) and not torch.equal(first, second)
    train = digit_halves().train
    near = torch.cdist(first.flatten(1), train.flatten(1)).amin(1)
    assert 0.3 < near.median() < 1.2  # the test half is at 1.47


def test_the_dense_network_fits_the_digits_and_its_seed_makes_it():
    one, same, other = (dense_digits_model(width=16, depth=2, seed=s) for s in (0, 0, 1))
    x, t = torch.randn(3, 1, 8, 8), torch.rand(3)
    assert one(x, t).shape == x.shape and torch.equal(one(x, t), same(x, t))
    assert not torch.equal(one(x, t), other(x, t))
    with pytest.raises(ValueError, match="width"):
        dense_digits_model(width=0, depth=2, seed=0)
