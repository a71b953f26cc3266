#!/usr/bin/env bash
# Guess: with one seed, torch.randn(17) begins with the numbers of torch.randn(16), as NumPy's generator does.
# Seen:  on a CPU only the first number is the same. Below 16 numbers another formula is used, and from 17 on
#        the last 16 numbers are drawn anew unless the size is a multiple of 16.
# Why it matters: "the same noise and one sample more" is other noise. To compare 10 samples with 100, draw
#        100 and take the first 10, or draw sizes that are multiples of 16.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
import torch

print("torch", version("torch"), "numpy", version("numpy"))


def same(short, long, draw):
    a, b = draw(short), draw(long)
    return int((a == b[:short]).sum())


def by_torch(n):
    return torch.randn(n, generator=torch.Generator().manual_seed(0))


def by_numpy(n):
    return numpy.random.default_rng(0).standard_normal(n)


sizes = [(15, 16), (16, 17), (16, 32), (1000, 1001)]
print("guess:", [short for short, _ in sizes], "numbers of the shorter draw are found again in the longer one")
print("numpy:", [same(a, b, by_numpy) for a, b in sizes])
print("seen: ", [same(a, b, by_torch) for a, b in sizes], "by torch, for sizes", sizes)
assert [same(a, b, by_numpy) for a, b in sizes] == [15, 16, 16, 1000]
assert same(15, 16, by_torch) == 0 and same(16, 17, by_torch) == 1 and same(16, 32, by_torch) == 16
assert 980 < same(1000, 1001, by_torch) < 1000
PYTHON
