"""The folder of a run, which holds all of it.

config.json           the experiment's name, or its file if it is not the project's; the fields of its Config, versions,
                      the device, the iterations after which the run was extended
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
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from importlib.metadata import version
from math import ceil
from pathlib import Path, PurePath

import filelock
import torch
from torch import Tensor

from ..checkpoints import write_whole
from ..checks import parsed_json, shown
from ..precond import Preconditioned
from .experiment import Experiment
from .hardware import Hardware
from .recorded import made_by, record_of, trained_model

Writer = Callable[[dict[str, float]], None]  # of a line of the log


def load_run(
    folder: str | os.PathLike, weights: str = "ema10", experiment: str | os.PathLike | None = None
) -> tuple[Hardware, Preconditioned]:
    """The configuration of a run and its model with averaged weights, on the CPU, in eval mode.

    experiment: the file that made the run, which is executed; needed unless it is one of the project's.
    Raises OSError or ValueError, one line, for a folder that is no run or does not fit its experiment.
    """
    made, config = run_experiment(folder, experiment)
    return config, trained_model(made, config, Path(folder) / f"{weights}.safetensors")


def run_experiment(
    folder: str | os.PathLike, experiment: str | os.PathLike | None = None
) -> tuple[Experiment, Hardware]:
    """The experiment and the configuration of a run; experiment and errors as in `load_run`."""
    content = _config(Path(folder))
    if content is None:
        raise FileNotFoundError(f"expected a run of `minicm train` in {folder}, found no config.json there")
    made = made_by(content["experiment"], experiment, folder)
    return made, made.config_from(content["fields"])


def _config(folder: Path) -> dict | None:
    file = folder / "config.json"
    if not file.exists():
        return None
    try:
        content = parsed_json(file.read_bytes() if file.is_file() else "", file)  # a pipe would wait for ever
        if isinstance(content["experiment"], str) and isinstance(content["fields"], dict):
            return content
    except (ValueError, KeyError, TypeError):
        pass
    raise ValueError(f"expected the config.json of a run of `minicm train` in {folder}, got another file")


def _begun(folder: Path) -> dict | None:
    """The content of config.json beside a checkpoint."""
    return _config(folder) if (folder / "checkpoint.pt").exists() else None


def told_before(folder: Path, device: str) -> list[str]:
    """What to say of a checkpoint that another PyTorch or a device of another type made.

    Raises ValueError as `check_same_run`.
    """
    if (content := _begun(folder)) is None:
        return []
    versions, now = content.get("versions"), version("torch")
    before = versions.get("torch") if isinstance(versions, dict) else None
    other = [] if before == now else [f"with PyTorch {shown(before)}, this is {now}"]
    other += [f"on {shown(old)}, now on {device}"] if (old := content.get("device", device)) != device else []
    return [f"{folder} was trained {text}: it goes on, but not bit for bit" for text in other]


def check_same_run(folder: Path, experiment: Experiment, config: Hardware) -> None:
    """Raise ValueError, one line, if the folder has a checkpoint of another experiment or configuration.

    The device is none of what is trained.
    """
    if (old := _begun(folder)) is None:
        return
    if PurePath(old["experiment"]).stem != experiment.name:
        raise ValueError(f"{folder} holds a run of {old['experiment'][:200]}: choose another folder with --out")
    before, now = old["fields"], asdict(config)
    trained = (now.keys() | before.keys()) - {"device"}
    if changed := [name for name in trained if now.get(name) != before.get(name)]:
        told = ", ".join(f"{name} {shown(before.get(name))}, not {shown(now.get(name))}" for name in sorted(changed))
        ways = "train it longer with --extend N, " if changed == ["iterations"] else ""
        raise ValueError(
            f"{folder} holds a run with {told}: {ways}choose another folder with --out, or delete this one"
        )


def extended(folder: Path, experiment: Experiment, config: Hardware, total: int | None) -> Hardware:
    """The configuration to go on with: with `total` iterations, for the run in the folder, which has as many or fewer.

    total: None for the same configuration, of a run that begins or goes on.
    Raises ValueError, one line, where there is no run to extend, and as `check_same_run`.
    """
    if total is None:
        check_same_run(folder, experiment, config)
        return config
    if type(before := _iterations(folder)) is not int or not hasattr(config, "iterations"):
        raise ValueError(
            f"expected a run with a number of iterations in {folder}, to extend it, found none: train it first"
        )
    if total < before:
        raise ValueError(f"expected --extend of at least the {before} iterations of {folder}, got {total}")
    check_same_run(folder, experiment, replace(config, iterations=before))
    return replace(config, iterations=total)


def check_finished(folder: Path, done: int, total: int) -> None:
    """Raise ValueError, one line, if the run is to be extended to `total` before its own iterations are done."""
    before = _iterations(folder)
    if type(before) is int and done < before < total:
        raise ValueError(
            f"expected a finished run to extend in {folder}, got {done} of {before} iterations: "
            "the same command without --extend goes on"
        )


def _iterations(folder: Path) -> object:
    return (_begun(folder) or {"fields": {}})["fields"].get("iterations")


def write_config(folder: Path, experiment: Experiment, config: Hardware, device: str) -> None:
    """Write config.json; device: the type that the run is on.  Raises ValueError for a foreign one, OSError."""
    old, before = _begun(folder) or {}, _iterations(folder)
    ends = old.get("extended", [])
    ends += [before] if old and before != getattr(config, "iterations", before) else []
    versions = {name: version(name) for name in ("minicm", "torch")}
    content = {"experiment": record_of(experiment), "fields": asdict(config), "versions": versions, "device": device}
    content |= {"extended": ends} if ends else {}
    write_whole(folder / "config.json", (json.dumps(content, indent=1) + "\n").encode())


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Make the folder, and keep other processes from writing there while the context lasts; kill -9 ends that too.

    Raises OSError, one line, if another run holds it, it cannot be written, or what it holds leads elsewhere.
    """
    lock = filelock.FileLock(folder / "lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if strange := sorted(path.name for path in folder.iterdir() if not _own(path)):
            raise OSError(errno.ELOOP, f"{shown(strange[0])} there is a link or no file, which a run does not write to")
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise OSError(f"another run writes to {folder}: wait for it, or choose another folder with --out") from None
    except OSError as error:
        raise OSError(f"cannot write to {folder}: {error.strerror}; choose another folder with --out") from None
    try:
        yield
    finally:
        lock.release()


def _own(path: Path) -> bool:
    """Whether it is a file or a folder itself: links and pipes lead elsewhere."""
    return not path.is_symlink() and (path.is_file() or path.is_dir())


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


@contextmanager
def log_writer(folder: Path, start: int) -> Iterator[Writer]:
    """Writes a line to log.jsonl, which goes on after `start` updates.  Raises OSError, one line, where it cannot."""
    log = Log(folder, start)
    try:
        yield log.write
    finally:
        log.close()


@contextmanager
def tensorboard_writer(folder: Path, start: int) -> Iterator[Writer]:
    """Writes the numbers of a line for TensorBoard, which must be installed, to the folder tensorboard."""
    from torch.utils.tensorboard import SummaryWriter

    board = SummaryWriter(str(folder / "tensorboard"), purge_step=start)

    def write(line: dict[str, float]) -> None:
        for name in line.keys() - {"iteration"}:
            board.add_scalar(name, line[name], line["iteration"])

    try:
        yield write
    finally:
        board.close()


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True) if path.exists() else []


def _iteration(line: bytes) -> float:
    """The iteration of a line; infinite for half a line, of a crash, and for what this program does not write."""
    try:
        found = json.loads(line)["iteration"] if line.endswith(b"\n") else None
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    return found if type(found) is int else math.inf


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
