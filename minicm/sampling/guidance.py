"""Classifier-free guidance: a denoiser made of two calls, D_w = D_∅ + w (D_y − D_∅).

At w = 1 it is the conditional model, at w = 0 the unconditional one; above 1 it leans towards the condition.
"""

import torch
from torch import Tensor

from ..checks import answering, check_between, check_per_sample, check_positive
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser, check_path, like


def guided(conditional: Denoiser, unconditional: Denoiser, scale: float) -> Denoiser:
    """D_∅(x, t) + w (D_y(x, t) − D_∅(x, t)): two evaluations a call; x (B, *S), t (B,) -> (B, *S).

    conditional: a model with its label bound, such as `model.given(label)`.  The velocity of the result is the same
    combination of the two velocities, on every path, since velocity is affine in x0.
    Autoguidance: in the place of the unconditional model a worse one with the same label (Karras et al. 2024).
    Raises ValueError unless scale is finite; the result does, for an answer that has not the shape of x.
    Source: Ho and Salimans 2022, eq. 6, with w = 1 + their w.
    """
    check_between("scale", scale)
    path = _common_path(conditional, unconditional)
    conditional, unconditional = answering("conditional", conditional), answering("unconditional", unconditional)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        base = unconditional(x, t)
        return base + scale * (conditional(x, t) - base)

    return PathDenoiser(denoise, path)


def guided_by(conditional: Denoiser, unconditional: Denoiser, scales: Tensor) -> Denoiser:
    """`guided` with a scale of its own for each sample, (B,): the teacher of a student that takes the scale as input.

    Bind the same scales to the student: for a `UNet` with `model.given(label, scales)`.  Source: Meng et al. 2023
    (distillation of guided models), the first of its two stages.
    The result raises ValueError unless scales has one for each sample of x.
    """
    path = _common_path(conditional, unconditional)
    conditional, unconditional = answering("conditional", conditional), answering("unconditional", unconditional)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        check_per_sample("scales", scales, x)
        base = unconditional(x, t)
        return base + like(scales, x) * (conditional(x, t) - base)

    return PathDenoiser(denoise, path)


def guided_within(
    conditional: Denoiser, unconditional: Denoiser, scale: float, *, path: Path, nsr_min: float, nsr_max: float
) -> Denoiser:
    """`guided` where nsr_min <= σ/α <= nsr_max, elsewhere the conditional model alone; x (B, *S), t (B,) -> (B, *S).

    Where no sample of a batch is inside the interval, a call costs one evaluation instead of two.
    Raises ValueError as `guided` does, and unless 0 < nsr_min <= nsr_max.
    Source: Kynkäänniemi et al. 2024 (guidance in a limited interval of noise levels).
    """
    check_positive("nsr_min", nsr_min)
    check_positive("nsr_max", nsr_max)
    if nsr_max < nsr_min:
        raise ValueError(f"expected nsr_min <= nsr_max, got {nsr_min} and {nsr_max}")
    check_path("conditional", conditional, path)
    check_between("scale", scale)
    _common_path(conditional, unconditional)
    conditional = answering("conditional", conditional)

    def denoise(x: Tensor, t: Tensor) -> Tensor:
        check_per_sample("t", t, x)
        inside = (path.nsr(t) >= nsr_min) & (path.nsr(t) <= nsr_max)
        if not inside.any():
            return conditional(x, t)
        return guided_by(conditional, unconditional, torch.where(inside, scale, 1.0).to(t))(x, t)

    return PathDenoiser(denoise, path)


def _common_path(conditional: Denoiser, unconditional: Denoiser) -> Path | None:
    """The path of the first, or None where it does not know it, after a check that the second is not of another."""
    path = getattr(conditional, "path", None)
    check_path("unconditional", unconditional, path)
    return path
