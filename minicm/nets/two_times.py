"""Networks of two times, for flow maps: F(u, [t, s]) = MLP([u, features(t), features(t − s)])."""

import torch
from torch import Tensor, nn

from .mlp import MLP, TimeFeatures

__all__ = ["TwoTimeFeatures", "two_time_mlp"]


class TwoTimeFeatures(nn.Module):
    """The features of t and those of the gap t − s, side by side; (B, 2) -> (B, 4 count).

    The gap rather than s, because a jump of no length is what the network knows best.
    Arguments and errors as in `TimeFeatures`.  Source: Geng et al. 2025 (MeanFlow), table 1c, for the pair (t, t − s).
    """

    def __init__(self, count: int = 8, low: float = 0.1, high: float = 3.2) -> None:
        super().__init__()
        self.single = TimeFeatures(count, low, high)

    @property
    def frequencies(self) -> Tensor:
        """Those of t, then those of t − s: (2 count,)."""
        return torch.cat([self.single.frequencies, self.single.frequencies])

    def forward(self, times: Tensor) -> Tensor:
        """The features of [t, s]; unit: radians."""
        t, s = times.unbind(1)
        return torch.cat([self.single(t), self.single(t - s)], dim=1)

    def tangent(self, times: Tensor, dtimes: Tensor) -> Tensor:
        """The derivative of the features along dtimes; (B, 2), (B, 2) -> (B, 4 count)."""
        (t, s), (dt, ds) = times.unbind(1), dtimes.unbind(1)
        return torch.cat([self.single.tangent(t, dt), self.single.tangent(t - s, dt - ds)], dim=1)


def two_time_mlp(network: MLP) -> MLP:
    """An MLP of [t, s] that gives what `network` gives at t, whatever s: its weights for t − s are 0 at first.

    So a diffusion model's network becomes a flow map's, whose jumps are DDIM steps until it learns better.
    network: an MLP with `TimeFeatures`; it is copied.  Raises ValueError for other features.
    """
    if not isinstance(network.features, TimeFeatures):
        raise ValueError(f"expected a network with TimeFeatures, got {type(network.features).__name__}")
    width, depth = network.last.in_features, len(network.hidden)
    features = TwoTimeFeatures(len(network.features.frequencies))
    features.single.frequencies.copy_(network.features.frequencies)
    with torch.random.fork_rng([]):  # its own initial weights are replaced
        wide = MLP(network.dim, width, depth, features).to(network.last.weight)
    state = network.state_dict()
    first = state["hidden.0.weight"]
    extra = first.new_zeros(width, 2 * len(network.features.frequencies))
    wide.load_state_dict({**state, "hidden.0.weight": torch.cat([first, extra], 1)}, strict=False)
    return wide
