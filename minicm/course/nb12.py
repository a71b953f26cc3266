"""The checks of notebook 12: progressive targets, the distribution-matching loss, DMD's weight, a critic's loss."""

import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..paths import TrigFlow
from ..rivals.adversarial import logistic_critic
from ..shapes import like, per_sample
from ..solvers.steps import ddim_step
from .checking import Answer, compare, depends, grade

PATH = TrigFlow()
EVENTS = ((2,), (3, 4, 4))  # points and images


def check_target(student: object) -> None:
    """Say how my_target(x, x_s, t, s) does: x̃ = (x_s − r x)/(α_s − r α_t), r = σ_s/σ_t, on TrigFlow."""
    why = "One DDIM step with this x0 arrives where the teacher's two did, so one step can learn two."
    grade("my_target", student, [_target, _undoes_a_step], why=why)


def _states(*event: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, x_s, t and s in float64, s < t."""
    x, x_s = torch.randn((2, 5, *event), dtype=torch.float64)
    t = torch.linspace(0.4, 1.5, 5, dtype=torch.float64)
    return x, x_s, t, 0.6 * t


def _target(target: Answer) -> str | None:
    for event in EVENTS:
        x, x_s, t, s = _states(*event)
        alpha_t, sigma_t = like(t.cos(), x), like(t.sin(), x)
        alpha_s, sigma_s = like(s.cos(), x), like(s.sin(), x)
        r, nsr = sigma_s / sigma_t, like(s.tan() / t.tan(), x)
        mistakes = {
            "the ratio is upside down: r = sigma_s / sigma_t, which is below 1": (
                (x_s - x / r) / (alpha_s - alpha_t / r)
            ),
            "this is the state where the teacher's two steps end: only at s = 0 is it the x0 to aim at": x_s,
            "the division is missing: alpha_s - r alpha_t of x0 are left after the noise is taken away": x_s - r * x,
            "alpha_s and alpha_t are swapped below the line": (x_s - r * x) / (alpha_t - r * alpha_s),
            "x and x_s are swapped above the line": (x - r * x_s) / (alpha_s - r * alpha_t),
            "above and below the line there is a minus": (x_s + r * x) / (alpha_s + r * alpha_t),
            "this is the formula of VE, where alpha is 1; here the data shrink by alpha": (x_s - nsr * x) / (1 - nsr),
            "alpha is forgotten below the line, as if it were 1": (x_s - r * x) / (1 - r),
        }
        wrong = compare(target(x, x_s, t, s), (x_s - r * x) / (alpha_s - r * alpha_t), mistakes=mistakes)
        if wrong:
            return f"for x of shape {tuple(x.shape)}: {wrong}"
    return None


def _undoes_a_step(target: Answer) -> str | None:
    x, x0, t, s = _states(2)
    arrived = ddim_step(PATH)(lambda x, t: PATH.velocity(x, t, x0), x, t, s)
    if compare(target(x, arrived, t, s), x0):
        return "a DDIM step with a known x0 is not undone: the target must give that x0 back"
    return None


def check_matching(student: object) -> None:
    """Say how my_matching(g, gap) does: ½ ‖g − sg(g − gap)‖²/d, (B,), whose gradient in g is gap/d."""
    why = "A loss whose value means little and whose gradient is exactly the one that was asked for."
    grade("my_matching", student, [_matching, _only_to_g], why=why)


def _matching(loss: Answer) -> str | None:
    for event in EVENTS[::-1]:  # with d = 2 a missing half and a missing division look alike
        g, gap = torch.randn((2, 5, *event), dtype=torch.float64)
        g.requires_grad_(True)
        got, d = loss(g, gap), g[0].numel()
        square = per_sample(gap**2)
        mistakes = {
            "the half is missing: its gradient would be twice the gap": square / d,
            "divide by d, the number of elements of a sample": square / 2,
            "the half and the division by d are both missing": square,
        }
        wrong = compare(got, square / (2 * d), mistakes=mistakes)
        if wrong:
            return wrong
        if not got.requires_grad:
            return "nothing carries a gradient: the g outside of the aim must keep its own"
        (slope,) = torch.autograd.grad(got.sum(), g)
        if compare(slope, torch.zeros_like(g)) is None:
            return "g cancels against the g inside the aim, so nothing learns: the aim g - gap must be stopped"
        wrong = compare(slope, gap / d, mistakes={"g moves along +gap, away from the data: look at the sign": -gap / d})
        if wrong:
            return f"the value is right, its gradient in g is not: {wrong}"
    return None


def _only_to_g(loss: Answer) -> str | None:
    g, gap = torch.randn((2, 5, 2), dtype=torch.float64).unbind()
    gap = gap.requires_grad_(True)
    if depends(loss(g.requires_grad_(True), gap), gap):
        return "a gradient flows into the gap, hence into both denoisers: stop the whole aim"
    return None


def check_weight(student: object) -> None:
    """Say how my_weighted(gap, real, g) does: gap/mean|g − D_real|, the mean over a sample's elements."""
    why = "Where the teacher itself is far from the sample, at large noise, the same gap now counts for less."
    grade("my_weighted", student, [_weight], why=why)


def _weight(weighted: Answer) -> str | None:
    for event in EVENTS:
        gap, real, g = torch.randn((3, 5, *event), dtype=torch.float64)
        error = (g - real).abs()
        scale = like(error.flatten(1).mean(1), g)
        mistakes = {
            "one mean for the whole batch: each sample has its own": gap / error.mean(),
            "each element is divided by its own error: the direction of the gap is lost": gap / error,
            "this is the root mean square: DMD takes the mean of absolute values": (
                gap / like((g - real).square().flatten(1).mean(1).sqrt(), g)
            ),
            "this is the norm, a sum over elements: it would depend on the size of the image": (
                gap / like((g - real).flatten(1).norm(dim=1), g)
            ),
            "sum instead of mean: it would depend on the size of the image": gap / (scale * g[0].numel()),
            "without the absolute value errors of both signs cancel": gap / like((g - real).flatten(1).mean(1), g),
            "you divide by the gap's own size: every sample would pull with the same force": (
                gap / like(gap.abs().flatten(1).mean(1), g)
            ),
            "you multiply where you should divide": gap * scale,
        }
        wrong = compare(weighted(gap, real, g), gap / scale, mistakes=mistakes)
        if wrong:
            return f"for g of shape {tuple(g.shape)}: {wrong}"
    return None


def check_critic(student: object) -> None:
    """Say how my_critic_loss(real, fake) does: softplus(−C(x)) + softplus(C(g)), (B,), of logits."""
    why = "At its best the logit is the log ratio of the two densities, and the loss 2 ln 2 when they are equal."
    grade("my_critic_loss", student, [_critic, _large], why=why)


def _critic(loss: Answer) -> str | None:
    real, fake = torch.randn((2, 64), dtype=torch.float64)
    mistakes = {
        "the signs are exchanged: this critic would call data generated": softplus(real) + softplus(-fake),
        "both terms have the same sign: data want a high logit, generated samples a low one": (
            softplus(-real) + softplus(-fake)
        ),
        "this is what the generator minimises; the critic's loss has a term for data, too": softplus(-fake),
        "this is the generated samples' term alone": softplus(fake),
        "this is the data's term alone": softplus(-real),
        "this is the hinge loss, whose best critic is a sign and not a density ratio": (
            (1 - real).relu() + (1 + fake).relu()
        ),
        "this is its negative: the critic would learn to be wrong": -logistic_critic(real, fake),
        "a mean of the two terms: take their sum": logistic_critic(real, fake) / 2,
    }
    return compare(loss(real, fake), logistic_critic(real, fake), mistakes=mistakes)


def _large(loss: Answer) -> str | None:
    real, fake = torch.tensor([[-800.0, 3.0], [2.0, 800.0]], dtype=torch.float64)
    if compare(loss(real, fake), logistic_critic(real, fake)):
        return "for logits as large as 800 it is not finite: use softplus, which neither overflows nor rounds to ln 0"
    return None
