"""Losses of several parts: weighted sums, and losses that train a second network as they go.

`fit` knows one network, one optimiser and one loss.  A method with a critic (a fake-score network, a discriminator)
keeps that: its loss owns the critic and the critic's optimiser, makes the critic's own update first, and then returns
the generator's loss per sample as every loss does.  The price is stated openly: such a loss has a memory, so a
checkpoint holds its `state_dict()` beside the model's, and with it a run cut in two equals the run in one piece.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..checks import check_count
from ..shapes import Denoiser, Loss, conditioned


class CriticLoss(Protocol):
    """The critic's loss, (B,), on data x0 (B, *S) and on the model's samples, which are made without gradient."""

    def __call__(  # noqa: D102
        self, critic: nn.Module, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator, /
    ) -> Tensor: ...


class Alternating:
    """`loss` of the model after `updates` steps of the critic on `critic_loss`: a `Loss` with a memory.

    loss: of the model; it may call the critic, whose parameters get no gradient from it.
    optimizer: holds the critic's parameters.  lr: its rate at iteration k, None for the optimiser's own.
    Raises ValueError unless updates >= 1, and FloatingPointError, with the iteration and before the critic's update,
    for a critic's loss or gradient that is not finite.
    """

    def __init__(
        self,
        loss: Loss,
        critic: nn.Module,
        critic_loss: CriticLoss,
        optimizer: torch.optim.Optimizer,
        *,
        updates: int = 1,
        lr: Callable[[int], float] | None = None,
    ) -> None:
        check_count("updates", updates)  # of the critic before each of the model
        self.loss, self.critic, self.critic_loss, self.optimizer = loss, critic, critic_loss, optimizer
        self.updates, self.lr = updates, lr

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        if self.lr is not None:
            for group in self.optimizer.param_groups:
                group["lr"] = float(self.lr(iteration))
        for _ in range(self.updates):
            self._update(model, x0, iteration, generator)
        with frozen(self.critic):
            return self.loss(model, x0, iteration, generator)

    def given(self, *conditions: Tensor) -> "Alternating":
        """The same, with loss and critic told the conditions; weights and optimiser stay those of this one."""
        critic = self.critic.given(*conditions) if hasattr(self.critic, "given") else self.critic
        loss, of_critic = conditioned(self.loss, *conditions), conditioned(self.critic_loss, *conditions)
        return Alternating(loss, critic, of_critic, self.optimizer, updates=self.updates, lr=self.lr)

    def _update(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        value = self.critic_loss(self.critic, model, x0, iteration, generator).mean()
        value.backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.critic.parameters() if p.grad is not None])
        if not (math.isfinite(value.item()) and math.isfinite(norm.item())):
            raise FloatingPointError(
                f"the critic's loss is {value.item()} and its gradient norm {norm.item()} at iteration {iteration}: "
                "try a smaller learning rate for the critic"
            )
        self.optimizer.step()

    def state_dict(self) -> dict:
        """The critic's weights and its optimiser's state, for a checkpoint."""
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Inside, what the module computes has gradients with respect to its input, not to its parameters."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    for p in trainable:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trainable:
            p.requires_grad_(True)


def summed(*parts: tuple[float, Loss]) -> Loss:
    """Σ weight · loss over the parts (weight, loss), each drawing its own randomness; a `Loss`.

    Raises ValueError for no part.
    """
    if not parts:
        raise ValueError("expected at least one part (weight, loss), got none")
    return _Summed(parts)


@dataclass(frozen=True)
class _Summed:
    parts: tuple[tuple[float, Loss], ...]

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        return sum(weight * part(model, x0, iteration, generator) for weight, part in self.parts)

    def given(self, *conditions: Tensor) -> "_Summed":
        return _Summed(tuple((weight, conditioned(part, *conditions)) for weight, part in self.parts))
