"""Path, grid and scaling belong together: what is not of one path is refused in one line that names both."""

import pytest
import torch
from gauntlet import PATHS, mixture, name, some_t

import minicm as cm
from minicm.losses.denoising import denoising_loss, velocity_loss
from minicm.losses.time_pairs import closing, two_times
from minicm.nets import two_time_mlp
from minicm.paths import VE, VP, Linear, TrigFlow
from minicm.rivals import (
    FlowMap,
    IMMLoss,
    KnownMap,
    TruncatedLoss,
    jump_sample,
    meanflow,
    progressive_loss,
    shortcut,
    to_data,
    with_first_stage,
)
from minicm.sampling import guided
from minicm.solvers import (
    adams_bashforth,
    adaptive,
    dpm_solver_2m,
    edm_stochastic,
    in_log_nsr,
    log_likelihood,
    reverse_sde,
)

VE_PATH, TRIG = VE(), TrigFlow()
STEPS = [cm.euler_step, cm.midpoint_step, cm.heun_step, cm.rk4_step, cm.ddim_step(TRIG)]


def refused(what, *words):
    with pytest.raises(ValueError, match=r"^[^\n]*$") as caught:
        what()
    assert all(word in str(caught.value) for word in words), caught.value


# ---- a grid has a home


def test_a_grid_of_ve_is_that_of_karras_bit_for_bit():
    assert torch.equal(VE_PATH.grid(18), cm.karras_grid(18))
    assert torch.equal(VE_PATH.grid(7, cm.log_grid), cm.log_grid(7))


@pytest.mark.parametrize("schedule", [cm.karras_grid, cm.log_grid, cm.scale_grid])
@pytest.mark.parametrize("path", PATHS, ids=name)
def test_a_grid_of_any_path_goes_from_end_to_end_over_the_ratios_of_its_schedule(path, schedule):
    times = path.grid(12, schedule)
    assert times.shape == (13,) and times.dtype == torch.float64 and (times.diff() < 0).all()
    assert times[0] == path.t_max and times[-1] == path.t_min
    low, high = path.nsr(torch.tensor([path.t_min, path.t_max])).tolist()
    wanted = schedule(12, low, high if high < float("inf") else 80.0)
    torch.testing.assert_close(path.nsr(times)[1:], wanted[1:], rtol=1e-9, atol=0)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_integration_over_the_grid_of_a_path_reaches_the_exact_end(path):
    oracle = cm.data.eight_gaussians_mixture()
    x = path.prior((64, 2), torch.Generator().manual_seed(0))
    field = cm.probability_flow(oracle.denoiser(path), path)
    coarse, fine = (cm.integrate(field, x, path.grid(n)) for n in (120, 400))
    assert (coarse - fine).abs().max() < 0.05


# ---- times of another path


@pytest.mark.parametrize("sample", [
    lambda v, x, t: cm.integrate(v, x, t),
    lambda v, x, t: cm.trajectory(v, x, t),
    lambda v, x, t: adams_bashforth(v, x, t),
    lambda v, x, t: adaptive(v, x, t[0].item(), t[-1].item()),
    lambda v, x, t: cm.integrate(in_log_nsr(v, v.path), x, t),
    *[lambda v, x, t, step=step: step(v, x, t[0].expand(4), t[1].expand(4)) for step in STEPS],
])  # fmt: skip
def test_no_road_takes_the_times_of_another_path(sample):
    field, x = cm.probability_flow(mixture().denoiser(TRIG), TRIG), torch.randn(4, 2)
    sample(field, x, TRIG.grid(18) if "in_log_nsr" not in sample.__code__.co_names else TRIG.nsr(TRIG.grid(9)).log())
    refused(lambda: sample(field, x, VE_PATH.grid(18)), "TrigFlow")


def test_samplers_refuse_the_times_of_another_path():
    x, f, denoise = torch.randn(4, 2), mixture().denoiser(TRIG), mixture().denoiser(TRIG)
    jump = KnownMap(lambda x, t, s: x, TRIG)
    for call in (
        lambda: cm.consistency_sample(f, x, [80.0, 0.8], TRIG),
        lambda: jump_sample(jump, x, [80.0, 0.8], TRIG),
        lambda: dpm_solver_2m(denoise, x, VE_PATH.grid(9), TRIG),
        lambda: cm.exponential_adams(denoise, x, VE_PATH.grid(9), TRIG),
        lambda: reverse_sde(denoise, x, VE_PATH.grid(9), TRIG),
        lambda: log_likelihood(denoise, x, TRIG, VE_PATH.grid(9)),
    ):
        refused(call, "TrigFlow", "80")


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_rounding_at_the_ends_of_a_path_is_forgiven_and_zero_is_not(path):
    path.check_times(path.grid(5).float())
    refused(lambda: path.check_times([0.0]), name(path))
    refused(lambda: VE(t_min=1e-5).check_times([0.0]), "VE")


def test_an_end_at_time_0_is_refused_or_finite_never_nan():
    field, x = cm.probability_flow(mixture().denoiser(VE_PATH), VE_PATH), torch.randn(4, 2)
    to_zero = torch.tensor([2.0, 1.0, 0.0])
    refused(lambda: cm.integrate(field, x, to_zero), "times of VE")
    refused(lambda: dpm_solver_2m(mixture().denoiser(VE_PATH), x, to_zero, VE(t_min=1e-9)), "times of VE")
    refused(lambda: cm.integrate(lambda x, t: field.unchecked(x, t), x, to_zero), "got 0", "t_min")
    one, zero = torch.ones(4), torch.zeros(4)
    end = cm.euler_step(field, x, one, zero)  # asks at 1 alone: EDM's last step is the denoiser
    torch.testing.assert_close(end, mixture().denoiser(VE_PATH)(x, one))
    assert cm.integrate(lambda x, t: -x, x, to_zero).isfinite().all()


# ---- a denoiser where a velocity is due


@pytest.mark.parametrize("denoise", [
    mixture().denoiser(VE_PATH), cm.transport(lambda x, t: x, TRIG, VE_PATH),
    cm.model_on(VE_PATH, cm.MLP()), cm.Recovered(lambda x, t: x, cm.EDMScaling()),
    guided(mixture().denoiser(VE_PATH), lambda x, t: x, 2.0),
])  # fmt: skip
def test_a_denoiser_is_no_velocity(denoise):
    x, t, s = torch.randn(4, 2), torch.full((4,), 2.0), torch.full((4,), 1.0)
    for call in (
        lambda: cm.integrate(denoise, x, VE_PATH.grid(4)),
        lambda: adams_bashforth(denoise, x, VE_PATH.grid(4)),
        lambda: adaptive(denoise, x, 2.0, 1.0),
        lambda: in_log_nsr(denoise, VE_PATH),
        *[lambda step=step: step(denoise, x, t, s) for step in STEPS],
    ):
        refused(call, "velocity", "probability_flow")


# ---- a model of another path


def test_losses_and_samplers_refuse_a_model_of_another_path():
    path, other = Linear(), TRIG
    model, x0, eps, t = cm.model_on(other, cm.MLP()), torch.randn(6, 2), torch.randn(6, 2), some_t(path, 6)
    fine, generator, law = cm.model_on(path, cm.MLP()), torch.Generator(), cm.log_normal(-1.0, 1.0)
    s, jump = t / 2, FlowMap(two_time_mlp(cm.MLP()), other)
    calls = {
        "model": [
            lambda m: denoising_loss(m, x0, eps, t, path=path),
            lambda m: velocity_loss(m, x0, eps, t, path=path),
            lambda m: cm.consistency_loss(m, x0, eps, t, s, path=path),
            lambda m: cm.ect(path, 9)(m, x0, 0, generator),
            lambda m: cm.consistency_sample(m, x0, [path.t_max], path),
        ],
        "target": [lambda m: cm.consistency_loss(fine, x0, eps, t, s, path=path, target=m)],
        "teacher": [
            lambda m: cm.consistency_loss(fine, x0, eps, t, s, path=path, teacher=m),
            lambda m: progressive_loss(fine, x0, eps, t, s, path=path, teacher=m),
        ],
        "denoise": [
            lambda m: cm.probability_flow(m, path),
            lambda m: dpm_solver_2m(m, x0, path.grid(4), path),
            lambda m: cm.exponential_adams(m, x0, path.grid(4), path),
            lambda m: cm.transport(m, path, other),
        ],
    }
    for word, some in calls.items():
        for call in some:
            refused(lambda call=call: call(model), word, "Linear", "TrigFlow")
            refused(lambda call=call: call(mixture().denoiser(other)), word, "Linear", "TrigFlow")
            call(fine)
    refused(lambda: edm_stochastic(model, x0, VE_PATH.grid(4)), "VE", "TrigFlow")
    refused(lambda: guided(model, fine, 2.0), "unconditional", "Linear", "TrigFlow")
    for loss in (meanflow(path, law), shortcut(path, law), IMMLoss(two_times(path, law), particles=2)):
        refused(lambda loss=loss: loss(jump, x0, 0, generator), "model", "Linear", "TrigFlow")
    refused(lambda: jump_sample(jump, x0, [0.5], path), "jump", "Linear", "TrigFlow")
    refused(lambda: to_data(jump, path), "jump", "Linear", "TrigFlow")
    refused(lambda: with_first_stage(fine, model, 0.5), "first", "Linear", "TrigFlow")


def test_pairs_and_a_first_stage_of_another_path_are_refused():
    law, first = cm.log_normal(-1.0, 1.0), cm.model_on(TRIG, cm.MLP())
    pairs, foreign = (closing(path, 9, stages=2, q=2.0, law=law) for path in (TRIG, VE_PATH))
    for wrong in (foreign, two_times(VE_PATH, law)):
        refused(lambda wrong=wrong: cm.ConsistencyLoss(TRIG, wrong), "pairs", "TrigFlow", "VE")
        refused(lambda wrong=wrong: TruncatedLoss(TRIG, first, 1.0, wrong), "pairs", "TrigFlow", "VE")
    refused(lambda: TruncatedLoss(TRIG, cm.model_on(VE_PATH, cm.MLP()), 1.0, pairs), "first", "TrigFlow", "VE")
    for boundary in (5.0, 1e-4):
        refused(lambda boundary=boundary: TruncatedLoss(TRIG, first, boundary, pairs), "boundary", "1.56")


@pytest.mark.parametrize("path, scaling", [
    (VE_PATH, cm.TrigFlowScaling()), (TRIG, cm.EDMScaling()), (TRIG, cm.ConsistencyScaling()),
    (Linear(), cm.EDMScaling()),
    (TrigFlow(1.0), cm.TrigFlowScaling(0.5)), (VP(), cm.PathScaling(VP(beta_d=10.0))), (VP(), cm.PathScaling(Linear())),
])  # fmt: skip
def test_a_scaling_of_another_path_is_refused_by_name(path, scaling):
    model = cm.Preconditioned(cm.MLP(), scaling)
    refused(lambda: cm.consistency_sample(model, torch.randn(4, 2), [path.t_max], path), name(path), name(scaling.path))


def test_other_ends_are_the_same_path_and_a_function_is_taken_at_its_word():
    x = torch.randn(4, 2)
    for path, scaling in ((VE(t_max=10.0), cm.EDMScaling()), (TrigFlow(nsr_max=9.0), cm.TrigFlowScaling()),
                          (VP(t_max=0.9), cm.PathScaling(VP()))):  # fmt: skip
        cm.consistency_sample(cm.Preconditioned(cm.MLP(), scaling), x, [path.t_max], path)
    cm.consistency_sample(lambda x, t: x / 2, x, [TRIG.t_max], TRIG)
    free = cm.Preconditioned(cm.MLP(), lambda t: (t, t, t, t))  # a scaling that does not say
    assert free.path is None
    cm.consistency_sample(free, x, [TRIG.t_max], TRIG)
