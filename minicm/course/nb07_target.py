"""The check of notebook 07's target: one step of Heun along the teacher's slope, then the student's answer there."""

import torch
from torch import Tensor

from ..shapes import like
from .checking import Answer, Counted, compare, depends, grade


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
    states = _wrong_steps(gain) | _wrong_slopes(gain) | {"the student gives the slope: ask the teacher": _own(weights)}
    mistakes |= {hint: says(x, s) for hint, x in states.items()}
    mistakes["model and teacher are swapped: the teacher gives the slope, the model the aim"] = _teacher(
        gain, _own(weights), s
    )
    wrong = compare(got, says(x_s, s), mistakes=mistakes)
    return wrong if wrong is None or model.calls or wrong in mistakes else f"the model is never called: {wrong}"


def _slope(gain: Tensor, x: Tensor, t: Tensor) -> Tensor:
    return (x - _teacher(gain, x, t)) / t[:, None]


def _own(weights: Tensor) -> Tensor:
    """Heun's step along the student's own slope."""
    x, t, s = _pairs()
    h, k1 = (s - t)[:, None], (x - _model(weights, x, t)) / t[:, None]
    euler = x + h * k1
    return x + h / 2 * (k1 + (euler - _model(weights, euler, s)) / s[:, None])


def _heun(gain: Tensor) -> Tensor:
    x_t, t, s = _pairs()
    h, k1 = (s - t)[:, None], _slope(gain, x_t, t)
    return x_t + h / 2 * (k1 + _slope(gain, x_t + h * k1, s))


def _wrong_steps(gain: Tensor) -> dict[str, Tensor]:
    """hint -> the state x_s that a step made of wrong parts gives, (2, 2)."""
    x, t, s = _pairs()
    h, k1 = (s - t)[:, None], _slope(gain, x, t)
    euler, back = x + h * k1, x - h * k1
    k2 = _slope(gain, euler, s)
    row = (s - t) / 2
    return {
        "this is an Euler step: Heun averages two slopes, and asks the teacher again for the second": euler,
        "this is a midpoint step, of order 2 as well: Heun averages the slopes at both ends": (
            x + h * _slope(gain, x + h / 2 * k1, (t + s) / 2)
        ),
        "both slopes are added: take their mean": x + h * (k1 + k2),
        "only the second slope is used: take the mean of both": x + h * k2,
        "half of the first slope is not the mean of two: the second one is missing": x + h / 2 * k1,
        "the mean slope leads from x_t, not from the end of Euler's step": euler + h / 2 * (k1 + k2),
        "Euler's step went only half of the way before the second slope": (
            x + h / 2 * (k1 + _slope(gain, x + h / 2 * k1, s))
        ),
        "the step's length is s − t: you have s": x + s[:, None] / 2 * (k1 + _slope(gain, x + s[:, None] * k1, s)),
        "the step's length is s − t: you have −t, down to no noise": (
            x - t[:, None] / 2 * (k1 + _slope(gain, x - t[:, None] * k1, s))
        ),
        "the length s − t went along the wrong axis: (s − t)[:, None] gives one number per row": (
            x + row * (k1 + _slope(gain, x + 2 * row * k1, s))
        ),
        "the step goes the wrong way, to more noise: look at the signs of its length and of the slope": (
            x - h / 2 * (k1 + _slope(gain, back, s))
        ),
        "the step goes the wrong way, to more noise, after slopes of the right way: look at the last sign": (
            x - h / 2 * (k1 + k2)
        ),
    }


def _wrong_slopes(gain: Tensor) -> dict[str, Tensor]:
    """hint -> the state x_s that Heun's step gives with wrong slopes, (2, 2)."""
    x, t, s = _pairs()
    h, k1 = (s - t)[:, None], _slope(gain, x, t)
    euler, guess, flat = x + h * k1, x + h * _teacher(gain, x, t), x - _teacher(gain, x, t)
    first_over_s = flat / s[:, None]

    def step(first: Tensor, second: Tensor) -> Tensor:
        return x + h / 2 * (first + second)

    return {
        "the second slope belongs to the end of Euler's step: you took it at x_t again": step(k1, _slope(gain, x, s)),
        "the second slope belongs to the time s: the teacher and the division saw the time t": (
            step(k1, _slope(gain, euler, t))
        ),
        "the second slope belongs to the time s: the teacher saw the time t": (
            step(k1, (euler - _teacher(gain, euler, t)) / s[:, None])
        ),
        "the second slope is divided by t: at s it is (x − D)/s": (
            step(k1, (euler - _teacher(gain, euler, s)) / t[:, None])
        ),
        "the first slope is divided by s: at t it is (x − D)/t": (
            step(first_over_s, _slope(gain, x + h * first_over_s, s))
        ),
        "in the second slope x is still x_t: it is the end of Euler's step, as for the teacher": (
            step(k1, (x - _teacher(gain, euler, s)) / s[:, None])
        ),
        "the slopes are not divided by the time: (x − D)/t": (
            step(flat, x + h * flat - _teacher(gain, x + h * flat, s))
        ),
        "the teacher's answer is no slope: the slope is (x − D)/t": (
            step(_teacher(gain, x, t), _teacher(gain, guess, s))
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
