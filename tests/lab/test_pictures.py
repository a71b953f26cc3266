"""What the picture experiments share: the network that is not told of pixels, and the labels of digits."""

import pytest
import torch

from minicm.data import digit_halves
from minicm.lab.recipes.pictures import dense_digits_model, digits_data


def test_the_dense_network_fits_the_digits_and_its_seed_makes_it():
    one, same, other = (dense_digits_model(1, width=16, depth=2, classes=0, seed=s) for s in (0, 0, 1))
    x, t = torch.randn(3, 1, 8, 8), torch.rand(3)
    assert one(x, t).shape == x.shape and torch.equal(one(x, t), same(x, t))
    assert not torch.equal(one(x, t), other(x, t))
    with pytest.raises(ValueError, match="width"):
        dense_digits_model(1, width=0, depth=2, classes=0, seed=0)


def test_a_model_of_classes_is_told_the_label_of_each_picture():
    h, cpu = digit_halves(), torch.device("cpu")
    x0, label = next(digits_data(cpu, 10)(30, seed=1, start=0))
    assert torch.equal(x0, next(digits_data(cpu)(30, seed=1, start=0)))
    nearest = torch.cdist(x0.flatten(1), h.train.flatten(1)).argmin(1)
    assert torch.equal(label, h.train_labels[nearest]) and label.unique().numel() > 5
    model = dense_digits_model(1, width=16, depth=2, classes=10, seed=0)
    t = torch.ones(30)
    assert not torch.equal(model.given(label)(x0, t), model(x0, t))
    with pytest.raises(ValueError, match="^expected classes 0 or 10, got 5$"):
        digits_data(cpu, 5)
