"""Other people's methods behind one signature, for comparison; the package itself needs none of them.

Each module has `contenders()`; one whose library is missing is left out, and a line says so.
"""

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from minicm.shapes import Denoiser

__all__ = ["Contender", "Tolerant", "libraries"]


@dataclass(frozen=True)
class Contender:
    """solve: (denoise, x, times (N + 1,)) -> x at times[-1], on VE; cost: evaluations an interval."""

    solver: str
    origin: str
    solve: Callable[[Denoiser, Tensor, Tensor], Tensor]
    grids: Sequence[str] = ("rho7", "log")
    cost: int = 1


@dataclass(frozen=True)
class Tolerant:
    """solve: (denoise, x, tolerance) -> x at t_min, on VE: it spends as many evaluations as it wants."""

    solver: str
    origin: str
    solve: Callable[[Denoiser, Tensor, float], Tensor]
    grid: str = "by error"


def libraries() -> tuple[list[str], list[Contender | Tolerant]]:
    """(a line for each library that cannot be imported here, the samplers of those that can)."""
    left_out: list[str] = []
    found: list[Contender | Tolerant] = []
    for name in ("torchdiffeq", "diffusers", "k_diffusion"):
        try:
            found += importlib.import_module(f"benchmarks.peers.{name}_solvers").contenders()
        except ImportError as error:
            left_out.append(f"left out: {name} ({error})")
    return left_out, found
