"""`minicm lessons`: all files of a version or none, out of a repository or out of an archive that is looked through."""

import hashlib
import io
import json
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pooch
import pytest

from minicm.lab.__main__ import main
from minicm.lab.commands import lessons

ROOT = Path(__file__).parents[2]
CONTENT = {
    "tutorials/00_start.ipynb": b"{}", "tutorials/01_next.ipynb": b"{ }", "tutorials/solutions/00_start.ipynb": b"[]",
    "data/model.safetensors": b"\0" * 9,
}  # fmt: skip


def packed(files, extra=()):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as tar:
        for name, data in [*files.items(), *extra]:
            member = tarfile.TarInfo(f"minicm-0.0/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return raw.getvalue()


def found(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """As in a wheel: no repository, the checksums alone; an archive of this machine."""
    sums = tmp_path / "lessons.json"
    sums.write_text(json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()}))
    monkeypatch.setattr(lessons, "SUMS", sums)
    monkeypatch.setattr(lessons, "repository", lambda: None)
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    pooch.get_logger().setLevel("WARNING")
    site = tmp_path / "site"
    site.mkdir()
    handler = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=site))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(lessons, "ARCHIVE", f"http://127.0.0.1:{server.server_port}/it.tar.gz?{{}}")
    yield site / "it.tar.gz"
    server.shutdown()
    server.server_close()


def refused(capsys, *argv):
    assert main(["lessons", *map(str, argv)]) == 2
    (text,) = capsys.readouterr().err.splitlines()[-1:]
    return text


def test_the_repository_gives_its_own_and_a_lesson_finds_what_it_loads(tmp_path, capsys):
    assert main(["lessons", str(tmp_path / "course")]) == 0
    here = [file.name for file in (ROOT / "tutorials").glob("*.ipynb")]
    assert f"wrote {len(here)} lessons" in capsys.readouterr().out
    for folder in ("tutorials", "tutorials/solutions"):
        assert sorted(file.name for file in (tmp_path / "course" / folder).glob("*.ipynb")) == sorted(here)
    for name in ("data/eight_gaussians_teacher.safetensors", "data/scm_ablation.json", "experiments/digits_ect.py",
                 "benchmarks/results/arena.json", "tutorials/running_table.json"):  # fmt: skip
        assert (tmp_path / "course" / name).read_bytes() == (ROOT / name).read_bytes()
    assert [file.name for file in tmp_path.iterdir()] == ["course"]


def test_a_wheel_gets_them_from_the_archive_of_its_version(installed, tmp_path, capsys):
    installed.write_bytes(packed(CONTENT, extra=[("../../escaped", b"x"), ("setup.py", b"x")]))
    (tmp_path / "course").mkdir()  # an empty folder will do
    assert main(["lessons", str(tmp_path / "course")]) == 0
    assert "wrote 2 lessons" in capsys.readouterr().out
    assert found(tmp_path / "course") == CONTENT
    assert main(["lessons", str(tmp_path / "again"), "--archive", str(installed)]) == 0
    assert found(tmp_path / "again") == CONTENT
    assert not list(tmp_path.glob(".*")) and not (tmp_path / "escaped").exists()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (packed(CONTENT | {"tutorials/01_next.ipynb": b"another"}), "has no such tutorials/01_next.ipynb"),
        (packed({k: v for k, v in CONTENT.items() if "01" not in k}), "has no such tutorials/01_next.ipynb"),
        (packed(CONTENT)[:60], "expected a source archive of minicm"),
        (b"no archive", "expected a source archive of minicm"),
        (None, "404"),
    ],
    ids=["changed", "missing", "cut off", "foreign", "no answer"],
)
def test_what_is_not_this_version_leaves_nothing(installed, tmp_path, capsys, data, told):
    if data is not None:
        installed.write_bytes(data)
    text = refused(capsys, tmp_path / "course")
    assert told in text and (data is not None or "--archive" in text)
    assert not (tmp_path / "course").exists() and not list(tmp_path.glob(".*"))


def test_answers_that_lie_in_the_folder_are_kept(tmp_path, capsys):
    (tmp_path / "tutorials").mkdir()
    (tmp_path / "tutorials" / "00_start.ipynb").write_text("my answers")
    assert "what lies there is kept" in refused(capsys, tmp_path)
    assert "what lies there is kept" in refused(capsys, tmp_path / "tutorials" / "00_start.ipynb")
    assert found(tmp_path) == {"tutorials/00_start.ipynb": b"my answers"}
