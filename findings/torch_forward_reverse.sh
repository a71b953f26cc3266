#!/usr/bin/env bash
# Guess: at a point where a function has no derivative, forward and reverse mode choose the same number.
# Seen:  they agree for relu, abs, clamp, max, the norms and many more, but not for these: at a tie
#        torch.fmax(x, 1) has derivative 0 forwards and 1 backwards; at the origin torch.atan2 gives NaN
#        forwards and 0 backwards.
# Why it matters: a loss that is trained in reverse mode without trouble can turn to NaN as soon as it is
#        differentiated in forward mode, as sCM does: angles of TrigFlow come from atan2.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
from torch.func import jacfwd, jacrev

print("torch", version("torch"))
one, origin = torch.ones(1), torch.zeros(2)
cases = {
    "clamp(x, 0, 1) at 1": (lambda x: x.clamp(0, 1), one),
    "maximum(x, 1) at 1": (lambda x: torch.maximum(x, one), one),
    "norm(x) at 0": (lambda x: x.norm(), origin),
    "fmax(x, 1) at 1": (lambda x: torch.fmax(x, one), one),
    "atan2(x[0], x[1]) at 0": (lambda x: torch.atan2(x[0], x[1]), origin),
}
differs = []
print("guess: forward = reverse on every line")
for name, (f, x) in cases.items():
    forward, reverse = jacfwd(f)(x).flatten(), jacrev(f)(x).flatten()
    print(f"seen:  {name:24} forward {forward.tolist()}  reverse {reverse.tolist()}")
    if not torch.equal(forward, reverse):
        differs.append(name.split("(")[0])
assert differs == ["fmax", "atan2"]
assert jacfwd(cases["atan2(x[0], x[1]) at 0"][0])(origin).isnan().all()
PYTHON
