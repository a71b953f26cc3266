"""The checks of notebook 14: group normalisation, the Fréchet distance of two sets, and how near copies samples are."""

import torch
from torch import Tensor

from .checking import Answer, compare, grade


def _draws(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check_group_norm(student: object) -> None:
    """Say how my_group_norm(x, groups, eps) does: x (B, C, H, W) -> each group with mean 0, variance 1."""
    why = "It keeps all channels at one size at every depth, whatever the batch, and it has a derivative in time."
    grade("my_group_norm", student, [_normalised], why=why)


def _norm(x: Tensor, axes: tuple[int, ...], eps: float, *, centred: bool = True, root: bool = True) -> Tensor:
    h = x.unflatten(1, (2, 2))  # (B, groups, C/groups, H, W)
    d = h - h.mean(axes, keepdim=True)
    size = d.square().mean(axes, keepdim=True) + eps
    return ((d if centred else h) / (size.sqrt() if root else size)).flatten(1, 2)


def _normalised(group_norm: Answer) -> str | None:
    x, eps = 3 + 2 * _draws((3, 4, 2, 5), 1) * torch.tensor([1.0, 2.0, 4.0, 8.0])[:, None, None], 0.1
    right, whole = _norm(x, (2, 3, 4), eps), x.flatten(1)
    layer = (whole - whole.mean(1, keepdim=True)) / (whole.var(1, correction=0, keepdim=True) + eps).sqrt()
    h = x.unflatten(1, (2, 2))
    spread = h.flatten(2).var(2)[:, :, None, None, None]
    mistakes = {
        "each channel is normalised by itself: the channels of a group share mean and variance": _norm(x, (3, 4), eps),
        "the whole picture shares one mean and variance: each group of channels has its own": layer.view_as(x),
        "the mean runs over the batch too: no picture may see another": _norm(x, (0, 2, 3, 4), eps),
        "the mean is not subtracted": _norm(x, (2, 3, 4), eps, centred=False),
        "you divide by the variance: divide by its root": _norm(x, (2, 3, 4), eps, root=False),
        "eps stands outside of the root: it belongs to the variance": (
            (h - h.mean((2, 3, 4), keepdim=True)) / (h.var((2, 3, 4), correction=0, keepdim=True).sqrt() + eps)
        ).flatten(1, 2),
        "the variance is divided by n − 1: the layer divides by n": (
            (h - h.mean((2, 3, 4), keepdim=True)) / (spread + eps).sqrt()
        ).flatten(1, 2),
    }
    return compare(group_norm(x.clone(), 2, eps), right, mistakes=mistakes)


def check_frechet(student: object) -> None:
    """Say how my_frechet(a, b) does: features (n, D) and (m, D) -> the Fréchet distance of the two sets, a number."""
    why = "With Inception's features this is FID, with ours FD-digits: the formula is the same, the scale is not."
    grade("my_frechet", student, [_itself, _diagonal, _general], why=why)


def _parts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """|m₁ − m₂|², tr(C₁ + C₂), and tr (C₁C₂)^½ from the eigenvalues of the product."""
    c1, c2 = torch.cov(a.T), torch.cov(b.T)
    cross = torch.linalg.eigvals(c1 @ c2).real.clamp_min(0).sqrt().sum()
    return (a.mean(0) - b.mean(0)).square().sum(), c1.trace() + c2.trace(), cross


def _itself(frechet: Answer) -> str | None:
    a = _draws((40, 3), 2)
    wrong = compare(frechet(a, a.clone()), 0.0, atol=1e-5)
    return wrong and f"a set has the distance 0 to itself, but {wrong}"


def _diagonal(frechet: Answer) -> str | None:
    a = _draws((40, 3), 2)
    b = a + torch.tensor([1.0, 0.0, -2.0], dtype=torch.float64)
    shift = {"the difference of means counts by its length: it counts squared": 5**0.5, "the means are left out": 0.0}
    wrong = compare(frechet(a, b), 5.0, mistakes=shift, atol=1e-5)
    return wrong and f"for two sets that differ by a shift of squared length 5, {wrong}"


def _general(frechet: Answer) -> str | None:
    a, b = _draws((40, 3), 2), _draws((30, 3), 3) @ torch.tensor([[2.0, 0.5, 0], [0, 0.3, 0.4], [0, 0, 1]]).double()
    mean, traces, cross = _parts(a, b)
    c1, c2 = torch.cov(a.T), torch.cov(b.T)
    by_entry = (c1 * c2).clamp_min(0).sqrt().diagonal().sum()
    n1, n2 = len(a), len(b)
    uncorrected = torch.cov(a.T, correction=0).trace() + torch.cov(b.T, correction=0).trace()
    biased = mean + uncorrected - 2 * ((n1 - 1) / n1 * (n2 - 1) / n2) ** 0.5 * cross
    mistakes = {
        "the cross term counts twice": mean + traces - cross,
        "the root is taken entry by entry: it is the root of a matrix, from its eigenvalues": mean
        + traces
        - 2 * by_entry,
        "the covariances are divided by n: torch.cov divides by n − 1": biased,
        "the root of the end result is taken: the distance is the squared one": (mean + traces - 2 * cross).sqrt(),
    }
    return compare(frechet(a, b), (mean + traces - 2 * cross).item(), mistakes=mistakes, rtol=1e-4, atol=1e-4)


def check_copies(student: object) -> None:
    """Say how my_copies(x, train, test) does: share of x nearer to a training picture than 99 % of the test set is."""
    why = "No distance of distributions sees copies well; this does, and it needs pictures that nobody trained on."
    grade("my_copies", student, [_share], why=why)


def _near(x: Tensor, points: Tensor) -> Tensor:
    return torch.cdist(x.flatten(1), points.flatten(1)).amin(1)


def _share(copies: Answer) -> str | None:
    train, test = _draws((60, 1, 2, 2), 4), _draws((50, 1, 2, 2), 5)
    x = torch.cat([train[:13] + 0.001, 0.7 * _draws((27, 1, 2, 2), 6)])
    near, limit = _near(x, train), _near(test, train).quantile(0.01)
    mistakes = {
        "the share is that of samples that are farther: count the nearer ones": (near >= limit).double().mean(),
        "the limit is that of the samples themselves: it comes from the test set": (near < near.quantile(0.01)).double(
        ).mean(),
        "the limit is the other end: 1 % of the test set may be nearer, not 99 %": (
            near < _near(test, train).quantile(0.99)
        ).double().mean(),
        "samples are compared with the test set: copies are copies of the training set": (
            _near(x, test) < _near(test, train).quantile(0.01)
        ).double().mean(),
        "this is a count: divide by the number of samples": float((near < limit).sum()),
    }  # fmt: skip
    return compare(copies(x, train, test), (near < limit).double().mean().item(), mistakes=mistakes)
