#!/usr/bin/env bash
# Guess: explicit_adams with max_order=4 is the Adams-Bashforth method of fourth order: one evaluation a step,
#        exact where the velocity is a polynomial in t of degree 3.
# Seen:  max_order is the order plus one. max_order=4 is exact up to degree 2 and converges with order 3;
#        max_order=5 is what was meant; 2 and 3 are RK4, with four evaluations a step.
# Why it matters: a comparison of multistep solvers by order, or by evaluations, sets torchdiffeq's beside the
#        wrong one of ours, and makes it look worse than it is.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 torchdiffeq==0.2.5 numpy==2.4.6

venv/bin/python - <<'PYTHON'
import warnings
from importlib.metadata import version

import torch
from torchdiffeq import odeint

print("torch", version("torch"), "torchdiffeq", version("torchdiffeq"))
times = torch.linspace(0, 1, 41, dtype=torch.float64)


def degree(max_order):
    """Highest degree of a polynomial velocity whose last step is exact."""
    best = -1
    for k in range(8):
        y = solve(lambda t, y, k=k: t**k * torch.ones_like(y), max_order)
        truth = (times[-1] ** (k + 1) - times[-2] ** (k + 1)) / (k + 1)
        if abs(y[-1] - y[-2] - truth) > 1e-13:
            break
        best = k
    return best


def evaluations(max_order):
    calls = []
    solve(lambda t, y: calls.append(t) or -y, max_order)
    return len(calls)


def solve(velocity, max_order):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # below 4 it warns that it reduces to rk4
        y0 = torch.ones(1, dtype=times.dtype)
        return odeint(velocity, y0, times, method="explicit_adams", options={"max_order": max_order})


print("guess: max_order 4, 5, 6 are exact up to degree 3, 4, 5")
print("seen:  up to degree", [degree(m) for m in (4, 5, 6)])
print("       evaluations in 40 steps, max_order 3 and 4:", evaluations(3), evaluations(4))
assert [degree(m) for m in (4, 5, 6)] == [2, 3, 4]
assert evaluations(3) == 160 and evaluations(4) == 46
PYTHON
