"""Distillation of a guided teacher: one student for all guidance scales, which it is told as it is told the label.

A guided teacher costs two evaluations a call; its student costs one, at whatever scale it is asked for.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import check_count
from ..losses.continuous import SCMLoss
from ..sampling.guidance import guided_by
from ..seeds import fold
from ..times import Law

_SCALES = 211  # the stream of the scales, apart from those of data and noise


@dataclass(frozen=True)
class GuidedSCMLoss:
    """sCD of D_∅ + w (D_y − D_∅), for batches (x0, label, scale): `fit` binds label and scale to model and loss.

    loss: its teacher is a `Preconditioned` whose network takes labels, None for none; the student's takes the scale
    too, such as a `UNet` with guidance=TimeFeatures(...).
    Source: Meng et al. 2023 (distillation of guided models), sec. 3.1, with sCD as the distillation.
    """

    loss: SCMLoss

    def given(self, label: Tensor, scale: Tensor) -> SCMLoss:
        """The loss of a batch with these labels (B,) and scales (B,)."""
        teacher = self.loss.teacher
        return replace(self.loss, teacher=guided_by(teacher.given(label), teacher.given(None), scale))


def with_scales(batches: Iterable[tuple[Tensor, Tensor]], law: Law, seed: int, start: int = 0) -> Iterator:
    """(x0, label, scale) for each (x0, label); the scales (B,) of batch k are drawn from law by (seed, k) alone.

    law: such as uniform(1.0, 4.0).  start: the number of the first batch.
    Raises ValueError unless seed and start >= 0 are whole numbers.
    """
    check_count("seed", seed, -math.inf)
    check_count("start", start, 0)
    for k, (x0, label) in enumerate(batches, start):
        scale = law(len(x0), torch.Generator(x0.device).manual_seed(fold(seed, _SCALES, k)))
        yield x0, label, scale.to(x0.dtype)
