"""EDM's weights in our network give EDM's function: against that function written a second time, by EDM's names."""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import avg_pool2d, conv2d, group_norm, linear, scaled_dot_product_attention, silu

from minicm.nets import DoubleNorm, TimeFeatures, UNet, edm_unet
from minicm.nets.edm_weights import converted_from_edm, edm_features, edm_names, load_edm_weights

# name, channels in and out, attention: a DDPM++ of width 8, multipliers (2, 2), 1 block, attention at 4, pictures of 8
ENCODER = [("8x8_block0", 8, 16, False), ("4x4_down", 16, 16, False), ("4x4_block0", 16, 16, True)]
MIDDLE = [("4x4_in0", 16, 16, True), ("4x4_in1", 16, 16, False)]
DECODER = [("4x4_block0", 32, 16, False), ("4x4_block1", 32, 16, True), ("8x8_up", 16, 16, False),
           ("8x8_block0", 32, 16, False), ("8x8_block1", 24, 16, False)]  # fmt: skip
LABELS = 3


def layer(name, *shape, bias=True):
    return {f"{name}.weight": 0.3 * torch.randn(shape)} | ({f"{name}.bias": torch.randn(shape[0])} if bias else {})


def block_weights(name, inputs, outputs, attends):
    parts = {"norm0": (inputs,), "conv0": (outputs, inputs, 3, 3), "affine": (outputs, 32), "norm1": (outputs,),
             "conv1": (outputs, outputs, 3, 3)}  # fmt: skip
    if inputs != outputs or name.endswith(("up", "down")):
        parts["skip"] = (outputs, inputs, 1, 1)
    if attends:
        parts |= {"norm2": (outputs,), "qkv": (3 * outputs, outputs, 1, 1), "proj": (outputs, outputs, 1, 1)}
    made = {}
    for part, shape in parts.items():
        made |= layer(f"{name}.{part}", *shape)
    if name.endswith(("up", "down")):
        made |= {f"{name}.{part}.resample_filter": torch.full((1, 1, 2, 2), 0.25) for part in ("conv0", "skip")}
    return made


def edm_weights():
    """Random weights by EDM's names, with what only its training uses."""
    w = layer("map_layer0", 32, 8) | layer("map_layer1", 32, 32) | layer("map_label", 8, LABELS)
    w |= layer("map_augment", 8, 9, bias=False) | layer("enc.8x8_conv", 8, 3, 3, 3)
    for side, blocks in (("enc", ENCODER), ("dec", MIDDLE + DECODER)):
        for name, *shape in blocks:
            w |= block_weights(f"{side}.{name}", *shape)
    return w | layer("dec.8x8_aux_norm", 16) | layer("dec.8x8_aux_conv", 3, 16, 3, 3)


def edm_function(w, u, c, label):
    """The network that has these weights, straight from its description."""
    get = lambda name: (w[f"{name}.weight"], w[f"{name}.bias"])  # noqa: E731
    conv = lambda name, x: conv2d(x, *get(name), padding=w[f"{name}.weight"].shape[-1] // 2)  # noqa: E731
    norm = lambda name, x: group_norm(x, min(32, x.shape[1] // 4), *get(name), eps=1e-6)  # noqa: E731

    def block(name, x):
        size = {"down": lambda y: avg_pool2d(y, 2), "_up": lambda y: y.repeat_interleave(2, 2).repeat_interleave(2, 3)}
        size = next((f for end, f in size.items() if name.endswith(end)), lambda y: y)
        h = conv(f"{name}.conv0", size(silu(norm(f"{name}.norm0", x))))
        h = h + linear(emb, *get(f"{name}.affine"))[:, :, None, None]
        h = conv(f"{name}.conv1", silu(norm(f"{name}.norm1", h)))
        x = (h + (conv(f"{name}.skip", size(x)) if f"{name}.skip.weight" in w else x)) / 2**0.5
        if f"{name}.qkv.weight" in w:
            qkv = conv(f"{name}.qkv", norm(f"{name}.norm2", x)).reshape(len(x), x.shape[1], 3, -1)
            q, k, v = (qkv[:, :, i].transpose(1, 2) for i in range(3))
            a = scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
            x = (x + conv(f"{name}.proj", a)) / 2**0.5
        return x

    angles = c[:, None] * 1e-4 ** (torch.arange(4) / 3)  # frequencies from 1 to 1e-4
    one_hot = torch.nn.functional.one_hot(label, LABELS).to(c.dtype)
    emb = torch.cat([angles.sin(), angles.cos()], 1) + linear(one_hot * LABELS**0.5, *get("map_label"))
    emb = silu(linear(silu(linear(emb, *get("map_layer0"))), *get("map_layer1")))
    x = conv("enc.8x8_conv", u)
    skips = [x]
    for name, *_ in ENCODER:
        x = block(f"enc.{name}", x)
        skips.append(x)
    for name, inputs, *_ in MIDDLE + DECODER:
        x = block(f"dec.{name}", x if x.shape[1] == inputs else torch.cat([x, skips.pop()], 1))
    return conv("dec.8x8_aux_conv", silu(norm("dec.8x8_aux_norm", x)))


def ours(labels=LABELS, features=None, **options):
    features = features if features is not None else edm_features(8)
    return UNet(
        3, width=8, multipliers=(2, 2), blocks=1, attention=(1,), labels=labels, features=features, **options
    ).to(torch.get_default_dtype())  # fmt: skip


def test_the_function_is_the_same():
    w, net = edm_weights(), ours()
    net.load_state_dict(converted_from_edm(net, w, size=8))
    u, c, label = torch.randn(5, 3, 8, 8), 2 * torch.randn(5), torch.tensor([0, 1, 2, 2, 0])
    expected = edm_function(w, u, c, label)
    torch.testing.assert_close(net(u, c, label), expected, rtol=1e-6, atol=1e-6 * expected.abs().max().item())


def test_every_parameter_is_used_once_and_no_weight_of_theirs_is_left():
    names = edm_names(ours(), size=8)
    assert len(set(names.values())) == len(names)
    of_training = {name for name in edm_weights() if "resample_filter" in name} | {"map_augment.weight"}
    assert set(edm_weights()) - set(names.values()) == of_training | {"map_label.bias"}
    assert set(names) == {name for name, _ in ours().named_parameters()}


def test_the_network_of_the_paper_has_these_blocks():
    with torch.device("meta"):
        names = set(edm_names(edm_unet(features=edm_features())).values())
    blocks = {name.rsplit(".", 2)[0] for name in names if ".conv0." in name}
    expected = {f"enc.{n}x{n}_block{k}" for n in (32, 16, 8) for k in range(4)} | {"enc.16x16_down", "enc.8x8_down"}
    expected |= {f"dec.{n}x{n}_block{k}" for n in (32, 16, 8) for k in range(5)} | {"dec.16x16_up", "dec.32x32_up"}
    assert blocks == expected | {"dec.8x8_in0", "dec.8x8_in1"}
    attend = {name.rsplit(".", 2)[0] for name in names if name.endswith("qkv.weight")}
    assert attend == {f"enc.16x16_block{k}" for k in range(4)} | {"dec.16x16_block4", "dec.8x8_in0"}


def test_a_file_is_loaded_whole_or_not_at_all(tmp_path):
    torch.set_default_dtype(torch.float32)
    w, net = edm_weights(), ours()
    save_file({f"model.{name}": t for name, t in w.items()}, tmp_path / "w.safetensors")
    load_edm_weights(net, tmp_path / "w.safetensors", size=8)
    assert torch.equal(net.last.bias, w["dec.8x8_aux_conv.bias"])
    save_file({name: t for name, t in w.items() if "aux_norm" not in name}, tmp_path / "part.safetensors")
    (tmp_path / "foreign").write_text("no weights")
    before = [p.clone() for p in net.parameters()]
    for name in ("part.safetensors", "foreign"):
        with pytest.raises(ValueError, match="^expected [^\n]*$"):
            load_edm_weights(net, tmp_path / name, size=8)
    with pytest.raises(FileNotFoundError, match="^expected a file [^\n]*, found none$"):
        load_edm_weights(net, tmp_path / "absent")
    assert all(map(torch.equal, before, net.parameters()))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda w: w.pop("enc.4x4_down.skip.bias"), r"got missing 1 \['enc.4x4_down.skip.bias'\], unexpected 0"),
        (lambda w: w.update({"enc.8x8_aux_down.weight": torch.ones(1)}), r"unexpected 1 \['enc.8x8_aux_down.weight'\]"),
        (lambda w: w.update({"map_layer1.bias": torch.ones(7)}), r"map_layer1.bias of shape \(32,\).* got \(7,\)"),
    ],
)
def test_weights_of_another_network_are_named(change, what):
    w = edm_weights()
    change(w)
    with pytest.raises(ValueError, match=f"^expected [^\n]*{what}[^\n]*$"):
        converted_from_edm(ours(), w, size=8)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"conditioning": DoubleNorm}, "conditioning=Additive"),
        ({"guidance": TimeFeatures(2)}, "no guidance"),
        ({"features": TimeFeatures(4)}, r"features=edm_features\(\), got frequencies from 0.1 to 3.2"),
        ({"labels": 0}, "unexpected 2 .*map_label"),
    ],
)
def test_a_network_that_cannot_take_them_is_named(options, what):
    with pytest.raises(ValueError, match=f"^expected [^\n]*{what}[^\n]*$"):
        converted_from_edm(ours(**options), edm_weights(), size=8)
