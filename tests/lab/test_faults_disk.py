"""A disk that is full, and one that cannot be written: one line, no loss, and the same command goes on."""

import errno
import os

import pytest
import torch
from faults import TINY, content, in_child, read_only, said, small_disk, train

from minicm import checkpoints
from minicm.lab.commands.writing import write_folder, write_grid, write_npz, written
from minicm.lab.run_folder import Log, load_run

resource = pytest.importorskip("resource")  # POSIX

OPTIONS = ["--iterations", "7", "--samples_every", "2", "--checkpoint_minutes", "0"]


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    torch.set_default_dtype(torch.float32)
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(out, *OPTIONS) == 0
    return content(out)


def goes_on_after(out, trouble, relief, whole):
    """A run of two iterations meets trouble, is refused in one line, keeps what it had and ends as if nothing was."""
    for _ in range(2):
        assert train(out, *OPTIONS, "--minutes", "0") == 0
    trouble()
    code, line = said(lambda: train(out, *OPTIONS))
    relief()
    assert code == 2 and f"cannot write {out}" in line and os.strerror(errno.ENOSPC) in line
    assert not list(out.rglob("*.part"))
    assert torch.load(out / "checkpoint.pt", weights_only=True)["iteration"] >= 1
    assert train(out, *OPTIONS) == 0
    assert content(out) == whole


@pytest.mark.parametrize("pages", [0, 1, 3, 6])  # of 4096 bytes that are left
def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(tmp_path, whole, pages):
    def act():
        small_disk(tmp_path, 512)
        filler = tmp_path / "filler"

        def fill():
            disk = os.statvfs(tmp_path)
            filler.write_bytes(b"x" * (disk.f_bavail - pages) * disk.f_bsize)

        goes_on_after(tmp_path / "run", fill, filler.unlink, whole)

    in_child(act)


@pytest.mark.parametrize("call", range(6))
def test_a_writer_that_fails_is_one_line_and_the_run_goes_on(tmp_path, whole, monkeypatch, call):
    """The same without rights: from the write number `call` on, nothing reaches the disk."""
    count, fsync = iter(range(10**6)), os.fsync

    def full(descriptor):
        if not os.path.isdir(f"/proc/self/fd/{descriptor}") and next(count) >= call:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    goes_on_after(
        tmp_path / "run",
        lambda: monkeypatch.setattr(checkpoints.os, "fsync", full),
        lambda: monkeypatch.setattr(checkpoints.os, "fsync", fsync),
        whole,
    )


def test_half_a_line_of_the_log_is_told_and_cut_off_later(tmp_path):
    """The system writes what there is room for without an error."""
    line = {"iteration": 1, "loss": 0.5}
    log = Log(tmp_path, 0)
    log.write(line)
    size = (tmp_path / "log.jsonl").stat().st_size

    def act():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, size + 5))
        with pytest.raises(OSError, match=f"cannot write {tmp_path / 'log.jsonl'}: {os.strerror(errno.ENOSPC)}"):
            log.write(line | {"iteration": 2})

    in_child(act)
    log.close()
    assert (tmp_path / "log.jsonl").stat().st_size == size + 5
    Log(tmp_path, 2).close()
    assert (tmp_path / "log.jsonl").stat().st_size == size


def test_a_disk_that_cannot_be_written(tmp_path):
    """A run there can be used; no command that would write leaves more than a line."""
    out = tmp_path / "run"
    assert train(out, *OPTIONS) == 0
    before = content(out)

    def act():
        read_only(tmp_path)
        assert load_run(out, experiment=TINY)[0].iterations == 7
        for place in (out, tmp_path / "new"):
            code, line = said(lambda place=place: train(place, *OPTIONS))
            assert code == 2 and f"cannot write to {place}" in line and "--out" in line
        x, pixels = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
        for write in (
            lambda: write_grid(x, tmp_path / "a.png", 2),
            lambda: write_npz(pixels, None, tmp_path / "a.npz"),
            lambda: write_folder(pixels, tmp_path / "a"),
            lambda: written("a", tmp_path / "a.json"),
        ):
            with pytest.raises(OSError, match=f"{tmp_path}|{os.strerror(errno.EROFS)}") as error:
                write()
            assert "\n" not in str(error.value)

    in_child(act)
    assert content(out) == before and [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("pages", [0, 1, 2])
def test_pictures_on_a_full_disk_leave_nothing(tmp_path, pages):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(64, 3, 32, 32, generator=generator)
    pixels = (255 * x).to(torch.uint8)

    def act():
        small_disk(tmp_path, 4 * pages or 4)
        if not pages:
            (tmp_path / "filler").write_bytes(b"x" * 4096)
        before = list(tmp_path.iterdir())
        for write, name in (
            (lambda target: write_grid(x, target, 8), "a.png"),
            (lambda target: write_npz(pixels, None, target), "a.npz"),
            (lambda target: write_folder(pixels, target), "a"),
            (lambda target: written("a" * 10**5, target), "a.json"),
        ):
            with pytest.raises(OSError, match=f"cannot write {tmp_path / name}: {os.strerror(errno.ENOSPC)}"):
                write(tmp_path / name)
            assert list(tmp_path.iterdir()) == before

    in_child(act)
