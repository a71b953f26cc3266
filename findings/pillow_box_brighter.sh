#!/usr/bin/env bash
# Guess: halving a picture of bytes with Pillow's BOX filter gives the mean of each 2 x 2 block, rounded: errors
#        of at most half a grey level, 0 on average.
# Seen:  rows and columns are rounded one after the other, halves upwards each time. Every picture gets brighter,
#        by half a grey level on average and by a whole one at worst; no pixel gets darker than the true mean.
#        The same filter on mode "F" is exact; three to one has no such bias, LANCZOS neither.
# Why it matters: 16 x 16 pictures made from CIFAR-10 by BOX are all shifted one way, and statistics of real and
#        generated pictures, reduced by different code, differ before any model is at fault.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile pillow==13.0.0 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
from PIL import Image

print("pillow", version("pillow"), "numpy", version("numpy"))
picture = numpy.random.default_rng(0).integers(0, 256, (768, 768), dtype=numpy.uint8)


def reduced(pixels, k, method):
    n = len(pixels) // k
    return numpy.asarray(Image.fromarray(pixels).resize((n, n), method)).astype(float)


def error(k, method):
    return reduced(picture, k, method) - reduced(picture.astype(numpy.float32), k, method)


box = Image.Resampling.BOX
half, third, lanczos = error(2, box), error(3, box), error(2, Image.Resampling.LANCZOS)
truth = picture.reshape(384, 2, 384, 2).mean((1, 3))
exact = numpy.abs(reduced(picture.astype(numpy.float32), 2, box) - truth).max()
print("guess: mean error 0, from -.5 to .5")
print("seen:  BOX, 2 to 1: mean", half.mean(), "from", half.min(), "to", half.max())
print("       BOX, 3 to 1: mean", third.mean(), "  LANCZOS, 2 to 1: mean", lanczos.mean(), "  mode F: error", exact)
assert half.min() == 0 and half.max() == 1 and abs(half.mean() - 0.5) < 0.01
assert abs(third.mean()) < 0.02 and abs(lanczos.mean()) < 0.05 and exact < 1e-4
PYTHON
