"""The checks of notebook 01: standardised data, and a path that is not in the package.

The new path is α = exp(−t), σ = √(1 − exp(−2t)), the Ornstein-Uhlenbeck process; it is VP with a constant rate.
"""

import torch
from torch import Tensor

from .checking import Answer, compare, grade

T = torch.tensor([0.3, 1.1], dtype=torch.float64)  # as many times as coordinates: a wrong axis cannot hide
X0 = torch.tensor([[0.7, -0.2], [-0.4, 0.5]], dtype=torch.float64)
EPS = torch.tensor([[-1.0, 0.4], [0.8, 1.5]], dtype=torch.float64)


def check_standardise(student: object) -> None:
    """Say how my_standardise(raw) does: (N, 2) -> mean 0 and std 1/2 over all coordinates together, (N, 2)."""
    why = "Every constant of the course (noise levels, scalings) is chosen for data of this size."
    grade("my_standardise", student, [_standard], why=why)


def _standard(standardise: Answer) -> str | None:
    raw = torch.randn((200, 2), dtype=torch.float64) * torch.tensor([3.0, 1.0]).double() + torch.tensor([5.0, -1.0])
    centred = raw - raw.mean(0)
    var = centred.square().mean()
    right = centred / (2 * var.sqrt())
    mistakes = {
        "the mean is not 0: subtract the mean of each coordinate": raw / (2 * var.sqrt()),
        "each coordinate got a scale of its own: circles would become ellipses, use one scale for both": (
            centred / (2 * centred.square().mean(0).sqrt())
        ),
        "each coordinate got a scale of its own, and the std is 1: use one scale, and make it one half": (
            centred / centred.square().mean(0).sqrt()
        ),
        "the std was taken before the means were subtracted: it holds their distance too": (
            centred / (2 * (raw - raw.mean()).square().mean().sqrt())
        ),
        "the std is 1: the course wants one half": 2 * right,
        "you divided by the variance: divide by its root": centred / (2 * var),
        "you subtracted one number from both coordinates: each has a mean of its own": (
            (raw - raw.mean()) / (2 * (raw - raw.mean()).square().mean().sqrt())
        ),
    }
    return compare(standardise(raw.clone()), right, mistakes=mistakes, rtol=0.004)  # n or n − 1, both will do


def check_ou_time(student: object) -> None:
    """Say how my_ou_time(nsr) does: noise-to-signal ratios (B,) -> times (B,) of the new path."""
    grade("my_ou_time", student, [_times], why="With time_at any two paths can be compared, and converted.")


def _times(time_at: Answer) -> str | None:
    nsr = (torch.exp(2 * T) - 1).sqrt()
    mistakes = {
        "a factor 1/2 is missing: σ²/α² is exp(2t) − 1, with a 2 in the exponent": 2 * T,
        "the ratio enters squared: look again at σ²/α²": torch.log1p(nsr) / 2,
        "the 1 got lost: σ²/α² is exp(2t) − 1, so exp(2t) is more than nsr²": nsr.log(),
        "you solved for σ² = 1 − exp(−2t) = nsr: the ratio is σ/α, not σ²": -torch.log((1 - nsr).abs()) / 2,
    }
    return compare(time_at(nsr.clone()), T, mistakes=mistakes)


def check_ou_velocity(student: object) -> None:
    """Say how my_ou_velocity(x, t, x0) does: (B, 2), (B,), (B, 2) -> slopes dx/dt, (B, 2)."""
    why = "Put E[x0|x_t] in the place of x0 and this is the equation that all samplers solve."
    grade("my_ou_velocity", student, [_slopes], why=why)


def _slopes(velocity: Answer) -> str | None:
    t = T[:, None]
    alpha, sigma = torch.exp(-t), (1 - torch.exp(-2 * t)).sqrt()
    x, noise = alpha * X0 + sigma * EPS, alpha**2 / sigma * EPS
    right = noise - alpha * X0
    mistakes = _wrong_noise_terms(alpha, sigma, x) | _wrong_signals(alpha, noise, x)
    return compare(velocity(x.clone(), T.clone(), X0.clone()), right, mistakes=mistakes)


def _wrong_signals(alpha: Tensor, noise: Tensor, x: Tensor) -> dict[str, Tensor]:
    """hint -> the velocity whose first term is wrong, or both; alpha (2, 1), the right noise term (2, 2)."""
    t = T[:, None]
    return {
        "the signal should shrink: the sign of the x0 term is wrong": noise + alpha * X0,
        "the noise should grow: the sign of the noise term is wrong": -noise - alpha * X0,
        "the noise term is missing": -alpha * X0,
        "the x0 term is missing": noise,
        "α is missing before x0: the derivative of exp(−t) is −exp(−t)": noise - X0,
        "the derivative of exp(−t) has no factor t: that is a power's rule": noise - t * alpha * X0,
        "the first term holds x0, the clean point, not x": noise - alpha * x,
        "you return the state itself: its derivative in t is asked for": x,
    }


def _wrong_noise_terms(alpha: Tensor, sigma: Tensor, x: Tensor) -> dict[str, Tensor]:
    """hint -> the velocity whose σ, dσ/dt, ε or axis is wrong; alpha, sigma (2, 1), x (2, 2)."""
    gap, square, d_sigma = x - alpha * X0, sigma**2, alpha**2 / sigma
    row_alpha, row_sigma = alpha.T, sigma.T
    row_eps = (x - row_alpha * X0) / row_sigma
    slow = (1 - alpha).sqrt()  # with the 2 of exp(−2t) forgotten
    terms = {
        "you used σ where its derivative belongs": sigma * EPS,
        "you differentiated σ², not σ: a root stands in between": 2 * alpha**2 * EPS,
        "one division by σ is missing: eps is (x − α x0)/σ, and the derivative of the root divides by σ too": (
            alpha**2 * EPS
        ),
        "both divisions by σ are missing, that of eps and that of the root's derivative": alpha**2 * gap,
        "the derivative of σ stops halfway: a root has an inner derivative, that of 1 − exp(−2t)": EPS / (2 * sigma),
        "the inner derivative is more than its factor 2: exp(−2t) stays": EPS / sigma,
        "the derivative of σ has α once: exp(−2t) is α²": alpha / sigma * EPS,
        "the derivative of σ is half too small: the inner derivative, of −exp(−2t), has a factor 2": d_sigma * EPS / 2,
        "the derivative of σ is twice too large: the root brings a factor 1/2": 2 * d_sigma * EPS,
        "eps is (x − α x0)/σ: you divided by σ²": d_sigma * gap / square,
        "eps is (x − α x0)/σ: the α before x0 is missing": d_sigma * (x - X0) / sigma,
        "eps is (x − α x0)/σ: the α before x0 is missing, and the division by σ": d_sigma * (x - X0),
        "x is not the noise: eps is (x − α x0)/σ": d_sigma * x,
        "x/σ is not the noise: eps is (x − α x0)/σ": d_sigma * x / sigma,
        "x − x0 over t is not the noise: eps is (x − α x0)/σ": d_sigma * (x - X0) / T[:, None],
        "σ is the root of 1 − exp(−2t): the root is missing": alpha**2 / square * gap / square,
        "σ² is 1 − exp(−2t): the 2 in the exponent is missing": alpha / (2 * slow) * gap / slow,
        "the times of σ went along the wrong axis: t[:, None] gives one time per row": alpha**2 / row_sigma * gap
        / row_sigma,
    }  # fmt: skip
    rows = row_alpha**2 / row_sigma * row_eps - row_alpha * X0
    return {hint: term - alpha * X0 for hint, term in terms.items()} | {
        "the times went along the wrong axis: t[:, None] gives one time per row": rows
    }


def check_convert(student: object) -> None:
    """Say how my_convert(x, t) does: a TrigFlow state (B, 2) and its times (B,) -> the same on Linear, as a pair."""
    why = "One trained network therefore serves every path: minicm.transport does this with a denoiser."
    grade("my_convert", student, [_converted], why=why)


def _converted(convert: Answer) -> str | None:
    x = torch.cos(T)[:, None] * X0 + 0.5 * torch.sin(T)[:, None] * EPS
    nsr = 0.5 * torch.tan(T)
    u = nsr / (1 + nsr)
    got = convert(x.clone(), T.clone())
    if not (isinstance(got, (tuple, list)) and len(got) == 2):
        return "expected two results: return x_linear, t_linear"
    unscaled = torch.tan(T) / (1 + torch.tan(T))
    wrong = compare(
        got[1],
        u,
        mistakes={
            "the times are those for the ratio tan(t): σ_d = 0.5 is missing in it": unscaled,
            "the times are the ratios themselves: solve t/(1 − t) = nsr for t": nsr,
            "the times are those of TrigFlow: both paths must have the same ratio, not the same time": T,
        },
    )
    if wrong:
        return f"t_linear: {wrong}"
    scale = ((1 - u) / torch.cos(T))[:, None]
    wrong = compare(
        got[0],
        scale * x,
        mistakes={
            "x is unchanged: the two states differ by the ratio of their signal scales": x,
            "the ratio of the signal scales is upside down": x / scale,
            "you divided by α of TrigFlow: now multiply by α of Linear": x / torch.cos(T)[:, None],
            "you multiplied by α of Linear: now divide by α of TrigFlow": (1 - u)[:, None] * x,
            "the times went along the wrong axis: t[:, None] gives one time per row": scale.T * x,
        },
    )
    return wrong and f"x_linear: {wrong}"
