"""Files of pictures: all of a file or a folder stands under its name, or nothing does."""

import io
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...checkpoints import write_whole
from ..run_folder import grid, save_picture


def check_target(target: Path) -> None:
    """Make the folder that the target will stand in; before the work, not after it.

    Raises ValueError for a folder that is not empty, and OSError, one line, where nothing can be written.
    """
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(
            f"expected a new folder or a file, {target} is a folder with files in it: choose another --out"
        )
    if target.suffix in (".png", ".npz") and target.is_dir():
        raise ValueError(f"expected a file, {target} is a folder: choose another --out")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(target.parent, os.W_OK):
            raise PermissionError(13, "permission denied")
    except OSError as error:
        raise OSError(f"cannot write to {target.parent}: {error.strerror}; choose another --out") from None


def write_grid(x: Tensor, target: Path, columns: int) -> None:
    """The pictures (N, C, H, W), in [0, 1], side by side as one PNG."""
    save_picture(grid(x, columns), target)


def write_npz(pictures: Tensor, labels: Tensor | None, target: Path) -> None:
    """`arr_0` (N, H, W, C), uint8, where other projects look for them, and `labels` (N,) if there are any.

    Raises OSError, one line, when the file cannot be written.
    """
    arrays = {"arr_0": pictures.permute(0, 2, 3, 1).contiguous().numpy()}
    if labels is not None:
        arrays["labels"] = labels.numpy()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(target, buffer.getbuffer())


def write_folder(pictures: Tensor, target: Path) -> None:
    """000000.png, 000001.png, ... of the pictures (N, C, H, W), uint8, each at its own size.

    Raises OSError, one line, when they cannot be written.
    """
    from matplotlib.image import imsave  # here, because `import minicm` must stay light

    part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        for k, picture in enumerate(pictures.expand(-1, 3, -1, -1).permute(0, 2, 3, 1)):
            imsave(part / f"{k:06}.png", picture.contiguous().numpy())
        part.chmod(0o755)
        if target.is_dir():
            target.rmdir()  # it is empty: `check_target` looked
        os.replace(part, target)
    except OSError as error:
        raise OSError(f"cannot write {target}: {error.strerror or error}; choose another --out") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def written(text: str, target: Path) -> None:
    """The text as the file `target`.  Raises OSError, one line, when it cannot be written."""
    write_whole(target, text.encode())


def to_bytes(x: Tensor, to_unit: Callable[[Tensor], Tensor]) -> Tensor:
    """uint8 of samples in data units."""
    return (255 * to_unit(x)).round().to(torch.uint8)
