"""The classifier of CIFAR-10 in whose features FD-clf is measured: two stages, the second one with noise.

    python experiments/cifar10_classifier.py [--epochs 12 --noisy_epochs 3 --device auto]

writes data/cifar10_classifier.safetensors, with the command, its accuracy and the statistics of the training pictures
inside.  A network that never saw noise reacts to noise that no eye sees; experiments/cifar10_sensitivity.py tells
whether the distance ranks what it should.  Written for a GPU, where it takes minutes; not run at full size yet.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from minicm.checkpoints import save_weights
from minicm.data.cifar10 import cifar10_test, cifar10_train, pooled
from minicm.evaluation.cifar10 import CLASSIFIER, Cifar10Classifier, enlarged
from minicm.evaluation.frechet import Moments, features_of
from minicm.hardware import Hardware, chosen_device

BATCH, LR, SMOOTHING, SHIFT = 512, 2e-3, 0.1, 2
NOISE = 0.1  # largest standard deviation in the second stage, as a share of the range of values


def train(model: nn.Module, images: Tensor, labels: Tensor, epochs: int, *, peak: float, noise: float) -> None:
    """AdamW, the learning rate rising to its peak and falling to 0 over the epochs."""
    steps = epochs * (len(images) // BATCH or 1)
    if not steps:
        return
    optimizer = torch.optim.AdamW(model.parameters(), peak, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=steps)
    model.train()
    for step in range(steps):
        index = torch.randint(len(images), (BATCH,)).to(images.device)
        loss = nn.functional.cross_entropy(
            model(varied(images[index], noise)), labels[index], label_smoothing=SMOOTHING
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step} of {steps}: loss {loss.item():.3f}", flush=True)


def varied(pictures: Tensor, noise: float) -> Tensor:
    """Mirrored in half of the cases, shifted by up to two pixels, with noise of a size of their own; floats."""
    flip = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) < 0.5
    x = nn.functional.pad(torch.where(flip, pictures.flip(3), pictures).float(), (SHIFT,) * 4, "reflect")
    down, right = torch.randint(2 * SHIFT + 1, (2,)).tolist()
    x = x[:, :, down : down + 32, right : right + 32]
    if noise:
        size = 255 * noise * torch.rand(len(x), 1, 1, 1, device=x.device)
        x = (x + size * torch.randn_like(x)).clamp(0, 255)
    return x


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    model.eval()
    right = [(model(x).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500))]
    return sum(right) / len(images)


def keep_statistics(model: Cifar10Classifier, images: Tensor) -> None:
    """Put the moments of the training pictures' features into the buffers, for both sizes."""
    for k, pictures in enumerate((images, enlarged(pooled(images)))):
        moments = Moments.of(features_of(model.features, pictures))
        model.means[k], model.covs[k] = moments.mean, moments.cov
    model.count.fill_(len(images))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=12, help="of the first stage (12)")
    parser.add_argument("--noisy_epochs", type=int, default=3, help="of the second (3)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=CLASSIFIER)
    options = parser.parse_args(argv)
    device = chosen_device(replace(Hardware(), device=options.device))
    images, labels = (part.to(device) for part in cifar10_train())
    test, test_labels = (part.to(device) for part in cifar10_test())
    torch.manual_seed(0)
    model = Cifar10Classifier().to(device, memory_format=torch.channels_last)
    train(model, images, labels, options.epochs, peak=LR, noise=0.0)
    train(model, images, labels, options.noisy_epochs, peak=LR / 2, noise=NOISE)
    found = accuracy(model, test, test_labels)
    keep_statistics(model, images)
    epochs = f"--epochs {options.epochs} --noisy_epochs {options.noisy_epochs}"
    command = f"python experiments/cifar10_classifier.py {epochs}"
    save_weights(model, options.out, metadata={"command": command, "accuracy_on_test": f"{found:.3f}"})
    print(f"{options.out}: {found:.3f} of the test pictures are right")


if __name__ == "__main__":
    main()
