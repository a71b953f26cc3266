"""Seeds made from seeds: every iteration and every stream of random numbers has its own, and none is stored."""

import math
from contextlib import AbstractContextManager
from numbers import Integral

import torch
from torch import Tensor

from .checks import check_count


def fold(seed: int, *indices: int) -> int:
    """A seed in [0, 2⁶³) mixed from every number given: the seed of a run, then an iteration, then a stream.

    A run that draws iteration k from fold(seed, k) needs no saved generator state to go on after a break.
    Raises ValueError for what is no whole number.
    Source: Steele et al. 2014 (SplitMix), one round for each number.
    """
    if not all(isinstance(number, Integral) for number in (seed, *indices)):
        for index, number in enumerate((seed, *indices)):
            check_count(f"indices[{index - 1}]" if index else "seed", number, least=-math.inf)
    z = 0
    for number in (seed, *indices):
        z = (z + number + 0x9E3779B97F4A7C15) % 2**64
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        z ^= z >> 31
    return z >> 1


def forked_rng(x: Tensor) -> AbstractContextManager[None]:
    """Inside, what draws on x's device (a dropout mask, say) draws numbers that will come again after it."""
    return torch.random.fork_rng([x.device] if x.is_cuda else [])
