"""Pixels and data units of any set of pictures: x = (value/255 − mean) · ½/std, so that σ_d = ½ fits it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_between, check_floats, check_positive, shown


@dataclass(frozen=True)
class Units:
    """mean and std of the values, of which 1 is white, over all pixels of all channels.

    Raises ValueError unless mean is in [0, 1] and std > 0.
    """

    mean: float
    std: float

    def __post_init__(self) -> None:
        check_between("mean", self.mean, 0.0, 1.0)
        check_positive("std", self.std)

    @classmethod
    def of(cls, pictures: Tensor) -> "Units":
        """Those of a set of pictures, (N, C, H, W), uint8, to six decimals.

        Raises ValueError for other pictures, and for a set in which all pixels are the same.
        """
        counts = torch.bincount(_pixels(pictures).flatten(), minlength=256).double()
        values = torch.arange(256, dtype=torch.float64) / 255
        mean = (counts @ values / counts.sum()).item()
        std = (counts @ (values - mean) ** 2 / counts.sum()).sqrt().item()
        if not round(std, 6) > 0:
            raise ValueError(f"expected pictures that differ somewhere, got {len(pictures)} of one and the same colour")
        return cls(round(mean, 6), round(std, 6))

    def to_data(self, pictures: Tensor) -> Tensor:
        """uint8 pictures in data units, torch's default dtype; any shape.  Raises ValueError for another dtype."""
        return (_pixels(pictures).to(torch.get_default_dtype()) / 255 - self.mean) * (0.5 / self.std)

    def to_unit(self, x: Tensor) -> Tensor:
        """Pictures in data units as values in [0, 1], cut off there; any shape.  Raises ValueError unless floats."""
        check_floats("x", x)
        return (x * (2 * self.std) + self.mean).clamp(0, 1)


def _pixels(pictures: Tensor) -> Tensor:
    if not isinstance(pictures, Tensor) or pictures.dtype != torch.uint8 or not pictures.numel():
        raise ValueError(f"expected uint8 pictures, at least one, got {shown(pictures)}")
    return pictures
