"""The three files that name what is installed agree, `make` installs once, and nothing names one machine."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mutants import MUTANTS, known, mutant_cells
from packaging.requirements import Requirement

from benchmarks.import_time import measure
from minicm.lab import doctor

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".cfg", ".ipynb", ".json", ".cff", ".sh", ""}
NOT_OURS = {"out", "runs", "build", "dist", "cache", "__pycache__"}
OURS = {".ci", ".github", ".devcontainer"}  # of the folders whose name begins with a dot


def pins():
    """name -> Requirement of each line of constraints.txt that holds for this Python and platform."""
    lines = (line.split("#")[0].strip() for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines())
    asked = [Requirement(line) for line in lines if line]
    return {one.name: one for one in asked if one.marker is None or one.marker.evaluate()}


def conda_pip():
    """What environment.yml hands to pip."""
    (lines,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    return lines


# ---- pyproject.toml, constraints.txt, environment.yml


def test_environment_installs_the_package_with_the_pins_of_constraints():
    assert ENVIRONMENT["name"] == PROJECT["name"] == "minicm"
    assert conda_pip()[0] == "-c constraints.txt"
    (package,) = conda_pip()[1:]
    extras = re.fullmatch(r"-e \.\[(.*)\]", package)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])
    assert f'-e ".[{",".join(extras)}]"' in (ROOT / "Makefile").read_text("utf-8")  # make installs the same


def test_environment_has_pip_and_a_python_that_the_package_allows():
    plain = [entry for entry in ENVIRONMENT["dependencies"] if isinstance(entry, str)]
    (python,) = [entry.split("=")[1] for entry in plain if entry.startswith("python=")]
    assert "pip" in plain and len(plain) == 2
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(python)


def test_pins_are_exact_and_allowed_by_the_package():
    requirements = [Requirement(line) for line in PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        requirements += [Requirement(line) for line in extra]
    for name, pin in pins().items():
        (exact,) = pin.specifier
        assert exact.operator == "=="
        wanted = [requirement for requirement in requirements if requirement.name == name]
        assert all(requirement.specifier.contains(exact.version) for requirement in wanted)


def test_all_that_decides_what_is_printed_tested_or_graded_is_pinned():
    extras = PROJECT["optional-dependencies"]
    asked = sum((extras[name] for name in ("notebooks", "classroom", "test", "dev")), PROJECT["dependencies"])
    needed = [
        requirement
        for requirement in map(Requirement, asked)
        if not requirement.marker or requirement.marker.evaluate()
    ]
    assert {requirement.name for requirement in needed} - {"minicm"} <= pins().keys()
    assert {"ipython", "nbconvert", "jupyter-client", "scipy"} <= pins().keys()  # and what those need


def test_dependencies_are_few():
    names = {Requirement(line).name for line in PROJECT["dependencies"]}
    files = {"safetensors", "pooch", "filelock"}
    assert names == {"torch", "numpy", "matplotlib", "scikit-learn", "torchdiffeq", "tqdm"} | files
    assert {"notebooks", "classroom", "test"} <= set(PROJECT["optional-dependencies"])


def test_the_doctor_asks_for_what_pyproject_asks_for():
    dependencies = {Requirement(line).name: Requirement(line) for line in PROJECT["dependencies"]}
    assert set(dependencies) - {"torch", "matplotlib"} == set(doctor.PACKAGES.values())
    notebooks = {Requirement(line).name for line in PROJECT["optional-dependencies"]["notebooks"]}
    assert set(doctor.NOTEBOOK_PACKAGES.values()) <= notebooks
    assert str(dependencies["torch"].specifier) == ">=" + ".".join(map(str, doctor.OLDEST_TORCH))
    assert PROJECT["requires-python"] == ">=" + ".".join(map(str, doctor.OLDEST_PYTHON))
    (pin,) = pins()["torch"].specifier
    assert tuple(map(int, pin.version.split(".")[:2])) == doctor.TESTED_TORCH


def test_console_script_is_main():
    module, function = PROJECT["scripts"]["minicm"].split(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_version_of_the_package_is_that_of_pyproject():
    assert getattr(importlib.import_module("minicm"), "__version__", PROJECT["version"]) == PROJECT["version"]


def test_licence():
    text = (ROOT / "LICENSE").read_text("utf-8")
    assert text.startswith("MIT License") and "the code and the text" in text
    assert PROJECT["license"] == "MIT"


# ---- make, with a python that only writes down what it is asked to do

FAKE = """#!/bin/sh
# -c: say whether this Python is new enough;  -m venv: copy itself;  -m pip and all else: write it down
case "$1 $2" in
  "-c "*) exit ${FAKE_OLD:-0} ;;
  "-m venv") for folder; do :; done; mkdir -p "$folder/bin"; cp "$0" "$folder/bin/python"; exit ${FAKE_VENV:-0} ;;
  "-m pip") echo "$*" >>"$FAKE_LOG"; exit ${FAKE_PIP:-0} ;;
esac
echo "$*" >>"$FAKE_LOG"
"""
PIP = "-m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e "
COMPILE = "-m compileall -qq -j 2 -x /tests?/ .venv/lib minicm"
SPREAD = "-n 2 --durations 10"  # what `make test` asks of pytest
PACKAGE, EXTRAS = PIP + ".", PIP + ".[notebooks,test]"
needs_make = pytest.mark.skipif(not (shutil.which("make") and os.name == "posix"), reason="needs GNU make")


class Bench:
    """A copy of the Makefile beside a fake Python; make(...) runs it, log() is what the fake was asked since."""

    def __init__(self, folder):
        self.folder, self.python = folder, folder / "fake python"
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            shutil.copy(ROOT / name, folder / name)
        self.python.write_text(FAKE)
        self.python.chmod(0o755)
        self.record = folder / "log"

    def make(self, *targets, **settings):
        # A make that runs these tests hands its own variables down (MAKEFLAGS, ARGS, DATA): start from nothing.
        environment = {"PATH": os.environ["PATH"], "FAKE_LOG": str(self.record), **settings}
        command = ["make", f"PYTHON={self.python}", *targets]
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)

    def log(self):
        lines = self.record.read_text().splitlines() if self.record.exists() else []
        self.record.unlink(missing_ok=True)
        return lines


@pytest.fixture
def bench(tmp_path):
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Bench(folder)


@needs_make
def test_make_installs_once(bench):
    assert bench.make("demo").returncode == 0
    assert bench.log() == [PACKAGE, COMPILE, "-m minicm demo"]
    assert bench.make("demo", "DATA=moons").returncode == 0
    assert bench.log() == ["-m minicm demo --data moons"]
    assert bench.make("test").returncode == 0
    assert bench.log() == [EXTRAS, COMPILE, f"-m pytest {SPREAD}"]
    assert bench.make("test", "ARGS=-k paths", "demo").returncode == 0
    assert bench.log() == [f"-m pytest {SPREAD} -k paths", "-m minicm demo"]


@needs_make
@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_make_installs_again_when_a_requirement_changes(bench, name):
    bench.make("test")
    stamp = bench.folder / ".venv" / ".full-stamp"
    later = stamp.stat().st_mtime + 10
    os.utime(bench.folder / name, (later, later))
    bench.log()
    assert bench.make("-q", str(stamp.relative_to(bench.folder))).returncode == 1


@needs_make
def test_make_installs_again_after_the_folder_was_moved(bench):
    bench.make("test")
    bench.log()
    bench.folder = bench.folder.rename(bench.folder.parent / "elsewhere")
    bench.python, bench.record = bench.folder / "fake python", bench.folder / "log"
    assert bench.make("test").returncode == 0
    assert bench.log() == [EXTRAS, COMPILE, f"-m pytest {SPREAD}"]
    assert bench.make("demo").returncode == 0 and bench.log() == ["-m minicm demo"]


@needs_make
def test_make_test_installs_what_make_demo_needs(bench):
    assert bench.make("test").returncode == 0
    assert bench.log() == [EXTRAS, COMPILE, f"-m pytest {SPREAD}"]
    assert bench.make("demo").returncode == 0
    assert bench.log() == ["-m minicm demo"]


@needs_make
def test_an_installation_that_fails_leaves_no_stamp(bench):
    assert bench.make("demo", FAKE_PIP="1").returncode == 2
    assert bench.log() == [PACKAGE]
    assert not (bench.folder / ".venv" / ".demo-stamp").exists()
    assert bench.make("demo").returncode == 0
    assert bench.log() == [PACKAGE, COMPILE, "-m minicm demo"]
    assert bench.make("test", FAKE_PIP="1").returncode == 2
    assert not (bench.folder / ".venv" / ".full-stamp").exists()


@needs_make
def test_a_python_that_does_not_fit_is_refused_in_one_line(bench):
    done = bench.make("demo", FAKE_OLD="1")
    assert done.returncode == 2 and not (bench.folder / ".venv").exists() and bench.log() == []
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1 and "a Python from 3.10 to 3.14" in said[0]


@needs_make
def test_a_python_without_venv_leaves_nothing_half_made(bench):
    done = bench.make("demo", FAKE_VENV="1")
    assert done.returncode == 2 and "python3-venv" in done.stderr
    assert not (bench.folder / ".venv").exists()


@needs_make
def test_help_is_the_default_and_clean_keeps_the_environment(bench):
    assert "make demo" in bench.make().stdout and not (bench.folder / ".venv").exists()
    bench.make("demo")
    for made in ("out", "minicm/__pycache__", ".venv/__pycache__"):
        (bench.folder / made).mkdir(parents=True)
    assert bench.make("clean").returncode == 0
    assert not (bench.folder / "out").exists() and not (bench.folder / "minicm" / "__pycache__").exists()
    assert (bench.folder / ".venv" / "__pycache__").exists()
    bench.make("distclean")
    assert not (bench.folder / ".venv").exists()


def test_ci_runs_make_test_and_nothing_else():
    script = ROOT / ".ci" / "run"
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail" and lines[1].startswith("cd ") and lines[2:] == ["make test"]
    assert os.access(script, os.X_OK)


# ---- nothing that holds on one machine only

MACHINE = re.compile(r"(?<![\w.~/$}])/(home|root|work|Users|opt|mnt)/\w|[A-Z]:\\+Users")
REGISTRY = re.compile(r"\b(pypi\.org|pythonhosted\.org|download\.pytorch\.org|anaconda\.(org|com)|npmjs\.)")


def files():
    for folder, names, found in os.walk(ROOT):
        hidden = {name for name in names if name.startswith(".") or name.endswith(".egg-info")} - OURS
        names[:] = [name for name in names if name not in NOT_OURS | hidden]
        yield from (Path(folder) / name for name in found if Path(name).suffix in TEXT and name != ".git")


def told(text):
    return [pattern.search(text)[0] for pattern in (MACHINE, REGISTRY) if pattern.search(text)]


def test_no_file_names_a_machine_or_a_registry():
    checkers = {Path(__file__), ROOT / "tests" / "notebook_rules.py"}
    found = {str(path): told(path.read_text("utf-8")) for path in files() if path not in checkers}
    assert not {path: words for path, words in found.items() if words}


def test_what_is_looked_for_is_found():
    assert told("see /home/ada/x") and told("r'C:\\Users\\ada'") and told("https://pypi.org/simple")
    assert not told("α/σ, and/or, out/demo.png, ~/.cache, /usr/bin/env, the home/work/ratio")


# ---- the claim about the import


def test_import_ratio_is_of_medians():
    taken = {"torch": iter([9, 1, 5, 2]), "minicm": iter([9, 2, 4, 100])}
    torch_row, minicm_row = measure(3, timer=lambda module: (next(taken[module]), 1.0))
    assert (torch_row["cpu_s"], torch_row["cpu_ratio"]) == (2, 1)
    assert (minicm_row["cpu_s"], minicm_row["cpu_ratio"], minicm_row["wall_ratio"]) == (4, 2, 1)


def test_console_script_runs_where_it_is_installed():
    script = Path(sys.executable).parent / "minicm"
    if not script.exists():
        pytest.skip("minicm is not installed beside this Python")
    done = subprocess.run([script, "fly"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("minicm: error: ")


@needs_make
def test_make_api_installs_pdoc_once_beside_the_environment(bench):
    assert bench.make("api").returncode == 0
    first, compiled, second, third = bench.log()
    assert (first, compiled) == (PACKAGE, COMPILE) and second.endswith("--target .venv-api pdoc>=15")
    assert "-m pdoc" in third and "--output-directory out/api" in third
    (wanted,) = PROJECT["optional-dependencies"]["docs"]
    assert f'"{wanted}"' in (ROOT / "Makefile").read_text("utf-8")
    assert bench.make("api").returncode == 0 and len(bench.log()) == 1


@pytest.mark.parametrize("module, text", [mutant[:2] for mutant in MUTANTS])
def test_a_mutant_finds_its_formula_once(module, text):
    assert (ROOT / "minicm" / f"{module}.py").read_text("utf-8").count(text) == 1


def test_the_table_of_mutants_is_that_of_the_list():
    """tests/mutants.py writes the rows of those that were killed."""
    lacking = [mutant[:3] for mutant in MUTANTS if mutant_cells(*mutant[:3]) not in known()]
    assert not lacking, f"run python tests/mutants.py {lacking[0][0]}: {lacking}"
    assert len(known()) - 1 == len(MUTANTS), "a row of tests/MUTANTS.md is of no mutant: run python tests/mutants.py"
