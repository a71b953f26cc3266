"""Whether lessons and trainings come out the same on other machines: stable.py [PATH ...] --seeds 10 --times 1.

Runs the notebooks, compared as `make test` compares them, and the tests of what trains, under stand-ins for another
machine: every weight nudged by a millionth (tests/nudge), PyTorch's plain kernels, MKL's compatible ones, two threads.
Prints a row for each setting with what differed.  The exit code is 1 if anything did.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NUDGE = str(ROOT / "tests" / "nudge")
FAILED = re.compile(r"(?m)^(?:FAILED|ERROR) (\S+?::\S+(?: \d+)?|\S+)")
OTHERS = {  # name -> environment; the nudges follow
    "as it is": {},
    "plain kernels": {"ATEN_CPU_CAPABILITY": "default"},
    "compatible MKL": {"MKL_CBWR": "COMPATIBLE"},
    "two threads": {
        "MINICM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
        "MKL_NUM_THREADS": "2",
        "OMP_WAIT_POLICY": "PASSIVE",
    },
}


def settings(seeds: list[int]) -> dict[str, dict[str, str]]:
    """{name of a setting: its environment variables}."""
    return OTHERS | {f"nudge {seed}": {"MINICM_NUDGE": str(seed)} for seed in seeds}


def differences(paths: list[str], variables: dict[str, str], jobs: int) -> list[str]:
    """The tests and cells that are red in one run, [] for none."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"} | variables
    environment.pop("MINICM_REFRESH", None)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [NUDGE, os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=no"]
    command += ["-n", str(jobs if jobs > 1 else 0), *paths]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    found = FAILED.findall(done.stdout)
    if done.returncode and not found:
        found = [f"pytest ended with {done.returncode}: {(done.stdout + done.stderr).strip().splitlines()[-1][:80]}"]
    return sorted({name.removeprefix("tutorials/").removeprefix("tests/") for name in found})


def trains() -> list[str]:
    """The files of tests that train or claim what was learnt: those that make an optimizer or load weights."""
    word = re.compile(r"optim\.|recipes|load_weights|\.fit\(|experiments")
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(file.relative_to(ROOT)) for file in files if word.search(file.read_text("utf-8"))]


def main(argv: list[str] | None = None) -> int:
    """1 if anything differed in any setting, else 0."""
    parser = argparse.ArgumentParser(description="Run lessons and trainings on stand-ins for other machines.")
    parser.add_argument("paths", nargs="*", help="notebooks or tests; by default the course and the tests that train")
    parser.add_argument("--seeds", type=int, default=10, help="nudges of every weight (10)")
    parser.add_argument("--times", type=int, default=1, help="runs in each setting (1)")
    parser.add_argument("--only", nargs="+", metavar="WORD", help="the settings whose names hold one of these words")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args(argv)
    if options.times < 1 or options.seeds < 0 or options.jobs < 1:
        parser.error("expected --times and --jobs of at least 1, --seeds of at least 0")
    if strangers := [path for path in options.paths if not (ROOT / path).exists()]:
        parser.error(f"expected files of {ROOT.name}, got {strangers[0]}")
    chosen = {
        name: variables
        for name, variables in settings(list(range(options.seeds))).items()
        if not options.only or any(word in name for word in options.only)
    }
    if not chosen:
        parser.error(f"expected words of {', '.join(settings([0]))} after --only, got {' '.join(options.only)}")
    bad = 0
    for name, variables in chosen.items():
        for _ in range(options.times):
            found = differences(options.paths or ["tutorials", *trains()], variables, options.jobs)
            bad += bool(found)
            print(f"{name:16} {', '.join(found) or 'agreed'}", flush=True)
    print("every run agreed" if not bad else f"{bad} runs differed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
