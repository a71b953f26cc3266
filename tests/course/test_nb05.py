"""The checks of notebook 05 pass what is right and name what is wrong."""

from statistics import mean, median

import pytest
import torch

from minicm.course import nb05
from minicm.evaluation import CountCalls


def said(check, student, capsys):
    check(student)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out


def slices(x, y, u, dim=0):
    return (x @ u).sort(dim).values - (y @ u).sort(dim).values


SLICED = [
    (lambda x, y, u: None, "not solved yet"),
    (lambda x, y, u: slices(x, y, u).square().mean().sqrt().item(), "PASS"),
    (lambda x, y, u: slices(x, y, u).square().mean().sqrt(), "PASS"),
    (lambda x, y, u: ((x - y) @ u).square().mean().sqrt().item(), "in the order they came"),
    (lambda x, y, u: slices(x, y, u, 1).square().mean().sqrt(), "sorted over the directions"),
    (lambda x, y, u: slices(x, y, u).square().mean().item(), "root is missing"),
    (lambda x, y, u: slices(x, y, u).square().mean(0).sqrt().mean().item(), "root comes last"),
    (lambda x, y, u: slices(x, y, u).abs().mean().item(), "W1"),
    (lambda x, y, u: slices(x, y, u).square().sum().sqrt().item(), "sums where means belong"),
    (lambda x, y, u: slices(x, y, u).square().mean(0).sqrt(), "expected a number"),
    (lambda x, y, u: (x @ u.T).sum(), "RuntimeError"),
]


def energy(between, within_x, within_y):
    """2 A − B − C from the three matrices of distances, each turned into a number."""

    def distance(x, y):
        return (2 * between(torch.cdist(x, y)) - within_x(torch.cdist(x, x)) - within_y(torch.cdist(y, y))).item()

    return distance


def without_diagonal(d):
    return d.sum() / (len(d) * (len(d) - 1))


def none(d):
    return torch.zeros(())


UNBIASED = [
    (lambda x, y: None, "not solved yet"),
    (energy(torch.mean, without_diagonal, without_diagonal), "PASS"),
    (energy(torch.mean, torch.mean, torch.mean), "that is the biased one"),
    (energy(torch.mean, without_diagonal, torch.mean), "within y is still the biased one"),
    (energy(torch.mean, torch.mean, without_diagonal), "within x is still the biased one"),
    (energy(torch.mean, *2 * (lambda d: d.sum() / (len(d) - 1) ** 2,)), "only one factor"),
    (energy(lambda d: d.mean() / 2, without_diagonal, without_diagonal), "counts twice"),
    (energy(torch.mean, lambda d: -without_diagonal(d), lambda d: -without_diagonal(d)), "subtracted"),
    (energy(torch.mean, without_diagonal, none), "within y is missing"),
    (energy(lambda d: d.sum() / ((d.shape[0] - 1) * (d.shape[1] - 1)), *2 * (without_diagonal,)), "between the sets"),
    (energy(lambda d: d.square().mean(), *2 * (lambda d: without_diagonal(d.square()),)), "not their squares"),
    (energy(lambda d: -d.mean(), *2 * (lambda d: -without_diagonal(d),)), "the sign is wrong"),
    (lambda x, y: max(0.0, UNBIASED[1][0](x, y)), "cut off at 0"),
    (lambda x, y: torch.tensor(UNBIASED[1][0](x, y)).clamp(min=0), "cut off at 0"),
    (lambda x, y: torch.tensor(UNBIASED[1][0](x, y)).relu().item(), "cut off at 0"),
    (lambda x, y: abs(UNBIASED[1][0](x, y)), "an absolute value took it away"),
    (lambda x, y: abs(UNBIASED[1][0](x, y)) ** 0.5, "no root at the end"),
    (lambda x, y: 2 * torch.cdist(x, y).mean() - torch.pdist(x).mean() - torch.pdist(y).mean(), "PASS"),
    (energy(lambda d: d.mean() / 2, *2 * (lambda d: without_diagonal(d) / 2,)), "half of it"),
    (lambda x, y: torch.pdist(x).mean() + missing, "NameError"),  # noqa: F821
]


def floor(pair, summary=median):
    """The summary of the metric over pairs; pair(sampler, n, generator) draws two sets."""

    def answer(metric, sampler, n, pairs, generator):
        return summary([metric(*pair(sampler, n, generator)) for _ in range(pairs)])

    return answer


def independent(sampler, n, generator):
    return sampler(n, generator), sampler(n, generator)


def same_twice(sampler, n, generator):
    x = sampler(n, generator)
    return x, x


def seeded(sampler, n, generator):
    return independent(sampler, n, torch.Generator().manual_seed(0))


def one_for_all(metric, sampler, n, pairs, generator):
    x = sampler(n, generator)
    return median([metric(x, sampler(n, generator)) for _ in range(pairs)])


FLOOR = [
    (lambda metric, sampler, n, pairs, generator: None, "not solved yet"),
    (floor(independent), "PASS"),
    (floor(independent, mean), "that is the mean"),
    (floor(independent, min), "smallest"),
    (floor(same_twice), "compared with itself"),
    (floor(seeded), "same in all pairs"),
    (one_for_all, "same in all pairs"),
    (lambda metric, sampler, n, pairs, g: metric(*independent(sampler, n, g)), "it was called 1 times"),
    (floor(lambda sampler, n, g: independent(sampler, n // 2, g)), "number of points"),
    (floor(independent, list), "expected a number"),
]


def rows_per_sample(draw, denoise, n):
    seen = []

    def counted(x, t):
        seen.append(len(x))
        return denoise(x, t)

    draw(counted, n)
    return sum(seen) / n


def calls(draw, denoise, n):
    counted = CountCalls(denoise)
    draw(counted, n)
    return counted.calls


def calls_of_largest(draw, denoise, n):
    """Wrong with guidance only: counts a sample's calls, not the rows it costs."""
    return min(rows_per_sample(draw, denoise, n), calls(draw, denoise, n))


def not_wrapped(draw, denoise, n):
    counted = CountCalls(denoise)
    draw(denoise, n)
    return counted.calls


EVALUATIONS = [
    (lambda draw, denoise, n: None, "not solved yet"),
    (rows_per_sample, "PASS"),
    (calls, "each of them saw a part"),
    (calls_of_largest, "every row costs"),
    (not_wrapped, "never counted"),
    (lambda draw, denoise, n: calls(draw, denoise, n) / n, "divided calls by samples"),
    (lambda draw, denoise, n: n * rows_per_sample(draw, denoise, n), "divide by the number of samples"),
    (lambda draw, denoise, n: draw(denoise), "TypeError"),
]

CASES = [
    (check, *case)
    for check, cases in (
        (nb05.check_sliced, SLICED),
        (nb05.check_unbiased, UNBIASED),
        (nb05.check_floor, FLOOR),
        (nb05.check_evaluations, EVALUATIONS),
    )
    for case in cases
]


@pytest.mark.parametrize(("check", "student", "words"), CASES)
def test_what_the_check_says(check, student, words, capsys):
    out = said(check, student, capsys)
    assert words in out
    assert out.startswith("PASS") == (words == "PASS")
