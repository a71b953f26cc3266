#!/usr/bin/env bash
# Guess: torchsde is a PyTorch package, so torch.manual_seed(0) makes sdeint give the same path again.
# Seen:  the path's seed comes from NumPy's global generator. torch.manual_seed changes nothing,
#        numpy.random.seed repeats the path, and each call moves NumPy's generator on.
# Why it matters: a stochastic baseline next to samplers of ours cannot be repeated with torch's seed alone.
#        Seed NumPy too, or pass bm=BrownianInterval(..., entropy=0).
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 torchsde==0.2.6 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import torch
import torchsde

print(*(f"{name} {version(name)}" for name in ("torch", "torchsde", "numpy")))


class Noise(torch.nn.Module):
    noise_type, sde_type = "diagonal", "ito"

    def f(self, t, y):
        return -y

    def g(self, t, y):
        return torch.ones_like(y)


def end(seed):
    seed(0)
    return torchsde.sdeint(Noise(), torch.zeros(1, 1), torch.tensor([0.0, 1.0]), dt=0.1, method="euler")[-1].item()


by_torch, by_numpy = [end(torch.manual_seed) for _ in range(3)], [end(numpy.random.seed) for _ in range(3)]
print("guess: torch's seed repeats the path")
print("seen:  with torch.manual_seed(0):", by_torch, " with numpy.random.seed(0):", by_numpy)
assert len(set(by_torch)) == 3 and len(set(by_numpy)) == 1
PYTHON
