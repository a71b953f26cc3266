"""Error against evaluations of solvers of the probability flow, on mixtures whose denoiser is known.

    python benchmarks/solvers.py [--data g8,lattice,FILE.json] [--budgets 5,10,40] [--json FILE]

VE from 80 to .002, float64; rms is √ of the mean of |x − x*|², x* by dopri8 at a tolerance of 1e-12.  FILE.json holds
`weights` (K), `means` (K lists) and `stds` (K).  Ours are exponential Adams and every solver on the grid "scale"; the
pool is what others published, on the grids that they use.  The constants of ours follow from the std and the
dimension of the data.  They were found on g8 and on mixtures that are not among these; uneven, lattice and d64 were
looked at on the way ("while tuning"), the others ("fresh") not before solvers and grids were as they are.
"""

import json
import math
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
BUDGETS = "5,8,10,14,18,24,40,80,160"
ALL = ("rho7", "log", OWN_GRID)
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


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
    return {"rho7": karras_grid, "log": log_grid, OWN_GRID: lambda n: scale_grid(n, low=low, high=high)}


def contenders(distance: float) -> list[Contender | Tolerant]:
    """Our own, then the textbook's, then the diffusion libraries' anew; distance: the usual one, L, of two samples."""
    half = distance / 2
    own = [Contender(f"exponential Adams {k}", OURS, exponential(k, half), (OWN_GRID,)) for k in (2, 3, 4, 5)]
    wide = [Contender(f"exponential Adams {k}, L", OURS, exponential(k, distance), (OWN_GRID,)) for k in (2, 4)]
    textbook = [
        Contender("exponential Adams 4", OURS, exponential(4, half), ("log",)),
        Contender("Euler (DDIM)", "published", by_steps(euler_step)),
        Contender("midpoint", "published", by_steps(midpoint_step), ("log",), 2),
        Contender("Heun", "published", by_steps(heun_step), ALL, 2),
        Contender("RK4", "published", by_steps(rk4_step), ("rho7",), 4),
        Contender("RK4 in ln t", "published", in_logarithm(rk4_step), ("log",), 4),
        Contender("Adams-Bashforth 2", "published", adams(2), ("log",)),
        Contender("Adams-Bashforth 3", "published", adams(3), ("log",)),
        Contender("LMS", "published", published.lms),  # Adams-Bashforth 4 in t
        Contender("DPM-Solver++(2M)", "published", lambda d, x, times: dpm_solver_2m(d, x, times, PATH), ALL),
    ]
    anew = [
        Contender("DPM-Solver++(3M)", "published", published.dpm_solver_pp_3m, ("log",)),
        Contender("UniPC-2", "published", published.unipc(2)),
        Contender("UniPC-3", "published", published.unipc(3), ("log",)),
        Contender("DEIS-3", "published", published.deis),
        Contender("DPM-Solver-2", "published", published.dpm_solver_2, ("log",), 2),
        Contender("DPM-fast", "published", published.dpm_fast, ("log",)),
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
            for steps in sorted({b // who.cost for b in budgets if b >= who.cost}):
                times = self.grids[grid](steps)
                self.measure(who, grid, lambda d, times=times: who.solve(d, self.x, times))


def versions() -> dict[str, str]:
    """Those of the libraries in the pool, or that they were missing."""

    def version(name: str) -> str:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            return "missing"

    return {name: version(name) for name in ("torchdiffeq", "diffusers", "k-diffusion")}


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
    options.add_argument("--trajectories", type=count, default=1000, help="for each mixture (1000)")
    options.add_argument("--json", type=json_file, metavar="FILE")
    chosen = options.parse_args(argv)
    budgets = sorted(set(chosen.budgets))
    laws = [mixture(name) for name in chosen.data.split(",")]
    torch.set_num_threads(1)
    print(machine())
    left_out, pool = libraries()
    for line in left_out:
        print(line)
    rows: list[Row] = []
    for data, law in laws:
        course = Course(data, law, chosen.trajectories)
        for who in [*contenders(usual_distance(law)), *pool]:
            course.run(who, budgets)
        rows += course.rows
        print(f"{data}: {len(course.rows)} rows", flush=True)
    table = verdicts(rows, budgets)
    print_table(table, list(table[0]))
    claims = claimed(rows, budgets)
    for how, claim in claims.items():
        ratios = f"median ratio {claim['median ratio']:.2g}, largest {claim['largest ratio']:.2g}"
        print(f"{how}: ours at or below the pool in {claim['won']} of {claim['cells']}, {ratios}")
    if chosen.json is not None:
        about = {
            "machine": machine(),
            "libraries": versions(),
            "trajectories": chosen.trajectories,
            "seen": {data: seen(data) for data, _ in laws},
        }
        store(chosen.json, {**about, "claims": claims, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
