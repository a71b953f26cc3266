"""What FD-clf sees: its value for 10,000 training pictures, noisy, blurred, mixed with noise, or of fewer classes.

    python experiments/cifar10_sensitivity.py [--json FILE]

Each group must be ranked from little to much; the last line says whether it is, and the exit code is 1 if not.  What
scores no more than the test pictures, as good as pictures can be, is below the floor: there the distance says nothing,
and the table says what it does not see.  Needs
data/cifar10_classifier.safetensors, which experiments/cifar10_classifier.py makes.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import print_table, write_json  # noqa: E402
from minicm.data.cifar10 import cifar10_test, cifar10_train  # noqa: E402
from minicm.evaluation.cifar10 import CLASSIFIER, cifar10_classifier  # noqa: E402
from minicm.evaluation.frechet import Moments, features_of  # noqa: E402

SAMPLES = 10_000
Row = tuple[str, float, Tensor]  # group, how much, pictures


def noisy(x: Tensor, std: float) -> Tensor:
    """Gaussian noise, std as a share of the range of values."""
    return (x + 255 * std * torch.randn(x.shape)).round().clamp(0, 255).to(torch.uint8)


def blurred(x: Tensor, width: float) -> Tensor:
    """Gaussian blur, its standard deviation in pixels."""
    places = torch.arange(-4.0, 5.0)
    kernel = torch.softmax(-(places**2) / (2 * width**2), 0)
    padded = torch.nn.functional.pad(x.float(), (4,) * 4, "reflect")
    rows = sum(w * padded[..., k : k + x.shape[3]] for k, w in enumerate(kernel))
    return sum(w * rows[..., k : k + x.shape[2], :] for k, w in enumerate(kernel)).round().to(torch.uint8)


def mixed(x: Tensor, share: float) -> Tensor:
    """A share of the pictures replaced by uniform noise."""
    x = x.clone()
    count = int(share * len(x))
    x[:count] = torch.randint(256, (count, *x.shape[1:]), dtype=torch.uint8)
    return x


def variants(images: Tensor, labels: Tensor) -> Iterator[Row]:
    """Group by group, from little to much; each group begins with the pictures as they are."""
    x = images[:SAMPLES]
    groups: dict[str, tuple[Callable[[Tensor, float], Tensor], tuple[float, ...]]] = {
        "noise, std": (noisy, (0.02, 0.05, 0.1, 0.2)),
        "blur, pixels": (blurred, (0.5, 1.0, 1.5)),
        "share of noise pictures": (mixed, (0.01, 0.1, 0.5)),
    }
    for name, (change, sizes) in groups.items():
        yield name, 0.0, x
        yield from ((name, size, change(x, size)) for size in sizes)
    for dropped in (0, 1, 5):
        yield "classes dropped", float(dropped), images[labels >= dropped][:SAMPLES]


def ranked(rows: list[dict], floor: float) -> list[str]:
    """The groups whose distances do not rise strictly, as soon as they are above the floor."""
    groups = {row["group"]: [max(r["fd_clf"], floor) for r in rows if r["group"] == row["group"]] for row in rows}
    pairs = {name: list(zip(found, found[1:])) for name, found in groups.items()}
    return [name for name, found in pairs.items() if any(b <= a and (a, b) != (floor, floor) for a, b in found)]


def unseen(rows: list[dict], floor: float) -> list[str]:
    """What is not as it should be, but no farther than the floor."""
    return [f"{row['group']} {row['size']:g}" for row in rows if row["size"] > 0 and row["fd_clf"] <= floor]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--classifier", type=Path, default=CLASSIFIER)
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(argv)
    torch.manual_seed(0)
    classifier = cifar10_classifier(options.classifier)
    images, labels = cifar10_train()
    reference, rows = classifier.statistics(32), []

    def distance(pictures: Tensor) -> float:
        return Moments.of(features_of(classifier.features, pictures)).distance(reference)

    for group, size, pictures in variants(images, labels):
        rows.append({"group": group, "size": size, "fd_clf": distance(pictures)})
    floor = distance(cifar10_test()[0][:SAMPLES])
    rows.append({"group": "test pictures", "size": 0.0, "fd_clf": floor})
    print_table(rows, ["group", "size", "fd_clf"])
    write_json(options.json, rows)
    print(f"below the floor of {floor:.3g}: {', '.join(unseen(rows, floor)) or 'nothing'}")
    wrong = ranked(rows, floor)
    print(f"not ranked: {', '.join(wrong)}" if wrong else "every group is ranked from little to much")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
