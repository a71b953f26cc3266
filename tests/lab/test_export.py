"""`minicm export`: the file answers as PyTorch does, for every number of samples, and says nothing of this computer."""

import os

import numpy as np
import pytest
import torch

from minicm.lab.__main__ import main
from minicm.lab.commands import export
from minicm.lab.commands.drawing import loaded
from minicm.nets import MLP, Patched, UNet
from minicm.paths import TrigFlow
from minicm.precond import model_on

WHY = 'the extra "export" is not installed'
PATH = TrigFlow()
LABELS, PICTURES = 3, (1, 4, 4)


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="module")
def runtime():
    pytest.importorskip("onnxscript", reason=WHY)
    return pytest.importorskip("onnxruntime", reason=WHY)


@pytest.fixture(scope="module")
def digits(runtime, tmp_path_factory):
    """What the command writes of the stored MLP with labels."""
    target = tmp_path_factory.mktemp("export") / "new" / "digits.onnx"
    torch.set_default_dtype(torch.float32)
    assert main(["export", "digits_dense_ect", "--to", str(target)]) == 0
    return target


@pytest.fixture(scope="module")
def unet(runtime):
    """A U-Net with labels and attention over patches, and its file."""
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    network = Patched(UNet(4, width=4, multipliers=(1,), blocks=1, labels=LABELS), 2)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.3)  # branches that start closed would hide what they do
    model = model_on(PATH, network).eval()
    return model, export.onnx_file(model, PICTURES, LABELS, {"a": "b"})


def test_the_command_writes_a_checked_file_that_answers_a_batch_of_any_size(digits, runtime):
    session = runtime.InferenceSession(os.fspath(digits))
    assert [put.name for put in session.get_inputs()] == ["x", "t", "label"]
    note = session.get_modelmeta().custom_metadata_map
    assert note == {"experiment": "digits_dense_ect", "path": repr(PATH), "times": f"[{PATH.t_max}, 1.1]"}
    model, generator = loaded("digits_dense_ect", "cpu").model, torch.Generator().manual_seed(0)
    for number in (1, 3, 64):
        x, t = torch.randn(number, 1, 8, 8, generator=generator), torch.rand(number, generator=generator) + 0.1
        label = torch.arange(number) % 11 - 1
        (found,) = session.run(None, {"x": x.numpy(), "t": t.numpy(), "label": label.numpy()})
        assert np.abs(found - model.given(label)(x, t).numpy()).max() < 1e-5
    assert [path.name for path in digits.parent.iterdir()] == ["digits.onnx"]


def test_nothing_of_this_computer_is_in_the_file(digits, unet):
    for content in (digits.read_bytes(), unet[1]):
        for word in (b".py", b"/lib", os.getcwd().encode(), b"torch.fx"):
            assert word not in content


def test_a_unet_over_patches_agrees_in_one_and_two_steps(unet):
    model, content = unet
    assert export.difference(content, model, PICTURES, LABELS, [PATH.t_max, 1.1]) < 1e-5


def test_another_model_is_told_apart(unet, digits, monkeypatch, capsys):
    model, content = unet
    with torch.no_grad():
        model.network.network.last.bias.add_(0.01)
    assert export.difference(content, model, PICTURES, LABELS, [PATH.t_max]) > 1e-3
    with torch.no_grad():
        model.network.network.last.bias.fill_(torch.nan)
    assert export.difference(content, model, PICTURES, LABELS, [PATH.t_max]) != 0.0
    monkeypatch.setattr(export, "onnx_file", lambda *_: digits.read_bytes())
    target = digits.parent / "other.onnx"
    monkeypatch.setattr(export, "difference", lambda *_: 2e-5)
    assert main(["export", "digits_dense_ect", "--to", str(target)]) == 2
    assert "not written" in capsys.readouterr().err and not target.exists()


class Frozen(torch.nn.Module):
    """Its batch size becomes a constant of the graph, as `len` makes it."""

    def forward(self, u, c):
        return u.reshape(len(u), 2) + torch.ones(2, 2)


def test_what_cannot_be_exported_is_one_line(runtime):
    with pytest.raises(ValueError, match="torch.onnx can take|samples at once"):
        export.difference(export.onnx_file(Frozen(), (2,)), MLP(), (2,))


def test_without_the_extra_and_for_wrong_names_there_is_one_line(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("minicm.lab.command.find_spec", lambda name: None)
    argv = ["export", "digits_unet_ect", "--to", str(tmp_path / "x.onnx")]
    assert main(argv) == 2 and 'pip install "minicm[export]"' in capsys.readouterr().err
    for target in ("x.pt", str(tmp_path)):
        assert main([*argv[:3], target]) == 2 and "--to NAME.onnx" in capsys.readouterr().err
    assert main(["export", "moons_ect", *argv[2:]]) == 2 and len(capsys.readouterr().err.splitlines()) == 1
    assert not list(tmp_path.iterdir())
