"""The checks of notebook 11b: what they say to stubs, right and wrong answers."""

import math

import pytest
import torch

from minicm.course.nb11b import check_guided, check_scale, check_widths


def tilted(c, o, w):
    return (w / c**2 + (1 - w) / o**2) ** -0.5


def flow(c, o, w):
    return c**w * o ** (1 - w)


def answering(first, second=flow):
    return lambda c, o, w: (first(c, o, w), second(c, o, w))


def in_place(D_c, D_0, w):
    return D_0.add_(w * (D_c - D_0))


CASES = [
    (check_guided, lambda D_c, D_0, w: D_0 + w * (D_c - D_0), "PASS"),
    (check_guided, lambda D_c, D_0, w: w * D_c + (1 - w) * D_0, "PASS"),
    (check_guided, lambda D_c, D_0, w: None, "not solved yet"),
    (check_guided, lambda D_c, D_0, w: (1 + w) * D_c - w * D_0, "Ho and Salimans"),
    (check_guided, lambda D_c, D_0, w: D_c + w * (D_0 - D_c), "exchanged"),
    (check_guided, lambda D_c, D_0, w: D_0 + w * D_c, "added whole"),
    (check_guided, lambda D_c, D_0, w: D_0 - w * (D_c - D_0), "other one"),
    (check_guided, lambda D_c, D_0, w: w * (D_c - D_0), "difference alone"),
    (check_guided, lambda D_c, D_0, w: D_c if w == 1 else D_0, "the numbers differ"),
    (check_guided, in_place, "in place"),
    (check_widths, answering(tilted), "PASS"),
    (check_widths, lambda c, o, w: None, "not solved yet"),
    (check_widths, lambda c, o, w: tilted(c, o, w), "two tensors"),
    (check_widths, answering(flow, tilted), "comes first"),
    (check_widths, answering(lambda c, o, w: tilted(c, o, w) ** 2), "its root"),
    (check_widths, answering(lambda c, o, w: tilted(c, o, w) ** -2), "precision"),
    (check_widths, answering(lambda c, o, w: tilted(o, c, w)), "exchanged"),
    (check_widths, answering(lambda c, o, w: (w * c**2 + (1 - w) * o**2) ** 0.5), "logarithms"),
    (check_widths, answering(lambda c, o, w: (w / c**2 + 1 / o**2) ** -0.5), "1 − w times"),
    (check_widths, answering(tilted, tilted), "the flow has another"),
    (check_widths, answering(tilted, lambda c, o, w: flow(c, o, w) ** 2), "its root"),
    (check_widths, answering(tilted, lambda c, o, w: flow(o, c, w)), "exchanged"),
    (check_widths, answering(tilted, lambda c, o, w: w * c + (1 - w) * o), "arithmetic"),
    (check_widths, answering(tilted, lambda c, o, w: c**w * o), "power 1 − w"),
    (check_scale, lambda s, good, bad: math.log(s / bad) / math.log(good / bad), "PASS"),
    (check_scale, lambda s, good, bad: torch.tensor(math.log(s / bad) / math.log(good / bad)), "PASS"),
    (check_scale, lambda s, good, bad: None, "not solved yet"),
    (check_scale, lambda s, good, bad: math.log(good / bad) / math.log(s / bad), "upside down"),
    (check_scale, lambda s, good, bad: math.log(s / good) / math.log(bad / good), "exchanged"),
    (check_scale, lambda s, good, bad: (s - bad) / (good - bad), "do not add up, their logarithms"),
    (check_scale, lambda s, good, bad: (s**2 - bad**2) / (good**2 - bad**2), "variances do not"),
    (check_scale, lambda s, good, bad: math.log(s / good) / math.log(good / bad), "added to 1"),
    (check_scale, lambda s, good, bad: math.log(s / bad) / math.log(bad / good), "sign"),
]


@pytest.mark.parametrize(("check", "answer", "words"), CASES, ids=range(len(CASES)))
def test_what_it_says(check, answer, words, capsys):
    check(answer)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1
    assert said.startswith("PASS") == (words == "PASS")


def test_the_field_is_that_of_the_package(capsys):
    from minicm.sampling import guided

    check_guided(lambda D_c, D_0, w: guided(lambda x, t: D_c, lambda x, t: D_0, w)(D_c, torch.ones(2)))
    assert "PASS" in capsys.readouterr().out
