"""Error against evaluations of solvers of the probability flow, on mixtures whose denoiser is known.

    python benchmarks/solvers.py [--data g8,lattice,FILE.json] [--budgets 5,10,40] [--solvers PATTERN] [--json FILE]

VE from 80 to .002, float64; rms is √ of the mean of |x − x*|², x* by dopri8 at a tolerance of 1e-12.  A row belongs to
the budgets that hold all its calls of the denoiser, those of its start included.  FILE.json of --data holds `weights`
(K), `means` (K lists) and `stds` (K).  Rows in FILE that are not made anew are kept: a table may be made in parts.
Ours are exponential Adams and every solver on the grid "scale"; the pool is what others published, at each setting
that they document, on the grids that they use.  The constants of ours follow from the std and the dimension of the
data.  They were found on g8 and on mixtures that are not among these; uneven, lattice and d64 were looked at on the
way ("while tuning"), the others ("fresh") not before solvers and grids were as they are.
"""

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.mixtures import MIXTURES, mixture, overall_std, usual_distance  # noqa: E402
from benchmarks.peers import Contender, Tolerant, libraries, published  # noqa: E402
from benchmarks.report import count, counts, json_file, machine, print_table  # noqa: E402
from benchmarks.verdicts import OURS, OWN_GRID, Row, claimed, seen, verdicts  # noqa: E402
from minicm.checkpoints import write_whole  # noqa: E402
from minicm.checks import parsed_json  # noqa: E402
from minicm.evaluation import CountCalls  # noqa: E402
from minicm.lab.command import Parser, report  # noqa: E402
from minicm.oracles import GaussianMixture  # noqa: E402
from minicm.paths import VE  # noqa: E402
from minicm.shapes import Denoiser, Step  # noqa: E402
from minicm.solvers import (  # noqa: E402
    adams_bashforth,
    adaptive,  # noqa: E402
    dpm_solver_2m,
    euler_step,
    exponential_adams,
    heun_step,
    in_log_nsr,
    integrate,
    midpoint_step,
    probability_flow,
    rk4_step,
)
from minicm.times import karras_grid, log_grid, scale_grid  # noqa: E402

PATH = VE()
LIBRARIES = ("torchdiffeq", "torchode", "diffusers", "k-diffusion")
BUDGETS = "5,8,10,14,18,24,40,80,160"
ALL = ("rho7", "log", OWN_GRID)
TOLERANCES = tuple(10.0**-k for k in range(1, 8))


def by_steps(step: Step) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    return lambda denoise, x, times: integrate(probability_flow(denoise, PATH), x, times, step)


def in_logarithm(step: Step) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    def solve(denoise: Denoiser, x: Tensor, times: Tensor) -> Tensor:
        return integrate(in_log_nsr(probability_flow(denoise, PATH), PATH), x, times.log(), step)

    return solve


def adams(order: int) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    return lambda denoise, x, times: adams_bashforth(probability_flow(denoise, PATH), x, times, order=order)


def exponential(order: int, scale: float) -> Callable[[Denoiser, Tensor, Tensor], Tensor]:
    return lambda denoise, x, times: exponential_adams(denoise, x, times, PATH, order=order, scale=scale)


def grids(law: GaussianMixture) -> dict[str, Callable[[int], Tensor]]:
    """name -> (intervals -> times); the last knows the scales of the data."""
    low, high = overall_std(law) / 25, 2 * usual_distance(law)
    return {"rho7": karras_grid, "log": log_grid, "vp": vp_grid, OWN_GRID: lambda n: scale_grid(n, low=low, high=high)}


def vp_grid(num_steps: int) -> Tensor:
    """Equal steps of the time τ of the variance-preserving path, σ² = exp(9.95 τ² + τ/10) − 1, as DDPM has them."""
    b, d = 0.1, 9.95
    ends = [(math.sqrt(b * b + 4 * d * math.log1p(level**2)) - b) / (2 * d) for level in (PATH.t_max, PATH.t_min)]
    tau = torch.linspace(*ends, num_steps + 1, dtype=torch.float64)
    times = (d * tau**2 + b * tau).expm1().sqrt()
    times[0], times[-1] = PATH.t_max, PATH.t_min
    return times


def contenders(distance: float) -> list[Contender | Tolerant]:
    """Our own, then the textbook's, then the diffusion libraries' anew; distance: the usual one, L, of two samples."""
    half = distance / 2
    own = [
        Contender(f"exponential Adams {k}", OURS, exponential(k, half), (OWN_GRID,), order=min(k, 3))
        for k in (2, 3, 4, 5)
    ]
    wide = [
        Contender(f"exponential Adams {k}, L", OURS, exponential(k, distance), (OWN_GRID,), order=min(k, 3))
        for k in (2, 4)
    ]
    textbook = [
        Contender("exponential Adams 4", OURS, exponential(4, half), ("log",), order=3),
        Contender("Euler (DDIM)", "published", by_steps(euler_step)),
        Contender("midpoint", "published", by_steps(midpoint_step), ("log",), 2, order=2),
        Contender("Heun", "published", by_steps(heun_step), ALL, 2, order=2),
        Contender("RK4", "published", by_steps(rk4_step), ("rho7",), 4, order=4),
        Contender("RK4 in ln t", "published", in_logarithm(rk4_step), ("log",), 4, order=4),
        Contender("Adams-Bashforth 2", "published", adams(2), ("log",), order=2),
        Contender("Adams-Bashforth 3", "published", adams(3), ("log",), order=2),
        Contender("LMS", "published", published.lms, order=2),  # Adams-Bashforth 4 in t
        Contender("DPM-Solver++(2M)", "published", lambda d, x, times: dpm_solver_2m(d, x, times, PATH), ALL, order=2),
    ]
    anew = [
        Contender("DPM-Solver++(3M)", "published", published.dpm_solver_pp_3m, ("log",), order=2),
        Contender("UniPC-2", "published", published.unipc(2), order=3),
        Contender("UniPC-3", "published", published.unipc(3), ("log",), order=3),
        Contender("DEIS-3", "published", published.deis, order=2),
        Contender("DPM-Solver-2", "published", published.dpm_solver_2, ("log",), 2, order=2),
        Contender("DPM-fast", "published", published.dpm_fast, ("log",), order=2),
    ]
    return [*own, *wide, *textbook, *anew]


def reference(law: GaussianMixture, count: int) -> tuple[Tensor, Tensor]:
    """(noise at t_max, where it ends): seeded, (count, D) both."""
    generator = torch.Generator().manual_seed(0)
    x = PATH.prior((count, *law.means.shape[1:]), generator, dtype=torch.float64)
    field = in_log_nsr(probability_flow(law.denoiser(PATH), PATH), PATH)
    ends = math.log(PATH.t_max), math.log(PATH.t_min)
    return x, adaptive(field, x, *ends, rtol=1e-12, atol=1e-12, method="dopri8")


def digits(value: Tensor) -> float:
    """Six of them: more are noise of the arithmetic, and of no use in a file."""
    return float(f"{value.item():.6g}")


class Course:
    """One mixture, its trajectories and the rows measured on it."""

    def __init__(self, data: str, law: GaussianMixture, count: int) -> None:
        self.data, self.denoise, self.grids = data, law.denoiser(PATH), grids(law)
        self.x, self.end = reference(law, count)
        self.rows: list[Row] = []

    def measure(self, who: Contender | Tolerant, grid: str, solve: Callable[[Denoiser], Tensor]) -> int:
        """Run, count, keep the row; returns the evaluations."""
        counted = CountCalls(self.denoise)
        away = (solve(counted) - self.end).flatten(1).norm(dim=1)
        error = {"rms": digits(away.square().mean().sqrt()), "median": digits(away.median())}
        row = {"solver": who.solver, "grid": grid, "data": self.data, "evaluations": counted.calls, **error}
        self.rows.append({**row, "origin": who.origin})
        return counted.calls

    def run(self, who: Contender | Tolerant, budgets: Sequence[int]) -> None:
        """Every budget on every grid, or every tolerance until the largest budget is spent."""
        if isinstance(who, Tolerant):
            for tolerance in TOLERANCES:
                used = self.measure(who, who.grid, lambda d, tol=tolerance: who.solve(d, self.x, tol))
                if used > max(budgets):
                    return
            return
        for grid in who.grids:
            for steps in sorted({who.steps(budget) for budget in budgets} - {0}):
                times = self.grids[grid](steps)
                self.measure(who, grid, lambda d, times=times: who.solve(d, self.x, times))


def versions(rows: Sequence[Row]) -> dict[str, str]:
    """Those of the libraries that have rows; "missing" where one is not here and its rows are from before."""

    def version(name: str) -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "missing"

    return {name: version(name) for name in LIBRARIES if any(row["origin"] == name for row in rows)}


def too_short(pool: Sequence[Contender | Tolerant], budgets: Sequence[int]) -> list[tuple[Contender, str]]:
    """Those of fixed steps whose start and first step cost more than some budgets, and a word on which."""
    fixed = [who for who in pool if isinstance(who, Contender)]
    none = [(who, [str(budget) for budget in budgets if who.steps(budget) == 0]) for who in fixed]
    return [(who, f"{', '.join(few)}: its first step takes {who.start + who.cost}") for who, few in none if few]


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression from a command line."""
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"expected a regular expression, got {text!r}: {error}") from None


def key(row: Row) -> tuple[object, ...]:
    """What a row is about, whatever its budget."""
    return row["data"], row["solver"], row["origin"]


def stored_rows(file: Path | None, trajectories: int) -> list[Row]:
    """The rows that the file holds already, so that a table may be made in parts.  ValueError if they are others'."""
    if file is None or not file.exists():
        return []
    found = parsed_json(file.read_bytes(), file)
    if not isinstance(found, dict) or not isinstance(found.get("rows"), list):
        raise ValueError(f"{file}: expected rows of this benchmark, to add to: remove the file, or name another")
    if found.get("trajectories") != trajectories:
        raise ValueError(f"{file}: expected {trajectories} trajectories as asked for, got {found.get('trajectories')}")
    return found["rows"]


def store(path: Path, content: dict[str, object]) -> None:
    """The content as JSON with a line for each row."""
    head = json.dumps({**content, "rows": []}, indent=1).removesuffix("[]\n}")
    rows = ",\n".join("  " + json.dumps(row) for row in content["rows"])
    write_whole(path, f"{head}[\n{rows}\n ]\n}}\n".encode())
    print(f"wrote {path}")


def command(argv: list[str]) -> int:
    options = Parser(description=__doc__.splitlines()[0])
    options.add_argument("--data", default=",".join(MIXTURES), help=f"of {', '.join(MIXTURES)}, and files *.json")
    options.add_argument("--budgets", type=counts, default=BUDGETS, help=f"evaluations ({BUDGETS})")
    options.add_argument("--trajectories", type=count, default=200, help="for each mixture (200)")
    options.add_argument(
        "--solvers", type=pattern, default="", help='only those whose "name (origin)" has this pattern'
    )
    options.add_argument("--json", type=json_file, metavar="FILE")
    chosen = options.parse_args(argv)
    budgets = sorted(set(chosen.budgets))
    laws = [mixture(name) for name in chosen.data.split(",")]
    rows = stored_rows(chosen.json, chosen.trajectories)
    torch.set_num_threads(1)
    print(machine())
    left_out, pool = libraries()
    for line in [*left_out, *(f"{who.solver} ({who.origin}): – at {short}" for who, short in too_short(pool, budgets))]:
        print(line)
    for data, law in laws:
        course = Course(data, law, chosen.trajectories)
        for who in [*contenders(usual_distance(law)), *pool]:
            if chosen.solvers.search(f"{who.solver} ({who.origin})"):
                course.run(who, budgets)
        anew = {key(row) for row in course.rows}
        rows = [row for row in rows if key(row) not in anew] + course.rows
        print(f"{data}: {len(course.rows)} rows", flush=True)
    told(rows, budgets, chosen)
    return 0


def told(rows: Sequence[Row], budgets: Sequence[int], chosen: argparse.Namespace) -> None:
    """The table and its tallies on the screen, and all of it in the file."""
    table = verdicts(rows, budgets)
    if table:
        print_table(table, list(table[0]))
    claims = claimed(rows, budgets)
    for how, claim in claims.items():
        ratios = f"median ratio {claim['median ratio']:.2g}, largest {claim['largest ratio']:.2g}"
        print(f"{how}: ours at or below the pool in {claim['won']} of {claim['cells']}, {ratios}")
    if chosen.json is not None:
        about = {
            "machine": machine(),
            "libraries": versions(rows),
            "trajectories": chosen.trajectories,
            "seen": {data: seen(data) for data in dict.fromkeys(row["data"] for row in rows)},
        }
        store(chosen.json, {**about, "claims": claims, "rows": rows})


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
