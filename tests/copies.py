"""Processes that are copies of one Python that has loaded torch: what a test starts, kills or waits for.

On Linux they share the Python of the notebooks' kernels (tutorials/kernels.py); elsewhere each is a new process.
"""

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tutorials import kernels


class Copy:
    """A process that runs act(*arguments) and ends with the exit code that this returns: what tests ask of a Popen."""

    def __init__(self, act, *arguments, environment=None):
        context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
        if sys.platform == "linux":
            context.set_forkserver_preload(kernels.LOADED)
        handle, name = tempfile.mkstemp()
        os.close(handle)
        self._said = Path(name)
        self._process = context.Process(target=_run, args=(name, environment or {}, act, arguments))
        self._process.start()

    def poll(self):
        """The exit code, or None while it runs."""
        return self._process.exitcode

    returncode = property(poll)

    def send_signal(self, number):
        os.kill(self._process.pid, number)

    def kill(self):
        if self.poll() is None:
            self._process.kill()

    def said(self):
        """What it wrote to stderr so far."""
        return self._said.read_text("utf-8")

    def ended(self, seconds=60):
        """(exit code, what it wrote to stderr), after its end; nothing is left of it."""
        try:
            self._process.join(seconds)
            assert self.poll() is not None, f"it still runs after {seconds} s: {self.said()}"
            return self.poll(), self.said()
        finally:
            self.kill()
            self._process.join()
            self._said.unlink(missing_ok=True)


def python(words, folder=".", place=None, environment=None):
    """What `python WORDS` does in a folder, from a copy: its exit code and what it printed, as subprocess.run has it.

    WORDS begin with "-c", "-m" or a file.  A package is looked for in `place` first, by default in the folder.
    """
    with tempfile.TemporaryDirectory() as kept:
        out = os.path.join(kept, "out")
        arguments = ([*map(os.fspath, words)], os.fspath(folder), os.fspath(place or folder), out)
        code, errors = Copy(_python, *arguments, environment=environment).ended(500)
        return subprocess.CompletedProcess(words, code, Path(out).read_text("utf-8"), errors)


def _python(words, folder, place, out):
    os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
    os.chdir(folder)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
    first = 0 if words[0][0] != "-" else 1
    sys.argv = ["-c" if words[0] == "-c" else words[first], *words[first + 1 :]]
    sys.path.insert(0, place if first else os.path.dirname(words[0]))
    try:
        if words[0] == "-m":
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
        else:
            runpy.run_path(words[0], run_name="__main__")
    finally:
        sys.stdout.flush()


def _run(said, environment, act, arguments):
    os.environ.update(environment)
    sys.modules.setdefault("rfc3987_syntax", None)  # as in conftest.py: seconds of import that nobody uses
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the Python that is copied ignores it
    file = os.open(said, os.O_WRONLY)
    os.dup2(file, 2)
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", closefd=False)
    import torch

    torch.set_num_threads(1)
    sys.exit(act(*arguments))
