"""Classifiers that the repository holds as files, whose features are compared."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from ..checkpoints import load_weights

Classifier = TypeVar("Classifier", bound=nn.Module)


def stored_classifier(make: Callable[[], Classifier], file: Path, command: str) -> Classifier:
    """The network that `make` builds, with the weights in the file: float32, on the CPU, in eval mode, untrainable.

    command: what writes the file.  torch's generator on the CPU stays untouched.
    Raises FileNotFoundError, one line with the command, where the file is not there.
    """
    if not file.is_file():
        raise FileNotFoundError(
            f"expected {file}, found none: use minicm from a copy of its repository, or make the file with `{command}`"
        )
    with torch.random.fork_rng([]):
        model = make().float()
    load_weights(model, file)
    return model.eval().requires_grad_(False)
