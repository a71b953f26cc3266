"""An experiment for test_runner.py and test_distributed.py: pictures of 2 x 2, an MLP, a few updates."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from minicm.data import batches
from minicm.lab.experiment import Pictures, Training
from minicm.lab.hardware import Hardware, setting, to_device
from minicm.lab.recipes.pictures import PATH, few_steps, learning_rate
from minicm.losses import AdaptiveWeight, SCMLoss, ect
from minicm.nets import MLP
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.times import log_normal

SHAPE = (1, 2, 2)


@dataclass(frozen=True)
class Config(Hardware):
    iterations: int = setting(20, "updates")
    batch_size: int = setting(4, "pictures an update")
    lr: float = setting(1e-2, "of Adam")
    scm: bool = setting(False, "sCM with its weight in place of ECT")
    broken_at: int = setting(-1, "the iteration whose data are NaN")


SCM = Config(scm=True)


class Net(nn.Sequential):
    """An MLP and dropout."""

    def forward(self, u, c):
        return self[1](self[0](u, c))


def new_model(c):
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        return Preconditioned(Net(MLP(4, 16, 2), nn.Dropout(0.2)), TrigFlowScaling(0.5))


def pictures(c):
    return Pictures(SHAPE, lambda x: (x + 1) / 2)


def build(c):
    model, weight = to_device(new_model(c), c), AdaptiveWeight() if c.scm else None
    loss = SCMLoss(PATH, log_normal(-1.0, 1.4), weight=weight) if c.scm else ect(PATH, c.iterations)
    parameters = [*model.parameters(), *(weight.parameters() if c.scm else ())]
    return Training(
        model,
        loss,
        partial(data, c),
        torch.optim.Adam(parameters, c.lr),
        draw=few_steps(SHAPE),
        iterations=c.iterations,
        batch_size=c.batch_size,
        lr=learning_rate(c.lr, total=c.iterations, flat=0.5),
        head=weight,
    )


def data(c, batch_size, *, seed, start):
    """Half a point at 1 and half at −1, the same value for all pixels, a little blurred."""

    def draw(n, generator):
        sign = torch.randint(2, (n, 1, 1, 1), generator=generator) * 2.0 - 1
        return 0.5 * sign + 0.1 * torch.randn((n, *SHAPE), generator=generator)

    for k, x0 in enumerate(batches(draw, batch_size, seed=seed, start=start), start):
        yield x0 * float("nan") if k == c.broken_at else x0
