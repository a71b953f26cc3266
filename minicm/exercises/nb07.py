"""The checks of notebook 07: the target of distillation, pairs of neighbours, how many levels, which side learns."""

from functools import lru_cache

import torch
from torch import Tensor

from ..shapes import like
from ..times import karras_grid
from .checking import Answer, Counted, compare, depends, grade

__all__ = ["check_gradient_sides", "check_neighbours", "check_num_levels", "check_target"]

LEVELS = torch.tensor([80.0, 10.0, 2.0, 0.3, 0.002], dtype=torch.float64)
DRAWS = 4000


def check_target(student: object) -> None:
    """Say how my_target(model, teacher, x_t, t, s) does: a function each, (B, 2), (B,), (B,) -> aims, (B, 2)."""
    why = "The student chases a fixed point, not its own shadow: only f(x_t, t) will move."
    grade("my_target", student, [_aims, _without_gradient], why=why)


def _weights() -> Tensor:
    return torch.tensor([0.9, -0.4], dtype=torch.float64, requires_grad=True)


def _model(weights: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return weights[0] * like((1 + t).rsqrt(), x) * x + weights[1] * like(t / (1 + t), x)


def _teacher(weight: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return weight * torch.tanh(like(1 / (1 + t), x) * x)


def _pairs() -> tuple[Tensor, Tensor, Tensor]:
    x_t = torch.tensor([[1.5, -0.7], [0.2, 2.0]], dtype=torch.float64)
    return x_t, torch.tensor([0.9, 2.5], dtype=torch.float64), torch.tensor([0.4, 1.1], dtype=torch.float64)


def _aims(target: Answer) -> str | None:
    x_t, t, s = _pairs()
    weights, gain = _weights().detach(), torch.tensor(0.8, dtype=torch.float64)
    model = Counted(lambda x, t: _model(weights, x, t))
    got = target(model, lambda x, t: _teacher(gain, x, t), x_t.clone(), t.clone(), s.clone())
    x_s = _heun(gain)

    def says(x: Tensor, t: Tensor) -> Tensor:
        return _model(weights, x, t)

    mistakes = {
        "you return the state x_s itself: the aim is what the model says there": x_s,
        "you ask the teacher for the aim: its denoiser is a mean, the model is asked instead": _teacher(gain, x_s, s),
        "the model sees x_s with the time t: a state and its time belong together": says(x_s, t),
        "no step was taken: the model is asked at x_t": says(x_t, s),
        "no step was taken: model and loss would compare f with itself": says(x_t, t),
        "the model is asked at the teacher's guess of x0: use that guess for a slope, then step": (
            says(_teacher(gain, x_t, t), s)
        ),
    }
    mistakes |= {hint: says(x, s) for hint, x in _wrong_steps(gain).items()}
    wrong = compare(got, says(x_s, s), mistakes=mistakes)
    return wrong if wrong is None or model.calls or wrong in mistakes else f"the model is never called: {wrong}"


def _slope(gain: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return (x - _teacher(gain, x, t)) / t[:, None]


def _heun(gain: Tensor) -> Tensor:
    x_t, t, s = _pairs()
    h, k1 = (s - t)[:, None], _slope(gain, x_t, t)
    return x_t + h / 2 * (k1 + _slope(gain, x_t + h * k1, s))


def _wrong_steps(gain: Tensor) -> dict[str, Tensor]:
    """hint -> the state that Heun's step would give under that mistake, (2, 2)."""
    x, t, s = _pairs()
    h, k1 = (s - t)[:, None], _slope(gain, x, t)
    euler, back, guess = x + h * k1, x - h * k1, x + h * _teacher(gain, x, t)
    k2 = _slope(gain, euler, s)
    return {
        "this is an Euler step: Heun averages two slopes": euler,
        "both slopes are added: take their mean": x + h * (k1 + k2),
        "only the second slope is used: take the mean of both": x + h * k2,
        "half of the first slope is not the mean of two: the second one is missing": x + h / 2 * k1,
        "the second slope belongs to the end of Euler's step: you took it at x_t again": (
            x + h / 2 * (k1 + _slope(gain, x, s))
        ),
        "the second slope belongs to the time s: the teacher and the division saw the time t": (
            x + h / 2 * (k1 + _slope(gain, euler, t))
        ),
        "the second slope belongs to the time s: the teacher saw the time t": (
            x + h / 2 * (k1 + (euler - _teacher(gain, euler, t)) / s[:, None])
        ),
        "the second slope is divided by t: at s it is (x − D)/s": (
            x + h / 2 * (k1 + (euler - _teacher(gain, euler, s)) / t[:, None])
        ),
        "the teacher's answer is no slope: the slope is (x − D)/t": (
            x + h / 2 * (_teacher(gain, x, t) + _teacher(gain, guess, s))
        ),
        "the step goes the wrong way, to more noise: look at the signs of its length and of the slope": (
            x - h / 2 * (k1 + _slope(gain, back, s))
        ),
        "the step goes the wrong way, to more noise, after slopes of the right way: look at the last sign": (
            x - h / 2 * (k1 + k2)
        ),
    }


def _without_gradient(target: Answer) -> str | None:
    x_t, t, s = _pairs()
    weights, gain = _weights(), torch.tensor(0.8, dtype=torch.float64, requires_grad=True)
    got = target(lambda x, t: _model(weights, x, t), lambda x, t: _teacher(gain, x, t), x_t, t, s)
    if depends(got, weights):
        return "the numbers are right, but a gradient flows through the target into the model: the aim must stand still"
    if depends(got, gain):
        return "the numbers are right, but a gradient flows through the target into the teacher: it is not trained"
    return None


def check_neighbours(student: object) -> None:
    """Say how my_neighbours(levels, n, generator) does: (N,) decreasing, a number -> (t, s), each (n,)."""
    why = "Only neighbours keep the solver's step small, and every pair is needed: the chain breaks at a missing link."
    grade("my_neighbours", student, [_two, _next_to_each_other, _equally_often, _from_generator], why=why)


def _drawn(student: Answer, seed: int = 0) -> tuple[Tensor, Tensor]:
    t, s = student(LEVELS.clone(), DRAWS, torch.Generator().manual_seed(seed))
    return t, s


def _two(student: Answer) -> str | None:
    got = student(LEVELS.clone(), DRAWS, torch.Generator().manual_seed(0))
    if not (isinstance(got, (tuple, list)) and len(got) == 2):
        return f"expected the two tensors (t, s), got a {type(got).__name__}"
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
