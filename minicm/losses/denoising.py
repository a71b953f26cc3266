"""Diffusion training: a denoiser learns E[x0|x_t] by regression on x0.

E w(t) ‖D(x_t, t) − x0‖², in the two weightings that matter here; on TrigFlow they differ by the constant σ_d².
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_positive
from ..paths import Path
from ..shapes import Denoiser, like, of_path
from ..times import Law


def denoising_loss(
    model: Denoiser,
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
    *,
    path: Path,
    sigma_data: float = 0.5,
    teacher: Denoiser | None = None,
) -> Tensor:
    """(nsr² + σ_d²)/(nsr σ_d)² ‖D(x_t, t) − x0‖²/d, per sample; (B,), on average 1 where F = 0.

    nsr = σ(t)/α(t).  d: elements per sample.  With EDM's scaling it is the plain squared error of F.
    x0, eps: (B, *S).  t: (B,).  teacher: the denoiser whose answer stands for x0; None: x0 itself.
    Raises ValueError for shapes that do not fit, and unless sigma_data > 0.
    Source: Karras et al. 2022 (EDM), eq. 2 and table 1.
    """
    check_positive("sigma_data", sigma_data)
    x, nsr = path.mix(x0, eps, t), path.nsr(t)
    weight = (nsr**2 + sigma_data**2) / (nsr * sigma_data) ** 2
    error = of_path("model", model, path)(x, t) - _clean(x0, x, t, path, teacher)
    return (like(weight, x0) * error**2).flatten(1).mean(1)


@torch.no_grad()
def _clean(x0: Tensor, x: Tensor, t: Tensor, path: Path, teacher: Denoiser | None) -> Tensor:
    """What the model should say at x."""
    return x0 if teacher is None else of_path("teacher", teacher, path)(x, t)


def velocity_loss(
    model: Denoiser, x0: Tensor, eps: Tensor, t: Tensor, *, path: Path, teacher: Denoiser | None = None
) -> Tensor:
    """‖v(x_t, t, D(x_t, t)) − v(x_t, t, x0)‖²/d, per sample; (B,), data units per time, squared.

    v is `path.velocity`.  On TrigFlow this is ‖σ_d F − (cos t z − sin t x0)‖²/d = σ_d² `denoising_loss`; on the linear
    path it is flow matching.
    x0, eps: (B, *S).  t: (B,), with σ(t) > 0.  teacher: the denoiser whose answer stands for x0; None: x0 itself.
    Raises ValueError for shapes that do not fit.
    Source: Lu and Song 2024 (sCM), eq. 4; Lipman et al. 2023 (flow matching), eq. 9.
    """
    x, model = path.mix(x0, eps, t), of_path("model", model, path)
    # v is affine in x0 with slope α̇ − σ̇ α/σ: the difference needs neither velocity
    slope = path.d_alpha(t) - path.d_sigma(t) * path.alpha(t) / path.sigma(t)
    error = model(x, t) - _clean(x0, x, t, path, teacher)
    return ((like(slope, x) * error) ** 2).flatten(1).mean(1)


@dataclass(frozen=True)
class DenoisingLoss:
    """`denoising_loss` with random noise and times: a `Loss`.

    law: of the noise-to-signal ratio, data units; EDM's is log_normal(−1.2, 1.2).
    Raises ValueError unless sigma_data > 0.
    """

    path: Path
    law: Law
    sigma_data: float = 0.5
    teacher: Denoiser | None = None

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data)

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        t = self.path.time_at(self.law(len(x0), generator))
        eps = torch.empty_like(x0).normal_(generator=generator)
        return denoising_loss(
            model, x0, eps, t, path=self.path, sigma_data=self.sigma_data, teacher=self.teacher
        )  # fmt: skip


@dataclass(frozen=True)
class VelocityLoss:
    """`velocity_loss` with random noise and times: a `Loss`.

    law: of the noise-to-signal ratio, data units; the sCM paper's teacher on CIFAR-10 has log_normal(−1.2, 1.2).
    """

    path: Path
    law: Law
    teacher: Denoiser | None = None

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        t = self.path.time_at(self.law(len(x0), generator))
        eps = torch.empty_like(x0).normal_(generator=generator)
        return velocity_loss(model, x0, eps, t, path=self.path, teacher=self.teacher)
