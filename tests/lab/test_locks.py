"""One process at a time: who waits gets in when the other is done, or when it is killed."""

import os
import signal
import threading
import time

import pytest

from minicm.data.downloads import alone
from minicm.lab.run_folder import lock_folder


def held(lock, folder, flag):
    """A process that holds the lock until it is killed."""
    child = os.fork()
    if child == 0:
        try:
            with lock(folder):
                flag.touch()
                time.sleep(60)
        finally:
            os._exit(3)
    end = time.monotonic() + 30
    while not flag.exists():
        assert time.monotonic() < end and os.waitpid(child, os.WNOHANG) == (0, 0)
        time.sleep(0.01)
    return child


def kill(child):
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_who_waits_gets_in_when_the_other_is_killed(tmp_path):
    child, inside = held(alone, tmp_path, tmp_path / "flag"), []

    def wait():
        with alone(tmp_path) as locked:
            inside.append(locked)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive() and not inside
    kill(child)
    thread.join(30)
    assert inside == [True]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_folder_of_a_run_is_refused_until_its_holder_is_killed(tmp_path):
    child = held(lock_folder, tmp_path / "run", tmp_path / "flag")
    with pytest.raises(OSError, match=r"^another run writes to .*run: wait for it, or choose another folder"):
        lock_folder(tmp_path / "run").__enter__()
    kill(child)
    with lock_folder(tmp_path / "run"):
        pass


def test_the_folder_of_a_run_is_free_when_its_holder_is_done_or_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), lock_folder(tmp_path / "run"):
        with pytest.raises(OSError, match="^another run writes to"):
            lock_folder(tmp_path / "run").__enter__()
        raise ZeroDivisionError
    with lock_folder(tmp_path / "run"):
        pass
