"""What each stabiliser of sCM does on eight Gaussians, over several seeds: the stored table of notebook 10.

    python experiments/scm_ablation.py [--iterations N] [--seeds 0,1,2] [--json FILE]

writes data/scm_ablation.json after each run, and prints it as a table.  Runs that the file already holds, made with
the same settings, are not made again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # to find benchmarks when this file is run by its path

from benchmarks.report import machine  # noqa: E402
from minicm.checkpoints import load_weights  # noqa: E402
from minicm.data import eight_gaussians, eight_gaussians_mixture  # noqa: E402
from minicm.evaluation import Quality, Yardstick  # noqa: E402
from minicm.lab.recipes.plane import PATH, Run, new_model, scd_run, sct_run  # noqa: E402
from minicm.losses import AdaptiveWeight, VelocityLoss, clipped, normalised, unchanged  # noqa: E402
from minicm.nets import MLP, TimeFeatures  # noqa: E402
from minicm.precond import Preconditioned, TrigFlowScaling  # noqa: E402
from minicm.sampling import consistency_sample  # noqa: E402
from minicm.times import log_normal  # noqa: E402

POINTS = 10_000  # samples of each measurement
MID = 1.1  # radians, the second time of two-step sampling
OWN = 800  # iterations of the teacher, and of its student, where the network is another one

Make = Callable[[nn.Module, int, int], Run]  # (stored teacher, iterations, seed) -> the run to measure


@dataclass(frozen=True)
class Variant:
    method: str
    change: str  # against the recipe, in words
    make: Make


def changed(run: Run, **changes: object) -> Run:
    run.loss = replace(run.loss, **changes)
    return run


def scd(**changes: object) -> Make:
    return lambda teacher, n, seed: changed(scd_run(eight_gaussians, teacher, n, seed), **changes)


def sct(**changes: object) -> Make:
    return lambda teacher, n, seed: changed(sct_run(eight_gaussians, teacher, n, seed), **changes)


def weighted(make: Make) -> Make:
    """With the adaptive weight, made a part of the student so that the run's optimiser finds its parameters."""

    def run(teacher: nn.Module, n: int, seed: int) -> Run:
        made = make(teacher, n, seed)
        made.model.weight = AdaptiveWeight()
        again = replace(made)  # its average and its optimiser must know the head too
        return changed(again, weight=made.model.weight)

    return run


def with_network(build: Callable[[], MLP]) -> Make:
    """sCD of a network of its own kind, from a teacher of that kind, each trained for OWN iterations."""

    def run(_: nn.Module, n: int, seed: int) -> Run:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            model = Preconditioned(build(), TrigFlowScaling(PATH.sigma_data))
        loss = VelocityLoss(PATH, log_normal(-1.2, 1.2))
        teacher = Run(model, loss, eight_gaussians, OWN, seed).train()
        return scd_run(eight_gaussians, teacher, OWN, seed)

    return run


def default_init() -> MLP:
    network = MLP(2)
    for layer in [*network.hidden, network.last]:
        layer.reset_parameters()
    return network


def always(iteration: int) -> float:
    return 1.0


VARIANTS = [
    Variant("sCD", "the recipe: normalised, warm-up, weight 1", scd()),
    Variant("sCD", "raw tangents", scd(rescale=unchanged)),
    Variant("sCD", "clipped tangents", scd(rescale=clipped(1.0))),
    Variant("sCD", "no warm-up", scd(warmup=always)),
    Variant("sCD", "adaptive weight", weighted(scd())),
    Variant("sCT", "the recipe: raw, warm-up, weight 1", sct()),
    Variant("sCT", "normalised tangents", sct(rescale=normalised(0.1))),
    Variant("sCT", "clipped tangents", sct(rescale=clipped(1.0))),
    Variant("sCT", "no warm-up", sct(warmup=always)),
    Variant("sCD, own teacher", "the recipe", with_network(lambda: MLP(2))),
    Variant("sCD, own teacher", "frequencies ten times higher", with_network(lambda: MLP(2, features=fast()))),
    Variant("sCD, own teacher", "torch's default initialisation", with_network(default_init)),
]


def fast() -> TimeFeatures:
    return TimeFeatures(low=1.0, high=32.0)


def row(variant: Variant, teacher: nn.Module, yardstick: Yardstick, iterations: int, seed: int) -> dict:
    begin = time.process_time()
    model = variant.make(teacher, iterations, seed).train()
    seconds = time.process_time() - begin
    generator = torch.Generator().manual_seed(1000 + seed)
    noise = PATH.prior((POINTS, 2), generator)
    found = {"method": variant.method, "change": variant.change, "seed": seed, "cpu_seconds": round(seconds, 1)}
    one = yardstick.measure(consistency_sample(model, noise, [PATH.t_max], PATH))
    two = yardstick.measure(consistency_sample(model, noise, [PATH.t_max, MID], PATH, generator))
    return found | {"one_step": numbers(one), "two_steps": numbers(two)}


def numbers(quality: Quality) -> dict:
    return {
        "ed_over_floor": float(f"{quality.ed_over_floor:.3g}"),
        "c2st": round(quality.c2st, 3),
        "far": round(quality.far, 3),
        "modes": quality.modes,
    }


def stored(file: Path, settings: dict) -> list[dict]:
    if not file.exists():
        return []
    content = json.loads(file.read_text())
    return content["rows"] if content["settings"] == settings else []


def write(file: Path, settings: dict, floor: list[dict], rows: list[dict]) -> None:
    content = {"machine": machine(), "settings": settings, "floor": floor, "rows": rows}
    partial = file.with_suffix(".part")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    partial.replace(file)


def print_table(rows: list[dict]) -> None:
    print(f"{'method':18}{'change':44}one step: energy distance in floors, each seed; two steps: median")
    for variant in VARIANTS:
        same = [r for r in rows if (r["method"], r["change"]) == (variant.method, variant.change)]
        if same:
            one = "  ".join(f"{r['one_step']['ed_over_floor']:6.3g}" for r in same)
            two = median(r["two_steps"]["ed_over_floor"] for r in same)
            print(f"{variant.method:18}{variant.change:44}{one}   {two:6.3g}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=1200)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path, default=ROOT / "data" / "scm_ablation.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    teacher = new_model()
    load_weights(teacher, ROOT / "data" / "eight_gaussians_teacher.safetensors")
    yardstick = Yardstick(eight_gaussians, POINTS, mixture=eight_gaussians_mixture())
    settings = {
        "command": "python experiments/scm_ablation.py",
        "data": "eight_gaussians",
        "iterations": options.iterations,
        "iterations_of_own_teacher_and_student": OWN,
        "batch_size": 256,
        "learning_rates": {
            "sCD": scd_run(eight_gaussians, teacher, 1).lr,
            "sCT": sct_run(eight_gaussians, teacher, 1).lr,
        },
        "samples": POINTS,
        "second_time": MID,
    }
    seeds = [int(seed) for seed in options.seeds.split(",")]
    truth = [eight_gaussians(POINTS, torch.Generator().manual_seed(2000 + seed)) for seed in seeds]
    floor = [numbers(yardstick.measure(x)) for x in truth]
    rows = stored(options.json, settings)
    done = {(r["method"], r["change"], r["seed"]) for r in rows}
    for seed in seeds:
        for variant in VARIANTS:
            if (variant.method, variant.change, seed) not in done:
                rows.append(row(variant, teacher, yardstick, options.iterations, seed))
                write(options.json, settings, floor, rows)
                print(json.dumps(rows[-1]), flush=True)
    print_table(rows)


if __name__ == "__main__":
    main()
