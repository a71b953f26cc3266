"""Inductive moment matching: jumps from two times must land on equal laws, measured by MMD in small groups.

MMD²({X(x_t, t, s)}, {sg X(x_r, r, s)}), s <= r < t, over groups of particles that share t, r and s.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_batch, check_between, check_count, check_per_sample, check_positive
from ..losses.time_pairs import TimePairs
from ..seeds import forked_rng
from ..shapes import check_path, like
from .jumps import FlowMap

Kernel = Callable[[Tensor, Tensor], Tensor]  # (distances (G, M, M), scale (G,)) -> (G, M, M)


def laplace_kernel(distance: Tensor, scale: Tensor) -> Tensor:
    """exp(−|x − y|/scale).

    Raises ValueError for another scale.  Source: Zhou et al. 2025 (IMM), its choice of kernel.
    """
    check_per_sample("scale", scale, distance, "distance")
    return (-distance / like(scale, distance)).exp()


def energy_kernel(distance: Tensor, scale: Tensor) -> Tensor:
    """−|x − y|, which has no scale: with one particle a group, MMD² is twice the distance of the two jumps."""
    return -distance


def mmd_squared(a: Tensor, b: Tensor, scale: Tensor, kernel: Kernel = laplace_kernel) -> Tensor:
    """Mean of k(a, a') + k(b, b') − k(a, b') − k(b, a') over all pairs of a group; a, b: (G, M, *S) -> (G,).

    A V-statistic: x = x' counts as a pair, so it is >= 0, and 0 only for equal sets.  scale: (G,), data units.
    Raises ValueError for shapes that do not fit.
    """
    if a.ndim < 3 or a.ndim != b.ndim or (a.shape[0], a.shape[2:]) != (b.shape[0], b.shape[2:]):
        raise ValueError(f"expected a and b (G, M, *S) of one G and S, got {tuple(a.shape)} and {tuple(b.shape)}")
    check_per_sample("scale", scale, a, "a")

    def mean(x: Tensor, y: Tensor) -> Tensor:
        gap = x.flatten(2)[:, :, None] - y.flatten(2)[:, None]
        distance = (gap.square().sum(3) + 1e-16).sqrt()  # a root has no slope at 0
        return kernel(distance, scale).mean((1, 2))

    return mean(a, a) + mean(b, b) - 2 * mean(a, b)


def imm_loss(
    model: FlowMap,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    r: Tensor,
    s: Tensor,
    *,
    particles: int = 4,
    kernel: Kernel = laplace_kernel,
    bandwidth: float = 1.0,
) -> Tensor:
    """MMD² of {X(x_t, t, s)} and {sg X(x_r, r, s)} in groups of neighbours in the batch; (B,), equal within a group.

    x0, eps: (B, *S), shared by x_t and x_r.  t, r, s: (B,), equal within a group.
    The kernel's scale is bandwidth · d · (nsr(t) − nsr(s))/(1 + nsr(t)) with d elements: the reach of the jump, as far
    as the data are wide, and .001 at least.  Raises ValueError unless the batch is made of whole groups.
    The paper's weight of the times is left out: every pair of times counts the same.
    Source: Zhou et al. 2025 (IMM), Alg. 1, with this simpler scale of the kernel.
    """
    check_count("particles", particles)
    check_positive("bandwidth", bandwidth)
    check_batch("x0", x0, times={"t": t, "r": r, "s": s})
    if len(x0) % particles:
        raise ValueError(f"expected a batch of whole groups of {particles} particles, got {len(x0)} samples")
    path = model.path
    with torch.no_grad(), forked_rng(x0):  # one dropout mask for both sides
        aim = model(path.mix(x0, eps, r), r, s)
    landed = model(path.mix(x0, eps, t), t, s)
    groups = (len(x0) // particles, particles)
    (a, b), (c, d) = ((path.alpha(u), path.sigma(u)) for u in (t, s))
    reach = ((b * c - d * a) / (c * (a + b))).clamp(
        min=1e-3
    )  # (nsr_t − nsr_s)/(1 + nsr_t); t = s may be drawn at t_min
    scale = bandwidth * x0[0].numel() * reach.view(groups)[:, 0]
    value = mmd_squared(landed.unflatten(0, groups), aim.unflatten(0, groups), scale, kernel)
    return value.repeat_interleave(particles)


@dataclass(frozen=True)
class IMMLoss:
    """`imm_loss` with random noise and times: a `Loss` of a FlowMap.

    pairs: t and s of each group.  gap: the noise level of r is that of t less this share, but not below that of s.
    Raises ValueError unless particles >= 1, 0 <= gap <= 1 and bandwidth > 0.
    """

    pairs: TimePairs
    particles: int = 4
    gap: float = 0.1
    kernel: Kernel = laplace_kernel
    bandwidth: float = 1.0

    def __post_init__(self) -> None:
        check_count("particles", self.particles)
        check_between("gap", self.gap, 0.0, 1.0)
        check_positive("bandwidth", self.bandwidth)

    def __call__(self, model: FlowMap, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        check_path("model", model, getattr(self.pairs, "path", None))
        t, s = (
            u.repeat_interleave(self.particles) for u in self.pairs(len(x0) // self.particles, iteration, generator)
        )
        r = torch.maximum(model.path.time_at((1 - self.gap) * model.path.nsr(t)), s)
        eps = torch.empty_like(x0).normal_(generator=generator)
        return imm_loss(
            model, x0, eps, t, r, s, particles=self.particles, kernel=self.kernel, bandwidth=self.bandwidth
        )  # fmt: skip
