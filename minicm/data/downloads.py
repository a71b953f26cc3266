"""Files from the network: whole and of the right checksum or not at all, tried again, one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RETRIES = 3  # after 1, 2 and 3 seconds


def downloaded(url: str, checksum: str | None, name: str, folder: Path) -> Path:
    """The file `name` in the folder: what lies there if its checksum is right, else what the address gives.

    checksum: such as md5:00ff, in hexadecimal; None takes what comes.
    A download that fails or breaks off is tried again, RETRIES times.
    Raises OSError when none of them succeeds, or when what came is another file.
    """
    import pooch  # here, because most of the course downloads nothing

    source = pooch.create(folder, "", registry={name: checksum}, urls={name: url}, retry_if_failed=RETRIES)
    try:
        return Path(source.fetch(name, progressbar=True))
    except ValueError as error:  # of the checksum
        raise OSError(f"what came from {url} does not have the {str(checksum).replace(':', ' ')}") from error


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Wait until no other process is here with this folder, which must exist; the death of a process ends its turn.

    Gives False, at once, on disks without locks.  An empty file .lock stays in the folder.
    """
    import filelock  # here, because most of the course downloads nothing

    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire()
    except OSError:  # some network disks
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
