"""The checks of notebook 11: few steps, replacement of known coordinates, the grey part of a colour, and slerp."""

import torch
from torch import Tensor

from .checking import Answer, compare, grade

A = torch.tensor([[0.7, -0.2], [-0.4, 0.5]], dtype=torch.float64)  # as many samples as values: no axis can hide
B = torch.tensor([[-1.0, 0.4], [0.8, 1.5]], dtype=torch.float64)
TURN = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)


def check_few_steps(student: object) -> None:
    """Say how my_few_steps(model, x, times, eps, t_min) does on VE: eps (N − 1, B, 2) -> samples (B, 2)."""
    why = "Two or four jumps repair much of what one jump gets wrong, for the price of two or four evaluations."
    grade("my_few_steps", student, [_one_jump, _three_jumps], why=why)


def _model(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(x) / (1 + t[:, None])


def _full(t: float) -> Tensor:
    return torch.full((2,), t, dtype=torch.float64)


def _walk(times: list[float], eps: Tensor, scale: object, *, last: float | None = None) -> Tensor:
    """Jump, then for each later time noise by scale(t) and jump; `last` adds one more noise at the end."""
    x0 = _model(A, _full(times[0]))
    for t, e in zip(times[1:], eps):
        x0 = _model(x0 + scale(t) * e, _full(t))
    return x0 if last is None else x0 + last * eps[-1]


def _one_jump(few_steps: Answer) -> str | None:
    wrong = compare(few_steps(_model, A.clone(), [3.0], torch.empty(0, 2, 2).double(), 0.5), _model(A, _full(3.0)))
    return wrong and f"with one time, which is one call of the model and no noise, {wrong}"


def _three_jumps(few_steps: Answer) -> str | None:
    times, eps, low = [3.0, 1.0, 0.6], torch.stack([B, B.flip(0)]), 0.5
    right = _walk(times, eps, lambda t: (t**2 - low**2) ** 0.5)
    shifted = dict(zip(times[1:], times))  # the level before instead of the level after
    mistakes = {
        "noise is added after the last jump: the last thing must be a call of the model": _walk(
            times, eps, lambda t: (t**2 - low**2) ** 0.5, last=(0.6**2 - low**2) ** 0.5
        ),
        "too much noise is added: f ends at t_min, so its output already holds noise of that size": _walk(
            times, eps, lambda t: t
        ),
        "the noise has the std t − t_min: variances subtract, stds do not": _walk(times, eps, lambda t: t - low),
        "the noise is that of the level before: add the noise of the level that you jump from next": _walk(
            times, eps, lambda t: (shifted[t] ** 2 - low**2) ** 0.5
        ),
        "no noise is added between the jumps: the model then gets a clean sample and the time of a noisy one": _walk(
            times, eps, lambda t: 0.0
        ),
        "you stop after the first jump": _model(A, _full(3.0)),
        "all jumps start from the first x: jump from the noised result of the jump before": _model(A, _full(0.6)),
    }
    return compare(few_steps(_model, A.clone(), times, eps.clone(), low), right, mistakes=mistakes)


def check_replace(student: object) -> None:
    """Say how my_replace(x, y, Q, known) does: (B, D), (B, D), (D, D), (D,) bool -> x with K x Q = K y Q, (B, D)."""
    why = "This one line between two jumps is all of inpainting, super-resolution and colourisation."
    grade("my_replace", student, [_replaced, _all_known], why=why)


def _mixed(x: Tensor, y: Tensor, forward: Tensor, inverse: Tensor, known: Tensor) -> Tensor:
    return torch.where(known, y @ forward, x @ forward) @ inverse


def _replaced(replace: Answer) -> str | None:
    known, eye = torch.tensor([True, False]), torch.eye(2, dtype=torch.float64)
    mistakes = {
        "the mask works the other way round: where known is True, y counts": _mixed(A, B, TURN, TURN.T, ~known),
        "you replace the values themselves: first go to the coordinates z = x Q": _mixed(A, B, eye, eye, known),
        "you stay in the coordinates: come back with Q.T": _mixed(A, B, TURN, eye, known),
        "the way back is not the inverse of the way there: that of an orthogonal Q is Q.T": _mixed(
            A, B, TURN, TURN, known
        ),
        "coordinates are x Q, not x Qᵀ: the columns of Q are the directions": _mixed(A, B, TURN.T, TURN, known),
        "the unknown coordinates are 0: they are those of x": _mixed(0 * A, B, TURN, TURN.T, known),
    }
    got = replace(A.clone(), B.clone(), TURN.clone(), known.clone())
    return compare(got, _mixed(A, B, TURN, TURN.T, known), mistakes=mistakes)


def _all_known(replace: Answer) -> str | None:
    wrong = compare(replace(A.clone(), B.clone(), TURN.clone(), torch.tensor([True, True])), B)
    return wrong and f"when all is known y should come back, but {wrong}"


def check_grey_part(student: object) -> None:
    """Say how my_grey_part(x, w) does: colours (B, 3), weights (3,) -> their part along w, (B, 3)."""
    why = "A⁻¹ K A of colourisation is this projection: what is known of the colours, and nothing else."
    grade("my_grey_part", student, [_projected], why=why)


def _projected(grey_part: Answer) -> str | None:
    x = torch.tensor([[0.9, 0.2, -0.3], [0.1, -0.7, 0.4], [0.5, 0.6, 1.1]], dtype=torch.float64)
    w = torch.tensor([0.3, 0.6, 0.1], dtype=torch.float64)
    grey, length = x @ w, w.norm()
    mistakes = {
        "the length of w enters: divide by |w|², once to get the coordinate, once to go back": grey[:, None] * w,
        "you divided by |w| once: its square belongs there": grey[:, None] * w / length,
        "you return the coordinate, the same number in each channel: it belongs along w": (grey / length)[:, None]
        .expand(3, 3)
        .clone(),
        "you return the grey value in each channel: it belongs along w": grey[:, None].expand(3, 3).clone(),
        "this is the rest, what is not along w": x - grey[:, None] * w / length**2,
        "each channel is weighted by itself: first add up, w · x": x * w,
        "the sum ran over the pictures: it runs over the channels of each": (w @ x)[:, None] * w / length**2,
    }
    return compare(grey_part(x.clone(), w.clone()), grey[:, None] * w / length**2, mistakes=mistakes)


def check_slerp(student: object) -> None:
    """Say how my_slerp(a, b, w) does: noises (B, D), (B, D), weights (B,) -> noises on the arc between, (B, D)."""
    why = "On the arc the model meets noise of the size that it knows; on the straight line it would not."
    grade("my_slerp", student, [_ends, _arc], why=why)


def _angle(a: Tensor, b: Tensor) -> Tensor:
    return ((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))).acos()[:, None]


def _ends(slerp: Answer) -> str | None:
    got = slerp(A.clone(), B.clone(), torch.tensor([0.0, 1.0], dtype=torch.float64))
    right = torch.stack([A[0], B[1]])
    swapped = {"weight 0 should give a and weight 1 should give b: they are swapped": torch.stack([B[0], A[1]])}
    wrong = compare(got, right, mistakes=swapped)
    return wrong and (
        wrong if "swapped" in wrong else f"at the weights 0 and 1, where a and b should come out, {wrong}"
    )


def _arc(slerp: Answer) -> str | None:
    w, theta = torch.tensor([0.3, 0.6], dtype=torch.float64), _angle(A, B)
    u = w[:, None]
    right = (torch.sin((1 - u) * theta) * A + torch.sin(u * theta) * B) / torch.sin(theta)
    row = w[None, :]
    flat = ((A * B).sum() / (A.norm() * B.norm())).acos()
    mistakes = {
        "this is the straight line: it cuts through the inside of the sphere": (1 - u) * A + u * B,
        "the division by sin θ is missing": right * torch.sin(theta),
        "the result has length 1: noise must keep its own length": right / right.norm(dim=1, keepdim=True),
        "the weights went along the wrong axis: w[:, None] gives one weight per row": (
            torch.sin((1 - row) * theta) * A + torch.sin(row * theta) * B
        )
        / torch.sin(theta),
        "θ is one angle for the whole batch: each pair of rows has an angle of its own": (
            torch.sin((1 - u) * flat) * A + torch.sin(u * flat) * B
        )
        / torch.sin(flat),
        "√(1 − w) and √w keep the length only where a and b stand at a right angle": (1 - u).sqrt() * A + u.sqrt() * B,
    }
    return compare(slerp(A.clone(), B.clone(), w.clone()), right, mistakes=mistakes)
