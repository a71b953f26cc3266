#!/usr/bin/env bash
# Guess: a dict saved by safetensors comes back in its order, and saving it twice writes the same bytes.
# Seen:  neither. Tensors come back by type and then by name: int64, then float32, then float16. The metadata are
#        written in an order that changes at each call, so that equal files have unequal checksums.
# Why it matters: zip(model.parameters(), load_file(...).values()) mixes up weights of equal shape, and a checksum
#        cannot tell whether a run was repeated. Go by names, and compare tensors, not files.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 safetensors==0.8.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save, save_file

print("safetensors", version("safetensors"), "torch", version("torch"))
state = {
    "z": torch.zeros(2),
    "steps": torch.zeros(1, dtype=torch.int64),
    "half": torch.zeros(2, dtype=torch.float16),
    "a": torch.zeros(2),
}
metadata = {letter: "same" for letter in "abcdefgh"}
save_file(state, "model.safetensors", metadata)
order = list(load_file("model.safetensors"))
versions = len({save(state, metadata) for _ in range(10)})
plain = len({save(state) for _ in range(10)})
with safe_open("model.safetensors", "pt") as file:
    kept = file.metadata() == metadata
print("guess: order", list(state), " 1 file out of 10 equal savings")
print("seen:  order", order, " ", versions, "different files with metadata,", plain, "without; content kept:", kept)
assert order == ["steps", "a", "z", "half"] and versions > 5 and plain == 1 and kept
PYTHON
