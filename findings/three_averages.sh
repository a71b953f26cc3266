#!/usr/bin/env bash
# Guess: an average of weights with decay .999 lags 181 updates behind after 200 updates, and 999 in the end,
#        whichever package keeps it (weights that grow by 1 each update show the lag).
# Seen:  that is torch's. ema-pytorch updates every tenth call by default and warms up: 73 after 200, and a lag
#        of ten times the decay's in the end. diffusers' EMAModel with its default use_ema_warmup=False still
#        warms up: its decay is min(.999, (1 + k) / (10 + k)), and it lags 20 updates.
# Why it matters: a decay copied from one code base into another is another average; samples of consistency
#        models depend on it. Compare lags, not decays.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile torch==2.13.0 ema-pytorch==0.8.3 diffusers==0.42.1 numpy==2.4.6

venv/bin/python - <<'PYTHON'
from importlib.metadata import version

import torch
from diffusers.training_utils import EMAModel
from ema_pytorch import EMA
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

print(*(f"{name} {version(name)}" for name in ("torch", "ema-pytorch", "diffusers")))


def lags(decay, updates):
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.zero_()
    ours = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    ours.update_parameters(model)  # the first call copies
    other, third = EMA(model, beta=decay), EMAModel(model.parameters(), decay=decay, use_ema_warmup=False)
    for k in range(1, updates + 1):
        model.weight.data.fill_(k)
        ours.update_parameters(model)
        other.update()
        third.step(model.parameters())
    found = ours.module.weight, other.ema_model.weight, third.shadow_params[0]
    return [round(updates - w.item(), 1) for w in found]


early, late = lags(0.999, 200), lags(0.99, 3000)
print("guess: 181 after 200 updates with .999; 99 after 3000 with .99; three times the same")
print("seen:  lag of torch, ema-pytorch, diffusers after  200 updates with .999:", early)
print("                                             after 3000 updates with .99: ", late)
assert abs(early[0] - 181.2) < 1 and abs(early[1] - 73.5) < 1 and abs(early[2] - 20) < 1
assert abs(late[0] - 99) < 1 and late[1] > 900 and abs(late[2] - 99) < 1
PYTHON
