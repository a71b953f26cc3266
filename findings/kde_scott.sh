#!/usr/bin/env bash
# Guess: bandwidth="scott" in scikit-learn is Scott's rule, as in SciPy's gaussian_kde.
# Seen:  scikit-learn uses the factor n^(-1/(d+4)) alone, as if the data had a standard deviation of 1. For
#        data of deviation .1 its kernel is ten times as wide as SciPy's, and the density at the centre three
#        times too low.
# Why it matters: a plane of toy data has clusters of deviation .1 or less. Densities drawn with this rule smear
#        them, and samples of a good model look as blurred as those of a bad one.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import numpy
from scipy.stats import gaussian_kde
from sklearn.neighbors import KernelDensity

print(*(f"{name} {version(name)}" for name in ("scikit-learn", "scipy", "numpy")))
x = numpy.random.default_rng(0).normal(0, 0.1, 500)
by_scipy, by_sklearn = gaussian_kde(x, bw_method="scott"), KernelDensity(bandwidth="scott").fit(x[:, None])
widths = by_scipy.factor * x.std(ddof=1), by_sklearn.bandwidth_
centre = by_scipy(0.0)[0], numpy.exp(by_sklearn.score_samples([[0.0]]))[0]
print("guess: one width; density at the centre about", 1 / (0.1 * numpy.sqrt(2 * numpy.pi)))
print("seen:  widths of SciPy and scikit-learn", *map(float, widths), " densities", *map(float, centre))
assert widths[1] > 8 * widths[0] and centre[0] > 3.2 and centre[1] < 1.5
PYTHON
