"""The checks of notebook 08: the pair of states, the levels N(k), the pseudo-Huber distance, iCT's loss, ECT's r(t)."""

import math

import torch
from torch import Tensor

from ..paths import VE, Path, TrigFlow
from ..shapes import like
from ..times import ct_levels, ect_time
from .checking import Answer, Counted, compare, depends, grade

__all__ = ["check_ct_levels", "check_ct_pair", "check_ect_partner", "check_ict_loss", "check_pseudo_huber"]


def _draw() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x0, eps (2, 2) and t > s (2,); as many samples as coordinates, so that a wrong axis shows in the numbers."""
    x0, eps = torch.randn((2, 2, 2), dtype=torch.float64)
    return x0, eps, torch.tensor([0.9, 1.3], dtype=torch.float64), torch.tensor([0.5, 1.2], dtype=torch.float64)


# ---- the pair


def check_ct_pair(student: object) -> None:
    """Say how my_ct_pair(x0, eps, t, s, path) does: (B, 2), (B, 2), (B,), (B,), a Path -> (x_t, x_s), each (B, 2)."""
    why = "One x0, one ε, two times: this pair is all that replaces the teacher."
    grade("my_ct_pair", student, [_same_each_time, _pair_on(TrigFlow()), _pair_on(VE())], why=why)


def _two_states(answer: Answer, path: Path, given: tuple[Tensor, ...]) -> tuple[Tensor, Tensor] | str:
    got = answer(*(value.clone() for value in given), path)
    if not (isinstance(got, tuple) and len(got) == 2):
        return f"expected the two tensors (x_t, x_s), got a {type(got).__name__}"
    return got


def _same_each_time(pair: Answer) -> str | None:
    given = _draw()
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
        x0, eps, t, s = given = _draw()
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
    alpha, sigma = path.alpha(t), path.sigma(t)
    return {
        "this state is at the other time: each state has its own": path.mix(x0, eps, other),
        "this is VE's formula, whatever the path: use path.alpha and path.sigma": VE().mix(x0, eps, t),
        "α is missing: on this path the data shrinks while the noise grows": x0 + like(sigma, x0) * eps,
        "σ at the wrong time: both factors belong to the time of the state": (
            like(alpha, x0) * x0 + like(path.sigma(other), x0) * eps
        ),
        "α at the wrong time: both factors belong to the time of the state": (
            like(path.alpha(other), x0) * x0 + like(sigma, x0) * eps
        ),
        "the noise is subtracted: that is another noise, −ε": path.mix(x0, -eps, t),
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
    grade("my_pseudo_huber", student, [_of_points, _of_images], why=why)


def _of_points(distance: Answer) -> str | None:
    a, b = torch.randn((2, 3, 2), dtype=torch.float64)
    gap, c = (a - b).square(), 0.3
    square = gap.sum(1)
    got = distance(a.clone(), b.clone(), c)
    if isinstance(got, Tensor) and got.shape == gap.shape:
        return "you have one number for each element: sum the squares of a sample first, then take one root"
    if isinstance(got, Tensor) and got.ndim == 0:
        return "you have one number for the whole batch: it must be one for each sample, (B,)"
    mistakes = {
        "the root is taken element by element: sum the squares of a sample first, then take one root": (
            ((gap + c**2).sqrt() - c).sum(1)
        ),
        "the root is taken element by element, and then averaged: sum the squares first": (
            ((gap + c**2).sqrt() - c).mean(1)
        ),
        "the squares are averaged: the norm is their sum": (gap.mean(1) + c**2).sqrt() - c,
        "− c is missing: two equal points must have the distance 0": (square + c**2).sqrt(),
        "c must be squared under the root": (square + c).sqrt() - c,
        "the norm must be squared under the root": (square.sqrt() + c**2).sqrt() - c,
        "c has no part in it: this is the norm": square.sqrt(),
        "this is the squared distance": square,
    }
    return compare(got, (square + c**2).sqrt() - c, mistakes=mistakes)


def _of_images(distance: Answer) -> str | None:
    a, b = torch.randn((2, 3, 1, 4, 4), dtype=torch.float64)
    got = distance(a.clone(), b.clone(), 0.3)
    hint = compare(got, ((a - b).square().flatten(1).sum(1) + 0.3**2).sqrt() - 0.3)
    return hint and f"right for points, but not for images, shape (3, 1, 4, 4): sum over all axes but the first; {hint}"


# ---- the loss


def check_ict_loss(student: object) -> None:
    """Say how my_ict_loss(f, x0, eps, t, s, c) does, on VE: a function, (B, 2) twice, (B,) twice, a number -> (B,)."""
    why = "This is all of iCT's loss; the rest is which pairs (t, s) it is shown."
    grade("my_ict_loss", student, [_asked, _loss_value, _loss_gradient], why=why)


_C = 0.1


def _network(weight: Tensor) -> Answer:
    return lambda x, t: x + like(t, x) * torch.tanh(weight * x + like(t, x))


def _asked(loss: Answer) -> str | None:
    """Which states and times the model is asked about."""
    path = VE()
    x0, eps, t, s = given = _draw()
    f = Counted(_network(torch.tensor(0.7, dtype=torch.float64)))
    loss(f, *(value.clone() for value in given), _C)
    if len(f.calls) != 2:
        return f"f was called {len(f.calls)} times: once at (x_t, t) and once at (x_s, s)"
    for x, time in f.calls:
        if not (isinstance(x, Tensor) and isinstance(time, Tensor) and x.shape == x0.shape and time.shape == t.shape):
            return "f takes a state (B, 2) and its times (B,)"
        right = path.mix(x0, eps, t), path.mix(x0, eps, s)
        at = [compare(x, state) is None for state in right], [compare(time, value) is None for value in (t, s)]
        if not any(at[0]):
            return "f is asked at a state that is neither x_t nor x_s: mix the same x0 and the same ε"
        if at[0] != at[1]:
            return "f is asked at one state with the time of the other: x_t goes with t, x_s with s"
    return "f was asked twice at the same state" if torch.equal(f.calls[0][0], f.calls[1][0]) else None


def _parts(weight: Tensor, target_weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """‖f(x_t) − f(x_s)‖² with these weights on the two sides, and the times."""
    path = VE()
    x0, eps, t, s = _draw()
    gap = _network(weight)(path.mix(x0, eps, t), t) - _network(target_weight)(path.mix(x0, eps, s), s)
    return gap.square(), t, s


def _huber(square: Tensor) -> Tensor:
    return (square + _C**2).sqrt() - _C


def _loss_value(loss: Answer) -> str | None:
    weight = torch.tensor(0.7, dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        gaps, t, s = _parts(weight, weight)
    with torch.random.fork_rng(devices=[]):
        got = loss(_network(weight), *_draw(), _C)
    d = _huber(gaps.sum(1))
    mistakes = {
        "the weight is missing": d,
        "the weight is upside down: pairs that are close together get the larger one": (t - s) * d,
        "the weight is 1/t: it is the gap that counts, not the level": d / t,
        "the weight is squared": d / (t - s) ** 2,
        "the sign of the weight: t is the larger time": d / (s - t),
        "the distance is the squared one: pseudo-Huber was asked for": gaps.sum(1) / (t - s),
        "the distance is the norm, without c": gaps.sum(1).sqrt() / (t - s),
        "the root is taken element by element: one root for each sample": _huber(gaps).sum(1) / (t - s),
        "− c is missing in the distance": (d + _C) / (t - s),
    }
    return compare(got, d / (t - s), mistakes=mistakes)


def _loss_gradient(loss: Answer) -> str | None:
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    fixed = weight.detach()

    def slope(left: Tensor, right: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):
            gaps, t, s = _parts(left, right)
        return torch.autograd.grad((_huber(gaps.sum(1)) / (t - s)).sum(), weight)[0]

    with torch.random.fork_rng(devices=[]):
        got = loss(_network(weight), *_draw(), _C)
    if not depends(got, weight):
        return "no gradient reaches f: the noisier side, f(x_t, t), must carry one"
    mistakes = {
        "the gradient flows into both sides: the target must stand still": slope(weight, weight),
        "the gradient flows into the wrong side: f(x_s, s) is the target, f(x_t, t) learns": slope(fixed, weight),
    }
    hint = compare(torch.autograd.grad(got.sum(), weight)[0], slope(weight, fixed), mistakes=mistakes)
    return hint and (hint if hint in mistakes else f"the value is right, but its gradient is not: {hint}")


# ---- the partner of ECT


def check_ect_partner(student: object) -> None:
    """Say how my_ect_partner(t, stage, q) does: noise-to-signal ratios (B,), a whole number, a number -> r, (B,)."""
    why = "One formula takes the run from diffusion training to nearly continuous time."
    grade("my_ect_partner", student, [_partner], why=why)


def _partner(partner: Answer) -> str | None:
    t, q = torch.tensor([0.02, 0.4, 1.5, 3.0, 20.0], dtype=torch.float64), 3.0
    stages = (0, 1, 4)
    got = [partner(t.clone(), stage, q) for stage in stages]
    bad = next((hint for value in got if (hint := compare(value, t, atol=1e9))), None)  # shape, dtype, finite, no more
    if bad:
        return bad

    def with_n(n: Tensor, shift: int = 1) -> Tensor:
        return torch.stack([t * (1 - n / q ** (stage + shift)) for stage in stages])

    n, right = 1 + 8 * torch.sigmoid(-t), torch.stack([ect_time(t, stage, q) for stage in stages])
    mistakes = {
        "some partners are negative times: nothing lies below 0": with_n(n),
        "this is the ratio r/t: multiply it by t": right / t,
        "this is the gap t − r": t - right,
        "the sigmoid has the wrong sign: n must be near 1 at high noise": with_n(1 + 8 * torch.sigmoid(t)).clamp(min=0),
        "the power of q is one too low: at stage 0 it is q¹": with_n(n, 0).clamp(min=0),
        "1 + is missing in n: at high noise n is 1, not 0": with_n(n - 1).clamp(min=0),
        "the stage has no part in it: q is raised to the power stage + 1": right[:1].expand_as(right),
        "q is 2 whatever is given: use the argument": torch.stack([ect_time(t, stage, 2.0) for stage in stages]),
        "q is multiplied by the stage, where a power belongs": torch.stack(
            [t * (1 - n / (q * (stage + 1))) for stage in stages]
        ).clamp(min=0),
    }
    return compare(torch.stack(got), right, mistakes=mistakes)
