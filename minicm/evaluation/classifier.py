"""The classifier two-sample test: a small network is asked which set a point came from, and its accuracy is reported.

No classifier beats ½ + TV/2 with TV = ½ ∫ |p − q|, so accuracy − ½ bounds the total variation from below.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import check_count
from .distances import rows_of_two

_FEATURES, _WIDTH, _STEPS, _BATCH, _RATE = 32, 64, 300, 1024, 3e-3
_FREQUENCIES = (0.5, 8.0)  # radians per std of the data: from its extent down to about a tenth of it


def c2st(x: Tensor, y: Tensor, *, seed: int = 0) -> float:
    """Held-out accuracy of a 2 × 64 ReLU MLP on random Fourier features: ½ for equal laws, 1 for disjoint ones.

    x: (n, *S), y: (m, *S); of the longer set a random part of equal size is used, one half of each to learn.  The floor
    is ½, with a standard error of ½/√min(n, m).  Clearly below ½, the sets share points.  seed: the same accuracy
    each time; torch's generators stay untouched.
    Raises ValueError as `rows` does, and for other event shapes.
    Source: Lopez-Paz and Oquab 2017, sec. 3.
    """
    check_count("seed", seed, -math.inf)
    a, b = rows_of_two(x, y)
    generator = torch.Generator().manual_seed(seed)
    a, b = (part[torch.randperm(len(part), generator=generator)[: min(len(a), len(b))]] for part in (a, b))
    half = len(a) // 2
    z = torch.cat([a[:half], b[:half], a[half:], b[half:]])
    held_out = len(z) - 2 * half
    label = torch.cat([torch.arange(2).repeat_interleave(k) for k in (half, held_out // 2)]).float()
    with torch.inference_mode(False), torch.enable_grad():  # callers evaluate without gradients; this trains
        features = _fourier(z, generator)
        classify = _train(features[: 2 * half], label[: 2 * half], generator)
        with torch.no_grad():
            right = (classify(features[2 * half :]) > 0) == (label[2 * half :] > 0.5)
    return right.double().mean().item()


def _fourier(z: Tensor, generator: torch.Generator) -> Tensor:
    """(z, sin(z·w), cos(z·w)) with z standardised, directions random and frequencies log-spaced; float32."""
    z = ((z - z.mean(0)) / z.std().clamp_min(1e-300)).float()
    w = torch.randn((z.shape[1], _FEATURES), generator=generator, dtype=torch.float32)
    low, high = (math.log10(f) for f in _FREQUENCIES)
    phase = z @ (w / w.norm(dim=0) * torch.logspace(low, high, _FEATURES, dtype=torch.float32))
    return torch.cat([z, phase.sin(), phase.cos()], 1)


def _train(features: Tensor, label: Tensor, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
    """The classifier after _STEPS Adam steps with a cosine decay; features: (n, D), label: (n,).  Returns its logit."""
    sizes = (features.shape[1], _WIDTH, _WIDTH, 1)
    parameters = [p for pair in zip(sizes, sizes[1:]) for p in _layer(*pair, generator)]

    def logit(z: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3 = parameters
        return torch.addmm(b3, torch.addmm(b2, torch.addmm(b1, z, w1).relu(), w2).relu(), w3)[:, 0]

    optimizer = torch.optim.Adam(parameters, lr=_RATE, fused=True)  # half of the time of this loop
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, _STEPS)
    for _ in range(_STEPS):
        i = torch.randint(len(features), (min(_BATCH, len(features)),), generator=generator)
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logit(features[i]), label[i]).backward()
        optimizer.step()
        decay.step()
    return logit


def _layer(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    weight = torch.randn((fan_in, fan_out), generator=generator, dtype=torch.float32) * math.sqrt(2 / fan_in)
    return weight.requires_grad_(), torch.zeros(fan_out, dtype=torch.float32, requires_grad=True)
