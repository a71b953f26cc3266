"""What is a bad value for each argument of the package: a role for each argument name, bad values for each role.

A role has a good value and some bad ones, each with its kind; the fuzz gives a good value to every argument but one.
An argument's role follows from its name, which means the same everywhere; `bad_input_table_rows` holds the exceptions.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from minicm.losses import AdaptiveWeight, squared
from minicm.losses.time_pairs import two_times
from minicm.nets import MLP, Discriminator, two_time_mlp
from minicm.oracles import GaussianMixture
from minicm.paths import VE, VP, Linear, TrigFlow
from minicm.precond import EDMScaling, Preconditioned, TrigFlowScaling, model_on
from minicm.rivals import FlowMap, semigroup
from minicm.solvers import euler_step
from minicm.times import log_normal

torch.set_default_dtype(torch.float64)  # as in every test; some values below are made on import

B, D = 4, 2
Bad = tuple[str, Callable[[], object]]  # kind, and a maker of the value
VE_PATH, TRIG = VE(), TrigFlow()


@dataclass(frozen=True)
class Role:
    """What an argument is: a maker of a good value, and the bad ones."""

    good: Callable[[], object]
    bad: tuple[Bad, ...] = ()

    def but(self, good: Callable[[], object]) -> "Role":
        """The same bad values around another good one."""
        return Role(good, self.bad)

    def without(self, *kinds: str) -> "Role":
        """The same role without the bad values of these kinds."""
        return Role(self.good, tuple(b for b in self.bad if b[0] not in kinds))

    def only(self, *kinds: str) -> "Role":
        """The same role with the bad values of these kinds alone."""
        return Role(self.good, tuple(b for b in self.bad if b[0] in kinds))


def values(kind: str, *given: object) -> tuple[Bad, ...]:
    """Bad values of one kind, from the values themselves."""
    return tuple((kind, lambda v=v: v) for v in given)


def points(*shape: int) -> Tensor:
    """Some numbers of that shape, the same each time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


NAN, INF = math.nan, math.inf
TYPES = values("type", "abc")


def tensor(make: Callable[[], Tensor], shapes: tuple[tuple[int, ...], ...], *more: Bad) -> Role:
    """A tensor of real numbers beside others: of these shapes it would be wrong."""
    wrong = tuple(("shape", lambda s=s: torch.full(s, 0.5)) for s in shapes)
    dtypes = tuple(("dtype", lambda d=d: make().to(d)) for d in (torch.int64, torch.bool, torch.complex64))
    arrays = ("array", lambda: make().numpy()), ("array", lambda: make().tolist())
    return Role(make, wrong + dtypes + arrays + (("device", lambda: make().to("meta")),) + more)


def poisoned(make: Callable[[], Tensor]) -> tuple[Bad, ...]:
    """The same tensor with one NaN, and with one infinity."""

    def put(value: float) -> Tensor:
        x = make().clone()
        x.view(-1)[0] = value
        return x

    return ("NaN", lambda: put(NAN)), ("infinity", lambda: put(INF))


def some() -> Tensor:
    return points(B, D)


def inner() -> Tensor:
    return torch.full((B,), 0.5)


SAMPLES = tensor(some, ((), (D,), (1, D), (B, 1), (B, D + 1), (B + 1, D), (B, D, 1)))
ALONE = tensor(some, ((),)).without("device")  # nothing beside it: many shapes are right, and it says where all is
TIMES = tensor(inner, ((), (1,), (B, 1), (B + 1,), (1, B)))
SET = tensor(some, ((), (1, D), (0, D)), *poisoned(some)).without(
    "device", "dtype", "array"
)  # of a metric, cast to float64
FITTING = tensor(some, ((), (1, D), (0, D), (B, D + 1)), *poisoned(some)).without("device", "dtype", "array")

NOT_NUMBERS = TYPES + values("dtype", 1j) + values("NaN", NAN)
COUNT = Role(lambda: 2, TYPES + values("zero", 0) + values("negative", -1) + values("dtype", 2.5) + values("NaN", NAN))
AT_LEAST_0 = Role(lambda: 2, TYPES + values("negative", -1) + values("dtype", 2.5) + values("NaN", NAN))
WHOLE = Role(lambda: 1, TYPES + values("dtype", 2.5) + values("NaN", NAN))
POSITIVE = Role(lambda: 0.5, NOT_NUMBERS + values("zero", 0.0) + values("negative", -1.0) + values("infinity", INF))
NOT_NEGATIVE = Role(lambda: 0.5, NOT_NUMBERS + values("negative", -1.0) + values("infinity", INF))
NUMBER = Role(lambda: 0.5, NOT_NUMBERS + values("infinity", INF))
SHARE = Role(lambda: 0.5, NOT_NUMBERS + values("negative", -0.1) + values("beyond", 1.5))
CLIP = Role(lambda: 0.5, NOT_NUMBERS + values("zero", 0.0) + values("negative", -1.0))  # may be infinite


def grid(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


GRID = Role(
    lambda: grid(2.0, 1.0, 0.5),
    (
        ("order", lambda: grid(3.0, 1.0, 2.0)),
        ("order", lambda: grid(1.0, 1.0)),
        ("shape", lambda: grid(1.0)),
        ("shape", lambda: torch.tensor(1.0)),
        ("shape", lambda: grid(2.0, 1.0)[:, None]),
        ("shape", lambda: grid()),
        ("NaN", lambda: grid(3.0, NAN)),
        ("infinity", lambda: grid(INF, 1.0)),
        ("dtype", lambda: grid(2.0, 1.0).to(torch.complex64)),
        ("type", lambda: "abc"),
    ),
)
ON_PATH = Role(GRID.good, GRID.bad + (("beyond", lambda: grid(1e6, 1.0)), ("beyond", lambda: grid(1.0, -1.0))))
DECREASING = Role(GRID.good, ON_PATH.bad + (("order", lambda: grid(0.5, 1.0, 2.0)),))
LEVELS = Role(  # of few-step sampling: one is enough
    lambda: [2.0, 0.5],
    tuple(b for k, b in enumerate(DECREASING.bad) if k != 2) + values("beyond", [1e6], [1e-6]),
)
NAME = Role(lambda: "moons", values("name", "spiral", "", None, 3))
SHAPE = Role(lambda: (B, D), values("dtype", (2.5, 2), "ab") + values("negative", (-1, 2)) + values("type", None))


def good(make: Callable[[], object]) -> Role:
    """An argument that only has to be there: a collaborator, whose own calls are checked."""
    return Role(make)


def network() -> MLP:
    return MLP(D, 8, 1)


def ve_model() -> Preconditioned:
    return Preconditioned(network(), EDMScaling())


def trig_model() -> Preconditioned:
    return Preconditioned(network(), TrigFlowScaling())


def flow_map() -> FlowMap:
    return FlowMap(two_time_mlp(network()), TRIG)


def half(x: Tensor, t: Tensor) -> Tensor:
    """A denoiser that is cheap."""
    return x / 2


def narrow(x: Tensor, t: Tensor) -> Tensor:
    """One that answers (B, 1), which would broadcast."""
    return x[:, :1]


def lone(x: Tensor, t: Tensor) -> Tensor:
    """One that answers for one sample alone."""
    return x[:1]


class Answering(torch.nn.Module):
    """A module of one's own, first of all with parameters, that answers in a shape of its own."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(D, outputs)

    def forward(self, u: Tensor, c: Tensor) -> Tensor:
        return self.layer(u)


def single(outputs: int = D) -> torch.nn.Module:
    """A module whose weights are float32: the samples of these tests are float64."""
    return Answering(outputs).float()


FIELD = Role(
    lambda: half,
    (
        ("answer", lambda: narrow),
        ("answer", lambda: lone),
        ("answer", lambda: Answering(1)),
        ("dtype", lambda: single()),
    ),
)
OF_VE = Role(  # a denoiser where the path is VE
    lambda: half,
    tuple(
        ("foreign scaling", lambda make=make: make())
        for make in (
            lambda: model_on(TRIG, network()),
            lambda: model_on(VP(), network()),
            lambda: Preconditioned(network(), TrigFlowScaling(0.7)),
            lambda: two_modes().denoiser(Linear()),
        )
    ),
)
VE_FIELD = Role(  # a velocity whose times are GRID's
    lambda: half,
    (
        ("answer", lambda: narrow),
        ("a denoiser", lambda: model_on(VE_PATH, network())),
        ("a denoiser", lambda: two_modes().denoiser(VE_PATH)),
    ),
)


def two_modes() -> GaussianMixture:
    return GaussianMixture(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.tensor([0.1, 0.1]))


def adam(module: torch.nn.Module | None = None) -> torch.optim.Optimizer:
    return torch.optim.Adam((module or network()).parameters(), 1e-3)


def draw_points(n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, D, generator=generator)


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


ROLES: dict[str, Role] = {
    **dict.fromkeys(["x", "x0", "eps", "y", "a", "b", "v", "g", "end", "dx", "du"], SAMPLES),
    **dict.fromkeys(["t", "s", "dt", "ds", "c", "dc", "nsr"], TIMES),
    **dict.fromkeys(["n", "batch_size", "total", "iterations", "width", "dim", "depth", "num", "channels"], COUNT),
    **dict.fromkeys(["num_steps", "size", "columns", "number", "steps", "updates", "particles", "blocks"], COUNT),
    **dict.fromkeys(["inputs", "outputs", "stages", "embedding", "num_projections", "floor_pairs", "count"], COUNT),
    **dict.fromkeys(["kept", "order", "k", "bins", "accumulate", "evaluations", "most", "halvings"], COUNT),
    **dict.fromkeys(["seed", "indices", "part"], WHOLE),
    **dict.fromkeys(["iteration", "start", "labels", "classes"], AT_LEAST_0),
    **dict.fromkeys(["sigma_data", "std", "rho", "bandwidth", "bin_width", "h", "limit", "radius"], POSITIVE),
    **dict.fromkeys(["beta_d"], NOT_NEGATIVE),
    **dict.fromkeys(["beta_min", "num_std", "peak", "q", "smooth", "panel"], POSITIVE),
    **dict.fromkeys(["mean", "scale"], NUMBER),
    **dict.fromkeys(["share", "gamma", "diagonal", "ends"], SHARE),
    **dict.fromkeys(["clip"], CLIP),
    **dict.fromkeys(["power", "r1", "churn", "gain"], NOT_NEGATIVE),
    "decay": Role(lambda: 0.5, NOT_NUMBERS + values("negative", -0.1) + values("beyond", 1.0)),
    "sigma_rel": Role(lambda: 0.1, POSITIVE.bad + values("beyond", 0.3)),
    "dropout": Role(lambda: 0.1, NOT_NUMBERS + values("negative", -0.1) + values("beyond", 1.0)),
    **dict.fromkeys(["t_min", "nsr_min", "low"], Role(lambda: 0.1, POSITIVE.bad + values("order", 90.0))),
    **dict.fromkeys(["t_max", "nsr_max", "high"], Role(lambda: 80.0, POSITIVE.bad + values("order", 1e-3))),
    "times": GRID,
    "name": NAME,
    "shape": SHAPE,
    **dict.fromkeys(["model", "teacher", "denoise", "velocity", "exact", "function", "f", "first"], FIELD),
    **dict.fromkeys(["conditional", "unconditional"], FIELD),
    **dict.fromkeys(["real", "fake"], FIELD),
    "target": good(lambda: None),
    "network": Role(network, (("answer", lambda: Answering(1)), ("answer", lambda: narrow), ("dtype", single))),
    "critic": good(lambda: Discriminator(D, 8, 1)),
    "path": good(lambda: VE_PATH),
    "scaling": good(EDMScaling),
    "optimizer": good(adam),
    "sampler": good(lambda: draw_points),
    "law": good(lambda: log_normal(-1.0, 1.0)),
    "step": good(lambda: euler_step),
    "pairs": good(lambda: two_times(TRIG, log_normal(-1.0, 1.0))),
    "rule": good(lambda: semigroup),
    "mixture": good(two_modes),
    "weight": good(AdaptiveWeight),
    "distance": good(lambda: squared),
    "generator": good(generator),
    **dict.fromkeys(
        ["ax", "title", "label", "marker", "ema", "lr", "blur", "guidance", "features"], good(lambda: None)
    ),
}


@dataclass(frozen=True)
class Row:
    """A callable and the roles of its arguments; an argument that is left out keeps its default."""

    call: Callable[..., object]
    roles: dict[str, Role] = field(default_factory=dict)
    missing: tuple[str, ...] = ()  # arguments without a role
