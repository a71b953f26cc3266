"""Sample matching: samples drift towards the data and away from each other, with no path, teacher or critic.

A batch of one-step samples x is compared with a batch of data y and with other samples x' of the same model.  A field
says where each sample should move, and the network learns to answer there:

    Drifting   mean of y near x, minus mean of x' near x     near: a kernel of the distance
    Sinkhorn   where optimal transport takes x among y, minus where it takes it among x'
    energy     mean direction to y, minus mean direction to x'

With a Gaussian kernel of width h the first is the difference of two ideal denoisers, h² times that of two scores at
noise level h: distribution matching with the softmax of notebook 02 in place of its two networks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..checks import check_alike, check_count, check_positive
from ..paths import Path
from ..shapes import Denoiser, per_sample
from .matching import generate, on_path


class Field(Protocol):
    """Where samples (B, *S) should move, (B, *S), given data (K, *S) and other samples (M, *S); data units."""

    def __call__(self, samples: Tensor, data: Tensor, others: Tensor, /) -> Tensor: ...  # noqa: D102


Closeness = Callable[[Tensor], Tensor]  # distances -> logarithms of the kernel


def laplace(tau: float) -> Closeness:
    """−|x − y|/τ: its reach has no edge, so that far samples are drawn in as well.  Raises ValueError unless τ > 0."""
    check_positive("tau", tau)
    return lambda distance: -distance / tau


def gaussian_window(h: float) -> Closeness:
    """−|x − y|²/2h²: the drift is that of two ideal denoisers at noise level h.  Raises ValueError unless h > 0."""
    check_positive("h", h)
    return lambda distance: -(distance**2) / (2 * h**2)


def mean_shift(x: Tensor, y: Tensor, closeness: Closeness) -> Tensor:
    """Σ_i k(x, y_i)(y_i − x)/Σ_i k(x, y_i): from x to the mean of the y near it; x (B, d), y (K, d) -> (B, d)."""
    return closeness(torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")).softmax(1) @ y - x


def drifting(kernels: Sequence[Closeness] = (laplace(0.02), laplace(0.05), laplace(0.2))) -> Field:
    """The drift V⁺ − V⁻ of each kernel, to the data and away from other samples, each with root mean square 1, summed.

    It is 0 where samples and data have one law, and changes its sign with their roles.  The reverse does not hold: a
    kernel may see no difference where there is one.  The default reaches suit points in the plane.
    Raises ValueError for no kernel.  Source: Deng et al. 2026 (Drifting), its mean-shift field; several temperatures,
    each normalised, as in its appendix A.  Other samples come from a batch of their own here, where the paper leaves
    out each sample's pair with itself.
    """
    check_count("the number of kernels", len(kernels))

    def field(samples: Tensor, data: Tensor, others: Tensor) -> Tensor:
        x, y, z = samples.flatten(1), data.flatten(1), others.flatten(1)
        drifts = [mean_shift(x, y, kernel) - mean_shift(x, z, kernel) for kernel in kernels]
        return sum(v / v.square().mean().sqrt().clamp(min=1e-12) for v in drifts).reshape(samples.shape)

    return field


def energy_field(samples: Tensor, data: Tensor, others: Tensor) -> Tensor:
    """E (y − x)/|y − x| − E (x' − x)/|x' − x|: down the energy distance, which has no scale; (B, *S).

    On a line it is 2 (F_q − F_p), the gap between the two distribution functions at x.
    Source: Székely and Rizzo 2013 (energy statistics), the gradient of their distance.
    """

    def direction(to: Tensor) -> Tensor:
        gap = to.flatten(1) - samples.flatten(1)[:, None]
        return (gap / gap.norm(dim=2, keepdim=True).clamp(min=1e-12)).mean(1)

    return (direction(data) - direction(others)).reshape(samples.shape)


def sinkhorn_plan(x: Tensor, y: Tensor, weight: float, iterations: int = 20) -> Tensor:
    """The share of each x that goes to each y in entropic optimal transport of |x − y|²/2; (B, K), rows sum to 1.

    x: (B, d), y: (K, d), all equally heavy.  weight: of the entropy, data units squared.
    Columns sum to B/K once the iterations have converged.  Raises ValueError unless weight > 0 and iterations >= 1.
    Source: Cuturi 2013 (Sinkhorn distances), in logarithms.
    """
    check_positive("weight", weight)
    check_count("iterations", iterations)
    logits = -(torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2) / (2 * weight)
    v = torch.zeros_like(logits[0])
    for _ in range(iterations):
        u = -(logits + v).logsumexp(1)
        v = -(logits + u[:, None]).logsumexp(0)
    return (logits + v).softmax(1)


def sinkhorn(weight: float = 0.05, iterations: int = 20) -> Field:
    """Σ_y P_xy y − Σ_x' P_xx' x': where transport takes x among the data, minus where it takes it among samples.

    It is 0 for all x only if both have one law.  A large weight moves the mean alone; a small one pairs each sample
    with one point.  Raises ValueError unless weight > 0 and iterations >= 1.
    Source: the Sinkhorn divergence's gradient (Feydy et al. 2019), as a field for one-step models.
    """
    check_positive("weight", weight)
    check_count("iterations", iterations)

    def field(samples: Tensor, data: Tensor, others: Tensor) -> Tensor:
        x, y, z = samples.flatten(1), data.flatten(1), others.flatten(1)
        towards, among = (sinkhorn_plan(x, points, weight, iterations) @ points for points in (y, z))
        return (towards - among).reshape(samples.shape)

    return field


@dataclass(frozen=True)
class SampleMatchingLoss:
    """‖x − sg(x + V)‖²/d of generated samples x and their field V: a `Loss`, (B,); its gradient is −2V/d.

    levels: of the generator's inputs, see `generate`; None for pure noise at t_max, all that one evaluation needs.
    Raises ValueError for levels off the path, and for a field that answers in another shape.
    Source: Deng et al. 2026 (Drifting), the training objective.
    """

    path: Path
    field: Field
    levels: Tensor | None = None

    def __post_init__(self) -> None:
        on_path(self._levels(), self.path)

    def _levels(self) -> Tensor:
        return torch.tensor([self.path.t_max], dtype=torch.float64) if self.levels is None else self.levels

    def __call__(self, model: Denoiser, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        samples = generate(model, x0, self._levels(), self.path, generator)
        with torch.no_grad():
            others = generate(model, x0, self._levels(), self.path, generator)
            move = self.field(samples.detach(), x0, others)
        check_alike("what the field returns", move, "the samples", samples)
        return per_sample((samples - (samples.detach() + move)) ** 2) / x0[0].numel()
