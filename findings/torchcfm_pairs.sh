#!/usr/bin/env bash
# Guess: OTPlanSampler("exact") of torchcfm pairs each noise of a batch with one data point: a permutation,
#        which torch.manual_seed repeats.
# Seen:  the plan is a permutation, but the pairs are drawn from it with replacement: about 37 % of a batch are
#        never used and others twice or more. The draw is NumPy's, and torch.manual_seed does not repeat it.
# Why it matters: OT-CFM stands beside our methods in the comparison. A batch of 256 trains it on about 160
#        points, and its runs need NumPy's seed. sample_plan(..., replace=False) uses each point once.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 pot==0.9.7.post1 numpy==2.4.6
venv/bin/pip install --quiet --no-compile --no-deps torchcfm==1.0.7

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import torch
from torchcfm.optimal_transport import OTPlanSampler

print(*(f"{name} {version(name)}" for name in ("torch", "torchcfm", "pot", "numpy")))
torch.manual_seed(0)
noise, data = torch.randn(256, 2), torch.randn(256, 2)
sampler = OTPlanSampler("exact")


def used(seed, **options):
    seed(0)
    return sampler.sample_plan(noise, data, **options)[1]


def distinct(points):
    return len(points.unique(dim=0))


torch_repeats = torch.equal(used(torch.manual_seed), used(torch.manual_seed))
numpy_repeats = torch.equal(used(numpy.random.seed), used(numpy.random.seed))
links, count = int((sampler.get_map(noise, data) > 0).sum()), distinct(used(numpy.random.seed))
once = distinct(used(numpy.random.seed, replace=False))
print("guess: all 256 data points are used, and torch.manual_seed repeats the pairs")
print("seen: ", links, "links in the plan,", count, "data points used,", once, "with replace=False")
print("       repeated by torch.manual_seed:", torch_repeats, " by numpy.random.seed:", numpy_repeats)
assert links == 256 and 130 < count < 190 and once == 256
assert numpy_repeats and not torch_repeats
PYTHON
