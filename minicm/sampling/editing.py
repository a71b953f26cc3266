"""Zero-shot editing: a consistency model completes what is known of a sample, with no training for the task.

Known are some coordinates K of z = A x, for an orthogonal A.  At every level the model jumps to a clean sample x, then
z <- K A y + (1 − K) A x puts the known ones back, and noise is added again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import as_floats, check_batch, check_count, check_floats, check_per_sample
from ..paths import Path
from ..shapes import Denoiser, in_eval, like, of_path, per_sample
from .few_steps import consistency_sample, falling_times, renoise

_PARALLEL = 0.9995  # of |cos θ|: nearer to 1, the division by sin θ loses its digits


@dataclass(frozen=True)
class Operator:
    """An invertible linear map A: forward (B, *S) -> coordinates (B, ...), and its inverse."""

    forward: Callable[[Tensor], Tensor]
    inverse: Callable[[Tensor], Tensor]


def identity() -> Operator:
    """A = I: the coordinates are the values themselves, as inpainting needs."""
    return Operator(lambda x: x, lambda z: z)


def orthogonal(matrix: Tensor) -> Operator:
    """z = x Q along the last axis, Q = matrix (D, D); the columns of Q are the directions that z measures along.

    x: (B, ..., D), such as points (B, 2).  Raises ValueError unless QᵀQ = I.
    """
    Q = as_floats("matrix", matrix)
    if Q.ndim != 2 or Q.shape[0] != Q.shape[1]:
        raise ValueError(f"expected a square matrix, got shape {tuple(Q.shape)}")
    error = (Q.T @ Q - torch.eye(len(Q), dtype=Q.dtype, device=Q.device)).abs().max().item()
    if not error < 1e-5:
        raise ValueError(f"expected an orthogonal matrix, got QᵀQ − I up to {error:.2g}: torch.linalg.qr makes one")
    return Operator(lambda x: _times(x, Q), lambda z: _times(z, Q.T))


def channel_rotation(weights: Sequence[float] = (0.2989, 0.5870, 0.1140)) -> Operator:
    """(B, C, H, W) -> (B, H, W, C), whose coordinate 0 is Σ_c w_c x_c/‖w‖: grey, for the default, and C − 1 of colour.

    Grey known, the rest not, is colourisation.  Raises ValueError unless the weights are C finite numbers, not all 0.
    Source: Song et al. 2023 (consistency models), appendix D, colorization.
    """
    rotation = orthogonal(_basis(as_floats("weights", weights)))
    return Operator(lambda x: rotation.forward(x.movedim(1, -1)), lambda z: rotation.inverse(z).movedim(-1, 1))


def patch_average(size: int) -> Operator:
    """(B, C, H, W) -> (B, C, H/p, W/p, p²), p = size: coordinate 0 of each patch is p times its mean.

    The means known, the rest not, is super-resolution.  Raises ValueError unless p >= 1 divides H and W.
    Source: Song et al. 2023 (consistency models), appendix D, super-resolution.
    """
    check_count("size", size)
    rotation = orthogonal(_basis(torch.ones(size**2, dtype=torch.float64)))

    def forward(x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[2] % size or x.shape[3] % size:
            raise ValueError(f"expected x of shape (B, C, H, W), H and W multiples of {size}, got {tuple(x.shape)}")
        patches = x.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # (B, C, H/p, p, W/p, p)
        return rotation.forward(patches.transpose(3, 4).flatten(4))

    def inverse(z: Tensor) -> Tensor:
        patches = rotation.inverse(z).unflatten(4, (size, size))  # (B, C, H/p, W/p, p, p)
        return patches.transpose(3, 4).flatten(4).flatten(2, 3)

    return Operator(forward, inverse)


def first(count: int) -> Tensor:
    """The mask K = (1, 0, ..., 0), (count,) bool: coordinate 0 of `channel_rotation` or `patch_average` is known.

    Raises ValueError unless count >= 1.
    """
    check_count("count", count)
    return torch.arange(count) == 0


@torch.no_grad()
def edit(
    model: Denoiser,
    y: Tensor,
    *,
    operator: Operator,
    known: Tensor,
    times: Sequence[float] | Tensor,
    path: Path,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Samples x whose known coordinates are those of y, K A x = K A y, after len(times) evaluations; (B, *S).

    y: (B, *S), data units; what is not known of it may be anything.  known: K, bool or 0 and 1, of a shape that
    broadcasts to A y.  times: decreasing, usually from path.t_max; with many, what is filled in fits better.
    It is a heuristic.  Where the unknown coordinates depend on the known ones, x is not a draw of the conditional law;
    that comes only with very many low levels, each then a step of Langevin dynamics of size σ²/2.  For a Gaussian of
    std ½ and correlation .8, the four levels 80, 2, .5, .1 reach little more than a third of the conditional mean.
    Raises ValueError for a mask that does not fit, known values that are not finite, or times as `consistency_sample`.
    Source: Song et al. 2023 (consistency models), Alg. 4, with general coefficients and without clipping.
    """
    check_floats("y", y)
    times, f = falling_times(times, path).to(y.device), of_path("model", model, path)
    coordinates = operator.forward(y)
    mask = _mask(known, coordinates)

    def with_known(x: Tensor) -> Tensor:
        # Contiguous, since noise is drawn in the order of memory: another layout would mean another noise.
        return operator.inverse(torch.where(mask, coordinates, operator.forward(x))).contiguous()

    x0 = with_known(torch.zeros_like(y))
    x = path.mix(x0, torch.empty_like(x0).normal_(generator=generator), times[0].expand(len(y)))
    with in_eval(model):
        x0 = with_known(f(x, times[0].expand(len(y))))
        for t in times[1:]:
            t = t.expand(len(y))
            x0 = with_known(f(renoise(x0, t, path, generator), t))
    return x0


@torch.no_grad()
def stroke(
    model: Denoiser,
    y: Tensor,
    *,
    times: Sequence[float] | Tensor,
    path: Path,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Samples near y: noise up to times[0], then `consistency_sample`; (B, *S).  Also known as SDEdit.

    y: (B, *S), a sketch, data units.  times: decreasing; the first decides how much of y survives.
    Raises ValueError as `consistency_sample`.  Source: Meng et al. 2022 (SDEdit), Alg. 1.
    """
    check_floats("y", y)
    times, y = falling_times(times, path), y.contiguous()
    eps = torch.empty_like(y).normal_(generator=generator)
    x = path.mix(y, eps, times[:1].expand(len(y)).to(y.device))
    return consistency_sample(model, x, times, path, generator)


@torch.no_grad()
def denoise(model: Denoiser, y: Tensor, noise: Tensor, path: Path) -> Tensor:
    """f(α y, t) with σ(t)/α(t) = noise, for y = x0 + noise ε; (B, *S).

    A sharp sample, the end of y's own trajectory, not the mean E[x0|y], which is blurred but has the smaller error.
    y: (B, *S), data units.  noise: (B,), stds in data units.
    Raises ValueError if a noise lies outside the path's range of noise-to-signal ratios.
    """
    check_floats("y", y)
    noise = torch.as_tensor(noise)
    check_per_sample("noise", noise, y, "y")
    try:
        t = path.check_times(path.time_at(noise.double()))
    except ValueError as error:
        raise ValueError(f"expected noise on the path: {error}") from None
    with in_eval(model):
        return of_path("model", model, path)(like(path.alpha(t), y) * y, t)


def slerp(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    """(sin((1 − w)θ) a + sin(wθ) b)/sin θ, θ the angle between a and b as vectors; (B, *S).

    On the way from one noise to another the length stays that of noise, which a straight line would cut by up to √2.
    Where a and b are nearly parallel or opposite, or one is 0, it is the straight line (1 − w) a + w b.
    a, b: (B, *S).  weight: (B,), 0 gives a, 1 gives b.  Raises ValueError for other shapes.
    Source: Shoemake 1985 (animating rotation with quaternion curves), sec. 3.3.
    """
    check_batch("a", a, {"b": b}, {"weight": weight})
    w = like(weight, a)
    cos = like(per_sample(a * b) / (per_sample(a * a) * per_sample(b * b)).sqrt(), a)
    straight = ~(cos.abs() <= _PARALLEL)  # also where a length is 0 and the quotient NaN
    theta = torch.where(straight, 1.0, cos).acos()  # 0 there; the quotient is not used
    arc = (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.where(straight, 1.0, theta.sin())
    return torch.where(straight, (1 - w) * a + w * b, arc)


@torch.no_grad()
def interpolate(model: Denoiser, a: Tensor, b: Tensor, weight: Tensor, path: Path) -> Tensor:
    """f(slerp(a, b, w), t_max): one-step samples on the way from the sample of noise a to that of b; (B, *S).

    a, b: (B, *S), draws of `path.prior`.  weight: (B,).  Raises ValueError as `slerp`.
    """
    x = slerp(a, b, weight)
    with in_eval(model):
        t = torch.full((len(x),), path.t_max, dtype=torch.float64, device=x.device)
        return of_path("model", model, path)(x, t)


def _times(x: Tensor, Q: Tensor) -> Tensor:
    check_floats("x", x)
    if x.shape[-1] != len(Q):
        raise ValueError(f"expected {len(Q)} values along the axis that the operator turns, got {x.shape[-1]}")
    return x @ Q.to(x)


def _basis(direction: Tensor) -> Tensor:
    """An orthogonal matrix whose first column is direction/‖direction‖; (D,) -> (D, D)."""
    if direction.ndim != 1 or not direction.isfinite().all() or not direction.norm() > 0:
        raise ValueError(f"expected weights (C,), finite and not all 0, got {direction.tolist()}")
    columns = torch.eye(len(direction), dtype=direction.dtype).roll(1, 1)
    columns[:, 0] = direction
    Q, _ = torch.linalg.qr(columns)
    return Q * torch.where(Q[:, 0] @ direction < 0, -1.0, 1.0)  # QR leaves the sign open


def _mask(known: Tensor, coordinates: Tensor) -> Tensor:
    """K as bool, after a check that it and the coordinates fit."""
    try:
        known = torch.as_tensor(known, device=coordinates.device)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"expected known as a tensor of bools, or of 0 and 1, got {known!r}") from None
    shape, extra = tuple(coordinates.shape), known.ndim - coordinates.ndim
    fits = extra <= 0 and all(k in (1, n) for k, n in zip(known.shape, shape[-extra:] if extra else shape))
    if not fits:
        raise ValueError(
            f"expected known as a mask that broadcasts to the coordinates {shape}, got {tuple(known.shape)}"
        )
    if not ((known == 0) | (known == 1)).all():
        raise ValueError("expected known as a mask of bools, or of 0 and 1, got other numbers")
    mask = known.bool()
    if not coordinates[mask.expand_as(coordinates)].isfinite().all():
        raise ValueError(
            "expected finite values where known, got NaN or infinity: fill the unknown part with any number"
        )
    return mask
