"""FD-digits: the Fréchet distance of 8 x 8 digits in 32 features of a small classifier, and how near copies they are.

Floor: the distance of one half of the data to the other.  Models train on the first half; see `digit_halves`.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from ..checks import check_count
from ..data.digits import digit_halves
from ..data.shipped import shipped
from .distances import rows
from .frechet import Moments, features_of, nearest
from .stored import stored_classifier

CLASSIFIER = shipped("data") / "digits_classifier.safetensors"


class DigitsClassifier(nn.Module):
    """Logits (n, 10) of pictures (n, 1, 8, 8) in data units: 64-128-32-10; the 32 are the features."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU())
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        return self.head(self.body(x))

    def features(self, x: Tensor) -> Tensor:
        """What the last layer sees, (n, 32)."""
        return self.body(x.to(self.body[1].weight))


@lru_cache(maxsize=1)
def digits_classifier() -> DigitsClassifier:
    """The stored one, of experiments/digits_classifier.py; float32, on the CPU, in eval mode.

    Raises FileNotFoundError, one line, where the repository's folder `data` is not beside the package.
    """
    return stored_classifier(DigitsClassifier, CLASSIFIER, "python experiments/digits_classifier.py digits")


@dataclass(frozen=True)
class DigitsQuality:
    """Distances of a set of samples, its floor, and what true pictures measure in its place.

    to_test, to_train: FD to the half that no model saw and to the half to train on, means over sets of 898 samples.
    nearest: median distance to the nearest training picture, data units; copies: share of samples nearer to one than
    99 % of the test half is, 1 % for true pictures.
    """

    to_test: float
    to_train: float
    spread: float  # standard deviation of to_test over the sets; 0 for one set
    floor: float  # FD of the two halves
    nearest: float
    nearest_of_test: float
    copies: float

    @property
    def over_floor(self) -> float:
        """to_test / floor: 1 for true pictures."""
        return self.to_test / self.floor


def evaluate_digits(x: Tensor) -> DigitsQuality:
    """How far samples (n, 1, 8, 8), data units, are from the test half of the digits, and from copying the other.

    FD depends on the number of samples, so it is taken over sets as large as the test half; the rest only counts for
    the neighbours.  Raises ValueError for fewer than 898 samples or another shape, and as `rows` does.
    """
    h, classifier = digit_halves(), digits_classifier()
    size = len(h.test)
    if x.shape[1:] != h.test.shape[1:] or len(x) < size:
        raise ValueError(f"expected at least {size} digits of shape {tuple(h.test.shape[1:])}, got {tuple(x.shape)}")
    train, test = (Moments.of(features_of(classifier.features, part)) for part in (h.train, h.test))
    found = features_of(classifier.features, x.detach().cpu())
    sets = [Moments.of(part) for part in found.split(size) if len(part) == size]
    to_test = torch.tensor([s.distance(test) for s in sets], dtype=torch.float64)
    near, true = nearest(x, h.train).distance, nearest(h.test, h.train).distance
    return DigitsQuality(
        to_test=to_test.mean().item(),
        to_train=sum(s.distance(train) for s in sets) / len(sets),
        spread=to_test.std().item() if len(sets) > 1 else 0.0,
        floor=train.distance(test),
        nearest=near.median().item(),
        nearest_of_test=true.median().item(),
        copies=(near < true.quantile(0.01)).double().mean().item(),
    )


def pixel_gaussian(n: int, points: Tensor, generator: torch.Generator) -> Tensor:
    """n draws of the Gaussian with the mean and full covariance of the points; (m, *S) -> (n, *S).

    What a model must beat: it knows everything about pairs of pixels and nothing about digits.
    Raises ValueError unless n >= 1.
    """
    check_count("n", n)
    flat = rows(points, "points")
    deviations = (flat - flat.mean(0)) / (len(flat) - 1) ** 0.5  # their rows span the covariance, singular or not
    z = torch.randn((n, len(flat)), generator=generator, dtype=torch.float64)
    return (flat.mean(0) + z @ deviations).to(points).unflatten(1, points.shape[1:])
