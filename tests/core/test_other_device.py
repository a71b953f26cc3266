"""Nothing is made on the wrong device: all runs on `meta`, a device that every build has and that mixes with no other.

Tensors of `meta` have shapes and no numbers, so what asks for a number (a check of values, an adaptive step) is left
out.
"""

import pytest
import torch

import minicm as cm
from minicm import losses, nets, rivals, sampling
from minicm.averages import EMA, PowerEMA, ScheduledEMA
from minicm.rivals.distillation import direct_loss, progressive_loss
from minicm.rivals.flow_maps import ctm_loss
from minicm.rivals.inductive import imm_loss, mmd_squared
from minicm.rivals.jumps import velocity_by_network
from minicm.rivals.matching import matching_loss
from minicm.shapes import like, per_sample

META = torch.device("meta")
PATH = cm.TrigFlow()
SHAPES = {"points": (4, 2), "pictures": (4, 1, 8, 8)}
every_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


def on_meta(*shape):
    return torch.empty(*shape, device=META)


def times():
    return on_meta(4)


def raw(shape):
    return cm.MLP(width=16, depth=2) if len(shape) == 2 else cm.UNet(1, width=8, multipliers=(1,), blocks=1)


class Plain(torch.nn.Module):
    """A network of one weight, for what takes many steps: operations on meta are slow."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, u, c):
        return u * (self.weight + like(c, u))


def denoiser(shape):
    return cm.model_on(PATH, raw(shape)).to(META)


def flow_map(shape):
    network = nets.two_time_mlp(cm.MLP(width=16, depth=2)) if len(shape) == 2 else nets.two_time_unet(raw(shape))
    return rivals.FlowMap(network, PATH).to(META)


def scm(**options):
    return lambda m, x: losses.scm_loss(m, x, torch.empty_like(x), times(), path=PATH, warmup=0.5, **options)


def jump_loss(rule):
    return lambda m, x: rivals.flow_map_loss(m, x, torch.empty_like(x), times(), times(), rule=rule)


OF_DENOISERS = {
    "denoising": lambda m, x: losses.denoising_loss(m, x, torch.empty_like(x), times(), path=PATH),
    "velocity": lambda m, x: losses.velocity_loss(m, x, torch.empty_like(x), times(), path=PATH),
    "CT": lambda m, x: losses.consistency_loss(
        m, x, torch.empty_like(x), times(), times(), path=PATH, distance=losses.pseudo_huber(0.1)
    ),
    "CD": lambda m, x: losses.consistency_loss(
        m, x, torch.empty_like(x), times(), times(), path=PATH, teacher=denoiser(x.shape), step=cm.heun_step
    ),
    "sCT": scm(rescale=losses.normalised()),
    "sCD": lambda m, x: scm(teacher=denoiser(x.shape), rescale=losses.clipped())(m, x),
    "sCM, by the network": scm(derivative=losses.by_network),
    "sCM, by differences": scm(derivative=losses.by_differences()),
    "sCM, weighted": lambda m, x: scm(weight=losses.AdaptiveWeight().to(META))(m, x),
    "direct": lambda m, x: direct_loss(m, x, times(), torch.empty_like(x)),
    "progressive": lambda m, x: progressive_loss(
        m, x, torch.empty_like(x), times(), times(), path=PATH, teacher=denoiser(x.shape)
    ),
    "matching": lambda m, x: matching_loss(
        m(x, times()), torch.empty_like(x), times(), path=PATH, real=denoiser(x.shape), fake=denoiser(x.shape)
    ),
}
OF_MAPS = {
    "Eulerian": jump_loss(rivals.eulerian()),
    "Eulerian, by the network": jump_loss(rivals.eulerian(velocity_by_network)),
    "Lagrangian": lambda m, x: jump_loss(rivals.lagrangian(denoiser(x.shape)))(m, x),
    "semigroup": jump_loss(rivals.semigroup),
    "CTM": lambda m, x: ctm_loss(
        m, x, torch.empty_like(x), times(), times(), times(), target=flow_map(x.shape), teacher=denoiser(x.shape)
    ),
    "IMM": lambda m, x: imm_loss(m, x, torch.empty_like(x), times(), times(), times()),
}


def trains_on_meta(model, loss, shape):
    value = loss(model, on_meta(*shape))
    assert value.device == META and value.shape == (4,)
    value.sum().backward()
    assert all(p.grad is None or p.grad.device == META for p in model.parameters())


@every_shape
@pytest.mark.parametrize("name", OF_DENOISERS)
def test_losses_of_denoisers(name, shape):
    if "by the network" in name and not hasattr(raw(shape), "with_tangent"):
        return  # a network without a tangent of its own
    trains_on_meta(denoiser(shape), OF_DENOISERS[name], shape)


@every_shape
@pytest.mark.parametrize("name", OF_MAPS)
def test_losses_of_flow_maps(name, shape):
    if "by the network" in name and not hasattr(raw(shape), "with_tangent"):
        return  # a network without a tangent of its own
    trains_on_meta(flow_map(shape), OF_MAPS[name], shape)


@every_shape
@pytest.mark.parametrize("path", [cm.VE(), cm.VP(), cm.Linear(), cm.TrigFlow()], ids=lambda path: type(path).__name__)
def test_solvers_and_samplers(path, shape):
    model, x = cm.model_on(path, Plain()).to(META), on_meta(*shape)
    velocity, grid = cm.probability_flow(model, path), path.grid(3)
    for step in (cm.euler_step, cm.midpoint_step, cm.heun_step, cm.rk4_step, cm.ddim_step(path)):
        assert cm.integrate(velocity, x, grid, step).device == META
    assert cm.trajectory(velocity, x, grid).device == META
    assert cm.exponential_adams(model, x, grid, path).device == META
    assert cm.solvers.multistep.dpm_solver_2m(model, x, grid, path).device == META
    assert cm.solvers.multistep.adams_bashforth(velocity, x, grid, order=2).device == META
    assert cm.consistency_sample(model, x, grid[:2], path).device == META


@every_shape
def test_jumps_and_guidance(shape):
    x = on_meta(*shape)
    assert rivals.jump_sample(flow_map(shape), x, PATH.grid(3)[:2], PATH, gamma=0.5).device == META
    guided = sampling.guided(denoiser(shape), denoiser(shape), 2.0)
    assert guided(x, times()).device == META


@every_shape
@pytest.mark.parametrize("average", [EMA, PowerEMA, ScheduledEMA])
def test_averages(average, shape):
    model = denoiser(shape)
    kept = {EMA: lambda: EMA(model, 0.99), PowerEMA: lambda: PowerEMA(model, 0.05)}.get(
        average, lambda: ScheduledEMA(model, lambda iteration: 0.9)
    )()
    kept.update(model)
    assert all(p.device == META for p in kept.model.parameters())


def test_metrics_that_look_at_no_number():
    assert mmd_squared(on_meta(2, 4, 2), on_meta(2, 4, 2), on_meta(2)).device == META
    assert per_sample(on_meta(6, 2)).device == META


def test_a_tensor_made_on_the_processor_is_noticed():
    """What the tests above rely on: a loss that makes its times without looking at its samples' device fails."""
    with pytest.raises(ValueError, match="on meta, got .* on cpu"):
        losses.denoising_loss(denoiser((4, 2)), on_meta(4, 2), on_meta(4, 2), torch.rand(4), path=PATH)
    with pytest.raises((RuntimeError, ValueError), match="meta"):
        denoiser((4, 2)).network(on_meta(4, 2), torch.rand(4))
