"""The checks of notebook 11b: the guided field, two widths on a line, and the scale that undoes a blur."""

import torch
from torch import Tensor

from .checking import Answer, compare, grade, two_results

A = torch.tensor([[0.7, -0.2], [-0.4, 0.5]], dtype=torch.float64)  # as many samples as values: no axis can hide
B = torch.tensor([[-1.0, 0.4], [0.8, 1.5]], dtype=torch.float64)
W = torch.tensor([0.5, 2.0, 3.5], dtype=torch.float64)


def check_guided(student: object) -> None:
    """Say how my_guided(D_c, D_0, w) does: answers with and without the class (B, 2), a number -> (B, 2)."""
    why = "Two calls and one line: this is all of classifier-free guidance."
    grade("my_guided", student, [_its_ends, _its_values], why=why)


def _its_ends(guided: Answer) -> str | None:
    if wrong := compare(guided(A.clone(), B.clone(), 1.0), A, mistakes=_guided_mistakes(1.0)):
        return f"at w = 1 the conditional answer should come out, but {wrong}"
    wrong = compare(guided(A.clone(), B.clone(), 0.0), B, mistakes=_guided_mistakes(0.0))
    return wrong and f"at w = 0 the answer without a class should come out, but {wrong}"


def _its_values(guided: Answer) -> str | None:
    return compare(guided(A.clone(), B.clone(), 2.5), B + 2.5 * (A - B))


def _guided_mistakes(w: float) -> dict[str, Tensor]:
    return {
        "your w is that of Ho and Salimans, who call no guidance 0: here no guidance is 1": (1 + w) * A - w * B,
        "the two answers are exchanged: start from the one without a class": A + w * (B - A),
        "the answer without a class is added whole: only the difference counts w times": B + w * A,
        "the sign of the difference is the other one: away from the answer without a class": B - w * (A - B),
        "you return the difference alone: what is it added to?": w * (A - B),
    }


def check_widths(student: object) -> None:
    """Say how my_widths(s_c, s_0, w) does: two numbers and scales (N,) -> widths, tilted and guided, (N,) each."""
    why = "One is a harmonic mean of squares, the other a geometric mean: they agree at w = 0 and 1 alone."
    grade("my_widths", student, [_both_widths], why=why)


def _both_widths(widths: Answer) -> str | None:
    c, o = 0.4, 0.9
    w = W / 5 + 0.3  # precisions stay positive in the mistakes too
    got = widths(c, o, w.clone())
    if wrong := two_results(got, "tilted, guided"):
        return wrong
    tilted, guided = _tilted(c, o, w), c**w * o ** (1 - w)
    if wrong := compare(
        got[0],
        tilted,
        mistakes={
            "this is the guided width: the tilted one comes first": guided,
            "this is a variance: the width is its root": tilted**2,
            "this is a precision, 1/width²": tilted**-2,
            "the widths are exchanged: the class counts w times": _tilted(o, c, w),
            "the logarithms of the densities add up, so that 1/width² does, not width²": (
                w * c**2 + (1 - w) * o**2
            ).sqrt(),
            "the density without a class counts 1 − w times": (w / c**2 + 1 / o**2) ** -0.5,
        },
    ):
        return f"the tilted width: {wrong}"
    wrong = compare(
        got[1],
        guided,
        mistakes={
            "this is the tilted width again: the flow has another": tilted,
            "this is a variance: the width is its root": guided**2,
            "the widths are exchanged: the class counts w times": o**w * c ** (1 - w),
            "this is the arithmetic mean: the flow multiplies, factor by factor": w * c + (1 - w) * o,
            "the factor of the density without a class has the power 1 − w": c**w * o,
        },
    )
    return wrong and f"the guided width: {wrong}"


def _tilted(c: float, o: float, w: Tensor) -> Tensor:
    return (w / c**2 + (1 - w) / o**2) ** -0.5


def check_scale(student: object) -> None:
    """Say how my_scale(s, s_good, s_bad) does: widths, three numbers -> the scale of autoguidance that ends at s."""
    why = "It goes on in the direction from the bad to the good, until it is at the truth."
    grade("my_scale", student, [_undoes_the_blur], why=why)


def _undoes_the_blur(scale: Answer) -> str | None:
    s, good, bad = (torch.tensor(v, dtype=torch.float64) for v in (0.4, 0.5, 0.8))
    right = ((s / bad).log() / (good / bad).log()).item()
    return compare(
        scale(0.4, 0.5, 0.8),
        right,
        mistakes={
            "upside down: w must be larger than 1, to go beyond the good model": 1 / right,
            "good and bad are exchanged": ((s / good).log() / (bad / good).log()).item(),
            "widths do not add up, their logarithms do": ((s - bad) / (good - bad)).item(),
            "this is what is added to 1: at w = 1 there is no guidance": right - 1,
            "variances do not add up here, logarithms do": ((s**2 - bad**2) / (good**2 - bad**2)).item(),
            "the sign is wrong: both logarithms are negative": -right,
        },
    )
