"""The loop against plain PyTorch and closed forms; the averages against their weighted sums."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from minicm.averages import EMA, PowerEMA, ScheduledEMA
from minicm.losses import cd
from minicm.paths import TrigFlow
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import summed, vsd
from minicm.seeds import fold
from minicm.shapes import conditioned
from minicm.times import log_normal
from minicm.training import Record, fit, part_seed, progress, warmup_linear_decay


class Scalar(nn.Module):
    """One number θ, so that averages and updates have closed forms."""

    def __init__(self, value=0.0):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([float(value)]))
        self.register_buffer("count", torch.tensor(0))

    def forward(self, x):
        return self.theta * torch.ones_like(x)


def dropout_net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(2, 16), nn.SiLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def noisy_loss(model, x0, iteration, generator):
    x = x0 + torch.randn(x0.shape, generator=generator)
    return (model(x) - x0).square().sum(1)


def batches(start=0):
    for k in itertools.count(start):
        yield torch.randn(8, 2, generator=torch.Generator().manual_seed(fold(7, k, 99)))


def run(model, steps, loss=noisy_loss, data=None, optimizer=None, **settings):
    optimizer = optimizer or torch.optim.Adam(model.parameters(), 1e-2)
    return list(itertools.islice(fit(model, loss, data or batches(), optimizer, **settings), steps))


def pull(target):
    """A loss whose gradient at θ is θ − target for every sample."""
    return lambda model, x0, iteration, generator: (model(x0)[:, 0] - target).square() / 2


# --- the update


def test_sgd_on_a_quadratic_follows_its_closed_form():
    model = Scalar(1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    records = run(model, 20, pull(3.0), itertools.repeat(torch.zeros(4, 1)), optimizer)
    gap = [(1 - 3) * 0.9**k for k in range(21)]  # θ_k − 3
    assert model.theta.item() == pytest.approx(3 + gap[20], abs=1e-12)
    for k, record in enumerate(records):
        assert record.iteration == k
        assert record.loss == pytest.approx(gap[k] ** 2 / 2, abs=1e-12)
        assert record.grad_norm == pytest.approx(abs(gap[k]), abs=1e-12)


def test_adam_reaches_the_minimum_of_a_quadratic():
    model = Scalar(1.0)
    run(model, 400, pull(3.0), itertools.repeat(torch.zeros(4, 1)), torch.optim.Adam(model.parameters(), 0.05))
    assert model.theta.item() == pytest.approx(3, abs=1e-3)


def test_a_record_comes_after_its_update_and_its_average():
    model, before = Scalar(1.0), 1.0
    ema = ScheduledEMA(model, lambda k: 0.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    records = fit(model, pull(3.0), itertools.repeat(torch.zeros(4, 1)), optimizer, ema=ema)
    for record in itertools.islice(records, 3):
        assert model.theta.item() == pytest.approx(before - 0.1 * (before - 3))
        assert record.loss == pytest.approx((before - 3) ** 2 / 2)
        assert ema.model.theta.item() == model.theta.item()
        before = model.theta.item()


def test_loss_may_be_a_lambda_and_sees_the_iterations_from_start():
    seen = []
    records = run(Scalar(), 3, lambda m, x0, k, g: seen.append(k) or m(x0).square().sum(1) + 1, start=5)
    assert seen == [5, 6, 7] == [r.iteration for r in records]


def test_clip_scales_the_update_and_reports_the_norm_before():
    model = Scalar(1.0)
    head = nn.Parameter(torch.tensor([1.0]))  # a parameter of the loss itself
    optimizer = torch.optim.SGD([{"params": model.parameters()}, {"params": [head]}], lr=1.0)
    [record] = run(model, 1, lambda m, x0, k, g: 3 * m(x0)[:, 0] + 4 * head, [torch.zeros(4, 1)], optimizer, clip=0.5)
    assert record.grad_norm == pytest.approx(5)  # of both groups together: √(3² + 4²)
    assert model.theta.item() == pytest.approx(1 - 0.5 * 3 / 5)
    assert head.item() == pytest.approx(1 - 0.5 * 4 / 5)


def test_clip_leaves_small_gradients_alone():
    plain, clipped = dropout_net(), dropout_net()
    assert run(plain, 3) == run(clipped, 3, clip=1e9)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), clipped.parameters(), strict=True))


def test_learning_rate_is_that_of_the_iteration_for_every_group():
    model = Scalar(0.0)
    other = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([{"params": model.parameters()}, {"params": [other], "lr": 9.0}], lr=9.0)
    data = itertools.repeat(torch.zeros(4, 1))
    run(model, 3, lambda m, x0, k, g: m(x0)[:, 0] + other, data, optimizer, lr=lambda k: 10.0**-k, start=2)
    assert model.theta.item() == other.item() == pytest.approx(-(1e-2 + 1e-3 + 1e-4))


def test_train_mode_at_start_and_after_the_caller_evaluates():
    model, modes = dropout_net().eval(), []

    def loss(m, x0, k, g):
        modes.append(m.training and m[2].training)
        return noisy_loss(m, x0, k, g)

    for _ in itertools.islice(fit(model, loss, batches(), torch.optim.Adam(model.parameters())), 3):
        model.eval()
    assert modes == [True] * 3


# --- randomness


def test_run_is_a_function_of_its_seed_and_not_of_global_randomness():
    first, second, third = dropout_net(), dropout_net(), dropout_net()
    records = run(first, 4, seed=3)
    torch.manual_seed(12345)
    assert run(second, 4, seed=3) == records
    assert run(third, 4, seed=4) != records


def test_global_generators_are_as_they_were():
    model = dropout_net()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    records = fit(model, noisy_loss, batches(), torch.optim.Adam(model.parameters()))
    for _, number in zip(range(3), expected, strict=True):  # the caller draws between updates
        next(records)
        assert torch.rand(()) == number


def test_global_generators_are_as_they_were_after_an_error():
    def loss(model, x0, iteration, generator):
        torch.rand(3)
        raise RuntimeError("of the loss")

    state = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="of the loss"):
        run(Scalar(), 1, loss)
    assert torch.equal(torch.get_rng_state(), state)


def test_batches_may_draw_from_the_global_generator():
    def shuffled():
        while True:
            yield torch.randn(8, 2)

    torch.manual_seed(5)
    records = run(dropout_net(), 3, data=shuffled())
    assert len({r.loss for r in records}) == 3
    torch.manual_seed(5)
    torch.randn(3, 8, 2)
    state = torch.get_rng_state()
    torch.manual_seed(5)
    net = dropout_net()
    torch.manual_seed(5)
    run(net, 3, data=shuffled())
    assert torch.equal(torch.get_rng_state(), state)


def test_noise_and_dropout_are_different_streams():
    """From one seed, the draws of loss and dropout would be the same numbers."""
    pairs = []

    def loss(model, x0, iteration, generator):
        pairs.append((torch.rand(1000, generator=generator), torch.rand(1000)))
        return model(x0).square().sum(1)

    run(Scalar(), 5, loss)
    noise, dropout = (torch.cat(draws) for draws in zip(*pairs, strict=True))
    assert torch.corrcoef(torch.stack([noise, dropout]))[0, 1].abs() < 4 / math.sqrt(5000)
    assert len(noise.unique()) == len(dropout.unique()) == 5000  # and the iterations differ too


def test_fold_gives_seeds_that_do_not_collide():
    seeds = {fold(seed, k) for seed in range(-2, 50) for k in range(200)}
    assert len(seeds) == 52 * 200
    assert all(0 <= s < 2**63 for s in seeds)
    assert fold(1, 0) != fold(0, 1)
    assert fold(3) != fold(3, 0) != fold(3, 0, 0)


def test_fold_uses_every_bit_of_a_seed():
    """The CPU generator looks at the low 32 bits only, so both numbers must reach all of them."""
    changed = torch.zeros(63)
    for k in range(200):
        for other in (fold(0, k + 1), fold(1, k)):
            changed += torch.tensor([(fold(0, k) ^ other) >> bit & 1 for bit in range(63)])
    assert (changed / 400 - 0.5).abs().max() < 5 * 0.5 / math.sqrt(400)


# --- conditions and parts


class Given(nn.Module):
    """θ plus the condition."""

    def __init__(self, model, condition):
        super().__init__()
        self.model, self.condition = model, condition

    def forward(self, x):
        return self.model(x) + self.condition[:, None]


class Conditional(Scalar):
    def given(self, condition):
        return Given(self, condition)


def test_a_condition_reaches_the_model():
    """The minimum of mean (θ + c − 3)²/2 is θ = 3 − mean c."""
    model = Conditional(0.0)
    batch = (torch.zeros(4, 1), torch.tensor([1.0, 2.0, 3.0, 6.0]))
    run(model, 1, pull(3.0), itertools.repeat(batch), torch.optim.SGD(model.parameters(), lr=1.0))
    assert model.theta.item() == pytest.approx(3 - 12 / 4)


def test_a_loss_with_given_sees_the_condition_too():
    class Distillation:
        def given(self, condition):
            return lambda model, x0, iteration, generator: (model(x0)[:, 0] - 10 * condition).square() / 2

    model = Conditional(0.0)
    batch = (torch.zeros(2, 1), torch.tensor([1.0, 3.0]))
    run(model, 1, Distillation(), [batch], torch.optim.SGD(model.parameters(), lr=1.0))
    assert model.theta.item() == pytest.approx(10 * 2 - 2)


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        (
            (torch.zeros(4, 2), torch.zeros(3)),
            r"conditions of shape \(4, \.\.\.\), one for each sample of x0, got \(3,\)",
        ),
        ((torch.zeros(4, 2), 7), "got int"),
        ((None, torch.zeros(4)), "got NoneType as x0"),
        ((), "got tuple as x0"),
    ],
)
def test_wrong_conditions_are_refused(batch, text):
    with pytest.raises(ValueError, match=text):
        run(Conditional(), 1, data=[batch])


def test_parts_make_one_update_with_the_mean_of_their_gradients():
    """Of dropout and noise too: part j draws from the seed of part j, wherever it is made."""
    data = list(itertools.islice(batches(), 6))
    net = dropout_net()
    gradients, norms = [], []
    for part in range(3):
        one = dropout_net()
        [record] = run(one, 1, data=[data[part]], seed=part_seed(5, part), start=2)
        gradients.append([p.grad for p in one.parameters()])
        norms.append(record)
    [record] = run(net, 1, data=data[:3], seed=5, start=2, parts=range(3))
    for p, *terms in zip(net.parameters(), *gradients, strict=True):
        assert torch.allclose(p.grad, sum(terms) / 3, rtol=1e-12, atol=1e-15)
    assert record.loss == pytest.approx(sum(r.loss for r in norms) / 3)
    assert record.iteration == 2
    assert len({r.loss for r in norms}) == 3


def test_parts_of_another_process_have_their_own_noise():
    data = [torch.zeros(8, 2)] * 4
    losses = [run(dropout_net(), 1, data=data, parts=parts)[0].loss for parts in (range(2), range(2, 4), range(1))]
    assert len(set(losses)) == 3
    assert run(dropout_net(), 1, data=data)[0].loss == losses[2]  # part 0 is the whole of a run without parts


def test_a_rest_of_parts_makes_no_update():
    model = dropout_net()
    assert len(run(model, 9, data=list(itertools.islice(batches(), 5)), parts=range(2))) == 2


def test_no_parts_are_refused_at_the_call():
    model = Scalar()
    with pytest.raises(ValueError, match="at least one part"):
        fit(model, noisy_loss, [], torch.optim.SGD(model.parameters()), parts=range(0))


# --- what stops a run


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_bad_loss_stops_before_the_update(bad):
    model = dropout_net()
    ema, optimizer = EMA(model), torch.optim.Adam(model.parameters())
    records = fit(
        model,
        lambda m, x0, k, g: noisy_loss(m, x0, k, g) * (bad if k == 13 else 1),
        batches(),
        optimizer,
        ema=ema,
        start=11,
    )
    assert [next(records).iteration, next(records).iteration] == [11, 12]
    weights = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(FloatingPointError, match="iteration 13"):
        next(records)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters(), strict=True))
    assert ema.updates == 2
    assert all(state["step"] == 2 for state in optimizer.state.values())


@pytest.mark.parametrize("clip", [1.0, math.inf])
def test_bad_gradient_of_a_finite_loss_stops_too(clip):
    model = Scalar(0.0)
    with pytest.raises(FloatingPointError, match="iteration 0"):
        run(model, 1, lambda m, x0, k, g: m(x0).abs().sqrt().sum(1), clip=clip)  # 0^(-1/2)
    assert model.theta.item() == 0


def test_nan_in_the_data_is_named_with_its_iteration():
    data = [torch.zeros(4, 2), torch.full((4, 2), math.nan)]
    with pytest.raises(FloatingPointError, match="iteration 1"):
        run(dropout_net(), 2, data=iter(data))


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (lambda m, x0, k, g: m(x0).square().sum(), r"\(8,\), one number per sample, got \(\)"),
        (lambda m, x0, k, g: m(x0).square(), r"\(8,\).* got \(8, 2\)"),
        (lambda m, x0, k, g: m(x0).square().sum(1, keepdim=True), r"\(8,\).* got \(8, 1\)"),
        (lambda m, x0, k, g: 1.0, r"\(8,\).* got float"),
        (lambda m, x0, k, g: x0.square().sum(1), "without a gradient"),
        (lambda m, x0, k, g: x0.sum(1) * nn.Parameter(torch.ones(())), "none of them"),
    ],
)
def test_wrong_losses_are_refused(loss, text):
    model = Scalar(1.0)
    with pytest.raises(ValueError, match=text) as error:
        run(model, 1, loss)
    assert "\n" not in str(error.value)
    assert model.theta.item() == 1


@pytest.mark.parametrize("batch", [[[0.0, 0.0]], None, torch.zeros(()), torch.zeros(4), torch.zeros(0, 2)])
def test_wrong_batches_are_refused(batch):
    with pytest.raises(ValueError, match=r"expected batches of .*\(B, \*S\)"):
        run(dropout_net(), 1, data=[batch])


@pytest.mark.parametrize("clip", [0.0, -1.0, math.nan])
def test_wrong_clip_is_refused_at_the_call(clip):
    model = Scalar()
    with pytest.raises(ValueError, match="clip > 0"):
        fit(model, noisy_loss, [], torch.optim.SGD(model.parameters()), clip=clip)


# --- averages


def averaged(ema, model, values):
    for value in values:
        model.theta.data.fill_(value)
        ema.update(model)
    return ema.model.theta.item()


def test_ema_of_a_constant_has_forgotten_the_start_by_the_product_of_its_decays():
    """Π_{n=1}^N (1 + n)/(10 + n) = (N + 1)! 10!/(N + 10)!, until the warm-up reaches the decay."""
    model = Scalar(0.0)
    ema = EMA(model, 0.9)
    n = 80  # (1 + n)/(10 + n) reaches .9 at 80
    start = math.exp(math.lgamma(n + 2) + math.lgamma(11) - math.lgamma(n + 11))
    assert 1 - averaged(ema, model, [1.0] * n) == pytest.approx(start, rel=1e-3)
    model = Scalar(0.0)
    assert 1 - averaged(EMA(model, 0.9), model, [1.0] * 3) == pytest.approx(2 * 3 * 4 / (11 * 12 * 13), abs=1e-14)


def test_ema_after_warm_up_decays_geometrically():
    model = Scalar(0.0)
    ema = EMA(model, 0.5)  # warm over from n = 8 on
    before = 1 - averaged(ema, model, [1.0] * 8)
    assert 1 - averaged(ema, model, [1.0] * 20) == pytest.approx(before * 0.5**20, rel=1e-6)


def test_scheduled_ema_reads_its_decay_at_the_iteration():
    model = Scalar(0.0)
    decays = [0.5, 0.25, 0.75]
    assert averaged(ScheduledEMA(model, decays.__getitem__), model, [1.0, 1.0, 1.0]) == pytest.approx(1 - 0.09375)


@pytest.mark.parametrize("sigma_rel", [0.05, 0.1, 0.25])
def test_power_ema_is_the_weighted_mean_of_its_profile(sigma_rel):
    """Of θ_i = i: Σ i (i^g − (i−1)^g)/n^g, g = γ + 1; the profile's own mean and width follow for large n."""
    model = Scalar(1e6)  # the start must not count
    ema, n = PowerEMA(model, sigma_rel), 2000
    mean = averaged(ema, model, range(1, n + 1))
    g = ema.gamma + 1
    weights = [(i / n) ** g - ((i - 1) / n) ** g for i in range(1, n + 1)]
    assert mean == pytest.approx(sum(i * w for i, w in enumerate(weights, 1)), rel=1e-10)
    assert mean / n == pytest.approx(g / (g + 1), abs=1 / n)
    square = sum(i**2 * w for i, w in enumerate(weights, 1))
    assert math.sqrt(square - mean**2) / n == pytest.approx(sigma_rel, rel=2e-3)


def test_power_of_the_paper():
    gamma = {sigma_rel: PowerEMA(Scalar(), sigma_rel).gamma for sigma_rel in (0.05, 0.1)}
    assert gamma == {0.05: pytest.approx(16.97, abs=5e-3), 0.1: pytest.approx(6.94, abs=5e-3)}


@given(gamma=st.floats(0.01, 200))
def test_power_is_the_inverse_of_its_width(gamma):
    sigma_rel = (gamma + 1) ** 0.5 / (gamma + 2) / (gamma + 3) ** 0.5
    assert PowerEMA(Scalar(), sigma_rel).gamma == pytest.approx(gamma, rel=1e-6)


@pytest.mark.parametrize("make", [EMA, PowerEMA], ids=["ema", "power"])
def test_average_copies_buffers_stays_in_eval_and_apart(make):
    model = nn.Sequential(Scalar(1.0), nn.Dropout(0.5), nn.BatchNorm1d(1)).train()
    average = make(model)
    model[0].count += 3
    model[2].running_mean.fill_(7)
    model(torch.zeros(4, 1)).sum().backward()
    average.update(model)
    assert average.model[0].count == 3
    assert average.model[2].running_mean == model[2].running_mean
    assert not any(m.training for m in average.model.modules())
    assert all(m.training for m in model.modules())
    assert not any(p.requires_grad for p in average.model.parameters())
    assert model[0].theta.item() == 1 and model[0].theta.requires_grad


def test_tied_parameters_are_averaged_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    with torch.no_grad():
        model[0].weight.fill_(0)
        average = ScheduledEMA(model, lambda k: 0.75)
        model[0].weight.fill_(1)
    average.update(model)
    assert average.model[1].weight is average.model[0].weight
    assert torch.allclose(average.model[0].weight, torch.full((2, 2), 0.25))


@pytest.mark.parametrize("make", [EMA, PowerEMA])
def test_average_goes_on_from_its_state(make):
    model, again = Scalar(0.0), Scalar(55.0)
    whole = averaged(make(model), model, [1.0, 5.0, 2.0, 8.0])
    first = make(Scalar(0.0))
    averaged(first, model, [1.0, 5.0])
    second = make(again)
    held = second.model
    second.load_state_dict(first.state_dict())
    assert averaged(second, again, [2.0, 8.0]) == whole
    assert second.model is held


@pytest.mark.parametrize("decay", [1.0, -0.1, math.nan])
def test_wrong_decays_are_refused(decay):
    with pytest.raises(ValueError, match="0 <= decay < 1"):
        EMA(Scalar(), decay)


@pytest.mark.parametrize("sigma_rel", [0.0, 0.3, math.nan])
def test_wrong_widths_are_refused(sigma_rel):
    with pytest.raises(ValueError, match="sigma_rel < 0.2887"):
        PowerEMA(Scalar(), sigma_rel)


# --- learning rates


def test_linear_decay_has_three_straight_phases():
    rate = warmup_linear_decay(2.0, total=100, warmup=9, decay_from=50)
    assert [rate(k) for k in (0, 4, 9, 30, 50)] == pytest.approx([0.2, 1.0, 2.0, 2.0, 2.0])
    assert [rate(k) for k in (75, 99, 100, 1000)] == pytest.approx([1.0, 2 / 50, 0, 0])


@given(total=st.integers(1, 200), cuts=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)))
def test_learning_rates_are_positive_bounded_and_rise_once(total, cuts):
    warmup, decay_from = sorted(int(total * c) for c in cuts)
    rate = warmup_linear_decay(1.0, total=total, warmup=warmup, decay_from=decay_from)
    rates = [rate(k) for k in range(total)]
    assert max(rates) == rates[warmup] == 1
    assert min(rates) > 0
    assert rates[: warmup + 1] == sorted(rates[: warmup + 1])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert rates == [rate(k) for k in range(total)]


@pytest.mark.parametrize("phases", [(10, 10, 10), (5, 3, 2), (10, -1, 5)])
def test_wrong_phases_are_refused(phases):
    total, warmup, decay_from = phases
    with pytest.raises(ValueError, match="0 <= warmup <= decay_from < total"):
        warmup_linear_decay(1.0, total=total, warmup=warmup, decay_from=decay_from)


class Heard(nn.Module):
    """A network that keeps the labels it was told."""

    def __init__(self):
        super().__init__()
        self.seen, self.shift = [], nn.Parameter(torch.zeros(()))

    def forward(self, u, c, label=None):
        self.seen.append(label)
        return u * 0 + self.shift


@pytest.mark.parametrize("kind", ["cd", "vsd", "summed"])
def test_every_model_of_a_loss_is_told_the_label(kind):
    """Without it, a network takes a missing label for "no label" and teaches what it was never trained for."""
    path = TrigFlow()
    student, teacher, fake = models = [Preconditioned(Heard(), TrigFlowScaling()) for _ in range(3)]
    loss = cd(path, teacher)
    if kind != "cd":
        critic = torch.optim.SGD(fake.parameters(), 0.1)
        loss = vsd(path, log_normal(-1.2, 1.2), teacher, fake, critic)
    if kind == "summed":
        loss = summed((0.5, cd(path, teacher)), (0.5, loss))
    x0, label = torch.randn(8, 2), torch.arange(8)
    next(fit(student, loss, [(x0, label)], torch.optim.SGD(student.parameters(), 0.1)))
    for model in models[: 2 if kind == "cd" else 3]:
        assert model.network.seen and all(torch.equal(seen, label) for seen in model.network.seen)
    assert kind == "cd" or fake.network.shift != 0  # the critic that was told is the one that learns
    plain = lambda model, x0, iteration, generator: x0.sum(1)  # noqa: E731
    assert conditioned(plain, label) is plain


def test_progress_hands_on_the_records_and_shows_the_smoothed_loss(capsys):
    records = [Record(k, loss, 1.0) for k, loss in enumerate([4.0, 2.0, 2.0, 9.0])]
    taken = iter(records)
    assert list(progress(taken, 3, "teacher")) == records[:3]
    assert next(taken) == records[3]  # it did not ask for one more
    shown = capsys.readouterr().err
    assert "teacher" in shown and "3/3" in shown and f"loss {0.98 * 3.96 + 0.04:.4f}" in shown


def test_progress_says_at_once_what_is_wrong_and_leaves_what_is_done():
    with pytest.raises(ValueError, match="total"):
        progress([], 0)
    taken = iter([Record(k, 1.0, 1.0) for k in range(5)])
    for record in progress(taken, 5):
        if record.iteration == 1:
            break
    assert next(taken).iteration == 2
