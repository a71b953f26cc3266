"""For test_determinism.py: stable_worker.py THREADS ... prints numbers of short 2D trainings, JSON."""

import json
import sys
from itertools import islice

import torch

import minicm as cm
from minicm.evaluation import energy_distance

UPDATES = 120


def trained(loss, scaling):
    torch.manual_seed(0)
    model = cm.Preconditioned(cm.MLP(width=64, depth=2), scaling)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    moons = cm.data.batches(cm.data.moons, 128)
    losses = [record.loss for record in islice(cm.fit(model, loss, moons, optimizer), UPDATES)]
    return model.eval(), sum(losses[-40:]) / 40


def numbers(model, path, levels):
    noise = path.prior((1000, 2), generator=torch.Generator().manual_seed(1))
    x = cm.consistency_sample(model, noise, levels, path, generator=torch.Generator().manual_seed(2))
    truth = cm.data.moons(1000, torch.Generator().manual_seed(3))
    return {
        "first sample": x[0].tolist(),
        "mean": x.mean(0).tolist(),
        "std": x.std(0).tolist(),
        "energy distance": [energy_distance(x, truth)],
    }


def all_numbers():
    """{loss: {quantity: [numbers]}}."""
    path, found = cm.TrigFlow(), {}
    for name, loss in (
        ("ECT", cm.ect(path, total=UPDATES)),
        ("diffusion", cm.VelocityLoss(path, cm.log_normal(-1.0, 1.4))),
        ("sCM", cm.SCMLoss(path, cm.log_normal(-1.0, 1.4))),
    ):
        model, mean_loss = trained(loss, cm.TrigFlowScaling())
        found[name] = numbers(model, path, [path.t_max, 0.8]) | {"loss": [mean_loss]}
    return found


if __name__ == "__main__":
    threads, runs = [], []
    for asked in sys.argv[1:]:
        torch.set_num_threads(int(asked))
        threads.append(torch.get_num_threads())
        runs.append(all_numbers())
    print(json.dumps({"kernels": torch.backends.cpu.get_cpu_capability(), "threads": threads, "numbers": runs}))
