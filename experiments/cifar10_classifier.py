"""The classifier of CIFAR-10 in whose features FD-clf is measured: two stages, the second one with noise.

    python experiments/cifar10_classifier.py cifar10 [--device auto]

writes data/cifar10_classifier.safetensors in float16, with the command, its accuracy and the statistics of the training
pictures inside.  A network that never saw noise reacts to noise that no eye sees; experiments/cifar10_sensitivity.py
tells whether the distance ranks what it should.  Takes about 12 minutes of one core.
"""

import argparse
import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from minicm.checkpoints import save_weights
from minicm.data.cifar10 import cifar10_test, cifar10_train, pooled
from minicm.evaluation.cifar10 import CLASSIFIER, Cifar10Classifier, enlarged
from minicm.evaluation.frechet import Moments, features_of
from minicm.lab.hardware import Hardware, chosen_device

BATCH, LR, SMOOTHING, SHIFT = 512, 2e-3, 0.1, 2
NOISE = (0.01, 0.2)  # standard deviations in the second stage, log-uniform, as a share of the range of values


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, *, peak: float, noisy: float) -> None:
    """AdamW, the learning rate rising to its peak and falling to 0 over the epochs; noisy: share with noise."""
    steps = epochs * (len(images) // BATCH or 1)
    if not steps:
        return
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    model.train()
    for step in range(steps):
        index = torch.randint(len(images), (BATCH,)).to(images.device)
        loss = nn.functional.cross_entropy(
            model(varied(images[index], noisy)), labels[index], label_smoothing=SMOOTHING
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", flush=True)


def varied(pictures: Tensor, noisy: float) -> Tensor:
    """Mirrored in half of the cases, shifted by up to two pixels, a share with noise of a size of its own; floats."""
    flip = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < 0.5
    x = nn.functional.pad(torch.where(flip, pictures.flip(3), pictures).float(), (SHIFT,) * 4, "reflect")
    down, right = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    x = x[:, :, down : down + 32, right : right + 32]
    if noisy:
        low, high = map(math.log, NOISE)
        size = 255 * (low + (high - low) * torch.rand(len(x), 1, 1, 1, device=x.device)).exp()
        chosen = torch.rand(len(x), 1, 1, 1, device=x.device) < noisy
        x = torch.where(chosen, (x + size * torch.randn_like(x)).clamp(0, 255), x)
    return x


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    right = [(model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500))]
    return sum(right) / len(images)


def keep_statistics(model: Cifar10Classifier, images: Tensor) -> None:
    """Put the moments of the training pictures' features into the buffers, for both sizes."""
    for size, pictures in ((32, images), (16, enlarged(pooled(images)))):
        model.keep(size, Moments.of(features_of(model.features, pictures)))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["cifar10"], help="which data")
    parser.add_argument("--epochs", type=int, default=5, help="of the first stage (5)")
    parser.add_argument("--noisy_epochs", type=int, default=2, help="of the second (2)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=CLASSIFIER)
    options = parser.parse_args(argv)
    device = chosen_device(replace(Hardware(), device=options.device))
    images, labels = (part.to(device) for part in cifar10_train())
    test, test_labels = (part.to(device) for part in cifar10_test())
    torch.manual_seed(0)
    model = Cifar10Classifier().to(device, memory_format=torch.channels_last)
    train(model, images, labels, options.epochs, peak=LR, noisy=0.0)
    train(model, images, labels, options.noisy_epochs, peak=LR / 2, noisy=0.5)
    model = model.half().float()  # as it is stored: its statistics are those of the rounded weights
    found = accuracy(model, test, test_labels)
    keep_statistics(model, images)
    note = {
        "command": "python experiments/cifar10_classifier.py cifar10",
        "epochs": f"{options.epochs} and {options.noisy_epochs} noisy",
        "accuracy_on_test": f"{found:.3f}",
    }
    save_weights(model.half(), options.out, metadata=note)
    print(f"{options.out}: {found:.3f} of the test pictures are right")


if __name__ == "__main__":
    main()
