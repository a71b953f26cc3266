#!/usr/bin/env bash
# Guess: a JVP of a linear layer along its input costs two matrix products, W x and W dx, so that a JVP
#        of a network costs twice a forward pass.
# Seen:  three. The third multiplies x by a matrix of zeros, the "tangent" of the weights, which has none;
#        frozen weights, torch.no_grad() and convolutions do not change this.
# Why it matters: sCM, MeanFlow and flow maps train with JVPs. Estimate three forward passes, not two; a
#        layer with a derivative of its own (a torch.autograd.Function with `jvp`) needs only two.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
from torch.utils.flop_counter import FlopCounterMode

print("torch", version("torch"))


def flops(call):
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


class Product(torch.autograd.Function):
    @staticmethod
    def forward(x, weight):
        return x @ weight.T

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_forward(inputs[1])

    @staticmethod
    def jvp(ctx, dx, _):
        return dx @ ctx.saved_tensors[0].T


x, image = torch.randn(16, 32), torch.randn(1, 4, 8, 8)
linear = torch.nn.Linear(32, 32).requires_grad_(False)
conv = torch.nn.Conv2d(4, 4, 3).requires_grad_(False)
cases = {
    "Linear": (linear, x),
    "Conv2d": (conv, image),
    "own Function": (lambda x: Product.apply(x, linear.weight), x),
}
ratio = {}
for name, (layer, z) in cases.items():
    with torch.no_grad():
        ratio[name] = flops(lambda: torch.func.jvp(layer, (z,), (z,))) / flops(lambda: layer(z))
print("guess: 2 times the products of a forward pass, for each")
print("seen: ", ratio)
assert ratio == {"Linear": 3, "Conv2d": 3, "own Function": 2}
PYTHON
