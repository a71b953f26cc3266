"""The folder of a run, which holds all of it.

config.json           the experiment's file, every field of its Config, versions
checkpoint.pt         what it takes to go on, on a CPU bit for bit: weights, optimiser, averages, iteration
ema05.safetensors     averaged weights to sample with: PowerEMA, its width .05 of the run
ema10.safetensors     and .10
log.jsonl             a line every so often: iteration (updates done), loss and grad_norm (means since the line
                      before), lr, images (seen so far), seconds (of training, restarts not counted)
samples/00001000.png  drawn after 1000 updates by ema10, always from the same noise; a column for each class
lock                  held while a process writes here
"""

import errno
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from math import ceil
from pathlib import Path

import torch
from torch import Tensor

from .checkpoints import load_weights, write_whole
from .experiment import Experiment, load_experiment
from .hardware import Hardware
from .precond import Preconditioned

__all__ = ["Log", "agree", "claimed", "grid", "load_run", "run_experiment", "save_picture", "write_config"]


def load_run(folder: str | os.PathLike, weights: str = "ema10") -> tuple[Hardware, Preconditioned]:
    """The configuration of a run and its model with averaged weights, on the CPU, in eval mode.

    Raises OSError or ValueError, one line, for a folder that is no run or does not fit its experiment.
    """
    experiment, config = run_experiment(folder)
    model = experiment.new_model(config)
    load_weights(model, Path(folder) / f"{weights}.safetensors")
    return config, model.eval().requires_grad_(False)


def run_experiment(folder: str | os.PathLike) -> tuple[Experiment, Hardware]:
    """The experiment and the configuration of a run; errors as in `load_run`.

    The experiment's file is looked for where it was, seen from the working directory, and is executed.
    """
    content = _config(Path(folder))
    if content is None:
        raise FileNotFoundError(f"expected a run of `minicm train` in {folder}, found no config.json there")
    experiment = load_experiment(content["experiment"])
    return experiment, experiment.config_from(content["fields"])


def _config(folder: Path) -> dict | None:
    file = folder / "config.json"
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content["experiment"], str) and isinstance(content["fields"], dict):
            return content
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"expected the config.json of a run of `minicm train` in {folder}, got another file")


def agree(folder: Path, experiment: Experiment, config: Hardware) -> None:
    """Raise ValueError, one line, if the folder has a checkpoint of another experiment or configuration."""
    old = _config(folder)
    if old is None or not (folder / "checkpoint.pt").exists():
        return
    if Path(old["experiment"]).stem != experiment.name:
        raise ValueError(f"{folder} holds a run of {old['experiment']}: choose another folder with --out")
    before, now = old["fields"], asdict(config)
    if changed := [name for name in now.keys() | before.keys() if now.get(name) != before.get(name)]:
        told = ", ".join(f"{name} {before.get(name)}, not {now.get(name)}" for name in sorted(changed))
        raise ValueError(f"{folder} holds a run with {told}: choose another folder with --out, or delete this one")


def write_config(folder: Path, experiment: Experiment, config: Hardware) -> None:
    """Write config.json."""
    versions = {name: version(name) for name in ("minicm", "torch")}
    content = {"experiment": experiment.path.as_posix(), "fields": asdict(config), "versions": versions}
    write_whole(folder / "config.json", (json.dumps(content, indent=1) + "\n").encode())


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from writing there while the context lasts; kill -9 ends that too.

    Raises OSError, one line, if another run holds it or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / "lock", "w")
    except OSError as error:
        raise OSError(f"cannot write to {folder}: {error.strerror}; choose another folder with --out") from None
    with file:
        try:
            _lock(file.fileno())
        except OSError:
            raise OSError(f"another run writes to {folder}: wait for it, or choose another folder with --out") from None
        yield


def _lock(descriptor: int) -> None:
    """Lock the file until it is closed; elsewhere than on POSIX, two runs in one folder are not noticed."""
    if os.name == "posix":
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Log:
    """log.jsonl from iteration `start` on: what a crash left beyond that is cut off, for it will be made again."""

    def __init__(self, folder: Path, start: int) -> None:
        path = folder / "log.jsonl"
        kept = [line for line in _lines(path) if _iteration(line) <= start]
        write_whole(path, b"".join(kept))
        self.file = open(path, "ab", buffering=0)  # what cannot be written is not tried again when it is closed

    def write(self, line: dict[str, float]) -> None:
        """Append the line, at once.  Raises OSError, one line, when it cannot be written."""
        data = (json.dumps(line) + "\n").encode()
        try:
            if self.file.write(data) < len(data):  # what was left of the disk
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise OSError(f"cannot write {self.file.name}: {error.strerror}") from error

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _iteration(line: bytes) -> float:
    """The iteration of a line; infinite for half a line, of a crash."""
    try:
        return json.loads(line)["iteration"] if line.endswith(b"\n") else float("inf")
    except (ValueError, KeyError, TypeError):
        return float("inf")


def grid(x: Tensor, columns: int) -> Tensor:
    """The pictures side by side, (N, C, H, W) -> (3, height, width), with margins of a pixel.

    x: rgb or grey, in [0, 1].
    """
    n, _, h, w = x.shape
    rows = ceil(n / columns)
    sheet = torch.ones(rows * columns, 3, h + 1, w + 1)
    sheet[:n, :, 1:, 1:] = x.float().cpu()
    sheet = sheet.reshape(rows, columns, 3, h + 1, w + 1).permute(2, 0, 3, 1, 4).reshape(3, rows * (h + 1), -1)
    return torch.nn.functional.pad(sheet, (0, 1, 0, 1), value=1.0)


def save_picture(picture: Tensor, path: Path, least: int = 400) -> None:
    """Write (3, H, W) in [0, 1] as PNG, each pixel enlarged until the picture is `least` pixels wide.

    Raises OSError, one line, when the file cannot be written.
    """
    from matplotlib.image import imsave  # here, because `import minicm` must stay light

    zoom = ceil(least / picture.shape[2])
    large = picture.clamp(0, 1).repeat_interleave(zoom, 1).repeat_interleave(zoom, 2)
    buffer = io.BytesIO()
    imsave(buffer, large.permute(1, 2, 0).contiguous().numpy(), format="png")
    write_whole(path, buffer.getbuffer())
