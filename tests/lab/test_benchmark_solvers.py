"""The benchmark of solvers: its rows, its mixtures, what it refuses, and the orders of the samplers written anew."""

import importlib
import json
import math
import sys
import types
from pathlib import Path

import pytest
import torch
from gauntlet import mixture as small_mixture

from benchmarks import peers, solvers, verdicts
from benchmarks.mixtures import MIXTURES, SEEN, mixture, overall_std
from benchmarks.peers import published
from benchmarks.report import counts
from minicm.evaluation import CountCalls
from minicm.paths import VE
from minicm.solvers import adaptive, dpm_solver_2m, heun_step, in_log_nsr, integrate, probability_flow
from minicm.times import log_grid

FIELDS = {"solver", "grid", "data", "evaluations", "rms", "median", "origin"}
TWO = {"weights": [1, 3], "means": [[-1.0, 0.0], [0.5, 0.2]], "stds": [0.1, 0.3]}


def write(folder, content):
    path = folder / "two.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_a_tiny_run_on_a_mixture_of_ones_own(tmp_path, capsys):
    out = tmp_path / "new" / "rows.json"
    arguments = ["--data", write(tmp_path, TWO), "--budgets", "12,6", "--trajectories", "50", "--json", str(out)]
    assert solvers.command(arguments) == 0
    found = json.loads(out.read_text())
    rows, text = found["rows"], capsys.readouterr().out
    assert set(found["machine"]) >= {"processor", "date"}
    assert all(set(row) == FIELDS and row["data"] == "two" for row in rows)
    assert all(0 < row["rms"] < math.inf and row["evaluations"] >= 1 for row in rows)
    own = ("minicm", "published")  # a library's solver may spend a start
    exact = {(row["solver"], row["grid"], row["evaluations"]) for row in rows if row["origin"] in own}
    for solver, grid, evaluations in exact:
        first = 4 if "RK4" in solver else 6
        assert evaluations in (first, 12) and {(solver, grid, first), (solver, grid, 12)} <= exact
    for name in ("Euler (DDIM)", "Heun", "RK4", "LMS", "UniPC-2", "exponential Adams 4", "dopri8"):
        assert name in {row["solver"] for row in rows}
    assert "all: ours at or below the pool in " in text and "exponential Adams" in text


def test_the_rows_errors_are_those_of_the_solver():
    """rms = √ mean |x − x*|², the norm of the whole sample."""
    law = small_mixture()
    course = solvers.Course("small", law, 40)
    heun = solvers.Contender("Heun", "published", solvers.by_steps(heun_step), ("log",), 2)
    course.run(heun, [11, 20, 21])  # 20 and 21 are the same ten steps
    assert [row["evaluations"] for row in course.rows] == [10, 20]
    denoise = law.denoiser(VE())
    by_hand = integrate(probability_flow(denoise, VE()), course.x, log_grid(10), heun_step)
    away = by_hand - course.end
    assert course.rows[1]["rms"] == pytest.approx(math.sqrt((away**2).sum() / 40), rel=1e-5)


def test_the_verdict_takes_the_best_within_each_budget():
    def row(solver, grid, evaluations, rms, origin):
        return {"solver": solver, "grid": grid, "data": "d", "evaluations": evaluations, "rms": rms, "origin": origin}

    rows = [
        row("a", "log", 5, 0.4, "minicm"),
        row("b", "scale", 10, 0.3, "published"),
        row("c", "log", 4, math.nan, "published"),
        row("c", "log", 5, 0.5, "published"),
        row("d", "ln t", 9, 0.2, "torchdiffeq"),
    ]
    five, ten = verdicts.verdicts(rows, [5, 10])
    assert (five["ours"], five["pool"]) == (0.4, 0.5) and five["ours/pool"] == pytest.approx(0.8)
    assert (ten["by"], ten["of"]) == ("b, scale", "d, ln t (torchdiffeq)")


@pytest.mark.parametrize("name", MIXTURES)
def test_our_mixtures_are_standardised_and_the_same_every_time(name):
    law, again = mixture(name)[1], MIXTURES[name]()
    assert overall_std(law) == pytest.approx(0.5) and torch.equal(law.means, again.means)
    assert (law.weights @ law.means).abs().max() < 1e-12 and law.means.dtype == torch.float64
    x = law.sample(20_000, torch.Generator().manual_seed(0))
    assert x.var(0).mean().sqrt().item() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "expected JSON"),
        ([1, 2], "weights, means, stds, got list"),
        ({"means": [[0.0]], "stds": [1]}, "got the fields means, stds"),
        ({**TWO, "colour": 1}, "exactly the fields"),
        ({**TWO, "weights": [1, "a"]}, "two.json: "),
        ({**TWO, "means": [[1.0, 2.0], [1.0]]}, "two.json: "),
        ({**TWO, "means": [1.0, 2.0]}, "means of shape"),
        ({**TWO, "stds": [0.1]}, "stds of shape"),
        ({**TWO, "stds": [0.1, -1]}, "stds >= 0"),
        ({**TWO, "weights": [0, 1]}, "weights > 0"),
        ({**TWO, "means": [[math.nan, 0], [0, 0]]}, "finite means"),
    ],
)
def test_bad_files_are_refused_in_one_line(content, words, tmp_path, capsys):
    assert solvers.report(solvers.command, ["--data", write(tmp_path, content)]) == 2
    printed = capsys.readouterr()
    assert words in printed.err and printed.err.count("\n") == 1 and printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "g9"], "data among g8"),
        (["--data", "missing.json"], "No such file"),
        (["--budgets", "5,x"], "a whole number >= 1"),
        (["--budgets", "0"], "a whole number >= 1"),
        (["--trajectories", "10,20"], "a whole number"),
        (["--sets", "g8"], "unrecognized"),
        (["--solvers", "("], "a regular expression"),
    ],
)
def test_wrong_options_are_refused_in_one_line(arguments, words, capsys):
    assert solvers.report(solvers.command, arguments) == 2
    printed = capsys.readouterr().err
    assert words in printed and printed.count("\n") == 1


@pytest.fixture(scope="module")
def inner():
    """The mixture between the noise levels 5 and .1: denoiser, 16 states, their ends."""
    denoise = small_mixture().denoiser(VE())
    x = 5 * torch.randn(16, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    field = in_log_nsr(probability_flow(denoise, VE()), VE())
    ends = math.log(5), math.log(0.1)
    return denoise, x, adaptive(field, x, *ends, rtol=1e-12, atol=1e-12, method="dopri8")


@pytest.mark.parametrize(
    ("solve", "order"),
    [
        (published.lms, 3.8),
        (published.dpm_solver_pp_3m, 2),  # as published, the last term is half of what order 3 needs
        (published.unipc(1), 1.9),
        (published.unipc(2), 2.8),
        (published.unipc(3), 3.8),
        (published.deis, 3.8),
        (published.dpm_solver_2, 1.9),
        (published.dpm_fast, 2),  # one step of order 1 at the end
    ],
)
def test_the_published_samplers_have_their_orders(solve, order, inner):
    denoise, x, exact = inner
    tiny = torch.linspace(-9, -0.05, 40)  # so that the lower orders of the first steps act on tiny ones
    errors = []
    for n in (60, 240):
        times = log_grid(n, 0.1, 5.0)
        if solve is not published.dpm_fast:  # it makes its own
            times = torch.cat([times[:1], times[0] + (times[1] - times[0]) * tiny.exp(), times[1:]])
        errors.append((solve(denoise, x, times) - exact).norm().item())
    assert order - 0.2 < math.log(errors[0] / errors[1], 4) < order + 1


FIXED = [who for who in [*solvers.contenders(1.0), *peers.libraries()[1]] if isinstance(who, peers.Contender)]


@pytest.mark.parametrize("who", FIXED, ids=[f"{who.origin}-{who.solver}-{who.grids[0]}" for who in FIXED])
def test_every_contender_has_its_order_and_keeps_its_budget(who, inner):
    """By the errors of two step counts and the calls of the denoiser; of the libraries that are installed here."""
    denoise, x, exact = inner
    errors = []
    for budget in (61, 241):
        counted, n = CountCalls(denoise), who.steps(budget)
        found = who.solve(counted, x, log_grid(n, 0.1, 5.0))
        assert counted.calls == who.cost * n + who.start and budget - who.cost < counted.calls <= budget
        errors.append((n, (found - exact).norm().item()))
    (n, before), (m, after) = errors
    assert math.log(before / after, m / n) > who.order - 0.45


def test_torchdiffeqs_adams_has_an_order_less_than_max_order_says(inner):
    """max_order = 4 is Adams-Bashforth 3: not that of order 4, which has a hundredth of the error."""
    denoise, x, exact = inner
    module = importlib.import_module("benchmarks.peers.torchdiffeq_solvers")
    errors = [(module.explicit(4).solve(denoise, x, log_grid(n, 0.1, 5.0)) - exact).norm().item() for n in (60, 240)]
    assert 2.8 < math.log(errors[0] / errors[1], 4) < 3.2


def test_a_budget_below_the_start_is_a_dash_and_a_word(capsys, tmp_path):
    module = importlib.import_module("benchmarks.peers.torchdiffeq_solvers")
    adams = module.explicit(5)
    assert [adams.steps(budget) for budget in (5, 6, 7, 10)] == [0, 0, 1, 4]
    assert solvers.too_short([adams], [5, 6, 7]) == [(adams, "5, 6: its first step takes 7")]
    arguments = [
        "--data",
        write(tmp_path, TWO),
        "--budgets",
        "5",
        "--trajectories",
        "5",
        "--solvers",
        "Heun|Euler|Adams 2",
    ]
    assert solvers.command(arguments) == 0
    assert "explicit_adams 5 (torchdiffeq): – at 5: its first step takes 7" in capsys.readouterr().out


def test_a_table_is_made_in_parts(capsys, tmp_path):
    """Rows of a file that are not made anew stay; those that are, are replaced; another count is refused."""
    out, start = tmp_path / "rows.json", ["--data", write(tmp_path, TWO), "--budgets", "6", "--trajectories"]
    for names in ("Heun|Adams 2", "Euler|Heun"):
        assert solvers.command([*start, "5", "--solvers", names, "--json", str(out)]) == 0
    rows = json.loads(out.read_text())["rows"]
    heun = [
        (row["grid"], row["evaluations"]) for row in rows if (row["solver"], row["origin"]) == ("Heun", "published")
    ]
    assert len(heun) == len(set(heun)) > 0 and {"exponential Adams 2", "Euler (DDIM)"} < {row["solver"] for row in rows}
    assert solvers.report(solvers.command, [*start, "6", "--json", str(out)]) == 2
    assert "expected 6 trajectories" in capsys.readouterr().err
    out.write_text("[]")
    assert solvers.report(solvers.command, [*start, "5", "--json", str(out)]) == 2


@pytest.mark.parametrize("n", [3, 4, 5, 9])
def test_dpm_fast_makes_as_many_evaluations_as_it_is_given_steps(n, inner):
    counted = CountCalls(inner[0])
    published.dpm_fast(counted, inner[1], log_grid(n))
    assert counted.calls == n


def test_a_library_that_is_missing_is_named_in_one_line_and_one_that_is_there_joins(monkeypatch, inner):
    denoise, x, _ = inner

    def sample_euler(model, x, sigmas, disable=None):
        for a, b in zip(sigmas[:-1], sigmas[1:], strict=True):
            x = x + (b - a) * (x - model(x, a * x.new_ones([len(x)]))) / a
        return x

    names = ["euler", "heun", "dpm_2", "lms", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_3m_sde", "dpmpp_2s_ancestral"]
    sampling = types.SimpleNamespace(**{f"sample_{name}": sample_euler for name in names})
    monkeypatch.setitem(sys.modules, "k_diffusion", types.SimpleNamespace(sampling=sampling))
    monkeypatch.setitem(sys.modules, "diffusers", None)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.diffusers_solvers", raising=False)
    monkeypatch.delitem(sys.modules, "benchmarks.peers.k_diffusion_solvers", raising=False)
    left_out, found = peers.libraries()
    lines = {line.split(": ")[0]: line for line in left_out}
    assert "k_diffusion" not in lines and lines["diffusers"].startswith("diffusers: – (") and "\n" not in "".join(lines)
    euler = next(one for one in found if one.origin == "k-diffusion" and one.solver == "Euler")
    ours = solvers.by_steps(solvers.euler_step)(denoise, x, log_grid(7))
    assert torch.allclose(euler.solve(denoise, x, log_grid(7)), ours, rtol=0, atol=1e-12)
    sys.modules.pop("benchmarks.peers.k_diffusion_solvers")
    delattr(peers, "k_diffusion_solvers")


def test_torchdiffeqs_fixed_steps_are_equal_steps_of_the_logarithm(inner):
    denoise, x, exact = inner
    module = importlib.import_module("benchmarks.peers.torchdiffeq_solvers")
    counted = CountCalls(denoise)
    found = module.fixed("rk4")(counted, x, log_grid(40, 0.1, 5.0))
    assert counted.calls == 160 and (found - exact).norm() < 1e-4 * exact.norm()


STORED = json.loads((Path(solvers.__file__).parent / "results" / "solvers.json").read_text("utf-8"))


def test_what_the_stored_file_claims_follows_from_its_rows():
    """The cells won, anew from the rows, in all and for mixtures that were not seen while tuning."""
    budgets = counts(solvers.BUDGETS)
    assert STORED["claims"] == verdicts.claimed(STORED["rows"], budgets)
    assert {row["data"] for row in STORED["rows"]} == set(STORED["seen"])
    assert STORED["claims"]["all"]["cells"] == len(STORED["seen"]) * len(budgets)
    for line in verdicts.verdicts(STORED["rows"], [5, 160]):  # by hand, once more
        here = [r for r in STORED["rows"] if r["data"] == line["data"] and r["evaluations"] <= line["budget"]]
        ours = [r["rms"] for r in here if r["origin"] == "minicm" or r["grid"] == "scale"]
        pool = [r["rms"] for r in here if not (r["origin"] == "minicm" or r["grid"] == "scale")]
        assert (line["ours"], line["pool"]) == (min(ours), min(r for r in pool if r == r))
    for data, how in STORED["seen"].items():
        assert how == ("while tuning" if data in SEEN else "fresh")
    assert sum(how == "fresh" for how in STORED["seen"].values()) >= 3
    assert 64 in {len(MIXTURES[data]().means[0]) for data in STORED["seen"]}


def test_the_stored_rows_come_from_all_libraries_and_hold_honest_counts():
    origins = {row["origin"] for row in STORED["rows"]}
    assert origins == {"minicm", "published", "torchdiffeq", "torchode", "diffusers", "k-diffusion"}
    assert all(version != "missing" for version in STORED["libraries"].values())
    for row in STORED["rows"]:
        assert set(row) == FIELDS and row["evaluations"] >= 1 and (row["rms"] >= 0 or row["rms"] != row["rms"])


def test_a_row_of_the_stored_file_is_measured_again():
    """One of ours and one of the pool at 10 evaluations on g8, from the same noises."""
    course = solvers.Course("g8", mixture("g8")[1], STORED["trajectories"])
    for who in solvers.contenders(1.0):
        if who.solver in ("exponential Adams 4", "DEIS-3"):
            course.run(who, [10])
    stored = {
        (r["solver"], r["grid"]): r["rms"] for r in STORED["rows"] if r["data"] == "g8" and r["evaluations"] == 10
    }
    assert len(course.rows) == 5
    for row in course.rows:
        assert row["rms"] == pytest.approx(stored[row["solver"], row["grid"]], rel=1e-4)


TWINS = [
    ("diffusers", "DPM-Solver++(2M)", lambda d, x, t: dpm_solver_2m(d, x, t, VE())),
    ("diffusers", "DPM-Solver++(3M)", published.dpm_solver_pp_3m),
    ("diffusers", "UniPC-2", published.unipc(2)),
    ("diffusers", "UniPC-3", published.unipc(3)),
    ("k_diffusion", "Euler", solvers.by_steps(solvers.euler_step)),
    ("k_diffusion", "Heun", solvers.by_steps(heun_step)),
    ("k_diffusion", "LMS", published.lms),
    ("k_diffusion", "DPM-Solver++(2M)", lambda d, x, t: dpm_solver_2m(d, x, t, VE())),
    ("k_diffusion", "DPM-fast", published.dpm_fast),
]


@pytest.mark.parametrize(("library", "name", "ours"), TWINS, ids=[f"{a}-{b}" for a, b, _ in TWINS])
def test_a_librarys_own_sampler_and_the_one_written_anew_are_one(library, name, ours, inner):
    """Where the library is installed: the same end from the same noise, to its arithmetic; as many evaluations."""
    pytest.importorskip(library)
    module = importlib.import_module(f"benchmarks.peers.{library}_solvers")
    theirs = next(one for one in module.contenders() if one.solver == name)
    denoise, x, _ = inner
    times, counted = log_grid(12, 0.1, 5.0), CountCalls(denoise)
    if library == "diffusers":
        torch.set_default_dtype(torch.float32)  # UniPC mixes it with a float32 of its own
    try:
        found = theirs.solve(counted, x, times)
    finally:
        torch.set_default_dtype(torch.float64)
    assert counted.calls == 12 * theirs.cost
    assert torch.allclose(found, ours(denoise, x, times), rtol=0, atol=1e-5 if library == "diffusers" else 1e-9)
