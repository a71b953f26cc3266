"""What fresh true samples measure against the floor: python benchmarks/floors.py [--data g8] [--n 20000] [--sets 30].

The yardstick says 1 for a perfect model on average.  This prints the average over true sets that it has never seen, the
range that nine in ten of them lie in, and how many lie above 1.5, for each data set and number of points.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import count, counts, json_file, machine, names, print_table, write_json  # noqa: E402
from minicm.data import TOYS, toy  # noqa: E402
from minicm.evaluation import Yardstick  # noqa: E402
from minicm.lab.command import Parser, report  # noqa: E402

FIRST_SEED = 500  # of the true sets: apart from those of the yardstick and of every trained model
DATA = "eight_gaussians,moons,checkerboard,swiss_roll,pinwheel"


def row(data: str, n: int, sets: int) -> dict[str, object]:
    """The energy distance over its floor of `sets` fresh true sets of n points: average and spread."""
    sampler = toy(data)
    yardstick = Yardstick(sampler, n)
    seeds = range(FIRST_SEED, FIRST_SEED + sets)
    ratios = sorted(yardstick.ed_over_floor(sampler(n, torch.Generator().manual_seed(seed))) for seed in seeds)
    aside = sets // 20  # a twentieth at each end
    return {
        "data": data, "n": n, "sets": sets, "mean": mean(ratios), "low": ratios[aside], "high": ratios[-1 - aside],
        "above": sum(ratio > 1.5 for ratio in ratios),
    }  # fmt: skip


def command(argv: Sequence[str]) -> int:
    parser = Parser(description="fresh true samples against the noise floor")
    parser.add_argument("--data", type=names(TOYS), default=DATA.split(","), metavar="NAMES", help="data sets")
    parser.add_argument("--n", type=counts, default=[20_000], metavar="NUMBERS", help="points of a set (20000)")
    parser.add_argument("--sets", type=count, default=30, help="true sets of each (30)")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the rows there too")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(machine())
    rows = []
    for n in options.n:
        for data in options.data:
            rows.append(row(data, n, options.sets))
            print_table(rows[-1:], list(rows[-1]))
    write_json(options.json, rows)
    return 0


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
