"""What models are trained on: pure functions of their randomness, and small dataclasses that draw it."""

from .continuous import (
    AdaptiveWeight,
    SCMLoss,
    by_differences,
    by_jvp,
    by_network,
    clipped,
    normalised,
    scm_loss,
    scm_tangent,
    tangent_warmup,
    unchanged,
)
from .denoising import DenoisingLoss, VelocityLoss, denoising_loss, velocity_loss
from .discrete import ConsistencyLoss, cd, consistency_loss, ct, ect, ict, reciprocal_gap
from .distances import l1, l2, pseudo_huber, squared
from .time_pairs import neighbours, two_times

__all__ = [
    "AdaptiveWeight",
    "ConsistencyLoss",
    "DenoisingLoss",
    "SCMLoss",
    "VelocityLoss",
    "by_differences",
    "by_jvp",
    "by_network",
    "cd",
    "clipped",
    "consistency_loss",
    "ct",
    "denoising_loss",
    "ect",
    "ict",
    "l1",
    "l2",
    "neighbours",
    "normalised",
    "pseudo_huber",
    "reciprocal_gap",
    "scm_loss",
    "scm_tangent",
    "squared",
    "tangent_warmup",
    "two_times",
    "unchanged",
    "velocity_loss",
]
