"""CIFAR-10: 50,000 pictures to train on and 10,000 to judge by, from the official binary archive.

x = value/127.5 − 1, for which σ_d = ½ fits.  Pictures stay uint8, on the device, until a batch is drawn from them.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from ..checks import check_floats, shown
from .batches import batches
from .downloads import alone, downloaded

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
ARCHIVE, MD5 = "cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"
FOLDER = "cifar-10-batches-bin"
SHA256 = {  # of the files in it, as published with other readers of the same archive
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
TRAIN, TEST = tuple(SHA256)[:5], tuple(SHA256)[5:]
UNVERIFIED = "MINICM_UNVERIFIED"  # the variable with which a user takes pictures as they are
RECORDS, RECORD = 10_000, 1 + 3 * 32 * 32  # records of a file, bytes of a record: label, red, green, blue


def data_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds data sets: $MINICM_DATA, or else the cache, $MINICM_CACHE or ~/.cache/minicm."""
    chosen = environment.get("MINICM_DATA") or environment.get("MINICM_CACHE") or "~/.cache/minicm"
    return Path(chosen).expanduser()


def cifar10_train() -> tuple[Tensor, Tensor]:
    """The training pictures, (50000, 3, 32, 32), uint8, and their labels, (50000,), indices into CLASSES.

    The first call downloads 170 MB, unless $MINICM_DATA holds cifar-10-batches-bin/.  Every call compares checksums;
    $MINICM_UNVERIFIED=1 takes pictures of one's own in that layout.
    Raises OSError, one line, when that fails, and ValueError for files that are not whole or were changed.
    Source: Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """
    return _read(TRAIN)


def cifar10_test() -> tuple[Tensor, Tensor]:
    """The test pictures, (10000, 3, 32, 32), and their labels, (10000,); source and errors as in `cifar10_train`."""
    return _read(TEST)


def pooled(pictures: Tensor) -> Tensor:
    """Half the size: means of 2 x 2 pixels, rounded; (N, C, H, W) -> (N, C, H/2, W/2), uint8.

    Raises ValueError unless the pictures are uint8 and H and W are even.
    """
    _check_pictures(pictures)
    if pictures.shape[2] % 2 or pictures.shape[3] % 2:
        raise ValueError(f"expected pictures of even height and width, got {tuple(pictures.shape)}")
    columns = pictures[..., ::2].short() + pictures[..., 1::2]
    return ((columns[..., ::2, :] + columns[..., 1::2, :] + 2) // 4).to(torch.uint8)


def to_data(pictures: Tensor) -> Tensor:
    """value/127.5 − 1 in torch's default dtype: data units; any shape, uint8.  Raises ValueError for another dtype."""
    if not isinstance(pictures, Tensor) or pictures.dtype != torch.uint8:
        raise ValueError(f"expected uint8 pictures, got {shown(pictures)}")
    return pictures.to(torch.get_default_dtype()) / 127.5 - 1


def to_pixels(x: Tensor) -> Tensor:
    """The nearest values 0 to 255, uint8, of pictures in data units: the inverse of `to_data`; any shape.

    Raises ValueError unless x holds floats.
    """
    check_floats("x", x)
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def mirrored_pictures(pictures: Tensor, batch_size: int, *, seed: int = 0, start: int = 0) -> Iterator[Tensor]:
    """Batches start, start + 1, ... without end, (batch_size, C, H, W), data units, on the pictures' device.

    pictures: (N, C, H, W), uint8.  Drawn with replacement, left and right swapped in half of them; batch k depends on
    (seed, k) alone, on every device.  Raises ValueError for other pictures, batch_size < 1 or start < 0.
    """
    return (x0 for x0, _ in _drawn(pictures, batch_size, seed, start))


def labelled_pictures(
    pictures: Tensor, labels: Tensor, batch_size: int, *, seed: int = 0, start: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """(x0, label): the same batches as `mirrored_pictures`, with the labels (batch_size,) of their pictures.

    Raises ValueError as that does, and unless labels is (N,).
    """
    _check_pictures(pictures)
    if labels.shape != (len(pictures),):
        raise ValueError(f"expected labels, one for each of {len(pictures)} pictures, got shape {tuple(labels.shape)}")
    labels = labels.to(pictures.device)
    return ((x0, labels[index]) for x0, index in _drawn(pictures, batch_size, seed, start))


def _drawn(pictures: Tensor, batch_size: int, seed: int, start: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches with the indices of their pictures; the random numbers are drawn on the CPU, the same for all devices."""
    _check_pictures(pictures)

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        index = torch.randint(len(pictures), (n,), generator=generator).to(pictures.device)
        mirrored = torch.randint(2, (n, 1, 1, 1), generator=generator).to(pictures.device, torch.bool)
        chosen = pictures[index]
        return to_data(torch.where(mirrored, chosen.flip(3), chosen)), index

    return batches(draw, batch_size, seed=seed, start=start)


def _check_pictures(pictures: Tensor) -> None:
    if not isinstance(pictures, Tensor) or pictures.ndim != 4 or pictures.dtype != torch.uint8 or not len(pictures):
        raise ValueError(f"expected uint8 pictures of shape (N, C, H, W), N >= 1, got {shown(pictures)}")


def _read(names: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Pictures and labels of the files, after what can be wrong with them is excluded."""
    folder = _folder()
    records = [_records(folder / name) for name in names]
    labels = torch.cat([r[:, 0] for r in records]).long()
    return torch.cat([r[:, 1:].reshape(-1, 3, 32, 32) for r in records]), labels


def _records(path: Path) -> Tensor:
    """The records of a file, (RECORDS, RECORD), uint8, after its checksum is found right."""
    size = path.stat().st_size if path.is_file() else None
    if size != RECORDS * RECORD:
        got = "no such file" if size is None else f"{size}"
        raise ValueError(f"expected {RECORDS * RECORD} bytes in {path}, got {got}: {_mend(path)}")
    data = bytearray(path.read_bytes())
    if os.environ.get(UNVERIFIED) != "1" and hashlib.sha256(data).hexdigest() != SHA256[path.name]:
        own = f"or set {UNVERIFIED}=1 if these pictures are your own"
        raise ValueError(f"expected CIFAR-10 in {path}, got another checksum: {_mend(path)}; {own}")
    records = torch.frombuffer(data, dtype=torch.uint8).view(-1, RECORD)
    if (worst := records[:, 0].max().item()) >= len(CLASSES):
        raise ValueError(f"expected labels from 0 to {len(CLASSES) - 1} in {path}, got {worst}: {_mend(path)}")
    return records


def _mend(path: Path) -> str:
    return f"delete {path.parent}, and the next call gets the files anew"


def _folder() -> Path:
    """Where the files are; they are downloaded and unpacked first if they are nowhere."""
    root = data_folder()
    root = root.parent if root.name == FOLDER else root  # whoever names the folder itself means the same
    folder = root / FOLDER
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        with alone(root) as locked:
            for old in root.glob(f"{FOLDER}.part-*") if locked else ():  # of processes that were killed
                shutil.rmtree(old, ignore_errors=True)
            if not folder.is_dir():  # another process may have been faster
                _fetch(root, folder)
    except OSError as error:
        reason = " ".join(str(error).split())[:300]
        manually = f"or unpack {ARCHIVE} elsewhere and set MINICM_DATA to the folder that holds {FOLDER}"
        raise OSError(f"cannot get CIFAR-10 into {root}: {reason}; mend that, {manually}") from error
    return folder


def _fetch(root: Path, folder: Path) -> None:
    """Download and unpack in a folder for the moment, and rename: the files are there whole or not at all.

    An archive that lies in `root` is used, and stays; one that is downloaded is kept as ARCHIVE.part until it is
    unpacked, so that an interrupted call is taken up again without a second download.
    """
    archive, part = root / ARCHIVE, Path(tempfile.mkdtemp(prefix=f"{FOLDER}.part-", dir=root))
    if ours := not archive.is_file():
        archive = root / f"{ARCHIVE}.part"
    try:
        place = root if archive.is_file() else part
        os.replace(downloaded(URL, f"md5:{MD5}", archive.name, place), archive)
        _unpack(archive, part / FOLDER)
        if not folder.is_dir():
            (part / FOLDER).rename(folder)
        if ours:
            archive.unlink(missing_ok=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpack(archive: Path, folder: Path) -> None:
    """Make the folder, with the six files in it, and look at them.

    Members are picked by name and copied as streams: no path, link or device in the archive is obeyed.
    """
    folder.mkdir()
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for name in TRAIN + TEST:
                _copy(tar, f"{FOLDER}/{name}", folder / name)
    except (tarfile.TarError, EOFError, zlib.error, KeyError) as error:
        raise OSError(f"{archive} is not CIFAR-10's archive ({' '.join(str(error).split())})") from error


def _copy(tar: tarfile.TarFile, member: str, path: Path) -> None:
    info = tar.getmember(member)
    if not info.isfile():
        raise tarfile.TarError(f"{member} is no file")
    with open(path, "wb") as target:
        shutil.copyfileobj(tar.extractfile(info), target, 1 << 20)
    if (size := path.stat().st_size) != RECORDS * RECORD:
        raise tarfile.TarError(f"expected {RECORDS * RECORD} bytes in {member}, got {size}")
