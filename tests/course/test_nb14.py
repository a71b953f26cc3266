"""The checks of notebook 14: unsolved, right, and wrong in the ways that learners are."""

import pytest
import torch

from minicm.course.nb14 import check_copies, check_frechet, check_group_norm

CHECKS = [check_group_norm, check_frechet, check_copies]


@pytest.mark.parametrize("check", CHECKS)
def test_unsolved(check, capsys):
    check(lambda *_: None)
    assert capsys.readouterr().out.startswith("not solved yet: ")


def said(check, answer, capsys):
    check(answer)
    return capsys.readouterr().out


def group_norm(x, groups, eps, axes=(2, 3, 4)):
    h = x.unflatten(1, (groups, -1))
    d = h - h.mean(axes, keepdim=True)
    return (d / (d.square().mean(axes, keepdim=True) + eps).sqrt()).flatten(1, 2)


def frechet(a, b, factor=2.0, shift=1.0):
    c1, c2 = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(c1)
    root = vectors @ values.clamp(min=0).sqrt().diag() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ c2 @ root).clamp(min=0).sqrt().sum()
    return shift * (a.mean(0) - b.mean(0)).square().sum() + c1.trace() + c2.trace() - factor * cross


def copies(x, train, test, share=0.01):
    def near(a):
        return torch.cdist(a.flatten(1), train.flatten(1)).amin(1)

    return (near(x) < near(test).quantile(share)).double().mean()


@pytest.mark.parametrize(("check", "answer"), list(zip(CHECKS, [group_norm, frechet, copies])))
def test_right(check, answer, capsys):
    assert said(check, answer, capsys).startswith("PASS: ")


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (check_group_norm, lambda x, g, e: group_norm(x, g, e, (3, 4)), "channels of a group share"),
        (check_group_norm, lambda x, g, e: group_norm(x, g, e, (0, 2, 3, 4)), "no picture may see another"),
        (check_group_norm, lambda x, g, e: group_norm(x, 1, e), "the whole picture shares"),
        (check_group_norm, lambda x, g, e: torch.nn.functional.group_norm(x, g, eps=0.0), "differ"),
        (check_group_norm, lambda x, g, e: x.sub_(x.mean()), "in place"),
        (check_frechet, lambda a, b: frechet(a, b, 1.0), "distance 0 to itself"),
        (check_frechet, lambda a, b: frechet(a, b, shift=0.0), "means are left out"),
        (check_frechet, lambda a, b: frechet(a, b).clamp(min=0).sqrt(), "counts squared"),
        (check_copies, lambda x, a, b: 1 - copies(x, a, b), "farther"),
        (check_copies, lambda x, a, b: copies(x, a, b, 0.99), "other end"),
        (check_copies, lambda x, a, b: copies(x, a, x), "from the test set"),
        (check_copies, lambda x, a, b: copies(x, a, b) * len(x), "a count"),
    ],
)
def test_wrong(check, answer, words, capsys):
    text = said(check, answer, capsys)
    assert text.startswith("not yet: ") and words in text
