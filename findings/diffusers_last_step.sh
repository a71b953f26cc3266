#!/usr/bin/env bash
# Guess: set_timesteps(2) divides the noise levels into two steps of weight, from all noise to clean data.
# Seen:  FlowMatchEuler has the levels 1, .001, 0: its second step does nothing, and two steps give the sample of
#        one. EulerDiscrete, of "linspace" too, does the same with .01. DPMSolver's "linspace" is another grid,
#        with its last step from a large level. DEIS and SA-Solver take that grid and stop at .01, not at 0:
#        even with a perfect network 1 % of noise stays.
# Why it matters: "quality against number of steps" across schedulers compares N steps with N - 1, and finished
#        with unfinished samples. Print scheduler.sigmas before comparing.
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
torch.manual_seed(0)
x_0, x_1 = 1.0, torch.randn(1000, dtype=torch.float64)


def levels(name, steps):
    scheduler = getattr(diffusers, name)()
    scheduler.set_timesteps(steps)
    return [round(s.item(), 3) for s in scheduler.sigmas]


def flow(steps):
    """Sample of a velocity that bends."""
    scheduler, x = diffusers.FlowMatchEulerDiscreteScheduler(), x_1.clone()
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        x = scheduler.step(torch.cos(3 * t / 1000) * x, t, x).prev_sample
    return x


def noise_left(name):
    """Of data that are one point, with the exact noise predicted at every step."""
    scheduler, x = getattr(diffusers, name)(), x_1.clone()
    scheduler.set_timesteps(4)
    for t in scheduler.timesteps:
        a = scheduler.alphas_cumprod[int(t)].double()
        x = scheduler.step((x - a.sqrt() * x_0) / (1 - a).sqrt(), t, x).prev_sample
    return (x - x_0).std().item()


change, further = [((flow(n) - flow(m)).abs().max() / flow(m).abs().max()).item() for n, m in ((2, 1), (3, 2))]
print("guess: levels 1, .5, 0; more steps change the sample; no noise is left")
for name in ("FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler", "DPMSolverMultistepScheduler"):
    print("seen: ", name, levels(name, 2))
print("       FlowMatchEuler, change of the sample from 1 to 2 steps:", change, " from 2 to 3:", further)
left = {name: noise_left(name) for name in ("DPMSolverMultistepScheduler", "DEISMultistepScheduler")}
print("       DEIS ends at level", levels("DEISMultistepScheduler", 4)[-1], " SA-Solver at",
      levels("SASolverScheduler", 4)[-1], " noise left:", left)
assert levels("FlowMatchEulerDiscreteScheduler", 2) == [1, 0.001, 0] and change < 0.003 < 0.1 < further
assert levels("EulerDiscreteScheduler", 2)[1:] == [0.01, 0] and levels("DPMSolverMultistepScheduler", 2)[1] > 1
assert levels("DEISMultistepScheduler", 4)[-1] == levels("SASolverScheduler", 4)[-1] == 0.01
assert left["DPMSolverMultistepScheduler"] < 1e-6 and 0.005 < left["DEISMultistepScheduler"] < 0.02
PYTHON
