"""The checks of notebook 02: posterior means, Tweedie's formula α E[x0|x] = x + σ² ∇log p, and the ODE by the score."""

import torch
from torch import Tensor

from ..paths import VP, Path
from .checking import Answer, compare, grade

X = torch.tensor([[0.7, -0.2], [-0.4, 0.5]], dtype=torch.float64)
ALPHA, SIGMA = torch.tensor(0.8, dtype=torch.float64), torch.tensor(0.6, dtype=torch.float64)


def check_two_points(student: object) -> None:
    """Say how my_two_points(x, alpha, sigma, a) does: E[x0|x] for data at +a and −a; x (B,) -> (B,)."""
    why = "This S-curve is the smallest denoiser that must choose: steep at low noise, flat at high noise."
    grade("my_two_points", student, [_s_curve, _far_out], why=why)


def _s_curve(mean: Answer) -> str | None:
    x, a = torch.linspace(-1.5, 1.4, 7, dtype=torch.float64), 0.7
    inner = ALPHA * a * x / SIGMA**2
    mistakes = {
        "the argument of tanh is twice too large: p₊ − p₋ = tanh of half the difference of the logits": (
            2 * inner
        ).tanh(),
        "the argument of tanh is twice too small: the two squares differ by 4 α a x, over 2σ², and tanh takes half": (
            (inner / 2).tanh()
        ),
        "a is missing inside: the farther the points are apart, the easier is the choice": (inner / a).tanh(),
        "α is missing: the noisy copies of the points lie at ±α a": (a * x / SIGMA**2).tanh(),
        "σ enters squared": (ALPHA * a * x / SIGMA).tanh(),
    }
    mistakes = {hint: a * value for hint, value in mistakes.items()}
    mistakes["you return a probability or a sign between −1 and 1: the guess lies between −a and a"] = inner.tanh()
    mistakes["you return p₊, the probability of +a: the mean weighs both points with it"] = (2 * inner).sigmoid()
    mistakes["only +a is weighed: −a counts too, with its own probability"] = a * (2 * inner).sigmoid()
    plus, minus = (torch.exp(-((x - m).square()) / (2 * SIGMA**2)) for m in (ALPHA * a, -ALPHA * a))
    mistakes["the two weights do not add up to 1: divide by their sum"] = a * (plus - minus)
    mistakes["you return the nearer point: the mean weighs both"] = a * x.sign()
    return compare(mean(x.clone(), ALPHA.clone(), SIGMA.clone(), a), a * inner.tanh(), mistakes=mistakes)


def _far_out(mean: Answer) -> str | None:
    x = torch.tensor([-1.0, 1.0], dtype=torch.float64)
    wrong = compare(mean(x.clone(), ALPHA.clone(), torch.tensor(0.01, dtype=torch.float64), 0.7), 0.7 * x)
    return wrong and f"at σ = 0.01 {wrong}; exp of a large number overflows, torch.tanh, sigmoid and softmax do not"


def check_score(student: object) -> None:
    """Say how my_score(x, alpha, sigma, x0_hat) does: the denoiser's answer (B, 2) -> ∇log p_t(x), (B, 2)."""
    why = "A network that denoises has learnt the gradient of the log-density, without ever seeing a density."
    grade("my_score", student, [_tweedie], why=why)


def _tweedie(score: Answer) -> str | None:
    x0_hat = torch.tensor([[0.5, 0.1], [-0.3, 0.2]], dtype=torch.float64)
    gap = ALPHA * x0_hat - X
    mistakes = {
        "σ enters squared": gap / SIGMA,
        "the division by σ² is missing": gap,
        "α before x0_hat is missing: the clean part of x is α x0": (x0_hat - X) / SIGMA**2,
        "the sign is wrong: the score points from x towards the data": -gap / SIGMA**2,
        "this is the noise that the denoiser implies: the score is that over −σ": -gap / SIGMA,
    }
    return compare(score(X.clone(), ALPHA.clone(), SIGMA.clone(), x0_hat.clone()), gap / SIGMA**2, mistakes=mistakes)


def check_importance(student: object) -> None:
    """Say how my_importance(x, alpha, sigma, samples) does: x (B, 2), samples (n, 2) -> E[x0|x] (B, 2)."""
    why = "It needs samples only, no formula for the data: an independent check for every denoiser."
    grade("my_importance", student, [_weighted, _underflow], why=why)


def _weighted(importance: Answer) -> str | None:
    samples = 0.5 * torch.randn((50, 2), dtype=torch.float64)
    square = torch.cdist(X, ALPHA * samples).square()
    logits = -square / (2 * SIGMA**2)
    raw_square = torch.cdist(X, samples).square()
    mistakes = {
        "all samples have the same weight: near ones should count more": samples.mean(0).expand(2, 2),
        "the weights were normalised over the wrong axis: for each x those of all samples add up to 1": (
            logits.softmax(0) @ samples
        ),
        "the weights were divided by one sum for all x: for each x those of all samples add up to 1": (
            logits.exp() @ samples / logits.exp().sum()
        ),
        "the weights do not add up to 1: divide by their sum": logits.exp() @ samples,
        "the weights are averaged, not normalised: divide by their sum, not by n": logits.exp()
        @ samples
        / len(samples),
        "α is missing: sample x0 explains x by its copy α x0": (-raw_square / (2 * SIGMA**2)).softmax(1) @ samples,
        "the 2 in exp(−|x − α x0|²/2σ²) is missing": (2 * logits).softmax(1) @ samples,
        "σ enters squared": (-square / (2 * SIGMA)).softmax(1) @ samples,
        "the distance enters squared": (-square.sqrt() / (2 * SIGMA**2)).softmax(1) @ samples,
        "far samples count more than near ones: the sign in the exponent is wrong": (-logits).softmax(1) @ samples,
    }
    got = importance(X.clone(), ALPHA.clone(), SIGMA.clone(), samples.clone())
    return compare(got, logits.softmax(1) @ samples, mistakes=mistakes)


def _underflow(importance: Answer) -> str | None:
    samples = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    x, small = torch.tensor([[2.0, 0.0]], dtype=torch.float64), torch.tensor(0.01, dtype=torch.float64)
    wrong = compare(importance(x.clone(), ALPHA.clone(), small, samples.clone()), samples[1:])
    return wrong and f"far from all samples {wrong}; all weights became exp(−large) = 0, let softmax do it"


def check_flow_by_score(student: object) -> None:
    """Say how my_flow(x, t, path, score) does: (B, 2), (B,), a path, the score (B, 2) -> dx/dt (B, 2)."""
    why = "The papers write the ODE with the score, this course with the denoiser: now you can read both."
    grade("my_flow", student, [_flow], why=why)


def _flow(flow: Answer) -> str | None:
    path, t = VP(), torch.tensor([0.3, 0.5], dtype=torch.float64)
    score = torch.tensor([[-0.9, 0.5], [1.2, -0.4]], dtype=torch.float64)
    a, s, da, ds = (f(t)[:, None] for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
    drift, pull = da / a * X, s**2 * (ds / s - da / a)
    mistakes = _wrong_factors(path, t, score) | _wrong_substitutes(path, t, score)
    return compare(flow(X.clone(), t.clone(), path, score.clone()), drift - pull * score, mistakes=mistakes)


def _wrong_substitutes(path: Path, t: Tensor, score: Tensor) -> dict[str, Tensor]:
    """hint -> α̇ D + σ̇ ε with a wrong D or ε in terms of the score."""
    a, s, da, ds = (f(t)[:, None] for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))

    def flow(x0: Tensor, noise: Tensor) -> Tensor:
        return da * x0 + ds * noise

    def both(x0: Tensor) -> Tensor:
        return flow(x0, (X - a * x0) / s)

    x0, noise = (X + s**2 * score) / a, -s * score
    return {
        "D is (x + σ² score)/α: the division by α is missing": both(a * x0),
        "D is (x + σ² score)/α: x is missing": both(s**2 * score / a),
        "D is (x + σ² score)/α, and (x − α D)/σ holds the same D: α before it is missing": flow(x0, (X - x0) / s),
        "(x − α D)/σ is −σ score: σ is missing": flow(x0, -score),
        "(x − α D)/σ is −σ score: you divided by σ": flow(x0, -score / s),
        "dσ/dt is missing before (x − α D)/σ": da * x0 + noise,
        "the second term, dσ/dt (x − α D)/σ, is missing": da * x0,
        "dα/dt and dσ/dt are swapped": ds * x0 + da * noise,
        "you used α and σ where their derivatives belong": a * x0 + s * noise,
        "the score is put in the place of D: D is (x + σ² score)/α": both(score),
    }


def _wrong_factors(path: Path, t: Tensor, score: Tensor) -> dict[str, Tensor]:
    """hint -> the flow with a wrong factor of x or of the score."""
    a, s, da, ds = (f(t)[:, None] for f in (path.alpha, path.sigma, path.d_alpha, path.d_sigma))
    drift, pull = da / a * X, s**2 * (ds / s - da / a)
    return {
        "the sign of the score term is wrong: time runs towards the noise, away from the data": drift + pull * score,
        "the term with x is missing: it is 0 on VE only": -pull * score,
        "the sign of the term with x is wrong": -drift - pull * score,
        "this is right on VE only: the score's factor has a second part where α changes": drift - s * ds * score,
        "the factor of the score is twice too large: that is the reverse SDE's": drift - 2 * pull * score,
        "the two parts of the score's factor have opposite signs: (x − α D)/σ is −σ score": drift
        + s**2 * (ds / s + da / a) * score,
        "the factor of the score is half of the right one": drift - pull / 2 * score,
        "dα/dt stands without its division by α: D is (x + σ² score)/α": da * X - (s * ds - s**2 * da) * score,
        "the times went along the wrong axis: path.alpha(t)[:, None] gives one number per row": (
            (da / a).T * X - pull.T * score
        ),
        "x is multiplied by dα/dt: it should be the relative change, (dα/dt)/α": da * X - pull * score,
        "σ enters squared before the score": drift - pull / s * score,
        "σ² before the score is missing": drift - pull / s**2 * score,
        "dσ/dt stands without its division by σ, or (x − α D) without its own": drift - s**2 * (ds - da / a) * score,
        "dα/dt stands without its division by α in the factor of the score": drift - s**2 * (ds / s - da) * score,
        "−t score is VE's field: this path has an α and a σ of its own": -t[:, None] * score,
        "−σ dσ/dt score is the flow where α does not change: dα/dt D is missing": -s * ds * score,
        "(dα/dt)/α is upside down": a / da * X - s**2 * (ds / s - a / da) * score,
        "the times went along the wrong axis in the term with x": (da / a).T * X - pull * score,
        "the times went along the wrong axis in the term with the score": drift - pull.T * score,
    }
