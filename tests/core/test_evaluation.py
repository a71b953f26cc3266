"""Every distance against its closed form, the classifier against Bayes, the yardstick against both."""

import math

import pytest
import torch
from torch import Tensor

from minicm.data import eight_gaussians, eight_gaussians_mixture, moons, toy
from minicm.evaluation import (
    CountCalls,
    Yardstick,
    c2st,
    energy_distance,
    far_floor,
    far_fraction,
    frechet_between,
    frechet_distance,
    map_error,
    mmd,
    mode_coverage,
    noise_floor,
    sliced_wasserstein,
)
from minicm.evaluation.distances import directions, mean_distance, mean_distance_between, project
from minicm.oracles import GaussianMixture


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def quick_classifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the training, where only the other numbers or its coarse answer matter."""
    monkeypatch.setattr("minicm.evaluation.classifier._STEPS", 100)


def normal_grid(n: int) -> Tensor:
    """Quantiles of N(0, 1) at (i + ½)/n: its samples without the noise."""
    return torch.special.ndtri((torch.arange(n) + 0.5) / n)


# Sliced Wasserstein


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (2, 3)])
def test_sw2_of_a_shift_is_its_projected_length(shape):
    x, shift = torch.randn(200, *shape), torch.randn(shape)
    found = sliced_wasserstein(x, x[torch.randperm(200)] + shift, num_projections=4000, generator=seeded())
    expected = shift.norm() / math.sqrt(shift.numel())  # mean of (u·v)² over directions is |v|²/D
    assert found == pytest.approx(expected.item(), rel=1e-12 if shift.numel() < 3 else 0.05)


def test_sw2_of_two_isotropic_gaussians_is_the_difference_of_their_stds():
    x = 0.5 * torch.randn(40_000, 2)
    assert sliced_wasserstein(x, 1.6 * x) == pytest.approx(0.3, rel=0.01)
    y = 0.8 * torch.randn(40_000, 2)
    assert sliced_wasserstein(x, y) == pytest.approx(0.3, rel=0.03)


def test_w2_on_a_line_of_unequal_sets():
    # {0, 1} against {0, 1, 2}: quantiles differ by 0, 1, 0, 1 on pieces of ⅓, ⅙, ⅙, ⅓
    x, y = torch.tensor([[1.0], [0.0]]), torch.tensor([[2.0], [0.0], [1.0]])
    pieces = [(1 / 3, 0 - 0), (1 / 6, 0 - 1), (1 / 6, 1 - 1), (1 / 3, 1 - 2)]
    expected = math.sqrt(sum(width * gap**2 for width, gap in pieces))
    assert sliced_wasserstein(x, y) == pytest.approx(expected, rel=1e-12)
    assert sliced_wasserstein(y, x) == pytest.approx(expected, rel=1e-12)


def test_repeating_every_point_changes_no_distance():
    x, y = torch.randn(30, 2), torch.randn(40, 2)
    for distance in (lambda a, b: sliced_wasserstein(a, b, generator=seeded()), energy_distance, mmd):
        assert distance(x.repeat(3, 1), y) == pytest.approx(distance(x, y), rel=1e-9)


def test_sw2_in_the_plane_hardly_depends_on_the_directions():
    x, y = torch.randn(300, 2), torch.rand(300, 2)
    values = [sliced_wasserstein(x, y, generator=seeded(k)) for k in range(5)]
    assert max(values) / min(values) < 1.001


# Energy distance, MMD


def test_energy_distance_of_point_masses_and_of_equal_sets():
    x, y = torch.zeros(3, 2), torch.tensor([3.0, 4.0]).expand(5, 2)
    assert energy_distance(x, y) == pytest.approx(10.0, rel=1e-12)
    z = torch.randn(600, 2)
    assert abs(energy_distance(z, z[torch.randperm(600)])) < 1e-7
    assert energy_distance(z, z) == energy_distance(z, z.clone()) == 0  # a set that is drawn twice must be seen


def test_energy_distance_of_shifted_normals():
    """E|N(v, 2)| = 2/√π exp(−v²/4) + v erf(v/2), for any shift v; E|X − X'| is 2/√π."""
    x, v = normal_grid(2000)[:, None], 0.7
    cross = 2 / math.sqrt(math.pi) * math.exp(-(v**2) / 4) + v * math.erf(v / 2)
    assert energy_distance(x, x + v) == pytest.approx(2 * cross - 4 / math.sqrt(math.pi), rel=3e-3)


def test_energy_distance_and_mmd_between_true_sets_have_the_mean_they_state():
    n, m = 60, 90
    pairs = [(torch.randn(n, 1), torch.randn(m, 1)) for _ in range(400)]
    ed = torch.tensor([energy_distance(x, y) for x, y in pairs])
    expected = (1 / n + 1 / m) * 2 / math.sqrt(math.pi)
    assert abs(ed.mean() - expected) < 4 * ed.std() / 20
    values = torch.tensor([mmd(x, y, (0.5,)) for x, y in pairs])
    expected = (1 / n + 1 / m) * (1 - 1 / math.sqrt(1 + 2 / 0.5**2))  # E k = h/√(h² + 2) for a difference N(0, 2)
    assert abs(values.mean() - expected) < 4 * values.std() / 20


def test_distances_do_not_lose_digits_far_from_the_origin():
    x, y = torch.randn(500, 2), torch.randn(500, 2)
    for distance in (energy_distance, mmd):
        assert distance(x + 1e5, y + 1e5) == pytest.approx(distance(x, y), rel=1e-6)


def test_mmd_of_point_masses_is_the_mean_over_bandwidths():
    x, y = torch.zeros(4, 1), torch.full((6, 1), 0.1)
    expected = sum(2 - 2 * math.exp(-(0.1**2) / (2 * h**2)) for h in (0.02, 0.05, 0.15)) / 3
    assert mmd(x, y) == pytest.approx(expected, rel=1e-9)
    z = torch.randn(300, 2)
    assert abs(mmd(z, z[torch.randperm(300)])) < 1e-12
    assert mmd(z, torch.randn(300, 2)) > 0


@pytest.mark.parametrize(("dim", "tolerance"), [(1, 1e-12), (2, 3e-4), (3, 0.02)])
def test_mean_distances_from_projections_are_those_of_all_pairs(dim, tolerance):
    x, y = torch.randn(150, dim), 2 * torch.rand(230, dim)
    u = directions(dim, 128 if dim < 3 else 4000, seeded())
    a, b = project(x, u), project(y, u)
    assert mean_distance(a, dim) == pytest.approx(torch.cdist(x, x).mean().item(), rel=tolerance)
    assert mean_distance_between(a, b, dim) == pytest.approx(torch.cdist(x, y).mean().item(), rel=tolerance)


# Fréchet


def test_frechet_of_commuting_gaussians():
    m1, m2, a, b = torch.randn(5), torch.randn(5), torch.rand(5) + 0.1, torch.rand(5) + 0.1
    q = torch.linalg.qr(torch.randn(5, 5)).Q
    c1, c2 = q @ a.diag() @ q.T, q @ b.diag() @ q.T
    expected = (m1 - m2).square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected.item(), abs=1e-10)
    assert abs(frechet_distance(m1, c1, m1, c1)) < 1e-10


def test_frechet_of_gaussians_that_do_not_commute():
    """In two dimensions tr √M = √(tr M + 2 √det M) for M = C₁ C₂, without any matrix square root."""
    c1, c2 = torch.tensor([[2.0, 0.6], [0.6, 0.5]]), torch.tensor([[1.0, -0.7], [-0.7, 0.9]])
    assert not torch.allclose(c1 @ c2, c2 @ c1)
    product = c1 @ c2
    root = (product.trace() + 2 * torch.linalg.det(product).sqrt()).sqrt()
    expected = c1.trace() + c2.trace() - 2 * root
    zero = torch.zeros(2)
    assert frechet_distance(zero, c1, zero, c2) == pytest.approx(expected.item(), rel=1e-12)
    assert frechet_distance(zero, c2, zero, c1) == pytest.approx(expected.item(), rel=1e-12)


def test_frechet_of_singular_covariances_and_of_samples():
    one, line = torch.tensor([1.0, 1.0]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert frechet_distance(one, line, -one, 4 * line) == pytest.approx(8 + 1)
    x = torch.randn(300, 1, 2)
    assert frechet_between(x, 2 * x + 3) == pytest.approx(
        ((x.mean(0) + 3).square().sum() + x.flatten(1).var(0).sum()).item(), rel=0.02
    )
    y = torch.randn(100, 1)
    assert frechet_between(y, 3 * y) == pytest.approx((4 * y.mean() ** 2 + 4 * y.var()).item(), rel=1e-9)


# Modes and maps


def test_far_fraction_of_a_gaussian_in_the_plane_is_exp_of_minus_k_squared_over_2():
    mixture = GaussianMixture(torch.tensor([[1.0, 2.0]]), torch.tensor([0.3]))
    x = mixture.sample(50_000, seeded())
    assert far_floor(2) == pytest.approx(math.exp(-4.5), rel=1e-9)
    assert far_floor(1, num_std=2) == pytest.approx(math.erfc(2 / math.sqrt(2)), rel=1e-9)
    assert far_floor(4) == pytest.approx((1 + 4.5) * math.exp(-4.5), rel=1e-9)
    for num_std in (1.0, 3.0):
        p = math.exp(-(num_std**2) / 2)
        assert abs(far_fraction(x, mixture, num_std=num_std) - p) < 4 * math.sqrt(p * (1 - p) / 50_000)


def test_far_uses_each_modes_own_std():
    mixture = GaussianMixture(torch.tensor([[0.0], [10.0]]), torch.tensor([1.0, 0.1]))
    x = torch.tensor([[2.0], [10.2], [10.5], [8.0], [5.0]])
    assert far_fraction(x, mixture) == pytest.approx(3 / 5)
    assert mode_coverage(x, mixture).counts == (1, 1)


def test_mode_coverage_with_a_dropped_and_a_starved_mode():
    mixture = eight_gaussians_mixture()
    x = mixture.means.repeat_interleave(torch.tensor([0, 1, 200, 200, 200, 200, 200, 199]), 0)
    found = mode_coverage(x, mixture)
    assert found.counts == (0, 1, 200, 200, 200, 200, 200, 199)
    assert found.covered == 6  # 1 of 1200 is less than a tenth of an eighth
    assert found.total_variation == pytest.approx(1 / 8 + (1 / 8 - 1 / 1200))


def test_mode_coverage_of_the_truth_and_of_a_blob():
    mixture = eight_gaussians_mixture()
    found = mode_coverage(eight_gaussians(20_000, seeded()), mixture)
    assert found.covered == 8 and found.total_variation < 0.02
    blob = mode_coverage(torch.zeros(100, 2), mixture)
    assert (blob.covered, blob.total_variation) == (0, 1.0) and sum(blob.counts) == 0
    weights = torch.tensor([0.9, 0.1])
    uneven = GaussianMixture(torch.tensor([[0.0], [9.0]]), torch.ones(2), weights)
    assert mode_coverage(torch.tensor([0.0, 9.0]).repeat(50)[:, None], uneven).total_variation == pytest.approx(0.4)


def test_a_rare_mode_needs_a_tenth_of_its_own_mass_and_far_samples_have_no_mode():
    rare = GaussianMixture(torch.tensor([[0.0], [9.0]]), torch.ones(2), torch.tensor([0.95, 0.05]))
    x = torch.tensor([0.0] * 57 + [9.0] * 3 + [40.0] * 40)[:, None]
    found = mode_coverage(x, rare)
    assert found.counts == (57, 3) and found.covered == 2  # .03 of the samples, more than a tenth of .05
    assert found.total_variation == pytest.approx(0.0, abs=1e-12)  # 57 : 3 is .95 : .05, whatever lies far away


def test_map_error_is_euclidean_row_by_row():
    exact = torch.randn(5, 1, 2)
    offset = torch.tensor([[3.0, 4.0], [0.0, 1.0], [0.0, 2.0], [0.0, 0.0], [0.0, 0.0]])[:, None]
    error = map_error(exact + offset, exact)
    assert error.rmse == pytest.approx(math.sqrt(30 / 5)) and error.median == pytest.approx(1.0)


def test_count_calls_counts_and_changes_nothing():
    counted = CountCalls(lambda x, t: x + t[:, None])
    x, t = torch.randn(3, 2), torch.rand(3)
    assert torch.equal(counted(counted(x, t), t), x + t[:, None] + t[:, None]) and counted.calls == 2


# Classifier


def test_c2st_is_a_half_between_true_sets_and_1_between_distant_ones(quick_classifier):
    accuracy = c2st(moons(8000, seeded(1)), moons(8000, seeded(2)))
    assert abs(accuracy - 0.5) < 4 * 0.5 / math.sqrt(8000)
    assert c2st(torch.randn(500, 2), torch.randn(500, 2) + 20) == 1.0


def test_c2st_reaches_bayes_between_gaussians_of_two_widths():
    """Bayes' rule in the plane for stds 1 and 1.5 cuts at a radius; its accuracy is ½ + TV/2 in closed form."""
    n, s = 8000, 1.5
    cut = 2 * math.log(s**2) / (1 - 1 / s**2)
    bayes = 0.5 + (math.exp(-cut / (2 * s**2)) - math.exp(-cut / 2)) / 2
    accuracy = c2st(torch.randn(n, 2), s * torch.randn(n, 2))
    assert bayes - 0.02 < accuracy < bayes + 4 * 0.5 / math.sqrt(n)


def test_c2st_is_seeded_unpaired_and_leaves_torchs_state_alone(quick_classifier):
    x, y = torch.randn(400, 2), torch.randn(900, 2) + 1
    state = torch.random.get_rng_state()
    with torch.inference_mode():
        first = c2st(x, y, seed=3)
    assert torch.equal(state, torch.random.get_rng_state())
    assert first == c2st(x, y, seed=3) and first > 0.6


def test_c2st_of_a_set_against_itself_is_below_a_half(quick_classifier):
    """A point learnt with one label comes back, held out, with the other: that is how shared points show."""
    z = torch.randn(500, 2)
    assert c2st(z, z) < 0.45


# Yardstick


@pytest.fixture(scope="module")
def yardstick() -> Yardstick:
    torch.set_default_dtype(torch.float64)
    return Yardstick(eight_gaussians, 10_000, num_projections=64, floor_pairs=5, mixture=eight_gaussians_mixture())


def test_the_truth_measures_about_one_floor(yardstick, quick_classifier):
    quality = yardstick.measure(eight_gaussians(10_000, seeded(9)))
    assert 0.7 < quality.ed_over_floor < 1.5 and 0.4 < quality.sw2_over_floor < 2
    assert abs(quality.c2st - 0.5) < 4 * 0.5 / 100
    assert quality.modes == 8 and quality.total_variation < 0.03
    assert quality.far == pytest.approx(yardstick.floor.far, abs=4 * math.sqrt(0.0111 / 10_000))
    assert "floors" in str(quality) and "8 modes" in str(quality)
    assert "[" in str(yardstick.floor) and "far 0.0111" in str(yardstick.floor)


def test_yardsticks_energy_distance_is_the_mean_over_pairs_of_blocks(monkeypatch, quick_classifier):
    monkeypatch.setattr("minicm.evaluation.yardstick._BLOCK", 500)
    drawn = []

    def recorded(n: int, generator: torch.Generator) -> Tensor:
        drawn.append(eight_gaussians(n, generator))
        return drawn[-1]

    x, yardstick = 1.1 * eight_gaussians(1000, seeded(9)), Yardstick(recorded, 1000, floor_pairs=1)
    quality = yardstick.measure(x)
    blocks = [energy_distance(a, b) for a in x.split(500) for b in drawn[0].split(500)]
    assert len(blocks) == 2 * 10 and quality.ed == pytest.approx(sum(blocks) / 20, rel=1e-3)
    floor = [energy_distance(a, b) for a in drawn[1].split(500) for b in drawn[0].split(500)]
    assert quality.ed_over_floor == pytest.approx(quality.ed / (sum(floor) / 20), rel=1e-3)
    assert yardstick.ed_over_floor(x) == quality.ed_over_floor
    assert quality.sw2 == pytest.approx(sliced_wasserstein(x, yardstick.truth), rel=1e-3)
    floor = sliced_wasserstein(drawn[1], yardstick.truth)
    assert quality.sw2_over_floor == pytest.approx(quality.sw2 / floor, rel=1e-3)
    assert torch.equal(yardstick.truth, drawn[0][:1000])


def test_floor_of_the_energy_distance_has_its_known_mean(yardstick):
    """(1/5000 + 1/5000) E|x − x'|, whatever n."""
    z = eight_gaussians(2000, seeded(4))
    expected = 2 / 5000 * torch.pdist(z).mean().item()
    assert yardstick.floor.ed.median == pytest.approx(expected, rel=0.35)
    assert yardstick.floor.ed.low <= yardstick.floor.ed.median <= yardstick.floor.ed.high


def test_the_yardstick_sees_what_is_wrong(yardstick, quick_classifier):
    x = eight_gaussians(10_000, seeded(9))
    bridged = x.clone()
    bridged[:3000] = (bridged[:3000] + bridged[3000:6000]) / 2
    found = yardstick.measure(bridged)
    assert found.far > 0.15 and found.ed_over_floor > 10 and found.c2st > 0.6
    dropped = yardstick.measure(x[x[:, 0] < 0.6].repeat(2, 1)[:10_000])
    assert dropped.modes == 7 and dropped.total_variation == pytest.approx(1 / 8, abs=0.02)


def test_noise_floor_and_yardstick_repeat(quick_classifier):
    floor = noise_floor(lambda x, y: sliced_wasserstein(x, y, generator=seeded()), moons, 500, pairs=3)
    again = noise_floor(lambda x, y: sliced_wasserstein(x, y, generator=seeded()), moons, 500, pairs=3)
    assert floor == again and floor.low < floor.median < floor.high
    x = moons(500, seeded(1))
    quality = Yardstick(moons, 500, floor_pairs=3).measure(x)
    assert quality == Yardstick(moons, 500, floor_pairs=3).measure(x)
    assert quality.modes is None and "modes" not in str(quality)


# Bad input

GOOD = torch.zeros(4, 2) + torch.arange(4)[:, None]
METRICS = {"sw2": sliced_wasserstein, "ed": energy_distance, "mmd": mmd, "c2st": c2st, "fd": frechet_between}


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.empty(0, 2), "at least 2 samples"),
        (torch.ones(1, 2), "at least 2 samples"),
        (torch.ones(4, 3), "one event shape, got"),
        (torch.tensor([[0.0, math.nan], [1.0, 1.0]]), "infinity in 1 of 2"),
        (torch.tensor([[0.0, math.inf], [1.0, 1.0]]), "infinity in 1 of 2"),
    ],
    ids=["empty", "one", "features", "nan", "inf"],
)
def test_bad_samples_are_one_clear_line(metric, bad, message):
    for pair in ((bad, GOOD), (GOOD, bad)):
        with pytest.raises(ValueError, match=message) as e:
            metric(*pair)
        assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sliced_wasserstein(GOOD, GOOD, num_projections=0), "num_projections >= 1"),
        (lambda: mmd(GOOD, GOOD, (0.1, 0.0)), "bandwidths > 0"),
        (lambda: mmd(GOOD, GOOD, ()), "at least one"),
        (lambda: map_error(GOOD, GOOD[:3]), "one shape, row by row"),
        (lambda: far_fraction(torch.ones(4, 3), eight_gaussians_mixture()), "event shape"),
        (lambda: far_fraction(GOOD, GaussianMixture(GOOD, torch.zeros(4))), "positive stds"),
        (lambda: frechet_distance(torch.zeros(2), torch.eye(3), torch.zeros(2), torch.eye(2)), "covariance"),
        (lambda: frechet_distance(torch.zeros(2), GOOD[:2], torch.zeros(2), torch.eye(2)), "symmetric"),
        (lambda: frechet_distance(torch.zeros(2), torch.eye(2), torch.zeros(3), torch.eye(3)), "one length"),
        (lambda: Yardstick(moons, 100, floor_pairs=0), "floor_pairs >= 1"),
        (lambda: Yardstick(moons, 100, floor_pairs=1).measure(GOOD), "expected 100 samples"),
        (lambda: Yardstick(moons, 4, floor_pairs=1).measure(GOOD[:, :1]), "samples of shape"),
        (lambda: Yardstick(moons, 100, floor_pairs=1).ed_over_floor(GOOD), "expected 100 samples"),
        (lambda: Yardstick(lambda n, g: GOOD, 4), "draws anew"),
    ],
)
def test_bad_arguments_are_one_clear_line(call, message):
    with pytest.raises(ValueError, match=message) as e:
        call()
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("name", ["g8", "moons", "checkerboard", "swiss_roll", "pinwheel"])
def test_thirty_fresh_true_sets_measure_one_floor_on_average(name):
    """At the default number of samples; sixteen directions are enough to see it."""
    sampler, n = toy(name), 20_000
    ruler = Yardstick(sampler, n, num_projections=16)
    found = [ruler.ed_over_floor(sampler(n, torch.Generator().manual_seed(500 + k))) for k in range(30)]
    assert 0.8 < sum(found) / 30 < 1.2 and sum(value > 1.5 for value in found) <= 3
