"""CIFAR-10 as it lies on disk: whole or not at all, whatever happens on the way; and batches drawn from pictures."""

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pooch
import pytest
import torch

from minicm.data import cifar10
from minicm.data.cifar10 import (
    cifar10_test,
    cifar10_train,
    data_folder,
    labelled_pictures,
    mirrored_pictures,
    pooled,
    to_data,
    to_pixels,
)

FILES = [f"data_batch_{k}.bin" for k in (1, 2, 3, 4, 5)] + ["test_batch.bin"]
FOLDER = "cifar-10-batches-bin"
N = 3  # records of a file, here


def record(k):
    """Label k % 10, then a red ramp along rows, green all k, blue a ramp along columns."""
    red = [row for row in range(32) for _ in range(32)]
    blue = [column for _ in range(32) for column in range(32)]
    return bytes([k % 10, *red, *[k] * 1024, *blue])


def contents():
    return {name: b"".join(record(10 * i + j) for j in range(N)) for i, name in enumerate(FILES)}


def archive(files, extra=()):
    """A tar.gz of the official layout; extra: members of one's own making."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for member in extra:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
        for name, data in files.items():
            member = tarfile.TarInfo(f"{FOLDER}/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def names(folder):
    """What lies there, without the lock."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".lock")


def unpacked(folder, files):
    (folder / FOLDER).mkdir(parents=True)
    for name, data in files.items():
        (folder / FOLDER / name).write_bytes(data)


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Files of N records with their checksums, and a data folder that is not the user's."""
    monkeypatch.setattr(cifar10, "RECORDS", N)
    monkeypatch.setattr(
        cifar10, "SHA256", {name: hashlib.sha256(data).hexdigest() for name, data in contents().items()}
    )
    monkeypatch.delenv("MINICM_UNVERIFIED", raising=False)
    monkeypatch.setenv("MINICM_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))  # between tries
    return tmp_path / "data"


@pytest.fixture
def served(monkeypatch, tmp_path):
    """serve(data) makes `data` the archive that is downloaded, from this machine; returns the requests so far.

    failures: status codes of the first answers.
    """
    pooch.get_logger().setLevel("WARNING")  # it keeps writing to the stderr of the first test
    requests, failing, site = [], [], tmp_path / "site"
    site.mkdir()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_error(failing.pop(0)) if failing else super().do_GET()

        def log_request(self, *_):
            requests.append(self.path)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def serve(data, checksum=None, failures=()):
        failing[:] = failures
        (site / "it.tar.gz").write_bytes(data)
        monkeypatch.setattr(cifar10, "URL", f"http://127.0.0.1:{server.server_port}/it.tar.gz")
        monkeypatch.setattr(cifar10, "MD5", checksum or hashlib.md5(data).hexdigest())
        return requests

    yield serve
    server.shutdown()
    server.server_close()


def test_a_record_is_its_label_and_three_planes(small):
    unpacked(small, contents())
    pictures, labels = cifar10_train()
    assert pictures.dtype == torch.uint8 and pictures.shape == (5 * N, 3, 32, 32)
    assert labels.tolist() == [0, 1, 2] * 5 and labels.dtype == torch.int64
    ramp = torch.arange(32, dtype=torch.uint8)
    assert (pictures[:, 0] == ramp[:, None]).all() and (pictures[:, 2] == ramp).all()
    assert pictures[:, 1, 5, 7].tolist() == [10 * i + j for i in range(5) for j in range(N)]
    assert cifar10_test()[0][:, 1, 0, 0].tolist() == [50, 51, 52]


def test_the_archive_is_fetched_once(small, served, capfd):
    requests = served(archive(contents()))
    assert torch.equal(
        cifar10_train()[0][:, 1, 0, 0].long(), torch.tensor([0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32, 40, 41, 42])
    )
    assert cifar10_test()[1].tolist() == [0, 1, 2]
    assert len(requests) == 1
    assert "%" in capfd.readouterr().err  # progress
    assert names(small) == [FOLDER]


def test_files_at_hand_are_used_without_a_download(small, served, monkeypatch):
    requests = served(b"")
    unpacked(small, contents())
    for named in (small, small / FOLDER):  # whoever names the inner folder means the same
        monkeypatch.setenv("MINICM_DATA", str(named))
        assert len(cifar10_train()[0]) == 5 * N
    assert requests == []


def test_where_data_lie(monkeypatch):
    monkeypatch.setenv("HOME", "/elsewhere")
    assert str(data_folder({})) == "/elsewhere/.cache/minicm"
    assert str(data_folder({"MINICM_CACHE": "~/c"})) == "/elsewhere/c"
    assert str(data_folder({"MINICM_CACHE": "/c", "MINICM_DATA": "/d"})) == "/d"


def one_line(kind, call=cifar10_train):
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wrong_checksum_leaves_nothing(small, served):
    served(archive(contents()), checksum="0" * 32)
    assert "does not have the md5 000" in one_line(OSError)
    assert names(small) == []


def test_a_download_that_breaks_off_leaves_nothing_and_the_next_one_succeeds(small, served):
    whole = archive(contents())
    requests = served(whole[: len(whole) // 2], checksum=hashlib.md5(whole).hexdigest())
    one_line(OSError)
    assert names(small) == [] and len(requests) == 4
    served(whole)
    assert len(cifar10_train()[0]) == 5 * N


def test_a_failing_answer_is_asked_again(small, served):
    requests = served(archive(contents()), failures=[503, 500, 429])
    assert len(cifar10_train()[0]) == 5 * N and len(requests) == 4
    assert names(small) == [FOLDER]


def test_a_server_that_goes_on_failing_is_one_line(small, served):
    requests = served(archive(contents()), failures=[503] * 4)
    text = one_line(OSError)
    assert text.startswith(f"cannot get CIFAR-10 into {small}: 503 ") and "MINICM_DATA" in text
    assert names(small) == [] and len(requests) == 4


def test_no_network_is_one_line_with_the_way_out(small, monkeypatch):
    monkeypatch.setattr(cifar10, "URL", "http://127.0.0.1:1/it.tar.gz")
    text = one_line(OSError)
    assert text.startswith(f"cannot get CIFAR-10 into {small}:") and "MINICM_DATA" in text


def test_an_unpacking_that_is_interrupted_is_taken_up_again_without_a_download(small, served, monkeypatch):
    requests = served(archive(contents()))
    copy, calls = cifar10._copy, []

    def interrupted(tar, member, path):
        calls.append(member)
        if len(calls) == 4:
            raise KeyboardInterrupt
        copy(tar, member, path)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cifar10, "_copy", interrupted)
        cifar10_train()
    assert names(small) == ["cifar-10-binary.tar.gz.part"]
    assert len(cifar10_train()[0]) == 5 * N and len(requests) == 1
    assert names(small) == [FOLDER]


def test_the_folder_gets_its_name_at_the_very_end(small, served, monkeypatch):
    def interrupted(part, folder):
        assert {path.name: path.stat().st_size for path in part.iterdir()} == dict.fromkeys(FILES, N * 3073)
        raise KeyboardInterrupt

    served(archive(contents()))
    monkeypatch.setattr(cifar10.Path, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cifar10_train()
    assert not (small / FOLDER).exists()


def test_what_a_killed_process_left_is_not_taken_for_the_data(small, served):
    """After kill -9 the folder of the unpacking stays; it has another name."""
    served(archive(contents()))
    (small / f"{FOLDER}.part-x").mkdir(parents=True)
    (small / "cifar-10-binary.tar.gz").write_bytes(archive(contents())[:100])
    assert len(cifar10_train()[0]) == 5 * N


def test_the_archive_cannot_write_elsewhere(small, served, tmp_path):
    up = [tarfile.TarInfo("../escaped"), tarfile.TarInfo(str(tmp_path / "absolute"))]
    link = tarfile.TarInfo(f"{FOLDER}/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    for member in up:
        member.size = 4
    served(archive(contents(), extra=[*up, link]))
    cifar10_train()
    assert not (tmp_path / "escaped").exists() and not (tmp_path / "absolute").exists()
    assert sorted(path.name for path in (small / FOLDER).iterdir()) == sorted(FILES)


def linked():
    member = tarfile.TarInfo(f"{FOLDER}/test_batch.bin")
    member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
    return archive({k: v for k, v in contents().items() if k != "test_batch.bin"}, extra=[member])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"no archive at all", "not CIFAR-10's archive"),
        (archive(contents())[:300], "not CIFAR-10's archive"),
        (archive({"data_batch_1.bin": contents()["data_batch_1.bin"]}), "data_batch_2.bin"),
        (archive(contents() | {"data_batch_3.bin": b"\0" * 5}), "expected 9219 bytes in .*data_batch_3.bin, got 5"),
        (linked(), "test_batch.bin is no file"),
    ],
    ids=["foreign", "cut off", "incomplete", "short", "link"],
)
def test_an_archive_with_the_right_checksum_and_the_wrong_content(small, served, data, what):
    served(data)
    with pytest.raises(OSError, match=f"^cannot get CIFAR-10 into [^\n]*{what}[^\n]*$"):
        cifar10_train()
    assert names(small) == ["cifar-10-binary.tar.gz.part"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda folder: (folder / FILES[2]).unlink(), "expected 9219 bytes in .*data_batch_3.bin, got no such file"),
        (
            lambda folder: (folder / FILES[0]).write_bytes(record(0)),
            "expected 9219 bytes in .*data_batch_1.bin, got 3073",
        ),
        (
            lambda folder: (folder / FILES[1]).write_bytes(b"\x0a" * 9219),
            "expected CIFAR-10 in .*data_batch_2.bin, got",
        ),
        (lambda folder: swapped(folder / FILES[0], folder / FILES[4]), "expected CIFAR-10 in .*data_batch_1.bin, got"),
        (lambda folder: one_bit(folder / FILES[3]), "expected CIFAR-10 in .*data_batch_4.bin, got another checksum"),
    ],
)
def test_files_that_are_not_whole(small, change, what):
    unpacked(small, contents())
    change(small / FOLDER)
    with pytest.raises(ValueError, match=f"^{what}[^\n]*delete [^\n]*{FOLDER}, [^\n]*$"):
        cifar10_train()


def swapped(a, b):
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def one_bit(path):
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def test_pictures_of_ones_own_are_taken_when_the_user_says_so(small, monkeypatch):
    unpacked(small, contents())
    one_bit(small / FOLDER / FILES[0])
    monkeypatch.setenv("MINICM_UNVERIFIED", "yes")
    assert "set MINICM_UNVERIFIED=1" in one_line(ValueError)
    monkeypatch.setenv("MINICM_UNVERIFIED", "1")
    assert len(cifar10_train()[0]) == 5 * N
    (small / FOLDER / FILES[1]).write_bytes(b"\x0a" * 9219)
    assert "expected labels from 0 to 9" in one_line(ValueError)


def test_a_folder_that_cannot_be_made(small, served):
    served(archive(contents()))
    small.write_text("a file")
    assert one_line(OSError).startswith(f"cannot get CIFAR-10 into {small}: ")


# ---- pictures


def some_pictures(n=40, size=4):
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8)


def test_pooling_is_the_rounded_mean():
    x = some_pictures()
    mean = torch.nn.functional.avg_pool2d(x.double(), 2)
    assert (pooled(x).double() - mean).abs().max() <= 0.5
    assert torch.equal(
        pooled(torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)).unique(), torch.tensor([255], dtype=torch.uint8)
    )


def test_pixels_come_back_from_data_units():
    values = torch.arange(256, dtype=torch.uint8)
    x = to_data(values)
    assert x.dtype == torch.float64 and x.min() == -1 and x.max() == 1
    assert torch.allclose(x.diff(), torch.tensor(2 / 255), atol=1e-12)
    assert torch.equal(to_pixels(x), values) and torch.equal(to_pixels(x.float() + 0.3 / 127.5), values)
    assert to_pixels(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def first(batches, n=3):
    return [next(batches) for _ in range(n)]


def test_each_picture_of_a_batch_is_one_of_the_set_or_its_mirror_image():
    pictures, labels = some_pictures(), torch.arange(40)
    x0, label = next(labelled_pictures(pictures, labels, 4000))
    same = (to_pixels(x0) == pictures[label]).flatten(1).all(1)
    mirrored = (to_pixels(x0) == pictures[label].flip(3)).flatten(1).all(1)
    assert (same | mirrored).all()
    assert abs(mirrored.double().mean() - 0.5) < 4 * 0.5 / 4000**0.5
    assert (label.bincount(minlength=40) - 100).abs().max() < 5 * 10  # uniform: each 100 ± 10
    table = torch.stack([same.double(), (label % 2).double()])
    assert abs(torch.corrcoef(table)[0, 1]) < 4 / 4000**0.5  # the mirror does not know the picture


def test_batches_depend_on_seed_and_number_alone():
    pictures = some_pictures()
    run = first(mirrored_pictures(pictures, 8, seed=3), 5)
    assert all(map(torch.equal, run[2:], first(mirrored_pictures(pictures, 8, seed=3, start=2))))
    assert not torch.equal(run[0], run[1])
    assert not torch.equal(run[0], next(mirrored_pictures(pictures, 8, seed=4)))
    labelled = first(labelled_pictures(pictures, torch.arange(40), 8, seed=3), 5)
    assert all(torch.equal(x, y) for x, (y, _) in zip(run, labelled, strict=True))


@pytest.mark.parametrize(
    "call",
    [lambda: mirrored_pictures(torch.rand(4, 3, 8, 8), 2), lambda: mirrored_pictures(some_pictures(0), 2),
     lambda: mirrored_pictures(some_pictures(), 0), lambda: pooled(some_pictures(2, 5)), lambda: pooled(torch.rand(4)),
     lambda: labelled_pictures(some_pictures(), torch.arange(3), 2)],
)  # fmt: skip
def test_bad_pictures_are_named_at_the_call(call):
    with pytest.raises(ValueError, match="^expected [^\n]*got[^\n]*$"):
        call()


@pytest.mark.gpu
def test_batches_are_the_same_on_the_gpu():
    pictures = some_pictures()
    x0 = next(mirrored_pictures(pictures.cuda(), 8))
    assert x0.is_cuda and torch.equal(x0.cpu(), next(mirrored_pictures(pictures, 8)))
