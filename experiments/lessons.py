"""The stored students of notebooks 07 and 08: runs that a lesson shows in part, or beside one that it trains itself.

    python experiments/lessons.py [NAME ...] [--iterations N]

NAME: lesson_cd (07, from the stored teacher), lesson_cd_exact, lesson_ict or lesson_ect (08, from scratch); by default
all.  Writes data/NAME.safetensors in half precision, with the command and the measured quality inside.  The data are
the eight Gaussians.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from experiments.rivals import store, stored_teacher  # noqa: E402
from minicm.data import eight_gaussians, eight_gaussians_mixture  # noqa: E402
from minicm.lab.recipes.plane import PATH, Run, cd_run, ect_run, ict_run, new_model  # noqa: E402
from minicm.losses import cd  # noqa: E402


def exact_cd_run(iterations: int) -> Run:
    """CD from scratch, with the exact denoiser as its teacher: 18 levels, one Heun step."""
    return Run(new_model(), cd(PATH, eight_gaussians_mixture().denoiser(PATH)), eight_gaussians, iterations)


# how it trains, and the updates: half a minute of a core for each
RUNS: dict[str, tuple[Callable[[int], Run], int]] = {
    "lesson_cd": (lambda n: cd_run(eight_gaussians, stored_teacher(), n), 3000),
    "lesson_cd_exact": (exact_cd_run, 2200),
    "lesson_ict": (lambda n: ict_run(eight_gaussians, n), 2200),
    "lesson_ect": (lambda n: ect_run(eight_gaussians, n), 2200),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(RUNS)} (all)")
    parser.add_argument("--iterations", type=int, help="updates of each (as in the lessons)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(RUNS)):
        parser.error(f"expected names among {', '.join(RUNS)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    for name in options.names or RUNS:
        make, iterations = RUNS[name]
        run = make(options.iterations or iterations)
        for _ in tqdm(run.records(), total=run.iterations, desc=name):
            pass
        store(name, run.average.model, run.iterations, f"python experiments/lessons.py {name}")


if __name__ == "__main__":
    main()
