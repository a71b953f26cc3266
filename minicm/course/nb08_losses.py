"""The checks of notebook 08, the losses: iCT's loss on a pair, and ECT's partner r(t)."""

import math

import torch
from torch import Tensor

from ..paths import VE
from ..shapes import like
from ..times import ect_time
from .checking import Answer, Counted, compare, depends, grade


def draw() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x0, eps (2, 2) and t > s (2,); as many samples as coordinates, so that a wrong axis shows in the numbers."""
    x0, eps = torch.randn((2, 2, 2), dtype=torch.float64)
    return x0, eps, torch.tensor([0.9, 1.3], dtype=torch.float64), torch.tensor([0.5, 1.2], dtype=torch.float64)


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
    x0, eps, t, s = given = draw()
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
    x0, eps, t, s = draw()
    gap = _network(weight)(path.mix(x0, eps, t), t) - _network(target_weight)(path.mix(x0, eps, s), s)
    return gap.square(), t, s


def _huber(square: Tensor) -> Tensor:
    return (square + _C**2).sqrt() - _C


def _loss_value(loss: Answer) -> str | None:
    weight = torch.tensor(0.7, dtype=torch.float64)
    with torch.random.fork_rng(devices=[]):
        gaps, t, s = _parts(weight, weight)
    with torch.random.fork_rng(devices=[]):
        got = loss(_network(weight), *draw(), _C)
    d = _huber(gaps.sum(1))
    mistakes = {
        "the weight is missing": d,
        "the weight is upside down: pairs that are close together get the larger one": (t - s) * d,
        "the weight is 1/t: it is the gap that counts, not the level": d / t,
        "the weight is 1/s: it is the gap that counts, not the level": d / s,
        "the weights are normalised over the batch: a pair's loss must not depend on its neighbours": (
            d / (t - s) / (1 / (t - s)).mean()
        ),
        "the weights are normalised over the batch, to the sum 1: a pair's loss must not depend on its neighbours": (
            d / (t - s) / (1 / (t - s)).sum()
        ),
        "the gap is taken in TrigFlow's angle: here it is t − s, in noise levels": (
            d / (torch.atan(t / 0.5) - torch.atan(s / 0.5))
        ),
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
        got = loss(_network(weight), *draw(), _C)
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
    right = torch.stack([ect_time(t, stage, q) for stage in stages])
    powers = torch.tensor([q ** (stage + 1) for stage in stages], dtype=torch.float64)[:, None]
    mistakes = _wrong_brackets(t, powers) | _wrong_n(t, powers)
    mistakes |= {hint: (t * (1 - _n(t) / wrong)).clamp(min=0) for hint, wrong in _wrong_powers(powers, q).items()}
    return compare(torch.stack(got), right, mistakes=mistakes)


def _n(t: Tensor) -> Tensor:
    return 1 + 8 * torch.sigmoid(-t)


def _wrong_brackets(t: Tensor, powers: Tensor) -> dict[str, Tensor]:
    """hint -> r, (3, B), when n and the powers of q are right; powers (3, 1), one for each stage."""
    share = _n(t) / powers
    raw = t * (1 - share)
    return {
        "some partners are negative times: nothing lies below 0": raw,
        "a negative r became positive, by an absolute value: it becomes 0": raw.abs(),
        "a negative r became 0.002: in ECT it is 0, the clean point itself": raw.clamp(min=0.002),
        "the clamp is the wrong way round: negative values become 0, positive ones stay": raw.clamp(max=0),
        "this is the ratio r/t: multiply it by t": (1 - share).clamp(min=0),
        "this is the gap t − r": t - raw.clamp(min=0),
        "the t before n/q^(stage + 1) is missing: the bracket is multiplied by t": (t - share).clamp(min=0),
        "the bracket is 1 − n/q^(stage + 1): you divided 1 − n as a whole": t * (1 - _n(t)) / powers,
        "all partners are 0: in the bracket 1 − n/q^(stage + 1) only n is divided": torch.zeros_like(raw),
        "the bracket has a minus: r is smaller than t": t * (1 + share),
    }


def _wrong_n(t: Tensor, powers: Tensor) -> dict[str, Tensor]:
    """hint -> r, (3, B), with a wrong n(t)."""
    wrong = {
        "the sigmoid has the wrong sign: n must be near 1 at high noise": 1 + 8 * torch.sigmoid(t),
        "the factor 8 is missing in n: it is 5 at low noise": 1 + torch.sigmoid(-t),
        "the 8 multiplies the 1 as well: n is 1 at high noise": 8 * (1 + torch.sigmoid(-t)),
        "the 1 + in the denominator of n is missing: it is 1 + exp(t)": 1 + 8 * torch.exp(-t),
        "n is the same for all t: it falls from 5 to 1": torch.full_like(t, 5.0),
        "1 + is missing in n: at high noise n is 1, not 0": _n(t) - 1,
    }
    return {hint: (t * (1 - n / powers)).clamp(min=0) for hint, n in wrong.items()}


def _wrong_powers(powers: Tensor, q: float) -> dict[str, Tensor]:
    """hint -> what stands in the place of q^(stage + 1), (3, 1)."""
    after = (powers.log() / math.log(q)).round()  # stage + 1
    return {
        "the power of q is one too low: at stage 0 it is q¹": powers / q,
        "the power of q is one too high: at stage 0 it is q¹": powers * q,
        "q ** stage + 1 adds 1 to the power: write q ** (stage + 1)": powers / q + 1,
        "the stage has no part in it: q is raised to the power stage + 1": torch.full_like(powers, q),
        "q is 2 whatever is given: use the argument": 2**after,
        "q and the power are swapped: q is raised to stage + 1": after**q,
        "q is multiplied by the stage, where a power belongs": q * after,
    }
