"""`minicm push` and `pull`, with a folder that stands for the Hub: what is told, refused, and never executed."""

import inspect
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from minicm.checkpoints import metadata_of
from minicm.lab.__main__ import main
from minicm.lab.command import check_extra
from minicm.lab.commands import evaluate, push
from minicm.lab.commands.drawing import loaded

ROOT = Path(__file__).parents[2]
STORED = ROOT / "data" / "digits_dense_ect.safetensors"
ROW = {"samples": "1 step", "number": 4490, "over_floor": 1.7312, "copies": 0.024}


class Hub:
    """The calls of HfApi that the commands make, on a folder; a folder in it is a repository."""

    folder, calls = Path(), []

    def repo_exists(self, repo_id):
        return (self.folder / repo_id).is_dir()

    def list_repo_files(self, repo_id):
        return sorted(path.name for path in (self.folder / repo_id).iterdir())

    def create_repo(self, repo_id, *, exist_ok=False):
        self.calls.append("create")
        (self.folder / repo_id).mkdir(parents=True, exist_ok=exist_ok)

    def upload_folder(self, *, repo_id, folder_path, commit_message=None):
        self.calls.append("upload")
        shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)

    def hf_hub_download(self, repo_id, filename):
        if not (self.folder / repo_id / filename).exists():
            raise ConnectionError("offline mode is enabled")
        return str(self.folder / repo_id / filename)


@pytest.fixture(autouse=True)
def hub(monkeypatch, tmp_path):
    torch.set_default_dtype(torch.float32)
    kind = type("Hub", (Hub,), {"folder": tmp_path / "hub", "calls": []})
    monkeypatch.setitem(sys.modules, "huggingface_hub", SimpleNamespace(HfApi=kind, __spec__=SimpleNamespace()))
    monkeypatch.chdir(tmp_path)
    return kind


@pytest.fixture(scope="module")
def drawing():
    torch.set_default_dtype(torch.float32)
    return loaded("digits_dense_ect", "cpu")


@pytest.fixture
def numbers(drawing, tmp_path):
    """(**changes) -> the file of numbers that belongs to the stored model, with changes."""

    def written(**changes):
        content = {"seed": 0, "torch": "2.13.0", "rows": [ROW], "weights": drawing.fingerprint} | changes
        (tmp_path / "numbers.json").write_text(json.dumps(content))
        return ["--numbers", "numbers.json"]

    return written


def refused(capsys, *argv):
    capsys.readouterr()
    assert main(list(argv)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_what_is_pushed_is_pulled_and_draws_the_same(hub, numbers, tmp_path, drawing):
    assert main(["push", "digits_dense_ect", "us/digits", *numbers()]) == 0
    assert sorted(path.name for path in (hub.folder / "us/digits").iterdir()) == ["README.md", "model.safetensors"]
    assert main(["pull", "us/digits"]) == 0
    again = loaded("models/digits.safetensors", "cpu")
    assert again.fingerprint == drawing.fingerprint
    assert torch.equal(again.draw(3, 2, 0, again.labels(3, [])), drawing.draw(3, 2, 0, drawing.labels(3, [])))
    assert main(["push", "models/digits.safetensors", "us/digits", *numbers()]) == 0  # again, to one of its own
    assert hub.calls == ["create", "upload"] * 2


def test_the_card_says_what_it_is_its_numbers_and_its_configuration(hub, numbers):
    main(["push", "digits_dense_ect", "us/digits", *numbers()])
    text = (hub.folder / "us/digits/README.md").read_text("utf-8")
    assert text.startswith("---\nlibrary_name: minicm\ntags: [consistency-model")
    assert "A consistency model of pictures 1 x 8 x 8 with 10 labels" in text and "`digits_dense_ect`" in text
    assert "| samples | number | over_floor | copies |" in text and "| 1 step | 4490 | 1.73 | 0.024 |" in text
    assert "| width | 336 |" in text and "seed 0, PyTorch 2.13.0" in text and "minicm pull us/digits\n" in text


@pytest.mark.parametrize(
    "changes",
    [{"rows": []}, {"rows": 3}, {"rows": [{"samples": "1 step", "number": 5}]}, {"rows": [ROW | {"fid": float("nan")}]},
     {"rows": [ROW, []]}, {"weights": "0" * 16}, {"weights": None}],
)  # fmt: skip
def test_a_card_without_numbers_or_with_those_of_other_weights_is_refused(hub, numbers, changes, capsys):
    assert "minicm evaluate digits_dense_ect" in refused(
        capsys, "push", "digits_dense_ect", "us/d", *numbers(**changes)
    )
    assert not hub.folder.exists() and not hub.calls


def test_without_a_table_it_says_how_to_make_one(hub, capsys, tmp_path):
    shutil.copy(STORED, tmp_path / "x.safetensors")
    line = refused(capsys, "push", "x.safetensors", "us/d")
    assert "`minicm evaluate x.safetensors --json numbers.json` measures" in line and not hub.calls


def test_evaluate_says_whose_numbers_they_are(drawing, monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "_digits", lambda *_: [ROW])
    assert main(["evaluate", "digits_dense_ect", "--device", "cpu", "--json", "numbers.json"]) == 0
    assert main(["push", "digits_dense_ect", "us/d", "--numbers", "numbers.json"]) == 0
    other = loaded("digits_dense_ect", "cpu")
    other.model.network.last.bias[0] += 1e-3
    assert len(drawing.fingerprint) == 16 and other.fingerprint != drawing.fingerprint


def test_another_repository_is_not_overwritten(hub, numbers, capsys):
    (hub.folder / "us/d").mkdir(parents=True)
    (hub.folder / "us/d/config.json").write_text("{}")
    assert "config.json" in refused(capsys, "push", "digits_dense_ect", "us/d", *numbers())
    assert not hub.calls


def test_folders_of_this_computer_stay_here(hub, numbers, tmp_path):
    note = metadata_of(STORED)
    fields = json.loads(note["fields"]) | {"start": "/srv/runs/teacher"}
    save_file(load_file(STORED), tmp_path / "x.safetensors", note | {"fields": json.dumps(fields)})
    assert main(["push", "x.safetensors", "us/d", *numbers()]) == 0
    pushed = metadata_of(hub.folder / "us/d/model.safetensors")
    assert json.loads(pushed["fields"])["start"] == "teacher" and pushed["experiment"] == "digits_dense_ect"
    assert "/srv" not in (hub.folder / "us/d/README.md").read_text("utf-8")
    assert push._without_folder("runs/teacher") == "runs/teacher"


def hostile(hub, metadata, tensors=None):
    """A repository with this file of weights, and beside it what would run."""
    folder = hub.folder / "them/x"
    folder.mkdir(parents=True)
    save_file(tensors or load_file(STORED), folder / push.WEIGHTS, metadata)
    for name in ("digits_dense_ect.py", "modeling.py", "__init__.py"):
        (folder / name).write_text("open('ran', 'w').close()\n")
    (folder / "config.json").write_text(json.dumps({"experiment": str(folder / "modeling.py"), "fields": {}}))
    return folder


def test_nothing_of_a_pulled_file_is_executed(hub, capsys, tmp_path):
    note = metadata_of(STORED)
    folder = hostile(hub, note)
    assert main(["pull", "them/x"]) == 0  # its own config.json is not looked at
    shutil.rmtree(folder)
    for record in (str(folder / "modeling.py"), "../modeling", "os", "modeling.py"):
        hostile(hub, note | {"experiment": record})
        assert "--experiment FILE" in refused(capsys, "pull", "them/x", "--to", "new/x.safetensors")
        shutil.rmtree(folder)
    for tensors, metadata in (({"a": torch.zeros(2)}, note), (None, {}), (None, note | {"fields": '{"width": 9}'})):
        hostile(hub, metadata, tensors)
        line = refused(capsys, "pull", "them/x", "--to", "new/x.safetensors")
        assert "model.safetensors of them/x" in line
        shutil.rmtree(folder)
    hostile(hub, note)
    (folder / push.WEIGHTS).write_bytes(b"\x80\x04cos\nsystem\n")
    assert "safetensors format" in refused(capsys, "pull", "them/x", "--to", "new/x.safetensors")
    assert not (tmp_path / "ran").exists() and not (tmp_path / "new").exists()


def test_bad_names_and_targets_are_one_line(hub, capsys, tmp_path):
    for name in ("digits", "us/../x", "../x", "us/x/y", "us/", "u s/x", "us/.x", "https://hub/us/x"):
        for argv in (["pull", name], ["push", "digits_dense_ect", name]):
            assert "owner/name" in refused(capsys, *argv)
    assert "NAME.safetensors" in refused(capsys, "pull", "us/x", "--to", "x.bin")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}")
    assert "config.json" in refused(capsys, "pull", "us/x", "--to", "run/x.safetensors")


def test_offline_and_without_the_extra_there_is_one_line(numbers, hub, monkeypatch, capsys):
    assert "cannot reach us/x on the Hub" in refused(capsys, "pull", "us/x")

    class StrangeError(Exception):
        """No OSError, as httpx's."""

    def refuse(*_, **__):
        raise StrangeError("[Errno 111] Connection refused\nand more")

    monkeypatch.setattr(hub, "repo_exists", refuse)
    line = refused(capsys, "push", "digits_dense_ect", "us/x", *numbers())
    assert "StrangeError: [Errno 111] Connection refused" in line and "more" not in line
    monkeypatch.setattr("minicm.lab.command.find_spec", lambda name: None)
    for argv in (["pull", "us/x"], ["push", "digits_dense_ect", "us/x", *numbers()]):
        assert 'pip install "minicm[hub]"' in refused(capsys, *argv)
    with pytest.raises(OSError, match=r"expected a, b to be installed"):
        check_extra("hub", "a", "b")


def test_the_hub_has_the_calls_that_the_stand_in_has(monkeypatch):
    monkeypatch.undo()
    api = pytest.importorskip("huggingface_hub", reason='the extra "hub" is not installed').HfApi
    for name in ("repo_exists", "list_repo_files", "create_repo", "upload_folder", "hf_hub_download"):
        ours, theirs = (list(inspect.signature(getattr(kind, name)).parameters) for kind in (Hub, api))
        assert [word for word in theirs if word in ours] == ours, name
