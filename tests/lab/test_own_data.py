"""`minicm train --data`: what the data say of the model, in a run from folder to samples."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from minicm.lab.__main__ import main
from minicm.lab.recipes.patches import OnPictures, described, picture_data

SMALL = ["--iterations", "2", "--batch_size", "4", "--width", "8", "--samples_every", "0"]


@pytest.fixture
def folder(tmp_path):
    """Twelve coloured pictures of two kinds, 10 x 14."""
    generator = np.random.default_rng(0)
    for kind in ("dots", "lines"):
        (tmp_path / "own" / kind).mkdir(parents=True)
        for k in range(6):
            Image.fromarray(generator.integers(0, 255, (10, 14, 3), dtype=np.uint8)).save(
                tmp_path / f"own/{kind}/{k}.png"
            )
    return tmp_path / "own"


def fields(run):
    return json.loads((run / "config.json").read_text())["fields"]


def test_from_a_folder_to_samples(folder, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    start = [
        "train",
        "experiments/mnist_diffusion.py",
        "--data",
        str(folder),
        "--size",
        "8",
        "--out",
        str(first),
        *SMALL,
    ]
    assert main(start) == 0
    assert "12 coloured pictures of 8 x 8, 2 classes" in capsys.readouterr().err
    assert {k: fields(first)[k] for k in ("channels", "height", "breadth", "classes")} == {
        "channels": 3, "height": 8, "breadth": 8, "classes": 2,
    }  # fmt: skip
    assert main(start) == 0 and "all 2 iterations are done" in capsys.readouterr().err  # the same run again
    student = ["train", "experiments/mnist_ect.py", "--start", str(first), "--out", str(second)]
    assert main([*student, "--iterations", "2", "--batch_size", "4", "--samples_every", "0"]) == 0
    same = ("data", "size", "patch", "width", "channels", "height", "breadth", "classes", "mean", "std")
    assert [fields(second)[k] for k in same] == [fields(first)[k] for k in same]
    assert main(["sample", str(second), "--number", "4", "--out", str(tmp_path / "x.png")]) == 0
    assert main(["train", "experiments/mnist_ect.py", "--start", str(tmp_path / "none")]) == 2
    assert "expected a run in" in capsys.readouterr().err


def test_pictures_that_the_patches_do_not_divide(folder, tmp_path, capsys):
    assert main(["train", "experiments/mnist_diffusion.py", "--data", str(folder), "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert "multiples of --patch 4, got 10 x 14" in told and "--size N" in told
    assert not (tmp_path / "run").exists()


def test_the_data_must_be_those_of_the_beginning(folder):
    config = described(OnPictures(data=str(folder), size=8))
    x0, label = next(picture_data(config, torch.device("cpu"))(6, seed=0, start=0))
    assert x0.shape == (6, 3, 8, 8) and label.shape == (6,) and described(config) == config
    for path in folder.glob("*/*.png"):
        Image.open(path).convert("L").save(path)
    with pytest.raises(ValueError, match="as when the run began"):
        picture_data(config, torch.device("cpu"))


def test_without_classes_there_are_no_labels(folder):
    config = described(OnPictures(data=str(folder), size=8, classes=0))
    assert isinstance(next(picture_data(config, torch.device("cpu"))(6, seed=0, start=0)), torch.Tensor)
