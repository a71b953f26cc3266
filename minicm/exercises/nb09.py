"""The checks of notebook 09: name the cause of a failure from its numbers, repair a loss, and write the test for it.

The cases are closed forms, not training runs: the function that each failure ends in is written down, and then
measured as one would measure a trained model.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from ..data import product_mixture_oracle
from ..paths import VE
from ..shapes import Denoiser, like, per_sample
from ..times import karras_grid
from .checking import Answer, Counted, compare, depends, grade

__all__ = [
    "CAUSES",
    "Case",
    "TwoLevels",
    "case",
    "check_diagnosis",
    "check_gradient_test",
    "check_renoised_std",
    "check_repaired_loss",
]

PATH = VE()
PairLoss = Callable[[Denoiser, Tensor, Tensor, Tensor, Tensor], Tensor]  # (model, x0, eps, t, s) -> (B,)


# ---- failures without their names


@dataclass(frozen=True)
class Case:
    """What one sees of a run: one-step samples (2000, 2) as the run draws them, and four numbers."""

    samples: Tensor
    loss: float  # mean of the run's own loss
    boundary_gap: float  # mean |f(x, t_min) − x|, data units
    target_lag: float  # largest |f(x, t) − f⁻(x, t)|, the model against the target in its loss, data units
    std_ratio: float  # of the samples to the data


# cause -> what it does to each number
CAUSES: Mapping[str, Mapping[str, str]] = {
    "no boundary condition": {"boundary_gap": "> 0", "loss": "about 0", "target_lag": "0", "std_ratio": "0"},
    "independent noises": {"boundary_gap": "0", "loss": "large", "target_lag": "0", "std_ratio": "0"},
    "slow target": {"boundary_gap": "0", "loss": "about 0", "target_lag": "> 0", "std_ratio": "0"},
    "noise after the last step": {"boundary_gap": "0", "loss": "about 0", "target_lag": "0", "std_ratio": "> 1"},
    "too few levels": {"boundary_gap": "0", "loss": "about 0", "target_lag": "0", "std_ratio": "< 1"},
}
RULES = {
    "no boundary condition": "A constant fulfils self-consistency at once: test f(x, t_min) = x before you train.",
    "independent noises": "Two noises are two trajectories: the best answer is the mean, and the loss stays high.",
    "slow target": "The model fits its target well; it is the target that never learnt. Compare the two.",
    "noise after the last step": "Model and loss are well and the sampler is not: test it with an exact f.",
}
CASES = {
    "A": "slow target",
    "B": "noise after the last step",
    "C": "no boundary condition",
    "D": "independent noises",
}


def case(name: str) -> Case:
    """The evidence of case "A", "B", "C", "D", or "healthy"; the same each time.

    Raises ValueError for another name.
    """
    if name != "healthy" and name not in CASES:
        raise ValueError(f"expected a case among {', '.join(CASES)} and healthy, got {name!r}")
    return _evidence(CASES.get(name, "nothing"))


def check_diagnosis(name: str, answer: object) -> None:
    """Say whether the answer, one of CAUSES, is what is wrong in that case; a wrong one hears what contradicts it.

    Raises ValueError for a name that is no case.
    """
    if name not in CASES:
        raise ValueError(f"expected a case among {', '.join(CASES)}, got {name!r}")
    right = CASES[name]
    grade(f"the diagnosis of {name}", answer, [lambda given: _contradiction(given, right)], why=RULES[right])


def _contradiction(given: object, right: str) -> str | None:
    if given not in CAUSES:
        return f"expected one of the causes {', '.join(CAUSES)}; got {given!r}"
    for number, value in CAUSES[given].items():
        if CAUSES[right][number] != value:
            return f"{given} would give a {number} of {value}: look at that number again"
    return None


@lru_cache
def _evidence(cause: str) -> Case:
    """Model, target and pair of the failure, measured on the levels that a run would use."""
    data = product_mixture_oracle().to(torch.float64)
    generator = torch.Generator().manual_seed(9)
    grid = karras_grid(17)
    index = torch.randint(17, (1000,), generator=generator)
    t, s = grid[index], grid[index + 1]
    x0 = data.sample(1000, generator)
    eps, other = torch.randn((2, 1000, 2), generator=generator, dtype=torch.float64)
    x_t = PATH.mix(x0, eps, t)
    x_s = PATH.mix(x0, other, s) if cause == "independent noises" else data.flow(PATH)(x_t, t, s)
    model, target = _model(cause), _target(cause)
    samples = model(80 * torch.randn((2000, 2), generator=generator, dtype=torch.float64), grid[0].expand(2000))
    if cause == "noise after the last step":
        samples = samples + 0.3 * torch.randn((2000, 2), generator=generator, dtype=torch.float64)
    return Case(
        samples,
        loss=per_sample((model(x_t, t) - target(x_s, s)) ** 2).mean().item(),
        boundary_gap=(model(x0, grid[-1].expand(1000)) - x0).norm(dim=1).mean().item(),
        target_lag=(model(x_t, t) - target(x_t, t)).norm(dim=1).max().item(),
        std_ratio=samples.std(0).square().mean().sqrt().item() / 0.5,
    )


def _model(cause: str) -> Denoiser:
    """The function that training ends in."""
    data, grid = product_mixture_oracle().to(torch.float64), karras_grid(17)

    def fits_the_denoiser(x: Tensor, t: Tensor) -> Tensor:
        s = grid[(_level(t) + 1).clamp(max=17)]
        return data.denoiser(PATH)(data.flow(PATH)(x, t, s), s)

    def shrinks(x: Tensor, t: Tensor) -> Tensor:  # a ← a s²/(s² + t²) at each level, for Gaussian data of std s = ½
        kept = (0.25 / (0.25 + grid[:-1].flip(0) ** 2)).cumprod(0).flip(0)
        return like(torch.cat([kept, torch.ones(1, dtype=kept.dtype)])[_level(t)], x) * x

    def constant(x: Tensor, t: Tensor) -> Tensor:
        return torch.tensor([0.1, -0.05], dtype=x.dtype) + 0.01 * torch.tanh(x)

    broken = {
        "slow target": fits_the_denoiser,
        "no boundary condition": constant,
        "independent noises": shrinks,
    }
    return broken.get(cause, data.consistency(PATH))


def _target(cause: str) -> Denoiser:
    """f⁻: the model, but for a target that is still the diffusion model which the run started from."""
    data = product_mixture_oracle().to(torch.float64)
    return data.denoiser(PATH) if cause == "slow target" else _model(cause)


def _level(t: Tensor) -> Tensor:
    """Index of the level nearest to t, (B,)."""
    return (karras_grid(17).log() - t.double().log()[:, None]).abs().argmin(1)


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
