"""Several processes, one model: `torchrun --nproc_per_node 8 -m minicm train ...`.

Every process makes other parts of the same batch, with noise and data of their own, and DistributedDataParallel
averages the gradients: the update is that of one process which makes all parts in turn.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from ..shapes import Denoiser, Loss, conditioned


@dataclass(frozen=True)
class Processes:
    """Which process this is, of how many.  Alone, nothing here communicates."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def any(self, flag: object, device: torch.device) -> bool:
        """Whether the flag is true in some process; all must ask at the same point of their work."""
        if self.count == 1:
            return bool(flag)
        flags = torch.tensor(float(bool(flag)), device=device)
        torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        return bool(flags.item())

    def parts(self, accumulate: int) -> range:
        """The parts of a batch that this process makes: `accumulate` of accumulate · count."""
        return range(self.rank * accumulate, (self.rank + 1) * accumulate)

    def shared(self, loss: Loss, model: nn.Module, head: nn.Module | None = None) -> Loss:
        """The loss, with gradients averaged over the processes if there are several."""
        return loss if self.count == 1 else SharedLoss(loss, _wrapped(model, head))


@contextmanager
def init_distributed() -> Iterator[Processes]:
    """The processes that torchrun started, connected while the context lasts; without torchrun, this one alone."""
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if count == 1:
        yield Processes()
        return
    torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Processes(rank, count)
    finally:
        torch.distributed.destroy_process_group()


class SharedLoss:
    """A `Loss` whose backward pass also averages the gradients over all processes.

    The loss runs inside the forward of DistributedDataParallel, so it may call the model several times and
    differentiate it in forward mode; the hooks see one forward and one backward.
    """

    def __init__(self, loss: Loss, wrapped: DistributedDataParallel) -> None:
        self.loss, self.wrapped = loss, wrapped

    def given(self, *conditions: Tensor) -> "SharedLoss":
        """The loss under these conditions, if it depends on them."""
        return SharedLoss(conditioned(self.loss, *conditions), self.wrapped)

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        return self.wrapped(self.loss, model, x0, iteration, generator)


class _Holder(nn.Module):
    """The parameters whose gradients are averaged; its forward computes the whole loss."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, loss: Loss, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        return loss(model, x0, iteration, generator)


def _wrapped(model: nn.Module, head: nn.Module | None) -> DistributedDataParallel:
    """Starts from the weights of process 0.  There are no buffers that training changes, so none are sent."""
    holder = _Holder(model) if head is None else _Holder(model, head)
    return DistributedDataParallel(holder, broadcast_buffers=False)


def lost_worker(error: BaseException) -> bool:
    """Whether the error tells of a connection to another process that broke."""
    if isinstance(error, torch.distributed.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("gloo" in text or "connection" in text or "socket" in text)
