"""A network for pictures: F(u, c) = U-Net of DDPM++, from the 0.3M weights of 8 x 8 digits to EDM's 55.7M.

Down to ever smaller pictures and up again; each block on the way up is joined with its twin from the way down.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ..checks import check_alike, check_between, check_count, check_floats, check_labels, check_per_sample
from .blocks import Additive, Attention, Block, Conditioning, DoubleNorm
from .layers import (
    SMALL,
    GroupNorm,
    activated,
    convolution,
    convolved,
    exact,
    halved,
    linear,
    mapped,
    unchanged_size,
    upsampled,
)
from .mlp import TimeFeatures


class UNet(nn.Module):
    """F(u, c), F(u, c, label) and F(u, c, label, scale) over pictures of `channels` channels, of any size.

    width: channels at full size; level k has multipliers[k] times as many and half the size of level k − 1.
    blocks: residual blocks of a level on the way down; one more on the way up.
    attention: the levels with self-attention, 0 the full size; the smallest pictures have it once in any case.
    labels: number of classes, 0 for none.  dropout: share of activations that training drops.
    conditioning: `Additive` or `DoubleNorm`, or a class like them: how a block is told the time.
    features: of c; None for `width` slow ones.  guidance: features of the guidance scale; None for no such input.
    `with_tangent`: forward mode by hand.  Safe under torch's, autocast, channels_last and torch.compile.
    Raises ValueError for counts below 1, and for a level, a dropout or a width that cannot be.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int,
        multipliers: tuple[int, ...],
        blocks: int,
        attention: tuple[int, ...] = (),
        labels: int = 0,
        dropout: float = 0.0,
        conditioning: Conditioning = Additive,
        features: TimeFeatures | None = None,
        guidance: TimeFeatures | None = None,
    ) -> None:
        super().__init__()
        _check(channels, width, multipliers, blocks, attention, labels, dropout)
        self.channels, self.labels, self.levels = channels, labels, len(multipliers)
        self.features: Any = features if features is not None else TimeFeatures(max(1, width // 2))
        self.guidance, count = guidance, 2 * len(self.features.frequencies)
        self.label_map = _without_bias(labels, count, 1.0) if labels else None
        self.scale_map = _without_bias(2 * len(guidance.frequencies), count, SMALL) if guidance is not None else None
        self.map0, self.map1 = linear(count, 4 * width), linear(4 * width, 4 * width)

        def build(plans: list[_Plan]) -> nn.ModuleList:
            made = [p.block(4 * width, conditioning, dropout) for p in plans]
            return nn.ModuleList(made)

        down, middle, up = _plans(width, multipliers, blocks, attention)
        self.first = convolution(channels, width, 3)
        self.encoder, self.middle, self.decoder = build(down), build(middle), build(up)
        self.norm = GroupNorm(up[-1].outputs)
        self.last = convolution(up[-1].outputs, channels, 3, gain=SMALL)

    def forward(self, u: Tensor, c: Tensor, label: Tensor | None = None, scale: Tensor | None = None) -> Tensor:
        """F; u (B, C, H, W), c (B,), or (B, 2) where the features are of two times -> (B, C, H, W).

        label: (B,), long, from 0; a negative one, or None for all, means no label: what guidance subtracts.
        scale: (B,), the guidance scale that a guidance-distilled model imitates; None means none.
        Raises ValueError for other shapes, H or W that cannot be halved often enough, or an input it was built without.
        """
        self._check(u, c)
        embedding = self._embedding(c, label, scale)
        h = self.first(u)
        skips = [h]
        for block in self.encoder:
            h = block(h, embedding)
            skips.append(h)
        for block in self.middle:
            h = block(h, embedding)
        for block in self.decoder:
            joined = h if block.resample is upsampled else torch.cat([h, skips.pop()], 1)
            h = block(joined, embedding)
        return self.last(silu(self.norm(h)))

    def with_tangent(
        self, u: Tensor, c: Tensor, du: Tensor, dc: Tensor, label: Tensor | None = None, scale: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """F with its gradient graph, and its derivative along (du, dc) without one; both (B, C, H, W).

        Forward mode by hand, in one walk: each part hands on its value and its tangent, and the value is computed once.
        du, dc: as u and c.  Raises ValueError as `forward` does.
        """
        self._check(u, c)
        check_alike("du", du, "u", u)
        check_alike("dc", dc, "c", c)
        told = self._embedding_with_tangent(c, dc, label, scale)
        h, dh = convolved(self.first, u, du)
        skips = [(h, dh)]
        for block in self.encoder:
            h, dh = block.with_tangent(h, dh, *told)  # type: ignore[operator]
            skips.append((h, dh))
        for block in self.middle:
            h, dh = block.with_tangent(h, dh, *told)  # type: ignore[operator]
        for block in self.decoder:
            if block.resample is not upsampled:
                h, dh = (torch.cat(pair, 1) for pair in zip((h, dh), skips.pop(), strict=True))
            h, dh = block.with_tangent(h, dh, *told)  # type: ignore[operator]
        return convolved(self.last, *activated(*self.norm.with_tangent(h, dh)))

    def _embedding(self, c: Tensor, label: Tensor | None, scale: Tensor | None) -> Tensor:
        """What the blocks are told, (B, 4 width): time, label and guidance scale, in the weights' precision."""
        h = self._features(c, label, scale)
        return silu(exact(self.map1, silu(exact(self.map0, h))))

    def _embedding_with_tangent(
        self, c: Tensor, dc: Tensor, label: Tensor | None, scale: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The same and its tangent, in which label and scale have no part."""
        h = self._features(c, label, scale)
        dh = self.features.tangent(c.to(h.dtype), dc.to(h.dtype))
        for layer in (self.map0, self.map1):
            h, dh = activated(*mapped(layer, h, dh))
        return h, dh

    def _features(self, c: Tensor, label: Tensor | None, scale: Tensor | None) -> Tensor:
        """Of time, plus what label and guidance scale add to them; (B, features)."""
        h = self.features(c.to(torch.promote_types(c.dtype, torch.float32)))
        if label is not None:
            h = h + self._of_label(label, c)
        if scale is not None:
            if self.guidance is None or self.scale_map is None or scale.shape != c.shape[:1]:
                raise ValueError(_unfit("scale", scale, c, "guidance=TimeFeatures(...)", self.scale_map))
            h = h + exact(self.scale_map, self.guidance(scale.to(h.dtype)))
        return h

    def _of_label(self, label: Tensor, c: Tensor) -> Tensor:
        """√labels times the label's column of the map, 0 for none; (B, features)."""
        if self.label_map is None or label.shape != c.shape[:1] or label.dtype != torch.long:
            raise ValueError(_unfit("long label", label, c, "labels=...", self.label_map))
        check_labels(label, self.labels)
        column = self.label_map.weight.T[label.clamp(min=0)]
        return column * (math.sqrt(self.labels) * (label >= 0).to(column.dtype))[:, None]

    def _check(self, u: Tensor, c: Tensor) -> None:
        check_floats("u", u)
        factor = 2 ** (self.levels - 1)
        if u.ndim != 4 or u.shape[1] != self.channels or u.shape[2] % factor or u.shape[3] % factor:
            raise ValueError(
                f"expected pictures u (B, {self.channels}, H, W), H and W multiples of {factor}, got {tuple(u.shape)}"
            )
        of_two_times = isinstance(c, Tensor) and c.ndim == 2  # the features know how many they take
        check_per_sample("c", c[:, 0] if of_two_times else c, u, "u")


digits_unet = partial(UNet, channels=1, width=32, multipliers=(1, 1), blocks=1, conditioning=DoubleNorm)
"""0.34M weights for pictures of 8 x 8; channels=3 for tinted ones.  Takes what `UNet` takes, by name."""

cifar10_unet = partial(
    UNet, channels=3, width=64, multipliers=(2, 2, 2), blocks=2, attention=(1,), conditioning=DoubleNorm
)  # fmt: skip
"""9.5M weights for pictures of 32 x 32: what a GPU trains in minutes.  Takes what `UNet` takes, by name."""

edm_unet = partial(UNet, channels=3, width=128, multipliers=(2, 2, 2), blocks=4, attention=(1,))
"""55.7M weights for pictures of 32 x 32: that of EDM and ECT on CIFAR-10; sCM: 60.1M, with conditioning=DoubleNorm.

features: `edm_features()` for weights that EDM trained.  Source: Karras et al. 2022 (EDM), table 7, DDPM++.
"""


class _Plan(NamedTuple):
    """What a block does to the shape, and whether it attends."""

    inputs: int
    outputs: int
    resample: Callable[[Tensor], Tensor]
    attends: bool

    def block(self, embedding: int, conditioning: Conditioning, dropout: float) -> Block:
        attention = Attention(self.outputs) if self.attends else None
        return Block(
            self.inputs, self.outputs, embedding, conditioning=conditioning, dropout=dropout,
            resample=self.resample, attention=attention,
        )  # fmt: skip


def _plans(
    width: int, multipliers: tuple[int, ...], blocks: int, attention: tuple[int, ...]
) -> tuple[list[_Plan], list[_Plan], list[_Plan]]:
    """The blocks on the way down, in the middle and on the way up."""
    sizes, now, down, up = [width * m for m in multipliers], width, [], []
    for level, size in enumerate(sizes):
        down += [_Plan(now, now, halved, False)] if level else []
        for _ in range(blocks):
            down.append(_Plan(now, size, unchanged_size, level in attention))
            now = size
    skips = [width, *(plan.outputs for plan in down)]
    for level, size in reversed(list(enumerate(sizes))):
        up += [_Plan(now, now, upsampled, False)] if level < len(sizes) - 1 else []
        for k in range(blocks + 1):
            up.append(_Plan(now + skips.pop(), size, unchanged_size, k == blocks and level in attention))
            now = size
    return down, [_Plan(sizes[-1], sizes[-1], unchanged_size, attends) for attends in (True, False)], up


def _without_bias(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """A linear map that sends 0, the absence of a condition, to 0."""
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.xavier_uniform_(layer.weight, gain)
    return layer


def _unfit(what: str, value: Tensor, c: Tensor, option: str, layer: nn.Module | None) -> str:
    if layer is None:
        return (
            f"expected no {what}, this network was built without, got one of shape {tuple(value.shape)}: use {option}"
        )
    return f"expected a {what} for each sample, shape {tuple(c.shape[:1])}, got {value.dtype} {tuple(value.shape)}"


def _check(
    channels: int, width: int, multipliers: tuple[int, ...], blocks: int, attention: tuple[int, ...], labels: int,
    dropout: float,
) -> None:  # fmt: skip
    for name, value in (("channels", channels), ("width", width), ("blocks", blocks)):
        check_count(name, value)
    check_count("labels", labels, 0)
    if not (isinstance(multipliers, Sequence) and len(multipliers) > 0):
        raise ValueError(f"expected multipliers as a tuple of whole numbers, at least one, got {multipliers!r}")
    for value in multipliers:
        check_count("each of the multipliers", value)
    if not isinstance(attention, Sequence) or not set(attention) <= set(range(len(multipliers))):
        raise ValueError(f"expected attention at levels from 0 to {len(multipliers) - 1}, got {attention}")
    check_between("dropout", dropout, 0.0, 1.0)
    if dropout == 1:
        raise ValueError("expected dropout < 1, got 1")
