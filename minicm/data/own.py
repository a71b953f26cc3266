"""Pictures of one's own, from a folder or an array, as a person sees them: turned upright, on white, in eight bits.

Pictures are (N, C, H, W), uint8; C is 1 where all are grey, 3 otherwise.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ..checks import check_count

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_WHITE = (255, 255, 255, 255)
_TOUCHED = 64  # of 255: what a mask covers by a quarter is covered


def own_pictures(source: str | Path, *, size: int | None = None) -> tuple[Tensor, Tensor | None]:
    """All pictures of a folder, an .npz or an .npy file, and their labels, (N,), or None.

    A folder: the pictures in it, or those of its sub-folders, each of which is a class; in the order of their names.
    An array: (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1, 3 or 4, of whole numbers to 255, uint16, or floats
    from 0 to 1; an .npz may hold labels beside it, whole numbers from 0.  Nothing is unpickled.
    size: pixels of a side that each is scaled to, after the middle square is cut out; None: as they are.
    Raises OSError or ValueError, one line that names the file, for what cannot be read or does not fit together.
    """
    if size is not None:
        check_count("size", size)
    source = Path(source).expanduser()
    if source.is_dir():
        files, labels = _files(source)
        images = [_upright(file) for file in files]
    elif source.suffix.lower() in (".npy", ".npz"):
        images, labels = _of_arrays(source)
        files = [Path(f"{source}, picture {k}") for k in range(len(images))]
    else:
        found = "another file" if source.exists() else "no such file"
        raise FileNotFoundError(f"expected a folder of pictures, an .npz or an .npy file, got {source}: {found}")
    if size is not None:
        images = [_fitted(image, size, size) for image in images]
    _check_one_size(images, files)
    pixels = np.stack([np.asarray(image) for image in images])  # (N, H, W, 3)
    grey = all((image[..., :1] == image).all() for image in pixels)
    pictures = torch.from_numpy(pixels[..., :1] if grey else pixels).permute(0, 3, 1, 2).contiguous()
    return pictures, None if labels is None else torch.tensor(labels)


def own_picture(path: str | Path, shape: Sequence[int]) -> Tensor:
    """One picture, scaled and its middle cut out to fill (C, H, W), C = 1 or 3; uint8.

    Raises OSError or ValueError, one line that names the file, for one that cannot be read.
    """
    channels, height, breadth = shape
    image = _fitted(_upright(Path(path).expanduser()), height, breadth)
    pixels = np.asarray(image.convert("L"))[..., None] if channels == 1 else np.asarray(image)
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()


def own_mask(path: str | Path, picture: str | Path, shape: Sequence[int]) -> Tensor:
    """Where a mask is white, (1, H, W) bool, scaled and cut as `own_picture` scales and cuts the picture it is for.

    Raises OSError or ValueError, one line that names the file, unless it has the picture's size and some, not only,
    white.
    """
    path, picture = Path(path).expanduser(), Path(picture).expanduser()
    mask = _upright(path)
    if mask.size != (wanted := _upright(picture).size):
        right, other = ("{1} x {0}".format(*size) for size in (wanted, mask.size))
        raise ValueError(f"expected a mask of {right} as {picture}, got {other} in {path}")
    white = (torch.from_numpy(np.array(_fitted(mask.convert("L"), *shape[1:]))) >= _TOUCHED)[None]
    if not white.any() or white.all():
        found = "all of it is" if white.any() else "none of it is"
        raise ValueError(f"expected a mask that is white where to paint, and black elsewhere: {found} white in {path}")
    return white


def _files(folder: Path) -> tuple[list[Path], list[int] | None]:
    """The pictures in the folder, without labels, or those of its sub-folders with the places of these as labels."""
    inside, classes = _pictures_in(folder), sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != ".")
    if inside and any(_pictures_in(part) for part in classes):
        raise ValueError(
            f"expected pictures in {folder} or in its sub-folders, got both: {inside[0].name} lies outside"
        )
    if inside:
        return inside, None
    found = [_pictures_in(part) for part in classes]
    if not any(found):
        raise ValueError(f"expected pictures in {folder}, with a name that ends in {', '.join(SUFFIXES)}, got none")
    if empty := [part.name for part, files in zip(classes, found) if not files]:
        raise ValueError(f"expected pictures in each sub-folder of {folder}, got none in {empty[0]}")
    return sum(found, []), [k for k, files in enumerate(found) for _ in files]


def _pictures_in(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.name[0] != "." and p.is_file())


def _upright(path: Path) -> Image.Image:
    """The file's (first) picture in RGB, turned as its camera says, on white where it is transparent."""
    try:
        with Image.open(path) as image:
            image.load()
            return _on_white(ImageOps.exif_transpose(image))
    except FileNotFoundError:
        raise FileNotFoundError(f"expected a picture, got {path}: no such file") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:  # by kind of damage
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"expected a picture in {path}, got {reason[:200]}") from None


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # 16 bits, which convert would cut off at 255
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError(f"values from {values.min():g} to {values.max():g}, not 8 or 16 bits")
        return Image.fromarray((values.astype(np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    return image.convert("RGB")  # before anything is scaled: a palette would be scaled by its nearest entry


def _fitted(image: Image.Image, height: int, breadth: int) -> Image.Image:
    return ImageOps.fit(image, (breadth, height), Image.Resampling.LANCZOS)


def _check_one_size(images: Sequence[Image.Image], files: Sequence[Path]) -> None:
    for image, file in zip(images, files):
        if image.size != images[0].size:
            first, other = ("{1} x {0}".format(*i.size) for i in (images[0], image))
            wanted = f"expected pictures of one size, got {first} in {files[0]} and {other} in {file}"
            raise ValueError(f"{wanted}: use --size N")


def _of_arrays(path: Path) -> tuple[list[Image.Image], list[int] | None]:
    arrays = _loaded(path)
    stacks = {name: a for name, a in arrays.items() if a.ndim in (3, 4)}
    rows = {name: a for name, a in arrays.items() if a.ndim == 1}
    if len(stacks) != 1 or len(rows) > 1 or len(stacks) + len(rows) != len(arrays):
        got = ", ".join(f"{name} {a.dtype} {a.shape}" for name, a in arrays.items()) or "nothing"
        raise ValueError(
            f"expected pictures (N, H, W) or (N, H, W, C), and perhaps labels (N,), in {path}, got {got[:300]}"
        )
    pixels = _eight_bits(next(iter(stacks.values())), path)
    labels = _labels(next(iter(rows.values())), len(pixels), path) if rows else None
    return [_on_white(Image.fromarray(picture)) for picture in pixels], labels


def _loaded(path: Path) -> Mapping[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"expected an array in {path}, found {'a folder' if path.is_dir() else 'no such file'}")
    try:
        content = np.load(path, allow_pickle=False)
        return {"the array": content} if isinstance(content, np.ndarray) else {name: content[name] for name in content}
    except Exception as error:  # noqa: BLE001 -- zipfile, zlib, tokenize and numpy each have their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"expected arrays of numbers in {path}, got {reason[:200]}") from None


def _eight_bits(a: np.ndarray, path: Path) -> np.ndarray:
    """(N, H, W), (N, H, W, 3) or (N, H, W, 4), uint8."""
    if not a.size or a.dtype.kind not in "buif":
        raise ValueError(f"expected pictures of numbers in {path}, got {a.dtype} {a.shape}")
    most = 1 if a.dtype.kind in "bf" else 65535 if a.dtype == np.uint16 else 255
    if not (a.min() >= 0 and a.max() <= most):
        raise ValueError(f"expected {a.dtype} from 0 to {most} in {path}, got {a.min():g} to {a.max():g}")
    a = (a >> 8 if most == 65535 else np.round(a * (255 / most))).astype(np.uint8)
    if a.ndim == 4 and a.shape[3] not in (1, 3, 4) and a.shape[1] in (1, 3, 4):
        a = np.moveaxis(a, 1, 3)
    if a.ndim == 4 and a.shape[3] not in (1, 3, 4):
        raise ValueError(f"expected pictures of 1, 3 or 4 channels in {path}, got {a.shape}")
    return np.ascontiguousarray(a[..., 0] if a.ndim == 4 and a.shape[3] == 1 else a)


def _labels(a: np.ndarray, count: int, path: Path) -> list[int]:
    if a.dtype.kind not in "ui" or len(a) != count or a.min() < 0:
        raise ValueError(f"expected labels, {count} whole numbers from 0, in {path}, got {a.dtype} {a.shape}")
    if missing := sorted(set(range(min(int(a.max()), len(a)) + 1)) - set(a.tolist())):
        raise ValueError(f"expected pictures of every label up to {a.max()} in {path}, got none of {missing[0]}")
    return a.tolist()
