"""Sample quality after a fixed budget of one core's process time, everything included, in units of the noise floor.

    python benchmarks/quality.py --methods scd,cd --data g8,moons --seconds 60 --seeds 0,1,2 --json FILE

The consistency methods of `arena.py`, which has all the others, without its columns of cost and failure.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arena import NUMBERS, chosen, run  # noqa: E402
from minicm.lab.command import report  # noqa: E402

CONSISTENCY = ["scd", "cd", "sct", "ict", "ect"]


def command(argv: list[str]) -> None:
    run(chosen(argv, __doc__.splitlines()[0], CONSISTENCY), NUMBERS)


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
