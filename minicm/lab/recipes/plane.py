"""The settings that work in the plane, one function for each method: model, loss, data, optimiser and average.

Everything is on TrigFlow with one network, so that a teacher's weights can start its students.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from ...averages import Average, PowerEMA
from ...checks import check_count, check_positive
from ...data import batches
from ...losses import SCMLoss, StableLoss, VelocityLoss, cd, ect, ict, normalised, tangent_warmup
from ...nets import MLP
from ...paths import TrigFlow
from ...precond import Preconditioned, TrigFlowScaling
from ...shapes import Loss, Sampler
from ...times import log_normal
from ...training import Record, warmup_linear_decay
from ..experiment import Training

PATH = TrigFlow()
SHORT = 16_000  # updates that a consistency model from scratch makes at its full rate


@dataclass
class Run:
    """A `Training` in the plane, by its numbers.  `average` holds the weights to sample with.

    Raises ValueError unless iterations and batch_size are >= 1 and lr > 0.
    """

    model: nn.Module
    loss: Loss
    sampler: Sampler
    iterations: int
    seed: int = 0
    batch_size: int = 256
    lr: float = 2e-3  # Adam; rises over the first hundredth, falls linearly to 0 over the last three quarters
    sigma_rel: float = 0.05  # of the average: its width as a share of the run
    average: Average = field(init=False)

    def __post_init__(self) -> None:
        check_count("iterations", self.iterations)
        check_count("batch_size", self.batch_size)
        check_positive("lr", self.lr)
        self.average = PowerEMA(self.model, self.sigma_rel)

    def records(self) -> Iterator[Record]:
        """Train, yielding after each update."""
        optimizer = torch.optim.Adam(self.model.parameters(), self.lr, fused=True)
        total = self.iterations
        rate = warmup_linear_decay(self.lr, total=total, warmup=total // 100, decay_from=total // 4)
        training = Training(
            self.model, self.loss, partial(batches, self.sampler), optimizer, total, self.batch_size,
            lr=rate, clip=10.0, seed=self.seed,
        )  # fmt: skip
        return training.records(ema=self.average)

    def train(self) -> nn.Module:
        """The averaged model after the whole run."""
        for _ in self.records():
            pass
        return self.result()

    def result(self) -> nn.Module:
        """The averaged model after the updates so far."""
        return self.average.model


@dataclass
class Chain:
    """Runs one after another, each made from the averaged model of the one before: what `Run` is, of several stages.

    stages: (the model before) -> Run; the first gets `start`.  `models` holds the start and each stage's result.
    """

    start: nn.Module
    stages: Sequence[Callable[[nn.Module], Run]]
    models: list[nn.Module] = field(init=False)

    def records(self) -> Iterator[Record]:
        """Train, yielding after each update of each stage."""
        self.models = [self.start]
        for stage in self.stages:
            run = stage(self.models[-1])
            self.models.append(run.average.model)
            yield from run.records()

    def train(self) -> nn.ModuleList:
        """All models, from the start to the last stage's."""
        for _ in self.records():
            pass
        return self.result()

    def result(self) -> nn.ModuleList:
        """The models of the updates so far, the present stage's at the end."""
        return nn.ModuleList(self.models)


def new_model(seed: int = 0) -> Preconditioned:
    """An untrained network for points in the plane on TrigFlow; the global generator is as it was."""
    return seeded(lambda: MLP(2), seed)


def seeded(network: Callable[[], nn.Module], seed: int) -> Preconditioned:
    """The model around network(), whose weights are drawn from the seed; the global generator is as it was."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed every GPU as well, for good
        return Preconditioned(network(), TrigFlowScaling(PATH.sigma_data))


def seconds_per_update(make: Callable[[int], Run], updates: int = 60) -> float:
    """Process time in seconds that an update of make(n) takes here, from a trial of `updates` that is thrown away."""
    marks = [time.process_time() for _ in make(updates).records()]
    warm = len(marks) // 4  # the first updates pay for start-up
    return (marks[-1] - marks[warm]) / (len(marks) - 1 - warm)


def student(teacher: nn.Module) -> nn.Module:
    """A trainable copy of the teacher: on TrigFlow its weights are already a consistency function's first guess."""
    return deepcopy(teacher).requires_grad_(True)


def diffusion_run(sampler: Sampler, iterations: int, seed: int = 0) -> Run:
    """A diffusion model from scratch, in velocity form."""
    loss = VelocityLoss(PATH, log_normal(-1.2, 1.2))
    return Run(new_model(seed), loss, sampler, iterations, seed, sigma_rel=0.1)


def stable_diffusion_run(sampler: Sampler, iterations: int, seed: int = 0) -> Run:
    """A diffusion model from scratch, whose targets are the posterior means over 512 points, half of them noised.

    Their variance is so small that the rate can be five times the usual one, and a third of the updates is enough.
    """
    loss = StableLoss(VelocityLoss(PATH, log_normal(-1.2, 1.2)), sampler, extra=256)
    return Run(new_model(seed), loss, sampler, iterations, seed, lr=1e-2, sigma_rel=0.1)


def scd_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Continuous-time distillation (sCD) from the teacher's weights, with normalised tangents and weight 1."""
    loss = SCMLoss(
        PATH,
        log_normal(-1.2, 1.6),
        teacher=teacher,
        warmup=tangent_warmup(max(1, iterations // 10)),
        rescale=normalised(0.5),
    )
    return Run(student(teacher), loss, sampler, iterations, seed, lr=3e-3, sigma_rel=0.1)


def cd_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Discrete distillation (CD) from the teacher's weights: 18 levels, one Heun step."""
    return Run(student(teacher), cd(PATH, teacher), sampler, iterations, seed)


def sct_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Continuous-time training (sCT) from a diffusion model's weights: no teacher, raw tangents, which are unbiased."""
    warmup = tangent_warmup(max(1, iterations // 10))
    loss = SCMLoss(PATH, log_normal(-1.0, 1.4), warmup=warmup)
    return Run(student(start), loss, sampler, iterations, seed)


def kept_spread(lr: float, iterations: int) -> float:
    """The rate for a run of so many updates: lr up to SHORT, beyond as 1/√updates.

    Noise makes Adam's steps a random walk, whose square grows by lr² at each update; here lr² × updates stays what it
    was.  After a first stage that is long, at the full rate, the weights are large, and the late stages, whose targets
    are the network's own answers close by, were seen to blow up on eight Gaussians where they do not after a short one.
    """
    return lr * min(1.0, SHORT / iterations) ** 0.5


def ict_run(sampler: Sampler, iterations: int, seed: int = 0) -> Run:
    """Improved consistency training (iCT) from scratch."""
    return Run(new_model(seed), ict(PATH, iterations), sampler, iterations, seed, lr=kept_spread(2e-3, iterations))


def ect_run(sampler: Sampler, iterations: int, seed: int = 0) -> Run:
    """Easy consistency tuning (ECT) from scratch: its first stage is diffusion training."""
    return Run(new_model(seed), ect(PATH, iterations), sampler, iterations, seed, lr=kept_spread(2e-3, iterations))
