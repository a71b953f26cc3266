"""The course's table "quality against evaluations": each notebook adds rows, the later ones show them all.

A row is {"notebook", "sampler", "evaluations", "ed_over_floor"}, kept in running_table.json in the notebooks' folder.
With MINICM_REFRESH=1 in the environment `record` writes what was measured.  In the tests (`strict`) it compares, and
only stored numbers are printed, so that a notebook shows the same text on every machine.  A learner sees both.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ..checks import check_count
from ..data import eight_gaussians
from ..evaluation import Yardstick
from .claims import strict

Row = Mapping[str, object]

FILE = Path("running_table.json")  # a notebook's kernel starts in the notebook's folder
RELATIVE, ABSOLUTE = 0.25, 0.3  # what another machine, or another version of torch, may differ by; the second in floors


def record(notebook: str, rows: Sequence[Row], *, file: Path = FILE) -> None:
    """Store these rows as those of the notebook, or print them beside the stored ones; where `strict`, compare.

    Comparing checks that |measured − stored| <= 0.3 + 0.25 stored for each.

    notebook: its number, "05".  rows: with sampler, evaluations and ed_over_floor; other keys are left out.
    Without the file (a notebook that was opened alone) nothing is compared.
    Raises ValueError where `strict` if a row is not stored, or differs by more.
    """
    measured = [
        {
            "notebook": notebook,
            "sampler": str(row["sampler"]),
            "evaluations": int(row["evaluations"]),
            "ed_over_floor": float(f"{float(row['ed_over_floor']):.3g}"),
        }
        for row in rows
    ]
    if os.environ.get("MINICM_REFRESH") == "1":
        others = [row for row in _stored(file) if row["notebook"] != notebook]
        _write(sorted(others + measured, key=lambda row: str(row["notebook"])), file)
    elif file.exists():
        stored = {_key(row): float(row["ed_over_floor"]) for row in _stored(file)}
        (_compare if strict() else _beside)(measured, stored)


def show(notebook: str, *, file: Path = FILE) -> None:
    """Print the stored rows up to this notebook, one line a sampler: evaluations and energy distance / floor."""
    lines: dict[tuple[str, str], list[str]] = {}
    for row in _stored(file):
        if row["notebook"] <= notebook:
            cell = f"{row['evaluations']}: {_two_digits(row['ed_over_floor'])}"
            lines.setdefault((row["notebook"], row["sampler"]), []).append(cell)
    if not lines:
        print("no stored table in this folder")
        return
    width = max(len(sampler) for _, sampler in lines)
    print(f"lesson  {'sampler':{width}}  evaluations: energy distance / floor (1 = true data)")
    for (number, sampler), cells in lines.items():
        print(f"{number:6}  {sampler:{width}}  {'   '.join(cells)}")


def challenge(samples: Tensor, evaluations: int, *, file: Path = FILE) -> None:
    """Print where samples of the eight Gaussians stand among the stored samplers with as many evaluations or fewer.

    samples: (5000, 2), made with `evaluations` calls of a network or denoiser each; best first, one line each.
    Raises ValueError unless samples has this shape and evaluations is at least 1.
    """
    check_count("evaluations", evaluations)
    if tuple(samples.shape) != (5000, 2):
        raise ValueError(f"expected 5000 samples of shape (5000, 2), got {tuple(samples.shape)}")
    mine = Yardstick(eight_gaussians, 5000).ed_over_floor(samples)
    rows = [row for row in _stored(file) if row["evaluations"] <= evaluations]
    places = [
        (row["ed_over_floor"], f"{row['sampler']}, {row['evaluations']}  (lesson {row['notebook']})") for row in rows
    ]
    print("energy distance / floor (1 = true data), sampler, evaluations")
    for value, name in sorted([*places, (mine, f"yours, {evaluations}  <-")]):
        print(f"{_two_digits(value):>6}  {name}")


def _compare(measured: Sequence[Row], stored: Mapping[tuple[object, ...], float]) -> None:
    for row in measured:
        name = f"{row['sampler']} with {row['evaluations']} evaluations"
        before, now = stored.get(_key(row)), float(row["ed_over_floor"])
        if before is None:
            raise ValueError(f"expected a stored row for {name}, found none: run `make course`, which stores it")
        if not abs(now - before) <= ABSOLUTE + RELATIVE * before:
            raise ValueError(f"expected about {before:g} floors of {name}, as stored, measured {now:g}")


def _beside(measured: Sequence[Row], stored: Mapping[tuple[object, ...], float]) -> None:
    """One line for each row: what was measured now, and what is stored."""
    width = max(7, *(len(str(row["sampler"])) for row in measured))
    print(f"{'sampler':{width}}  evaluations   yours  stored   (energy distance / floor)")
    for row in measured:
        before = _two_digits(stored[_key(row)]) if _key(row) in stored else "none"
        print(f"{row['sampler']:{width}}  {row['evaluations']:11}  {_two_digits(row['ed_over_floor']):>6}  {before:>6}")
    print()


def _two_digits(value: float) -> str:
    return f"{float(f'{value:.2g}'):g}"


def _key(row: Row) -> tuple[object, ...]:
    return row["notebook"], row["sampler"], row["evaluations"]


def _stored(file: Path) -> list[dict]:
    return json.loads(file.read_text()) if file.exists() else []


def _write(rows: Sequence[Row], file: Path) -> None:
    """One row a line; under another name first, so that no half of a table is ever left."""
    partial = file.with_suffix(".part")
    partial.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")
    partial.replace(file)
