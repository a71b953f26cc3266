"""The classifier of 8 x 8 digits in whose features FD-digits is measured.

    python experiments/digits_classifier.py digits

writes data/digits_classifier.safetensors, with the command and its accuracy inside, in a few seconds.  It sees the half
that models train on, a little turned, stretched, shifted and noisy, so that its features do not jump at what an eye
does not see.
"""

import argparse

import torch
from torch import Tensor, nn

from minicm.checkpoints import save_weights
from minicm.data.digits import digit_halves
from minicm.evaluation.digits import CLASSIFIER, DigitsClassifier, evaluate_digits, pixel_gaussian

ITERATIONS, BATCH, LR, DECAY = 3000, 128, 2e-3, 0.1
NOISE, WARP = 0.3, 0.12  # largest standard deviation of the noise, data units; that of each entry of the affine map


def train(seed: int = 0) -> DigitsClassifier:
    h = digit_halves()
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = DigitsClassifier()
        optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, ITERATIONS)
        for _ in range(ITERATIONS):
            index = torch.randint(len(h.train), (BATCH,))
            loss = nn.functional.cross_entropy(model(_varied(h.train[index])), h.train_labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def _varied(x: Tensor) -> Tensor:
    """Each picture under an affine map near the identity, with noise of its own size; outside is paper."""
    maps = torch.eye(2, 3) + WARP * torch.randn(len(x), 2, 3)
    places = nn.functional.affine_grid(maps, list(x.shape), align_corners=False)
    moved = nn.functional.grid_sample(x - x.min(), places, align_corners=False) + x.min()
    return moved + NOISE * torch.rand(len(x), 1, 1, 1) * torch.randn_like(x)


@torch.no_grad()
def accuracy(model: DigitsClassifier, x: Tensor, labels: Tensor) -> float:
    return (model(x).argmax(1) == labels).double().mean().item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["digits"], help="which data")
    name = parser.parse_args().name
    torch.set_num_threads(1)
    model, h = train(), digit_halves()
    note = {
        "command": f"python experiments/digits_classifier.py {name}",
        "accuracy_on_test": f"{accuracy(model, h.test, h.test_labels):.3f}",
    }
    save_weights(model, CLASSIFIER, metadata=note)
    print(f"{CLASSIFIER.name}: {note['accuracy_on_test']} of the test half are right")
    generator = torch.Generator().manual_seed(0)
    copies = h.train[torch.randperm(len(h.train), generator=generator)[:898]]
    for what, x in {
        "the Gaussian fit": pixel_gaussian(898, h.train, generator),
        "training pictures and noise .1": copies + 0.1 * torch.randn(copies.shape, generator=generator),
        "test pictures and noise .1": h.test + 0.1 * torch.randn(h.test.shape, generator=generator),
        "test pictures and noise .2": h.test + 0.2 * torch.randn(h.test.shape, generator=generator),
        "test pictures and noise .4": h.test + 0.4 * torch.randn(h.test.shape, generator=generator),
        "test pictures": h.test,
    }.items():
        found = evaluate_digits(x)
        print(f"{what}: {found.over_floor:.2f} floors, {found}")


if __name__ == "__main__":
    main()
