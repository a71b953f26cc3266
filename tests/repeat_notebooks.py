"""Whether the notebooks print the same each time: repeat_notebooks.py [NOTEBOOK ...] --times 10 --threads 1 2.

Runs each notebook's strict comparison (every printed character against what is stored, as `make test` does) so many
times with each number of threads, and prints a table of how many runs agreed.  A lesson sets one thread: for two, its
setup is changed in a copy.  --kernels default takes the plain kernels of PyTorch instead of the machine's own, a
stand-in for another machine.  The exit code is 1 if a run differed.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTING = "torch.set_num_threads(1)"  # of every notebook's setup
FAILED = re.compile(r"(?m)^FAILED (\S+\.ipynb::\S+ \d+|\S+)")


def environment(threads, kernels):
    chosen = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    chosen.pop("MINICM_REFRESH", None)
    return chosen if kernels == "native" else chosen | {"ATEN_CPU_CAPABILITY": kernels}


def shadow(folder, notebook, threads):
    """A copy of the repository, of links but for the notebook, whose setup sets another number of threads."""
    for place in (ROOT, ROOT / "tutorials"):
        copy = folder / place.relative_to(ROOT)
        copy.mkdir(exist_ok=True)
        for entry in place.iterdir():
            if entry not in (ROOT / "tutorials", notebook):
                (copy / entry.name).symlink_to(entry)
    text = notebook.read_text("utf-8")
    if text.count(SETTING) != 1:
        raise ValueError(f"expected {SETTING} once in {notebook}, got {text.count(SETTING)}")
    (folder / "tutorials" / notebook.name).write_text(
        text.replace(SETTING, f"torch.set_num_threads({threads})"), "utf-8"
    )


def compared(notebook, threads, kernels):
    """The cells that differed, [] for none, in one run of the notebook."""
    with tempfile.TemporaryDirectory() as folder:
        shadow(Path(folder), notebook, threads)
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--tb=no",
            f"tutorials/{notebook.name}",
        ]
        done = subprocess.run(command, cwd=folder, env=environment(threads, kernels), capture_output=True, text=True)
    found = [name.split("::")[-1] for name in FAILED.findall(done.stdout)]
    if done.returncode and not found:
        found = [f"pytest ended with {done.returncode}: {(done.stdout + done.stderr).strip().splitlines()[-1][:80]}"]
    return found


def repeated(notebook, times, threads, kernels):
    """(runs that agreed, what differed in the others) of `times` runs."""
    runs = [compared(notebook, threads, kernels) for _ in range(times)]
    return sum(not run for run in runs), sorted({cell for run in runs for cell in run})


def main(argv=None):
    parser = argparse.ArgumentParser(description="Run the notebooks' strict comparison again and again.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="files; by default all of tutorials/")
    parser.add_argument("--times", type=int, default=10, help="runs of each notebook with each setting (10)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads (1 2)")
    parser.add_argument("--kernels", nargs="+", default=["native"], help="native, default, avx2, ... (native)")
    options = parser.parse_args(argv)
    if options.times < 1 or min(options.threads) < 1:
        parser.error("expected --times and --threads of at least 1")
    if strangers := [path for path in options.notebooks if path.resolve().parent != ROOT / "tutorials"]:
        parser.error(f"expected notebooks of tutorials/, got {strangers[0]}")
    print(f"{'notebook':40} {'kernels':8} {'threads':>7} {'agreed':>9}  cells that differed", flush=True)
    bad = 0
    for notebook in map(Path.resolve, options.notebooks or sorted((ROOT / "tutorials").glob("[0-9]*.ipynb"))):
        for kernels in options.kernels:
            for threads in options.threads:
                agreed, cells = repeated(notebook, options.times, threads, kernels)
                bad += agreed < options.times
                told = f"{agreed} of {options.times}"
                print(f"{notebook.name:40} {kernels:8} {threads:7} {told:>9}  {', '.join(cells)}", flush=True)
    print("every run agreed" if not bad else f"{bad} settings with runs that differed")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
