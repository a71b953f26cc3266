"""Networks of two times, for flow maps: F(u, [t, s]), told the features of t and those of the gap t − s."""

from copy import deepcopy

import torch
from torch import Tensor, nn

from ..checks import check_alike, check_floats
from .mlp import MLP, TimeFeatures
from .unet import UNet


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
        """The features of [t, s]; unit: radians.  Raises ValueError unless times is (B, 2)."""
        _check_pairs("times", times)
        t, s = times.unbind(1)
        return torch.cat([self.single(t), self.single(t - s)], dim=1)

    def tangent(self, times: Tensor, dtimes: Tensor) -> Tensor:
        """The derivative of the features along dtimes; (B, 2), (B, 2) -> (B, 4 count).

        Raises ValueError for other shapes.
        """
        _check_pairs("times", times)
        check_alike("dtimes", dtimes, "times", times)
        (t, s), (dt, ds) = times.unbind(1), dtimes.unbind(1)
        return torch.cat([self.single.tangent(t, dt), self.single.tangent(t - s, dt - ds)], dim=1)


def _check_pairs(name: str, times: Tensor) -> None:
    check_floats(name, times)
    if times.ndim != 2 or times.shape[1] != 2:
        raise ValueError(f"expected {name} of shape (B, 2), the columns t and s, got {tuple(times.shape)}")


def two_time_mlp(network: MLP) -> MLP:
    """An MLP of [t, s] that gives what `network` gives at t, whatever s: its weights for t − s are 0 at first.

    So a diffusion model's network becomes a flow map's, whose jumps are DDIM steps until it learns better.
    network: an MLP with `TimeFeatures`; it is copied.  Raises ValueError for other features.
    """
    wide = deepcopy(network)
    wide.features = _of_two_times(network.features)
    wide.hidden[0] = _widened(network.hidden[0], inputs=2 * len(network.features.frequencies))
    return wide


def two_time_unet(network: UNet) -> UNet:
    """The same of a U-Net, for pictures; labels and guidance scales go on as they are.

    network: a UNet with `TimeFeatures`; it is copied.  Raises ValueError for other features.
    """
    wide, extra = deepcopy(network), 2 * len(getattr(network.features, "frequencies", ()))
    wide.features = _of_two_times(network.features)
    wide.map0 = _widened(network.map0, inputs=extra)
    for name in ("label_map", "scale_map"):  # what they add to the features has no part in those of t − s
        layer = getattr(network, name)
        setattr(wide, name, layer if layer is None else _widened(layer, outputs=extra))
    return wide


def _of_two_times(features: nn.Module) -> TwoTimeFeatures:
    if not isinstance(features, TimeFeatures):
        raise ValueError(f"expected a network with TimeFeatures, got {type(features).__name__}")
    both = TwoTimeFeatures(len(features.frequencies))
    both.single = deepcopy(features)
    return both


def _widened(layer: nn.Linear, *, inputs: int = 0, outputs: int = 0) -> nn.Linear:
    """A copy with so many inputs that do nothing yet, and so many outputs that are 0."""
    wide = deepcopy(layer)
    wide.in_features, wide.out_features = layer.in_features + inputs, layer.out_features + outputs
    wide.weight = nn.Parameter(nn.functional.pad(layer.weight.detach(), (0, inputs, 0, outputs)))
    if layer.bias is not None:
        wide.bias = nn.Parameter(nn.functional.pad(layer.bias.detach(), (0, outputs)))
    return wide
