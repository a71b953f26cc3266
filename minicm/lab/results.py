"""What a benchmark has stored: read, reduced to the median over seeds, and written as a table of text.

A row is a dict with at least method, data, seed and evaluations, and its numbers, such as ed_over_floor and c2st.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from ..checks import parsed_json, shown

Row = Mapping[str, object]
Setting = tuple[str, str, int]  # method, data, evaluations

EVALUATIONS = (1, 2, 4)
_KEYS = {"method": str, "data": str, "seed": int, "evaluations": int}


def arena_rows(path: str | Path) -> list[Row]:
    """The rows of a file that benchmarks/arena.py wrote, {"machine": ..., "rows": [...]}; none if there is no file.

    Raises ValueError for a file of another form, and for a row whose method, data, seed or evaluations are not there or
    of another kind.
    """
    path = Path(path)
    if not path.exists():
        return []
    stored = parsed_json(path.read_bytes(), path.name)
    rows = stored.get("rows") if isinstance(stored, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f'expected {{"rows": [...]}} with a dict for each row in {path.name}')
    for row in rows:
        missing = [key for key in _KEYS if key not in row]
        if missing:
            raise ValueError(f"expected {', '.join(_KEYS)} in each row of {path.name}, got one without {missing[0]}")
        if strange := [key for key, kind in _KEYS.items() if type(row[key]) is not kind]:
            raise ValueError(f"expected {strange[0]} of another kind in {path.name}, got {shown(row[strange[0]])}")
    return rows


def over_seeds(rows: Sequence[Row], key: str) -> dict[Setting, float]:
    """(method, data, evaluations) -> the median of that number over the seeds, in the order of the rows.

    A seed whose number is missing or not finite counts as infinitely bad, so that it cannot make a median better.
    """
    found: dict[Setting, list[float]] = {}
    for row in rows:
        setting = str(row["method"]), str(row["data"]), int(row["evaluations"])
        found.setdefault(setting, []).append(_number(row.get(key)))
    return {setting: median(values) for setting, values in found.items()}


def results_table(
    rows: Sequence[Row],
    names: Mapping[str, str],
    *,
    data: str = "g8",
    evaluations: Sequence[int] = EVALUATIONS,
    columns: Mapping[str, str] | None = None,
) -> str:
    """One line a method: for each column its median over seeds at each number of evaluations, two digits.

    names: method -> what to call it, in the order of the lines; methods without rows on this data set are left out.
    columns: key of the rows -> heading; None for the energy distance in floors and the classifier's accuracy.
    Says so in one line if no row is left.
    """
    columns = {"ed_over_floor": "ED / floor", "c2st": "C2ST"} if columns is None else columns
    chosen = [row for row in rows if row["data"] == data]
    medians = {key: over_seeds(chosen, key) for key in columns}
    present = [method for method in names if any(row["method"] == method for row in chosen)]
    if not present:
        return f"no stored rows of these methods on {data}"
    lines = [["", *(f"{title}: {n}" for title in columns.values() for n in evaluations)]]
    for method in present:
        cells = [medians[key].get((method, data, n)) for key in columns for n in evaluations]
        lines.append([names[method], *map(_cell, cells)])
    return "\n".join([*_aligned(lines), f"medians; seeds: {_seeds(chosen, present)}; {_counts(evaluations)}"])


def _counts(evaluations: Sequence[int]) -> str:
    return f"{', '.join(map(str, evaluations))}: evaluations of the network"


def _seeds(rows: Sequence[Row], methods: Sequence[str]) -> str:
    """How many seeds the methods have, as "3" or, where they differ, "2 to 3"."""
    counts = {len({row["seed"] for row in rows if row["method"] == method}) for method in methods}
    return f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right, two spaces between."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = (zip(line, widths, strict=True) for line in lines)
    return ["  ".join(text.rjust(w) if k else text.ljust(w) for k, (text, w) in enumerate(row)) for row in rows]


def _number(value: object) -> float:
    number = float(value) if isinstance(value, (int, float)) else math.inf
    return number if math.isfinite(number) else math.inf


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    return "failed" if math.isinf(value) else f"{float(f'{value:.2g}'):g}"
