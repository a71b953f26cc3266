"""`minicm demo`: train a diffusion teacher and a consistency model on points in the plane, and compare them.

Nothing is stored: every number and the picture come from the two runs that it makes.  The teacher learns from stable
targets, the student from 40,000 ends of the teacher's own paths: the quickest way here to a picture that is right.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..checkpoints import write_whole
from ..data import TOYS, eight_gaussians_mixture, toy
from ..evaluation import Yardstick
from ..plotting import PALETTE, Panel, demo_figure, on_grid, save_png
from ..sampling.few_steps import consistency_sample
from ..seeds import fold
from ..shapes import Denoiser
from ..solvers.steps import ddim_step, integrate, probability_flow, trajectory
from ..times import karras_grid
from ..training import progress
from .command import Parser
from .recipes.plane import PATH, Run, seconds_per_update, stable_diffusion_run
from .recipes.rivals import coarse_pairs, direct_run

MIDDLE = 1.1  # radians, the second level of two-step sampling; Lu and Song 2024, appendix G
TEACHER, STUDENT = 2200, 4300  # iterations of the two runs
TEACHER_SECONDS, STUDENT_SECONDS = 8.5, 12.0  # of one core; a slow one makes fewer iterations, not a longer demo
SAMPLES, PAIRS = 20_000, 40_000
BLUE, ORANGE = PALETTE[0], PALETTE[1]


@dataclass(frozen=True)
class Row:
    """One line of the table: how the samples were made, what they cost, how far they are from the truth."""

    sampler: str
    evaluations: int
    ed_over_floor: float
    sw2_over_floor: float
    c2st: float
    seconds: float  # of one core, to draw all samples

    def __str__(self) -> str:
        return (
            f"{self.sampler:<24}{self.evaluations:>5}{self.ed_over_floor:>12.2f}{self.sw2_over_floor:>12.2f}"
            f"{self.c2st:>8.3f}{self.seconds:>10.2f}"
        )


HEADER = f"{'sampler':<24}{'evals':>5}{'ED/floor':>12}{'SW2/floor':>12}{'C2ST':>8}{'seconds':>10}"


def main(argv: list[str]) -> None:
    """Run the demo with the command line's options: prints the table, writes demo.png and demo.json.

    Raises ValueError for an unknown data set or iterations < 1, and OSError where nothing can be written.
    """
    options = _options(argv)
    sampler = toy(options.data)
    folder = _writable(Path(options.out))
    torch.set_num_threads(1)
    print(f"A diffusion model and a consistency model learn {options.data}: half a minute of one core that is free.")
    print("The bars tell the time by the clock on the wall, which runs on while a busy core does something else.")

    teacher = _train(
        "teacher", lambda n: stable_diffusion_run(sampler, n, options.seed), options.iterations, TEACHER,
        TEACHER_SECONDS,
    )  # fmt: skip
    print(f"following {PAIRS:,} of the teacher's paths", flush=True)
    pairs = coarse_pairs(teacher, sampler, options.seed, count=PAIRS)
    student = _train(
        "consistency", lambda n: direct_run(sampler, teacher, pairs, n, options.seed + 1), options.iterations,
        STUDENT, STUDENT_SECONDS,
    )  # fmt: skip

    print(f"measuring {SAMPLES:,} samples of each kind", flush=True)
    mixture = eight_gaussians_mixture() if options.data == "eight_gaussians" else None
    yardstick = Yardstick(sampler, SAMPLES, mixture=mixture)
    noise = PATH.prior((SAMPLES, 2), torch.Generator().manual_seed(fold(options.seed, 1)))
    rows, samples = [], []
    for name, evaluations, draw in _samplers(teacher, student, options.seed):
        start = time.process_time()
        points = draw(noise)
        seconds = time.process_time() - start
        quality = yardstick.measure(points)
        rows.append(
            Row(name, evaluations, quality.ed_over_floor, quality.sw2_over_floor, quality.c2st, round(seconds, 3))
        )
        samples.append(points)
    print("\n".join(["", HEADER, *map(str, rows), "", f"1 = what fresh true samples measure ({yardstick.floor})"]))
    _write(folder, rows, _figure(yardstick.truth, rows, samples, teacher, student, noise))
    print(f"wrote {folder / 'demo.png'} and {folder / 'demo.json'}")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="minicm demo", description="Train a teacher and a consistency model, compare, draw.")
    parser.add_argument("--data", default="eight_gaussians", metavar="NAME", help=f"one of {', '.join(TOYS)}")
    parser.add_argument("--out", default="out", metavar="FOLDER", help="where demo.png and demo.json go (out)")
    parser.add_argument("--seed", type=int, default=0, help="of data, noise and initial weights (0)")
    parser.add_argument("--iterations", type=int, metavar="N", help="of each run, instead of the default")
    options = parser.parse_args(argv)
    if options.iterations is not None and options.iterations < 1:
        raise ValueError(f"expected --iterations >= 1, got {options.iterations}")
    return options


def _writable(folder: Path) -> Path:
    """The folder, made if need be; an OSError here comes before the work, not after it."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".minicm-{os.getpid()}"
    probe.touch()
    probe.unlink()
    return folder


def _affordable(make: Callable[[int], Run], iterations: int, seconds: float) -> int:
    """The iterations asked for, or as many as this core makes in so many seconds."""
    cost = seconds_per_update(make)
    if iterations * cost > seconds:
        fewer = max(200, int(seconds / cost))
        print(f"this core is slow or busy: {fewer} iterations instead of {iterations}, the result will be worse")
        return min(fewer, iterations)
    return iterations


def _train(name: str, make: Callable[[int], Run], asked: int | None, usual: int, seconds: float) -> nn.Module:
    """The averaged model after the run, with a bar that shows the loss and the time left.

    asked: iterations, or None for the usual number, or for as many as a slow core makes in so many seconds.
    """
    run = make(asked or _affordable(make, usual, seconds))
    for _ in progress(run.records(), run.iterations, name):
        pass
    return run.average.model


def _samplers(teacher: Denoiser, student: Denoiser, seed: int) -> list[tuple[str, int, Callable[[Tensor], Tensor]]]:
    """(name, evaluations, noise -> samples) for each line of the table."""

    def euler(evaluations: int) -> Callable[[Tensor], Tensor]:
        return lambda noise: _euler(teacher, noise, evaluations)

    def jump(times: list[float]) -> Callable[[Tensor], Tensor]:
        return lambda noise: consistency_sample(
            student,
            noise,
            times,
            PATH,
            torch.Generator().manual_seed(fold(seed, 2)),  # not the noise it starts from
        )

    steps = [(f"Euler, {n} step{'s' if n > 1 else ''}", n, euler(n)) for n in (1, 2, 18)]
    return [
        *steps,
        ("consistency, 1 step", 1, jump([PATH.t_max])),
        ("consistency, 2 steps", 2, jump([PATH.t_max, MIDDLE])),
    ]


def _grid(evaluations: int) -> Tensor:
    """The angles of so many evaluations: two use the consistency model's own levels, more the Karras levels."""
    if evaluations <= 2:
        return torch.tensor([PATH.t_max, MIDDLE], dtype=torch.float64)[:evaluations]
    return PATH.time_at(karras_grid(evaluations - 1))


@torch.no_grad()
def _euler(teacher: Denoiser, noise: Tensor, evaluations: int) -> Tensor:
    """Euler in the noise level (DDIM) from t_max to 0, the step to 0 being one call of the denoiser."""
    grid = _grid(evaluations)
    if evaluations > 1:
        noise = integrate(probability_flow(teacher, PATH), noise, grid, ddim_step(PATH))
    return teacher(noise, grid[-1].expand(len(noise)))


def _figure(
    truth: Tensor, rows: list[Row], samples: list[Tensor], teacher: Denoiser, student: Denoiser, noise: Tensor
) -> Figure:
    """Data and consistency samples in the upper row, Euler's below; at the right the student's map."""
    panels = [
        Panel(x[:2000], row.sampler, f"energy distance {_short(row.ed_over_floor)} × floor", colour)
        for row, x, colour in zip(rows, samples, [BLUE] * 3 + [ORANGE] * 2, strict=True)
    ]
    panels = panels[3:] + panels[:3]
    with torch.no_grad():
        starts = noise[(noise.abs() < 1.3).all(1)][:18]
        states = trajectory(probability_flow(teacher, PATH), starts, PATH.time_at(karras_grid(60)))
        ends = on_grid(student, PATH.t_max, limits=1.4)
    return demo_figure(truth[:2000], panels, states, ends)


def _short(x: float) -> str:
    """Three digits, and no powers of ten."""
    return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"


def _write(folder: Path, rows: list[Row], figure: Figure) -> None:
    """Both files, of which no half is ever left under its name."""
    partial = folder / ".demo.png.part"
    save_png(figure, partial)
    partial.replace(folder / "demo.png")
    write_whole(folder / "demo.json", (json.dumps([asdict(row) for row in rows], indent=1) + "\n").encode())
