"""The benchmark of step costs: its limits are counted operations, and agree with those on paper."""

import json

import pytest
import torch

from benchmarks import arena, steps
from benchmarks.memory import peak_bytes
from minicm.losses.denoising import velocity_loss


@pytest.fixture(autouse=True)
def float32():
    """As in use."""
    torch.set_default_dtype(torch.float32)


def test_operations_of_one_linear_layer_are_those_on_paper():
    layer, x = torch.nn.Linear(5, 7), torch.randn(3, 5)
    assert steps.operations(lambda: layer(x)) == 2 * 3 * 5 * 7
    assert steps.operations(lambda: layer(x).sum().backward()) == 2 * 2 * 3 * 5 * 7  # x needs no gradient
    x.requires_grad_()
    assert steps.operations(lambda: layer(x).sum().backward()) == 3 * 2 * 3 * 5 * 7


def test_memory_is_that_of_the_tensors_that_live_at_one_time():
    x, weight = torch.randn(10, 100), torch.randn(100, 100, requires_grad=True)  # before: they do not count
    number = 4  # bytes

    def chain():
        a = x + 1  # 1000 numbers
        b = a * 2  # 1000 more
        del a
        return b - 1, b.t()  # in the place of a; a view takes nothing

    assert peak_bytes(chain) == 2000 * number
    assert peak_bytes(lambda: [x + k for k in range(5)]) == 5000 * number
    assert peak_bytes(lambda: x.add_(1)) == 0  # in its place

    def saved():  # the weight's gradient of 10,000 numbers, and what it comes from: the gradient of the product, 1000
        (x @ weight).square().sum().backward()

    assert 11_000 * number <= peak_bytes(saved) <= 12_000 * number
    weight.grad = None


def test_every_method_of_the_arena_has_a_row_or_a_reason():
    rows = {name.split(",")[0] for name in steps.methods("mlp")}
    as_direct = {"direct_exact", "stable_direct"}
    for_points = {"drifting", "sinkhorn"}  # their fields, and the model they begin with, are for the plane
    assert set(arena.OURS) - rows == as_direct | for_points
    assert set(steps.methods("unet")) == set(steps.methods("mlp"))


def test_limits_are_those_on_paper_and_rows_are_written(tmp_path, monkeypatch):
    chosen = {"diffusion": 1.0, "ect": 4 / 3, "cd, Euler": 5 / 3, "cd, Heun": 2.0, "sct": 4 / 3, "scd": 5 / 3}
    everything = steps.methods
    monkeypatch.setattr(steps, "methods", lambda net: {name: everything(net)[name] for name in chosen})
    file = tmp_path / "steps.json"
    steps.command(["--batch", "64", "--repeats", "1", "--updates", "1", "--json", str(file)])
    rows = json.loads(file.read_text())["rows"]
    assert {"method", "net", "device", "cost_in_diffusion_steps", "limit", "mb"} <= set(rows[0])
    unit = next(row["mb"] for row in rows if row["method"] == "diffusion")
    assert all(row["memory_in_diffusion_steps"] == pytest.approx(row["mb"] / unit) and row["mb"] > 0 for row in rows)
    for row in rows:  # the first layer passes no gradient on, which paper forgets: its backward pass costs less than 2
        assert row["limit"] == pytest.approx(chosen[row["method"]], rel=0.03), row["method"]


def test_the_bare_loop_writes_out_the_velocity_loss():
    model, path = steps.new_model(0), steps.PATH
    x0, eps, t = torch.randn(9, 2), torch.randn(9, 2), torch.rand(9) + 0.2
    ours = velocity_loss(model, x0, eps, t.double(), path=path).mean()
    torch.testing.assert_close(steps.bare_loss(model.network, x0, eps, t), ours, rtol=1e-5, atol=0)


def test_the_package_and_the_bare_loop_are_measured_side_by_side():
    bare, ours = steps.loops(16, repeats=2, updates=1)
    assert bare["cost_in_bare_updates"] == 1 and ours["ms"] > 0


def test_a_contender_of_several_stages_is_its_last():
    _, loss = steps.contender("progressive", steps.NETS["mlp"].data, steps.NETS["mlp"].make(1))()
    assert len(loss.times) == 3  # one step for two of its teacher
