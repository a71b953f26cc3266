"""What a submission may use while it is graded: time, memory, disk and network of processes of its own.

This stops accidents and idle tricks.  It is no prison: a student's code runs with the rights of whoever grades.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from .frames import read_frame, write_frame
from .plan import ROOT

__all__ = ["EndedError", "Limits", "OvertimeError", "Worker", "environment", "limit_this_process"]

GUARD = Path(__file__).resolve().parent / "guard"  # its sitecustomize.py is imported by every Python started with it
START_SECONDS = 600  # to load torch on a busy machine


class EndedError(Exception):
    """The process that ran the submission is gone."""


class OvertimeError(Exception):
    """The cell used up its time; whole: the notebook did.  The process is still there, or was killed."""

    def __init__(self, *, whole: bool) -> None:
        super().__init__()
        self.whole = whole


@dataclass(frozen=True)
class Limits:
    """For one submission."""

    cell_seconds: float = (
        60  # of the processor, or three times as many of the clock, for a cell; then it is interrupted
    )
    seconds: float = 300  # of the whole notebook, of the clock; then all of its processes are killed
    memory_mb: int = 4096  # writable memory of each process; torch alone needs about 500
    file_mb: int = 200  # of one written file
    folder_mb: int = 1000  # of all of them, looked at after each cell


def environment(folder: Path) -> dict[str, str]:
    """The variables of a submission's processes: nothing inherited but the language; files go to folder."""
    home = folder.resolve()
    for name in ("here", "home", "tmp", "jupyter", "ipython", "matplotlib"):
        (home / name).mkdir(parents=True, exist_ok=True)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "SYSTEMROOT") if name in os.environ}
    return kept | {
        "HOME": str(home / "home"),
        "TMPDIR": str(home / "tmp"),
        "JUPYTER_CONFIG_DIR": str(home / "jupyter"),
        "JUPYTER_DATA_DIR": str(home / "jupyter"),
        "JUPYTER_RUNTIME_DIR": str(home / "jupyter"),
        "IPYTHONDIR": str(home / "ipython"),
        "MPLCONFIGDIR": str(home / "matplotlib"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join([str(GUARD), str(ROOT)]),
        "PYTHONSAFEPATH": "1",  # no module of the working folder in the place of a real one
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
    }


class Worker:
    """A `nursery` and the submission that it runs; a new one is started when it is gone."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.nursery, self.child, self.over = folder, None, None, False

    def begin(self, folder: Path, limits: Limits, closed: Sequence[Path]) -> None:
        """Make a process for the submission in folder; it may not read below the closed folders.

        Raises EndedError, saying why, if Python cannot be started.
        """
        if self.over:
            raise EndedError("not graded: stopped")
        if self.nursery is None:
            self._start()
        variables = environment(folder) | {
            "MINICM_FOLDER": str(folder),
            "MINICM_CLOSED": os.pathsep.join(str(path) for path in closed),
        }
        order = {"folder": str(folder), "environment": variables, "limits": asdict(limits),
                 "closed": [str(path) for path in closed]}  # fmt: skip
        self._send(order)
        self.child = int(self._next(time.monotonic() + START_SECONDS).get("pid", 0))

    def ask(self, order: dict, seconds: float, until: float) -> dict:
        """What the process answers; seconds: of its processor; until: of the clock, for the whole notebook.

        Raises EndedError if the process is gone, OvertimeError if it was interrupted, killed where that was in vain.
        """
        self._send(order)
        began, used = time.monotonic(), self._processor_time()
        while True:
            now = time.monotonic()
            with contextlib.suppress(TimeoutError):
                return self._next(min(now + 0.2, until))
            if now >= until:
                self.kill()
                raise OvertimeError(whole=True)
            if self._processor_time() - used > seconds or now - began > 3 * seconds:
                self._interrupt(max(2.0, seconds / 2))
                raise OvertimeError(whole=False)

    def stop(self) -> None:
        """End the submission's process, and with it all that it started."""
        if self.nursery is None or self.child is None:
            return
        with contextlib.suppress(EndedError, TimeoutError):
            self._send({"stop": True})
            self._next(time.monotonic() + 5)
        self.kill()
        if self.nursery is not None and _family(self.nursery.pid):  # it only said that it had ended
            self.close()

    def kill(self) -> None:
        """The same without asking."""
        if self.nursery is None or self.child is None:
            return
        _kill(self.child)
        try:
            while True:  # answers that were under way, then the end
                self._next(time.monotonic() + 60)
        except TimeoutError:
            self.close()
        except EndedError:
            pass

    def close(self) -> None:
        """End everything."""
        nursery, self.nursery, self.child = self.nursery, None, None
        if nursery is None:
            return
        for process in _family(nursery.pid):
            _kill(process)
        _kill(nursery.pid)
        nursery.wait()
        nursery.stdin.close()

    def shut(self) -> None:
        """End everything, and start nothing again."""
        self.over = True
        self.close()

    def _start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("wb") as log:
            self.nursery = subprocess.Popen(
                [sys.executable, "-m", "tutorials.assignments.nursery"], cwd=self.folder, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log, env=environment(self.folder), start_new_session=True,
            )  # fmt: skip
        self.answers: queue.Queue = queue.Queue(maxsize=2)
        threading.Thread(target=_listen, args=(self.nursery.stdout, self.answers), daemon=True).start()
        try:
            self._next(time.monotonic() + START_SECONDS)
        except (EndedError, TimeoutError):
            self.close()
            lines = (self.folder / "log.txt").read_text("utf-8", "replace").strip().splitlines() or ["it says nothing"]
            raise EndedError(f"not graded: the grader's Python does not start: {lines[-1][:300]}") from None

    def _send(self, order: dict) -> None:
        if self.nursery is None:
            raise EndedError("it is gone")
        try:
            write_frame(self.nursery.stdin.fileno(), order)
        except OSError:
            self.close()
            raise EndedError("it is gone") from None

    def _next(self, until: float) -> dict:
        try:
            answer = self.answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise TimeoutError from None
        if answer is None:
            self.close()
            raise EndedError("it is gone")
        if "ended" in answer:
            self.child = None
            raise EndedError(f"status {answer['ended']}")
        return answer

    def _interrupt(self, seconds: float) -> None:
        """Stop the cell that runs; if it does not stop, the process."""
        if os.name == "posix" and self.child:
            with contextlib.suppress(OSError):
                os.kill(self.child, 2)
        try:
            self._next(time.monotonic() + seconds)
        except TimeoutError:
            self.kill()
        except EndedError:
            pass

    def _processor_time(self) -> float:
        import psutil

        with contextlib.suppress(psutil.Error):
            return sum(psutil.Process(self.child).cpu_times()[:4])
        return 0.0


def _listen(pipe, answers: queue.Queue) -> None:
    with pipe:
        try:
            while (answer := read_frame(pipe.fileno())) is not None:
                answers.put(answer)
        except (ValueError, OSError, RecursionError):
            pass
        answers.put(None)


def _family(pid: int) -> list[int]:
    import psutil

    with contextlib.suppress(psutil.Error):
        return [process.pid for process in psutil.Process(pid).children(recursive=True)]
    return []


def _kill(pid: int) -> None:
    import psutil

    with contextlib.suppress(psutil.Error, ValueError):
        psutil.Process(pid).kill()


def limit_this_process(limits: Limits) -> None:
    """Lower this process's limits, and so those of what it starts; nothing on Windows."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    wanted = {
        "RLIMIT_DATA": limits.memory_mb * 2**20,  # private writable memory; on Linux, mapped memory too
        "RLIMIT_FSIZE": limits.file_mb * 2**20,
        "RLIMIT_CPU": int(2 * limits.seconds) + 1,
        "RLIMIT_CORE": 0,
    }
    for which, value in ((getattr(resource, name, None), value) for name, value in wanted.items()):
        if which is None:
            continue
        hard = resource.getrlimit(which)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):  # macOS refuses some
            resource.setrlimit(which, (most, most))
