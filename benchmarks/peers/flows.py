"""Flow matching of two libraries as rows of arena.py: torchcfm's OT-CFM and flow_matching's straight paths.

Their loss, our network, optimiser, average and budget.  Their time runs from 0, noise, to 1, data; samples are drawn
by Euler steps of equal size, since the path is meant to be straight.  torchcfm draws its pairs with replacement: a
batch of OT-CFM holds 63 % (1 − 1/e) of the points that it was given, some several times.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from minicm.lab.recipes.plane import PATH, Run
from minicm.nets import MLP
from minicm.shapes import Loss, Sampler, per_sample

__all__ = ["by_euler", "peers"]

Make = Callable[[Sampler, int, int], Run]  # (sampler, updates, seed) -> a run


def peers() -> dict[str, Make]:
    """name -> run, of the libraries that can be imported here."""
    found: dict[str, Make] = {}
    for name, loss in (("ot_cfm", ot_cfm), ("flow_matching", straight)):
        try:
            found[name] = _made(loss())
        except ImportError:
            continue  # nobody needs them
    return found


@contextmanager
def numpy_seed(seed: int) -> Iterator[None]:
    """NumPy's global generator from this seed; afterwards it is as it was."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(before)


def ot_cfm() -> Loss:
    """torchcfm's loss: noise and data paired by optimal transport within the batch.  Source: Tong et al. 2024."""
    from torchcfm.conditional_flow_matching import ExactOptimalTransportConditionalFlowMatcher

    matcher = ExactOptimalTransportConditionalFlowMatcher(sigma=0.0)

    def loss(model: nn.Module, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        noise = torch.empty_like(x0).normal_(generator=generator)
        with numpy_seed(int(torch.randint(2**31, (), generator=generator))):  # the plan is drawn from NumPy's
            t, x, v = matcher.sample_location_and_conditional_flow(noise, x0, torch.rand(len(x0), generator=generator))
        return per_sample((model(x, t) - v) ** 2) / x0[0].numel()

    return loss


def straight() -> Loss:
    """flow_matching's loss on its straight path, noise and data paired at random.  Source: Lipman et al. 2023."""
    from flow_matching.path import CondOTProbPath

    path = CondOTProbPath()

    def loss(model: nn.Module, x0: Tensor, iteration: int, generator: torch.Generator) -> Tensor:
        noise = torch.empty_like(x0).normal_(generator=generator)
        drawn = path.sample(x_0=noise, x_1=x0, t=torch.rand(len(x0), generator=generator))
        return per_sample((model(drawn.x_t, drawn.t) - drawn.dx_t) ** 2) / x0[0].numel()

    return loss


def _made(loss: Loss) -> Make:
    def make(sampler: Sampler, iterations: int, seed: int) -> Run:
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed)
            return Run(MLP(2), loss, sampler, iterations, seed)

    return make


@torch.no_grad()
def by_euler(model: nn.Module, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """Euler steps from t = 0 to 1; noise as the arena draws it, of std σ(t_max), is brought to their std of 1."""
    x = noise / PATH.sigma(torch.tensor(PATH.t_max, dtype=torch.float64)).item()
    for k in range(evaluations):
        x = x + model(x, torch.full((len(x),), k / evaluations)) / evaluations
    return x
