"""What `import minicm` costs beside `import torch`: python benchmarks/import_time.py [--repeats 9] [--json FILE].

Fresh processes, one import each, in turn, so that a busy moment of the machine meets both.  Medians of CPU and wall
seconds inside the process, from before the import to after it; Python's own start is not counted.
"""

import os
import subprocess
import sys
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import count, json_file, write_json  # noqa: E402
from minicm.lab.command import Parser, report  # noqa: E402

MODULES = ("torch", "minicm")
LIMIT = 1.1  # what we claim: CPU time of `import minicm` over that of `import torch`
PROBE = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {module}
print(time.process_time() - cpu, time.perf_counter() - wall)
"""


def seconds(module: str) -> tuple[float, float]:
    """(CPU, wall) seconds of one import in a fresh process."""
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    probe = [sys.executable, "-c", PROBE.format(module=module)]
    cpu, wall = subprocess.run(probe, env=environment, capture_output=True, text=True, check=True).stdout.split()
    return float(cpu), float(wall)


def measure(repeats: int, timer=seconds) -> list[dict[str, float | str]]:
    """One row per module: median CPU and wall seconds, and their ratio to torch's."""
    times = {module: [] for module in MODULES}
    for module in MODULES:
        timer(module)  # the first import of each reads the disk and writes byte code
    for _ in range(repeats):
        for module in MODULES:
            times[module].append(timer(module))
    medians = {module: tuple(map(median, zip(*pairs))) for module, pairs in times.items()}
    cpu, wall = medians["torch"]
    return [
        {"module": module, "cpu_s": c, "wall_s": w, "cpu_ratio": c / cpu, "wall_ratio": w / wall}
        for module, (c, w) in medians.items()
    ]


def command(argv: list[str]) -> int:
    parser = Parser(description="import minicm against import torch")
    parser.add_argument("--repeats", type=count, default=9, help="imports of each (9)")
    parser.add_argument("--json", type=json_file, metavar="FILE", help="write the rows there too")
    options = parser.parse_args(argv)
    rows = measure(options.repeats)
    print(f"{'import':8} {'CPU s':>7} {'wall s':>7} {'CPU ratio':>10} {'wall ratio':>10}")
    for row in rows:
        print("{module:8} {cpu_s:7.2f} {wall_s:7.2f} {cpu_ratio:10.3f} {wall_ratio:10.3f}".format(**row))
    write_json(options.json, rows)
    within = rows[-1]["cpu_ratio"] <= LIMIT
    print(f"import minicm costs {'at most' if within else 'MORE than'} {LIMIT} times import torch in CPU time")
    return int(not within)


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
