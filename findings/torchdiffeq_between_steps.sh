#!/usr/bin/env bash
# Guess: rk4 with a fixed step_size has a fourth-order error at every time that was asked for.
# Seen:  only at its own steps. Between two of them it draws a straight line: an error of second order, here
#        7e-4 instead of 3e-7, without a word. options={"interp": "cubic"} gives 1e-7.
# Why it matters: an experiment that asks a solver for the noise levels of a grid, and for steps of another
#        length, measures the straight line: the order plot of a lesson shows 2 where 4 was taught.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 torchdiffeq==0.2.5 numpy==2.4.6

venv/bin/python - <<'PYTHON'
import math
from importlib.metadata import version

import torch
from torchdiffeq import odeint

print("torch", version("torch"), "torchdiffeq", version("torchdiffeq"))


def errors(step, **options):
    """Of y' = -y, half-way between two steps and at the end."""
    times = torch.tensor([0, 0.5 + step / 2, 1], dtype=torch.float64)
    y = odeint(lambda t, y: -y, torch.ones(1).double(), times, method="rk4", options={"step_size": step, **options})
    return (y[1:, 0] - torch.exp(-times[1:])).abs().tolist()


def order(place, **options):
    return math.log2(errors(0.1, **options)[place] / errors(0.05, **options)[place])


found = {"at a step": order(1), "between steps": order(0), "between steps, cubic": order(0, interp="cubic")}
print("guess: order 4 everywhere")
print("seen:  error between steps and at a step:", errors(0.1), " orders:", found)
assert found["at a step"] > 3.8 and found["between steps"] < 2.2 and found["between steps, cubic"] > 3.8
assert errors(0.1)[0] > 1000 * errors(0.1)[1]
PYTHON
