"""The tables of README.md and docs/arena.md, written from the stored results: nobody types a number.

    python benchmarks/tables.py

Each stands between two marks, <!-- NAME --> and <!-- /NAME -->; tests/lab/test_benchmark_tables.py fails when the text
there is not what the files in benchmarks/results give.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from minicm.lab.command import Parser, report  # noqa: E402
from minicm.lab.results import arena_rows, over_seeds  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README, ARENA = ROOT / "README.md", ROOT / "docs" / "arena.md"
SHORT = {  # the methods of the README -> what a reader finds there
    "direct": "learns where each noise of a diffusion model ends, from stored pairs",
    "scd": "distils a diffusion model in continuous time (sCM)",
    "dmd": "is taught the law of the samples alone",
    "cd": "distils a diffusion model step by step",
    "ict": "learns from data alone, in discrete steps",
    "ect": "learns from data alone, beginning as diffusion",
    "sct": "learns from data alone, in continuous time",
    "meanflow": "learns mean velocities of jumps",
    "flow_matching": "a flow model, which is made for more evaluations",
}
SETS = {"g8": "8 Gaussians", "moons": "moons", "checkerboard": "checkerboard", "swiss_roll": "swiss roll",
        "pinwheel": "pinwheel"}  # fmt: skip
NAMES = {
    "direct_exact": "direct distillation, exact teacher",
    "direct": "direct distillation",
    "scd": "sCD",
    "rcm": "rCM",
    "dmd": "DMD",
    "adversarial": "sCD and a discriminator",
    "cd": "CD",
    "progressive": "progressive distillation",
    "eulerian": "flow map, Eulerian",
    "lagrangian": "flow map, Lagrangian",
    "ctm": "CTM",
    "vsd": "VSD",
    "stable_direct": "direct distillation, stable targets",
    "drifting": "Drifting",
    "sinkhorn": "sample matching by transport",
    "imf": "iMF",
    "alpha_flow": "α-Flow",
    "sct": "sCT",
    "imm": "IMM",
    "tcm": "TCM",
    "meanflow": "MeanFlow",
    "shortcut": "Shortcut",
    "ict": "iCT",
    "ect": "ECT",
    "ot_cfm": "OT-CFM, by torchcfm",
    "flow_matching": "flow matching, by flow_matching",
}


def arena_table(rows: Sequence[Mapping[str, object]]) -> str:
    """One line a method: ED over floor with one evaluation on each set, then medians over the sets; best first."""
    ed, c2st = over_seeds(rows, "ed_over_floor"), over_seeds(rows, "c2st")
    lines = {name: _line(NAMES[name], name, rows, ed, c2st) for name in NAMES if any(r["method"] == name for r in rows)}
    middles = {name: _middle(ed, name, 1) for name in lines}
    head = ["method", *SETS.values(), "all, 2", "all, 4", "C2ST, 1", "ms a step", "seeds"]
    order = sorted(lines, key=lambda name: middles[name])
    return "\n".join(map(_row, [head, ["---", *["---:"] * (len(head) - 1)], *(lines[name] for name in order)]))


def _line(title: str, name: str, rows: Sequence, ed: Mapping, c2st: Mapping) -> list[str]:
    own = [row for row in rows if row["method"] == name]
    each = [_number(ed.get((name, data, 1))) for data in SETS]
    over = [_number(_middle(found, name, n)) for found, n in ((ed, 2), (ed, 4))]
    costs = [row["ms_per_step"] for row in own if row["ms_per_step"] is not None]
    return [title, *each, *over, f"{_middle(c2st, name, 1):.3f}", f"{median(costs):.1f}", _seeds(own)]


def _seeds(own: Sequence[Mapping[str, object]]) -> str:
    """How many there are on each set: "3", or "1 to 3" where sets differ."""
    counts = {len({row["seed"] for row in own if row["data"] == data}) for data in {row["data"] for row in own}}
    return " to ".join(map(str, sorted({min(counts), max(counts)})))


def _middle(found: Mapping[tuple[str, str, int], float], name: str, evaluations: int) -> float | None:
    """Over the sets; None for a method that is not made for so many evaluations."""
    values = [found[name, data, evaluations] for data in SETS if (name, data, evaluations) in found]
    return median(values) if values else None


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def arena_text(file: Path) -> str:
    """The table, and under it where and when its numbers were made."""
    rows, machine = arena_rows(file), json.loads(file.read_text("utf-8"))["machine"]
    where = f"{machine['processor']}, one thread, torch {machine['torch']}, {machine['date']}"
    seconds = [row["seconds"] for row in rows]
    took = f"{min(seconds):.0f} to {max(seconds):.0f}"
    how = f"`python benchmarks/arena.py`, for 60 s of one core a run: the runs took {took} s"
    return f"{arena_table(rows)}\n\n{where}; {how}. –: not run, or not made for so many evaluations."


def short_table(rows: Sequence[Mapping[str, object]]) -> str:
    """One line a method: the median over the sets of ED over floor, for 1, 2 and 4 evaluations; best first."""
    ed = over_seeds(rows, "ed_over_floor")
    found = {
        name: [_middle(ed, name, n) for n in (1, 2, 4)] for name in SHORT if any(r["method"] == name for r in rows)
    }
    head = ["method", "what it does", "1 evaluation", "2", "4"]
    order = sorted(found, key=lambda name: found[name][0])
    lines = [[NAMES[name], SHORT[name], *map(_number, found[name])] for name in order]
    return "\n".join(map(_row, [head, ["---", "---", *["---:"] * 3], *lines]))


def short_text(file: Path) -> str:
    """The short table, and under it what its numbers are."""
    rows, machine = arena_rows(file), json.loads(file.read_text("utf-8"))["machine"]
    methods = len({row["method"] for row in rows})
    return (
        f"{short_table(rows)}\n\n{machine['processor']}, one thread, torch {machine['torch']}, {machine['date']}.\nAll "
        f"{methods} methods, set by set, are in [the arena](docs/arena.md)."
    )


def solvers_text(file: Path) -> str:
    """What the benchmark of solvers found, in a sentence."""
    found = json.loads(file.read_text("utf-8"))
    claims, libraries = found["claims"], " and ".join(", ".join(found["libraries"]).rsplit(", ", 1))
    pool = {(row["solver"], row["grid"], row["origin"]) for row in found["rows"] if row["origin"] != "minicm"}
    pool = {setting for setting in pool if setting[1] != "scale"}  # our grid
    whole, fresh, one = claims["all"], claims["fresh"], claims["all, ours always exponential Adams 4, scale"]
    return (
        f"Solvers: on {len(found['seen'])} mixtures whose flow is known, with budgets of 5 to 160 evaluations counted "
        f"by calls, the\nbest of ours is at or below the best of {len(pool)} settings (a solver, a grid) of "
        f"{libraries}\n"
        f"in {whole['won']} of {whole['cells']} cells, in {fresh['won']} of {fresh['cells']} on mixtures that were not "
        f"looked at before; one choice for all budgets\n(`exponential_adams` on `scale_grid`) is in {one['won']} of "
        f"{one['cells']}. The median error is {whole['median ratio']:.2f} of theirs\n"
        f"(`python benchmarks/solvers.py`, {found['machine']['date']})."
    )


def with_table(text: str, name: str, table: str) -> str:
    """The text with the table between its two marks.  Raises ValueError if they are not there, once."""
    marks = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.DOTALL)
    if len(marks.findall(text)) != 1:
        raise ValueError(f"expected the marks <!-- {name} --> and <!-- /{name} --> once in the text")
    return marks.sub(lambda found: f"{found[1]}\n{table}\n{found[2]}", text)


def with_results(text: str) -> str:
    """The README with all that the stored results give."""
    text = with_table(text, "arena", short_text(RESULTS / "arena.json"))
    return with_table(text, "solvers", solvers_text(RESULTS / "solvers.json"))


def with_arena(text: str) -> str:
    """The page of the arena with both of its tables, each of one machine."""
    text = with_table(text, "arena", arena_text(RESULTS / "arena.json"))
    return with_table(text, "later", arena_text(RESULTS / "arena_later.json"))


def command(argv: list[str]) -> None:
    Parser(description=__doc__.splitlines()[0]).parse_args(argv)
    README.write_text(with_results(README.read_text("utf-8")), "utf-8")
    ARENA.write_text(with_arena(ARENA.read_text("utf-8")), "utf-8")
    print(f"wrote the tables of {README.name} and {ARENA.name}")


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
