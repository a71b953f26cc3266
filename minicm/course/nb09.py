"""The checks of notebook 09: name the cause of a failure from its numbers, repair a loss, and write the test for it.

The cases are closed forms, not training runs: the function that each failure ends in is written down, and then
measured as one would measure a trained model.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..shapes import Denoiser, like, per_sample
from .checking import Answer, Counted, compare, depends, grade
from .nb09_cases import CAUSES as CAUSES
from .nb09_cases import PATH
from .nb09_cases import case as case
from .nb09_cases import check_diagnosis as check_diagnosis

PairLoss = Callable[[Denoiser, Tensor, Tensor, Tensor, Tensor], Tensor]  # (model, x0, eps, t, s) -> (B,)


# ---- a loss to repair


def check_repaired_loss(student: object) -> None:
    """Say how my_loss(model, x0, eps, t, s) does: a function, (B, 2) twice, (B,) twice -> (B,), on VE."""
    why = "Same noise, own time, one side: these three lines are consistency training."
    grade("my_loss", student, [_calls, _values, _sides], why=why)


def _pair() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x0 = torch.tensor([[0.6, -0.3], [-0.2, 0.5], [0.1, 0.4]], dtype=torch.float64)
    eps = torch.tensor([[1.1, 0.4], [-0.7, 0.9], [0.3, -1.6]], dtype=torch.float64)
    t = torch.tensor([2.0, 0.7, 5.0], dtype=torch.float64)
    return x0, eps, t, torch.tensor([1.5, 0.4, 3.0], dtype=torch.float64)


def _bent(weight: Tensor | float, x: Tensor, t: Tensor) -> Tensor:
    return weight * like((1 + t).rsqrt(), x) * x + 0.2 * torch.tanh(x)


def _calls(loss: Answer) -> str | None:
    """What the model is asked: twice, each state with its own time, both states from the same noise."""
    x0, eps, t, s = _pair()
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    model = Counted(lambda x, time: _bent(weight, x, time))
    loss(model, x0.clone(), eps.clone(), t.clone(), s.clone())
    if len(model.calls) != 2:
        return f"the model is asked {len(model.calls)} times: once at each end of the pair"
    asked = [(_which_state(x, x0, eps, t, s), _which_time(time, t, s)) for x, time in model.calls]
    for state, time in asked:
        if state is None:
            return (
                "the noise: one of the two states is made with another noise than eps, so the pair does not lie on "
                "one trajectory"
            )
        if state != time:
            return f"the level: the state at {state} is shown with the time {time or 'of neither end'}"
    return None if {state for state, _ in asked} == {"t", "s"} else "the level: both calls are at the same end"


def _which_state(x: object, x0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> str | None:
    made = {"t": x0 + t[:, None] * eps, "s": x0 + s[:, None] * eps}
    return next((name for name, state in made.items() if compare(x, state) is None), None)


def _which_time(time: object, t: Tensor, s: Tensor) -> str | None:
    return next((name for name, value in (("t", t), ("s", s)) if compare(time, value) is None), None)


def _values(loss: Answer) -> str | None:
    x0, eps, t, s = _pair()
    weight = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    got = loss(lambda x, time: _bent(weight, x, time), x0.clone(), eps.clone(), t.clone(), s.clone())
    gap = (_bent(0.7, x0 + t[:, None] * eps, t) - _bent(0.7, x0 + s[:, None] * eps, s)) ** 2
    mistakes = {
        "you took the mean over the coordinates: the squared distance of a sample is their sum": gap.mean(1),
        "this is the distance, not its square": gap.sum(1).sqrt(),
    }
    if isinstance(got, Tensor) and got.ndim == 0:
        return "one number for each sample was asked, shape (B,): sum over the coordinates only"
    return compare(got, gap.sum(1), mistakes=mistakes)


def _sides(loss: Answer) -> str | None:
    """Which of two weights, one for each end, learn."""
    high, low = _learning(loss)
    if low and high:
        return "the gradient: it flows through both sides, and the aim should stand still"
    if low:
        return "the gradient: it flows into the side at s, the aim, and not into the one at t"
    return None if high else "the gradient: there is none, so nothing can learn"


# ---- tests that go red


class TwoLevels(nn.Module):
    """A model with two weights: f(x, t) = high x where t > 1, low x where t <= 1; so one sees which side learns."""

    def __init__(self) -> None:
        super().__init__()
        self.high = nn.Parameter(torch.tensor(0.8, dtype=torch.float64))
        self.low = nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """x (B, *S), t (B,) -> (B, *S)."""
        return torch.where(like(t, x) > 1, self.high, self.low) * x


def _learning(loss: PairLoss) -> tuple[bool, bool]:
    """Whether a gradient reaches the weight of the noisier side, and that of the less noisy one."""
    model = TwoLevels()
    x0, eps, t, s = _pair()
    value = loss(model, x0, eps, t + 1, s.clamp(max=0.9))
    if not (isinstance(value, Tensor) and value.requires_grad):
        return False, False
    return depends(value, model.high), depends(value, model.low)


def _right(model: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
    return per_sample((model(PATH.mix(x0, eps, t), t) - model(PATH.mix(x0, eps, s), s).detach()) ** 2)


def _both(model: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
    return per_sample((model(PATH.mix(x0, eps, t), t) - model(PATH.mix(x0, eps, s), s)) ** 2)


def _wrong_side(model: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
    return per_sample((model(PATH.mix(x0, eps, t), t).detach() - model(PATH.mix(x0, eps, s), s)) ** 2)


def _no_side(model: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> Tensor:
    return _both(model, x0, eps, t, s).detach()


def check_gradient_test(student: object) -> None:
    """Say how my_test(loss) does: a loss(model, x0, eps, t, s) -> True if only the noisier side learns."""
    why = "Four lines, and three of the failures above can never come back."
    grade("my_test", student, [_passes_right, _finds_wrong], why=why)


def _passes_right(test: Answer) -> str | None:
    for scale in (1.0, 1e-6, -1.0):
        got = test(lambda *args, scale=scale: scale * _right(*args))
        if not isinstance(got, (bool, Tensor)):
            return f"expected True or False, got a {type(got).__name__}"
        if not got:
            kind = {1.0: "a right loss", 1e-6: "a right loss with tiny gradients", -1.0: "a loss of negative slope"}
            return f"false alarm: {kind[scale]} fails your test; only ask whether a gradient is exactly 0"
    return None


def _finds_wrong(test: Answer) -> str | None:
    wrong = {
        "the gradient flows through both sides": _both,
        "only the less noisy side learns": _wrong_side,
        "nothing learns, since the whole loss is detached": _no_side,
    }
    missed = []
    for name, loss in wrong.items():
        try:
            passed = test(loss)
        except Exception as error:  # a test that stops is red as well, but only where nothing has a gradient
            if loss is not _no_side:
                return f"with a loss in which {name}: {error}"
            passed = False
        if passed:
            missed.append(name)
    return f"your test is green for a loss in which {missed[0]}" if missed else None


# ---- the noise that is left


def check_renoised_std(student: object) -> None:
    """Say how my_renoised_std(s, tau, sigma_data) does: three numbers -> (std on VE, std on TrigFlow)."""
    why = "One number can look perfect by accident; on TrigFlow with s = σ_d this one always does."
    grade("my_renoised_std", student, [_stds], why=why)


def _stds(renoised: Answer) -> str | None:
    for s, tau, sigma_data in ((0.5, 0.3, 0.5), (0.2, 1.0, 0.5), (0.7, 0.4, 0.6)):
        got = renoised(s, tau, sigma_data)
        if not (isinstance(got, tuple) and len(got) == 2):
            return f"expected the two numbers (on VE, on TrigFlow), got a {type(got).__name__}"
        on_ve = {
            "stds do not add, variances do": s + tau,
            "this is the variance, its root was asked for": s**2 + tau**2,
        }
        wrong = compare(got[0], math.hypot(s, tau), mistakes=on_ve)
        if wrong:
            return f"on VE, {wrong}"
        cos, sin = math.cos(tau), math.sin(tau)
        on_trig = {
            "the data is scaled by cos τ as well": math.hypot(s, sigma_data * sin),
            "the noise has std σ_d sin τ, not sin τ": math.hypot(s * cos, sin),
            "stds do not add, variances do": s * cos + sigma_data * sin,
            "this is the variance, its root was asked for": (s * cos) ** 2 + (sigma_data * sin) ** 2,
            "this is the answer for VE": math.hypot(s, tau),
        }
        wrong = compare(got[1], math.hypot(s * cos, sigma_data * sin), mistakes=on_trig)
        if wrong:
            return f"on TrigFlow, {wrong}"
    return None
