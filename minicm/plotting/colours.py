"""A colour for each place of the plane: an affine map of the disc into Oklab, so near points have near colours."""

import numpy as np
from torch import Tensor

from ..checks import check_positive
from .style import numbers

# Oklab to linear sRGB.  Source: Björn Ottosson, "A perceptual color space for image processing", 2020.
_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)


def end_colours(points: Tensor | np.ndarray, *, radius: float = 0.7) -> np.ndarray:
    """(B, 3) RGB, hue from the angle of each point (B, 2), paler towards the middle.

    What it shows: which colour stands for which place, in every map and trajectory.
    The ring of hues is tilted in Oklab, red dark and green light, so that eight directions stay apart for whoever sees
    no difference between red and green: CIE76 distances >= 31 in normal vision, >= 17 in simulated dichromacy.
    radius: data units, where colours reach full strength.  Raises ValueError for another shape, or NaN.
    """
    check_positive("radius", radius)
    xy = numbers(points, (None, 2), "points") / radius
    reach = np.linalg.norm(xy, axis=1, keepdims=True)
    xy = xy / np.maximum(reach, 1)
    lightness = 0.64 + 0.3 * (1 - np.minimum(reach[:, 0], 1)) + xy @ [-0.24, 0.08]
    oklab = np.column_stack([lightness, 0.14 * xy])
    linear = ((oklab @ _TO_LMS.T) ** 3 @ _TO_RGB.T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
