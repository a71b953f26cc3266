"""Files: weights to share (safetensors), and all of a training run in one file, so that a run resumes bit for bit.

A file is written under a temporary name, flushed to the disk and renamed: a reader finds the old file or the new one.
A checkpoint is one file because of that: between two renames a crash could pair new weights with old moments.
"""

import errno
import io
import json
import math
import os
import pickle
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import torch
from torch import Tensor, nn

from .checks import check_fit, listed, one_line, shown

_FORMAT = "minicm checkpoint 1"
_MOST = 10**15  # iterations


class Stateful(Protocol):
    """What a checkpoint holds parts of: modules, optimizers, averages, and whatever else has these two methods."""

    def state_dict(self) -> dict:
        """Tensors, numbers and strings, nested in dicts and lists."""

    def load_state_dict(self, state: dict) -> object:
        """The inverse of `state_dict`."""


def save_weights(model: nn.Module, path: str | os.PathLike, metadata: Mapping[str, str] | None = None) -> None:
    """Write the model's parameters and buffers as safetensors, with metadata such as the command that made them.

    The same weights and metadata give the same bytes.  Folders on the way are made.
    Raises OSError, one line, when the file cannot be written; the old one then stays.
    """
    from safetensors.torch import save

    tensors = {name: t.detach().cpu().clone().contiguous() for name, t in model.state_dict().items()}  # unties, too
    write_whole(Path(path), _in_order(save(tensors, {str(k): str(v) for k, v in (metadata or {}).items()})))


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors writes them in an order that differs at each call."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def load_weights(model: nn.Module, path: str | os.PathLike) -> dict[str, str]:
    """The metadata of a file of `save_weights`, after its tensors are put into the model, cast to its dtype and device.

    Raises FileNotFoundError, or ValueError, one line, for a damaged or foreign file or weights that do not fit; the
    model is then unchanged.
    """
    with _opened(path) as file:
        metadata, tensors = file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    check_fit(tensors, model.state_dict(), f"the weights in {path}")
    model.load_state_dict(tensors)
    return metadata


def metadata_of(path: str | os.PathLike) -> dict[str, str]:
    """The metadata alone of a file of `save_weights`; errors as in `load_weights`."""
    with _opened(path) as file:
        return file.metadata() or {}


def check_weights(model: nn.Module, path: str | os.PathLike) -> None:
    """Compare names and shapes of the file's tensors with the model's; none is read.  Raises as `load_weights`."""
    with _opened(path) as file:
        shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    found = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    expected = {name: torch.empty(t.shape, device="meta") for name, t in model.state_dict().items()}
    check_fit(found, expected, f"the weights in {path}")


@contextmanager
def _opened(path: str | os.PathLike) -> Iterator[Any]:
    """safetensors' reader of the file; what is raised while it reads becomes one line."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    _check_exists(path)
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError, RuntimeError, LookupError, AttributeError, TypeError) as error:
        raise ValueError(f"expected weights in safetensors format in {path}, got {one_line(error)}") from None


def save_checkpoint(
    path: str | os.PathLike,
    *,
    model: Stateful,
    optimizer: torch.optim.Optimizer,
    ema: Stateful | None = None,
    extras: Mapping[str, Stateful] | None = None,
    iteration: int,
) -> None:
    """Write one file with all that `load_checkpoint` needs to go on after `iteration`, the last one done.

    iteration: Record.iteration of the latest update.  extras: more parts by name, such as a second average or a loss
    with parameters of its own.  Folders on the way are made.
    Raises OSError, one line, when the file cannot be written; an earlier checkpoint of that name then stays.
    Raises ValueError for extras that take the name of another part, and for a state that could not be read again.
    """
    parts = {name: part.state_dict() for name, part in _parts(model, optimizer, ema, extras).items()}
    state = {"format": _FORMAT, "iteration": int(iteration), "optimizer_class": type(optimizer).__name__}
    buffer = io.BytesIO()
    torch.save(state | {"parts": parts}, buffer)
    _load(buffer, f"what would be written to {path}")  # a file that cannot be read must not replace one that can
    write_whole(Path(path), buffer.getbuffer())


def load_checkpoint(
    path: str | os.PathLike,
    *,
    model: Stateful,
    optimizer: torch.optim.Optimizer,
    ema: Stateful | None = None,
    extras: Mapping[str, Stateful] | None = None,
) -> int:
    """The iteration to go on with, `start` of `fit` and of the batches, after the parts are put back as saved.

    Give the same parts as were saved.  Nothing in the file is executed: it is read with weights_only=True.
    Raises FileNotFoundError, or ValueError, one line, for a damaged or foreign file, or one that does not fit; the
    parts are then unchanged.
    """
    path = Path(path)
    state = _read(path)
    parts = _parts(model, optimizer, ema, extras)
    if parts.keys() != state["parts"].keys():
        raise ValueError(f"expected the parts {listed(state['parts'])} that {path} holds, got {listed(parts)}")
    if state["optimizer_class"] != type(optimizer).__name__:
        raise ValueError(f"expected {state['optimizer_class']}, as saved in {path}, got {type(optimizer).__name__}")
    for name, part in parts.items():
        there, what = state["parts"][name], f"{name} in {path}"
        if isinstance(part, torch.optim.Optimizer):
            check_optimizer_fit(there, part, what)
        else:
            check_fit(there, part.state_dict(), what)
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    return state["iteration"] + 1


def _parts(
    model: Stateful, optimizer: Stateful, ema: Stateful | None, extras: Mapping[str, Stateful] | None
) -> dict[str, Stateful]:
    parts = {"model": model, "optimizer": optimizer} | ({} if ema is None else {"ema": ema})
    if taken := parts.keys() & (extras or {}).keys():
        raise ValueError(f"expected extras with names of their own, got {listed(taken)}")
    return parts | dict(extras or {})


def write_whole(path: Path, data: bytes | memoryview) -> None:
    """Put data into the file at once: a reader, or a crash at any moment, sees the old content or all of the new.

    Folders on the way are made.  Raises OSError, one line, when the file cannot be written; the old one then stays.
    """
    part = path.with_name(path.name + ".part")  # in the same folder, where a rename is atomic
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)  # of a crash; or a link, which would lead elsewhere
        try:
            with open(part, "xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # the content must reach the disk before the name does
            os.replace(part, path)
        except BaseException:  # Ctrl-C as well
            part.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # makes the rename last through a power cut; only POSIX opens folders
            descriptor = os.open(path.parent, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError)  # only mkdir says so
        reason = "a file is where its folder should be" if in_the_way else error.strerror or one_line(error)
        room = "make room there, or " if error.errno == errno.ENOSPC else ""
        raise OSError(f"cannot write {path}: {reason}; {room}choose a folder that can be written") from error


def _read(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU, after its outline is found right."""
    _check_exists(path)
    with open(path, "rb") as file:
        state = _load(file, str(path))
    kinds = {"format": str, "iteration": int, "optimizer_class": str, "parts": dict}
    if not (isinstance(state, dict) and all(type(state.get(key)) is kind for key, kind in kinds.items())):
        raise ValueError(f"expected a checkpoint of minicm in {path}, got another file of torch.save")
    if state["format"] != _FORMAT:
        raise ValueError(f"expected the format '{_FORMAT}' in {path}, got {shown(state['format'])}")
    if not -1 <= state["iteration"] < _MOST:
        raise ValueError(f"expected an iteration from -1 to {_MOST} in {path}, got {shown(state['iteration'])}")
    return state


def _load(file: BinaryIO, what: str) -> object:
    """What torch.save wrote into file, checksums included; ValueError for anything else, and no code in it is run."""
    try:
        archive = zipfile.ZipFile(file)
        if any(entry.compress_type for entry in archive.infolist()):  # a small file could fill the memory
            raise ValueError("compressed data, which torch.save does not write")
        if damaged := archive.testzip():  # torch.load does not look at the checksums
            raise ValueError(f"damaged data in {damaged}")
        file.seek(0)
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # its text advises to unpickle without the guard
        reason = "objects that are not tensors, numbers or strings; they were not loaded, for they can run code"
    except Exception as error:  # damaged and foreign files fail in many ways
        reason = one_line(error)
    raise ValueError(f"expected a whole checkpoint of minicm in {what}, got {reason}")


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise FileNotFoundError(f"expected a file {path}, found {'a folder' if path.is_dir() else 'none'}")


def check_optimizer_fit(found: object, optimizer: torch.optim.Optimizer, what: str) -> None:
    """Raise ValueError, one line, unless `optimizer` can go on from the state `found`, called `what` in the text.

    Its groups and settings are of the same kinds, switches aside, and what it keeps for a parameter looks as it would
    after an update, tried without data; a parameter that had no gradient yet has nothing.
    """
    known = optimizer.state_dict()["param_groups"]
    groups, kept = (found.get(key) if isinstance(found, dict) else None for key in ("param_groups", "state"))
    if not (isinstance(groups, list) and isinstance(kept, dict) and all(_is_group(group) for group in groups)):
        raise ValueError(f"expected the state of an optimizer as {what}, got another {type(found).__name__}")
    sizes, wanted = ([len(group["params"]) for group in each] for each in (groups, known))
    if sizes != wanted:
        raise ValueError(f"{what} does not fit: expected groups of {wanted} parameters, got {sizes}")
    for group, now in zip(groups, known):
        shared = now.keys() & group.keys()
        theirs, ours = ({key: each[key] for key in shared if not _is_switch(each[key])} for each in (group, now))
        check_fit(theirs, ours, f"the settings of {what}")
        if group["params"] != now["params"]:
            raise ValueError(f"{what} does not fit: expected the parameters numbered as they are now")
    _check_kept(kept, optimizer, [number for group in known for number in group["params"]], what)


def _check_kept(kept: dict, optimizer: torch.optim.Optimizer, numbers: list[int], what: str) -> None:
    after = _kept_after_an_update(optimizer)
    for number, state in kept.items():
        if number not in numbers or not isinstance(state, dict):
            raise ValueError(f"{what} does not fit: expected a dict for each of {len(numbers)} parameters")
        if after is not None:
            check_fit(state, after.get(number, {}), f"what is kept for parameter {number} of {what}")
        done = state.get("step", 0)  # updates
        if isinstance(done, Tensor | float | int) and not 0 <= float(done) < math.inf:
            raise ValueError(f"{what} does not fit: expected a number of updates, got {float(done)}")


def _is_group(group: object) -> bool:
    return isinstance(group, dict) and isinstance(group.get("params"), list)


def _is_switch(setting: object) -> bool:
    """Such as foreach: yes, no, or None for what torch thinks best, which may be another in the next run."""
    return setting is None or isinstance(setting, bool)


def _kept_after_an_update(optimizer: torch.optim.Optimizer) -> dict[int, dict] | None:
    """The state of such an optimiser after an update of tensors without content; None where it needs the content."""
    copies = [
        {**group, "params": [torch.empty_like(p, device="meta").requires_grad_() for p in group["params"]]}
        for group in optimizer.param_groups
    ]
    tried = object.__new__(type(optimizer))
    try:
        tried.__setstate__({"defaults": optimizer.defaults, "state": defaultdict(dict), "param_groups": copies})
        for group in copies:
            for p in group["params"]:
                p.grad = torch.empty_like(p)
        tried.step()
        return tried.state_dict()["state"]
    except Exception:  # an optimiser may ask for anything
        return None
