"""The examples of CONTRIBUTING.md run in order, and each new member passes the tests that its family passes."""

import inspect
import re
from pathlib import Path

import gauntlet
import nbformat
import pytest
import test_arena
import test_assignments
import test_paths
import test_steps
import torch
from notebook_rules import broken_lesson_rules, broken_rules

import minicm as cm
from benchmarks import arena
from minicm.losses import denoising_loss
from minicm.paths import TrigFlow
from tutorials.assignments.course import leaks
from tutorials.assignments.plan import kind, questions, read
from tutorials.assignments.vary import draw, fair
from tutorials.execute import refresh
from tutorials.kernels import copies
from tutorials.new import main, new_assignment, new_lesson

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
MOST_LINES = 15  # of an example


def blocks(section):
    """The Python of one section of the page."""
    (text,) = re.findall(rf"(?ms)^## {section}\n(.*?)(?=^## |\Z)", TEXT)
    return re.findall(r"```python\n(.*?)```", text, re.S)


@pytest.fixture(scope="module")
def names():
    """What the examples of a loss, a solver and a path define, in the order of the page."""
    before, found = torch.get_default_dtype(), {}
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    for section in ("A loss", "A solver", "A path"):
        for block in blocks(section):
            exec(block, found)  # noqa: S102
    torch.set_default_dtype(before)
    return found


def run(section, folder):
    """What the examples of one section define, with its `folder` a new one."""
    found = {"folder": folder}
    for block in blocks(section):
        exec(block, found)  # noqa: S102
    return found


def test_examples_are_short():
    every = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    lengths = [len([line for line in block.splitlines() if line.strip()]) for block in every]
    assert len(lengths) == 7 and max(lengths) <= MOST_LINES


def test_the_new_loss_falls_within_thirty_updates(names):
    assert names["record"].iteration == 29
    assert names["after"] < 0.9 * names["before"]


def test_the_new_method_stands_beside_those_of_the_arena(names, monkeypatch, capsys):
    """As it stands on the page, but for runs of twenty updates and a yardstick that takes no time."""
    torch.set_default_dtype(torch.float32)
    made = []

    def within(make, seconds):
        made.append(make(20))
        return made[-1].train(), 20, 0.001

    monkeypatch.setattr(arena, "within", within)
    monkeypatch.setattr(arena, "Yardstick", test_arena.Ruler)
    arena.common_teacher.cache_clear()
    found = dict(names)
    (block,) = blocks("A comparison")
    exec(block, found)  # noqa: S102
    arena.common_teacher.cache_clear()
    assert [(row["method"], row["evaluations"]) for row in found["rows"][2::3]] == [("mine", 4), ("CD here", 4)]
    said = capsys.readouterr().out
    assert re.search(r"(?m)^mine  ", said) and re.search(r"(?m)^CD, stored  ", said)
    assert [type(run.loss).__name__ for run in made] == ["VelocityLoss", "ConsistencyLoss", "ConsistencyLoss"]
    t, s = found["log_pairs"](1000, 0, torch.Generator().manual_seed(0))
    path, low = found["PATH"], torch.tensor(found["PATH"].t_min)
    assert (s < t).all() and s.min() >= path.t_min and t.max() <= path.t_max
    ratio = (path.nsr(s) / path.nsr(t))[s > 1.01 * low]
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.7))


def test_the_new_loss_is_a_multiple_of_the_denoising_loss(names):
    """cos² t = (σ_d α)²/(σ² + (σ_d α)²) on TrigFlow, for any denoiser."""
    path, (x0, eps) = TrigFlow(), torch.randn(2, 5, 3, 4)
    t = gauntlet.some_t(path, 5)
    loss = names["noise_loss"](lambda x, t: x.sin(), x0, eps, t, path=path)
    torch.testing.assert_close(loss, t.cos() ** 2 * denoising_loss(lambda x, t: x.sin(), x0, eps, t, path=path))


@pytest.mark.parametrize("path", gauntlet.PATHS, ids=gauntlet.name)
def test_the_new_solver_passes_the_tests_of_solvers(names, monkeypatch, path):
    monkeypatch.setitem(test_steps.STEPS, "ralston", (2, 2))
    monkeypatch.setattr(test_steps, "step_named", lambda step, path: names["ralston_step"])
    test_steps.test_order_of_convergence(path, "ralston")
    test_steps.test_forwards_then_backwards_returns(path, "ralston")
    test_steps.test_evaluations_are_counted_and_times_are_float64("ralston")


def test_the_new_path_passes_the_tests_of_paths(names, monkeypatch):
    monkeypatch.setitem(gauntlet.INNER, "Arc", (0.1, 0.9))
    passed = []
    for name, test in vars(test_paths).items():
        arguments = set(inspect.signature(test).parameters) if name.startswith("test_") else set()
        if arguments and arguments <= {"path", "shape"}:
            test(**{"path": names["Arc"](), "shape": (2,)} if "shape" in arguments else {"path": names["Arc"]()})
            passed.append(name)
    assert "test_derivatives_are_those_of_the_coefficients" in passed and len(passed) >= 9


def test_the_new_path_is_trigflow_in_another_time(names):
    (x0, eps), t = torch.randn(2, 5, 2), torch.linspace(0.1, 0.9, 5)
    torch.testing.assert_close(names["Arc"]().mix(x0, eps, t), TrigFlow(sigma_data=1.0).mix(x0, eps, t.asin()))


def test_the_new_path_has_models_grids_and_losses_at_once(names):
    path = names["Arc"]()
    model, x = cm.model_on(path, cm.MLP()), torch.randn(6, 2)
    assert cm.integrate(cm.probability_flow(model, path), path.prior((6, 2)), path.grid(5)).isfinite().all()
    for record in cm.fit(model, cm.ect(path, 9), [x] * 2, torch.optim.Adam(model.parameters(), 1e-3)):
        assert record.loss > 0


@pytest.mark.slow
def test_the_new_lesson_and_its_solution_keep_the_rules(tmp_path):
    made = run("A notebook", tmp_path)
    with copies():
        refresh(made["solution"], timeout=60)
    for path, rules in ((made["lesson"], broken_lesson_rules), (made["solution"], broken_rules)):
        assert rules(nbformat.read(path, as_version=4), path.name, path.stat().st_size) == []


@pytest.mark.slow
def test_the_new_assignment_is_released_without_its_solutions(tmp_path):
    made = run("An assignment", tmp_path / "source")
    assert set(made["right"].values()) == {1.0} and set(made["blank"].values()) == {0.0}
    (student,) = made["students"]
    text = student.read_text("utf-8")
    assert not leaks(text) and "return 2 * x" not in text and "raise NotImplementedError()" in text
    assert (student.parent / "assignments.zip").exists()


def test_the_new_assignment_passes_the_tests_of_sources(tmp_path, monkeypatch):
    new_assignment(tmp_path / "a7" / "a7.ipynb")
    monkeypatch.setattr(test_assignments, "read", lambda name: read(name, tmp_path))
    monkeypatch.setitem(test_assignments.POINTS, "a7", (1, 1, 2))
    for name, test in vars(test_assignments).items():
        if name.startswith("test_") and set(inspect.signature(test).parameters) == {"name"} and "variant" not in name:
            test("a7")
    notebook = read("a7", tmp_path)
    assert [kind(cell) for cell in notebook.cells][3:6] == ["answer", "test", "test"]
    assert len(questions(notebook)) == 3 and draw(notebook, "2030") == 1 and fair(notebook) is None


# ---- tutorials/new.py


def test_a_lesson_is_refused_where_something_is(tmp_path, capsys):
    for path in (tmp_path / "solutions" / "16_a_topic.ipynb", tmp_path / "17_a_topic.ipynb"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
        with pytest.raises(FileExistsError, match="is there already"):
            new_lesson(tmp_path / path.name)
        assert path.read_text() == "mine"
    assert len(list(tmp_path.rglob("*.ipynb"))) == 2  # not half a pair
    assert main([str(tmp_path / "18_b.ipynb")]) == 0 and capsys.readouterr().out.count("written: ") == 2


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["x.ipynb"], ["3_x.ipynb"], ["16_x.py"], ["b7/a7.ipynb"]])
def test_a_name_that_is_none_is_refused_in_one_line(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("minicm: expected") and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# ---- what the page names


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("tests/core/test_steps.py", ["STEPS", "step_named"]),
        ("tests/gauntlet.py", ["PATHS", "INNER"]),
        ("tests/classroom/test_assignments.py", ["POINTS"]),
        ("benchmarks/arena.py", ["OURS"]),
        ("benchmarks/tables.py", ["NAMES"]),
    ],
)
def test_the_lists_that_a_new_member_joins_exist(file, names):
    source = (ROOT / file).read_text("utf-8")
    assert all(re.search(rf"(?m)^(def )?{name}\b", source) and f"`{name}`" in TEXT for name in names)
    assert f"`{file}`" in TEXT


def test_the_budgets_are_those_of_the_rules():
    import notebook_rules

    assert f"at most {notebook_rules.MAX_SECONDS} " in TEXT and f"{notebook_rules.MAX_BYTES:,} bytes" in TEXT
