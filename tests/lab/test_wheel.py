"""The wheel, installed away from the repository: its commands work by name, with nothing but what travels inside."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from copies import python

from minicm.data.shipped import PACKAGE, repository, shipped, stored_model

pytest.importorskip("setuptools", minversion="77", reason="setuptools, which builds the wheel, is not installed")
ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow
SOURCES = ["pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "minicm", "experiments", "data"]
SOURCES += ["tutorials", "benchmarks"]


def built(source: Path, kind: str, target: Path) -> Path:
    """The file that setuptools builds of a copy of the repository, without a network."""
    code = f"from setuptools.build_meta import build_{kind} as build; print(build({os.fspath(target)!r}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return target / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".ruff_cache"))
        else:
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(source, tmp_path_factory):
    return built(source, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def minicm(wheel, tmp_path_factory):
    """(*words) -> the finished process of `minicm WORDS` with the wheel alone, in an empty folder."""
    installed, empty = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("empty")
    with zipfile.ZipFile(wheel) as file:  # which is all that installing a wheel without scripts does
        file.extractall(installed)

    def run(*words):
        return python(["-m", "minicm", *words], empty, place=installed)

    run.folder, run.installed = empty, installed
    return run


def test_a_repository_answers_with_its_own_folders():
    assert repository() == ROOT == PACKAGE.parent and shipped("data") == ROOT / "data"
    assert stored_model("digits_dense_ect") == ROOT / "data" / "digits_dense_ect.safetensors"


def test_it_holds_at_most_two_megabytes_of_models(wheel):
    with zipfile.ZipFile(wheel) as file:
        shipped = [item for item in file.infolist() if item.filename.startswith("minicm/shipped/")]
    assert sum(item.file_size for item in shipped) <= 2 * 1024**2
    assert {"minicm/shipped/data/digits_dense_ect.safetensors", "minicm/shipped/experiments/digits_ect.py"} <= {
        item.filename for item in shipped
    }


def test_the_source_archive_builds_the_same_wheel(source, wheel, tmp_path):
    shutil.unpack_archive(built(source, "sdist", tmp_path), tmp_path)
    again = built(next(tmp_path.glob("minicm-*/")), "wheel", tmp_path)
    contents = []
    for path in (wheel, again):
        with zipfile.ZipFile(path) as file:
            contents.append({name: file.read(name) for name in file.namelist() if not name.endswith("RECORD")})
    assert contents[0] == contents[1]


def test_the_doctor_is_content(minicm):
    done = minicm("doctor")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "ready", done.stdout
    assert os.fspath(minicm.installed) in done.stdout and "pyproject" not in done.stdout


def test_a_stored_model_is_drawn_and_judged_by_its_name(minicm):
    done = minicm("sample", "digits_dense_ect", "--number", "10", "--out", "sevens.png", "--labels", "7")
    assert done.returncode == 0, done.stderr
    assert (minicm.folder / "sevens.png").stat().st_size > 100
    done = minicm("evaluate", "digits_dense_ect", "--steps", "1")
    assert done.returncode == 0, done.stderr


def test_an_experiment_is_trained_by_its_name_and_its_run_drawn(minicm):
    done = minicm("train", "digits_ect", "--iterations", "2", "--batch-size", "4", "--out", "run")
    assert done.returncode == 0, done.stderr
    done = minicm("sample", "run", "--number", "2", "--out", "run.png")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words", [["sample", "digits_dense"], ["evaluate", "digits_dense"], ["edit", "digits_dense", "--task", "inpaint"]]
)
def test_an_unknown_model_lists_those_there_are(minicm, words):
    done = minicm(*words)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "digits_dense_ect" in done.stderr and len(done.stderr.splitlines()) == 1


def test_an_unknown_experiment_lists_those_there_are(minicm):
    done = minicm("train", "digits")
    assert done.returncode == 2 and "digits_ect" in done.stderr and len(done.stderr.splitlines()) == 1
