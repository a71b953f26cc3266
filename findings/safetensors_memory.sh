#!/usr/bin/env bash
# Guess: an array that safetensors saves comes back with the same values, or is refused, as the torch side
#        refuses tensors that are not contiguous.
# Seen:  safetensors.numpy writes a transposed array in the order of its memory, under the transposed shape: other
#        numbers come back, without a word. On the torch side a lazily conjugated tensor passes the check and
#        comes back without its conjugation.
# Why it matters: reference data kept by NumPy, such as covariances' factors or pictures turned from HWC to CHW,
#        are scrambled. Save numpy.ascontiguousarray(x), and tensor.resolve_conj().
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 safetensors==0.8.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import safetensors.numpy
import safetensors.torch
import torch

print(*(f"{name} {version(name)}" for name in ("safetensors", "numpy", "torch")))


def numpy_again(array):
    safetensors.numpy.save_file({"x": array}, "numpy.safetensors")
    return safetensors.numpy.load_file("numpy.safetensors")["x"]


def torch_again(tensor):
    safetensors.torch.save_file({"x": tensor}, "torch.safetensors")
    return safetensors.torch.load_file("torch.safetensors")["x"]


turned = numpy.arange(6.0, dtype="float32").reshape(2, 3).T
conjugate = torch.tensor([1 + 2j]).conj()
refused = ""
try:
    torch_again(torch.from_numpy(turned))
except ValueError as error:
    refused = str(error).split(":")[0]
print("guess: saved", turned.tolist(), "and", conjugate.tolist(), "; the same is loaded")
print("seen:  loaded", numpy_again(turned).tolist(), "and", torch_again(conjugate).tolist())
print("       torch, transposed:", refused)
assert not numpy.array_equal(numpy_again(turned), turned) and numpy_again(turned).shape == turned.shape
assert numpy.array_equal(numpy_again(numpy.ascontiguousarray(turned)), turned)
assert torch_again(conjugate).tolist() == [1 + 2j] and torch_again(conjugate.resolve_conj()).tolist() == [1 - 2j]
assert "non contiguous" in refused
PYTHON
