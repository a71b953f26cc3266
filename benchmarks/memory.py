"""The memory of a step: bytes of the tensors that it makes and that live at one time, at most.

Counted, not measured, and so the same on every machine: the storage of each result of an operation from then until its
last holder lets go of it, gradients and what backward passes save included; not the scratch space inside a kernel.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Memory(TorchDispatchMode):
    """Follows the storages that are made within; those that were there before, such as weights, do not count."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self.old: dict[int, StorageWeakRef] = {}
        self.live: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self._forget()
        for storage in _storages((arguments, keywords)):
            if storage._cdata not in self.live:
                self.old[storage._cdata] = StorageWeakRef(storage)
        result = function(*arguments, **(keywords or {}))
        for storage in _storages(result):
            if storage._cdata not in self.old:
                self.live[storage._cdata] = StorageWeakRef(storage), storage.nbytes()
        self.peak = max(self.peak, sum(size for _, size in self.live.values()))
        return result

    def _forget(self) -> None:
        """Drop what has been freed, for its place may be given to another storage."""
        self.old = {key: held for key, held in self.old.items() if not held.expired()}
        self.live = {key: held for key, held in self.live.items() if not held[0].expired()}


def _storages(values: object) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def peak_bytes(step: Callable[[], object]) -> int:
    """Of the tensors that one call of step makes and that live at one time."""
    with Memory() as counted:
        step()
    return counted.peak
