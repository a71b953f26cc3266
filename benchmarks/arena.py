"""Every few-step method on every 2D set at an equal budget of one core's process time, beside the noise floor.

    python benchmarks/arena.py --methods scd,meanflow --data g8,moons --seconds 60 --seeds 0,1,2 --json FILE

A method that needs a diffusion model (a teacher, or weights to start from) pays for it out of the same budget, and so
does one that needs pairs.  All methods of one data set and seed start from the same one, so that they differ in what
they make of it.  The settings are those of minicm.lab.recipes, the same for every data set.  Only
measuring is free.  The clock is watched during a run, which ends within a tenth of its budget unless that holds fewer
than a hundred updates; `steps` of a row is how many it made.  Other libraries
(benchmarks/peers/requirements_flows.txt) run beside ours where they can be imported.  Rows of other runs that FILE
already holds are kept, so that a long benchmark may be made in parts.
Methods of your own, from a notebook: compare.py.
"""

import sys
import time
from argparse import Namespace
from collections.abc import Callable, Collection
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.failures import failure  # noqa: E402
from benchmarks.peers.flows import by_euler, peers  # noqa: E402
from benchmarks.report import json_file, machine, names, positive, print_table, seeds, write_json  # noqa: E402
from minicm.data import TOYS, eight_gaussians, eight_gaussians_mixture, toy  # noqa: E402
from minicm.evaluation import Yardstick  # noqa: E402
from minicm.lab.command import Parser, report  # noqa: E402
from minicm.lab.recipes import rivals as c  # noqa: E402
from minicm.lab.recipes.plane import (  # noqa: E402
    PATH,
    Chain,
    Run,
    cd_run,
    diffusion_run,
    ect_run,
    ict_run,
    new_model,
    scd_run,
    sct_run,
    seconds_per_update,
)
from minicm.lab.results import arena_rows  # noqa: E402
from minicm.shapes import Sampler  # noqa: E402

TEACHER_SHARE = 0.35  # of the budget, for methods that start from a diffusion model
LONG, OFF, OVER = 0.03, 0.05, 0.08  # shares of a run's budget: its trial, what is mended early, what ends it
NUMBERS = ["method", "data", "seed", "seconds", "evaluations", "ed_over_floor", "sw2_over_floor", "c2st", "modes",
           "far", "steps"]  # fmt: skip
COLUMNS = [*NUMBERS, "ms_per_step", "off", "missed", "failure"]

Row = dict[str, object]  # the columns, each with its value
Make = Callable[[int], Run | Chain]  # updates -> a run of so many
Draw = Callable[[nn.Module, Tensor, int, torch.Generator], Tensor]  # (model, noise, evaluations, generator)


@dataclass(frozen=True)
class Method:
    """prepare: (sampler, teacher or None, seed) -> Make; what it does itself is paid for like the training."""

    prepare: Callable[[Sampler, nn.Module | None, int], Make]
    draw: Draw = c.by_consistency
    from_teacher: bool = True
    needs_mixture: bool = False  # the exact teacher is known for eight Gaussians alone
    evaluations: tuple[int, ...] = tuple(c.LEVELS)  # that it is made for


def student(run: Callable[..., Run | Chain], draw: Draw = c.by_consistency) -> Method:
    """A method whose run is run(sampler, teacher, updates, seed)."""
    return Method(lambda sampler, teacher, seed: lambda n: run(sampler, teacher, n, seed), draw)


def scratch(run: Callable[..., Run | Chain], draw: Draw = c.by_consistency) -> Method:
    """A method whose run is run(sampler, updates, seed)."""
    return Method(lambda sampler, teacher, seed: lambda n: run(sampler, n, seed), draw, from_teacher=False)


def with_pairs(run: Callable[..., Run]) -> Method:
    """A method whose run is run(sampler, teacher, pairs, updates, seed)."""

    def prepare(sampler: Sampler, teacher: nn.Module | None, seed: int) -> Make:
        pairs = c.teacher_pairs(teacher, event=sampler(1, torch.Generator()).shape[1:], seed=seed)
        return lambda n: run(sampler, teacher, pairs, n, seed)

    return Method(prepare)


def from_the_exact_teacher(sampler: Sampler, teacher: nn.Module | None, seed: int) -> Make:
    """The control: pairs of the exact ODE, an untrained network."""
    pairs = c.teacher_pairs(eight_gaussians_mixture().denoiser(PATH), seed=seed)
    return lambda n: c.direct_run(sampler, new_model(seed), pairs, n, seed)


def peer(run: Callable[[Sampler, int, int], Run]) -> Method:
    """A method of another library, from scratch."""
    return Method(lambda sampler, teacher, seed: lambda n: run(sampler, n, seed), by_euler, from_teacher=False)


OURS: dict[str, Method] = {
    "scd": student(scd_run),
    "cd": student(cd_run),
    "sct": student(sct_run),
    "ict": scratch(ict_run),
    "ect": scratch(ect_run),
    "direct_exact": Method(from_the_exact_teacher, from_teacher=False, needs_mixture=True),
    "direct": with_pairs(c.direct_run),
    "stable_direct": scratch(c.stable_direct_run, c.by_last),
    "progressive": student(c.progressive_run, c.by_ddim),
    "vsd": replace(student(c.vsd_run), evaluations=(1,)),
    "dmd": with_pairs(c.dmd_run),
    "adversarial": student(c.adversarial_run),
    "ctm": student(c.ctm_run, c.by_jumps),
    "shortcut": student(c.shortcut_run, c.by_jumps),
    "meanflow": student(c.meanflow_run, c.by_jumps),
    "eulerian": student(c.eulerian_run, c.by_jumps),
    "lagrangian": student(c.lagrangian_run, c.by_jumps),
    "tcm": student(c.tcm_run, c.by_truncated),
    "rcm": student(c.rcm_run),
    "imf": student(c.improved_meanflow_run, c.by_jumps),
    "alpha_flow": student(c.alpha_flow_run, c.by_jumps),
    "drifting": replace(scratch(c.drifting_run), evaluations=(1,)),
    "sinkhorn": replace(scratch(c.sinkhorn_run), evaluations=(1,)),
    "imm": student(c.imm_run, c.by_restarts),
}
METHODS = OURS | {name: peer(run) for name, run in peers().items()}
DATA = "g8,moons,checkerboard,swiss_roll,pinwheel"


def within(make: Make, seconds: float) -> tuple[nn.Module, int, float]:
    """The averaged model after the budget, its trials included, the updates it has had and the seconds of one.

    A short trial says how long the second must be to take LONG of the budget, each stage in its share; that one says
    how many updates a run has.  From then on the clock decides: see `paced`.
    """
    end = time.process_time() + seconds
    longer = int(LONG * seconds / seconds_per_update(make))
    cost = seconds_per_update(make, max(60, longer))
    for looks in (True, False):
        left = end - time.process_time()
        run = make(max(100, int(left / cost)))
        whole, done, cost = paced(run, max(100, int(left / cost)), left, looks=looks)
        if whole:
            break
    return run.result(), done, cost


def paced(run: Run | Chain, updates: int, seconds: float, *, looks: bool) -> tuple[bool, int, float]:
    """(whether it is done, updates made, seconds of one) of a run that is watched by the clock.

    looks: after a twentieth it is given up, to begin anew, if it would miss the seconds by more than OFF; a chain is
    not, whose later stages have another cost.  Past the seconds by OVER it stops and is done.
    """
    begun, done, spent = time.process_time(), 0, 0.0
    for _ in run.records():
        done, spent = done + 1, time.process_time() - begun
        at_the_mark = looks and done == updates // 20 and not isinstance(run, Chain)
        if at_the_mark and abs(spent / done * updates / seconds - 1) > OFF:
            return False, done, spent / done
        if spent > (1 + OVER) * seconds:
            break
    return True, done, spent / done


@lru_cache(maxsize=8)
def common_teacher(sampler: Sampler, seconds: float, seed: int) -> tuple[nn.Module, float]:
    """The diffusion model that all methods of one data set and seed start from, and the seconds it took."""
    begun = time.process_time()
    teacher, *_ = within(lambda n: diffusion_run(sampler, n, seed), seconds)
    return teacher, time.process_time() - begun


def trained(method: Method, sampler: Sampler, seconds: float, seed: int) -> tuple[nn.Module, int, float, float]:
    """The model after the budget, the updates of its own loss, the seconds that one takes, and those of everything."""
    teacher, paid = common_teacher(sampler, TEACHER_SHARE * seconds, seed) if method.from_teacher else (None, 0.0)
    begun = time.process_time()
    make = method.prepare(sampler, deepcopy(teacher), seed + 1 if method.from_teacher else seed)
    model, steps, cost = within(make, seconds - paid - (time.process_time() - begun))
    return model, steps, cost, paid + time.process_time() - begun


def yardstick_of(data: str) -> Yardstick:
    """What the samples of that data set are measured with."""
    sampler = toy(data)
    return Yardstick(sampler, mixture=eight_gaussians_mixture() if sampler is eight_gaussians else None)


def new_rows(name: str, method: Method, data: str, yardstick: Yardstick, seconds: float, seed: int) -> list[Row]:
    """One row for each number of evaluations; those of a run that broke off have no others."""
    try:
        model, steps, cost, spent = trained(method, toy(data), seconds, seed)
    except FloatingPointError as error:  # the others go on
        print(f"{name} on {data}, seed {seed}: {error}")
        empty = {**dict.fromkeys(COLUMNS), "method": name, "data": data, "seed": seed, "failure": "diverged"}
        return [{**empty, "evaluations": evaluations} for evaluations in method.evaluations]
    rows = []
    for evaluations in method.evaluations:
        generator = torch.Generator().manual_seed(1000 + seed)
        noise = PATH.prior((yardstick.n, 2), generator)
        samples = method.draw(model, noise, evaluations, generator)
        q = yardstick.measure(samples)
        numbers = {"ed_over_floor": q.ed_over_floor, "sw2_over_floor": q.sw2_over_floor, "c2st": q.c2st}
        row = {"method": name, "data": data, "seed": seed, "seconds": round(spent, 1), "evaluations": evaluations}
        numbers |= {"modes": q.modes, "far": q.far, "steps": steps, "ms_per_step": round(1e3 * cost, 3)}
        rows.append({**row, **numbers, **failure(samples, yardstick.truth)})
    return rows


def stored_rows(file: Path | None) -> list[Row]:
    """What the file holds already; nothing if there is none.  Raises ValueError for a file of another form."""
    return list(arena_rows(file)) if file else []


def run(options: Namespace, columns: list[str]) -> None:
    """Every method on every set with every seed; the JSON file is written anew after each run."""
    torch.set_num_threads(1)
    rows = stored_rows(options.json)
    print(machine())
    for data in options.data:
        yardstick = yardstick_of(data)
        print(f"{data}: {yardstick.floor}", flush=True)
        for name in options.methods:
            if METHODS[name].needs_mixture and toy(data) is not eight_gaussians:
                continue
            for seed in options.seeds:
                new = new_rows(name, METHODS[name], data, yardstick, options.seconds, seed)
                print_table(new, columns)
                rows = [row for row in rows if (row["method"], row["data"], row["seed"]) != (name, data, seed)]
                rows += [{column: row[column] for column in columns} for row in new]
                write_json(options.json, rows)  # after each run: a long benchmark may be stopped


def chosen(argv: list[str], description: str, methods: Collection[str]) -> Namespace:
    """What the command line asks for, of these methods.  Raises ValueError for what there is not."""
    parser = Parser(description=description)
    parser.add_argument("--methods", type=names(methods), default=",".join(methods), help=f"of {', '.join(methods)}")
    parser.add_argument("--data", type=names(["g8", *TOYS]), default=DATA, help=f"of g8, {', '.join(TOYS)}")
    parser.add_argument("--seconds", type=positive, default=60.0, help="of one core, for everything of one run (60)")
    parser.add_argument("--seeds", type=seeds, default="0,1,2")
    parser.add_argument("--json", type=json_file, metavar="FILE")
    options = parser.parse_args(argv)
    if not (options.methods and options.data):
        raise ValueError("expected at least one name for each of --methods and --data, got none")
    exact = [name for name in options.methods if METHODS[name].needs_mixture]
    if exact == options.methods and eight_gaussians not in map(toy, options.data):
        raise ValueError(f"expected g8 among the data of {exact[0]}, whose exact teacher is known there alone")
    return options


def command(argv: list[str]) -> None:
    run(chosen(argv, __doc__.splitlines()[0], METHODS), COLUMNS)


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
