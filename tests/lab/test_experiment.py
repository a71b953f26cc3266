"""Every experiment of experiments/ trains for a few steps at tiny size, and the command line says what it refuses."""

import json
import math
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from minicm.data import cifar10
from minicm.lab.__main__ import main
from minicm.lab.experiment import Experiment, Pictures, Training, load_experiment
from minicm.lab.recipes.continuous import Continuous
from minicm.lab.recipes.direct import learnt_times, solved_times, trajectories, trajectory_loss
from minicm.lab.recipes.plane import PATH
from minicm.lab.run_folder import load_run

ROOT = Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
TINY = ["--batch_size", "2", "--seed", "3", "--log_every", "1"]
SMALL = [*TINY, "--size", "16", "--width", "8", "--blocks", "1"]


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A made-up CIFAR-10 with few records."""
    folder = tmp_path_factory.mktemp("data")
    (folder / cifar10.FOLDER).mkdir()
    generator = torch.Generator().manual_seed(0)
    for name in cifar10.TRAIN + cifar10.TEST:
        records = torch.randint(256, (12, cifar10.RECORD), generator=generator, dtype=torch.uint8)
        records[:, 0] %= 10
        (folder / cifar10.FOLDER / name).write_bytes(records.numpy().tobytes())
    return folder


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def train(runs, name, *options, iterations=2):
    out = runs / name
    argv = ["train", str(EXPERIMENTS / f"{name}.py"), "--out", str(out), "--iterations", str(iterations), *options]
    assert main(argv) == 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == list(range(1, iterations + 1))
    assert all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
    assert (out / f"samples/{iterations:08}.png").is_file()
    return lines


def moved(folder, start=None):
    """Whether the averaged weights are others than those of the start."""
    experiment = load_experiment(EXPERIMENTS / f"{folder.name}.py")
    config, model = load_run(folder)
    first = experiment.new_model(config) if start is None else load_run(start)[1]
    pairs = zip(model.parameters(), first.parameters(), strict=True)
    return any(not torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_digits(runs):
    train(runs, "digits_diffusion", *TINY, "--evaluations", "2")
    train(runs, "digits_ect", *TINY)
    assert moved(runs / "digits_diffusion") and moved(runs / "digits_ect")
    train(runs, "digits_scd", *TINY, "--teacher", str(runs / "digits_diffusion"), iterations=3)
    assert moved(runs / "digits_scd", runs / "digits_diffusion")
    train(runs, "digits_dense_diffusion", *TINY, "--width", "8", "--evaluations", "2")
    train(runs, "digits_dense_ect", *TINY, "--width", "8", "--start", str(runs / "digits_dense_diffusion"))
    assert moved(runs / "digits_dense_diffusion")
    assert moved(runs / "digits_dense_ect", runs / "digits_dense_diffusion")


@pytest.mark.slow
def test_cifar10(runs, pictures, monkeypatch):
    monkeypatch.setenv("MINICM_DATA", str(pictures))
    monkeypatch.setenv("MINICM_UNVERIFIED", "1")
    monkeypatch.setattr(cifar10, "RECORDS", 12)
    train(runs, "cifar10_diffusion", *SMALL, "--evaluations", "2")
    start = str(runs / "cifar10_diffusion")
    train(runs, "cifar10_ect", *SMALL, "--start", start)
    train(runs, "cifar10_scd", *SMALL, "--teacher", start, "--warmup", "1")
    train(runs, "cifar10_sct", *SMALL, "--start", start, "--warmup", "1")
    for name in ("cifar10_ect", "cifar10_scd", "cifar10_sct"):
        assert moved(runs / name, runs / "cifar10_diffusion")


@pytest.mark.slow
def test_mnist(runs, tmp_path):
    """On a file of made-up pictures, so that no data are needed; students take all but their loss from the start."""
    generator = np.random.default_rng(0)
    pixels, labels = generator.integers(0, 255, (12, 8, 8), dtype=np.uint8), np.arange(12) % 3
    np.savez(tmp_path / "own.npz", x=pixels, y=labels)
    train(runs, "mnist_diffusion", *TINY, "--data", str(tmp_path / "own.npz"), "--width", "8", "--evaluations", "2")
    start = str(runs / "mnist_diffusion")
    train(runs, "mnist_ect", *TINY, "--start", start)
    train(runs, "mnist_sct", *TINY, "--start", start, "--warmup", "1")
    train(runs, "mnist_scd", *TINY, "--teacher", start, "--warmup", "1")
    train(runs, "mnist_direct", *TINY, "--teacher", start, "--trajectories", "6", "--each", "5")
    shared = [field.name for field in fields(Continuous)]
    sct, scd = (load_run(runs / name)[0] for name in ("mnist_sct", "mnist_scd"))
    assert [getattr(sct, name) for name in shared] == [getattr(scd, name) for name in shared]
    for name in ("mnist_ect", "mnist_sct", "mnist_scd", "mnist_direct"):
        assert moved(runs / name, runs / "mnist_diffusion")


def _levels(loss, x0, times, generator):
    """Which state of each trajectory the loss showed to the model; it must be the one of the time that came with it."""
    seen = []

    def model(x, t):
        level = (times[None] - t[:, None]).abs().argmin(1)
        assert torch.equal(x, x0[torch.arange(len(x)), level])
        seen.append(level)
        return x

    loss(model, x0, 0, generator)
    return seen[0]


def test_a_trajectory_of_the_direct_student_is_the_teachers_own():
    """One point as data: the flow and its end are known in closed form, so the exact teacher has no loss."""
    point = torch.full((1, 2, 2), 0.3)
    pictures = Pictures((1, 2, 2), lambda x: x.clamp(0, 1))
    times = learnt_times(9)
    assert len(times) == len(solved_times(9)) // 2 and times[0] == solved_times(9)[0] and (times.diff() < 0).all()

    class Exact(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.x0 = torch.nn.Parameter(point)

        def forward(self, x, t):
            return self.x0.expand_as(x)

    x0 = next(trajectories(Exact(), pictures, count=6, evaluations=9, seed=0)(5, seed=0, start=0))
    assert x0.shape == (5, len(times) + 1, 1, 2, 2) and torch.allclose(x0[:, -1], point)
    noise = (x0[:, 0] - PATH.alpha(times[0]) * point) / PATH.sigma(times[0])
    for k, t in enumerate(times):  # Heun's steps stay near the straight line in the noise-to-signal ratio
        assert torch.allclose(x0[:, k], PATH.alpha(t).float() * point + PATH.sigma(t).float() * noise, atol=0.05)
    generator = torch.Generator().manual_seed(0)
    loss = trajectory_loss(times, 0.03)
    assert torch.allclose(loss(Exact(), x0, 0, generator), torch.zeros(5), atol=1e-6)
    levels = torch.cat([_levels(loss, x0, times, generator) for _ in range(200)])
    assert 0.5 < (levels == 0).double().mean() < 0.5 + 2 / len(times) and levels.unique().tolist() == list(
        range(len(times))
    )


def gpu_cell():
    """The code of lesson 15 that needs a GPU."""
    lesson = json.loads((ROOT / "tutorials" / "15_cifar10_on_a_gpu.ipynb").read_text("utf-8"))
    (cell,) = (cell for cell in lesson["cells"] if "nbval-skip" in cell["metadata"].get("tags", []))
    return "".join(cell["source"])


@pytest.mark.slow
def test_the_commands_of_lesson_15_run_from_its_folder(tmp_path, pictures, monkeypatch, capsys):
    """All of them, one after another, at tiny size and on the CPU, as on a machine with a GPU."""
    monkeypatch.setenv("MINICM_DATA", str(pictures))
    monkeypatch.setenv("MINICM_UNVERIFIED", "1")
    monkeypatch.setattr(cifar10, "RECORDS", 12)
    (tmp_path / "tutorials").mkdir()
    (tmp_path / "experiments").symlink_to(EXPERIMENTS)
    monkeypatch.chdir(tmp_path / "tutorials")

    def tiny(argv):
        more = [*SMALL, "--iterations", "2"] if argv[0] == "train" else ["--number", "4"]
        assert main([*argv, *more, "--device", "cpu"]) == 0

    monkeypatch.setattr("minicm.lab.__main__.main", tiny)
    gpu = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))
    exec(gpu_cell(), {"torch": gpu, "Path": Path})
    assert Path.cwd() == tmp_path / "tutorials"
    assert (tmp_path / "out" / "cifar10_ect.png").stat().st_size > 100
    assert {run.name for run in (tmp_path / "runs").iterdir()} == {"cifar10_diffusion", "cifar10_ect", "cifar10_scd"}


def test_without_a_gpu_lesson_15_says_so(capsys):
    exec(gpu_cell(), {"torch": SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: False)), "Path": Path})
    assert capsys.readouterr().out == "needs a GPU: skipped\n"


@pytest.mark.parametrize("name", ["digits_scd", "cifar10_ect", "cifar10_scd", "cifar10_sct"])
def test_presets_fit_each_other(name):
    """The network that a preset starts from is the one that the preset of the same name makes."""
    experiment = load_experiment(EXPERIMENTS / f"{name}.py")
    diffusion = load_experiment(EXPERIMENTS / f"{name.split('_')[0]}_diffusion.py")
    network = ("size", "width", "blocks", "classes")
    for preset, config in experiment.presets().items():
        other = diffusion.preset(preset)
        assert all(getattr(config, k) == getattr(other, k) for k in network if hasattr(config, k))
        folder = getattr(config, "start", getattr(config, "teacher", "runs/"))
        assert folder.startswith("runs/")


def test_an_experiment_without_a_way_to_draw_is_refused_before_it_trains():
    made = Training(None, None, None, None, 1, 1)
    with pytest.raises(ValueError, match="expected build of mine.py to give Training a draw"):
        Experiment(Path("mine.py"), SimpleNamespace(build=lambda config: made)).build(None)
