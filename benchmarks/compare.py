"""Methods of your own beside those of the arena, from a notebook or a script, without a change to the repository.

    from benchmarks.compare import METHODS, compare, student
    rows = compare({"mine": student(my_run), "sCD here": METHODS["scd"]}, data=["moons"], seconds=60, seeds=[0])

Trained and measured as `arena.py` does it: one core, one budget for everything, one diffusion model for all methods of
a data set and seed.  The stored rows were measured on another day and mostly on another machine, which makes fewer or
more updates in a second: what should be settled runs here, under a name of its own.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arena import METHODS, Method, Row, new_rows, scratch, student, with_pairs, yardstick_of  # noqa: E402
from benchmarks.report import machine  # noqa: E402
from benchmarks.tables import NAMES, RESULTS  # noqa: E402
from minicm.data import toy  # noqa: E402
from minicm.lab.results import arena_rows, over_seeds, results_table  # noqa: E402

__all__ = ["METHODS", "compare", "scratch", "student", "with_pairs"]

STORED = RESULTS / "arena.json"


def compare(
    methods: Mapping[str, Method],
    *,
    data: Sequence[str] = ("moons",),
    seconds: float = 60.0,
    seeds: Sequence[int] = (0,),
) -> list[Row]:
    """The rows of the methods, one for each data set, seed and number of evaluations, with the columns of `arena.py`.

    methods: name -> `student(run)` where run(sampler, teacher, updates, seed) is a `Run` of minicm.lab that starts
    from a diffusion model, `scratch(run)` for run(sampler, updates, seed), or one of METHODS.
    data: names as in the arena.  seconds: of one core for everything of one run.
    Prints a line for each run, then a table for each data set with the stored rows, best first.
    Raises ValueError for no method, for data that is a text, and for a method that lacks its exact teacher there.
    """
    _check(methods, data)
    threads, rows = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for name_of_data in data:
            yardstick = yardstick_of(name_of_data)
            for name, method in methods.items():
                for seed in seeds:
                    found = new_rows(name, method, name_of_data, yardstick, seconds, seed)
                    print(_said(found), flush=True)
                    rows += found
            print(f"\n{name_of_data}\n{table(rows, arena_rows(STORED), name_of_data)}")
    finally:
        torch.set_num_threads(threads)
    print(_where(rows, seconds))
    return rows


def _check(methods: Mapping[str, Method], data: Sequence[str]) -> None:
    if not methods:
        raise ValueError("expected at least one method, got none")
    if isinstance(data, str):
        raise ValueError(f"expected data to be a list of names such as ['moons'], got {data!r}")
    for name in data:
        toy(name)  # raises, with the names there are, before anything is trained
    for name, method in methods.items():
        if not isinstance(method, Method):
            raise ValueError(f"expected a Method such as student(run) for {name!r}, got {type(method).__name__}")
        if method.needs_mixture and set(data) - {"g8", "eight_gaussians"}:
            raise ValueError(f"expected data ['g8'] for {name!r}, whose exact teacher is known there alone, got {data}")


def _said(rows: list[Row]) -> str:
    first = rows[0]
    where = f"{first['method']} on {first['data']}, seed {first['seed']}"
    if first["ed_over_floor"] is None:
        return f"{where}: {first['failure']}"
    return f"{where}: {first['steps']} updates in {first['seconds']} s, ED {first['ed_over_floor']:.2f} floors"


def table(new: Sequence[Row], stored: Sequence[Row], data: str) -> str:
    """New and stored methods on one data set, by the energy distance with one evaluation, best first."""
    marked = [{**row, "method": f"stored: {row['method']}"} for row in stored]
    rows = [row for row in [*new, *marked] if row["data"] == data]
    ed = {method: value for (method, _, n), value in over_seeds(rows, "ed_over_floor").items() if n == 1}
    names = {f"stored: {name}": f"{title}, stored" for name, title in NAMES.items()}
    return results_table(rows, {m: names.get(m, m) for m in sorted(ed, key=ed.__getitem__)}, data=data)


def _where(rows: Sequence[Row], seconds: float) -> str:
    """Both machines and both budgets, and a warning where the budgets differ."""
    here, lines = machine(), []
    lines.append(f"new: {seconds:g} s, {here['processor']}, torch {here['torch']}, {here['date']}")
    if not STORED.exists():
        return lines[0]
    there = json.loads(STORED.read_text("utf-8"))["machine"]
    budget = median(row["seconds"] for row in arena_rows(STORED) if row.get("seconds") is not None)
    lines.append(f"stored: {budget:.0f} s, {there['processor']}, torch {there['torch']}, {there['date']}")
    if abs(seconds - budget) > 0.1 * budget:
        lines.append("the budgets differ: run the stored methods that matter here too, such as METHODS['scd']")
    return "\n".join(lines)
