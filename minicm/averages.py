"""Moving averages of a model's weights, the ones to sample with: θ̄_n = β_n θ̄_(n−1) + (1 − β_n) θ_n."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from numbers import Real

import torch
from torch import Tensor, nn

from .checks import check_fit


class Average(ABC):
    """A copy of a model, `.model`, whose parameters follow it: θ̄_n = β_n θ̄_(n−1) + (1 − β_n) θ_n, n = 1, 2, ...

    θ̄_0 are the parameters given at first.  Buffers are copied, not averaged.  The copy is in eval mode.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = deepcopy(model).eval().requires_grad_(False)
        self.updates = 0

    @abstractmethod
    def decay_at(self, n: int) -> float:
        """β_n, the weight that update n = 1, 2, ... leaves to the past."""

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move towards the parameters that `model` has now.  Raises ValueError for a model of another build."""
        self.updates += 1
        (averages, copies), (parameters, buffers) = _tensors(self.model), _tensors(model)
        try:
            if averages:
                torch._foreach_lerp_(averages, parameters, 1 - self.decay_at(self.updates))
        except RuntimeError:
            check_fit(model.state_dict(), self.model.state_dict(), "the weights that the average should follow")
            raise
        for copy, buffer in zip(copies, buffers, strict=True):
            copy.copy_(buffer)

    def state_dict(self) -> dict:
        """The averaged weights and the number of updates, for a checkpoint."""
        return {"updates": self.updates, "model": self.model.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave; `.model` stays the same object."""
        self.model.load_state_dict(state["model"])
        self.updates = int(state["updates"])


def _tensors(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Parameters and buffers, each tensor once, in one walk over the modules."""
    parameters: list[Tensor | None] = []
    buffers: list[Tensor | None] = []
    rest: list[nn.Module | None] = [model]
    while rest:  # model.modules() takes several times as long
        module = rest.pop()
        if module is not None:
            parameters += module._parameters.values()
            buffers += module._buffers.values()
            rest += module._modules.values()
    once = [list({id(t): t for t in found if t is not None}.values()) for found in (parameters, buffers)]  # if tied
    return once[0], once[1]


class EMA(Average):
    """Exponential average with warm-up: β_n = min(decay, (1 + n)/(10 + n)).

    The warm-up lets the start be forgotten: .999 alone would keep e⁻¹ of it after 1000 updates.
    Raises ValueError unless 0 <= decay < 1.  Source: the ramp of the code of Song et al. 2021 (score SDE).
    """

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        if not (isinstance(decay, Real) and 0 <= decay < 1):
            raise ValueError(f"expected 0 <= decay < 1, the weight kept per update, got {decay!r}")
        super().__init__(model)
        self.decay: float = float(decay)

    def decay_at(self, n: int) -> float:  # noqa: D102
        return min(self.decay, (1 + n) / (10 + n))


class ScheduledEMA(Average):
    """Average with β_n = decay(n − 1), a function of the iteration, such as the μ(k) of a consistency target."""

    def __init__(self, model: nn.Module, decay: Callable[[int], float]) -> None:
        super().__init__(model)
        self.decay = decay

    def decay_at(self, n: int) -> float:  # noqa: D102
        return self.decay(n - 1)


class PowerEMA(Average):
    """Average with a power-function profile: β_n = (1 − 1/n)^(γ+1), so θ_i has weight (i^(γ+1) − (i−1)^(γ+1))/n^(γ+1).

    sigma_rel is the profile's standard deviation as a share of the training so far; the start has no weight.
    Raises ValueError unless 0 < sigma_rel < 12^(−1/2), where γ reaches 0, the plain mean.
    Source: Karras et al. 2024 (EDM2), sec. 3.1.
    """

    def __init__(self, model: nn.Module, sigma_rel: float = 0.1) -> None:
        if not (isinstance(sigma_rel, Real) and 0 < sigma_rel < 12**-0.5):
            raise ValueError(f"expected 0 < sigma_rel < {12**-0.5:.4f}, got {sigma_rel!r}")
        super().__init__(model)
        self.gamma: float = _power_of(float(sigma_rel))

    def decay_at(self, n: int) -> float:  # noqa: D102
        return (1 - 1 / n) ** (self.gamma + 1)


def _power_of(sigma_rel: float) -> float:
    """The γ > 0 with sigma_rel² = (γ + 1)/((γ + 2)² (γ + 3)), by bisection: the right side falls, below (γ + 2)⁻²."""
    low, high = 0.0, 1 / sigma_rel
    for _ in range(100):
        middle = (low + high) / 2
        too_wide = (middle + 1) / ((middle + 2) ** 2 * (middle + 3)) > sigma_rel**2
        low, high = (middle, high) if too_wide else (low, middle)
    return low
