"""sample, evaluate and edit, on runs of three iterations: what they write, that seeds repeat, and what they refuse."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from matplotlib.image import imread

from minicm.checkpoints import load_weights, save_weights
from minicm.data import cifar10, digit_halves, to_grey
from minicm.evaluation import cifar10 as judge
from minicm.evaluation import evaluate_digits
from minicm.evaluation.cifar10 import Cifar10Classifier, enlarged
from minicm.evaluation.frechet import Moments, features_of
from minicm.lab.__main__ import main
from minicm.lab.commands.drawing import level_times, loaded
from minicm.lab.recipes.pictures import PATH
from minicm.lab.run_folder import load_run
from minicm.seeds import fold

QUICK = ["--iterations", "3", "--batch_size", "4", "--samples_every", "0", "--device", "cpu"]
SMALL = ["--preset", "sixteen", "--width", "8"]


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


def trained(out, name, *options):
    torch.set_default_dtype(torch.float32)
    assert main(["train", f"experiments/{name}.py", "--out", str(out), *QUICK, *options]) == 0
    return str(out)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "ect", "digits_ect")


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "diffusion", "digits_diffusion")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A made-up CIFAR-10 with few records."""
    folder = tmp_path_factory.mktemp("data")
    (folder / cifar10.FOLDER).mkdir()
    generator = torch.Generator().manual_seed(0)
    for name in cifar10.TRAIN + cifar10.TEST:
        records = torch.randint(256, (40, cifar10.RECORD), generator=generator, dtype=torch.uint8)
        records[:, 0] %= 10
        (folder / cifar10.FOLDER / name).write_bytes(records.numpy().tobytes())
    return folder


@pytest.fixture
def small_cifar10(pictures, monkeypatch):
    monkeypatch.setattr(cifar10, "RECORDS", 40)
    monkeypatch.setenv("MINICM_UNVERIFIED", "1")
    monkeypatch.setenv("MINICM_DATA", str(pictures))


@pytest.fixture(scope="module")
def sixteen(pictures, tmp_path_factory):
    """A consistency model of pictures of 16 x 16 with labels."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "RECORDS", 40)
        patch.setenv("MINICM_UNVERIFIED", "1")
        patch.setenv("MINICM_DATA", str(pictures))
        teacher = trained(out / "diffusion", "cifar10_diffusion", *SMALL)
        return trained(out / "sixteen", "cifar10_ect", *SMALL, "--start", teacher)


@pytest.fixture
def colours(small_cifar10, sixteen):
    """The same, and its data at hand."""
    return sixteen


def refused(capsys, *argv):
    """What a command said that it refused, in one line."""
    capsys.readouterr()
    assert main([*map(str, argv)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("minicm: error: ")
    return lines[0]


class Counted(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model, self.calls = model, 0

    def forward(self, x, t):
        self.calls += 1
        return self.model(x, t)


def arrays(file):
    with np.load(file) as found:
        return {name: found[name] for name in found.files}


# sample


def test_a_grid_shows_the_samples(digits, tmp_path):
    out = tmp_path / "new" / "grid.png"
    assert main(["sample", digits, "--number", "6", "--columns", "3", "--out", str(out)]) == 0
    x = loaded(digits, "cpu").draw(6, 1, 0)
    sheet = imread(out)[..., 0]
    zoom = sheet.shape[0] // (2 * 9 + 1)
    sheet = torch.from_numpy(sheet)[::zoom, ::zoom]
    assert sheet.shape == (19, 28)
    assert torch.allclose(sheet[10:18, 19:27], to_grey(x[5, 0]), atol=1 / 255)
    assert [file.name for file in out.parent.iterdir()] == ["grid.png"]  # no temporary file is left


def test_samples_repeat_and_differ_by_seed_and_steps(digits, tmp_path):
    def drawn(*options):
        out = tmp_path / "x.npz"
        assert main(["sample", digits, "--number", "5", "--out", str(out), *options]) == 0
        found = arrays(out)
        assert found.keys() == {"arr_0"} and found["arr_0"].shape == (5, 8, 8, 1)
        assert found["arr_0"].dtype == np.uint8
        return found["arr_0"]

    one = drawn()
    assert (one == drawn()).all() and (one == drawn("--steps", "1")).all()
    assert (one != drawn("--seed", "1")).any() and (one != drawn("--steps", "2")).any()


def test_more_than_a_batch_does_not_repeat_itself(digits):
    x = loaded(digits, "cpu").draw(300, 1, 0)
    assert x.shape == (300, 1, 8, 8) and not torch.equal(x[:44], x[256:])


def test_a_folder_holds_a_file_for_each_picture(digits, tmp_path, capsys):
    out = tmp_path / "folder"
    assert main(["sample", digits, "--number", "3", "--out", str(out)]) == 0
    assert sorted(file.name for file in out.iterdir()) == ["000000.png", "000001.png", "000002.png"]
    x = to_grey(loaded(digits, "cpu").draw(3, 1, 0))
    assert torch.allclose(torch.from_numpy(imread(out / "000002.png")[..., 0]), x[2, 0], atol=1 / 255)
    assert "files in it" in refused(capsys, "sample", digits, "--out", out)
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_one_step_of_a_run_is_its_model_at_t_max(digits):
    _, model = load_run(digits)
    drawing = loaded(digits, "cpu")
    noise = PATH.prior((4, 1, 8, 8), torch.Generator().manual_seed(fold(7, 1, 0)))
    with torch.no_grad():
        expected = model(noise, torch.full((4,), PATH.t_max, dtype=torch.float64))
    assert torch.equal(drawing.draw(4, 1, 7), expected)


def test_other_weights_of_a_run_and_stored_files(digits, tmp_path):
    x = loaded(digits, "cpu").draw(4, 1, 0)
    assert torch.equal(loaded(f"{digits}/ema10.safetensors", "cpu").draw(4, 1, 0), x)
    assert torch.equal(loaded(f"{digits}/checkpoint.pt", "cpu").draw(4, 1, 0), x)
    assert not torch.equal(loaded(f"{digits}/ema05.safetensors", "cpu").draw(4, 1, 0), x)
    config, model = load_run(digits)
    note = {"experiment": "experiments/digits_ect.py", "fields": json.dumps(asdict(config))}
    save_weights(model, tmp_path / "alone.safetensors", note)
    assert torch.equal(loaded(str(tmp_path / "alone.safetensors"), "cpu").draw(4, 1, 0), x)


def test_levels_fall_from_all_noise_through_the_middle_to_a_tenth():
    assert level_times(1, 1.1) == [PATH.t_max] and level_times(2, 1.1) == pytest.approx([PATH.t_max, 1.1])
    ratios = PATH.nsr(torch.tensor(level_times(5, 1.1), dtype=torch.float64))[1:]
    assert ratios[-1].item() == pytest.approx(0.1) and torch.allclose(ratios.log().diff(), ratios.log().diff()[:1])


def test_a_diffusion_model_is_solved_in_as_many_evaluations_as_asked(diffusion):
    drawing = loaded(diffusion, "cpu")
    for steps in (1, 2, 5):
        model = Counted(drawing.model)
        replace(drawing, model=model).draw(2, steps, 0)
        assert model.calls == steps
    assert drawing.usual_steps == 18


def test_labels_are_told_and_stored(colours, tmp_path, capsys):
    def drawn(*options):
        assert main(["sample", colours, "--number", "5", "--out", str(tmp_path / "x.npz"), *options]) == 0
        return arrays(tmp_path / "x.npz")

    asked = drawn("--labels", "3,7")
    assert asked["labels"].tolist() == [3, 7, 3, 7, 3] and asked["arr_0"].shape == (5, 16, 16, 3)
    assert (drawn("--labels", "3")["arr_0"][0] == asked["arr_0"][0]).all()
    assert drawn("--number", "25")["labels"].tolist() == [*range(10), *range(10), *range(5)]
    assert "from 0 to 9, got 10" in refused(capsys, "sample", colours, "--labels", "10")


@pytest.mark.parametrize(("asked", "across"), [([], 10), (["--labels", "3,7"], 2), (["--labels", "3"], 8)])
def test_a_grid_has_eight_rows_and_a_column_for_each_label(colours, tmp_path, asked, across):
    out = tmp_path / "x.png"
    assert main(["sample", colours, "--out", str(out), *asked]) == 0
    height, width, _ = imread(out).shape
    zoom = height // (8 * 17 + 1)
    assert (height, width) == ((8 * 17 + 1) * zoom, (across * 17 + 1) * zoom)


def test_what_sample_refuses(digits, tmp_path, capsys):
    for argv, words in [
        ([digits, "--labels", "1"], "trained without"),
        ([digits, "--labels", "one"], "such as 3 or 0,1,2"),
        ([digits, "--steps", "0"], "whole number >= 1"),
        ([digits, "--number", "-3"], "--number"),
        ([digits, "--device", "abacus"], "--device cpu"),
        ([tmp_path / "none"], "found no"),
        ([tmp_path], "no config.json"),
        ([], "RUN"),
    ]:
        assert words in refused(capsys, "sample", *argv)
    (tmp_path / "file").write_text("")
    assert "cannot write" in refused(capsys, "sample", digits, "--out", tmp_path / "file" / "x.png")
    (tmp_path / "x.safetensors").write_text("no weights")
    assert "safetensors format" in refused(capsys, "sample", tmp_path / "x.safetensors")
    save_weights(torch.nn.Linear(1, 1), tmp_path / "y.safetensors")
    assert "experiment inside" in refused(capsys, "sample", tmp_path / "y.safetensors")


# evaluate


def test_digits_are_judged_beside_the_gaussian_fit(digits, tmp_path, capsys):
    out = tmp_path / "quality.json"
    assert main(["evaluate", digits, "--json", str(out), "--number", "898"]) == 0
    rows = {row["samples"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["Gaussian fit", "1 step", "2 steps"]
    expected = evaluate_digits(loaded(digits, "cpu").draw(898, 2, 0))
    found = rows["2 steps"]
    assert found["to_test"] == pytest.approx(expected.to_test) and found["copies"] == expected.copies
    assert found["over_floor"] == pytest.approx(found["to_test"] / found["floor"])
    assert rows["1 step"]["over_floor"] > rows["Gaussian fit"]["over_floor"] > 5  # three iterations teach little
    text = capsys.readouterr().out
    assert "over_floor" in text and "nearest_of_test" in text and "Gaussian fit" in text


def test_a_diffusion_model_is_judged_with_its_own_evaluations(diffusion, monkeypatch, capsys):
    monkeypatch.setattr("minicm.lab.commands.drawing.Drawing.draw", lambda self, n, *_: digit_halves().test[:n])
    assert main(["evaluate", diffusion, "--number", "898"]) == 0
    assert "18 steps" in capsys.readouterr().out


def test_cifar10_is_judged_by_the_classifier(colours, tmp_path, monkeypatch, capsys):
    train, _ = cifar10.cifar10_train()
    classifier = Cifar10Classifier(4)
    moments = Moments.of(features_of(classifier.features, enlarged(cifar10.pooled(train))))
    classifier.keep(16, moments)
    monkeypatch.setattr("minicm.lab.commands.evaluate.cifar10_classifier", lambda: classifier)
    out = tmp_path / "quality.json"
    argv = ["evaluate", colours, "--number", "20", "--steps", "1,3", "--json", str(out)]
    assert main(argv) == 0
    rows = json.loads(out.read_text())["rows"]
    assert [row["samples"] for row in rows] == ["1 step", "3 steps"]
    assert all(row["fd_clf"] > row["floor"] > 0 and "fid" not in row for row in rows)
    assert "fd_clf" in capsys.readouterr().out


def test_what_evaluate_refuses(digits, colours, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(judge, "CLASSIFIER", tmp_path / "none")
    monkeypatch.setattr(
        "minicm.lab.commands.evaluate.cifar10_classifier", lambda: judge.cifar10_classifier(judge.CLASSIFIER)
    )
    assert "at least 898" in refused(capsys, "evaluate", digits, "--number", "5")
    assert "draws digits" in refused(capsys, "evaluate", digits, "--fid")
    assert "draws 16 x 16" in refused(capsys, "evaluate", colours, "--fid")
    assert "cifar10_classifier.py" in refused(capsys, "evaluate", colours, "--number", "4")
    assert "such as 1,2" in refused(capsys, "evaluate", digits, "--steps", "one")
    tiny = trained(tmp_path / "tiny", "../tests/tiny_experiment")
    assert "`middle`" in refused(capsys, "evaluate", tiny, "--experiment", "tests/tiny_experiment.py")


# edit


@pytest.mark.parametrize("task", ["inpaint", "superres", "denoise", "interpolate"])
def test_tasks_write_their_rows(digits, tmp_path, task, capsys):
    out = tmp_path / "x.png"
    argv = ["edit", digits, "--task", task, "--number", "4", "--steps", "2", "--out", str(out)]
    assert main(argv) == 0
    height, width = imread(out).shape[:2]
    rows = 4 if task == "interpolate" else 3
    assert height / width == (9 * rows + 1) / (9 * 4 + 1)
    assert str(out) in capsys.readouterr().out


def test_what_is_known_stays_and_the_given_pictures_are_of_the_other_half(digits, tmp_path, capsys):
    out = tmp_path / "x.png"
    assert main(["edit", digits, "--task", "inpaint", "--number", "5", "--out", str(out)]) == 0
    sheet = torch.from_numpy(imread(out)[..., 0])
    zoom = sheet.shape[0] // (3 * 9 + 1)
    cells = sheet[::zoom, ::zoom][:27, :45].unflatten(0, (3, 9)).unflatten(2, (5, 9))[:, 1:, :, 1:]
    given, known, made = cells.permute(0, 2, 1, 3)  # (5, 8, 8) each
    assert torch.allclose(given[:, :, :4], made[:, :, :4], atol=0.005) and (known[:, :, 4:] == 0).all()
    assert not torch.allclose(given, made, atol=0.2)
    test = to_grey(digit_halves().test).flatten(1)
    assert torch.cdist(given.flatten(1), test).amin(1).max() < 0.02
    differs = float(capsys.readouterr().out.split("differs by ")[1].split(",")[0])
    assert differs < 1e-5


def test_colours_come_back_where_there_are_some(digits, colours, tmp_path, capsys):
    out = tmp_path / "x.png"
    assert main(["edit", colours, "--task", "colourise", "--number", "3", "--out", str(out)]) == 0
    sheet = torch.from_numpy(imread(out)[..., :3])
    zoom = sheet.shape[0] // (3 * 17 + 1)
    known = sheet[::zoom, ::zoom][18:34, 1:17]
    grey = known @ torch.tensor([0.2989, 0.5870, 0.1140])
    assert known.std(2).max() > 0.1 and grey.std() > 0.05  # along the direction of grey, whose weights differ
    assert "coloured" in refused(capsys, "edit", digits, "--task", "colourise")


def test_what_edit_refuses(digits, diffusion, tmp_path, capsys):
    assert "consistency model" in refused(capsys, "edit", diffusion, "--task", "inpaint")
    assert "--task" in refused(capsys, "edit", digits)
    assert "invalid choice" in refused(capsys, "edit", digits, "--task", "paint")
    assert ".png" in refused(capsys, "edit", digits, "--task", "inpaint", "--out", tmp_path / "x.jpg")
    assert "up to 898" in refused(capsys, "edit", digits, "--task", "inpaint", "--number", "999")
    assert "--noise from 0.002 to 80" in refused(capsys, "edit", digits, "--task", "denoise", "--noise", "1e9")


def test_weights_load_as_they_were_saved(digits):
    _, model = load_run(digits)
    assert load_weights(model, f"{digits}/ema10.safetensors")["iterations"] == "3"
