"""Distribution matching: samples move down the reverse Kullback-Leibler divergence, seen through noise.

grad_g KL(p_g,t ‖ p_t) = (α²/σ²) (D_fake(x_t) − D_real(x_t)), x_t = α g + σ ε.  D_real is the teacher; D_fake is trained
on the generator's samples alongside, which `Alternating` does.  For another divergence, E_g f(p_t/p_g,t), the gradient
of each sample counts f''(r) r² times, r = p_t/p_g,t at x_t: a dial from seeking modes to covering them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from ..checks import as_floats, check_alike, check_floats, check_per_sample
from ..losses.denoising import velocity_loss
from ..paths import Path
from ..shapes import Denoiser, like, of_path, per_sample
from ..times import Law
from .alternating import Alternating, CriticLoss


class Weighting(Protocol):
    """The gradient for g, from gap = D_fake − D_real and real = D_real; all (B, *S), t: (B,)."""

    def __call__(self, gap: Tensor, real: Tensor, g: Tensor, t: Tensor, path: Path, /) -> Tensor: ...  # noqa: D102


def unweighted(gap: Tensor, real: Tensor, g: Tensor, t: Tensor, path: Path) -> Tensor:
    """D_fake − D_real: VSD with weight σ²/α², the form that stays bounded at both ends of the path."""
    return gap


def by_teacher_error(gap: Tensor, real: Tensor, g: Tensor, t: Tensor, path: Path) -> Tensor:
    """(D_fake − D_real)/mean|g − D_real|, the mean over a sample's elements.

    Source: Yin et al. 2024 (DMD), eq. 8, divided by the path's α, which is 1 on VE.
    """
    scale = (g - real).abs().flatten(1).mean(1).clamp(min=1e-5)
    return gap / like(scale, gap)


PerPoint = Callable[[Tensor, Tensor], Tensor]  # (x_t (B, *S), t (B,)) -> (B,)


def reverse_kl(x: Tensor, t: Tensor) -> Tensor:
    """1 for each sample, (B,): f = −ln r, which seeks modes and needs no ratio."""
    return torch.ones_like(t)


def forward_kl(log_ratio: PerPoint) -> PerPoint:
    """r for each sample: f = r ln r, which covers all modes, and is loud where the generator has few samples.

    log_ratio: ln p_t(x) − ln p_g,t(x), known, or learnt by a classifier of noised samples.
    Source: Xu, Nie and Vahdat 2025 (f-distill), its weighting function.
    """
    return lambda x, t: log_ratio(x, t).exp()


def jensen_shannon(log_ratio: PerPoint) -> PerPoint:
    """r/(1 + r) for each sample, below 1: f = r ln r − (1 + r) ln((1 + r)/2), between the two.  As `forward_kl`."""
    return lambda x, t: log_ratio(x, t).sigmoid()


def matching_loss(
    g: Tensor,
    eps: Tensor,
    t: Tensor,
    *,
    path: Path,
    real: Denoiser,
    fake: Denoiser,
    weighting: Weighting = unweighted,
    divergence: PerPoint = reverse_kl,
) -> Tensor:
    """½‖g − sg(g − grad)‖²/d, per sample; (B,), whose gradient is grad · ∂g/∂θ / d.

    g, eps: (B, *S), generated samples with their gradient graph, and noise.  t: (B,).  divergence: how often each
    sample's gradient counts.  Raises ValueError for shapes that do not fit.
    Source: Yin et al. 2024 (DMD), eq. 7; Wang et al. 2023 (VSD).
    """
    check_alike("eps", eps, "g", g)
    x, real, fake = path.mix(g.detach(), eps, t), of_path("real", real, path), of_path("fake", fake, path)
    with torch.no_grad():
        clean = real(x, t)
        counts = divergence(x, t)
        check_per_sample("values of the divergence", counts, g, "g")
        grad = like(counts, g) * weighting(fake(x, t) - clean, clean, g, t, path)
    return per_sample((g - (g.detach() - grad)) ** 2) / 2 / g[0].numel()


def on_path(levels: Tensor, path: Path) -> Tensor:
    """The levels in float64, (N,), at least one, in any order: one that stands there twice is drawn twice as often.

    Raises ValueError for others, and for times off the path.
    """
    levels = as_floats("levels", levels)
    if levels.ndim != 1 or len(levels) < 1:
        raise ValueError(f"expected levels (N,), at least one, got shape {tuple(levels.shape)}")
    return path.check_times(levels, "levels")


def generate(model: Denoiser, x0: Tensor, levels: Tensor, path: Path, generator: torch.Generator) -> Tensor:
    """g = f(x_t, t) with t drawn from the levels (N,) for each sample; (B, *S).

    x_t holds data below t_max, so that samplers of several steps are trained as well; levels = [t_max] needs none.
    Raises ValueError for times off the path.
    Source: Yin et al. 2024 (DMD2), sec. 4.4, with noised data in place of its simulated inputs.
    """
    check_floats("x0", x0)
    levels, model = on_path(levels, path), of_path("model", model, path)
    t = levels.to(x0.device)[torch.randint(len(levels), (len(x0),), generator=generator, device=x0.device)]
    eps = torch.empty_like(x0).normal_(generator=generator)
    at_end = like((t >= path.t_max).to(t.dtype), x0) > 0
    return model(torch.where(at_end, like(path.sigma(t), x0) * eps, path.mix(x0, eps, t)), t)


@dataclass(frozen=True)
class MatchingLoss:
    """`matching_loss` of generated samples: a `Loss`.

    law: of the noise-to-signal ratio at which the two denoisers are compared.  levels: of the generator's inputs.
    """

    path: Path
    law: Law
    real: Denoiser
    fake: Denoiser
    levels: Tensor
    weighting: Weighting = unweighted
    divergence: PerPoint = reverse_kl

    def __post_init__(self) -> None:
        on_path(self.levels, self.path)

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        g = generate(model, x0, self.levels, self.path, generator)
        t = self.path.time_at(self.law(len(x0), generator)).clamp(self.path.t_min, self.path.t_max)
        eps = torch.empty_like(x0).normal_(generator=generator)
        return matching_loss(
            g, eps, t, path=self.path, real=self.real, fake=self.fake, weighting=self.weighting,
            divergence=self.divergence,
        )  # fmt: skip


def fake_score_loss(path: Path, law: Law, levels: Tensor) -> CriticLoss:
    """The velocity loss of the critic on the generator's samples: it learns D_fake; (B,)."""
    levels = on_path(levels, path)

    def loss(critic: nn.Module, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            g = generate(model, x0, levels, path, generator)
        t = path.time_at(law(len(x0), generator)).clamp(path.t_min, path.t_max)
        eps = torch.empty_like(x0).normal_(generator=generator)
        return velocity_loss(critic, g, eps, t, path=path)

    return loss


def vsd(
    path: Path,
    law: Law,
    teacher: Denoiser,
    fake: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    levels: Tensor | None = None,
    updates: int = 1,
    weighting: Weighting = unweighted,
    lr: Callable[[int], float] | None = None,
) -> Alternating:
    """VSD or DMD: `MatchingLoss`, with `updates` of the fake score before each of the generator's.

    fake: D_fake, a copy of the teacher at first; optimizer holds its parameters.  levels: None for [t_max].
    Source: Yin et al. 2024 (DMD2), Alg. 1, with 5 updates on images.
    """
    levels = torch.tensor([path.t_max], dtype=torch.float64) if levels is None else levels
    loss = MatchingLoss(path, law, teacher, fake, levels, weighting)
    return Alternating(loss, fake, fake_score_loss(path, law, levels), optimizer, updates=updates, lr=lr)
