"""Who is ahead in the benchmark of solvers: ours beside the best of the pool, from the rows of its file alone."""

import statistics
from collections.abc import Sequence

from benchmarks.mixtures import SEEN

__all__ = ["DEFAULT", "OURS", "OWN_GRID", "Row", "claimed", "seen", "tally", "verdicts"]

Row = dict[str, object]

OURS, OWN_GRID = "minicm", "scale"
DEFAULT = ("exponential Adams 4", "scale")  # one solver of ours for every budget, against the best of the whole pool


def seen(data: str) -> str:
    """Whether the set was looked at while solvers and grids were made: what it says counts for less then."""
    return "while tuning" if data in SEEN else "fresh"


def is_ours(row: Row) -> bool:
    return row["origin"] == OURS or row["grid"] == OWN_GRID


def best(rows: Sequence[Row], budget: int) -> Row | None:
    """The smallest error with at most so many evaluations, if there is any; NaN is none."""
    within = [row for row in rows if row["evaluations"] <= budget and row["rms"] == row["rms"]]
    return min(within, key=lambda row: row["rms"], default=None)


def verdicts(rows: Sequence[Row], budgets: Sequence[int]) -> list[Row]:
    """Ours beside the best of the pool, for each set and budget where both have a row."""
    found = []
    for data in dict.fromkeys(row["data"] for row in rows):
        here = [row for row in rows if row["data"] == data]
        for budget in budgets:
            a, b = best([r for r in here if is_ours(r)], budget), best([r for r in here if not is_ours(r)], budget)
            if a is None or b is None:
                continue
            line = {
                "data": data,
                "seen": seen(data),
                "budget": budget,
                "ours": a["rms"],
                "by": f"{a['solver']}, {a['grid']}",
            }
            line |= {"pool": b["rms"], "of": f"{b['solver']}, {b['grid']} ({b['origin']})"}
            found.append({**line, "ours/pool": a["rms"] / b["rms"]})
    return found


def tally(table: Sequence[Row]) -> dict[str, object]:
    """Cells in all, those where ours is at or below the pool, and what else one wants of the ratios."""
    ratios = [line["ours/pool"] for line in table]
    won = sum(ratio <= 1 for ratio in ratios)
    return {"cells": len(ratios), "won": won, "median ratio": statistics.median(ratios), "largest ratio": max(ratios)}


def claimed(rows: Sequence[Row], budgets: Sequence[int]) -> dict[str, dict[str, object]]:
    """Tallies of all mixtures, of those seen while tuning or fresh, and for one solver of ours instead of the best."""
    table = verdicts(rows, budgets)
    found = {how: tally([line for line in table if line["seen"] == how]) for how in {line["seen"]: 0 for line in table}}
    alone = [row for row in rows if not is_ours(row) or (row["solver"], row["grid"]) == DEFAULT]
    more = {"all": table, f"all, ours always {', '.join(DEFAULT)}": verdicts(alone, budgets)}
    return found | {how: tally(lines) for how, lines in more.items() if lines}
