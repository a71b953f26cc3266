"""The checks of notebook 07: the target of distillation, pairs of neighbours, how many levels, which side learns."""

from functools import lru_cache

import torch
from torch import Tensor

from ..times import karras_grid
from .checking import Answer, compare, grade, two_results
from .nb07_target import check_target as check_target

LEVELS = torch.tensor([80.0, 10.0, 2.0, 0.3, 0.002], dtype=torch.float64)
DRAWS = 4000


def check_neighbours(student: object) -> None:
    """Say how my_neighbours(levels, n, generator) does: (N,) decreasing, a number -> (t, s), each (n,)."""
    why = "Only neighbours keep the solver's step small, and every pair is needed: the chain breaks at a missing link."
    grade("my_neighbours", student, [_two, _next_to_each_other, _equally_often, _from_generator], why=why)


def _drawn(student: Answer, seed: int = 0) -> tuple[Tensor, Tensor]:
    t, s = student(LEVELS.clone(), DRAWS, torch.Generator().manual_seed(seed))
    return t, s


def _two(student: Answer) -> str | None:
    got = student(LEVELS.clone(), DRAWS, torch.Generator().manual_seed(0))
    if hint := two_results(got, "t, s"):
        return hint
    for name, times in zip("ts", got, strict=True):
        if hint := compare(times, torch.zeros(DRAWS, dtype=torch.float64), atol=1e9):  # shape and dtype, no more
            return f"{name}: {hint}"
        if not torch.isin(times, LEVELS).all():
            return f"{name} holds times that are no levels: are these indices, or times between the levels?"
    return None


def _indices(times: Tensor) -> Tensor:
    return (times[:, None] == LEVELS).double().argmax(1)


def _next_to_each_other(student: Answer) -> str | None:
    t, s = _drawn(student)
    gap = _indices(s) - _indices(t)
    if (gap == 1).all():
        return None
    if (gap == -1).all():
        return "t and s are swapped: t is the noisier of the two, and levels decrease"
    if set(gap.unique().tolist()) <= {0, 1}:
        return "for some samples t and s are the same level: there is nothing to learn from such a pair"
    if set(gap.unique().tolist()) <= {1, 1 - len(LEVELS)} or set(gap.unique().tolist()) <= {-1, len(LEVELS) - 1}:
        return "one pair goes around the end of the list: N levels make N − 1 pairs"
    if gap.unique().numel() > 1:
        return "t and s were drawn apart from each other: draw one index, s is the level next to t"
    return f"s is {gap[0].item()} levels from t: take neighbours"


def _equally_often(student: Answer) -> str | None:
    t, _ = _drawn(student)
    counts = _indices(t).bincount(minlength=len(LEVELS))[:-1]
    if (counts == DRAWS).any():
        return "all samples got the same pair: draw one for each sample"
    if counts[0] == 0 or counts[-1] == 0:
        end = "noise" if counts[0] == 0 else "data"
        return f"the pair at the {end} end is never drawn: N levels make N − 1 pairs, count again"
    share = DRAWS / len(counts)
    return None if (counts - share).abs().max() < 6 * share**0.5 else "the pairs are not drawn equally often"


def _from_generator(student: Answer) -> str | None:
    if torch.equal(_drawn(student)[0], _drawn(student)[0]):
        same = torch.equal(_drawn(student)[0], _drawn(student, seed=1)[0])
        return "another seed gives the same pairs: draw them with the generator" if same else None
    return "the same seed gives other pairs: hand the generator to torch.randint"


def check_num_levels(student: object) -> None:
    """Say how my_num_levels(std, tolerance) does: two numbers -> the least N whose Heun chain errs by no more."""
    why = "You chose N before any training: for this teacher no student can do better with fewer levels."
    grade("my_num_levels", student, [_least], why=why)


def _least(num_levels: Answer) -> str | None:
    for std, tolerance in ((0.5, 0.1), (0.5, 0.02), (0.1, 0.1)):
        right = least_levels(std, tolerance, "heun")
        mistakes = {
            "this is one too few: did you count intervals? N levels make N − 1 steps": right - 1.0,
            "this is one too many: did you take one more for the intervals, or go on after the first that fits?": (
                right + 1.0
            ),
            "this is the answer for Euler steps: the question is about Heun": (
                float(least_levels(std, tolerance, "euler"))
            ),
            "you compare variances: the ratio of the standard deviations is asked for": (
                float(least_levels(std, tolerance, "heun, variance"))
            ),
            "2 levels are far from enough: is the error taken without its sign? Heun's ratio lies above 1": 2.0,
            "this is right for std 0.5 only: the std of the data must enter": (
                -1.0 if std == 0.5 else float(least_levels(0.5, tolerance, "heun"))
            ),
            "this is right for one tolerance only": (
                -1.0 if tolerance == 0.1 else float(least_levels(std, 0.1, "heun"))
            ),
        }
        wrong = compare(num_levels(std, tolerance), float(right), mistakes=mistakes)
        if wrong:
            return f"for std {std} and tolerance {tolerance}: {wrong}"
    return None


@lru_cache
def least_levels(std: float, tolerance: float, rule: str) -> int:
    """The least number of levels >= 2 with |ratio − 1| <= tolerance, by trying; rule names what the ratio is of."""
    levels = 2
    while abs(_ratio(std, levels, rule) - 1) > tolerance:
        levels += 1
    return levels


def _ratio(std: float, levels: int, rule: str) -> float:
    """Std of the chain's samples over the true one, on VE from 80 to .002 along the Karras grid."""
    grid = karras_grid(levels - 1)
    t, s = grid[:-1], grid[1:]
    h, k1 = s - t, t / (std**2 + t**2)
    k2 = s / (std**2 + s**2) * (1 + h * k1)
    factor = 1 + h * k1 if rule == "euler" else 1 + h / 2 * (k1 + k2)
    exact = ((std**2 + s**2) / (std**2 + t**2)).sqrt()
    ratio = (factor / exact).prod().item()
    return ratio**2 if rule.endswith("variance") else ratio


SIDES = {"A": "noisy", "B": "clean", "C": "both", "D": "none", "E": "both"}
SIDE_HINTS = {
    "A": "look where .detach() stands: which of the two calls is inside its reach?",
    "B": "look where .detach() stands: which of the two calls is inside its reach?",
    "C": "no line of it stops a gradient: count the calls of the model",
    "D": "ask what a loss computed under no_grad knows about the weights",
    "E": "detaching a state stops gradients through that state; do the weights of the model enter in another way?",
}


def check_gradient_sides(student: object) -> None:
    """Say how the dict my_sides does: letter of a version -> "noisy", "clean", "both" or "none"."""
    if isinstance(student, dict) and all(value is None for value in student.values()):
        student = None
    why = "These five lines look alike and print the same loss: only the gradient tells them apart."
    grade("my_sides", student, [_named, _each_side], why=why)


def _named(sides: Answer) -> str | None:
    if not isinstance(sides, dict):
        return f"expected a dict from the letters to words, got a {type(sides).__name__}"
    missing = [letter for letter in SIDES if sides.get(letter) is None]
    if missing:
        return f"no answer yet for {', '.join(missing)}"
    odd = [letter for letter in SIDES if sides[letter] not in ("noisy", "clean", "both", "none")]
    return f'{odd[0]}: answer with one of the words "noisy", "clean", "both", "none"' if odd else None


def _each_side(sides: Answer) -> str | None:
    wrong = [letter for letter in SIDES if sides[letter] != SIDES[letter]]
    return f"{wrong[0]} is not right: {SIDE_HINTS[wrong[0]]}" if wrong else None
