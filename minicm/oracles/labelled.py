"""A Gaussian mixture whose components have classes: p(x), p(x|c) and p(c|x) are all known, at every noise level.

The score of guidance is that of p_t(x) p_t(c|x)^w, level by level: ∇ log p_t + w ∇ log p_t(c|·).
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ..checks import check_between, check_count, check_floats, check_labels, check_per_sample, shown
from ..paths import Path
from ..shapes import Denoiser, PathDenoiser
from .gaussians import GaussianMixture


@dataclass(frozen=True)
class LabelledMixture:
    """Which class each component of a mixture belongs to: classes (K,), whole numbers from 0, each up to the largest.

    Raises ValueError for another shape, and for a class that has no component.
    """

    mixture: GaussianMixture
    classes: Tensor

    def __post_init__(self) -> None:
        classes, k = self.classes, len(self.mixture.means)
        if not isinstance(classes, Tensor) or classes.shape != (k,) or classes.dtype != torch.long:
            raise ValueError(f"expected classes of shape ({k},), long, one per component, got {shown(classes)}")
        missing = set(range(int(classes.max()) + 1)) - set(classes.tolist())
        if missing or classes.min() < 0:
            raise ValueError(f"expected classes 0, 1, ... without a gap, got {sorted(set(classes.tolist()))}")
        object.__setattr__(self, "classes", classes.to(self.mixture.means.device))

    @property
    def labels(self) -> int:
        """How many classes there are."""
        return int(self.classes.max()) + 1

    def to(self, target: torch.dtype | torch.device | str) -> "LabelledMixture":
        """The same law in another dtype or on another device."""
        return LabelledMixture(self.mixture.to(target), self.classes)

    def of(self, label: int) -> GaussianMixture:
        """The law of one class, p(x|c).  Raises ValueError for a class that there is not."""
        check_count("label", label, 0, self.labels - 1)
        return self._parts[label]

    @cached_property
    def _parts(self) -> list[GaussianMixture]:
        m, members = self.mixture, [self.classes == c for c in range(self.labels)]
        return [GaussianMixture(m.means[i], m.stds[i], m.weights[i]) for i in members]

    @cached_property
    def _weights(self) -> Tensor:
        return torch.stack([self.mixture.weights[self.classes == c].sum() for c in range(self.labels)])

    def sample(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Independent draws of x0 and its class; (n, *S), data units, and (n,).  Raises ValueError unless n >= 1."""
        x, k = self.mixture._draw(n, generator)  # noqa: SLF001  the component, which `sample` does not tell
        return x, self.classes[k]

    def denoiser(self, path: Path) -> "LabelledDenoiser":
        """(x, t) -> E[x0|x_t = x], which knows the labels it is `given`: a teacher without a network."""
        return LabelledDenoiser(self, path)

    def log_posterior(self, x: Tensor, t: Tensor, path: Path) -> Tensor:
        """log p_t(c|x), the exact classifier of noisy points; x: (B, *S) on the path, t: (B,).  Returns (B, C).

        Raises ValueError for other shapes.
        """
        log_probs = torch.stack([part.log_prob(x, t, path) for part in self._parts], 1)  # (B, C), log p_t(x|c)
        return (self._weights.log().to(x.dtype) + log_probs).log_softmax(1)

    def tilted_log_prob(self, x: Tensor, t: Tensor, path: Path, *, label: int, scale: float) -> Tensor:
        """log p_t(x) + w log p_t(c|x), up to a constant: what a guided score is the gradient of; (B,).

        At the clean end it is the tilted density p(x) p(c|x)^w, which guided sampling is often said to draw from.
        label: c.  scale: w.  Raises ValueError for other shapes, a class that there is not, a scale that is not finite.
        """
        check_count("label", label, 0, self.labels - 1)
        check_between("scale", scale)
        return self.mixture.log_prob(x, t, path) + scale * self.log_posterior(x, t, path)[:, label]


@dataclass(frozen=True)
class LabelledDenoiser:
    """E[x0|x_t] of a labelled mixture, with the interface of a model that takes labels."""

    law: LabelledMixture
    path: Path

    def __call__(self, x: Tensor, t: Tensor) -> Tensor:
        """Without a label: the mean over all classes; (B, *S) in x's dtype."""
        return self.law.mixture.denoiser(self.path)(x, t)

    def given(self, label: Tensor | None) -> Denoiser:
        """(x, t) -> E[x0|x_t = x, c = label]; label: (B,), long, where a negative one means none, or None for all.

        Raises ValueError for a class that there is not; the result does, for another number of samples.
        """
        if label is None:
            return PathDenoiser(self.__call__, self.path)
        if not isinstance(label, Tensor) or label.ndim != 1 or label.dtype != torch.long:
            raise ValueError(f"expected label as a long tensor (B,), got {shown(label)}")
        check_labels(label, self.law.labels)

        def denoise(x: Tensor, t: Tensor) -> Tensor:
            check_floats("x", x)
            check_per_sample("label", label.to(torch.float64), x)
            answer = torch.zeros_like(x)
            for c in label.clamp(min=-1).unique().tolist():
                part = self.law.mixture if c < 0 else self.law.of(c)
                here = (label.clamp(min=-1) == c).reshape(-1, *[1] * (x.ndim - 1))
                answer = torch.where(here, part.denoiser(self.path)(x, t), answer)
            return answer

        return PathDenoiser(denoise, self.path)
