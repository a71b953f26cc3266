"""float32 against float64, bfloat16 against float32, and both ends of every path, sample size and dimension.

ε = 1.2e-7 is float32's spacing at 1.  A computation of n roundings on numbers of size c is off by about n ε c; each
bound below is such a product, with the n that the operation has, or ten times what was measured where n is unclear.
A step that was done in bfloat16 (spacing 7.8e-3), or a time that was rounded to float32 before a difference of two
times was taken, breaks them.
"""

import pytest
import torch
from gauntlet import PATHS, SHAPES, name

from minicm import losses, rivals
from minicm.checks import as_floats
from minicm.evaluation import energy_distance, frechet_between
from minicm.nets import MLP, digits_unet, two_time_mlp
from minicm.oracles import gaussian, gaussian_consistency, gaussian_flow
from minicm.paths import VE, Linear, TrigFlow
from minicm.precond import ConsistencyScaling, EDMScaling, Preconditioned, TrigFlowScaling
from minicm.rivals import FlowMap, eulerian, flow_map_loss, jump_sample, semigroup
from minicm.sampling import consistency_sample
from minicm.solvers import (
    adams_bashforth,
    ddim_step,
    dpm_solver_2m,
    euler_step,
    exponential_adams,
    heun_step,
    integrate,
    midpoint_step,
    probability_flow,
    rk4_step,
)
from minicm.times import karras_grid

EPS = torch.finfo(torch.float32).eps
VE_PATH, TRIG = VE(), TrigFlow()
MEAN, STD = 0.3, 0.5


def seeded(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def relative(a, b):
    """‖a − b‖/‖b‖ over all elements, in float64."""
    return ((a.double() - b).norm() / b.norm()).item()


def both(function, *tensors):
    """function on float32 and on float64 copies of the samples; times stay float64, as the package keeps them."""
    found = [function(*(x.to(dtype) for x in tensors)) for dtype in (torch.float32, torch.float64)]
    assert found[0].dtype == torch.float32, "the caller's dtype is kept"
    assert found[1].dtype == torch.float64
    return found


def pair_of(model):
    """The same weights in float32 and float64."""
    return {torch.float32: model.float(), torch.float64: double(model)}


def double(model):
    from copy import deepcopy

    return deepcopy(model).double()


def model_of(scaling):
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    found = pair_of(Preconditioned(MLP(2, 32, 2), scaling))
    torch.set_default_dtype(torch.float64)
    return found


def flow_map():
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    found = pair_of(FlowMap(two_time_mlp(MLP(2, 32, 2)), TRIG))
    torch.set_default_dtype(torch.float64)
    return found


# ---- every loss: n = some hundred roundings through two layers of 32, squared: 500 ε

T = torch.linspace(0.3, 1.2, 64, dtype=torch.float64)
S = 0.8 * T


def loss_cases():
    """name -> (models by dtype, loss of (model, x0, eps))."""
    trig, ve, maps = model_of(TrigFlowScaling()), model_of(EDMScaling()), flow_map()
    teacher = gaussian(torch.full((2,), MEAN), STD).denoiser
    return {
        "denoising": (ve, lambda m, x, e: losses.denoising_loss(m, x, e, T, path=VE_PATH)),
        "velocity": (trig, lambda m, x, e: losses.velocity_loss(m, x, e, T, path=TRIG)),
        "consistency, trained": (ve, lambda m, x, e: losses.consistency_loss(m, x, e, T, S, path=VE_PATH)),
        "consistency, distilled": (
            ve,
            lambda m, x, e: losses.consistency_loss(
                m, x, e, T, S, path=VE_PATH, teacher=teacher(VE_PATH), step=heun_step, distance=losses.l2
            ),
        ),
        "sCM": (trig, lambda m, x, e: losses.scm_loss(m, x, e, T, path=TRIG)),
        "sCM by network": (
            trig,
            lambda m, x, e: losses.scm_loss(
                m, x, e, T, path=TRIG, teacher=teacher(TRIG), derivative=losses.by_network, rescale=losses.normalised()
            ),
        ),
        "progressive": (
            trig,
            lambda m, x, e: rivals.progressive_loss(m, x, e, T, S, path=TRIG, teacher=teacher(TRIG)),
        ),
        "direct": (trig, lambda m, x, e: rivals.direct_loss(m, TRIG.mix(x, e, T), T, x)),
        "Eulerian": (maps, lambda m, x, e: flow_map_loss(m, x, e, T, S, rule=eulerian())),
        "semigroup": (maps, lambda m, x, e: flow_map_loss(m, x, e, T, S, rule=semigroup)),
        "CTM": (maps, lambda m, x, e: rivals.ctm_loss(m, x, e, T, 0.9 * T, S)),
        "IMM": (maps, lambda m, x, e: rivals.imm_loss(m, x, e, TG, 0.9 * TG, SG, particles=4)),
        "matching": (
            trig,
            lambda m, x, e: rivals.matching_loss(m(e / 2, T), e, T, path=TRIG, real=teacher(TRIG), fake=lambda x, t: x),
        ),
    }


TG = T[::4].repeat_interleave(4)
SG = 0.5 * TG
LOSSES = loss_cases()
torch.set_default_dtype(torch.float32)  # conftest sets float64 for each test


@pytest.mark.parametrize("case", LOSSES)
def test_a_loss_in_float32_is_that_in_float64(case):
    models, loss = LOSSES[case]
    x0, eps = MEAN + STD * seeded(64, 2), seeded(64, 2).flip(0)
    single, exact = both(lambda x, e: loss(models[x.dtype], x, e), x0, eps)
    assert exact.shape == (64,)
    assert relative(single, exact.detach()) < 500 * EPS


# ---- every solver, on the flow of a Gaussian, whose end is known

SOLVERS = {
    **{s.__name__: lambda d, x, g, p, s=s: integrate(probability_flow(d, p), x, g, s)
       for s in (euler_step, midpoint_step, heun_step, rk4_step)},
    "ddim_step": lambda d, x, g, p: integrate(probability_flow(d, p), x, g, ddim_step(p)),
    "adams_bashforth": lambda d, x, g, p: adams_bashforth(probability_flow(d, p), x, g),
    "dpm_solver_2m": lambda d, x, g, p: dpm_solver_2m(d, x, g, p),
    "exponential_adams": lambda d, x, g, p: exponential_adams(d, x, g, p),
}  # fmt: skip


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("path", [VE_PATH, TRIG], ids=name)
def test_a_solver_in_float32_is_that_in_float64(solver, path):
    # 40 steps of about ten roundings; the noise at the start is 160 times the data, and what is lost in it stays lost
    law = gaussian(torch.full((2,), MEAN), STD)
    grid = path.time_at(karras_grid(40)).clamp(path.t_min, path.t_max)
    start = path.prior((32, 2), torch.Generator().manual_seed(2), dtype=torch.float64)
    single, exact = both(lambda x: SOLVERS[solver](law.to(x.dtype).denoiser(path), x, grid, path), start)
    assert relative(single, exact) < 400 * EPS


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_times_in_a_list_keep_their_digits_whatever_the_default_dtype(dtype):
    torch.set_default_dtype(dtype)
    assert as_floats("times", [0.1, 1 / 3]).tolist() == [0.1, 1 / 3]
    seen = []
    consistency_sample(lambda x, t: seen.append(t[0].item()) or x, torch.zeros(2, 2), [TRIG.t_max, 1.1], TRIG)
    assert seen == [TRIG.t_max, 1.1]


# ---- both ends of every path


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("shape", SHAPES)
def test_both_ends_of_a_path_are_exact_in_float32(path, shape):
    x0, eps = MEAN + STD * seeded(5, *shape), seeded(5, *shape).flip(0)
    for t in (path.t_min, path.t_max):
        times = torch.full((5,), t, dtype=torch.float64)
        single, exact = both(lambda a, b, times=times: path.mix(a, b, times), x0, eps)
        assert relative(single, exact) < 4 * EPS
        again = path.noise(single, times, x0.float())  # divided by σ: the rounding of x0 counts 1/σ times
        assert relative(again, eps) < 20 * EPS * max(1, 1 / path.sigma(times[:1]).item())


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_time_and_noise_level_invert_each_other_at_both_ends(path):
    low, high = path.t_min, path.t_max if not isinstance(path, Linear) else 0.999
    t = torch.tensor([low, high], dtype=torch.float64)
    assert torch.allclose(path.time_at(path.nsr(t)), t, rtol=1e-12, atol=0)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_exact_consistency_function_holds_at_both_ends(path):
    law = gaussian_consistency(torch.full((2,), MEAN), STD, path)
    x = seeded(7, 2)
    at_data = law(x.float(), torch.full((7,), path.t_min, dtype=torch.float64))
    assert relative(at_data, x) < 4 * EPS  # f(x, t_min) = x
    last = torch.full((7,), path.t_max, dtype=torch.float64)
    single, exact = both(lambda z: law(z, last), path.sigma(last)[:, None] * x)
    assert relative(single, exact) < 20 * EPS


@pytest.mark.parametrize("scaling", [EDMScaling(), ConsistencyScaling(), TrigFlowScaling()], ids=name)
def test_a_model_keeps_its_sample_at_the_data_end(scaling):
    models = model_of(scaling)
    t = 0.002 if isinstance(scaling, ConsistencyScaling) else 1e-6
    x, times = seeded(6, 2), torch.full((6,), t, dtype=torch.float64)
    with torch.no_grad():
        assert relative(models[torch.float32](x.float(), times), x) < 4 * EPS + 20 * t * (t < 1e-3)


# ---- sizes


def test_a_thousandfold_noise_keeps_the_digits_that_float32_has():
    path = VE(t_max=1e3)
    law = gaussian(torch.full((2,), MEAN), STD)
    start = path.prior((16, 2), torch.Generator().manual_seed(3), dtype=torch.float64)
    grid = karras_grid(200, path.t_min, path.t_max)
    ends = torch.full((16,), path.t_max), torch.full((16,), path.t_min)

    def solved(x):
        return integrate(probability_flow(law.to(x.dtype).denoiser(path), path), x, grid, heun_step)

    single, exact = both(solved, start)
    assert relative(exact, gaussian_flow(torch.full((2,), MEAN), STD, path)(start, *ends)) < 2e-3  # Heun's own error
    assert relative(single, exact) < 2000 * EPS  # 200 steps of ten roundings


@pytest.mark.parametrize("dim", [1, 2, 3072])
@pytest.mark.parametrize("count", [1, 3])
def test_one_sample_and_many_dimensions(dim, count):
    x0, eps, t = MEAN + STD * seeded(count, dim), seeded(count, dim).flip(1), torch.full((count,), 0.7).double()
    denoise = gaussian(torch.full((dim,), MEAN), STD).to(torch.float32).denoiser(TRIG)
    single, exact = both(lambda a, b: losses.velocity_loss(denoise, a, b, t, path=TRIG), x0, eps)
    assert relative(single, exact) < 200 * EPS  # a mean of many squares is no worse than its terms
    sample = consistency_sample(denoise, TRIG.prior((count, dim), dtype=torch.float32), [TRIG.t_max, 1.1], TRIG)
    assert sample.shape == (count, dim) and sample.isfinite().all()


def test_a_hundred_thousand_samples_give_the_law_they_were_drawn_from():
    law = gaussian(torch.full((2,), MEAN), STD).to(torch.float32)
    flow = gaussian_flow(torch.full((2,), MEAN), STD, VE_PATH)
    n = 100_000
    noise = VE_PATH.prior((n, 2), torch.Generator().manual_seed(4), dtype=torch.float32)
    x = jump_sample(flow, noise, [80.0, 1.0], VE_PATH)
    assert abs(x.double().mean().item() - MEAN) < 4 * STD / (2 * n) ** 0.5 + 80 * 1e-3 * 0.3
    assert abs(x.double().std().item() / STD - 1) < 4 / (4 * n) ** 0.5 + 1e-3
    assert frechet_between(x, law.sample(n, torch.Generator().manual_seed(5))) < 1e-3


def test_a_metric_in_float32_is_that_in_float64():
    x, y = seeded(300, 2), 0.01 + seeded(300, 2).flip(0)
    exact = energy_distance(x, y)
    assert abs(energy_distance(x.float(), y.float()) - exact) < 50 * EPS  # a difference of means near 1


# ---- bfloat16


@pytest.mark.parametrize("net", ["mlp", "unet"])
def test_a_network_under_autocast_is_that_in_float32(net):
    torch.set_default_dtype(torch.float32)
    torch.manual_seed(0)
    shape = (4, 2) if net == "mlp" else (4, 1, 8, 8)
    model = Preconditioned(MLP(2, 64, 3) if net == "mlp" else digits_unet(), TrigFlowScaling())
    for p in model.parameters():  # a U-Net starts with closed branches, which would hide what happens in them
        torch.nn.init.normal_(p, std=p[0].numel() ** -0.5 if p.ndim > 1 else 0.1)
    x, t = seeded(*shape).float(), torch.linspace(0.3, 1.2, 4, dtype=torch.float64)
    with torch.no_grad():
        exact = model.double()(x.double(), t)
        model.float()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = model(x, t)
    assert relative(model(x, t).detach(), exact) < 200 * EPS
    assert 1e-4 < relative(rounded, exact) < 2e-2  # bfloat16's spacing is 8e-3; less than 1e-4 would not be bfloat16
