"""Gaussian paths from data to noise: x_t = α(t) x0 + σ(t) ε, with t growing from data to noise.

The equation of this module is dx/dt = α̇ x0 + σ̇ ε: with the true x0 it is the slope of one sample's path, with
E[x0|x_t] in its place it is the probability-flow ODE.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks import as_floats, check_batch, check_between, check_event_shape, check_positive
from .shapes import like
from .times import karras_grid, log_grid

_NOISIEST = 80.0  # EDM's largest noise-to-signal ratio: what a grid has second where that of t_max is infinite


class Path(ABC):
    """Five coefficients say which path it is; everything else follows from them, for any event shape.

    t_min and t_max are the data end and the noise end of the times that models are trained and sampled on.
    """

    t_min: float
    t_max: float

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """α(t), the scale of the signal; (B,) -> (B,)."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """σ(t), the scale of the noise, data units; (B,) -> (B,)."""

    @abstractmethod
    def d_alpha(self, t: Tensor) -> Tensor:
        """dα/dt; (B,) -> (B,)."""

    @abstractmethod
    def d_sigma(self, t: Tensor) -> Tensor:
        """dσ/dt; (B,) -> (B,)."""

    @abstractmethod
    def time_at(self, nsr: Tensor) -> Tensor:
        """The t whose noise-to-signal ratio σ(t)/α(t) is nsr; (B,) -> (B,)."""

    def nsr(self, t: Tensor) -> Tensor:
        """σ(t)/α(t), the noise level that a VE path would show; (B,) -> (B,)."""
        return self.sigma(t) / self.alpha(t)

    def mix(self, x0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t = α x0 + σ ε.

        x0, eps: (B, *S), data units and standard normal.  t: (B,).  Returns (B, *S).
        Raises ValueError if t is not (B,).
        Source: Song et al. 2021 (score SDE), appendix B; Lu and Song 2024 (sCM), sec. 3.
        """
        check_batch("x0", x0, {"eps": eps}, {"t": t})
        return like(self.alpha(t), x0) * x0 + like(self.sigma(t), x0) * eps

    def noise(self, x: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        """ε = (x − α x0)/σ, the noise that leads from x0 to x; (B, *S), needs σ(t) > 0.

        Raises ValueError for shapes that do not fit.
        """
        check_batch("x", x, {"x0": x0}, {"t": t})
        return (x - like(self.alpha(t), x) * x0) / like(self.sigma(t), x)

    def velocity(self, x: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        """dx/dt = α̇ x0 + σ̇ (x − α x0)/σ along this path.

        With x0 = E[x0|x_t] this is the probability-flow ODE; with the true x0, the slope of that sample's path.

        x, x0: (B, *S), data units.  t: (B,), with σ(t) > 0.  Returns (B, *S), data units per time.
        Raises ValueError if t is not (B,).
        Source: Song et al. 2021, eq. 13; Lipman et al. 2023 (flow matching), eq. 15.
        """
        eps = self.noise(x, t, x0)
        return like(self.d_alpha(t), x) * x0 + like(self.d_sigma(t), x) * eps

    def denoised(self, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
        """x0 = (σ̇ x − σ v)/(σ̇ α − σ α̇), the inverse of `velocity`; shapes and errors as there."""
        check_batch("x", x, {"v": v}, {"t": t})
        a, s, da, ds = (like(f(t), x) for f in (self.alpha, self.sigma, self.d_alpha, self.d_sigma))
        return (ds * x - s * v) / (ds * a - s * da)

    def prior(
        self,
        shape: tuple[int, ...],
        generator: torch.Generator | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Tensor:
        """σ(t_max) ε: the noise that sampling starts from.  It drops α(t_max) x0, as the papers do.

        shape: (B, *S), of the result.  device: None for the generator's, or torch's default without one.
        Raises ValueError unless shape is a tuple of whole numbers >= 0.
        """
        check_event_shape("shape", shape)
        if device is None and generator is not None:
            device = generator.device
        eps = torch.randn(shape, generator=generator, device=device, dtype=dtype)
        return self.sigma(torch.tensor(self.t_max, dtype=torch.float64)).item() * eps

    def grid(self, num_steps: int, schedule: Callable[[int, float, float], Tensor] = karras_grid) -> Tensor:
        """Times of this path from t_max to t_min for a solver; (num_steps + 1,) float64, decreasing.

        schedule: (num_steps, low, high) -> noise-to-signal ratios from high to low, such as `scale_grid`.  Where t_max
        has no signal left, those of the other times begin below 80.  Raises ValueError as the schedule does.
        """
        low, high = self.nsr(torch.tensor([self.t_min, self.t_max], dtype=torch.float64)).tolist()
        times = self.time_at(schedule(num_steps, low, high if high < math.inf else _NOISIEST))
        times[0], times[-1] = self.t_max, self.t_min  # time_at rounds
        return times

    def check_times(self, times: Tensor, name: str = "times") -> Tensor:
        """The same times in float64, after a check that they lie on this path.

        Raises ValueError when one is not finite or lies outside [t_min, t_max], but for rounding.
        """
        times = as_floats(name, times)
        slack = 1e-6 * self.t_max
        low = self.t_min - min(slack, self.t_min / 2)  # never 0, where velocities divide by σ
        if not ((times >= low) & (times <= self.t_max + slack)).all():
            raise ValueError(
                f"expected {name} of {type(self).__name__} in [{self.t_min:.6g}, {self.t_max:.6g}], "
                f"got {times.min():.6g} to {times.max():.6g}"
            )
        return times

    def agrees(self, other: "Path") -> bool:
        """Whether both have the same α(t) and σ(t); the ends may differ."""
        if self == other or type(self) is not type(other):
            return self == other
        t, pairs = self.grid(4, log_grid), ((self.alpha, other.alpha), (self.sigma, other.sigma))
        return all(torch.allclose(f(t), g(t), rtol=1e-9) for f, g in pairs)


def _check_interval(low: float, high: float, names: str) -> None:
    for name, value in zip(names.split(" < "), (low, high)):
        check_positive(name, value)
    if not 0 < low < high < math.inf:
        raise ValueError(f"expected 0 < {names} < inf, got {low} and {high}")


@dataclass(frozen=True)
class VE(Path):
    """Variance exploding, with time = noise level: x_t = x0 + t ε.

    Raises ValueError unless 0 < t_min < t_max.  Source: Karras et al. 2022 (EDM), table 1.
    """

    t_min: float = 0.002
    t_max: float = 80.0

    def __post_init__(self) -> None:
        _check_interval(self.t_min, self.t_max, "t_min < t_max")

    def alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def d_alpha(self, t: Tensor) -> Tensor:
        return torch.zeros_like(t)

    def d_sigma(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def time_at(self, nsr: Tensor) -> Tensor:
        return nsr


@dataclass(frozen=True)
class VP(Path):
    """Variance preserving: α = exp(−b(t)/2), σ² = 1 − α², b(t) = beta_d t²/2 + beta_min t.

    Raises ValueError unless 0 < t_min < t_max, beta_d >= 0 and beta_min > 0.
    Source: Song et al. 2021, appendix C; constants of Karras et al. 2022, table 1.
    """

    beta_d: float = 19.9
    beta_min: float = 0.1
    t_min: float = 1e-3
    t_max: float = 1.0

    def __post_init__(self) -> None:
        _check_interval(self.t_min, self.t_max, "t_min < t_max")
        check_between("beta_d", self.beta_d, 0.0)
        check_positive("beta_min", self.beta_min)

    def _exponent(self, t: Tensor) -> Tensor:
        return self.beta_d * t**2 / 2 + self.beta_min * t

    def _rate(self, t: Tensor) -> Tensor:
        return self.beta_d * t + self.beta_min

    def alpha(self, t: Tensor) -> Tensor:
        return torch.exp(-self._exponent(t) / 2)

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sqrt(-torch.expm1(-self._exponent(t)))  # sqrt(1 - α²), exact for small t

    def d_alpha(self, t: Tensor) -> Tensor:
        return -self._rate(t) / 2 * self.alpha(t)

    def d_sigma(self, t: Tensor) -> Tensor:
        return self._rate(t) / 2 * self.alpha(t) ** 2 / self.sigma(t)

    def time_at(self, nsr: Tensor) -> Tensor:
        b = torch.log1p(nsr**2)
        return 2 * b / (torch.sqrt(self.beta_min**2 + 2 * self.beta_d * b) + self.beta_min)  # no cancellation at b = 0


@dataclass(frozen=True)
class Linear(Path):
    """Rectified flow: x_t = (1 − t) x0 + t ε, t <= 1.  Source: Liu et al. 2023, eq. 1; Lipman et al. 2023, sec. 4.1.

    At t_max = 1 no signal is left, σ/α is infinite: a grid or a law of σ/α that must reach t_max needs a smaller one.
    Raises ValueError unless 0 < t_min < t_max <= 1.
    """

    t_min: float = 0.001
    t_max: float = 1.0

    def __post_init__(self) -> None:
        _check_interval(self.t_min, self.t_max, "t_min < t_max")
        if self.t_max > 1:
            raise ValueError(f"expected t_max <= 1, where all is noise, got {self.t_max}")

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def d_alpha(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t)

    def d_sigma(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)

    def time_at(self, nsr: Tensor) -> Tensor:
        return nsr / (1 + nsr)


@dataclass(frozen=True)
class TrigFlow(Path):
    """An arc of a circle: x_t = cos(t) x0 + sin(t) z with z = σ_d ε, t an angle in radians.

    The ends are given as noise-to-signal ratios in data units, so that they mean the same as on VE:
    t_min = arctan(nsr_min/σ_d) and t_max = arctan(nsr_max/σ_d) < π/2.
    Raises ValueError unless 0 < nsr_min < nsr_max and σ_d > 0.
    Source: Lu and Song 2024 (sCM), sec. 3, eq. 3 to 5.
    """

    sigma_data: float = 0.5
    nsr_min: float = 0.002
    nsr_max: float = 80.0

    def __post_init__(self) -> None:
        _check_interval(self.nsr_min, self.nsr_max, "nsr_min < nsr_max")
        check_positive("sigma_data", self.sigma_data)

    @property
    def t_min(self) -> float:  # type: ignore[override]  # the others have it as a field
        return math.atan(self.nsr_min / self.sigma_data)

    @property
    def t_max(self) -> float:  # type: ignore[override]
        return math.atan(self.nsr_max / self.sigma_data)

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(t)

    def sigma(self, t: Tensor) -> Tensor:
        return self.sigma_data * torch.sin(t)

    def d_alpha(self, t: Tensor) -> Tensor:
        return -torch.sin(t)

    def d_sigma(self, t: Tensor) -> Tensor:
        return self.sigma_data * torch.cos(t)

    def time_at(self, nsr: Tensor) -> Tensor:
        return torch.atan(nsr / self.sigma_data)
