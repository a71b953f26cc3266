"""Losses of flow maps: every rule is blind to the exact map, and each paper's form is a case of ours."""

import math

import pytest
import torch
from gauntlet import PATHS, mixture, name, some_t
from small_maps import MEAN, STD, exact_map, gradients, inner_pair, small_map
from torch.func import jvp

from minicm.losses import consistency_loss, scm_tangent, two_times, velocity_loss
from minicm.oracles import gaussian, gaussian_flow
from minicm.paths import Linear, TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import (
    CTMLoss,
    FlowMapLoss,
    IMMLoss,
    KnownMap,
    alpha_flow,
    coefficients,
    ctm_loss,
    diagonal,
    eulerian,
    flow_map_loss,
    lagrangian,
    meanflow,
    semigroup,
    shortcut,
    start_rates,
    to_data,
)
from minicm.shapes import like
from minicm.solvers import heun_step
from minicm.times import log_normal

RULES = {
    "eulerian": eulerian(), "iMF": eulerian(own=1.0), "alpha": alpha_flow(0.3), "lagrangian": None,
    "semigroup": semigroup,
}  # fmt: skip


class ExactWithDiagonal(KnownMap):
    """The exact map of the Gaussian, which answers its velocity at s = t, too."""

    def velocity(self, x, t, s):
        denoised = gaussian(MEAN, STD).denoiser(self.path)(x, t)
        same = like((t == s).double(), x) > 0
        apart = super().velocity(x, t, torch.where(t == s, t / 2, s))
        return torch.where(same, self.path.velocity(x, t, denoised), apart)


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("rule", ["eulerian", "lagrangian", "semigroup"])
def test_the_exact_map_of_a_gaussian_does_not_move(path, rule):
    """With the marginal velocity: the MeanFlow identity, the Lagrangian equation and the semigroup property."""
    teacher = gaussian(MEAN, STD).denoiser(path)
    x0, eps, (t, s) = MEAN + STD * torch.randn(64, 2), torch.randn(64, 2), inner_pair(path, 64)
    chosen = lagrangian(teacher) if rule == "lagrangian" else RULES[rule]
    x = path.mix(x0, eps, t)
    V, move = chosen(exact_map(path), x, t, s, path.velocity(x, t, teacher(x, t)))
    assert V.abs().max() > 0.1 and move.abs().max() < 1e-9 * max(1, V.abs().max().item())


@pytest.mark.parametrize("own", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_noise_of_a_move_follows_its_law(path, own):
    """At the exact map the move is −∂_t B (own A + (1 − own) dX/dx) (v − E v): 0 on average."""
    model = ExactWithDiagonal(gaussian_flow(MEAN, STD, path), path)
    x, (t, s) = MEAN + torch.randn(7, 2), inner_pair(path)
    mean = path.velocity(x, t, gaussian(MEAN, STD).denoiser(path)(x, t))
    noise = torch.randn(7, 2)
    (a, _), (_, db) = coefficients(path, t, s), start_rates(path, t, s)
    stretch = torch.hypot(path.alpha(s) * STD, path.sigma(s)) / torch.hypot(path.alpha(t) * STD, path.sigma(t))
    expected = -like(db * (own * a + (1 - own) * stretch), x) * noise
    move = eulerian(own=own)(model, x, t, s, mean + noise)[1]
    torch.testing.assert_close(move, expected, rtol=1e-7, atol=1e-8)


def test_without_its_own_velocity_imf_is_meanflow_bit_for_bit():
    model, (t, s) = small_map(TrigFlow()), inner_pair(TrigFlow())
    x, v = torch.randn(7, 2), torch.randn(7, 2)
    assert torch.equal(eulerian(own=0.0)(model, x, t, s, v)[1], eulerian()(model, x, t, s, v)[1])
    assert not torch.equal(eulerian(own=0.1)(model, x, t, s, v)[1], eulerian()(model, x, t, s, v)[1])


@pytest.mark.parametrize("path", [Linear(), TrigFlow()], ids=name)
def test_alpha_flow_tends_to_meanflow(path):
    """α → 0: c times the Eulerian move, c = 1 (linear), (t − s)/(sin(t − s) cos(t − s)) (TrigFlow), at order 1."""
    model, (t, s) = small_map(path), inner_pair(path)
    x, v, gap = torch.randn(7, 2), torch.randn(7, 2), t - s
    c = torch.ones_like(t) if isinstance(path, Linear) else gap / (gap.sin() * gap.cos())
    limit = like(c, x) * eulerian()(model, x, t, s, v)[1]
    errors = [(alpha_flow(alpha)(model, x, t, s, v)[1] - limit).norm() for alpha in (0.02, 0.01, 0.005)]
    assert 1.8 < errors[0] / errors[1] < 2.2 and 1.8 < errors[1] / errors[2] < 2.2


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_alpha_flow_holds_trajectory_matching_and_shortcut(path):
    model, (t, s) = small_map(path), inner_pair(path)
    x, v = torch.randn(7, 2), torch.randn(7, 2)
    V, move = alpha_flow(1.0)(model, x, t, s, v)
    torch.testing.assert_close(move, v - V)
    half = alpha_flow(0.5)(model, x, t, s, model.velocity(x, t, (t + s) / 2))[1]
    torch.testing.assert_close(half, 2 * semigroup(model, x, t, s, v)[1])


def test_rules_that_are_refused():
    with pytest.raises(ValueError, match="expected a teacher, got None: by itself this rule diverges"):
        lagrangian(None)
    for alpha in (0.0, 1.5, float("nan")):
        with pytest.raises(ValueError, match="alpha"):
            alpha_flow(alpha)
    with pytest.raises(ValueError, match="own"):
        meanflow(TrigFlow(), log_normal(-1, 1.6), own=2.0)


def test_on_the_linear_path_the_eulerian_target_is_meanflows():
    """V + move = v − (t − s) dV/dt with the derivative along (v, 1, 0)."""
    model, (t, s) = small_map(Linear()), inner_pair(Linear())
    x, v = torch.randn(7, 2), torch.randn(7, 2)
    _, dV = jvp(lambda x, t: model.velocity(x, t, s), (x, t), (v, torch.ones_like(t)))
    V, move = eulerian()(model, x, t, s, v)
    torch.testing.assert_close(V + move, v - like(t - s, x) * dV)


def test_on_the_linear_path_the_semigroup_target_is_the_shortcuts():
    model, (t, s) = small_map(Linear()), inner_pair(Linear())
    x, half = torch.randn(7, 2), (t + s) / 2
    first = model.velocity(x, t, half)
    second = model.velocity(x - like(t - s, x) / 2 * first, half, s)
    V, move = semigroup(model, x, t, s, torch.zeros_like(x))
    torch.testing.assert_close(V + move, (first + second) / 2)


def test_on_the_linear_path_the_lagrangian_target_is_the_velocity_at_the_end():
    """V + move = v(X, s) + (t − s) ∂_s V, the mirror of MeanFlow's identity: fixes the sign."""
    path, model, (t, s) = Linear(), small_map(Linear()), inner_pair(Linear())
    x, teacher = torch.randn(7, 2), mixture().denoiser(Linear())
    dV = jvp(lambda s: model.velocity(x, t, s), (s,), (torch.ones_like(s),))[1]
    end = model(x, t, s)
    V, move = lagrangian(teacher)(model, x, t, s, torch.zeros_like(x))
    torch.testing.assert_close(V + move, path.velocity(end, s, teacher(end, s)) + like(t - s, x) * dV)


def test_with_s_at_the_data_the_eulerian_move_is_the_tangent_of_scm():
    """MeanFlow's r = 0 is continuous-time consistency training: σ_d times the move of F."""
    path, x, t, v = TrigFlow(), torch.randn(7, 2), some_t(TrigFlow()), torch.randn(7, 2)
    model = small_map(path)
    at_zero = Preconditioned(lambda u, c: model.network(u, torch.stack([c, 0 * c], 1)), TrigFlowScaling())
    _, move = eulerian()(model, x, t, torch.zeros_like(t), v)
    torch.testing.assert_close(move, scm_tangent(at_zero, x, t, v, path=path)[1])


@pytest.mark.parametrize("path", [Linear(), TrigFlow()], ids=name)
def test_discrete_consistency_training_tends_to_the_eulerian_rule_with_s_at_t_min(path):
    """The gradient of ‖f(x_t) − f⁻(x_r)‖²/(2(t − r)) tends to ⟨df/dt, ∂f⟩ = −⟨move, ∂V⟩ B/∂_t B, at order 1."""
    model, time, low = small_map(path), 0.7, path.t_min
    x0, eps, t = torch.randn(32, 2), torch.randn(32, 2), torch.full((32,), time)
    s = torch.full_like(t, low)
    value = flow_map_loss(model, x0, eps, t, s, rule=eulerian()).sum()  # 2 · ⟨V − sg(V + move), ∂V⟩/d with d = 2
    factor = {"Linear": time - low, "TrigFlow": math.tan(time - low)}[name(path)]
    limit, errors = gradients(value * factor, model), []
    for h in (1e-2, 5e-3, 2.5e-3):
        loss = consistency_loss(to_data(model, path), x0, eps, t, t - h, path=path).sum() / (2 * h)
        errors.append((gradients(loss, model) - limit).norm())
    assert 1.7 < errors[0] / errors[1] < 2.3 and 1.7 < errors[1] / errors[2] < 2.3


@pytest.mark.parametrize("rule", RULES)
def test_on_the_diagonal_every_rule_is_flow_matching(rule):
    path, model, t = TrigFlow(), small_map(TrigFlow()), some_t(TrigFlow())
    teacher = mixture().denoiser(path)
    chosen = lagrangian(teacher) if rule == "lagrangian" else RULES[rule]
    x0, eps = torch.randn(7, 2), torch.randn(7, 2)
    for given in (teacher,) if rule == "lagrangian" else (None, teacher):
        loss = flow_map_loss(model, x0, eps, t, t, rule=chosen, teacher=given)
        aim = velocity_loss(diagonal(model), x0, eps, t, path=path) if given is None else None
        if aim is not None:
            torch.testing.assert_close(loss, aim)
            torch.testing.assert_close(gradients(loss.sum(), model), gradients(aim.sum(), model))
        else:
            x = path.mix(x0, eps, t)
            error = model.velocity(x, t, t) - path.velocity(x, t, teacher(x, t))
            torch.testing.assert_close(loss, error.square().mean(1))


@pytest.mark.parametrize("rule", RULES)
def test_a_move_carries_no_gradient_and_a_permuted_batch_gives_the_permuted_loss(rule):
    path, model, order = TrigFlow(), small_map(TrigFlow(), (3, 4, 4)), torch.randperm(3)
    teacher, shape = mixture((3, 4, 4)).denoiser(path), (3, 3, 4, 4)  # the batch as long as an axis of the event
    chosen = lagrangian(teacher) if rule == "lagrangian" else RULES[rule]
    x0, eps, (t, s) = torch.randn(shape), torch.randn(shape), inner_pair(path, 3)
    V, move = chosen(model, x0, t, s, eps)
    assert V.requires_grad and not move.requires_grad
    loss = flow_map_loss(model, x0, eps, t, s, rule=chosen)
    again = flow_map_loss(model, x0[order], eps[order], t[order], s[order], rule=chosen)
    torch.testing.assert_close(again, loss[order])


def test_meanflows_adaptive_weight_divides_by_the_stopped_error():
    model, (t, s) = small_map(Linear()), inner_pair(Linear())
    x0, eps = torch.randn(7, 2), torch.randn(7, 2)
    plain = flow_map_loss(model, x0, eps, t, s, rule=eulerian())
    weighted = flow_map_loss(model, x0, eps, t, s, rule=eulerian(), power=0.75)
    weight = (2 * plain.detach() + 1e-3) ** -0.75
    torch.testing.assert_close(weighted, weight * plain)
    torch.testing.assert_close(gradients(weighted.sum(), model), gradients((weight * plain).sum(), model))


# ---- CTM


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_ctm_of_the_exact_map_falls_at_the_solvers_rate(path):
    teacher, model = gaussian(MEAN, STD).denoiser(path), exact_map(path)
    x0, eps, t = torch.randn(64, 2), torch.randn(64, 2), some_t(path, 64)
    roots = [
        ctm_loss(model, x0, eps, t, (1 - h) * t, t / 2, teacher=teacher, step=heun_step).mean().sqrt()
        for h in (0.1, 0.05, 0.025)
    ]
    assert 6 < roots[0] / roots[1] < 10 and 6 < roots[1] / roots[2] < 10


def test_ctm_at_s_t_min_is_consistency_distillation():
    path, model, t = TrigFlow(), small_map(TrigFlow()), some_t(TrigFlow())
    teacher = mixture().denoiser(path)
    x0, eps, low = torch.randn(7, 2), torch.randn(7, 2), torch.full((7,), path.t_min)
    for given, step in ((teacher, heun_step), (None, None)):
        ctm = ctm_loss(model, x0, eps, t, t / 2, low, teacher=given)
        cd = consistency_loss(to_data(model, path), x0, eps, t, t / 2, path=path, teacher=given, step=step) / 2
        torch.testing.assert_close(ctm, cd)
        torch.testing.assert_close(gradients(ctm.sum(), model), gradients(cd.sum(), model))


def test_only_the_first_jump_of_ctm_teaches():
    """The way on to the data hands the gradient back, but its weights get none; they may be another network's."""
    path, model, other = TrigFlow(), small_map(TrigFlow()), small_map(TrigFlow())
    x0, eps, (t, s) = torch.randn(7, 2), torch.randn(7, 2), inner_pair(path)
    ctm_loss(model, x0, eps, t, (t + s) / 2, s, target=other).sum().backward()
    assert all(p.grad is None and p.requires_grad for p in other.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.parameters())
    twin = small_map(path)
    twin.load_state_dict(model.state_dict())
    own = gradients(ctm_loss(model, x0, eps, t, (t + s) / 2, s).sum(), model)
    apart = gradients(ctm_loss(model, x0, eps, t, (t + s) / 2, s, target=twin).sum(), model)
    torch.testing.assert_close(own, apart)


def test_pairs_of_times_have_their_shares_and_stay_on_the_path():
    path = TrigFlow()
    t, s = two_times(path, log_normal(-1, 1.6), diagonal=0.25, ends=0.5)(1000, 0, torch.Generator().manual_seed(0))
    assert (s <= t).all() and (s >= path.t_min).all() and (t <= path.t_max).all()
    assert (s == t)[:250].all() and (s[250:750] == path.t_min).all() and (s[750:] < t[750:]).all()
    law = path.nsr(t[:750]).log()
    assert abs(law.mean() + 1) < 4 * 1.6 / math.sqrt(750)  # not the larger of two
    with pytest.raises(ValueError, match="sum is <= 1"):
        two_times(path, log_normal(-1, 1.6), diagonal=0.7, ends=0.5)


@pytest.mark.parametrize("loss", ["meanflow", "shortcut", "ctm", "lagrangian", "imm"])
def test_losses_draw_from_their_generator(loss):
    path, law, model = TrigFlow(), log_normal(-1, 1.6), small_map(TrigFlow())
    pairs = two_times(path, law)
    made = {
        "meanflow": meanflow(path, law), "shortcut": shortcut(path, law), "ctm": CTMLoss(law, pairs),
        "lagrangian": FlowMapLoss(pairs, lagrangian(mixture().denoiser(path))), "imm": IMMLoss(pairs),
    }[loss]  # fmt: skip
    x0 = torch.randn(16, 2)
    at = lambda seed: made(model, x0, 0, torch.Generator().manual_seed(seed))  # noqa: E731
    assert at(1).shape == (16,) and torch.equal(at(1), at(1)) and not torch.equal(at(1), at(2))


# ---- truncated consistency
