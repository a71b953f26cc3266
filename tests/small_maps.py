"""Flow maps that several tests share: small untrained ones, and the exact one of a Gaussian."""

import math

import torch
from gauntlet import some_t

from minicm.oracles import gaussian_flow
from minicm.rivals import FlowMap, KnownMap

MEAN, STD = torch.tensor([1.0, -2.0], dtype=torch.float64), 0.7


class TwoTimes(torch.nn.Module):
    """A small network of two times for any event shape."""

    def __init__(self, elements):
        super().__init__()
        self.first, self.last = torch.nn.Linear(elements + 2, 16), torch.nn.Linear(16, elements)

    def forward(self, u, times):
        return self.last(torch.tanh(self.first(torch.cat([u.flatten(1), times], 1)))).view_as(u)


def small_map(path, shape=(2,)):
    return FlowMap(TwoTimes(math.prod(shape)).double(), path)


def exact_map(path):
    return KnownMap(gaussian_flow(MEAN, STD, path), path)


def inner_pair(path, n=7):
    t = some_t(path, n)
    return t, t * (0.3 + 0.5 * torch.rand(n))


def gradients(value, model):
    return torch.cat([g.flatten() for g in torch.autograd.grad(value, model.parameters())])
