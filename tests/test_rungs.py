"""What the picture experiments share: the network that is not told of pixels."""

import pytest
import torch

from minicm.rungs import dense_digits_model


def test_the_dense_network_fits_the_digits_and_its_seed_makes_it():
    one, same, other = (dense_digits_model(width=16, depth=2, seed=s) for s in (0, 0, 1))
    x, t = torch.randn(3, 1, 8, 8), torch.rand(3)
    assert one(x, t).shape == x.shape and torch.equal(one(x, t), same(x, t))
    assert not torch.equal(one(x, t), other(x, t))
    with pytest.raises(ValueError, match="width"):
        dense_digits_model(width=0, depth=2, seed=0)
