"""Wrong input from outside gives one clear line: what was expected, what came."""

import re

import pytest
import torch

import minicm as cm
from minicm.checkpoints import load_weights
from minicm.data import batches, eight_gaussians, of_points, toy
from minicm.evaluation import energy_distance
from minicm.oracles import GaussianMixture, empirical
from minicm.plotting import scatter
from minicm.solvers import euler_step

X, T = torch.zeros(4, 2), torch.full((4,), 0.5)
LINEAR = torch.nn.Linear(2, 2)


def identity(x, t):
    return x


def foreign(tmp_path):
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"this is no checkpoint")
    return load_weights(LINEAR, file)


CASES = {
    "scalar time": lambda p: cm.VE().mix(X, X, torch.tensor(0.5)),
    "column of times": lambda p: cm.TrigFlow().velocity(X, T[:, None], X),
    "too few times": lambda p: cm.Preconditioned(cm.MLP(), cm.TrigFlowScaling())(X, T[:3]),
    "sigma_data zero": lambda p: cm.TrigFlow(sigma_data=0.0),
    "negative sigma": lambda p: cm.VE(t_min=-1.0),
    "path upside down": lambda p: cm.VE(t_min=2.0, t_max=1.0),
    "time beyond the path": lambda p: cm.consistency_sample(identity, X, [1.6], cm.TrigFlow()),
    "time below the path": lambda p: cm.consistency_sample(identity, X, [80.0, 1e-3], cm.VE()),
    "grid that rises and falls": lambda p: cm.integrate(identity, X, torch.tensor([3.0, 1.0, 2.0]), euler_step),
    "grid of one time": lambda p: cm.trajectory(identity, X, torch.tensor([3.0]), euler_step),
    "grid with NaN": lambda p: cm.trajectory(identity, X, torch.tensor([3.0, float("nan")]), euler_step),
    "no steps": lambda p: cm.karras_grid(0),
    "empty data": lambda p: of_points(torch.empty(0, 2), 8),
    "NaN in the data": lambda p: of_points(torch.tensor([[0.0, float("nan")]]), 8),
    "NaN in a teacher's points": lambda p: empirical(torch.tensor([[0.0, float("nan")]])),
    "batch of nothing": lambda p: batches(eight_gaussians, 0),
    "unknown data": lambda p: toy("spiral"),
    "negative width of a mode": lambda p: GaussianMixture(torch.zeros(1, 2), torch.tensor([-1.0])),
    "samples of another width": lambda p: energy_distance(torch.zeros(5, 2), torch.zeros(5, 3)),
    "NaN in the samples": lambda p: energy_distance(torch.full((5, 2), float("nan")), torch.zeros(5, 2)),
    "picture of NaN": lambda p: scatter(torch.full((5, 2), float("nan"))),
    "points for another network": lambda p: cm.MLP(3)(X, T),
    "loss of the wrong shape": lambda p: list(
        cm.fit(LINEAR, lambda m, x, k, g: m(x).sum(), [X], torch.optim.SGD(LINEAR.parameters(), 0.1))
    ),
    "clip of zero": lambda p: cm.fit(LINEAR, None, [X], torch.optim.SGD(LINEAR.parameters(), 0.1), clip=0.0),
    "average that keeps all": lambda p: cm.EMA(LINEAR, decay=1.0),
    "weights of a stranger": foreign,
    "levels in disorder": lambda p: cm.consistency_sample(identity, X, [1.0, 2.0], cm.VE()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_input_is_told_in_one_line(case, tmp_path):
    torch.set_default_dtype(torch.float32)
    with pytest.raises(ValueError) as caught:
        CASES[case](tmp_path)
    text = str(caught.value)
    assert "\n" not in text and re.search(r"expected|unknown|not a", text), text


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        load_weights(LINEAR, tmp_path / "nowhere.safetensors")


def test_nan_stops_training_with_the_iteration_and_keeps_the_weights():
    layer = torch.nn.Linear(2, 2)
    before = layer.weight.clone()

    def loss(model, x, iteration, generator):
        return model(x).sum(1) * (float("nan") if iteration == 2 else 0.0)

    with pytest.raises(FloatingPointError, match="iteration 2"):
        for _ in cm.fit(layer, loss, [torch.zeros(4, 2)] * 5, torch.optim.SGD(layer.parameters(), 0.1)):
            pass
    assert torch.equal(layer.weight, before)
