#!/usr/bin/env bash
# Guess: the distance from a point to an exact copy of it is 0, whoever computes it.
# Seen:  torch.cdist gives 0 for 25 points and 0.03 for 26 (64 coordinates around 5), since it then expands
#        |x|^2 - 2xy + |y|^2. scikit-learn's brute-force neighbours do the same, and find 0 for only a part of
#        the copies even in float64; its k-d tree finds 0 for all.
# Why it matters: "does the model repeat its training pictures?" is asked by distances to them. A copy has to
#        be looked for with a tolerance, or with cdist(..., compute_mode="donot_use_mm_for_euclid_dist").
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import torch
from sklearn.neighbors import NearestNeighbors

print("torch", version("torch"), "scikit-learn", version("scikit-learn"), "numpy", version("numpy"))
points = torch.from_numpy(numpy.random.default_rng(0).normal(5, 1, (100, 64)))
exact = "donot_use_mm_for_euclid_dist"


def to_itself(n, **mode):
    x = points[:n].float()
    return torch.cdist(x, x.clone(), **mode).diagonal().max().item()


def zeros(algorithm):
    x = points.numpy()
    distances, _ = NearestNeighbors(n_neighbors=1, algorithm=algorithm).fit(x).kneighbors(x.copy())
    return float((distances == 0).mean())


print("guess: distances of 0, everywhere")
print("seen:  torch.cdist, 25 points:", to_itself(25), " 26 points:", to_itself(26))
print("       torch.cdist, 26 points, without matrix products:", to_itself(26, compute_mode=exact))
print("       copies at distance 0 in scikit-learn: brute", zeros("brute"), " kd_tree", zeros("kd_tree"))
assert to_itself(25) == 0 and to_itself(26) > 1e-4 and to_itself(26, compute_mode=exact) == 0
assert zeros("kd_tree") == 1 and zeros("brute") < 0.9
PYTHON
