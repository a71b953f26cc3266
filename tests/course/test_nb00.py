"""The check of notebook 00: what it says to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb00 import check_radius


@pytest.mark.parametrize(
    ("student", "words"),
    [
        (lambda x: x.norm(dim=1), "PASS"),
        (lambda x: x.square().sum(1).sqrt(), "PASS"),
        (lambda x: None, "not solved yet"),
        (lambda x: x.square().sum(1), "a root is missing"),
        (lambda x: x.abs().sum(1), "along the streets"),
        (lambda x: x.sum(1), "square them first"),
        (lambda x: x.norm(dim=0), "axis 1"),
        (lambda x: x.square().mean(1).sqrt(), "mean of the two squares"),
        (lambda x: x.square().mean(1), "mean of the two squares, and no root"),
        (lambda x: x.norm(dim=1) / 2, "half of it"),
        (lambda x: x.norm().expand(len(x)), "one distance for all points"),
        (lambda x: x.sum(1).square(), "squared the sum"),
        (lambda x: x.sum(1).square().sqrt(), "undid the square"),
        (lambda x: x.square().sum(0), "and a root is missing"),
        (lambda x: x.abs().max(1).values, "the larger coordinate"),
        (lambda x: x.mean(1), "mean of the coordinates"),
        (lambda x: x.abs().mean(1), "mean of the absolute values"),
        (lambda x: (x - x.mean(0)).norm(dim=1), "centre of the points"),
        (lambda x: torch.hypot(*x.T), "PASS"),
        (lambda x: torch.stack([(p @ p) ** 0.5 for p in x]), "PASS"),
        (lambda x: x.norm(dim=1, keepdim=True), "shape is wrong: expected (2,), got (2, 1)"),
        (lambda x: x.pow_(2).sum(1).sqrt(), "in place"),
        (lambda x: x.norm().item(), "got a float"),
        (lambda x: x.norm(dim=1).float(), "dtype"),
        (lambda x: x.lenght(), "AttributeError"),
    ],
)
def test_radius(student, words, capsys):
    check_radius(student)
    assert words in capsys.readouterr().out
