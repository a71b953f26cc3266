"""How far samples are from the truth: distances between sample sets, a classifier, modes, and the floor under each.

A distance between two finite true sets is not 0.  That floor is the unit here: quality is distance / floor.
"""

from .classifier import c2st
from .distances import energy_distance, frechet_between, frechet_distance, mmd, sliced_wasserstein
from .truth import CountCalls, MapError, Modes, far_floor, far_fraction, map_error, mode_coverage
from .yardstick import Floor, Floors, Quality, Yardstick, evaluate_points, noise_floor

__all__ = [
    "CountCalls",
    "Floor",
    "Floors",
    "MapError",
    "Modes",
    "Quality",
    "Yardstick",
    "c2st",
    "energy_distance",
    "evaluate_points",
    "far_floor",
    "far_fraction",
    "frechet_between",
    "frechet_distance",
    "map_error",
    "mmd",
    "mode_coverage",
    "noise_floor",
    "sliced_wasserstein",
]
