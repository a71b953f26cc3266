"""The checks of notebook 10: rotation steps, the tangent of sCM, its size, its stop-gradient and its warm-up."""

import torch
from torch import Tensor
from torch.func import jvp

from ..nets import MLP
from ..precond import Preconditioned, TrigFlowScaling
from ..shapes import like, per_sample
from .checking import FOR_POINTS, Answer, compare, grade, on_images

STD = 0.5  # σ_d
C = 0.1


def check_rotation(student: object) -> None:
    """Say how my_rotation_step(F, x, t, s) does: the state at s of one DDIM step from x at t."""
    why = "On TrigFlow time is an angle, and a DDIM step turns the state by t − s towards the data."
    grade("my_rotation_step", student, [_rotates, _stays], why=why)


def _points(batch: int = 6, *event: int) -> tuple[Tensor, Tensor, Tensor]:
    """x, another tensor like it, and angles t in float64."""
    x, y = torch.randn((2, batch, *(event or (2,))), dtype=torch.float64)
    return STD * x, y, torch.linspace(0.3, 1.4, batch, dtype=torch.float64)


def _rotates(step: Answer) -> str | None:
    x, F, t = _points()
    s = 0.4 * t

    def turned(by: Tensor, factor: float = STD) -> Tensor:
        return like(by.cos(), x) * x - like(by.sin(), x) * factor * F

    mistakes = {
        "you turn away from the data: the angle must be t - s, which is positive": turned(s - t),
        "you turn all the way to 0: that is the denoiser; the step ends at s": turned(t),
        "you turn by s: the step goes from t to s, by their difference": turned(s),
        "sigma_d is missing: F is the velocity in units of sigma_d": turned(t - s, 1.0),
        "this is an Euler step, along a straight line: the step follows the circle": x - like(t - s, x) * STD * F,
        "cos(t - s) is not cos t - cos s: subtract the angles first": (
            like(t.cos() - s.cos(), x) * x - like(t.sin() - s.sin(), x) * STD * F
        ),
        "sine and cosine are swapped": like((t - s).sin(), x) * x - like((t - s).cos(), x) * STD * F,
    }
    return compare(step(F, x, t, s), turned(t - s), mistakes=mistakes)


def _stays(step: Answer) -> str | None:
    x, F, t = _points(3, 3, 4, 4)
    if compare(on_images(step, F, x, t, t), x):
        return "on images (B, 3, 4, 4), a step from t to t must change nothing: do t and s broadcast per sample?"
    return None


def check_tangent(student: object) -> None:
    """Say how my_tangent(raw, x, t, v) does: g = cos(t) df/dt along (v, 1), without gradient; F = raw(x, t)."""
    why = "This vector is all that sCM trains with: everything else is how large it may be and how it is weighted."
    grade("my_tangent", student, [_tangent, _free], why=why)


def _model() -> Preconditioned:
    return Preconditioned(MLP(2, width=16, depth=2).double(), TrigFlowScaling(STD))


def _tangent(tangent: Answer) -> str | None:
    (x, v, t), model = _points(), _model()
    cos, sin, zero = like(t.cos(), x), like(t.sin(), x), torch.zeros_like(t)
    with torch.no_grad():
        F = model.raw(x, t)

        def along(dx: Tensor, dt: Tensor) -> Tensor:
            return jvp(model.raw, (x, t), (dx, dt))[1]

        J, one = along(cos * sin * v, t.cos() * t.sin()), torch.ones_like(t)
        first, still = -(cos**2) * (STD * F - v), cos * sin * x
        right = first - still - STD * J
        mistakes = {
            "this is df/dt: the factor cos t is missing": right / cos,
            "this is the negative of the tangent: with it the student moves away from consistency": -right,
            "F changes with t as well as with x: the direction of the derivative has two parts, (v, 1)": (
                first - still - STD * along(cos * sin * v, zero)
            ),
            "F changes with x as well as with t: the direction of the derivative has two parts, (v, 1)": (
                first - still - STD * along(torch.zeros_like(v), t.cos() * t.sin())
            ),
            "the derivative of F is multiplied by sigma_d, as F itself is in f": first - still - J,
            "sigma_d is missing in front of F": -(cos**2) * (F - v) - still - STD * J,
            "the part sin t (x + ...) has the wrong sign: look at the derivative of cos t": first + still + STD * J,
            "the derivative of F has the wrong sign": first - still + STD * J,
            "the part with x is missing: cos t in front of x changes with t, too": first - STD * J,
            "the part with v is missing: x itself moves along the path": first - cos**2 * v - still - STD * J,
            "the first part needs cos t twice: once from f, once from g = cos t df/dt": first / cos - still - STD * J,
            "cos t sin t belongs to both parts of the direction, that of x and that of t": (
                first - still - STD * along(cos * sin * v, one)
            ),
            "raw divides by sigma_d itself: give it x": (
                -(cos**2) * (STD * model.raw(x / STD, t) - v)
                - still
                - STD * jvp(model.raw, (x / STD, t), (cos * sin * v / STD, t.cos() * t.sin()))[1]
            ),
            "cos t sin t is applied twice, in the direction and outside": first - still - STD * cos * sin * J,
            "the derivative of F lacks cos t sin t": first - still - STD * along(v, one),
            "only the diffusion part is there, as if r = 0": first,
        }
    return compare(tangent(model.raw, x, t, v), right, mistakes=mistakes)


def _free(tangent: Answer) -> str | None:
    x, v, t = _points()
    if tangent(_model().raw, x, t, v).requires_grad:
        return "the numbers are right, but they carry a gradient: g is part of an aim, so stop it"
    return None


def check_normalised(student: object) -> None:
    """Say how my_normalised(g) does: g/(‖g‖ + .1), sample by sample."""
    why = "Every sample now pulls with a force below 1, whatever its time; only the direction is left of g."
    grade("my_normalised", student, [_normalised], why=why)


def _normalised(rescale: Answer) -> str | None:
    for event in ((2,), (3, 4, 4)):
        g = torch.randn((5, *event), dtype=torch.float64)
        g = like(torch.logspace(-2, 1, 5, dtype=torch.float64), g) * g
        norm, count = like(g.flatten(1).norm(dim=1), g), g[0].numel()
        mistakes = {
            "this divides by the root mean square, the size of one element: the norm sums over all of them": (
                g / (norm / count**0.5 + C)
            ),
            "one norm for the whole batch: each sample has its own": g / (g.norm() + C),
            "each element is divided by its own size: the direction is lost": g / (g.abs() + C),
            "c is missing: a sample with g = 0 would give NaN, and a tiny g a full-sized pull": g / norm,
            "c stands outside of the division": g / norm + C,
            "you divide by the square of the norm": g / (norm**2 + C),
            "the root of the sum of squares is another function: divide by the norm plus c": (
                g / (norm**2 + C**2).sqrt()
            ),
            "small g keep their size, by a maximum: divide by the norm plus c": g / norm.clamp(min=C),
            "the size is the sum of absolute values: the norm is the root of the sum of squares": (
                g / (like(g.flatten(1).abs().sum(1), g) + C)
            ),
            "c is 0.1 here: 0.5 is the recipe's, for points": g / (norm + 0.5),
            "c is inside of the root": g / (norm**2 + C).sqrt(),
            "right for points, but not for images: the norm runs over the channels only, and not over the pixels": (
                g / (g.norm(dim=1, keepdim=True) + C)
            ),
            "the norm runs over one axis only: on images it must run over all but the first": (
                g / (g.norm(dim=-1, keepdim=True) + C)
            ),
        }
        got = rescale(g) if event == (2,) else on_images(rescale, g)
        wrong = compare(got, g / (norm + C), mistakes=mistakes)
        if wrong:
            return f"for g of shape {tuple(g.shape)}: {wrong}"
    return None


def check_regression(student: object) -> None:
    """Say how my_regression(F, g) does: ‖F − sg(F + g)‖²/d, (B,), whose gradient in F is −2g/d."""
    why = "The value is |g|²/d with or without the stop: only the gradient shows whether the network learns."
    grade("my_regression", student, [_value, _slope], why=why)


def _made(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    F, g = torch.randn((2, *shape), dtype=torch.float64)
    return F.requires_grad_(True), g.requires_grad_(True)


def _value(regression: Answer) -> str | None:
    for shape in ((4, 2), (4, 3, 2, 2)):
        F, g = _made(shape)
        square = per_sample(g.detach() ** 2)
        mistakes = {
            "divide by d, the number of elements of a sample": square,
            "one number for each sample, please: this is a root": (square / g[0].numel()).sqrt(),
        }
        points = shape == (4, 2)
        got = regression(F, g) if points else on_images(regression, F, g)
        wrong = compare(got, square / g[0].numel(), mistakes=mistakes)
        if wrong:
            return wrong if points else f"{FOR_POINTS}, and take means over all axes but the first; {wrong}"
    return None


def _slope(regression: Answer) -> str | None:
    F, g = _made((4, 2))
    total = regression(F, g).sum()
    if not total.requires_grad:
        return "nothing carries a gradient: the F outside of the aim must keep its own"
    in_F, in_g = torch.autograd.grad(total, (F, g), allow_unused=True)
    in_F = torch.zeros_like(F) if in_F is None else in_F
    if compare(in_F, torch.zeros_like(F)) is None:
        return "F cancels against the F inside the aim, so the network gets no gradient: the aim F + g must be stopped"
    if in_g is not None and bool((in_g != 0).any()):
        return "a gradient flows into g: stop the whole aim F + g, not F alone"
    aimed = {"the network moves along -g: look at the sign inside the aim": g.detach()}
    return compare(in_F, -g.detach(), mistakes=aimed)  # −2g/d with d = 2


def check_start(student: object) -> None:
    """Say how my_start(F, F_teacher, t) does: the tangent of sCD at r = 0."""
    why = "At r = 0 sCD is diffusion training with the teacher's answer: 0 for a student that starts as the teacher."
    grade("my_start", student, [_start], why=why)


def _start(start: Answer) -> str | None:
    for event in ((2,), (3, 4, 4)):
        F, F_teacher, t = _points(6, *event)
        gap, cos = STD * (F - F_teacher), like(t.cos(), F)
        mistakes = {
            "the sign is wrong: the student would move away from its teacher": cos**2 * gap,
            "cos t stands there twice: once from f, once from g = cos t df/dt": -cos * gap,
            "the factor cos² t is missing": -gap,
            "the factors sigma_d and cos² t are missing": -gap / STD,
            "sigma_d is missing: v = sigma_d F of the teacher": -(cos**2) * gap / STD,
            "the teacher's answer is v = sigma_d F, not F": -(cos**2) * (STD * F - F_teacher),
        }
        got = start(F, F_teacher, t) if event == (2,) else on_images(start, F, F_teacher, t)
        wrong = compare(got, -(cos**2) * gap, mistakes=mistakes)
        if wrong:
            return wrong if event == (2,) else f"{FOR_POINTS}; {wrong}"
    return None
