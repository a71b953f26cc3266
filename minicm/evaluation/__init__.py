"""How far samples are from the truth: distances between sample sets, a classifier, modes, and the floor under each.

A distance between two finite true sets is not 0.  That floor is the unit here: quality is distance / floor.
"""

from .classifier import c2st
from .digits import DigitsQuality, evaluate_digits, pixel_gaussian
from .distances import energy_distance, frechet_between, frechet_distance, mmd, sliced_wasserstein
from .frechet import Moments, Neighbours, PrecisionRecall, features_of, frechet_in, kid, nearest, precision_recall
from .tangents import TangentRecord, one_step_error, scm_record
from .truth import CountCalls, MapError, Modes, far_floor, far_fraction, map_error, mode_coverage
from .yardstick import Floor, Floors, Quality, Yardstick, evaluate_points, noise_floor

__all__ = [
    "CountCalls",
    "DigitsQuality",
    "Floor",
    "Floors",
    "MapError",
    "Modes",
    "Moments",
    "Neighbours",
    "PrecisionRecall",
    "Quality",
    "TangentRecord",
    "Yardstick",
    "c2st",
    "energy_distance",
    "evaluate_digits",
    "evaluate_points",
    "far_floor",
    "far_fraction",
    "features_of",
    "frechet_between",
    "frechet_distance",
    "frechet_in",
    "kid",
    "map_error",
    "mmd",
    "mode_coverage",
    "nearest",
    "noise_floor",
    "one_step_error",
    "pixel_gaussian",
    "precision_recall",
    "scm_record",
    "sliced_wasserstein",
]
