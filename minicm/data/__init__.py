"""Data sets: points in the plane, digits of 8 x 8 pixels, and endless batches of a sampler or a finite set."""

from .batches import batches, of_points
from .digits import TINTS, digit_halves, digit_images, tint_index, tinted, to_grey, to_rgb
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
    "TINTS",
    "TOYS",
    "batches",
    "checkerboard",
    "digit_halves",
    "digit_images",
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
    "tint_index",
    "tinted",
    "to_grey",
    "to_rgb",
    "toy",
]
