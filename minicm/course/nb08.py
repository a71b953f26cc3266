"""The checks of notebook 08: the pair of states, the levels N(k), the pseudo-Huber distance; the losses lie beside."""

import math

import torch
from torch import Tensor

from ..paths import VE, Path, TrigFlow
from ..shapes import like
from ..times import ct_levels
from .checking import Answer, compare, depends, grade, two_results
from .nb08_losses import check_ect_partner as check_ect_partner
from .nb08_losses import check_ict_loss as check_ict_loss
from .nb08_losses import draw

# ---- the pair


def check_ct_pair(student: object) -> None:
    """Say how my_ct_pair(x0, eps, t, s, path) does: (B, 2), (B, 2), (B,), (B,), a Path -> (x_t, x_s), each (B, 2)."""
    why = "One x0, one ε, two times: this pair is all that replaces the teacher."
    grade("my_ct_pair", student, [_same_each_time, _pair_on(TrigFlow()), _pair_on(VE())], why=why)


def _two_states(answer: Answer, path: Path, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor] | str:
    got = answer(*(value.clone() for value in given), path)
    return two_results(got, "x_t, x_s") or tuple(got)


def _same_each_time(pair: Answer) -> str | None:
    given = draw()
    first, second = (_two_states(pair, TrigFlow(), given) for _ in range(2))
    if isinstance(first, str):
        return first
    if not all(isinstance(value, Tensor) for value in (*first, *second)):
        return "expected two tensors (x_t, x_s)"
    if any(a.shape == b.shape and not torch.equal(a, b) for a, b in zip(first, second, strict=True)):
        return "called twice with the same arguments it gives two answers: there is noise in it that is not ε"
    return None


def _pair_on(path: Path) -> Answer:
    def test(pair: Answer) -> str | None:
        x0, eps, t, s = given = draw()
        got = _two_states(pair, path, given)
        if isinstance(got, str):
            return got
        right = path.mix(x0, eps, t), path.mix(x0, eps, s)
        if compare(got[0], right[1]) is None and compare(got[1], right[0]) is None:
            return "the two come in the wrong order: the noisier state, x_t, first"
        for name, mine, state, time, other in (
            ("x_t", got[0], right[0], t, s), ("x_s", got[1], right[1], s, t)
        ):  # fmt: skip
            hint = compare(mine, state, mistakes=_wrong_states(path, x0, eps, time, other))
            if hint:
                return f"{name}: {hint}"
        return None

    return test


def _wrong_states(path: Path, x0: Tensor, eps: Tensor, t: Tensor, other: Tensor) -> dict[str, Tensor]:
    """hint -> the state at t under that mistake, (2, 2); other: the time of the other state."""
    alpha, sigma = path.alpha(t), path.sigma(t)
    a, s = like(alpha, x0), like(sigma, x0)
    beyond = path.mix(x0, eps, other)  # the other state, from which this one is sometimes made
    return {
        "this state is at the other time: each state has its own": beyond,
        "this is VE's formula, whatever the path: use path.alpha and path.sigma": VE().mix(x0, eps, t),
        "α is missing: on this path the data shrinks while the noise grows": x0 + s * eps,
        "σ is missing: it says how much noise there is": a * x0 + eps,
        "σ at the wrong time: both factors belong to the time of the state": a * x0 + like(path.sigma(other), x0) * eps,
        "α at the wrong time: both factors belong to the time of the state": like(path.alpha(other), x0) * x0 + s * eps,
        "the noise is subtracted: that is another noise, −ε": path.mix(x0, -eps, t),
        "α and σ are swapped: α belongs to x0, σ to the noise": s * x0 + a * eps,
        "t stands for σ: use path.sigma(t)": a * x0 + like(t, x0) * eps,
        "σ_d counts twice: path.sigma holds it already": a * x0 + 0.5 * s * eps,
        "σ_d is missing, or cos and sin are typed in: path.sigma knows what the path needs": a * x0 + 2 * s * eps,
        "the other state was scaled by the ratio of the σ: that would shrink the data with the noise": (
            s / like(path.sigma(other), x0) * beyond
        ),
        "σ is squared: the formula has σ itself": a * x0 + s**2 * eps,
        "σ stands under a root: the formula has σ itself": a * x0 + s.sqrt() * eps,
        "the noise is at t − s: each state has the noise of its own time": (
            a * x0 + like(path.sigma((t - other).abs()), x0) * eps
        ),
        "this state is at the time t − s: each state has its own time": path.mix(x0, eps, (t - other).abs()),
        "noise was added to the other state: mix x0, the clean point, again": a * beyond + s * eps,
        "the other state was moved by (s − t) ε, as on VE: mix x0 and ε at the new time": (
            beyond + like(t - other, x0) * eps
        ),
        "the other state was only rescaled: mix x0 and ε at the new time": (
            like(alpha / path.alpha(other), x0) * beyond
        ),
        "one Euler step from the other state: on this path it leaves the arc, so mix at the new time": (
            beyond + like(t - other, x0) * path.velocity(beyond, other, x0)
        ),
        "the times run along the wrong axis: one time per sample, so make it a column, t[:, None]": (
            alpha * x0 + sigma * eps
        ),
    }


# ---- the levels


def check_ct_levels(student: object) -> None:
    """Say how my_ct_levels(k, total, first, last) does: whole numbers -> N(k), the number of levels, whole."""
    why = "Off by one here, and the run ends with a grid that no sampler and no paper shares."
    grade("my_ct_levels", student, [_whole, _levels], why=why)


def _whole(levels: Answer) -> str | None:
    got = levels(10, 100, 2, 150)
    if isinstance(got, bool) or not isinstance(got, (int, float)):
        return f"expected a whole number, got a {type(got).__name__}"
    return None if got == int(got) else f"N(k) counts levels, so it is a whole number; yours is {got:.4g} at k = 10"


def _levels(levels: Answer) -> str | None:
    total, first, last = 1000, 2, 150
    steps = (0, 1, 10, 100, 333, 999, 1000)

    def root(k: int, top: int = last + 1) -> float:
        return math.sqrt(k / total * (top**2 - first**2) + first**2)

    wrong = {
        "the ⌈ ⌉ must round up, yours rounds down": [math.floor(root(k) - 1) + 1 for k in steps],
        "the ⌈ ⌉ must round up, yours rounds to the nearest number": [round(root(k) - 1) + 1 for k in steps],
        "one too few: N counts levels, and N − 1 levels make N − 2 pairs": [math.ceil(root(k) - 1) for k in steps],
        "one too many: count N(0), it must be `first`": [math.ceil(root(k)) + 1 for k in steps],
        "at the end it is `last`: under the root stands (last + 1)²": [math.ceil(root(k, last) - 1) + 1 for k in steps],
        "it grows in a straight line: N² is what grows evenly": [
            math.ceil(first + k / total * (last + 1 - first) - 1) + 1 for k in steps
        ],
        "k // total is 0 until the end: divide with /": [math.ceil(root(k // total * total) - 1) + 1 for k in steps],
        "first is squared under the root, both times": [
            math.ceil(math.sqrt(k / total * ((last + 1) ** 2 - first) + first) - 1) + 1 for k in steps
        ],
        "the root goes over everything, not over k/K alone": [
            math.ceil(math.sqrt(k / total) * (last + 1 - first) + first - 1) + 1 for k in steps
        ],
        "the root is missing": [math.ceil(root(k) ** 2 - 1) + 1 for k in steps],
        "first² must be added after the product with k/K, so that N(0) = first": [
            math.ceil(math.sqrt(k / total * (last + 1) ** 2) - 1) + 1 for k in steps
        ],
        "k has no part in it": [levels(0, total, first, last)] * len(steps),
    }
    got = torch.tensor([float(levels(k, total, first, last)) for k in steps], dtype=torch.float64)
    right = torch.tensor([ct_levels(k, total, first, last) for k in steps]).double()
    return compare(got, right, mistakes={hint: torch.tensor(values).double() for hint, values in wrong.items()})


# ---- the distance


def check_pseudo_huber(student: object) -> None:
    """Say how my_pseudo_huber(a, b, c) does: (B, *S), (B, *S), a number -> (B,)."""
    why = "One root for each sample: re-implementations that take it element by element train another loss."
    grade("my_pseudo_huber", student, [_of_points, _of_images, _carries_gradient], why=why)


def _of_points(distance: Answer) -> str | None:
    a, b = torch.randn((2, 3, 2), dtype=torch.float64)
    gap, c = (a - b).square(), 0.3
    square = gap.sum(1)
    got = distance(a.clone(), b.clone(), c)
    if isinstance(got, Tensor) and got.shape == gap.shape:
        return "you have one number for each element: sum the squares of a sample first, then take one root"
    if isinstance(got, Tensor) and got.ndim == 0:
        return "you have one number for the whole batch: it must be one for each sample, (B,)"
    mistakes = _wrong_norms(a, b, c) | _wrong_curves(square, c)
    return compare(got, (square + c**2).sqrt() - c, mistakes=mistakes)


def _wrong_norms(a: Tensor, b: Tensor, c: float) -> dict[str, Tensor]:
    """hint -> the distance with something else in the place of ‖a − b‖², (B,)."""
    gap = (a - b).square()

    def curve(square: Tensor) -> Tensor:
        return (square + c**2).sqrt() - c

    return {
        "the root is taken element by element: sum the squares of a sample first, then take one root": (
            curve(gap).sum(1)
        ),
        "the root is taken element by element, and then averaged: sum the squares first": curve(gap).mean(1),
        "the squares are averaged: the norm is their sum": curve(gap.mean(1)),
        "the norm must be squared under the root": curve(gap.sum(1).sqrt()),
        "the differences are added, then squared: square each of them first": curve((a - b).sum(1).square()),
        "absolute values are added: the norm adds squares": curve((a - b).abs().sum(1).square()),
        "a and b are added: their difference counts": curve((a + b).square().sum(1)),
    }


def _wrong_curves(square: Tensor, c: float) -> dict[str, Tensor]:
    """hint -> the distance as another function of ‖a − b‖², (B,)."""
    root = (square + c**2).sqrt()
    return {
        "− c is missing: two equal points must have the distance 0": root,
        "c² is subtracted at the end: c itself, so that two equal points have the distance 0": root - c**2,
        "c is added at the end: two equal points must have the distance 0": root + c,
        "c must be squared under the root": (square + c).sqrt() - c,
        "c² under the root is missing": square.sqrt() - c,
        "c² is subtracted under the root": (square - c**2).abs().sqrt() - c,
        "the root is missing": square + c**2 - c,
        "the root is missing, and c enters squared": square + c**2,
        "this is a function that many books call pseudo-Huber, c times ours: here the factor in front is 1": (
            c * (root - c)
        ),
        "divided by c: here the factor in front is 1": (root - c) / c,
        "half of it: nothing is divided by 2": (root - c) / 2,
        "c has no part in it: this is the norm": square.sqrt(),
        "this is the squared distance": square,
        "‖a − b‖²/2c is right near 0 only: far apart it must be a norm": square / (2 * c),
        "this is Huber's own distance, in two pieces: pseudo-Huber is one smooth formula": torch.where(
            square.sqrt() < c, square / 2, c * (square.sqrt() - c / 2)
        ),
    }


def _of_images(distance: Answer) -> str | None:
    a, b = torch.randn((2, 3, 1, 4, 4), dtype=torch.float64)
    got = distance(a.clone(), b.clone(), 0.3)
    hint = compare(got, ((a - b).square().flatten(1).sum(1) + 0.3**2).sqrt() - 0.3)
    return hint and f"right for points, but not for images, shape (3, 1, 4, 4): sum over all axes but the first; {hint}"


def _carries_gradient(distance: Answer) -> str | None:
    a, b = torch.randn((2, 3, 2), dtype=torch.float64)
    got = distance(a.requires_grad_(True), b, 0.3)
    if isinstance(got, Tensor) and depends(got, a):
        return None
    return "the numbers are right, but no gradient reaches a: a network could not learn from it, so stop nothing here"
