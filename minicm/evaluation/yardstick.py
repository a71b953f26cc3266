"""Quality in units of the noise floor: distance(samples, truth) / distance(fresh true samples, the same truth).

Numerator and denominator are the same statistic with the same truth, so that samples of a perfect model score 1 on
average, whatever the luck of that truth.  The energy distance stands for two blocks of 5000 points, but is the mean
over all pairs of blocks, of the samples and of five true sets: one pair scatters by a factor of three by luck.
That holds roughly for n = 20,000, the default: 30 fresh true sets of each of five toys measure .86 to 1.04 on average,
nine in ten of them between .70 and 1.32.  With n = 5000 there is one block: .92 to 1.27 on average, nine in ten between
.57 and 2.44.  Tell models apart there if they differ by more than that, and measure 20,000 samples otherwise.
`benchmarks/floors.py --n 20000,5000` prints these numbers.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import mean, median

import torch
from torch import Tensor

from ..checks import check_count
from ..oracles import GaussianMixture
from ..seeds import fold
from ..shapes import Sampler
from .classifier import c2st
from .distances import directions, mean_distance, mean_distance_between, project, rows, sliced_w2
from .truth import far_floor, far_fraction, mode_coverage

_TRUTH, _DIRECTIONS, _PAIRS = 101, 102, 103  # streams of one seed, apart from those that samples are drawn from
_BLOCK = 5000  # points
_POOL = 5  # true sets behind the energy distance, so that the luck of one does not move every ratio


@dataclass(frozen=True)
class Floor:
    """A distance between independent pairs of true sets: its median and range."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.low:.2g}, {self.high:.2g}]"


def noise_floor(
    metric: Callable[[Tensor, Tensor], float], sampler: Sampler, n: int = 20_000, *, pairs: int = 7, seed: int = 0
) -> Floor:
    """The metric between two independent true sets of n, over so many pairs: what no model can be expected to beat.

    metric: such as `energy_distance`, or a lambda around one that takes more arguments.
    Raises ValueError unless pairs >= 1.
    """
    check_count("n", n, 2)
    check_count("pairs", pairs)
    check_count("seed", seed, -math.inf)
    return _floor([metric(*_pair(sampler, n, seed, k)) for k in range(pairs)])


@dataclass(frozen=True)
class Quality:
    """One set of samples against the truth; far, modes and total_variation are None where no mixture is known."""

    ed: float  # energy distance of 5000 points from 5000, data units
    sw2: float  # sliced Wasserstein distance, data units
    c2st: float  # held-out accuracy, floor ½
    ed_over_floor: float
    sw2_over_floor: float
    far: float | None = None  # fraction beyond 3 std of every mode, floor .0111 in the plane
    modes: int | None = None  # those with more than a tenth of their mass
    total_variation: float | None = None  # of the modes' weights

    def __str__(self) -> str:
        text = f"ED {self.ed_over_floor:.2f} floors, SW2 {self.sw2_over_floor:.2f} floors, C2ST {self.c2st:.3f}"
        return text if self.modes is None else f"{text}, far {self.far:.3f}, {self.modes} modes"


@dataclass(frozen=True)
class Floors:
    """What `Quality` is for fresh true sets."""

    ed: Floor
    sw2: Floor
    c2st: float = 0.5
    far: float | None = None

    def __str__(self) -> str:
        text = f"floors: ED {self.ed}, SW2 {self.sw2}, C2ST {self.c2st}"
        return text if self.far is None else f"{text}, far {self.far:.4f}"


class Yardstick:
    """One fixed true set of n points and fixed directions; `floor` says what fresh true sets of n measure.

    Build it once for a data set and measure many models with it.  floor_pairs: how many fresh sets, each paired with
    the fixed one.  mixture: the exact law, if it is a GaussianMixture, for the modes.
    Everything depends on (sampler, n, num_projections, floor_pairs, seed) alone.
    Raises ValueError unless n >= 2, num_projections >= 1, floor_pairs >= 1, and the sampler draws finite points
    anew at each call.
    """

    def __init__(
        self,
        sampler: Sampler,
        n: int = 20_000,
        *,
        num_projections: int = 128,
        floor_pairs: int = 7,
        seed: int = 0,
        mixture: GaussianMixture | None = None,
    ) -> None:
        check_count("n", n, 2)
        check_count("num_projections", num_projections)
        check_count("floor_pairs", floor_pairs)
        self.n, self.seed, self.mixture = n, seed, mixture
        pool = sampler(_POOL * n, torch.Generator().manual_seed(fold(seed, _TRUTH)))
        self.truth = pool[:n]
        points = rows(pool)
        generator = torch.Generator().manual_seed(fold(seed, _DIRECTIONS))
        self._directions = directions(points.shape[1], num_projections, generator)
        self._pool, self._truth = self._summary(points), project(points[:n], self._directions)
        fresh = [self._summary(rows(_fresh(sampler, n, seed, k))) for k in range(floor_pairs)]
        self.floor = Floors(
            ed=_floor([_ed(x, self._pool) for x in fresh]),
            sw2=_floor([sliced_w2(x.sorted, self._truth) for x in fresh]),
            far=None if mixture is None else far_floor(points.shape[1]),
        )
        if not self.floor.sw2.median > 0:
            raise ValueError("expected a sampler that draws anew at every call, got the same points twice")

    def measure(self, x: Tensor) -> Quality:
        """Quality of n samples (n, *S) in random order.

        Raises ValueError for another n, since floors fall with n; for another event shape; for NaN or infinity.
        """
        found = self._checked(x)
        ed, sw2 = _ed(found, self._pool), sliced_w2(found.sorted, self._truth)
        quality = Quality(
            ed=ed,
            sw2=sw2,
            c2st=c2st(x, self.truth, seed=self.seed),
            ed_over_floor=ed / self.floor.ed.median,
            sw2_over_floor=sw2 / self.floor.sw2.median,
        )
        return quality if self.mixture is None else _with_modes(quality, x, self.mixture)

    def ed_over_floor(self, x: Tensor) -> float:
        """The one number of `measure` that the tables of the course hold, without training its classifier.

        Raises ValueError as `measure` does.
        """
        return _ed(self._checked(x), self._pool) / self.floor.ed.median

    def _checked(self, x: Tensor) -> "_Summary":
        if len(x) != self.n:
            raise ValueError(
                f"expected {self.n} samples x, as many as the floors are for, got {len(x)}: set Yardstick's n"
            )
        if x.shape[1:] != self.truth.shape[1:]:
            raise ValueError(f"expected samples of shape {tuple(self.truth.shape)}, got x {tuple(x.shape)}")
        return self._summary(rows(x))

    def _summary(self, points: Tensor) -> "_Summary":
        blocks = points.tensor_split(max(1, len(points) // _BLOCK))
        within = mean(mean_distance(project(block, self._directions), points.shape[1]) for block in blocks)
        return _Summary(project(points, self._directions), within, points.shape[1])


@dataclass(frozen=True)
class _Summary:
    """What the distances need of a sample set, computed once."""

    sorted: Tensor  # (num_projections, n)
    within: float  # E|x − x'| within blocks
    dim: int


def _ed(a: _Summary, b: _Summary) -> float:
    return 2 * mean_distance_between(a.sorted, b.sorted, a.dim) - a.within - b.within


def _with_modes(quality: Quality, x: Tensor, mixture: GaussianMixture) -> Quality:
    modes = mode_coverage(x, mixture)
    far = far_fraction(x, mixture)
    return replace(quality, far=far, modes=modes.covered, total_variation=modes.total_variation)


def _pair(sampler: Sampler, n: int, seed: int, index: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(fold(seed, _PAIRS, index))
    return sampler(n, generator), sampler(n, generator)


def _fresh(sampler: Sampler, n: int, seed: int, index: int) -> Tensor:
    return sampler(n, torch.Generator().manual_seed(fold(seed, _PAIRS, index)))


def _floor(values: list[float]) -> Floor:
    return Floor(median(values), min(values), max(values))
