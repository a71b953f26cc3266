"""CIFAR-10 on a disk that fills, with a process that is killed, with two at once: no half data, nothing left over."""

import errno
import os
import signal
import threading
import time

import filelock
import pooch
import pytest
from test_cifar10 import FOLDER, N, archive, contents, names, one_line, served, small  # noqa: F401  # the last two: fixtures

from minicm.data import cifar10
from minicm.data.cifar10 import cifar10_train

ARCHIVE = "cifar-10-binary.tar.gz"


def killed_at(monkeypatch, owner, name, flag):
    """Fork a process that gets CIFAR-10 and waits where owner.NAME is called; kill it there."""

    def stop(*_):
        flag.touch()
        time.sleep(60)

    child = os.fork()
    if child == 0:
        monkeypatch.setattr(owner, name, stop)
        try:
            cifar10_train()
        finally:
            os._exit(3)  # it was not killed
    end = time.monotonic() + 30
    while not flag.exists():
        assert time.monotonic() < end and os.waitpid(child, os.WNOHANG) == (0, 0)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("owner", "where", "kept"),
    [(pooch.HTTPDownloader, "__call__", []), (cifar10, "_copy", [f"{ARCHIVE}.part"])],
    ids=["in the download", "in the unpacking"],
)
def test_what_a_killed_process_left_is_removed_by_the_next(small, served, monkeypatch, tmp_path, owner, where, kept):  # noqa: F811
    requests = served(archive(contents()))
    killed_at(monkeypatch, owner, where, tmp_path / "flag")
    (left,) = small.glob(f"{FOLDER}.part-*")
    assert names(small) == sorted([*kept, left.name])
    assert len(cifar10_train()[0]) == 5 * N and len(requests) == 1
    assert names(small) == [FOLDER]


def test_two_at_once_download_once(small, served):  # noqa: F811
    requests = served(archive(contents()))
    found = []
    threads = [threading.Thread(target=lambda: found.append(len(cifar10_train()[0]))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [5 * N] * 3 and len(requests) == 1 and names(small) == [FOLDER]


def test_without_locks_what_others_are_at_is_left_alone(small, served, monkeypatch):  # noqa: F811

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    served(archive(contents()))
    (small / f"{FOLDER}.part-x").mkdir(parents=True)
    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    assert len(cifar10_train()[0]) == 5 * N
    assert names(small) == [FOLDER, f"{FOLDER}.part-x"]


def test_an_archive_put_there_by_hand_is_used_and_stays(small, served):  # noqa: F811
    requests = served(archive(contents()))
    small.mkdir()
    (small / ARCHIVE).write_bytes(archive(contents()))
    assert len(cifar10_train()[0]) == 5 * N and requests == []
    assert names(small) == [FOLDER, ARCHIVE]


@pytest.mark.parametrize("call", ["_copy", "downloaded"])
def test_a_full_disk_is_one_line_and_the_next_call_goes_on(small, served, monkeypatch, call):  # noqa: F811
    requests = served(archive(contents()))
    with monkeypatch.context() as patch:

        def full(*_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        patch.setattr(cifar10, call, full)
        text = one_line(OSError)
    assert text.startswith(f"cannot get CIFAR-10 into {small}: ") and "No space left" in text
    assert not list(small.glob(f"{FOLDER}*"))
    assert len(cifar10_train()[0]) == 5 * N and len(requests) == 1 and names(small) == [FOLDER]
