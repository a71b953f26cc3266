#!/usr/bin/env bash
# Guess: an ODE solver asked for the interval [0, 1] calls the velocity at times in [0, 1] only.
# Seen:  torchdiffeq's adaptive methods step past the end and interpolate back: dopri5 asks for times up to
#        1.26, dopri8 up to 2.84. A velocity that does not exist there, sqrt(1 - t), ends with "underflow in
#        dt", far from the cause. SciPy's RK45 stays inside. The option step_t with the end in it does, too.
# Why it matters: a learnt velocity is called at times it was never trained on, and a path whose sigma ends at
#        0 gives NaN there. Evaluations past the end are also counted and paid for.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 torchdiffeq==0.2.5 scipy==1.17.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import torch
from scipy.integrate import solve_ivp
from torchdiffeq import odeint

print(*(f"{name} {version(name)}" for name in ("torch", "torchdiffeq", "scipy")))
ends = torch.tensor([0.0, 1.0], dtype=torch.float64)


def latest(method, **options):
    times = []

    def velocity(t, y):
        times.append(float(t))
        return -y

    odeint(velocity, torch.ones(1, dtype=ends.dtype), ends, method=method, rtol=1e-3, atol=1e-3, options=options)
    return max(times)


inside = solve_ivp(lambda t, y: numpy.sqrt(1 - t) * numpy.ones_like(y), (0, 1), [0.0]).y[0, -1]
message = ""
try:
    odeint(lambda t, y: torch.sqrt(1 - t) * torch.ones_like(y), torch.zeros(1, dtype=ends.dtype), ends)
except AssertionError as error:
    message = str(error)
dopri5, dopri8, held = latest("dopri5"), latest("dopri8"), latest("dopri5", step_t=ends[1:])
print("guess: latest time 1; the integral of sqrt(1 - t) is about 2/3")
print("seen:  latest time of dopri5", dopri5, " of dopri8", dopri8, " of dopri5 with step_t", held)
print("       sqrt(1 - t): torchdiffeq raises", repr(message), " scipy gives", inside)
assert dopri5 > 1.1 and dopri8 > 2 and held <= 1
assert message.startswith("underflow in dt") and abs(inside - 2 / 3) < 0.01
PYTHON
