"""The checks of notebook 05: sliced Wasserstein distance, unbiased energy distance, noise floor, evaluations."""

from statistics import mean, median

import torch
from torch import Tensor

from ..evaluation import energy_distance
from ..evaluation.distances import directions
from ..shapes import Denoiser
from .checking import Answer, Counted, compare, grade


def _two_sets(n: int, m: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn((n, 2), generator=generator, dtype=torch.float64)
    y = torch.randn((m, 2), generator=generator, dtype=torch.float64) * torch.tensor([1.5, 0.5]).double()
    return x, y + 0.3


def check_sliced(student: object) -> None:
    """Say how my_sliced_wasserstein(x, y, directions) does: (n, 2), (n, 2), (2, P) -> a number."""
    why = "It costs n log n, so it can compare sets that are too large for all pairs."
    grade("my_sliced_wasserstein", student, [_sliced], why=why)


def _sliced(sliced: Answer) -> str | None:
    x, y = _two_sets(7, 7)
    u = directions(2, 5, torch.Generator().manual_seed(2))
    a, b = x @ u, y @ u  # (n, P)
    gap = a.sort(0).values - b.sort(0).values
    per_direction = gap.square().mean(0)
    mistakes = {
        "the points are compared in the order they came: sort both along each direction": (
            (a - b).square().mean().sqrt().item()
        ),
        "you sorted over the directions: for each direction, sort over the points": (
            (a.sort(1).values - b.sort(1).values).square().mean().sqrt().item()
        ),
        "sort after projecting: the coordinates of x and y were sorted": (
            ((x.sort(0).values - y.sort(0).values) @ u).square().mean().sqrt().item()
        ),
        "that is the squared distance: the root is missing": per_direction.mean().item(),
        "the root comes last, after the mean over directions": per_direction.sqrt().mean().item(),
        "that is the largest over directions: take the mean": per_direction.max().sqrt().item(),
        "absolute differences make W1: square them, and take the root at the end": gap.abs().mean().item(),
        "sums where means belong: the distance must not grow with the number of points or directions": (
            gap.square().sum().sqrt().item()
        ),
        "a sum over the points: the distance must not grow with their number": (
            gap.square().sum(0).mean().sqrt().item()
        ),
        "a sum over the directions: the distance must not grow with their number": (per_direction.sum().sqrt().item()),
    }
    return compare(sliced(x.clone(), y.clone(), u.clone()), per_direction.mean().sqrt().item(), mistakes=mistakes)


def check_unbiased(student: object) -> None:
    """Say how my_unbiased_energy_distance(x, y) does: (n, D), (m, D) -> a number."""
    why = "Between true sets its mean is 0. The course uses the biased one: it is never negative."
    grade("my_unbiased_energy_distance", student, [_unbiased], why=why)


def _unbiased(distance: Answer) -> str | None:
    x, y = _two_sets(6, 9)
    n, m = len(x), len(y)
    between = torch.cdist(x, y)
    xx, yy = torch.cdist(x, x), torch.cdist(y, y)
    within_x, within_y = xx.sum() / (n * (n - 1)), yy.sum() / (m * (m - 1))
    right = 2 * between.mean() - within_x - within_y
    both = between.square().mean(), xx.square().sum() / (n * (n - 1)), yy.square().sum() / (m * (m - 1))
    mistakes = {
        "that is the biased one: the n pairs of a point with itself still count in the mean within": (
            2 * between.mean() - xx.mean() - yy.mean()
        ),
        "the mean within y is still the biased one: the pairs of a point with itself count in it": (
            2 * between.mean() - within_x - yy.mean()
        ),
        "the mean within x is still the biased one: the pairs of a point with itself count in it": (
            2 * between.mean() - xx.mean() - within_y
        ),
        "leave no pairs out between the sets: none of them is a point with itself": (
            2 * between.sum() / ((n - 1) * (m - 1)) - within_x - within_y
        ),
        "the mean between the sets counts twice": between.mean() - within_x - within_y,
        "the means within the sets are subtracted": 2 * between.mean() + within_x + within_y,
        "the mean within y is missing": 2 * between.mean() - within_x,
        "the mean within x is missing": 2 * between.mean() - within_y,
        "each set has its own number of points: n for x, m for y": (
            2 * between.mean() - within_x - yy.sum() / (n * (n - 1))
        ),
        "only one factor loses its 1: a point has n − 1 partners, and there are n points": (
            2 * between.mean() - xx.sum() / (n - 1) ** 2 - yy.sum() / (m - 1) ** 2
        ),
        "each pair within a set is counted once here: n (n − 1)/2 of them, but you divide by all": (
            2 * between.mean() - within_x / 2 - within_y / 2
        ),
        "distances, not their squares": 2 * both[0] - both[1] - both[2],
    }
    mistakes = {hint: value.item() for hint, value in mistakes.items()} | _wrong_ends(right.item())
    return compare(distance(x.clone(), y.clone()), right.item(), mistakes=mistakes)


def _wrong_ends(right: float) -> dict[str, float]:
    """hint -> what is made of the right value, which is below 0."""
    return {
        "no root at the end: with it negative values would be lost": abs(right) ** 0.5,
        "it is cut off at 0: without its negative values the mean between true sets is above 0": 0.0,
        "the sign is wrong, or an absolute value took it away: here the distance is negative": -right,
        "that is half of it: the mean between the sets counts twice, those within once": right / 2,
    }


def check_floor(student: object) -> None:
    """Say how my_floor(metric, sampler, n, pairs, generator) does: -> the median over pairs of true sets, a number."""
    why = "The floor is the unit of every table in the course."
    grade("my_floor", student, [_floor_calls, _floor_value], why=why)


def _true(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn((n, 2), generator=generator, dtype=torch.float64)


def _watched(floor: Answer, pairs: int) -> tuple[Counted, Counted, object]:
    sampler, metric = Counted(_true), Counted(energy_distance)
    return sampler, metric, floor(metric, sampler, 20, pairs, torch.Generator().manual_seed(4))


def _floor_calls(floor: Answer) -> str | None:
    sampler, metric, _ = _watched(floor, 5)
    if any(n != 20 for n, *_ in sampler.calls):
        return "the floor falls with the number of points: draw n of them for each set"
    sets = [tuple(x.flatten().tolist()) for call in metric.calls for x in call]
    if len(metric.calls) != 5:
        return f"expected the metric of {5} pairs, it was called {len(metric.calls)} times"
    if any(torch.equal(x, y) for x, y in metric.calls):
        return "a set is compared with itself: draw the two sets of a pair independently"
    if len(set(sets[::2])) == 1 or len(set(sets[1::2])) == 1:
        return "one set is the same in all pairs: draw two fresh sets for each (a generator seeded in the loop repeats)"
    if len(set(sets)) != 10:
        return "a set occurs in more than one pair: draw two fresh sets for each"
    return None


def _floor_value(floor: Answer) -> str | None:
    _, metric, got = _watched(floor, 5)
    values = [energy_distance(x, y) for x, y in metric.calls]
    mistakes = {
        "that is the mean: the median is not moved by one unlucky pair": mean(values),
        "that is the smallest: the floor is the typical value, not the luckiest": min(values),
        "that is the largest: take the median": max(values),
        "that is the last pair only: collect all values, then take the median": values[-1],
        "that is the first pair only: collect all values, then take the median": values[0],
        "that is the sum: take the median": sum(values),
    }
    return compare(got, median(values), mistakes=mistakes, atol=1e-9)


def check_evaluations(student: object) -> None:
    """Say how my_evaluations(draw, denoise, n) does: -> network evaluations per sample, a number."""
    why = "Counted like this, every sampler of the course stands on the same axis."
    grade("my_evaluations", student, [_plain, _in_parts, _guided], why=why)


def _shrunk(x: Tensor, t: Tensor) -> Tensor:
    return x / (1 + t[:, None] ** 2)


def _euler(denoise: Denoiser, x: Tensor, calls: int) -> Tensor:
    for _ in range(calls):
        x = denoise(x, torch.full((len(x),), 0.5, dtype=torch.float64))
    return x


def _plain(count: Answer) -> str | None:
    got = count(lambda denoise, n: _euler(denoise, _true(n, torch.Generator().manual_seed(1)), 7), _shrunk, 12)
    mistakes = {
        "that is the number of rows that the denoiser saw: divide by the number of samples": 84.0,
        "the denoiser was never counted: give the wrapped one to draw": 0.0,
        "that is the number of samples": 12.0,
        "you divided calls by samples: one call may have served many samples, so count rows": 7 / 12,
        "one call is missing: count the last one too": 6.0,
    }
    wrong = compare(got, 7.0, mistakes=mistakes)
    return wrong and f"a sampler with 7 calls on all 12 samples: {wrong}"


def _in_parts(count: Answer) -> str | None:
    def draw(denoise: Denoiser, n: int) -> Tensor:
        x = _true(n, torch.Generator().manual_seed(1))
        return torch.cat([_euler(denoise, part, 3) for part in x.split(4)])

    mistakes = {"you count calls, but each of them saw a part of the samples: count rows, and divide by n": 9.0}
    wrong = compare(count(draw, _shrunk, 12), 3.0, mistakes=mistakes)
    return wrong and f"a sampler that treats 12 samples in 3 parts: {wrong}"


def _guided(count: Answer) -> str | None:
    def draw(denoise: Denoiser, n: int) -> Tensor:
        x = _true(n, torch.Generator().manual_seed(1))
        return _euler(lambda y, t: denoise(torch.cat([y, -y]), torch.cat([t, t]))[:n], x, 4)

    mistakes = {"every row costs: this sampler asks twice for each sample, in one batch": 4.0}
    wrong = compare(count(draw, _shrunk, 10), 8.0, mistakes=mistakes)
    return wrong and f"a sampler with guidance, 2 × 10 rows in each of 4 calls: {wrong}"
