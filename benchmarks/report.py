"""What every benchmark reads from its command line, and what it prints and stores: its machine, a table, JSON."""

import argparse
import json
import math
import os
import platform
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from pathlib import Path

import torch

__all__ = ["count", "counts", "json_file", "machine", "names", "positive", "print_table", "seeds", "write_json"]


def count(text: str) -> int:
    """A whole number >= 1: the `type` of an option, as are the next five."""
    if not (text.strip().isdecimal() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def counts(text: str) -> list[int]:
    """Such numbers with commas between them."""
    return [count(word) for word in text.split(",")]


def seeds(text: str) -> list[int]:
    """Whole numbers from 0 on, with commas between them."""
    words = text.split(",")
    if not all(word.strip().isdecimal() and int(word) < 2**32 for word in words):
        raise argparse.ArgumentTypeError(f"expected whole numbers from 0 to 2**32 - 1, got {text!r}")
    return [int(word) for word in words]


def positive(text: str) -> float:
    """A finite number > 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected a finite number > 0, got {text!r}")
    return number


def names(known: Collection[str]) -> Callable[[str], list[str]]:
    """Names among the known ones, with commas between them; no name where none is asked for."""

    def read(text: str) -> list[str]:
        found = [word for word in text.split(",") if word]
        if unknown := [word for word in found if word not in known]:
            raise argparse.ArgumentTypeError(f"expected names among {', '.join(known)}, got {', '.join(unknown)}")
        return found

    return read


def json_file(text: str) -> Path:
    """A file that can be written later, in a folder that may have to be made: found out before the long run."""
    path = Path(text)
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not text or path.is_dir() or not there.is_dir() or not os.access(there, os.W_OK):
        raise argparse.ArgumentTypeError(f"expected a file that can be written, got {text!r}")
    return path


def machine() -> dict[str, str | int]:
    """The processor, threads, versions and date that a number belongs to."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next(
            (x.split(":")[1].strip() for x in info.read_text().splitlines() if x.startswith("model name")), name
        )
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {
        "processor": name,
        "cores": os.cpu_count() or 0,
        "load": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown",
        "threads": torch.get_num_threads(),
        "device": device,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": date.today().isoformat(),
    }


def print_table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    """The rows' columns, aligned; numbers with three digits."""
    cells = [[_cell(row[c]) for c in columns] for row in rows]
    widths = [max(len(c), *(len(line[k]) for line in cells)) for k, c in enumerate(columns)]
    for line in [list(columns), *cells]:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_json(file: Path | str | None, rows: Sequence[Mapping[str, object]]) -> None:
    """{"machine": ..., "rows": [...]} under a temporary name first; nothing when no file was asked for."""
    if file is None:
        return
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps({"machine": machine(), "rows": list(rows)}, indent=1) + "\n")
    partial.replace(path)
    print(f"wrote {path}")
