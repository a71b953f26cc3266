"""The residual blocks of a U-Net: told the time, with attention, and each with its tangent beside its value.

x ← √½ (skip(x) + h),   h = conv(silu(condition(conv(silu(norm(x))), embedding))).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from .layers import (
    SMALL,
    Dropout,
    GroupNorm,
    activated,
    at_least_float32,
    convolution,
    convolved,
    exact,
    halfway,
    linear,
    mapped,
    pixel_norm,
    pixel_normed,
    unchanged_size,
)


class Attention(nn.Module):
    """x ← √½ (x + proj(softmax(qᵀk/√C) v)), one head over all pixels; (B, C, H, W) -> (B, C, H, W).

    Written out, since torch's fused kernels have no forward mode; the softmax is float32 at least.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = GroupNorm(channels)
        self.qkv = convolution(channels, 3 * channels, 1, gain=math.sqrt(0.2))
        self.proj = convolution(channels, channels, 1, gain=SMALL)

    def forward(self, x: Tensor) -> Tensor:
        """The pixels, after each has looked at all."""
        qkv = self.qkv(self.norm(x)).flatten(2).unflatten(1, (-1, 3))  # (B, C, 3, N)
        q, k, v = qkv.unbind(2)
        logits = q.transpose(1, 2) @ (k / math.sqrt(x.shape[1]))  # (B, N, N)
        share = logits.to(at_least_float32(logits.dtype)).softmax(2).to(v.dtype)
        looked_up = (v @ share.transpose(1, 2)).unflatten(2, x.shape[2:])
        return halfway(x, self.proj(looked_up))

    def with_tangent(self, x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
        """Value and tangent; that of the shares is share · (dl − Σ share dl), l the logits."""
        qkv, dqkv = convolved(self.qkv, *self.norm.with_tangent(x, dx))
        (q, k, v), (dq, dk, dv) = (z.flatten(2).unflatten(1, (-1, 3)).unbind(2) for z in (qkv, dqkv))
        scale = math.sqrt(x.shape[1])
        logits = q.transpose(1, 2) @ (k / scale)
        share = logits.to(at_least_float32(logits.dtype)).softmax(2)
        with torch.no_grad():
            dlogits = (dq.transpose(1, 2) @ k + q.transpose(1, 2) @ dk).to(share.dtype) / scale
            dshare = torch.ops.aten._softmax_backward_data(dlogits, share, 2, share.dtype).to(v.dtype)
            share = share.to(v.dtype)
            dlooked_up = dv @ share.transpose(1, 2) + v @ dshare.transpose(1, 2)
        looked_up = v @ share.transpose(1, 2)
        out, dout = convolved(self.proj, *(z.unflatten(2, x.shape[2:]) for z in (looked_up, dlooked_up)))
        return halfway(x, out), halfway(dx, dout)


class Additive(nn.Module):
    """norm(x + a), a affine in the embedding: EDM's conditioning on CIFAR-10."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm, self.affine = GroupNorm(channels), linear(embedding, channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, C, H, W), embedding (B, E) -> (B, C, H, W)."""
        return self.norm(x + exact(self.affine, embedding).to(x.dtype)[:, :, None, None])

    def with_tangent(self, x: Tensor, dx: Tensor, embedding: Tensor, dembedding: Tensor) -> tuple[Tensor, Tensor]:
        """Value and tangent."""
        a, da = (z.to(x.dtype)[:, :, None, None] for z in mapped(self.affine, embedding, dembedding))
        return self.norm.with_tangent(x + a, dx + da)


class DoubleNorm(nn.Module):
    """norm(x) · pixel_norm(s) + pixel_norm(b), s and b affine in the embedding.

    Neither factor can grow, and with it the derivative in time, however long the training.
    Source: Lu and Song 2024 (sCM), sec. 4, adaptive double normalization.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm, self.affine = GroupNorm(channels), linear(embedding, 2 * channels)
        nn.init.ones_(self.affine.bias[:channels])  # s starts near 1 in every channel

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, C, H, W), embedding (B, E) -> (B, C, H, W)."""
        s, b = exact(self.affine, embedding).chunk(2, dim=1)
        s, b = pixel_norm(s).to(x.dtype), pixel_norm(b).to(x.dtype)
        return self.norm(x) * s[:, :, None, None] + b[:, :, None, None]

    def with_tangent(self, x: Tensor, dx: Tensor, embedding: Tensor, dembedding: Tensor) -> tuple[Tensor, Tensor]:
        """Value and tangent, dn s + n ds + db with n = norm(x)."""
        told, dtold = mapped(self.affine, embedding, dembedding)
        halves = zip(told.chunk(2, dim=1), dtold.chunk(2, dim=1), strict=True)
        (s, ds), (b, db) = (pixel_normed(v, dv) for v, dv in halves)
        s, ds, b, db = (z.to(x.dtype)[:, :, None, None] for z in (s, ds, b, db))
        n, dn = self.norm.with_tangent(x, dx)
        with torch.no_grad():
            d = torch.addcmul(dn * s + db, n, ds)
        return n * s + b, d


Conditioning = Callable[[int, int], nn.Module]  # (channels, size of the embedding) -> module (x, embedding) -> x


class Block(nn.Module):
    """One residual block of DDPM++, which may change the number of channels, halve or double the size, and attend.

    Source: Song et al. 2021 (score SDE), appendix H; as in Karras et al. 2022 (EDM), appendix F.2.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        embedding: int,
        *,
        conditioning: Conditioning,
        dropout: float,
        resample: Callable[[Tensor], Tensor],
        attention: nn.Module | None,
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm0, self.conv0 = GroupNorm(inputs), convolution(inputs, outputs, 3)
        self.condition = conditioning(outputs, embedding)
        self.dropout, self.conv1 = Dropout(dropout), convolution(outputs, outputs, 3, gain=SMALL)
        projected = inputs != outputs or resample is not unchanged_size
        self.skip = convolution(inputs, outputs, 1) if projected else nn.Identity()
        self.attention = attention if attention is not None else nn.Identity()

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, C, H, W), embedding (B, E) -> (B, C', H', W')."""
        h = self.conv0(self.resample(silu(self.norm0(x))))
        h = self.conv1(self.dropout(silu(self.condition(h, embedding))))
        return self.attention(halfway(self.skip(self.resample(x)), h))

    def with_tangent(self, x: Tensor, dx: Tensor, embedding: Tensor, dembedding: Tensor) -> tuple[Tensor, Tensor]:
        """Value and tangent."""
        h, dh = activated(*self.norm0.with_tangent(x, dx))
        h, dh = convolved(self.conv0, self.resample(h), self.resample(dh))
        h, dh = activated(*self.condition.with_tangent(h, dh, embedding, dembedding))  # type: ignore[operator]
        h, dh = convolved(self.conv1, *self.dropout.with_tangent(h, dh))
        x, dx = self.resample(x), self.resample(dx)
        if not isinstance(self.skip, nn.Identity):
            x, dx = convolved(self.skip, x, dx)
        x, dx = halfway(x, h), halfway(dx, dh)
        return (x, dx) if isinstance(self.attention, nn.Identity) else self.attention.with_tangent(x, dx)  # type: ignore[operator]
