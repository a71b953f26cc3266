"""What a submission may use while it is graded: time, memory, disk and network of a process of its own.

This stops accidents and idle tricks.  It is no prison: a student's code runs with the rights of whoever grades.
"""

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path

from .plan import ROOT

__all__ = ["Limits", "environment", "limit_this_process", "python", "run_contained"]

GUARD = Path(__file__).resolve().parent / "guard"  # its sitecustomize.py is imported by every Python started with it
MARK = "MINICM_GRADING"


@dataclass(frozen=True)
class Limits:
    """For one submission."""

    cell_seconds: int = 60  # of one cell; the cell is interrupted, the rest is graded
    seconds: int = 300  # of the whole notebook, start-up included; then all of its processes are killed
    memory_mb: int = 4096  # writable memory of each process; torch alone needs about 500
    file_mb: int = 200  # of one written file


def environment(folder: Path) -> dict[str, str]:
    """Variables that keep Python, Jupyter and matplotlib from writing anywhere but in folder."""
    home = folder.resolve()
    for name in ("home", "tmp", "jupyter", "ipython", "matplotlib"):
        (home / name).mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT") if name in os.environ}
    return kept | {
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter"),
        "JUPYTER_PREFER_ENV_PATH": "1",
        "IPYTHONDIR": str(home / "ipython"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "PYTHONPATH": os.pathsep.join([str(GUARD), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


def run_contained(command: list[str], folder: Path, limits: Limits, log: Path) -> str:
    """Run command in folder; "" if it ended by itself, else what ended it, in words.

    Its output goes to log.  Every process that it left behind is killed.
    """
    token = uuid.uuid4().hex
    variables = environment(folder) | {MARK: token}
    with log.open("wb") as out:
        child = subprocess.Popen(
            command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            code = child.wait(limits.seconds)
            said = "" if code == 0 else f"grading ended with exit status {code}"
        except subprocess.TimeoutExpired:
            said = f"stopped after {limits.seconds} seconds, the limit for a whole notebook"
        finally:
            _kill_all(child, token)
    return said


def limit_this_process(limits: Limits) -> None:
    """Lower this process's limits, and so those of the kernels that it starts; nothing on Windows.

    The child calls it first thing: a function run between fork and exec is not safe beside threads.
    """
    try:
        import resource
    except ModuleNotFoundError:
        return
    wanted = {
        "RLIMIT_DATA": limits.memory_mb * 2**20,  # private writable memory; on Linux, mapped memory too
        "RLIMIT_FSIZE": limits.file_mb * 2**20,
        "RLIMIT_CPU": 2 * limits.seconds,
        "RLIMIT_CORE": 0,
    }
    for which, value in ((getattr(resource, name, None), value) for name, value in wanted.items()):
        if which is None:
            continue
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(which, (most, most))


def _kill_all(child: subprocess.Popen, token: str) -> None:
    """Kill the child, its descendants, and whatever carries its token: kernels have sessions of their own."""
    import psutil

    doomed = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == token:
                doomed.append(process)
        except (psutil.Error, OSError):
            continue
    for process in doomed:
        try:
            process.kill()
        except psutil.Error:
            continue
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL) if os.name == "posix" else child.kill()
    child.wait()


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours with this Python."""
    return [sys.executable, "-m", module, *arguments]
