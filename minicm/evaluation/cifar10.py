"""FD-clf: the Fréchet distance of CIFAR-10 samples in 120 features of a small classifier.  It is not FID.

The classifier is made by experiments/cifar10_classifier.py, and experiments/cifar10_sensitivity.py shows what its
distance sees.  It compares models of one family with each other, at 10,000 samples, beside the floor.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..checks import check_count, shown
from ..data.cifar10 import to_pixels
from ..data.shipped import shipped
from .frechet import Moments, PrecisionRecall, features_of, kid, nearest, precision_recall
from .stored import stored_classifier

CLASSIFIER = shipped("data") / "cifar10_classifier.safetensors"
SIZES = (32, 16)  # of which the file holds statistics
_PAIRS = 5000  # samples of each side for what costs their square


class Cifar10Classifier(nn.Module):
    """Logits (n, 10) of uint8 pictures (n, 3, 32, 32); 5 width features after the last layer's mean over the picture.

    means, roots: statistics of the features of the training pictures of 32 x 32, and of those pooled to 16 x 16.  A
    root is √C: half precision then costs C no more than a share of its largest values, and C stays positive.
    Raises ValueError unless width >= 1.
    """

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        check_count("width", width)
        sizes = [3, width, 2 * width, 4 * width]
        layers: list[nn.Module] = []
        for inputs, outputs in zip(sizes, sizes[1:]):
            layers += [_layer(inputs, outputs), nn.MaxPool2d(2), _layer(outputs, outputs)]
        self.body = nn.Sequential(*layers, _layer(sizes[-1], 5 * width))
        self.head = nn.Linear(5 * width, 10)
        self.register_buffer("means", torch.zeros(len(SIZES), 5 * width))
        self.register_buffer("roots", torch.zeros(len(SIZES), 5 * width, 5 * width))

    def forward(self, pictures: Tensor) -> Tensor:
        """The logits; pictures may be floats from 0 to 255 as well."""
        return self.head(self.features(pictures))

    def features(self, pictures: Tensor) -> Tensor:
        """(n, 5 width)."""
        x = pictures.to(self.head.weight) / 127.5 - 1
        return self.body(x.contiguous(memory_format=torch.channels_last)).mean((2, 3))

    def statistics(self, size: int) -> Moments:
        """Those of the training pictures of that size.  Raises ValueError for another one than 32 or 16."""
        if size not in SIZES:
            raise ValueError(f"expected pictures of size 32 or 16, got {size}")
        k = SIZES.index(size)
        root = self.roots[k].cpu().double()
        return Moments(self.means[k].cpu().double(), root @ root.T)

    def keep(self, size: int, found: Moments) -> None:
        """Put these statistics into the buffers, for pictures of that size, one of `SIZES`."""
        values, vectors = torch.linalg.eigh(found.cov)
        self.means[SIZES.index(size)] = found.mean
        self.roots[SIZES.index(size)] = (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def _layer(inputs: int, outputs: int) -> nn.Sequential:
    convolution, norm = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs)
    norm.num_batches_tracked = torch.zeros(())  # a float, so that the file is of one dtype
    return nn.Sequential(convolution, norm, nn.GELU())


def cifar10_classifier(file: Path = CLASSIFIER) -> Cifar10Classifier:
    """The stored classifier, on the CPU, in eval mode.  Raises FileNotFoundError, one line, where there is none."""
    return stored_classifier(Cifar10Classifier, file, "python experiments/cifar10_classifier.py cifar10")


def enlarged(pictures: Tensor) -> Tensor:
    """Each pixel repeated until the picture is 32 x 32; (n, 3, H, W) -> (n, 3, 32, 32).

    Raises ValueError unless H divides 32.
    """
    fits = isinstance(pictures, Tensor) and pictures.ndim == 4 and len(pictures) > 0
    if not fits or not 0 < pictures.shape[2] <= 32 or 32 % pictures.shape[2]:
        raise ValueError(f"expected pictures (n, 3, H, W), H a divisor of 32, got {shown(pictures)}")
    factor = 32 // pictures.shape[2]
    return pictures.repeat_interleave(factor, 2).repeat_interleave(factor, 3)


@dataclass(frozen=True)
class Cifar10Quality:
    """fd_clf: distance to the training set, to compare at this number of samples only.

    floor: of as many training pictures, n of the N that they are compared with; fresh true ones would have about
    (N + n)/(N − n) times that, 1.5 times for n = 10,000.
    kid_clf: KID in the same features, pairs of 5,000; 0 for true pictures.
    nearest: median distance to the nearest training picture, data units; of_test: what test pictures measure.
    """

    number: int  # of samples
    fd_clf: float
    floor: float
    kid_clf: float
    precision: float
    recall: float
    nearest: float
    nearest_of_test: float


def evaluate_cifar10(x: Tensor, train: Tensor, test: Tensor, classifier: Cifar10Classifier) -> Cifar10Quality:
    """How far samples (n, 3, S, S), data units, are from the training pictures; train, test: uint8, of the same size.

    The floor is that of the first n training pictures.  Raises ValueError for other shapes, and as `rows` does.
    """
    size, device = train.shape[2], classifier.head.weight.device
    if x.shape[1:] != train.shape[1:]:
        raise ValueError(f"expected samples of shape {tuple(train.shape[1:])}, got {tuple(x.shape[1:])}")

    def features(pictures: Tensor) -> Tensor:
        return features_of(classifier.features, enlarged(pictures).to(device))

    pictures, reference = to_pixels(x), classifier.statistics(size)
    found, true = features(pictures), features(train[: len(x)])
    shared: PrecisionRecall = precision_recall(found[:_PAIRS], true[:_PAIRS])
    return Cifar10Quality(
        number=len(x),
        fd_clf=Moments.of(found).distance(reference),
        floor=Moments.of(true).distance(reference),
        kid_clf=kid(found[:_PAIRS], true[:_PAIRS]),
        precision=shared.precision,
        recall=shared.recall,
        nearest=_nearest(pictures, train),
        nearest_of_test=_nearest(test, train),
    )


def _nearest(pictures: Tensor, train: Tensor) -> float:
    """The median over at most 500 pictures, in data units."""
    return nearest(pictures[:500] / 127.5, train / 127.5).distance.median().item()
