"""The diagnosis of notebook 09: failures known by their numbers, each a closed form of what that failure ends in."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..data import product_mixture_oracle
from ..paths import VE
from ..shapes import Denoiser, like, per_sample
from ..times import karras_grid
from .checking import grade

PATH = VE()


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
