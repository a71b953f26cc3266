"""The check of notebook 00: a warm-up, r = |x| = √(x₁² + x₂²) of points in the plane."""

import torch

from .checking import Answer, compare, grade

X = torch.tensor([[3.0, -4.0], [0.6, 0.8]], dtype=torch.float64)  # as many points as coordinates


def check_radius(student: object) -> None:
    """Say how my_radius(x) does: x (B, 2) -> distances from the origin, (B,)."""
    grade("my_radius", student, [_lengths], why="You will measure with it how far samples are from the ring.")


def _lengths(radius: Answer) -> str | None:
    got = radius(X.clone())
    right = torch.tensor([5.0, 1.0], dtype=torch.float64)
    mistakes = {
        "you get squares of distances: a root is missing": right**2,
        "you added absolute values: that is the walk along the streets, not the straight line": X.abs().sum(1),
        "you added the coordinates as they are: square them first": X.sum(1),
        "you went down the columns: add over the coordinates of each point, which are axis 1": X.norm(dim=0),
        "you took the mean of the two squares: take their sum": right / 2**0.5,
        "you took the mean of the two squares, and no root: take the root of their sum": right**2 / 2,
        "you took half of it: nothing is divided here": right / 2,
        "you took one distance for all points: keep one number per point": X.norm().expand(2),
        "you squared the sum of the coordinates: square each of them, then add": X.sum(1).square(),
        "the root undid the square of the sum: square each coordinate, then add": X.sum(1).abs(),
        "you went down the columns, and a root is missing: add over axis 1": X.square().sum(0),
        "you took the larger coordinate: both count": X.abs().amax(1),
        "you took the mean of the coordinates: square them, and add": X.mean(1),
        "you took the mean of the absolute values: square the coordinates, and add": X.abs().mean(1),
        "you measured from the centre of the points: the origin is (0, 0)": (X - X.mean(0)).norm(dim=1),
    }
    return compare(got, right, mistakes=mistakes)
