"""Adversarial distillation: a discriminator C says what data looks like, and a student is trained to please it.

Logistic: L_C = softplus(−C(x)) + softplus(C(g)), L_G = softplus(−C(g)).  At its best C is ln p(x)/p_g(x).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..checks import check_alike, check_between, check_floats, check_per_sample
from ..paths import Path
from ..shapes import Denoiser, like, per_sample
from ..times import Law
from .alternating import Alternating, CriticLoss
from .matching import generate, on_path

Scored = Callable[[Tensor, Tensor], Tensor]  # (C(x), C(g)) -> (B,)


def logistic_critic(real: Tensor, fake: Tensor) -> Tensor:
    """softplus(−C(x)) + softplus(C(g)); (B,), 2 ln 2 when both laws are equal and C is at its best.

    Raises ValueError unless both have one shape.  Source: Goodfellow et al. 2014, eq. 1.
    """
    check_alike("fake", fake, "real", real)
    return softplus(-real) + softplus(fake)


def logistic_generator(fake: Tensor) -> Tensor:
    """softplus(−C(g)), which does not saturate where C is sure; (B,).  Source: Goodfellow et al. 2014, sec. 3."""
    return softplus(-fake)


def hinge_critic(real: Tensor, fake: Tensor) -> Tensor:
    """relu(1 − C(x)) + relu(1 + C(g)); (B,), 2 at C = 0.

    Raises ValueError unless both have one shape.  Source: Lim and Ye 2017 (geometric GAN).
    """
    check_alike("fake", fake, "real", real)
    return (1 - real).relu() + (1 + fake).relu()


def hinge_generator(fake: Tensor) -> Tensor:
    """−C(g); (B,).  Source: Lim and Ye 2017 (geometric GAN)."""
    return -fake


def gradient_penalty(critic: nn.Module, x: Tensor) -> Tensor:
    """‖∇_x C(x)‖², (B,), with the graph for the critic's parameters.  R1 where x is data.

    Raises ValueError unless x holds floats.  Source: Mescheder et al. 2018, eq. 9.
    """
    check_floats("x", x)
    x = x.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(_scores(critic, x).sum(), x, create_graph=True)
    return per_sample(slope**2)


def _scores(critic: nn.Module, x: Tensor) -> Tensor:
    """C(x), (B,).  Raises ValueError for another shape: (B, 1) beside (B,) would broadcast to (B, B)."""
    found = critic(x)
    check_per_sample("what critic returns", found, x)
    return found


def _blurred(x: Tensor, blur: Law | None, generator: torch.Generator) -> Tensor:
    if blur is None:
        return x
    return x + like(blur(len(x), generator), x) * torch.empty_like(x).normal_(generator=generator)


@dataclass(frozen=True)
class AdversarialLoss:
    """What the critic thinks of generated samples: a `Loss`.

    levels: (N,), times of the generator's inputs, as for `generate`.  blur: a law of noise levels, data units, at which
    the critic looks at samples, so that it has something to say where the two laws do not overlap; None: no noise.
    """

    path: Path
    critic: nn.Module
    levels: Tensor
    score: Callable[[Tensor], Tensor] = logistic_generator
    blur: Law | None = None

    def __post_init__(self) -> None:
        on_path(self.levels, self.path)

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        g = generate(model, x0, self.levels, self.path, generator)
        return self.score(_scores(self.critic, _blurred(g, self.blur, generator)))


def discriminator_loss(
    path: Path, levels: Tensor, *, score: Scored = logistic_critic, r1: float = 0.0, blur: Law | None = None
) -> CriticLoss:
    """score(C(x), C(g)) + r1/2 ‖∇C(x)‖², per sample; (B,).  r1: in squared data units.  blur: as in the generator's.

    Raises ValueError unless r1 >= 0.
    """
    levels = on_path(levels, path)
    check_between("r1", r1, 0.0)

    def loss(critic: nn.Module, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            g = _blurred(generate(model, x0, levels, path, generator), blur, generator)
            x = _blurred(x0, blur, generator)
        value = score(_scores(critic, x), _scores(critic, g))
        return value if r1 == 0 else value + r1 / 2 * gradient_penalty(critic, x)

    return loss


def gan(
    path: Path,
    critic: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    levels: Tensor | None = None,
    r1: float = 0.1,
    blur: Law | None = None,
    lr: Callable[[int], float] | None = None,
) -> Alternating:
    """Non-saturating adversarial training with R1, one update of the critic before each of the student's.

    levels: None for [t_max].  For hinge losses build `Alternating` from `AdversarialLoss` and `discriminator_loss`.
    """
    levels = torch.tensor([path.t_max], dtype=torch.float64) if levels is None else levels
    loss = AdversarialLoss(path, critic, levels, blur=blur)
    return Alternating(loss, critic, discriminator_loss(path, levels, r1=r1, blur=blur), optimizer, lr=lr)
