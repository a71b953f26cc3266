"""What a consistency model is for: samples in a few steps, edits of what is given, guidance."""

from .editing import (
    Operator,
    channel_rotation,
    denoise,
    edit,
    first,
    identity,
    interpolate,
    orthogonal,
    patch_average,
    slerp,
    stroke,
)
from .few_steps import consistency_sample, falling_times, renoise, sweep_level
from .guidance import guided, guided_by

__all__ = [
    "Operator",
    "channel_rotation",
    "consistency_sample",
    "denoise",
    "edit",
    "falling_times",
    "first",
    "guided",
    "guided_by",
    "identity",
    "interpolate",
    "orthogonal",
    "patch_average",
    "renoise",
    "slerp",
    "stroke",
    "sweep_level",
]
