#!/usr/bin/env bash
# Guess: PyTorchModelHubMixin saves the arguments a model was made with, or complains about one it cannot save.
# Seen:  what JSON cannot hold gives way to the argument's default, without a word: a function, a module, a float32
#        of NumPy. config.json even states that default as the model's value. The weights fit, and another model
#        answers. A tuple comes back as a list.
# Why it matters: a network is often given its activation, its scaling or sigma_data as an object. After sharing, it
#        runs with those of somebody else. Pass names and plain floats, and compare outputs after loading.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 huggingface_hub==2.4.0 safetensors==0.8.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
import json
from importlib.metadata import version

import numpy
import torch
from huggingface_hub import PyTorchModelHubMixin

print(*(f"{name} {version(name)}" for name in ("huggingface_hub", "torch", "safetensors")))


class Net(torch.nn.Module, PyTorchModelHubMixin):
    def __init__(self, widths=(2, 8), activation=torch.sin, sigma_data=1.0):
        super().__init__()
        self.widths, self.activation, self.sigma_data = widths, activation, sigma_data
        self.layer = torch.nn.Linear(*widths)

    def forward(self, x):
        return self.activation(self.layer(x / self.sigma_data))


made = Net((2, 4), torch.cos, numpy.float32(0.5))
made.save_pretrained("shared")
loaded = Net.from_pretrained("shared")
with open("shared/config.json") as file:
    config = json.load(file)
x = torch.ones(1, 2)
weights, same = torch.equal(made.layer.weight, loaded.layer.weight), torch.equal(made(x), loaded(x))
print("guess: cos, sigma_data .5 and (2, 4) come back, or an error")
print("seen: ", loaded.activation.__name__, loaded.sigma_data, loaded.widths, " config.json:", config)
print("       same weights:", weights, " same output:", same)
assert loaded.activation is torch.sin and loaded.sigma_data == 1 and loaded.widths == [2, 4]
assert config == {"widths": [2, 4], "sigma_data": 1.0} and weights and not same
PYTHON
