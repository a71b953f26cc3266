"""Data sets: points in the plane, digits of 8 x 8 pixels, CIFAR-10, and endless batches of any of them."""

from .batches import batches, of_labelled, of_points
from .cifar10 import cifar10_test, cifar10_train, labelled_pictures, mirrored_pictures, pooled, to_data, to_pixels
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
    "cifar10_test",
    "cifar10_train",
    "digit_halves",
    "digit_images",
    "dinosaur",
    "eight_gaussians",
    "eight_gaussians_mixture",
    "labelled_pictures",
    "mirrored_pictures",
    "moons",
    "of_labelled",
    "of_points",
    "pinwheel",
    "pooled",
    "product_mixture",
    "product_mixture_oracle",
    "ring",
    "ring_oracle",
    "swiss_roll",
    "tint_index",
    "tinted",
    "to_data",
    "to_grey",
    "to_pixels",
    "to_rgb",
    "toy",
]
