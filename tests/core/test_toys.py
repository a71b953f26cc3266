"""The toys have the moments they claim, match their exact laws, and their batches depend on (seed, k) alone."""

import math
from itertools import islice

import pytest
import torch

from minicm.data import (
    TOYS,
    batches,
    checkerboard,
    eight_gaussians,
    eight_gaussians_mixture,
    moons,
    of_labelled,
    of_points,
    pinwheel,
    product_mixture,
    product_mixture_oracle,
    ring,
    ring_oracle,
    swiss_roll,
    three_arms_mixture,
    toy,
)
from minicm.data.drawing import DINOSAUR, Drawing
from minicm.seeds import fold

N = 40_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", TOYS)
def test_mean_is_0_and_overall_std_a_half_to_4_standard_errors(name):
    x = TOYS[name](N, seeded())
    assert x.shape == (N, 2) and x.dtype == torch.float64
    assert (x.mean(0).abs() < 4 * x.std(0) / math.sqrt(N)).all()
    square = x.square().mean(1)  # its mean is the variance per coordinate, mean of both
    assert abs(square.mean() - 0.25) < 4 * square.std() / math.sqrt(N)


@pytest.mark.parametrize("name", TOYS)
def test_the_same_generator_gives_the_same_points_in_both_dtypes(name):
    assert torch.equal(TOYS[name](100, seeded(3)), TOYS[name](100, seeded(3)))
    assert not torch.equal(TOYS[name](100, seeded(3)), TOYS[name](100, seeded(4)))
    torch.set_default_dtype(torch.float32)
    assert TOYS[name](100, seeded(3)).dtype == torch.float32


def test_eight_gaussians_have_raw_radius_2_and_std_a_tenth():
    mixture = eight_gaussians_mixture()
    torch.testing.assert_close(mixture.means.norm(dim=1), 20 * mixture.stds)
    gap = torch.cdist(mixture.means, mixture.means).sort(1).values[:, 1]
    torch.testing.assert_close(gap, 2 * mixture.means.norm(dim=1) * math.sin(math.pi / 8))
    x = eight_gaussians(N, seeded())
    near = torch.cdist(x, mixture.means).amin(1)  # Rayleigh: mean square 2 std²
    assert abs((near.square() / (2 * mixture.stds[0] ** 2)).mean() - 1) < 4 / math.sqrt(N)


def test_three_arms_are_one_arm_turned_by_thirds_with_mean_0_and_variance_a_quarter():
    law = three_arms_mixture()
    m, third = law.mixture, 2 * math.pi / 3
    turn = torch.tensor([[math.cos(third), math.sin(third)], [-math.sin(third), math.cos(third)]])
    for c in range(3):
        torch.testing.assert_close(law.of(c).means @ turn.to(m.means), law.of((c + 1) % 3).means)
        assert torch.equal(law.of(c).stds, law.of(0).stds)
    assert m.means.mean(0).abs().max() < 1e-7
    torch.testing.assert_close((m.means.square().sum(1) / 2 + m.stds**2).mean(), torch.tensor(0.25).to(m.means))
    torch.testing.assert_close(m.means[4].norm() / m.means[0].norm(), torch.tensor(1.35 / 0.25).to(m.means))
    torch.testing.assert_close(m.stds[0] / m.means[0].norm(), torch.tensor(0.16 / 0.25).to(m.means))


def test_oracles_and_their_samplers_are_one_law():
    """Variance ¼ by formula, and the sampler's draws are the oracle's draws."""
    mixture = eight_gaussians_mixture()
    assert abs(mixture.means.square().mean() + mixture.stds[0] ** 2 - 0.25) < 1e-7
    for coordinate in product_mixture_oracle().coordinates:
        w, m, s = coordinate.mixture.weights, coordinate.mixture.means[:, 0], coordinate.mixture.stds
        assert abs(w @ m) < 1e-7 and abs(w @ (m**2 + s**2) - 0.25) < 1e-7
    assert abs(ring_oracle().radius ** 2 / 2 + ring_oracle().width ** 2 - 0.25) < 1e-12
    for sampler, oracle in [
        (eight_gaussians, mixture),
        (product_mixture, product_mixture_oracle()),
        (ring, ring_oracle()),
    ]:
        torch.testing.assert_close(sampler(50, seeded(1)), oracle.sample(50, seeded(1)))


def test_moons_lie_on_two_half_circles():
    raw = moons(N, seeded()) / 0.5 * math.sqrt((21 / 16 - 1 / math.pi) / 2 + 0.0025) + torch.tensor([0.5, 0.25])
    upper = (raw.norm(dim=1) - 1).abs()
    lower = ((raw - torch.tensor([1.0, 0.5])).norm(dim=1) - 1).abs()
    on_upper = (upper < 0.25) & (raw[:, 1] > -0.25)
    on_lower = (lower < 0.25) & (raw[:, 1] < 0.75)
    assert (on_upper | on_lower).all()
    error = torch.minimum(upper, lower)
    assert 0.8 * 0.05 < error.square().mean().sqrt() < 1.02 * 0.05


def test_checkerboard_fills_8_fields_equally_and_no_other():
    raw = checkerboard(N, seeded()) / 0.5 * math.sqrt(4 / 3)
    assert raw.abs().max() <= 2
    field = ((raw + 2).floor().long().clamp(0, 3) * torch.tensor([4, 1])).sum(1).bincount(minlength=16)
    colour = torch.arange(16).div(4, rounding_mode="floor") + torch.arange(16) % 4
    assert (field[colour % 2 == 1] == 0).all()
    assert ((field[colour % 2 == 0] - N / 8).abs() < 4 * math.sqrt(N * 7 / 64)).all()


def test_swiss_roll_has_radius_equal_to_angle():
    var = (39 * math.pi**2 / 4 - 4 - (2 / (3 * math.pi)) ** 2) / 2 + 0.25
    raw = swiss_roll(N, seeded()) / 0.5 * math.sqrt(var) + torch.tensor([2.0, 2 / (3 * math.pi)])
    r, angle = raw.norm(dim=1), torch.atan2(raw[:, 1], raw[:, 0])
    off = torch.remainder(r - angle + math.pi, 2 * math.pi) - math.pi  # distance from the spiral along the radius
    assert abs(off.square().mean().sqrt() / 0.5 - 1) < 0.02
    assert r.min() > 1.5 * math.pi - 2.5 and r.max() < 4.5 * math.pi + 2.5


def test_pinwheel_untwists_to_five_gaussian_arms():
    raw = pinwheel(N, seeded()) / 0.5 * math.sqrt(0.55)
    r, angle = raw.norm(dim=1), torch.atan2(raw[:, 1], raw[:, 0])
    untwisted = torch.remainder((angle - 0.25 * r.exp()) * 5 + math.pi, 2 * math.pi) - math.pi
    inner = (r > 0.8) & (r < 1.2)
    assert (untwisted[inner].abs() < 5 * 4.5 * 0.1 / 0.8).all()  # 4.5 std across an arm
    assert abs(r.mean() - 1) < 0.02


def test_a_drawing_is_uniform_along_its_strokes_with_exact_moments():
    # An L of two straight strokes, 3 and 1 long: the mean is (3 · (1.5, 0) + 1 · (0, .5))/4.
    ell = Drawing([[(0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (3.0, 0.0)], [(0.0, 0.0), (0.0, 1.0)]])
    assert ell.mean == pytest.approx((1.125, 0.125))
    assert ell.var == pytest.approx(((9 / 4 - 1.125**2) + (1 / 12 - 0.125**2)) / 2)
    x = ell.sample(N, seeded())
    assert abs((x[:, 1] > 0).double().mean() - 1 / 4) < 4 * math.sqrt(3 / 16 / N)
    x = DINOSAUR.sample(N, seeded())
    assert (x.mean(0) - torch.tensor(DINOSAUR.mean)).abs().max() < 4 * x.std() / math.sqrt(N)
    assert x.var(0).mean().item() == pytest.approx(DINOSAUR.var, rel=0.03)


def test_a_stroke_passes_through_its_points_smoothly():
    angle = torch.arange(12) * (2 * math.pi / 12)
    points = torch.stack([angle.cos(), angle.sin()], 1).tolist()
    circle = Drawing([[*points, points[0]]])
    r = circle.starts.norm(dim=1)
    assert (r[::8] - 1).abs().max() < 1e-12  # the given points
    assert (r - 1).abs().max() < 0.01  # and between them nearly a circle, also where it closes


def test_toy_by_name():
    assert toy("g8") is toy("eight_gaussians") is eight_gaussians
    with pytest.raises(
        ValueError, match="expected a data set among eight_gaussians, moons, .*dinosaur, got 'cats'"
    ) as e:
        toy("cats")
    assert "\n" not in str(e.value)


def test_batches_resume_and_depend_on_seed_and_k_alone():
    first = list(islice(batches(moons, 16, seed=5), 6))
    torch.rand(3)  # the global generator plays no part
    again = list(islice(batches(moons, 16, seed=5, start=4), 2))
    assert torch.equal(first[4], again[0]) and torch.equal(first[5], again[1])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first[0], next(batches(moons, 16, seed=6)))


def test_batches_share_no_stream_with_the_losses():
    """The noise in x0 must not come back as ε: batch k is not drawn from fold(seed, k) nor fold(seed, k, 1 or 2)."""
    x0 = next(batches(lambda n, g: torch.randn((n, 2), generator=g), 8, seed=5))
    for other in (fold(5, 0), fold(5, 0, 1), fold(5, 0, 2)):
        assert not torch.equal(x0, torch.randn((8, 2), generator=seeded(other)))


def test_of_points_draws_each_point_equally_often_and_keeps_its_values():
    points = torch.arange(5.0).reshape(5, 1, 1) * torch.ones(1, 2, 3)
    drawn = torch.cat(list(islice(of_points(points.float(), 500, seed=1), 40)))
    assert drawn.shape == (20_000, 2, 3) and drawn.dtype == torch.float32
    counts = drawn[:, 0, 0].long().bincount(minlength=5)
    assert ((counts - 4000).abs() < 4 * math.sqrt(20_000 * 0.16)).all()
    resumed = next(of_points(points, 7, seed=1, start=3))
    assert torch.equal(resumed, list(islice(of_points(points, 7, seed=1), 4))[3])


def test_of_labelled_draws_the_same_points_each_with_its_own_label():
    points = torch.arange(50.0).reshape(50, 1) * torch.ones(1, 3)
    for x0, (x, label) in zip(
        of_points(points, 20, seed=2, start=1), of_labelled(points, torch.arange(50), 20, seed=2, start=1)
    ):
        assert torch.equal(x, x0) and torch.equal(label, x0[:, 0].long())
        break


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: of_points(torch.empty(0, 2), 4), "at least one data point"),
        (lambda: of_points(torch.tensor(1.0), 4), "at least one data point"),
        (lambda: of_points(torch.tensor([[1.0, math.nan], [0.0, 0.0]]), 4), "infinity in 1 of 2 points"),
        (lambda: of_labelled(torch.ones(4, 2), torch.ones(3).long(), 4), r"one for each of 4 points, got shape \(3,\)"),
        (lambda: batches(moons, 0), "batch_size >= 1"),
        (lambda: batches(moons, 4, start=-1), "start >= 0"),
    ],
)
def test_bad_input_is_one_clear_line_at_the_call(call, message):
    with pytest.raises(ValueError, match=message) as e:
        call()
    assert "\n" not in str(e.value)
