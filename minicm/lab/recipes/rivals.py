"""The arena's methods: for each the settings that work in the plane, and how samples are drawn with 1, 2, 4 calls.

Everything is on TrigFlow with the optimiser and average of `plane`, and starts from a diffusion model, whose
network may be an MLP, for points, or a U-Net, for pictures; what differs is the loss.  A method of several stages is a
`Chain`, which has what the benchmarks use of a `Run`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ...losses import ect
from ...losses.distances import pseudo_huber
from ...losses.time_pairs import closing, two_times
from ...nets.discriminator import Discriminator
from ...nets.two_times import two_time_mlp, two_time_unet
from ...nets.unet import UNet
from ...precond import Preconditioned
from ...rivals.adversarial import gan
from ...rivals.alternating import Alternating, summed
from ...rivals.distillation import DirectLoss, Pairs, ProgressiveLoss, drawn_pairs, halving_times, solved_pairs
from ...rivals.flow_maps import CTMLoss, FlowMapLoss, alpha_flow, eulerian, lagrangian, meanflow, shortcut
from ...rivals.inductive import IMMLoss
from ...rivals.jumps import FlowMap, jump_sample
from ...rivals.matching import by_teacher_error, vsd
from ...rivals.sample_matching import Field, SampleMatchingLoss, drifting, sinkhorn
from ...rivals.truncated import TruncatedLoss, with_first_stage
from ...sampling.few_steps import consistency_sample
from ...seeds import fold
from ...shapes import Denoiser, Sampler
from ...solvers.steps import ddim_step, heun_step, integrate, probability_flow
from ...times import log_normal, scale_grid
from ...training import warmup_linear_decay
from .plane import PATH, Chain, Run, new_model, scd_run, stable_diffusion_run, student

LEVELS = {1: [PATH.t_max], 2: [PATH.t_max, 1.1], 4: [PATH.t_max, 1.3, 1.1, 0.6]}  # evaluations -> angles
# of the inputs of generators that are judged by their samples: two of five are pure noise
GENERATOR_LEVELS = torch.tensor([PATH.t_max, PATH.t_max, 1.3, 1.1, 0.6], dtype=torch.float64)
BOUNDARY = 0.8  # of TCM, an angle: the noise-to-signal ratio is .51
KNOWN = log_normal(-1.2, 1.2)  # of noise levels, as diffusion is trained
WIDE = log_normal(-1.0, 1.6)


# ---- what is trained


def flow_map(model: Preconditioned) -> FlowMap:
    """The flow map whose jumps are the DDIM steps of this model until it is trained; a copy."""
    two_time = two_time_unet if isinstance(model.network, UNet) else two_time_mlp
    return FlowMap(two_time(model.network), PATH, PATH.sigma_data).requires_grad_(True)


def _critic_setup(critic: nn.Module, iterations: int, lr: float) -> tuple[torch.optim.Optimizer, Callable]:
    rate = warmup_linear_decay(lr, total=iterations, warmup=iterations // 100, decay_from=iterations // 4)
    return torch.optim.Adam(critic.parameters(), lr, betas=(0.5, 0.99), fused=True), rate


def _grid(steps: int) -> Tensor:
    """`scale_grid` in angles, decreasing; (steps + 1,) float64.  Its defaults are for points in the plane."""
    return PATH.time_at(scale_grid(steps)).clamp(PATH.t_min, PATH.t_max)


@torch.no_grad()
def teacher_pairs(
    teacher: Denoiser,
    *,
    event: tuple[int, ...] = (2,),
    count: int = 40_000,
    steps: int = 24,
    kept: int = 18,
    seed: int = 0,
) -> Pairs:
    """A table of `count` trajectories of the teacher's ODE, Heun on `scale_grid`, to draw from; starts at t_max.

    event: S of a sample.
    Half of what is drawn is noise with its sample; the rest, at later times, serves samplers of several steps.
    """
    noise = PATH.prior((count, *event), torch.Generator().manual_seed(fold(seed, 7)))
    times = _grid(steps)
    chunks = noise.split(2000)  # small enough for the cache
    parts = [solved_pairs(teacher, x, times, PATH, step=heun_step, kept=kept) for x in chunks]
    states, ends = torch.cat([p[0] for p in parts], 1), torch.cat([p[2] for p in parts])
    return drawn_pairs(states, times[:kept], ends)


def coarse_pairs(teacher: Denoiser, sampler: Sampler, seed: int = 0, *, count: int = 40_000) -> Pairs:
    """`teacher_pairs` of the sampler's shape by 12 steps, in half the time."""
    event = sampler(1, torch.Generator()).shape[1:]
    return teacher_pairs(teacher, event=event, count=count, steps=12, kept=9, seed=seed)


def direct_run(sampler: Sampler, start: nn.Module, pairs: Pairs, iterations: int, seed: int = 0) -> Run:
    """Direct distillation from `teacher_pairs`; start: the teacher, or an untrained model when the teacher is exact.

    Its distance is nearly the norm: where basins meet that a network cannot tell apart, the square is least for the
    mean of both ends, in the gap between the modes, the norm for the end that is more frequent.
    """
    return Run(student(start), DirectLoss(pairs, pseudo_huber(0.03)), sampler, iterations, seed, lr=5e-3)


def stable_direct_run(sampler: Sampler, iterations: int, seed: int = 0) -> Chain:
    """Direct distillation of a teacher with stable targets, from nothing: a quarter of the updates are the teacher's.

    The student begins as the teacher, whose 40,000 pairs are made once it has learnt.
    """
    first = max(1, iterations // 4)

    def second(teacher: nn.Module) -> Run:
        pairs = coarse_pairs(teacher, sampler, seed)
        return direct_run(sampler, teacher, pairs, max(1, iterations - first), seed + 1)

    return Chain(new_model(seed), [lambda start: stable_diffusion_run(sampler, first, seed), second])


def progressive_run(
    sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0, *, halvings: int = 6
) -> Chain:
    """Progressive distillation: the teacher's 2^halvings DDIM steps halve until one is left; the last stages longer."""
    steps = 2**halvings
    grid = _grid(steps)
    shares = [1.0] * max(halvings - 2, 0) + [2.0] * min(halvings, 2)

    def stage(k: int) -> Callable[[nn.Module], Run]:
        updates = max(1, round(iterations * shares[k] / sum(shares)))
        times = halving_times(grid, steps // 2 ** (k + 1))
        return lambda before: Run(
            student(before), ProgressiveLoss(PATH, before, times), sampler, updates, fold(seed, k), lr=1e-3
        )

    return Chain(teacher, [stage(k) for k in range(halvings)])


def vsd_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Variational score distillation, unweighted; the fake score makes one update for each of the student's.

    The student learns from pure noise alone, for one evaluation.  With several levels one fake score would see their
    samples mixed, and match no more than the mixture; in the methods below another loss holds each level.
    """
    fake = student(teacher)
    optimizer, rate = _critic_setup(fake, iterations, 2e-3)
    loss = vsd(PATH, KNOWN, teacher, fake, optimizer, lr=rate)
    return Run(student(teacher), loss, sampler, iterations, seed)


def _matched(teacher: nn.Module, iterations: int) -> Alternating:
    """Distribution matching at all levels, with DMD's weight."""
    fake = student(teacher)
    optimizer, rate = _critic_setup(fake, iterations, 2e-3)
    return vsd(
        PATH, KNOWN, teacher, fake, optimizer, levels=GENERATOR_LEVELS, weighting=by_teacher_error, lr=rate
    )  # fmt: skip


def dmd_run(sampler: Sampler, teacher: nn.Module, pairs: Pairs, iterations: int, seed: int = 0) -> Run:
    """Distribution matching with DMD's weight, and its regression on noise-sample pairs."""
    loss = summed((0.02, _matched(teacher, iterations)), (1.0, DirectLoss(pairs)))
    return Run(student(teacher), loss, sampler, iterations, seed)


def rcm_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """rCM: continuous-time distillation plus .01 of distribution matching, the reverse divergence."""
    loss = summed((1.0, scd_run(sampler, teacher, iterations).loss), (0.01, _matched(teacher, iterations)))
    return Run(student(teacher), loss, sampler, iterations, seed, lr=2e-3)


def adversarial_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Adversarial distillation: a discriminator's verdict and, as in ADD, a distillation loss that keeps the modes."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(fold(seed, 9))
        critic = Discriminator(sampler(1, torch.Generator()).numel())
    optimizer, rate = _critic_setup(critic, iterations, 1e-3)
    pleased = gan(
        PATH, critic, optimizer, levels=GENERATOR_LEVELS, r1=0.02, blur=log_normal(-3.0, 1.0), lr=rate
    )  # fmt: skip
    loss = summed((1.0, scd_run(sampler, teacher, iterations).loss), (0.02, pleased))
    return Run(student(teacher), loss, sampler, iterations, seed)


def meanflow_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0) -> Run:
    """MeanFlow from a diffusion model's weights."""
    loss = meanflow(PATH, WIDE, diagonal=0.25, ends=0.5)
    return Run(flow_map(start), loss, sampler, iterations, seed)


def improved_meanflow_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0) -> Run:
    """iMF from a diffusion model's weights: MeanFlow, differentiated along the model's own velocity."""
    loss = meanflow(PATH, WIDE, diagonal=0.25, ends=0.5, own=1.0)
    return Run(flow_map(start), loss, sampler, iterations, seed)


def alpha_flow_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0) -> Run:
    """α-Flow from a diffusion model's weights, with α = .01: MeanFlow without a derivative.

    A larger α blurs, as few levels do in consistency training: its step lands at a noisy point.  The paper's α falls
    from 1, where the diffusion model already is, to .005.
    """
    loss = FlowMapLoss(two_times(PATH, WIDE, diagonal=0.25, ends=0.5), alpha_flow(0.01))
    return Run(flow_map(start), loss, sampler, iterations, seed)


def _matched_samples(field: Field, sampler: Sampler, iterations: int, seed: int) -> Run:
    return Run(new_model(seed), SampleMatchingLoss(PATH, field), sampler, iterations, seed)


def drifting_run(sampler: Sampler, iterations: int, seed: int = 0) -> Run:
    """Drifting from scratch, with Laplace kernels of three reaches: no path, no teacher, one evaluation."""
    return _matched_samples(drifting(), sampler, iterations, seed)


def sinkhorn_run(sampler: Sampler, iterations: int, seed: int = 0) -> Run:
    """Sample matching by entropic transport, from scratch: no path, no teacher, one evaluation."""
    return _matched_samples(sinkhorn(), sampler, iterations, seed)


def shortcut_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Shortcut from a diffusion model's weights."""
    return Run(flow_map(start), shortcut(PATH, WIDE, diagonal=0.5, ends=0.25), sampler, iterations, seed)


def eulerian_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Eulerian flow-map distillation: MeanFlow with the teacher's velocity."""
    loss = FlowMapLoss(two_times(PATH, WIDE, diagonal=0.1, ends=0.5), eulerian(), teacher=teacher)
    return Run(flow_map(teacher), loss, sampler, iterations, seed, lr=3e-3, sigma_rel=0.1)


def lagrangian_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """Lagrangian flow-map distillation."""
    loss = FlowMapLoss(two_times(PATH, WIDE, diagonal=0.1, ends=0.3), lagrangian(teacher), teacher=teacher)
    return Run(flow_map(teacher), loss, sampler, iterations, seed, lr=3e-3, sigma_rel=0.1)


def ctm_run(sampler: Sampler, teacher: nn.Module, iterations: int, seed: int = 0) -> Run:
    """CTM without its discriminator: soft consistency with the teacher's steps, and diffusion on the diagonal.

    The share of the latter is .1: its noise, of order 1, would drown the former, of order .01.
    """
    loss = CTMLoss(KNOWN, two_times(PATH, WIDE, diagonal=0.0, ends=0.5), teacher, share=0.1)
    return Run(flow_map(teacher), loss, sampler, iterations, seed)


def imm_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0) -> Run:
    """IMM from a diffusion model's weights, in groups of 16 particles, which points in the plane afford."""
    loss = IMMLoss(two_times(PATH, WIDE, diagonal=0.0, ends=0.2), particles=16)
    return Run(flow_map(start), loss, sampler, iterations, seed)


def tcm_run(sampler: Sampler, start: nn.Module, iterations: int, seed: int = 0, *, boundary: float = BOUNDARY) -> Chain:
    """Truncated consistency training: half of the updates are ECT, the other half learn t > boundary alone."""
    half = max(1, iterations // 2)

    def second(first: nn.Module) -> Run:
        late = closing(PATH, 1, stages=1, q=256.0, law=log_normal(0.5, 1.0))
        return Run(student(first), TruncatedLoss(PATH, first, boundary, late), sampler, half, fold(seed, 1))

    return Chain(start, [lambda model: Run(student(model), ect(PATH, half), sampler, half, seed), second])


# ---- how samples are drawn: (model, noise, evaluations, generator) -> samples


def by_consistency(model: Denoiser, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """Jumps to the data, with fresh noise between them; (B, *S)."""
    return consistency_sample(model, noise, LEVELS[evaluations], PATH, generator)


def by_jumps(model: FlowMap, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """Jumps along the flow, from level to level, no noise between them; (B, *S)."""
    return jump_sample(model, noise, LEVELS[evaluations], PATH)


def by_restarts(model: FlowMap, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """Jumps to the data, with fresh noise between them: errors of one jump do not reach the next; (B, *S)."""
    return jump_sample(model, noise, LEVELS[evaluations], PATH, gamma=1.0, generator=generator)


@torch.no_grad()
def by_ddim(models: nn.ModuleList, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """DDIM steps of the student that was trained for so many, on its own grid; (B, *S)."""
    halvings = len(models) - 1
    grid = _grid(2**halvings)
    times, student = grid[:: 2**halvings // evaluations], models[halvings - int(math.log2(evaluations))]
    return integrate(probability_flow(student, PATH), noise, times, ddim_step(PATH))


@torch.no_grad()
def by_truncated(models: nn.ModuleList, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """Consistency sampling with the second stage above its boundary and the first below; (B, *S)."""
    return by_consistency(with_first_stage(models[2], models[1], BOUNDARY), noise, evaluations, generator)


@torch.no_grad()
def by_last(models: nn.ModuleList, noise: Tensor, evaluations: int, generator: torch.Generator) -> Tensor:
    """Consistency sampling with the model of the last stage; (B, *S)."""
    return by_consistency(models[-1], noise, evaluations, generator)
