"""`minicm lessons FOLDER`: the notebooks of the course, of the version that is installed, and the models they load.

A copy of the repository gives its own.  A wheel holds their names and checksums alone: they are read from the source
archive of its version, which is downloaded, or lies there already.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from ...checks import parsed_json
from ...data.downloads import downloaded
from ...data.shipped import PACKAGE, repository
from ..command import Parser

ARCHIVE = "https://github.com/minicm/minicm/archive/refs/tags/v{}.tar.gz"
FILES = (  # of the repository
    "tutorials/*.ipynb", "tutorials/*.json", "tutorials/glossary.md", "tutorials/solutions/*.ipynb",
    "data/*.safetensors", "data/*.json", "experiments/*.py", "benchmarks/results/arena.json",
)  # fmt: skip
SUMS = PACKAGE / "shipped" / "lessons.json"  # path -> sha256, written by setup.py
_LARGEST = 32 * 1024**2  # bytes of a file


def main(argv: list[str]) -> None:
    """Write the lessons into a new folder, all or nothing, and say how to open them.

    Raises ValueError for a folder that holds anything, or an archive of another version, and OSError, one line, where
    the lessons cannot be got or written.
    """
    parser = Parser(prog="minicm lessons", description="Write the notebooks of the course into a new folder.")
    parser.add_argument("folder", metavar="FOLDER", help="a new or empty folder")
    parser.add_argument(
        "--archive", metavar="FILE.tar.gz", help="the source archive of this version, in place of a download"
    )
    options = parser.parse_args(argv)
    target = Path(options.folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ValueError(f"expected a new or empty folder, got {target}: choose another, what lies there is kept")
    here = repository() if options.archive is None else None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise OSError(f"cannot write to {target.parent}: {error.strerror}; choose another folder") from None
    try:
        written = _written(_own(here) if here else _archived(options.archive, part), part / "whole")
        (part / "whole").rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    lab = "" if find_spec("jupyterlab") else ', after `pip install "minicm[notebooks]"`'
    print(f"wrote {written} lessons with their solutions: `jupyter lab {target / 'tutorials'}` opens them{lab}")


def _own(root: Path) -> Iterator[tuple[str, bytes]]:
    for file in (file for pattern in FILES for file in sorted(root.glob(pattern))):
        yield file.relative_to(root).as_posix(), file.read_bytes()


def _archived(archive: str | None, part: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of the lessons, once its checksum is found right; nothing else is unpacked."""
    sums = parsed_json(_listed(), SUMS)
    file = Path(archive) if archive else _download(part)
    try:
        with tarfile.open(file, "r:gz") as tar:
            members = {info.name.partition("/")[2]: info for info in tar if info.isfile() and info.size <= _LARGEST}
            for name, checksum in sums.items():
                data = tar.extractfile(members[name]).read() if name in members else b""
                if hashlib.sha256(data).hexdigest() != checksum:
                    raise ValueError(
                        f"expected the source archive of minicm {version('minicm')}, {file} has no such {name}"
                    )
                yield name, data
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(
            f"expected a source archive of minicm, .tar.gz, got {file}: {' '.join(str(error).split())}"
        ) from None


def _listed() -> bytes:
    if not SUMS.is_file():  # a repository, asked for the lessons of an archive
        raise ValueError("expected no --archive in a copy of the repository, which has the lessons itself")
    return SUMS.read_bytes()


def _download(part: Path) -> Path:
    url = ARCHIVE.format(version("minicm"))
    try:
        return downloaded(url, None, "lessons.tar.gz", part)
    except OSError as error:
        reason = " ".join(str(error).split())[:300]
        own = f"give the source archive minicm-{version('minicm')}.tar.gz with --archive"
        raise OSError(f"cannot get the lessons from {url}: {reason}; mend that, or {own}") from error


def _written(files: Iterator[tuple[str, bytes]], folder: Path) -> int:
    """How many lessons are written.  Raises OSError, one line."""
    lessons = 0
    for name, data in files:
        try:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        except OSError as error:
            raise OSError(
                f"cannot write {os.fspath(folder / name)}: {error.strerror}; choose another folder"
            ) from error
        lessons += Path(name).parent == Path("tutorials") and name.endswith(".ipynb")
    return lessons
