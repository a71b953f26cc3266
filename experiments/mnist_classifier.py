"""The classifier of MNIST's digits that judges samples: it sees the 4,000 to train on, and nothing a model drew.

    python experiments/mnist_classifier.py mnist

writes data/mnist_classifier.safetensors, in float16, with the command and its accuracy inside, in about a minute of one
core.  It sees each picture a little turned, stretched, shifted and noisy.
"""

import argparse

import torch
from torch import Tensor, nn

from minicm.checkpoints import save_weights
from minicm.data import mnist_small
from minicm.evaluation.mnist import CLASSIFIER, MnistClassifier

ITERATIONS, BATCH, LR, DECAY = 2500, 100, 4e-3, 0.05
NOISE, WARP, SHIFT = 0.1, 0.12, 0.08  # largest std of the noise; std of each entry of the affine map, and of its shift


def train(seed: int = 0) -> MnistClassifier:
    h = mnist_small()
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = MnistClassifier()
        optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, ITERATIONS)
        for _ in range(ITERATIONS):
            index = torch.randint(len(h.train), (BATCH,))
            loss = nn.functional.cross_entropy(model(_varied(h.train[index] / 255)), h.train_labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _varied(x: Tensor) -> Tensor:
    """Each picture under an affine map near the identity, with noise of its own size."""
    maps = torch.eye(2, 3) + torch.randn(len(x), 2, 3) * torch.tensor([WARP, WARP, SHIFT])
    places = nn.functional.affine_grid(maps, list(x.shape), align_corners=False)
    moved = nn.functional.grid_sample(x, places, align_corners=False)
    return moved + NOISE * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)


@torch.no_grad()
def accuracy(model: MnistClassifier) -> float:
    h = mnist_small()
    return (model(h.test / 255).argmax(1) == h.test_labels).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["mnist"], help="which data")
    name = parser.parse_args().name
    torch.set_num_threads(1)
    model = train()
    right = f"{accuracy(model):.3f}"
    note = {"command": f"python experiments/mnist_classifier.py {name}", "accuracy_on_test": right}
    save_weights(model.half(), CLASSIFIER, metadata=note)
    print(f"{CLASSIFIER.name}: {right} of the unseen digits are right")


if __name__ == "__main__":
    main()
