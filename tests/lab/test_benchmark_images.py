"""The benchmark of pictures: FLOPs are counted, forwards are those on paper, and the stored table says where it ran."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks import images

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "images.json"
FORWARDS = {"diffusion": 3, "ect": 4, "scm": 6}


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


def test_the_operations_of_a_convolution_are_those_on_paper():
    net = images.Net(lambda: Told(), (2, 8, 8), (4, 4))
    assert images.forward_flops(net, 4) == 2 * 4 * 8 * 8 * (3 * 3 * 2) * 2  # 2 · batch · pixels · kernel · channels


class Told(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, u, c):
        return self.layer(u)


@pytest.mark.slow
def test_rows_count_forwards_and_are_written(tmp_path, monkeypatch):
    file = tmp_path / "images.json"
    options = ["--nets", "digits", "--eager", "diffusion,ect", "--batch", "2", "--repeats", "1", "--json", str(file)]
    monkeypatch.setattr(images, "limit", lambda device: 1e9)
    images.command([*options, "--device", "cpu"])
    found = json.loads(file.read_text())
    assert {"processor", "load", "threads", "date"} <= found["machine"].keys()
    check(found["rows"])
    assert [row["method"] for row in found["rows"]] == ["diffusion", "ect"]


def check(rows):  # the first layer passes no gradient on, which paper forgets
    for row in rows:
        assert row["forwards"] == pytest.approx(FORWARDS[row["method"]], rel=0.02)
        assert row["images_per_s"] == pytest.approx(row["batch"] / row["ms"] * 1e3)
        share = row["gflop_per_image"] * 1e9 * row["images_per_s"] / row["limit_flops"]
        assert row["share_of_limit"] == pytest.approx(share)


def test_the_stored_table_is_consistent():
    check(json.loads(STORED.read_text())["rows"])


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="expected names among digits, sixteen"):
        images.command(["--nets", "digit"])
