"""Weights that EDM's code trained, put into our U-Net: the same function under other names.

Theirs and ours differ in names, in the order of the time features, and in the label's bias, which is added to every
column here, so that a network without a label stays possible.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checks import check_count
from .blocks import Additive
from .layers import halved, upsampled
from .mlp import TimeFeatures
from .unet import UNet

PARTS = {
    "norm0": "norm0",
    "conv0": "conv0",
    "condition.affine": "affine",
    "condition.norm": "norm1",
    "conv1": "conv1",
    "skip": "skip",
    "attention.norm": "norm2",
    "attention.qkv": "qkv",
    "attention.proj": "proj",
}
NOT_WEIGHTS = (".resample_filter", "map_augment.weight")  # what 2 x 2 means need not store; an input of training alone


def edm_features(width: int = 128) -> TimeFeatures:
    """The features of c = ln(σ)/4 with which EDM trained DDPM++: frequencies from 1e-4 to 1, `width` features.

    Raises ValueError unless width >= 2.
    """
    check_count("width", width, 2)
    return TimeFeatures(width // 2, 1e-4, 1.0)


def load_edm_weights(network: UNet, path: str | os.PathLike, *, size: int = 32) -> None:
    """Put the safetensors file of an EDM network, as its state_dict names the tensors, into `network`.

    size: height of the pictures it was trained on.  The network is unchanged if anything does not fit.
    Raises FileNotFoundError, or ValueError, one line, for another file or weights of another network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"expected a file {path}, found {'a folder' if path.is_dir() else 'none'}")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"expected weights in safetensors format in {path}, got {' '.join(str(error).split())}"
        ) from None
    network.load_state_dict(converted_from_edm(network, tensors, size=size))


def converted_from_edm(network: UNet, tensors: Mapping[str, Tensor], *, size: int = 32) -> dict[str, Tensor]:
    """What `network.load_state_dict` takes, from the tensors of an EDM network by its own names.

    The names may start with `model.`, as those of EDM's preconditioned networks do.
    Raises ValueError, one line, for a missing, foreign or misshapen tensor, or a network that cannot be the same.
    """
    _check_network(network)
    theirs = {name.removeprefix("model."): t for name, t in tensors.items() if not name.endswith(NOT_WEIGHTS)}
    names = edm_names(network, size=size)
    optional = {"map_label.bias"} if network.labels else set()
    missing, foreign = set(names.values()) - theirs.keys(), theirs.keys() - set(names.values()) - optional
    if missing or foreign:
        counts = f"missing {len(missing)} {sorted(missing)[:2]}, unexpected {len(foreign)} {sorted(foreign)[:2]}"
        raise ValueError(f"expected tensors, the weights of an EDM network built like this one, got {counts}")
    state = {ours: theirs[name] for ours, name in names.items()}
    for ours, value in network.state_dict().items():
        if state[ours].shape != value.shape:
            got = f"got {tuple(state[ours].shape)}"
            raise ValueError(f"expected {names[ours]} of shape {tuple(value.shape)} as in this network, {got}")
    state["map0.weight"] = _ascending(state["map0.weight"], 1)
    if network.labels:
        bias = theirs.get("map_label.bias", torch.zeros(()))
        share = (bias / math.sqrt(network.labels)).reshape(-1, 1)  # √labels times this column is the bias again
        state["label_map.weight"] = _ascending(state["label_map.weight"] + share, 0)
    return state


def edm_names(network: UNet, *, size: int = 32) -> dict[str, str]:
    """EDM's name, without `model.`, of every parameter of `network`, by our name; size: height of the pictures.

    Raises ValueError unless size >= 1.
    """
    check_count("size", size)
    layers = {"map0": "map_layer0", "map1": "map_layer1", "first": f"enc.{size}x{size}_conv"}
    layers |= {f"encoder.{k}": f"enc.{name}" for k, name in enumerate(_block_names(network.encoder, size))}
    low = size >> (network.levels - 1)
    layers |= {f"middle.{k}": f"dec.{low}x{low}_in{k}" for k in range(2)}
    layers |= {f"decoder.{k}": f"dec.{name}" for k, name in enumerate(_block_names(network.decoder, low))}
    layers |= {"norm": f"dec.{size}x{size}_aux_norm", "last": f"dec.{size}x{size}_aux_conv", "label_map": "map_label"}
    return {name: _edm_name(name, layers) for name, _ in network.named_parameters()}


def _block_names(blocks: Iterable[Any], size: int) -> Iterator[str]:
    """32x32_block0, ..., 16x16_down, 16x16_block0, ...: numbered anew after each change of size."""
    number = 0
    for block in blocks:
        if block.resample in (halved, upsampled):
            size, number = (size // 2, 0) if block.resample is halved else (size * 2, 0)
            yield f"{size}x{size}_{'down' if block.resample is halved else 'up'}"
        else:
            yield f"{size}x{size}_block{number}"
            number += 1


def _edm_name(name: str, layers: Mapping[str, str]) -> str:
    path, leaf = name.rsplit(".", 1)
    if path in layers:
        return f"{layers[path]}.{leaf}"
    group, number, part = path.split(".", 2)
    return f"{layers[f'{group}.{number}']}.{PARTS[part]}.{leaf}"


def _ascending(weight: Tensor, axis: int) -> Tensor:
    """Turn each half of the features, sines and cosines: EDM's frequencies descend, those of TimeFeatures ascend."""
    return torch.cat([half.flip(axis) for half in weight.chunk(2, axis)], axis)


def _check_network(network: UNet) -> None:
    if network.guidance is not None or not all(isinstance(b.condition, Additive) for b in network.encoder):
        raise ValueError("expected a U-Net with conditioning=Additive and no guidance input, got another one")
    found, expected = network.features.frequencies, edm_features(2 * len(network.features.frequencies)).frequencies
    if not torch.allclose(found.double(), expected.double(), rtol=1e-4):
        low, high = found.min().item(), found.max().item()
        raise ValueError(f"expected a U-Net with features=edm_features(), got frequencies from {low:.3g} to {high:.3g}")
