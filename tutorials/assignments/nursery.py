"""A Python with torch and IPython loaded, of which each submission gets a copy.

Loading them takes seconds, a copy (a fork) milliseconds.  Each copy talks to the grader through the same two pipes,
so this process never sees an answer or a test.  When a copy has ended, everything that it left running is killed.
Without fork, as on Windows, this process itself runs the submission, and the grader starts another.
"""

import contextlib
import os
import select
import signal
import sys
import tempfile
from pathlib import Path

from .containment import Limits, limit_this_process
from .frames import read_frame, write_frame
from .landlock import write_only_below

__all__ = ["main"]

CHILD_SUBREAPER, DEATH_SIGNAL = 36, 1  # of Linux's prctl


def main() -> None:
    """Serve until the grader closes the pipe."""
    get, put = _pipes()
    _prctl(CHILD_SUBREAPER, 1)
    from .kernel import Kernel

    kernel = Kernel()
    write_frame(put, {"ready": os.getpid()})
    while (order := read_frame(get)) is not None:
        if not sys.platform.startswith("linux"):  # fork after torch is safe nowhere else
            return _serve(kernel, order, get, put)
        child = os.fork()
        if child == 0:
            _prctl(DEATH_SIGNAL, signal.SIGKILL)
            try:
                _serve(kernel, order, get, put)
            finally:
                os._exit(0)
        status = _wait(child, get)
        _end_all()
        write_frame(put, {"ended": status})
    return None


def _pipes() -> tuple[int, int]:
    """The pipes to the grader, where no program that is started finds them; 0 is empty now, and 1 the log."""
    get, put = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return get, put


def _serve(kernel, order: dict, get: int, put: int) -> None:
    """Become the process of one submission."""
    folder = Path(order["folder"])
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(folder / "here")
    tempfile.tempdir = None  # looked up again
    limit_this_process(Limits(**order["limits"]))
    write_only_below([folder, Path("/dev/shm")])
    import sitecustomize

    sitecustomize.keep_to(str(folder), order["closed"])
    kernel.serve(get, put)


def _wait(child: int, get: int) -> int:
    """How the child ended; if the grader is gone, everything ends."""
    watch = select.poll()
    watch.register(get, select.POLLHUP)
    watch.register(ended := os.pidfd_open(child), select.POLLIN)
    while True:
        ready = [place for place, _ in watch.poll()]
        if ended in ready:
            os.close(ended)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        _end_all()
        os._exit(1)


def _end_all() -> None:
    """Kill what is left: orphans have become children of this process, whatever session and environment they have."""
    import psutil

    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _prctl(option: int, value: int) -> None:
    if sys.platform.startswith("linux"):
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
