"""What people bring through the doors: models, data and dtypes as they have them, each works or is told in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from copies import python
from gauntlet import mixture
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import minicm as cm
from minicm.checkpoints import load_weights
from minicm.data import of_labelled, of_points
from minicm.losses import by_differences, by_jvp, by_network, scm_tangent
from minicm.nets import two_time_mlp
from minicm.paths import VE, Linear, TrigFlow
from minicm.rivals import (
    AdversarialLoss,
    FlowMap,
    discriminator_loss,
    jump_sample,
    meanflow,
    solved_pairs,
    velocity_by_differences,
    velocity_by_jvp,
    with_first_stage,
)
from minicm.sampling import guided, guided_by
from minicm.sampling.editing import denoise, edit, identity, interpolate
from minicm.solvers import adams_bashforth, adaptive, dpm_solver_2m, in_log_nsr, reverse_sde

PATH, LAW = TrigFlow(), cm.log_normal(-1.0, 1.4)
ROOT = next(folder for folder in Path(__file__).parents if (folder / "pyproject.toml").exists())


def refused(what, *words, kind=ValueError):
    with pytest.raises(kind, match=r"^[^\n]*$") as caught:
        what()
    assert all(word in str(caught.value) for word in words), caught.value


def first_update(model, loss, batches, **more):
    return next(cm.fit(model, loss, batches, torch.optim.Adam(model.parameters(), 1e-3), **more))


class Own(nn.Module):
    """A model as one writes it first: it takes x and t as they come."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x, t):
        return self.layer(torch.cat([x, t[:, None]], 1))


class Attentive(nn.Module):
    """A network that forward mode cannot differentiate."""

    def __init__(self, times=1):
        super().__init__()
        self.first, self.last = nn.Linear(2 + times, 8), nn.Linear(8, 2)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, u, c):
        h = self.first(torch.cat([u, c.reshape(len(u), -1)], 1))[:, None]
        return self.last(self.attention(h, h, h, need_weights=False)[0][:, 0])


class Narrow(nn.Module):
    """A network that answers (B, 1), where a plain difference would broadcast."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, u, c):
        return self.layer(u)

    def with_tangent(self, u, c, du, dc):
        return self.layer(u), self.layer(du)


# ---- models


def test_a_model_of_ones_own_gets_times_in_the_dtype_of_its_samples():
    model, x0 = Own().float(), torch.randn(16, 2, dtype=torch.float32)
    for loss in (cm.ect(PATH, 9), cm.DenoisingLoss(PATH, LAW), cm.VelocityLoss(PATH, LAW)):
        first_update(model, loss, [x0])
    assert cm.consistency_sample(model, x0, [PATH.t_max], PATH).dtype == torch.float32
    assert cm.integrate(cm.probability_flow(model, PATH), x0, PATH.grid(3)).dtype == torch.float32


@pytest.mark.parametrize("derivative", [by_jvp, by_network, by_differences()])
def test_a_network_of_another_shape_is_refused_by_every_derivative(derivative):
    model, x, t = cm.model_on(PATH, Narrow()), torch.randn(6, 2), torch.full((6,), 0.5)
    refused(lambda: scm_tangent(model, x, t, x, path=PATH, derivative=derivative), "network", "(6, 1)")


def test_a_flow_map_or_a_jump_of_another_shape_is_refused():
    model, x, t = FlowMap(Narrow(), PATH), torch.randn(6, 2), torch.full((6,), 0.5)
    refused(lambda: model(x, t, t / 2), "network", "(6, 1)")
    refused(lambda: first_update(model, meanflow(PATH, LAW), [x]), "network", "(6, 1)")
    refused(lambda: jump_sample(model, x, [PATH.t_max], PATH), "network", "(6, 1)")
    refused(lambda: jump_sample(lambda x, t, s: x[:, :1], x, [PATH.t_max], PATH), "jump", "(6, 1)")


def test_a_critic_that_answers_in_another_shape_is_refused():
    critic, model = nn.Linear(2, 1), cm.model_on(PATH, cm.MLP())  # (B, 1) beside (B,) would broadcast to (B, B)
    levels, x0, g = torch.tensor([PATH.t_max]), torch.randn(6, 2), torch.Generator()
    refused(lambda: AdversarialLoss(PATH, critic, levels)(model, x0, 0, g), "critic", "(6,)", "(6, 1)")
    refused(lambda: discriminator_loss(PATH, levels)(critic, model, x0, 0, g), "critic", "(6,)", "(6, 1)")


def test_without_forward_mode_the_error_names_the_way_out_and_the_way_out_works():
    x0 = torch.randn(16, 2)
    model, jump = cm.model_on(PATH, Attentive()), FlowMap(Attentive(2), PATH)
    refused(lambda: first_update(model, cm.SCMLoss(PATH, LAW), [x0]), "derivative=by_differences()")
    refused(lambda: first_update(jump, meanflow(PATH, LAW), [x0]), "derivative=velocity_by_differences()")
    first_update(model, cm.SCMLoss(PATH, LAW, derivative=by_differences()), [x0])
    first_update(jump, meanflow(PATH, LAW, derivative=velocity_by_differences()), [x0])
    broken = cm.model_on(PATH, nn.Linear(3, 2))  # an error of its own is not called a lack of forward mode
    with pytest.raises(TypeError):
        by_jvp(broken, x0, x0[:, 0], x0, x0[:, 0])


@pytest.mark.parametrize("path", [PATH, Linear()])
def test_the_difference_of_a_flow_map_is_its_derivative(path):
    model = FlowMap(two_time_mlp(cm.MLP()), path)
    for p in model.parameters():
        nn.init.normal_(p, std=0.1)  # or it would not listen to s yet
    x, dx, t = torch.randn(6, 2), torch.randn(6, 2), torch.linspace(0.3, 0.9, 6)
    along = (x, t, t / 2, dx, torch.ones(6), -torch.ones(6))
    V, dV = velocity_by_jvp(model, *along)
    found, change = velocity_by_differences(1e-4)(model, *along)
    torch.testing.assert_close(found, V)
    torch.testing.assert_close(change, dV, rtol=1e-5, atol=1e-6)


def test_a_label_beyond_the_classes_is_refused_where_it_is_bound_and_where_it_enters():
    for network, shape in ((cm.nets.digits_unet(labels=3).double(), (4, 1, 8, 8)), (cm.MLP(labels=3), (4, 2))):
        model, x, t = cm.model_on(PATH, network), torch.randn(shape), torch.full((4,), 0.5)
        refused(lambda m=model: m.given(torch.arange(4)), "labels up to 2", "3")
        refused(lambda n=network, x=x, t=t: n(x, t, torch.arange(4)), "labels up to 2", "3")
        model.given(torch.arange(4) - 1)(x, t)  # −1 is no label
    model.given(torch.rand(4))  # numbers are no labels: a scale, say


# ---- data


def test_batches_of_a_data_loader_train():
    x0, labels = torch.randn(32, 2), torch.zeros(32, dtype=torch.long)
    first_update(cm.model_on(PATH, cm.MLP()), cm.ect(PATH, 9), DataLoader(TensorDataset(x0), 8))
    first_update(cm.model_on(PATH, cm.MLP(labels=2)), cm.ect(PATH, 9), DataLoader(TensorDataset(x0, labels), 8))


def test_data_of_another_kind_are_told_in_one_line():
    array, model, loss = np.zeros((9, 2)), cm.model_on(PATH, cm.MLP()).float(), cm.ect(PATH, 9)
    refused(lambda: of_points(array, 4), "points", "tensor", "ndarray")
    refused(lambda: of_points(array.tolist(), 4), "points", "tensor", "list")
    refused(lambda: of_labelled(torch.zeros(9, 2), [0] * 9, 4), "labels", "[0, 0")
    refused(lambda: first_update(model, loss, [array]), "x0", "ndarray")
    refused(lambda: first_update(model, loss, [torch.zeros(9)]), "x0 (B, *S)", "x0[:, None]")
    for dtype in (torch.float64, torch.float16):
        refused(lambda d=dtype: first_update(model, loss, [torch.randn(8, 2).to(d)]), "float32", str(dtype)[6:])
        refused(lambda d=dtype: cm.consistency_sample(model, torch.zeros(8, 2, dtype=d), [1.0], PATH), "float32")
    own = Own().float()
    refused(lambda: first_update(own, loss, [(torch.randn(8, 2), torch.zeros(8).long())]), "given", "Own")
    refused(lambda: first_update(own, loss, [torch.randn(8, 2)]), "float32", "float64", "model")


def test_weights_in_half_precision_are_refused_before_the_average_takes_them():
    model = cm.model_on(PATH, cm.MLP()).half()
    average = cm.EMA(model)
    update = lambda: first_update(model, cm.ect(PATH, 9), [torch.randn(64, 2).half()], ema=average)  # noqa: E731
    refused(update, "iteration 0", "float16", "float32", kind=FloatingPointError)
    assert average.updates == 0 and all(p.isfinite().all() for p in average.model.parameters())


def test_an_average_of_another_build_is_refused():
    model = cm.model_on(PATH, cm.MLP())
    for other in (cm.MLP(width=64), cm.MLP(depth=3)):
        average = cm.EMA(cm.model_on(PATH, other))
        refused(lambda a=average: first_update(model, cm.ect(PATH, 9), [torch.randn(8, 2)], ema=a), "average", "hidden")


def test_finite_weights_in_float16_may_train_however_large_they_are():
    layer = nn.Linear(64, 64).half()
    with torch.no_grad():
        layer.weight.fill_(1e3)  # the sum of their squares is beyond float16
    loss = lambda model, x, k, g: layer.weight.sum(1) * 1e-4 + 0 * x.sum(1)  # noqa: E731
    optimizer = torch.optim.SGD(layer.parameters(), 1e-3)
    assert len(list(cm.fit(layer, loss, [torch.zeros(64, 64).half()] * 2, optimizer, clip=1e4))) == 2


# ---- sampling


class Dropping(nn.Module):
    """A denoiser that says in which mode it was asked."""

    def __init__(self):
        super().__init__()
        self.drop, self.fixed, self.modes = nn.Dropout(0.5), nn.Dropout(0.5).eval(), set()

    def forward(self, u, c):
        self.modes.add((self.training, self.drop.training))
        return self.drop(u) / 2


@pytest.mark.parametrize("sample", [
    lambda m, x: cm.consistency_sample(m, x, [PATH.t_max, 0.5], PATH),
    lambda m, x: cm.integrate(cm.probability_flow(m, PATH), x, PATH.grid(3)),
    lambda m, x: cm.trajectory(cm.probability_flow(m, PATH), x, PATH.grid(3)),
    lambda m, x: adaptive(cm.probability_flow(m, PATH), x, 1.0, 0.9),
    lambda m, x: adams_bashforth(cm.probability_flow(m, PATH), x, PATH.grid(3)),
    lambda m, x: dpm_solver_2m(m, x, PATH.grid(3), PATH),
    lambda m, x: cm.exponential_adams(m, x, PATH.grid(3), PATH),
    lambda m, x: reverse_sde(m, x, PATH.grid(3), PATH),
    lambda m, x: edit(m, x, operator=identity(), known=torch.tensor([True, False]), times=[1.0, 0.5], path=PATH),
    lambda m, x: denoise(m, x, torch.full((5,), 0.5), PATH),
    lambda m, x: interpolate(m, x, x + 1, torch.full((5,), 0.5), PATH),
    lambda m, x: cm.consistency_sample(guided(m, m, 2.0), x, [1.0], PATH),
    lambda m, x: cm.consistency_sample(guided_by(m, m, torch.ones(5)), x, [1.0], PATH),
    lambda m, x: cm.consistency_sample(with_first_stage(m, m, 0.5), x, [1.0], PATH),
    lambda m, x: cm.consistency_sample(cm.transport(m, PATH, cm.VE()), x, [1.0], cm.VE()),
    lambda m, x: cm.consistency_sample(lambda y, t: m(y, t), x, [1.0], PATH),
    lambda m, x: cm.integrate(in_log_nsr(cm.probability_flow(m, PATH), PATH), x, torch.tensor([1.0, 0.5])),
    lambda m, x: solved_pairs(m, x, PATH.grid(3), PATH),
])  # fmt: skip
def test_samplers_ask_a_model_without_its_dropout_and_leave_each_part_as_it_was(sample):
    model = cm.model_on(PATH, Dropping())
    sample(model, torch.randn(5, 2))
    assert model.network.modes == {(False, False)}
    assert model.training and model.network.drop.training and not model.network.fixed.training


def test_a_jump_sampler_asks_without_dropout_and_an_error_leaves_the_mode_too():
    jump = FlowMap(Dropping(), PATH)
    jump_sample(jump, torch.randn(5, 2), [1.0, 0.5], PATH)
    assert jump.network.modes == {(False, False)} and jump.training
    model = cm.model_on(PATH, Narrow())
    refused(lambda: cm.consistency_sample(model, torch.randn(5, 2), [1.0], PATH), "network")
    assert model.training and model.network.training


def test_a_velocity_that_no_step_is_small_enough_for_is_refused():
    x = torch.randn(4, 2)
    refused(lambda: adaptive(lambda x, t: x / t[:, None], x, 1.0, 0.0), "velocity", "finite", "0.0")


@pytest.mark.parametrize("ends", [(0.02, 0.002), (0.002, 0.02), (80.0, 0.002)])
def test_adaptive_never_asks_beyond_its_interval(ends):
    path, asked = VE(), []
    field = cm.probability_flow(mixture().denoiser(path), path)

    def spy(x, t):
        asked.append(t[0].item())
        return field.unchecked(x, t)

    x = path.prior((4, 2), torch.Generator().manual_seed(0)) * ends[0] / 80
    adaptive(spy, x, *ends)
    adaptive(field, x, *ends)
    assert min(ends) <= min(asked) and max(asked) <= max(ends)


# ---- stored weights, doors by attribute, the command line


def test_stored_weights_answer_the_same_bits_by_the_new_spelling():
    file = ROOT / "data" / "eight_gaussians_scd.safetensors"
    old, new = cm.Preconditioned(cm.MLP(), cm.TrigFlowScaling()).float(), cm.model_on(PATH, cm.MLP()).float()
    for model in (old, new):
        load_weights(model, file)
    x = PATH.prior((64, 2), torch.Generator().manual_seed(0), dtype=torch.float32)
    assert torch.equal(*(cm.consistency_sample(m, x, [PATH.t_max], PATH) for m in (old, new)))


def test_subpackages_are_there_by_attribute_and_cost_nothing_before():
    code = (
        "import sys, minicm as cm; assert 'minicm.evaluation' not in sys.modules; "
        "assert cm.evaluation.energy_distance and cm.plotting.scatter; assert not hasattr(cm, 'nowhere')"
    )
    assert python(["-c", code], ROOT).returncode == 0


def test_pictures_of_two_channels_are_refused_before_they_are_trained(tmp_path):
    (tiny,) = (ROOT / "tests").rglob("tiny_experiment.py")
    text = tiny.read_text("utf-8").replace("SHAPE = (1, 2, 2)", "SHAPE = (2, 2, 2)").replace("MLP(4,", "MLP(8,")
    (tmp_path / "two.py").write_text(text, "utf-8")
    done = python(["-m", "minicm", "train", "two.py", "--device", "cpu", "--iterations", "1"], tmp_path, place=ROOT)
    assert done.returncode == 2 and "to_unit" in done.stderr and done.stderr.count("\n") == 1, done.stderr
