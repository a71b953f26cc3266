"""Is this computer ready for the course?  One line per check: ok, note or problem, and how to mend it.

It imports nothing of minicm and nothing heavy at the top, so that it also runs by its path,
`python minicm/lab/doctor.py`, where torch is broken and `import minicm` fails.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType

OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 14)  # between which the tested torch has wheels; the Makefile says the same
OLDEST_TORCH = (2, 6)
TESTED_TORCH = (2, 13)  # as in constraints.txt; a test keeps the two together
NOTEBOOK_PACKAGES = {"jupyterlab": "jupyterlab", "nbval": "nbval", "ipykernel": "ipykernel", "nbclient": "nbclient"}
PACKAGES = {  # what is imported -> what is installed
    "numpy": "numpy",
    "sklearn": "scikit-learn",
    "torchdiffeq": "torchdiffeq",
    "tqdm": "tqdm",
    "safetensors": "safetensors",
    "pooch": "pooch",
    "filelock": "filelock",
}
REPOSITORY = (Path(__file__).resolve().parents[2] / "pyproject.toml").is_file()  # or an installed wheel
Importer = Callable[[str], ModuleType]


@dataclass(frozen=True)
class Check:
    """One finding: what was looked at, how it is ("ok", "note", "problem"), in words, and how to mend it."""

    name: str
    status: str
    text: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{self.status:<8} {self.name}: {self.text}"
        return f"{line}\n         -> {self.mend}" if self.mend else line


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder for downloads and prepared data: $MINICM_CACHE, or ~/.cache/minicm."""
    chosen = environment.get("MINICM_CACHE")
    return Path(chosen).expanduser() if chosen else Path("~/.cache/minicm").expanduser()


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Python must be new enough for the syntax of the package, and not too new for the torch that was tested."""
    text = ".".join(map(str, version))
    mend = f"install a Python from 3.10 to 3.14, then: {'make distclean demo' if REPOSITORY else _install('.')}"
    if version < OLDEST_PYTHON:
        return Check("Python", "problem", f"{text} is too old", mend)
    if version[:2] > NEWEST_PYTHON:
        return Check("Python", "note", f"{text} is newer than the tested torch knows", mend)
    return Check("Python", "ok", text)


def check_minicm(installed: Callable[[str], str] = metadata.version) -> Check:
    """The notebooks import minicm from tutorials/, so it must be installed, not only lie in the folder above."""
    try:
        return Check("minicm", "ok", f"version {installed('minicm')}, used from {Path(__file__).resolve().parent}")
    except metadata.PackageNotFoundError:
        return Check("minicm", "problem", "not installed, so notebooks cannot import it", _install("-e ."))


def check_torch(load: Importer = importlib.import_module) -> Check:
    """torch must load, be new enough, and compute forward derivatives, which continuous-time losses need."""
    try:
        torch = load("torch")
    except (ImportError, OSError) as error:  # a DLL that is missing on Windows is an OSError
        return Check("torch", "problem", f"cannot be loaded: {_one_line(error)}", _install("-e ."))
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        return Check("torch", "problem", f"{torch.__version__} is older than 2.6", _install("-e ."))
    try:
        _, slope = torch.func.jvp(lambda x: x**3, (torch.tensor([2.0]),), (torch.tensor([1.0]),))
        right = bool((slope == 12).all())
    except Exception as error:  # whatever it is, the learner needs it in words
        return Check("torch", "problem", f"{torch.__version__} fails to compute: {_one_line(error)}", _install("-e ."))
    if not right:
        return Check("torch", "problem", f"{torch.__version__} says d(x³)/dx at 2 is {slope.item()}", _install("-e ."))
    if version != TESTED_TORCH:
        return Check("torch", "note", f"{torch.__version__} computes; outputs were stored with {_dots(TESTED_TORCH)}")
    return Check("torch", "ok", f"{torch.__version__} computes, forward derivatives too")


def check_threads(environment: Mapping[str, str], threads: int, cores: int) -> Check:
    """Small networks train fastest on one thread; many threads on busy cores get in each other's way."""
    wanted = environment.get("OMP_NUM_THREADS")
    if threads > cores:
        text = f"torch uses {threads} threads on {cores} cores, which is slow"
    elif threads > 1 and wanted is None:
        text = f"torch uses {threads} threads; the course's small networks are fastest with one"
    else:
        return Check("threads", "ok", f"torch uses {threads} of {cores} cores")
    return Check("threads", "note", text, "set OMP_NUM_THREADS=1 before Python starts (make and the notebooks do it)")


def check_gpu(torch: ModuleType) -> Check:
    """A GPU is welcome and never needed, but for CIFAR-10."""
    if torch.cuda.is_available():
        return Check("GPU", "ok", torch.cuda.get_device_name(0))
    return Check("GPU", "note", "none that torch can use; the course runs without, only CIFAR-10 at 32 x 32 needs one")


def check_importable(
    name: str, packages: Mapping[str, str], extra: str, load: Importer = importlib.import_module
) -> Check:
    """Every package (imported name -> installed name) can be imported; extra is what pip must install if not."""
    broken = []
    for module, package in packages.items():
        try:
            load(module)
        except Exception as error:  # a package can also break while it is imported
            broken.append(package if isinstance(error, ModuleNotFoundError) else f"{package} ({_one_line(error)})")
    if broken:
        status = "note" if name == "notebooks" and not REPOSITORY else "problem"  # lessons come with the repository
        return Check(name, status, f"cannot import {', '.join(broken)}", _install(extra))
    return Check(name, "ok", ", ".join(packages.values()))


def check_kernel(kernel_command: Callable[[], list[str]] | None = None, python: str = sys.executable) -> Check:
    """Jupyter's kernel python3 must be this Python, not that of another installation in the user's folder."""
    try:
        command = (kernel_command or _kernel_command)()[0]
    except Exception as error:
        return Check("kernel", "problem", f"python3 not found: {_one_line(error)}", _install('-e ".[notebooks]"'))
    # A bare name means "the Python that runs Jupyter"; links are not followed, environments share one target.
    if os.path.dirname(command) in ("", os.path.dirname(python)):
        return Check("kernel", "ok", "python3 is this Python")
    mend = f"{_quoted(python)} -m ipykernel install --sys-prefix"
    return Check("kernel", "problem", f"notebooks would start another Python, {command}", mend)


def check_matplotlib(load: Importer = importlib.import_module) -> Check:
    """matplotlib must draw into a file, without a screen."""
    try:
        figure = load("matplotlib.figure").Figure(figsize=(1, 1))
        figure.subplots().plot([0, 1])
        with tempfile.TemporaryFile() as file:
            figure.savefig(file, format="png")
    except Exception as error:
        return Check("matplotlib", "problem", f"cannot draw: {_one_line(error)}", _install("-e ."))
    return Check("matplotlib", "ok", "draws")


def check_cache(folder: Path) -> Check:
    """The cache folder can be made and written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return Check("cache", "ok", f"{folder} is writable")
    except OSError as error:
        mend = "set MINICM_CACHE to a folder that you may write to"
        return Check("cache", "problem", f"cannot write to {folder}: {error.strerror}", mend)


def check_disk(folder: Path, free: int) -> Check:
    """Free space in bytes where the cache lies; CIFAR-10 unpacked with its statistics takes about half a gigabyte."""
    text = f"{free / 1e9:.1f} GB free at {folder}"
    if free < 1e9:
        return Check("disk", "note", text, "free 1 GB before you download CIFAR-10; the rest of the course needs none")
    return Check("disk", "ok", text)


def diagnose() -> list[Check]:
    """All checks on this computer, in the order in which to mend them."""
    checks = [check_python(), check_minicm(), check_torch()]
    if checks[-1].status != "problem":
        import torch

        checks += [check_threads(os.environ, torch.get_num_threads(), os.cpu_count() or 1), check_gpu(torch)]
    checks += [
        check_importable("packages", PACKAGES, "-e ."),
        check_matplotlib(),
        check_importable("notebooks", NOTEBOOK_PACKAGES, '-e ".[notebooks]"'),
    ]
    if checks[-1].status == "ok":
        checks.append(check_kernel())
    checks.append(check_cache(cache_folder()))
    if checks[-1].status != "problem":
        checks.append(check_disk(cache_folder(), shutil.disk_usage(cache_folder()).free))
    return checks


def main(argv: list[str] | None = None) -> int:
    """Print the checks; 1 if one is a problem, else 0."""
    import argparse

    about = "Say whether this computer is ready for the course, and how to mend what is not."
    # Without a usage text an argument that does not belong here is told in one line.
    argparse.ArgumentParser(prog="minicm doctor", description=about, usage=argparse.SUPPRESS).parse_args(argv)
    checks = diagnose()
    print(*checks, sep="\n")
    problems = sum(check.status == "problem" for check in checks)
    print(f"{problems} problem{'s' * (problems != 1)}: mend the first one first" if problems else "ready")
    return int(problems > 0)


def _install(what: str) -> str:
    pip = f"{_quoted(sys.executable)} -m pip install"
    if REPOSITORY:
        return f"in the folder of pyproject.toml: {pip} -c constraints.txt {what}"
    return f"{pip} {what.replace('-e ', '').replace('.', 'minicm')}"


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


def _kernel_command() -> list[str]:
    return importlib.import_module("jupyter_client.kernelspec").get_kernel_spec("python3").argv


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__} {' '.join(str(error).split())}".strip()


def _dots(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


if __name__ == "__main__":
    sys.exit(main())
