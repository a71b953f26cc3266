#!/usr/bin/env bash
# Guess: SA-Solver without its noise (tau = 0) and UniPC are two methods, and to compare them tells which is better.
# Seen:  SA-Solver with predictor order 3 and corrector order 4 is UniPC of order 3 with "bh1": the same samples to
#        rounding, with the levels in float64 as here; with diffusers' own, in float32, many steps part them.
# Why it matters: a table with both has one row twice; a difference between them in it is rounding, or unlike grids.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 diffusers==0.42.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import diffusers
import torch

print("torch", version("torch"), "diffusers", version("diffusers"))
noise = torch.randn(500, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def sample(name, steps, **options):
    """Of a noise predictor that is nobody's: bent in the sample and in the time."""
    scheduler = getattr(diffusers, name)(**options)
    scheduler.set_timesteps(steps)
    scheduler.sigmas = scheduler.sigmas.double()
    x = noise.clone()
    for t in scheduler.timesteps:
        x = scheduler.step(torch.tanh(x + torch.sin(t / 300)), t, x).prev_sample
    return x.double(), scheduler.sigmas


end = dict(final_sigmas_type="sigma_min")
print("guess: they differ as much as UniPC's bh1 and bh2 do")
for steps in (8, 20, 80):
    sa, levels = sample("SASolverScheduler", steps, predictor_order=3, corrector_order=4, tau_func=lambda t: 0)
    one, same = sample("UniPCMultistepScheduler", steps, solver_order=3, solver_type="bh1", **end)
    two, _ = sample("UniPCMultistepScheduler", steps, solver_order=3, solver_type="bh2", **end)
    apart, usual = (sa - one).abs().max().item(), (two - one).abs().max().item()
    print(f"seen:  {steps} steps: SA-Solver from UniPC bh1 {apart:.1e}, bh2 from bh1 {usual:.1e}")
    assert torch.allclose(levels, same) and apart < 1e-4 and usual > 20 * apart
PYTHON
