"""The arena: its contenders cost what they claim, its stages hand on the average, its words follow from numbers."""

import json
import math
import sys
import types

import numpy as np
import pytest
import torch

from benchmarks import arena, failures, quality
from benchmarks.peers import flows
from minicm.data import digit_images, eight_gaussians, eight_gaussians_mixture, moons
from minicm.evaluation import Quality, Yardstick
from minicm.lab.recipes import plane
from minicm.lab.recipes import rivals as c
from minicm.lab.recipes.plane import PATH, Chain, diffusion_run, new_model, stable_diffusion_run
from minicm.nets import UNet
from minicm.precond import Preconditioned, TrigFlowScaling
from minicm.rivals import FlowMap, drawn_pairs, to_data
from minicm.sampling import consistency_sample
from minicm.solvers import ddim_step, integrate, probability_flow
from minicm.times import scale_grid


@pytest.fixture(autouse=True)
def float32():
    """As in use."""
    torch.set_default_dtype(torch.float32)


def few_pairs(teacher, *, event=(2,), count=64, steps=3, kept=2, seed=0):
    noise = PATH.prior((count, *event), torch.Generator().manual_seed(seed))
    times = torch.tensor([PATH.t_max, 1.0], dtype=torch.float64)
    return drawn_pairs(torch.stack([noise, noise / 2]), times, noise / 3)


def count_calls(model):
    """A list that grows with every call of a network inside the model."""
    calls = []
    for network in {m.network for m in model.modules() if hasattr(m, "network")}:
        network._forward_hooks.clear()
        network.register_forward_hook(lambda *arguments: calls.append(1))
    return calls


@pytest.mark.parametrize("name", arena.OURS)
def test_a_method_calls_its_network_as_often_as_its_row_says(name, monkeypatch):
    monkeypatch.setattr(c, "teacher_pairs", few_pairs)
    method = arena.METHODS[name]
    model = method.prepare(eight_gaussians, new_model(0), 0)(12).train()
    noise = PATH.prior((16, 2), torch.Generator().manual_seed(0))
    for evaluations in (1, 2, 4):
        calls = count_calls(model)
        x = method.draw(model, noise, evaluations, torch.Generator().manual_seed(0))
        assert len(calls) == evaluations and x.shape == noise.shape and x.isfinite().all()
        assert torch.equal(x, method.draw(model, noise, evaluations, torch.Generator().manual_seed(0)))


def digits(n, generator):
    x, _ = digit_images()
    return x[torch.randint(len(x), (n,), generator=generator)]


@pytest.mark.parametrize("name", [name for name, method in arena.OURS.items() if method.from_teacher])
def test_a_method_trains_on_pictures_with_the_same_code(name, monkeypatch):
    """The loss of points moves a small U-Net on digits, and its sampler draws pictures."""
    monkeypatch.setattr(c, "teacher_pairs", few_pairs)
    start = Preconditioned(UNet(1, width=8, multipliers=(1,), blocks=1), TrigFlowScaling())
    with torch.no_grad():
        start.network.last.weight.normal_(std=0.05)  # a new network answers almost nothing
    run = arena.METHODS[name].prepare(digits, start, 0)(6)
    run = run.stages[-1](run.start) if isinstance(run, Chain) else run
    run.batch_size, before = 16, [p.clone() for p in run.model.parameters()]
    losses = [record.loss for record in run.records()]
    assert all(math.isfinite(loss) for loss in losses)
    moved = sum((p - q).abs().sum().item() for p, q in zip(run.model.parameters(), before, strict=True))
    assert moved > 0.1
    noise = PATH.prior((2, 1, 8, 8), torch.Generator().manual_seed(0))
    if name not in ("progressive", "tcm"):  # those draw with several models
        x = arena.METHODS[name].draw(run.average.model, noise, 2, torch.Generator().manual_seed(0))
        assert x.shape == noise.shape and x.isfinite().all()


def test_a_flow_map_starts_as_the_teachers_ddim_steps():
    teacher, noise = new_model(3), PATH.prior((16, 2), torch.Generator().manual_seed(0))
    times = torch.tensor([*c.LEVELS[4], PATH.t_min], dtype=torch.float64)
    by_teacher = integrate(probability_flow(teacher, PATH), noise, times, ddim_step(PATH))
    flow = c.flow_map(teacher)
    torch.testing.assert_close(c.by_jumps(flow, noise, 4, torch.Generator()), by_teacher, rtol=1e-4, atol=1e-4)
    assert isinstance(flow, FlowMap) and all(p.requires_grad for p in flow.parameters())


def test_restarts_are_consistency_sampling_with_the_jump_to_data():
    flow, noise = c.flow_map(new_model(3)), PATH.prior((64, 2), torch.Generator().manual_seed(0))
    drawn = [torch.Generator().manual_seed(1) for _ in range(2)]
    expected = consistency_sample(to_data(flow, PATH), noise, c.LEVELS[4], PATH, drawn[0])
    torch.testing.assert_close(c.by_restarts(flow, noise, 4, drawn[1]), expected, rtol=0, atol=0.01)  # t_min is not 0


def test_vsd_asks_the_student_about_pure_noise_alone_and_dmd_about_every_level():
    def asked(run):
        times, draws = [], torch.Generator().manual_seed(0)
        net = new_model(0)

        def student(x, t):
            times.append(t)
            return net(x, t)

        run.loss(student, moons(256, draws), 0, draws)
        return torch.cat(times).unique().tolist()

    assert asked(c.vsd_run(moons, new_model(1), 10)) == [PATH.t_max]
    few = c.dmd_run(moons, new_model(1), drawn_pairs(*few_ends()), 10)
    assert asked(few) == pytest.approx(sorted({*c.GENERATOR_LEVELS.tolist()}))


def few_ends():
    """A table of one noise level."""
    return torch.zeros(1, 4, 2), torch.tensor([PATH.t_max], dtype=torch.float64), torch.zeros(4, 2)


def test_a_method_has_rows_for_the_evaluations_that_it_is_made_for(monkeypatch):
    monkeypatch.setattr(arena, "trained", lambda *a: (new_model(0), 1, 0.001, 1.0))
    yardstick = Yardstick(eight_gaussians, n=300, floor_pairs=1, num_projections=4)
    for name, expected in (("vsd", [1]), ("dmd", [1, 2, 4])):
        rows = arena.new_rows(name, arena.METHODS[name], "g8", yardstick, 1.0, 0)
        assert [row["evaluations"] for row in rows] == expected


def test_the_stages_of_a_chain_start_from_the_average_before_them():
    given = []

    def stage(before):
        given.append(before)
        return diffusion_run(moons, 3)

    start = new_model(0)
    chain = Chain(start, [stage, stage])
    records = [r.iteration for r in chain.records()]
    assert records == [0, 1, 2, 0, 1, 2] and given[0] is start and given[1] is chain.models[1]
    assert not given[1].training and len(chain.models) == 3


def test_progressive_stages_halve_and_the_last_two_are_twice_as_long():
    chain = c.progressive_run(moons, new_model(0), 70, halvings=5)
    runs = [stage(new_model(0)) for stage in chain.stages]
    assert [run.iterations for run in runs] == [10, 10, 10, 20, 20]
    assert [(len(run.loss.times) - 1) // 2 for run in runs] == [16, 8, 4, 2, 1]
    grid = PATH.time_at(scale_grid(32)).clamp(PATH.t_min, PATH.t_max)
    assert all(run.loss.times[0] == grid[0] and run.loss.times[-1] == grid[-1] for run in runs)


def test_ddim_with_the_ladder_takes_the_student_of_as_many_steps():
    models = torch.nn.ModuleList(new_model(k) for k in range(6))
    noise = PATH.prior((16, 2), torch.Generator().manual_seed(0))
    grid = PATH.time_at(scale_grid(32)).clamp(PATH.t_min, PATH.t_max)
    with torch.no_grad():
        expected = integrate(probability_flow(models[4], PATH), noise, grid[[0, 16, 32]], ddim_step(PATH))
    assert torch.equal(c.by_ddim(models, noise, 2, torch.Generator()), expected)


class Always(torch.nn.Module):
    """A model with one answer."""

    def __init__(self, answer):
        super().__init__()
        self.answer = torch.nn.Parameter(torch.tensor(answer))

    def forward(self, x, t, y=None):
        return self.answer.expand(len(x), 2)


def test_the_direct_student_that_cannot_tell_two_ends_apart_takes_the_likelier_and_not_their_mean():
    ends = torch.tensor([[2.0, 0.0]] * 6 + [[-2.0, 0.0]] * 4)

    def pairs(n, generator):
        assert n % len(ends) == 0
        return torch.zeros(n, 2), torch.full((n,), PATH.t_max), ends.repeat(n // len(ends), 1)

    def loss(answer):
        run = c.direct_run(eight_gaussians, Always(answer), pairs, 10)
        return run.loss(run.model, torch.zeros(20, 2), 0, torch.Generator()).mean().item()

    assert loss([2.0, 0.0]) < loss([0.4, 0.0]) < loss([-2.0, 0.0])


def test_pairs_of_a_teacher_start_at_the_prior_and_end_where_heun_ends():
    teacher = new_model(0)
    x, t, end = c.teacher_pairs(teacher, count=200, steps=6, kept=4)(500, torch.Generator().manual_seed(0))
    first = t == PATH.t_max
    assert 0.4 < first.float().mean() < 0.6 and len(t.unique()) == 4
    assert x[first].std().item() == pytest.approx(0.5, rel=0.1)
    times = PATH.time_at(scale_grid(6)).clamp(PATH.t_min, PATH.t_max)
    with torch.no_grad():
        y = integrate(probability_flow(teacher, PATH), x[first], times)
        torch.testing.assert_close(end[first], teacher(y, times[-1].expand(len(y))), rtol=1e-4, atol=1e-4)


def test_coarse_pairs_end_where_the_exact_ode_ends():
    denoise = eight_gaussians_mixture().denoiser(PATH)
    x, t, end = c.coarse_pairs(denoise, eight_gaussians, count=300)(300, torch.Generator().manual_seed(0))
    first = t == PATH.t_max
    fine = integrate(probability_flow(denoise, PATH), x[first], PATH.time_at(scale_grid(100)))
    assert (fine - end[first]).norm(dim=1).median() < 0.004 and len(t.unique()) == 9


def test_stable_targets_weigh_256_points_beside_the_batch():
    drawn = []

    def sampler(n, generator):
        drawn.append(n)
        return eight_gaussians(n, generator)

    assert len(list(stable_diffusion_run(sampler, 2).records())) == 2
    assert drawn == [256] * 4


def walked(lr, updates):
    """How far Adam moves 4,000 weights whose gradients are noise alone: the root mean square."""
    weights = torch.zeros(4000, requires_grad=True)
    optimizer, generator = torch.optim.Adam([weights], lr), torch.Generator().manual_seed(0)
    for _ in range(updates):
        weights.grad = torch.empty(4000).normal_(generator=generator)
        optimizer.step()
    return weights.square().mean().sqrt().item()


def test_a_longer_run_from_scratch_spreads_its_weights_no_further(monkeypatch):
    """Four times the updates at the same rate go about twice as far; at the rate of the recipe as far as before."""
    monkeypatch.setattr(plane, "SHORT", 100)
    rates = [run(eight_gaussians, n).lr for run in (plane.ect_run, plane.ict_run) for n in (50, 100, 400)]
    assert rates == pytest.approx(2 * [2e-3, 2e-3, 1e-3])
    short, same, kept = walked(2e-3, 100), walked(2e-3, 400), walked(rates[2], 400)
    assert same > 1.7 * short and kept == pytest.approx(short, rel=0.15)


def straight_line(model, x0, iteration, generator):
    """Flow matching from noise at 0 to data at 1, as the peers have it."""
    noise, t = torch.empty_like(x0).normal_(generator=generator), torch.rand(len(x0), generator=generator)
    x = noise + t[:, None] * (x0 - noise)
    return (model(x, t) - (x0 - noise)).square().mean(1)


def test_euler_steps_of_a_peer_follow_its_field_from_unit_noise():
    center = torch.tensor([0.3, -0.2])
    noise = PATH.prior((4000, 2), torch.Generator().manual_seed(0))

    def exact(x, t):  # all data at one point
        return (center - x) / (1 - t[:, None])

    for n in (1, 2, 4):
        torch.testing.assert_close(flows.by_euler(exact, noise, n, torch.Generator()), center.expand(4000, 2))
    start = flows.by_euler(lambda x, t: torch.zeros_like(x), noise, 1, torch.Generator())
    moved = flows.by_euler(lambda x, t: torch.ones_like(x), noise, 4, torch.Generator())
    torch.testing.assert_close(moved - start, torch.ones(4000, 2))
    still = flows.by_euler(lambda x, t: torch.zeros_like(x), noise, 4, torch.Generator())
    assert still.std().item() == pytest.approx(1.0, rel=0.03)


def test_a_peer_runs_from_scratch_and_its_loss_falls(monkeypatch):
    method = arena.peer(flows._made(straight_line))
    losses = [record.loss for record in method.prepare(moons, None, 0)(150).records()]
    assert not method.from_teacher and sum(losses[-30:]) < 0.7 * sum(losses[:10]) * 3


def test_peers_that_cannot_be_imported_are_left_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchcfm", None)
    monkeypatch.setitem(sys.modules, "flow_matching", None)
    monkeypatch.setitem(sys.modules, "flow_matching.path", None)
    monkeypatch.setitem(sys.modules, "torchcfm.conditional_flow_matching", None)
    assert flows.peers() == {}


def test_the_pairs_of_torchcfm_obey_our_seed_and_leave_numpys_generator_alone(monkeypatch):
    """What torchcfm draws comes from NumPy's global generator: the same for one seed, which stays as it was."""

    class Matcher:
        def __init__(self, sigma):
            pass

        def sample_location_and_conditional_flow(self, noise, x0, t):
            order = np.random.choice(len(x0), len(x0))  # with replacement, as theirs
            assert t.shape == (len(x0),)
            return t, noise[order], x0[order]

    module = types.SimpleNamespace(ExactOptimalTransportConditionalFlowMatcher=Matcher)
    monkeypatch.setitem(sys.modules, "torchcfm", types.SimpleNamespace(conditional_flow_matching=module))
    monkeypatch.setitem(sys.modules, "torchcfm.conditional_flow_matching", module)
    loss, x0 = flows.ot_cfm(), torch.arange(512.0).reshape(256, 2)
    np.random.seed(5)
    expected = np.random.rand()

    def drawn(seed):
        np.random.seed(5)
        return loss(lambda x, t: x, x0, 0, torch.Generator().manual_seed(seed))

    assert torch.equal(drawn(1), drawn(1)) and not torch.equal(drawn(1), drawn(2))
    assert np.random.rand() == expected


def test_torchcfm_itself_repeats_and_uses_63_percent_of_a_batch():
    """Where it is installed."""
    pytest.importorskip("torchcfm")
    loss, x0 = flows.ot_cfm(), eight_gaussians(256, torch.Generator().manual_seed(0))
    seen = []

    def model(x, t):
        seen.append(x)
        return torch.zeros_like(x)

    first, again = (loss(model, x0, 0, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, again) and torch.equal(*seen)
    assert 0.5 < len(first.unique()) / 256 < 0.76  # |v|² of the pairs, each with its own


# ---- budgets


class Paced:
    """A run whose updates cost what a function of the update says, on a clock of ours."""

    def __init__(self, updates, clock, cost):
        self.updates, self.clock, self.cost = updates, clock, cost

    def records(self):
        for k in range(self.updates):
            self.clock[0] += self.cost(k)
            yield k

    def result(self):
        return self.updates


@pytest.mark.parametrize(
    ("dear", "within_share"),
    [
        (lambda k: 0.01, 0.01),
        (lambda k: 0.01 if k < 400 else 0.02, 0.1),  # twice as much as the trials said
        (lambda k: 0.02 if k < 150 else 0.01, 0.1),  # half as much
        (lambda k: 0.01 if k < 3000 else 0.02, 0.1),  # it slows down later: stopped
    ],
)
def test_a_run_ends_within_a_tenth_of_its_budget_by_the_clock(dear, within_share, monkeypatch):
    """Whatever the trials said, and the number of updates is that of those made."""
    clock, total = [0.0], [0]

    def cost(k):
        total[0] += 1
        return dear(total[0])

    monkeypatch.setattr(arena.time, "process_time", lambda: clock[0])
    monkeypatch.setattr("minicm.lab.recipes.plane.time.process_time", lambda: clock[0])
    _, done, seconds = arena.within(lambda n: Paced(n, clock, cost), 60.0)
    assert clock[0] == pytest.approx(60.0, rel=within_share)
    assert done * seconds <= 66 and done <= total[0]


def test_the_result_of_a_run_or_chain_that_was_stopped_is_the_average_so_far():
    run = diffusion_run(moons, 10)
    before = [p.clone() for p in run.average.model.parameters()]
    for record in run.records():
        if record.iteration == 3:
            break
    assert run.result() is run.average.model
    assert not all(torch.equal(a, b) for a, b in zip(before, run.result().parameters(), strict=True))
    chain = Chain(new_model(0), [lambda before: diffusion_run(moons, 3)] * 2)
    for number, _ in enumerate(chain.records()):
        if number == 4:
            break
    assert len(chain.result()) == 3 and chain.result()[2] is chain.models[2]


# ---- the failure column


@pytest.mark.parametrize(
    ("off", "missed", "width", "word"),
    [
        (0.01, 0.01, 1.0, "none"),
        (0.2, 0.02, 1.0, "bridges"),
        (0.8, 0.02, 0.9, "blob"),
        (0.9, 0.9, 0.1, "collapse"),
        (0.02, 0.7, 0.9, "collapse"),
        (0.02, 0.2, 1.0, "gaps"),
    ],
)
def test_a_failure_is_named_by_the_rule(off, missed, width, word):
    assert failures.named(off, missed, width) == word


def test_known_failures_are_called_by_their_names():
    g = torch.Generator().manual_seed(0)
    truth, again = eight_gaussians(4000, g), eight_gaussians(2000, g)
    found = failures.failure(again, truth, 2000)
    assert found["failure"] == "none" and found["off"] < 0.03 and found["missed"] < 0.03
    named = lambda x: failures.failure(x, truth, 2000)["failure"]  # noqa: E731
    assert named(0.5 * torch.randn(2000, 2, generator=g)) == "blob"
    assert named(0.02 * torch.randn(2000, 2, generator=g)) == "collapse"
    assert named(truth[:1] + 0.03 * torch.randn(2000, 2, generator=g)) == "collapse"
    between = torch.cat([again[:1600], (again[:400] + again[400:800]) / 2])
    assert named(between) == "bridges"
    right = again[again[:, 0] > -0.4]
    assert named(right.repeat(2, 1)[:2000]) == "gaps"


def test_the_nearest_distance_is_that_of_the_nearest():
    a, b = torch.randn(700, 2), torch.randn(40, 2)
    brute = (a[:, None] - b[None]).norm(dim=2).amin(1)
    torch.testing.assert_close(failures.nearest(a, b), brute, rtol=1e-4, atol=1e-4)


# ---- the command


class Ruler:
    """Stands where a Yardstick stands, and measures nothing."""

    def __init__(self, sampler, mixture):
        self.n, self.floor = 200, "no floors"
        self.truth = sampler(200, torch.Generator().manual_seed(0))

    def measure(self, x):
        return Quality(0.1, 0.2, 0.5, x.std().item(), 1.2, far=0.01, modes=8)


def test_quality_writes_the_rows_it_always_wrote_and_the_arena_adds_to_them(tmp_path, monkeypatch):
    model = new_model(0)
    monkeypatch.setattr(arena, "trained", lambda method, sampler, seconds, seed: (model, 7, 0.002, 1.0))
    monkeypatch.setattr(arena, "Yardstick", Ruler)
    written = {}
    for program in (quality, arena):
        file = tmp_path / f"{program.__name__}.json"
        program.command(["--methods", "scd", "--data", "g8", "--seconds", "1", "--seeds", "0", "--json", str(file)])
        written[program] = json.loads(file.read_text())["rows"]
    names = ["method", "data", "seed", "seconds", "evaluations", "ed_over_floor", "sw2_over_floor", "c2st", "modes"]
    assert list(written[quality][0]) == [*names, "far", "steps"]
    assert [row["evaluations"] for row in written[quality]] == [1, 2, 4]
    assert set(written[arena][0]) - set(written[quality][0]) == {"ms_per_step", "off", "missed", "failure"}
    assert written[arena][0]["ms_per_step"] == 2 and written[arena][0]["steps"] == 7
    assert written[arena][0]["ed_over_floor"] == written[quality][0]["ed_over_floor"]


def test_the_budget_is_shared_with_the_teacher_and_the_pairs(monkeypatch):
    """What `prepare` does is taken off the student's time; a second method gets the same teacher, at its price."""
    clock, asked = [0.0], []

    def within(make, seconds):
        asked.append(seconds)
        clock[0] += seconds + 1.0  # every run takes a second more than it was given
        return new_model(0), 5, 0.1

    def prepare(sampler, teacher, seed):
        clock[0] += 3.0
        return lambda n: diffusion_run(sampler, n, seed)

    monkeypatch.setattr(arena.time, "process_time", lambda: clock[0])
    monkeypatch.setattr(arena, "within", within)
    arena.common_teacher.cache_clear()
    *_, spent = arena.trained(arena.Method(prepare), moons, 60.0, 0)
    assert asked == [pytest.approx(21.0), pytest.approx(35.0)] and spent == pytest.approx(61.0)
    *_, again = arena.trained(arena.Method(prepare), moons, 60.0, 0)
    assert asked[2:] == [pytest.approx(35.0)] and again == pytest.approx(61.0)
    *_, alone = arena.trained(arena.Method(prepare, from_teacher=False), moons, 60.0, 0)
    assert asked[3:] == [pytest.approx(57.0)] and alone == pytest.approx(61.0)
    arena.common_teacher.cache_clear()


def test_methods_of_one_seed_start_from_one_teacher_that_none_of_them_changes(monkeypatch):
    seen = []

    def prepare(sampler, teacher, seed):
        with torch.no_grad():
            seen.append(torch.cat([p.flatten().clone() for p in teacher.parameters()]))
            for p in teacher.parameters():
                p.zero_()
        return lambda n: diffusion_run(sampler, 2, seed)

    monkeypatch.setattr(arena, "within", lambda make, seconds: (make(2).train(), 2, 0.1))
    arena.common_teacher.cache_clear()
    for _ in range(2):
        arena.trained(arena.Method(prepare), moons, 5.0, 0)
    assert torch.equal(*seen) and seen[0].abs().max() > 0
    arena.common_teacher.cache_clear()


def test_the_control_alone_wants_the_set_whose_teacher_is_known():
    def asked(text):
        return arena.chosen(text.split(), "", arena.METHODS)

    with pytest.raises(ValueError, match="^expected g8 among the data of direct_exact"):
        asked("--methods direct_exact --data moons")
    assert asked("--methods direct_exact,cd --data moons").methods == ["direct_exact", "cd"]
    assert asked("--methods direct_exact --data moons,g8").data == ["moons", "g8"]


def test_rows_in_the_file_stay_and_a_run_that_diverged_says_so(tmp_path, monkeypatch):
    file = tmp_path / "rows.json"
    old = [{"method": m, "data": "g8", "seed": 0, "evaluations": 1, "steps": 3} for m in ("cd", "scd")]
    file.write_text(json.dumps({"machine": {}, "rows": old}))

    def broken(*arguments):
        raise FloatingPointError("loss is nan and its gradient norm nan at iteration 4")

    monkeypatch.setattr(arena, "trained", broken)
    monkeypatch.setattr(arena, "Yardstick", Ruler)
    arena.command(["--methods", "scd", "--data", "g8", "--seeds", "0", "--json", str(file)])
    kept, *new = json.loads(file.read_text())["rows"]
    assert kept == old[0] and [row["evaluations"] for row in new] == [1, 2, 4]
    assert all((row["method"], row["failure"], row["steps"]) == ("scd", "diverged", None) for row in new)
