#!/usr/bin/env bash
# Guess: with little smoothing, POT and geomloss give the same squared 2-Wasserstein distance, and POT's
#        sinkhorn2 gives the value of the problem that it solves.
# Seen:  geomloss' p=2 has the cost |x - y|^2 / 2: half of POT's emd2, and its blur b is POT's reg 2 b^2. Its
#        default scaling=.5 adds an error of 2.5 %, which no smaller blur takes away. POT's sinkhorn2 leaves
#        the entropy out: it is the transport cost of the plan, not the value that geomloss computes.
# Why it matters: distances of samples from two packages differ by 2, by an entropy and by 2.5 % of schedule,
#        which is more than the differences between two good samplers.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 geomloss==0.3.1 pot==0.9.7.post1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import ot
import torch
from geomloss import SamplesLoss

print(*(f"{name} {version(name)}" for name in ("pot", "geomloss", "torch", "numpy")))
rng = numpy.random.default_rng(0)
x, y = rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + [1, 0]
weights, cost, blur = numpy.full(200, 1 / 200), ot.dist(x, y), 0.5


def geomloss(**options):
    return SamplesLoss("sinkhorn", p=2, **options)(torch.from_numpy(x), torch.from_numpy(y)).item()


exact, coarse, fine = ot.emd2(weights, weights, cost), geomloss(blur=0.001), geomloss(blur=0.001, scaling=0.99)
plan = ot.sinkhorn(weights, weights, cost, 2 * blur**2)
moved = (plan * cost).sum()
value = moved + 2 * blur**2 * (plan * numpy.log(plan * 200**2)).sum()
reported = ot.sinkhorn2(weights, weights, cost, 2 * blur**2)
smooth = geomloss(blur=blur, debias=False, scaling=0.99)
print("guess: geomloss with blur .001 is", exact, "; sinkhorn2 is", value)
print("seen:  geomloss", coarse, "or with scaling=.99", fine, "; twice that is", 2 * fine)
print("       sinkhorn2", reported, "= cost of the plan", moved, "; twice geomloss' value", 2 * smooth)
assert abs(2 * fine / exact - 1) < 0.002 and 0.015 < 1 - 2 * coarse / exact < 0.04
assert abs(reported / moved - 1) < 1e-6 and value > 1.2 * moved and abs(2 * smooth / value - 1) < 1e-3
PYTHON
