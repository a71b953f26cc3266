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
    """solve: (denoise, x, times (N + 1,)) -> x at times[-1], on VE, with cost N + start evaluations.

    order: that of the error at the end, the first steps included; tests measure it.
    """

    solver: str
    origin: str
    solve: Callable[[Denoiser, Tensor, Tensor], Tensor]
    grids: Sequence[str] = ("rho7", "log", "vp")
    cost: int = 1
    start: int = 0
    order: float = 1

    def steps(self, budget: int) -> int:
        """As many as the budget allows; 0 if it does not pay for the start and one step."""
        return max(0, (budget - self.start) // self.cost)


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
    for name in ("torchdiffeq", "torchode", "diffusers", "k_diffusion"):
        try:
            found += importlib.import_module(f"benchmarks.peers.{name}_solvers").contenders()
        except ImportError as error:
            left_out.append(f"{name}: – (not here: {error})")
    return left_out, found
