#!/usr/bin/env bash
# Guess: "the energy distance" of two samples is one number: 2 E|x - y| - E|x - x'| - E|y - y'|.
# Seen:  scipy.stats.energy_distance gives its square root, and geomloss' SamplesLoss("energy") its half.
# Why it matters: our tables give the number of the definition. A value of SciPy's beside it is larger when
#        both are small (.01 becomes .1), so that a good model looks bad, and geomloss' is half of it.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 geomloss==0.3.1 scipy==1.17.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import torch
from geomloss import SamplesLoss
from scipy.stats import energy_distance

print(*(f"{name} {version(name)}" for name in ("scipy", "geomloss", "torch", "numpy")))
rng = numpy.random.default_rng(0)
x, y = rng.normal(size=300), rng.normal(0.5, 1, size=400)


def apart(a, b):
    return numpy.abs(a[:, None] - b).mean()


definition = 2 * apart(x, y) - apart(x, x) - apart(y, y)
scipy, points = energy_distance(x, y), [torch.from_numpy(a)[:, None] for a in (x, y)]
geomloss = SamplesLoss("energy")(*points).item()
print("guess:", definition, "three times")
print("seen:  definition", definition, " scipy", scipy, " geomloss", geomloss)
assert abs(scipy - definition**0.5) < 1e-9 and abs(geomloss - definition / 2) < 1e-6
PYTHON
