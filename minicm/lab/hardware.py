"""Where a model runs and in which number formats: the fields that the configuration of every experiment begins with.

The defaults suit both a CPU and a GPU; None means "on a GPU only".  Weights, averages, optimiser, times, scalings and
losses are float32 everywhere: only the inside of a network ever runs in bfloat16.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import check_count
from ..precond import Preconditioned


def setting(default: Any, meaning: str) -> Any:  # noqa: ANN401
    """A field of a configuration, with what `--help` says of it."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Hardware:
    """The fields; the dataclass of an experiment extends it with its own.  Raises ValueError unless accumulate >= 1."""

    device: str = setting("auto", "cpu, cuda, cuda:1 or mps; auto: a GPU of CUDA if there is one, else the CPU")
    bf16: bool | None = setting(None, "networks in bfloat16")
    tf32: bool = setting(True, "the remaining float32 products of a GPU in TF32")
    channels_last: bool | None = setting(None, "convolution weights in the layout that tensor cores read")
    compile: bool | None = setting(None, "networks through torch.compile; a JVP through them stays eager")
    accumulate: int = setting(1, "parts that each process makes of its share of the batch, one after the other")

    def __post_init__(self) -> None:
        check_count("accumulate", self.accumulate)


def chosen_device(config: Hardware) -> torch.device:
    """The device of this process; under torchrun each process of a node has a GPU of its own.

    Also sets PyTorch's switch for TF32.  Raises ValueError for a device that this computer lacks.
    """
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        name = f"cuda:{os.environ.get('LOCAL_RANK', torch.cuda.current_device() if torch.cuda.is_available() else 0)}"
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):  # what torch raises differs by device and by how it was built
        raise ValueError(f"expected a device of this computer, got {config.device}: try --device cpu") from None
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = config.tf32
    return device


def to_device(model: nn.Module, config: Hardware) -> nn.Module:
    """The same model on its device, in the memory layout asked for."""
    device = chosen_device(config)
    if _wanted(config.channels_last, device):
        return model.to(device, memory_format=torch.channels_last)
    return model.to(device)


def accelerated(model: Preconditioned, config: Hardware) -> Preconditioned:
    """A view of the model for training: the same parameters, the network in bfloat16 and compiled where asked for.

    Averages and files keep to the model itself, whose names of weights do not change.
    """
    device = next(model.parameters()).device
    bf16, compiled = _wanted(config.bf16, device), _wanted(config.compile, device)
    if not (bf16 or compiled):
        return model
    return Preconditioned(_Fast(model.network, torch.compile if compiled else _unchanged, bf16), model.scaling)


class _Fast(nn.Module):
    """network(u, c, *conditions), in the number format of u outside and in bfloat16 inside."""

    def __init__(self, network: nn.Module, faster: Callable[[Any], Any], bf16: bool) -> None:
        super().__init__()
        self.network, self.bf16 = network, bf16
        self.__dict__["call"] = faster(network)  # not registered as a part: its parameters are the network's
        self.tangent = faster(network.with_tangent) if hasattr(network, "with_tangent") else None

    def forward(self, u: Tensor, c: Tensor, *conditions: Tensor) -> Tensor:
        with torch.autocast(u.device.type, torch.bfloat16, enabled=self.bf16):
            return self.call(u, c, *conditions).to(u.dtype)

    @property
    def with_tangent(self) -> Callable[..., tuple[Tensor, Tensor]]:
        """The network's own in the same format; AttributeError where it offers none."""
        if self.tangent is None:
            raise AttributeError("with_tangent")
        return self._differentiated

    def _differentiated(self, u: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
        with torch.autocast(u.device.type, torch.bfloat16, enabled=self.bf16):
            F, dF = self.tangent(u, *others)
        return F.to(u.dtype), dF.to(u.dtype)


def _unchanged(network: Any) -> Any:  # noqa: ANN401
    return network


def _wanted(choice: bool | None, device: torch.device) -> bool:
    return device.type == "cuda" if choice is None else choice
