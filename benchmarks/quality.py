"""Sample quality after a fixed budget of one core's process time, everything included, in units of the noise floor.

    python benchmarks/quality.py --methods scd,cd --data g8,moons --seconds 60 --seeds 0,1,2 --json FILE

A method that needs a diffusion model (a teacher, or weights to start from) pays for it out of the same budget.  The
settings are those of minicm.recipes, the same for every data set.  Only measuring is free.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import machine, print_table, write_json  # noqa: E402
from minicm.data import eight_gaussians, eight_gaussians_mixture, toy  # noqa: E402
from minicm.evaluation import Yardstick  # noqa: E402
from minicm.recipes import (  # noqa: E402
    PATH,
    Run,
    cd_run,
    diffusion_run,
    ect_run,
    ict_run,
    scd_run,
    sct_run,
    seconds_per_update,
)
from minicm.sampling import consistency_sample  # noqa: E402
from minicm.shapes import Sampler  # noqa: E402

TEACHER_SHARE = 0.35  # of the budget, for methods that start from a diffusion model
FROM_TEACHER = {"scd": scd_run, "cd": cd_run, "sct": sct_run}
FROM_SCRATCH = {"ict": ict_run, "ect": ect_run}
LEVELS = {1: [PATH.t_max], 2: [PATH.t_max, 1.1], 4: [PATH.t_max, 1.3, 1.1, 0.6]}  # evaluations -> angles
COLUMNS = ["method", "data", "seed", "seconds", "evaluations", "ed_over_floor", "sw2_over_floor", "c2st", "modes",
           "far", "steps"]  # fmt: skip


def within(make: Callable[[int], Run], seconds: float) -> tuple[nn.Module, int]:
    """The averaged model after as many updates as fit into the budget, its trial included, and their number."""
    start = time.process_time()
    cost = seconds_per_update(make)
    updates = max(100, int((seconds - (time.process_time() - start)) / cost))
    return make(updates).train(), updates


def trained(method: str, sampler: Sampler, seconds: float, seed: int) -> tuple[nn.Module, int]:
    """The consistency model after the budget, and the updates of its own loss."""
    if method in FROM_SCRATCH:
        return within(lambda n: FROM_SCRATCH[method](sampler, n, seed), seconds)
    share = TEACHER_SHARE * seconds
    teacher, _ = within(lambda n: diffusion_run(sampler, n, seed), share)
    return within(lambda n: FROM_TEACHER[method](sampler, teacher, n, seed + 1), seconds - share)


def rows_of(method: str, data: str, yardstick: Yardstick, seconds: float, seed: int) -> list[dict[str, object]]:
    start = time.process_time()
    model, steps = trained(method, toy(data), seconds, seed)
    spent = time.process_time() - start
    rows = []
    for evaluations, levels in LEVELS.items():
        generator = torch.Generator().manual_seed(1000 + seed)
        noise = PATH.prior((yardstick.n, 2), generator)
        q = yardstick.measure(consistency_sample(model, noise, levels, PATH, generator))
        numbers = {"ed_over_floor": q.ed_over_floor, "sw2_over_floor": q.sw2_over_floor, "c2st": q.c2st}
        row = {"method": method, "data": data, "seed": seed, "seconds": round(spent, 1), "evaluations": evaluations}
        rows.append({**row, **numbers, "modes": q.modes, "far": q.far, "steps": steps})
    return rows


def choice(text: str, allowed: set[str], name: str) -> list[str]:
    chosen = text.split(",")
    wrong = set(chosen) - allowed
    if wrong:
        raise SystemExit(f"quality.py: expected {name} among {', '.join(sorted(allowed))}, got {', '.join(wrong)}")
    return chosen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="scd,cd,sct,ict,ect")
    parser.add_argument("--data", default="g8,moons,checkerboard,swiss_roll,pinwheel")
    parser.add_argument("--seconds", type=float, default=60.0, help="of one core, training alone (60)")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    rows: list[dict[str, object]] = []
    for data in options.data.split(","):
        sampler = toy(data)
        yardstick = Yardstick(sampler, mixture=eight_gaussians_mixture() if sampler is eight_gaussians else None)
        print(f"{data}: {yardstick.floor}", flush=True)
        for method in choice(options.methods, {*FROM_TEACHER, *FROM_SCRATCH}, "methods"):
            for seed in map(int, options.seeds.split(",")):
                new = rows_of(method, data, yardstick, options.seconds, seed)
                print_table(new, COLUMNS)
                rows += new
                write_json(options.json, rows)  # after each run: a long benchmark may be stopped


if __name__ == "__main__":
    main()
