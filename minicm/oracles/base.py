"""What an exact distribution answers, and Tweedie's equation, which ties the answers together.

α E[x0|x_t] = x_t + σ² ∇ log p_t(x_t).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from ..checks import check_batch, check_per_sample
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, like

Flow = Callable[[Tensor, Tensor, Tensor], Tensor]  # (x, t, s) -> the probability-flow solution at s


class Oracle(ABC):
    """A data distribution known exactly, and with it the law p_t of x_t = α x0 + σ ε on every path."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Independent draws of x0; (n, *S), data units.  The generator lives on the oracle's device."""

    @abstractmethod
    def log_prob(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """The density, log p_t(x); x: (B, *S) on the path, t: (B,).  Returns (B,)."""

    @abstractmethod
    def denoiser(self, path: Path) -> Denoiser:
        """(x, t) -> E[x0|x_t = x]; x: (B, *S) on the path, t: (B,).  Returns (B, *S), data units."""

    def score(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """∇ log p_t(x) = (α E[x0|x] − x)/σ²; (B, *S), needs σ(t) > 0.

        Raises ValueError unless t is (B,).
        Source: Efron 2011 (Tweedie); Karras et al. 2022 (EDM), eq. 3.
        """
        check_per_sample("t", t, x)
        return (like(path.alpha(t), x) * self.denoiser(path)(x, t) - x) / like(path.sigma(t) ** 2, x)


class FlowOracle(Oracle):
    """A distribution whose probability-flow ODE is solved as well."""

    @abstractmethod
    def flow(self, path: Path) -> Flow:
        """(x, t, s) -> the solution at s of the probability-flow ODE that passes x at t; (B, *S), t and s: (B,)."""

    def consistency(self, path: Path) -> Denoiser:
        """f(x, t), the end at path.t_min of the trajectory through (x, t): what a consistency model learns; (B, *S)."""
        flow = self.flow(path)
        return PathDenoiser(lambda x, t: flow(x, t, torch.full_like(t, path.t_min)), path)


def check_event(x: Tensor, event: tuple[int, ...], t: Tensor | None = None) -> None:
    """Raise ValueError unless x is (B, *event), and t (B,): a (B, 1) among (B, 2) would broadcast silently."""
    check_batch("x", x, times={} if t is None else {"t": t})
    if x.shape[1:] != event:
        raise ValueError(f"expected x of shape (B, {', '.join(map(str, event))}), got {tuple(x.shape)}")
