"""Kernels for notebooks under pytest: copies of one Python that has loaded torch, matplotlib and IPython.

Loading them takes five seconds of each kernel, a copy (a fork) milliseconds.  Nothing of minicm is loaded before, and a copy
starts with the environment, folder and paths that a new process would have.  Only on Linux: elsewhere a fork after torch is
not safe, and each kernel is a new process, as it is for learners everywhere.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

__all__ = ["copies", "end"]

LAUNCHER, INLINE = "ipykernel_launcher", "module://matplotlib_inline.backend_inline"
# torch's compiler is what every optimiser loads when it is made.
LOADED = [
    "torch",
    "torch._dynamo",
    "matplotlib.pyplot",
    "ipykernel.kernelapp",
    "ipykernel.debugger",
]
DEBUGGER = "PYDEVD_USE_FRAME_EVAL"  # which it sets when it is loaded
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # no advice on how to debug Python


@contextmanager
def copies() -> Iterator[None]:
    """Inside, Jupyter's new kernels are copies."""
    if not sys.platform.startswith("linux"):
        yield
        return
    with mock.patch(
        "jupyter_client.provisioning.local_provisioner.launch_kernel", _Copy
    ):
        yield


def end() -> None:
    """End the Python that is copied, and wait for it: the time of its copies counts as that of the caller's children."""
    forkserver._forkserver._stop()


class _Copy:
    """A copy that runs as a kernel: what Jupyter asks of a Popen."""

    stdin = stdout = stderr = None

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: dict[str, str],
        cwd: str,
        **options: object,
    ) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(LOADED)  # when the first copy is made
        arguments = [*command[command.index(LAUNCHER) + 1 :]]
        ready, here = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(arguments, env, cwd, here))
        with mock.patch.dict(os.environ, QUIET):
            self._process.start()
        here.close()
        ready.recv()  # now it leads a group of its own, which Jupyter's signals reach
        ready.close()

    @property
    def pid(self) -> int:
        """Of the copy."""
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        """The exit code, after its end."""
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it to the copy, unless that has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)


def _serve(
    arguments: Sequence[str],
    environment: dict[str, str],
    folder: str,
    ready: Connection,
) -> None:
    """Be the kernel, in a process that is a copy."""
    os.setsid()
    ready.send(True)
    ready.close()
    of_debugger = {DEBUGGER: os.environ[DEBUGGER]} if DEBUGGER in os.environ else {}
    os.environ.clear()
    os.environ.update(of_debugger | environment)
    os.chdir(folder)
    asked = [
        place for place in environment.get("PYTHONPATH", "").split(os.pathsep) if place
    ]
    pythons = [
        place
        for place in sys.path
        if place.startswith((sys.prefix, sys.base_prefix))
        and not (
            Path(place).parent / "__init__.py"
        ).exists()  # what a package put there when it was loaded
    ]
    sys.path[:] = dict.fromkeys([*asked, *pythons])
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nothing, stream)
    import matplotlib
    from ipykernel.kernelapp import launch_new_instance

    os.environ.setdefault(
        "MPLBACKEND", INLINE
    )  # as every kernel does, before it loads matplotlib
    matplotlib.rcParams["backend"] = os.environ["MPLBACKEND"]
    sys.argv = [LAUNCHER, *arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    launch_new_instance()
