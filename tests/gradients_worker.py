"""A process of tests/lab/test_distributed.py: the gradients of its rows of a batch, shared with the other processes."""

import torch

from minicm.lab.distributed import init_distributed
from minicm.lab.recipes.pictures import PATH
from minicm.losses import AdaptiveWeight, by_jvp, by_network, consistency_loss, pseudo_huber, scm_loss
from minicm.nets import MLP
from minicm.precond import Preconditioned, TrigFlowScaling

ROWS = 6


def made(seed):
    """A model with a head of the loss, and a batch with its noise and times; the weights differ from seed to seed."""
    torch.manual_seed(seed)
    model, head = Preconditioned(MLP(4, 8, 2), TrigFlowScaling(0.5)), AdaptiveWeight(4)
    torch.nn.init.normal_(head.head.weight, std=0.3)
    g = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, ROWS, 4, generator=g)
    t = 0.2 + torch.rand(ROWS, generator=g)
    return model, head, x0, eps, t


def losses(head, eps, t):
    """name -> a loss that takes the rows of the batch, and with them their noise, in place of a generator."""

    def ect(model, x0, rows):
        distance = pseudo_huber(0.03)
        value = consistency_loss(model, x0, eps[rows], t[rows], t[rows] / 2, path=PATH, distance=distance)
        return value * head(t[rows]).exp()

    def scm(derivative):
        return lambda model, x0, rows: scm_loss(
            model, x0, eps[rows], t[rows], path=PATH, weight=head, derivative=derivative
        )

    return {"ect": ect, "by_jvp": scm(by_jvp), "by_network": scm(by_network)}


def gradients(loss, model, head, x0, rows, shared):
    """Of the mean over these rows, or over the rows of all processes if the loss is shared."""
    model.zero_grad()
    head.zero_grad()
    bound = shared(lambda m, x, iteration, generator: loss(m, x, rows), model, head)
    bound(model, x0[rows], 0, torch.Generator()).mean().backward()
    return [p.grad.clone() for p in [*model.parameters(), *head.parameters()]]


def main(out):
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    with init_distributed() as processes:
        model, head, x0, eps, t = made(processes.rank)  # the wrapper sends process 0's weights to all
        rows = torch.arange(ROWS).chunk(processes.count)[processes.rank]
        found = {
            name: gradients(loss, model, head, x0, rows, processes.shared)
            for name, loss in losses(head, eps, t).items()
        }
        flags = [processes.any(processes.rank == k, torch.device("cpu")) for k in range(processes.count + 1)]
        torch.save((found, flags), f"{out}.{processes.rank}")
