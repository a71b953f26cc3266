"""The parts of a U-Net: residual blocks told the time, group normalisation and attention that forward mode can pass.

x ← √½ (skip(x) + h),   h = conv(silu(condition(conv(silu(norm(x))), embedding))).
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual
from torch.nn.functional import avg_pool2d, interpolate, silu

SMALL = 1e-5  # scale of the weights that end a branch: the branch starts closed, but not dead


class GroupNorm(nn.Module):
    """(x − mean)/√(var + 1e-6) over each group of channels and all pixels, then an affine map per channel.

    min(32, channels/4) groups, or the next smaller number that divides the channels.  Statistics are float32 at least,
    the result has x's dtype.
    Two ways to the same numbers: torch's kernel for ordinary passes; elementary operations, slower but safe for
    channels_last, autocast and the compiler, where a tangent is carried along or a graph is being compiled.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        most = min(32, max(1, channels // 4))
        self.groups = next(g for g in range(most, 0, -1) if channels % g == 0)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The normalised x; (B, C, H, W) -> (B, C, H, W)."""
        if torch.compiler.is_compiling() or unpack_dual(x).tangent is not None:
            return self.elementary(x)
        with in_own_precision(x):  # on CUDA it would return float32, at twice the traffic
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return nn.functional.group_norm(x, self.groups, weight, bias, 1e-6)

    def elementary(self, x: Tensor) -> Tensor:
        """The same by means and products alone."""
        h = x.to(_at_least_float32(x.dtype)).unflatten(1, (self.groups, -1))
        h = h - h.mean((2, 3, 4), keepdim=True)
        h = (h * (h.square().mean((2, 3, 4), keepdim=True) + 1e-6).rsqrt()).flatten(1, 2)
        return (h * self.weight[:, None, None] + self.bias[:, None, None]).to(x.dtype)


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
        share = logits.to(_at_least_float32(logits.dtype)).softmax(2).to(v.dtype)
        looked_up = (v @ share.transpose(1, 2)).unflatten(2, x.shape[2:])
        return (x + self.proj(looked_up)) * math.sqrt(0.5)


class Additive(nn.Module):
    """norm(x + a), a affine in the embedding: EDM's conditioning on CIFAR-10."""

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.norm, self.affine = GroupNorm(channels), linear(embedding, channels)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (B, C, H, W), embedding (B, E) -> (B, C, H, W)."""
        return self.norm(x + exact(self.affine, embedding).to(x.dtype)[:, :, None, None])


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


class Dropout(nn.Module):
    """x · m/(1 − p) in training, each entry of m 0 with probability p, else 1; x otherwise.

    The mask depends on the generator and x's shape alone.  Torch's own depends on the layout in memory as well, in
    which a pass that carries a tangent may differ: value and tangent would then belong to different masks.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """x with a share p of its entries dropped; any shape."""
        if not self.training or self.p == 0:
            return x
        mask = torch.empty(x.shape, dtype=torch.bool, device=x.device).bernoulli_(1 - self.p)
        return x * mask * (1 / (1 - self.p))


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
        return self.attention((self.skip(self.resample(x)) + h) * math.sqrt(0.5))


def unchanged_size(x: Tensor) -> Tensor:
    """x."""
    return x


def halved(x: Tensor) -> Tensor:
    """Means of 2 x 2 pixels; (B, C, H, W) -> (B, C, H/2, W/2)."""
    return avg_pool2d(x, 2)


def upsampled(x: Tensor) -> Tensor:
    """Each pixel four times; (B, C, H, W) -> (B, C, 2H, 2W)."""
    return interpolate(x, scale_factor=2.0, mode="nearest")


def pixel_norm(v: Tensor) -> Tensor:
    """v/√(mean v² + 1e-8), the mean over channels: of mean square 1, whatever the scale of v; (B, C) -> (B, C)."""
    return v * (v.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Glorot's uniform weights, bias 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def convolution(inputs: int, outputs: int, size: int, *, gain: float = 1.0) -> nn.Conv2d:
    """A convolution that keeps the picture's size, with Glorot's uniform weights times `gain`, bias 0."""
    layer = nn.Conv2d(inputs, outputs, size, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def in_own_precision(x: Tensor) -> AbstractContextManager:
    """A context without autocast on the tensor's device; some devices have none to turn off."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def exact(layer: nn.Linear, x: Tensor) -> Tensor:
    """The layer's output in its own precision, under autocast too: what is told the time must not round it."""
    with in_own_precision(x):
        return layer(x.to(layer.weight.dtype))


def _at_least_float32(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)
