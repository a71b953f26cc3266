"""The layers of a U-Net's blocks: group normalisation and dropout that forward mode can pass, and plain functions.

What has parameters or a mask has a second method, `with_tangent`: it takes a value and its tangent and gives the same
value as `forward`, with its gradient graph, and its tangent, without one.  Where a Jacobian is symmetric, as those of a
normalisation, of softmax and of silu are, torch's kernel of the backward pass computes the tangent.
"""

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual
from torch.nn.functional import avg_pool2d, conv2d, interpolate, silu

SMALL = 1e-5  # scale of the weights that end a branch: the branch starts closed, but not dead


class GroupNorm(nn.Module):
    """(x − mean)/√(var + 1e-6) over each group of channels and all pixels, then an affine map per channel.

    min(32, channels/4) groups, or the next smaller number that divides the channels.  Statistics are float32 at least,
    the result has x's dtype.
    Two ways to the same numbers: torch's kernel for ordinary passes; elementary operations, slower but safe for
    channels_last, autocast and the compiler, where a tangent is carried along or a graph is being compiled.  A graph
    that torch.onnx writes has the kernel: a quarter fewer nodes in half the time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        most = min(32, max(1, channels // 4))
        self.groups = next(g for g in range(most, 0, -1) if channels % g == 0)
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The normalised x; (B, C, H, W) -> (B, C, H, W)."""
        compiled = torch.compiler.is_compiling()
        if (compiled and not torch.onnx.is_in_onnx_export()) or (not compiled and unpack_dual(x).tangent is not None):
            return self.elementary(x)
        with in_own_precision(x):  # on CUDA it would return float32, at twice the traffic
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            return nn.functional.group_norm(x, self.groups, weight, bias, 1e-6)

    def with_tangent(self, x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
        """Value and tangent: with n = (x − mean)/std, dn = (dx − mean(dx) − n mean(n dx))/std, a symmetric map."""
        sizes = (x.shape[0], x.shape[1], x.shape[2] * x.shape[3], self.groups)
        with in_own_precision(x):
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            value, mean, rstd = torch.ops.aten.native_group_norm(x, weight, bias, *sizes, 1e-6)
            with torch.no_grad():
                back = torch.ops.aten.native_group_norm_backward
                dn = back(dx, x, mean, rstd, None, *sizes, [True, False, False])[0]
                return value, dn * weight[:, None, None]

    def elementary(self, x: Tensor) -> Tensor:
        """The same by means and products alone."""
        h = x.to(at_least_float32(x.dtype)).unflatten(1, (self.groups, -1))
        h = h - h.mean((2, 3, 4), keepdim=True)
        h = (h * (h.square().mean((2, 3, 4), keepdim=True) + 1e-6).rsqrt()).flatten(1, 2)
        return (h * self.weight[:, None, None] + self.bias[:, None, None]).to(x.dtype)


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
        return self._masked(x)[0]

    def with_tangent(self, x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
        """Value and tangent, under one mask."""
        value, dvalue = self._masked(x, dx)
        return value, dvalue

    def _masked(self, *parts: Tensor) -> tuple[Tensor, ...]:
        """The parts, all of one shape, with the same entries dropped."""
        if not self.training or self.p == 0:
            return parts
        mask = torch.empty(parts[0].shape, dtype=torch.bool, device=parts[0].device).bernoulli_(1 - self.p)
        return tuple(part * mask * (1 / (1 - self.p)) for part in parts)


def halfway(x: Tensor, h: Tensor) -> Tensor:
    """√½ (x + h): a branch joined with what it branched from, at the same variance."""
    return (x + h) * math.sqrt(0.5)


def activated(a: Tensor, da: Tensor) -> tuple[Tensor, Tensor]:
    """silu(a) and its tangent silu'(a) da, in one pass over memory each."""
    with torch.no_grad():
        tangent = torch.ops.aten.silu_backward(da, a)
    return silu(a), tangent


def convolved(layer: nn.Conv2d, x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
    """The layer's value and its tangent; the bias has no part in that.

    The value comes first: autocast keeps its copy of the weight, and one made without a graph would stop the gradient.
    """
    value = layer(x)
    with torch.no_grad():
        return value, conv2d(dx, layer.weight, padding=layer.padding)


def mapped(layer: nn.Linear, x: Tensor, dx: Tensor) -> tuple[Tensor, Tensor]:
    """`exact` and its tangent."""
    with in_own_precision(x), torch.no_grad():
        tangent = dx.to(layer.weight.dtype) @ layer.weight.T
    return exact(layer, x), tangent


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


def pixel_normed(v: Tensor, dv: Tensor) -> tuple[Tensor, Tensor]:
    """n = `pixel_norm` of v, and its tangent (dv − n mean(n dv)) r, r the factor of v."""
    n = pixel_norm(v)
    with torch.no_grad():
        r = (v.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        return n, (dv - n * (n * dv).mean(1, keepdim=True)) * r


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


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """The dtype, float32 instead of one that is shorter."""
    return torch.promote_types(dtype, torch.float32)
