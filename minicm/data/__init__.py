"""Data sets: samplers of points in the plane, and endless batches of them or of any finite data set."""

from .batches import batches, of_points
from .toys import (
    TOYS,
    checkerboard,
    dinosaur,
    eight_gaussians,
    eight_gaussians_mixture,
    moons,
    pinwheel,
    product_mixture,
    product_mixture_oracle,
    ring,
    ring_oracle,
    swiss_roll,
    toy,
)

__all__ = [
    "TOYS",
    "batches",
    "checkerboard",
    "dinosaur",
    "eight_gaussians",
    "eight_gaussians_mixture",
    "moons",
    "of_points",
    "pinwheel",
    "product_mixture",
    "product_mixture_oracle",
    "ring",
    "ring_oracle",
    "swiss_roll",
    "toy",
]
