"""Editing: orthogonal coordinates, known ones that stay, exact consistency functions, and what replacement is not."""

import math

import pytest
import torch
from gauntlet import PATHS, name

from minicm.data.toys import product_mixture_oracle
from minicm.evaluation import CountCalls
from minicm.oracles import Mixture1D, ProductMixture, gaussian_consistency
from minicm.paths import VE, TrigFlow
from minicm.sampling import (
    Operator,
    channel_rotation,
    denoise,
    edit,
    first,
    identity,
    interpolate,
    orthogonal,
    patch_average,
    slerp,
    stroke,
)

TURN = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)  # its columns lie at 53° and 143°
LUMA = torch.tensor([0.2989, 0.5870, 0.1140], dtype=torch.float64)
CASES = [  # name, operator, event shape, mask
    ("identity", identity(), (1, 4, 4), torch.arange(4) < 2),
    ("orthogonal", orthogonal(TURN), (2,), first(2)),
    ("channels", channel_rotation(), (3, 4, 4), first(3)),
    ("patches", patch_average(2), (3, 4, 4), first(4)),
]
each_operator = pytest.mark.parametrize(
    ("operator", "shape", "known"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
each_path = pytest.mark.parametrize("path", PATHS, ids=name)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def levels(path, ratios):
    """The path's own times of decreasing noise-to-signal ratios, from its end."""
    return [path.t_max, *path.time_at(torch.tensor(ratios)).tolist()]


def tilted(rho, path):
    """The exact consistency function of N(0, ¼ [[1, ρ], [ρ, 1]]): independent Gaussians along the diagonals."""
    turn = torch.tensor([[1.0, -1.0], [1.0, 1.0]]) / 2**0.5
    one = lambda var: Mixture1D(torch.zeros(1), torch.tensor([var**0.5]))  # noqa: E731
    f = ProductMixture([one((1 + rho) / 4), one((1 - rho) / 4)]).consistency(path)
    return lambda x, t: f(x @ turn, t) @ turn.T


# ---- operators


@each_operator
def test_an_operator_and_its_inverse_undo_each_other_and_keep_lengths(operator, shape, known):
    x, other = torch.randn(3, *shape), torch.randn(3, *shape)
    z = operator.forward(x)
    assert torch.allclose(operator.inverse(z), x, atol=1e-12)
    assert torch.allclose(operator.forward(operator.inverse(z)), z, atol=1e-12)
    assert (z * operator.forward(other)).sum().item() == pytest.approx((x * other).sum().item(), abs=1e-10)
    back = operator.inverse(operator.forward(x.float()))
    assert back.dtype == torch.float32 and torch.allclose(back, x.float(), atol=1e-6)


def test_coordinate_0_of_the_rotation_is_grey_and_a_grey_picture_has_no_other():
    x = torch.rand(2, 3, 4, 4)
    grey = torch.einsum("bchw,c->bhw", x, LUMA) / LUMA.norm()
    assert torch.allclose(channel_rotation().forward(x)[..., 0], grey)
    z = channel_rotation((1.0, 1.0, 1.0)).forward(x.mean(1, keepdim=True).expand_as(x))
    assert z[..., 1:].abs().max() < 1e-12 and torch.allclose(z[..., 0], 3**0.5 * x.mean(1))


@pytest.mark.parametrize("weights", [(1.0,), (-0.3, 0.2), (0.0, 0.0, 2.0), (1.0, 0.0, 0.0), (0.1, 0.2, -0.3, 0.4)])
def test_the_rotation_starts_along_its_weights_whatever_their_signs(weights):
    w = torch.tensor(weights)
    z = channel_rotation(weights).forward(w.reshape(1, -1, 1, 1))
    assert z[..., 0].item() == pytest.approx(w.norm().item()) and z[..., 1:].abs().sum() < 1e-12


@pytest.mark.parametrize("size", [1, 2, 4])
def test_coordinate_0_of_a_patch_is_its_mean_times_its_side(size):
    x = torch.randn(2, 3, 8, 4)
    z = patch_average(size).forward(x)
    means = torch.nn.functional.avg_pool2d(x, size)
    assert z.shape == (2, 3, 8 // size, 4 // size, size**2) and torch.allclose(z[..., 0], size * means)


def test_columns_are_directions():
    z = orthogonal(TURN).forward(torch.tensor([[0.6, 0.8], [-0.8, 0.6]]))
    assert torch.allclose(z, torch.eye(2))


# ---- what is known stays


@each_operator
@each_path
def test_known_coordinates_come_back_exactly(path, operator, shape, known):
    f = gaussian_consistency(torch.full(shape, 0.2), 0.5, path)
    y = torch.randn(5, *shape)
    x = edit(f, y, operator=operator, known=known, times=levels(path, [3.0, 0.5]), path=path)
    z, wanted = operator.forward(x), operator.forward(y)
    mask = known.expand_as(z)
    assert torch.allclose(z[mask], wanted[mask], atol=1e-12)
    assert (z[~mask] - wanted[~mask]).abs().min() > 1e-6  # and the others are new


@each_operator
def test_what_is_unknown_of_y_is_never_read(operator, shape, known):
    path, y = VE(), torch.randn(4, *shape)
    z = operator.forward(y)
    other = operator.inverse(torch.where(known, z, torch.randn(z.shape)))
    draw = lambda y: edit(  # noqa: E731
        lambda x, t: x.sin(), y, operator=operator, known=known, times=[80.0, 1.0], path=path, generator=seeded()
    )
    assert torch.allclose(draw(y), draw(other), atol=1e-9)
    assert torch.allclose(draw(draw(y)), draw(y), atol=1e-9)  # hence editing the result again changes nothing


def test_where_all_is_known_nothing_changes_and_nan_may_stand_where_nothing_is():
    path, y = VE(), torch.randn(4, 2)
    settings = {"operator": identity(), "times": [80.0, 1.0], "path": path}
    assert torch.equal(edit(lambda x, t: 0 * x, y, known=torch.ones(2), **settings), y)
    holes = torch.where(torch.tensor([True, False]), y, torch.nan)
    x = edit(lambda x, t: 0 * x, holes, known=first(2), **settings)
    assert torch.equal(x, torch.where(first(2), y, 0.0))


def test_the_model_sees_the_known_values_with_the_noise_of_the_level():
    path, n, seen = TrigFlow(), 10_000, []

    def model(x, t):
        seen.append((t[0].item(), x))
        return torch.zeros_like(x)

    y = torch.tensor([0.7, 5.0]).expand(n, 2)
    counted, times = CountCalls(model), levels(path, [1.0, 0.3])
    edit(counted, y, operator=identity(), known=first(2), times=times, path=path, generator=seeded(1))
    assert counted.calls == 3 and [t for t, _ in seen] == pytest.approx(times)
    for t, x in seen:
        alpha, sigma = math.cos(t), 0.5 * math.sin(t)
        wanted = torch.tensor([0.7 * alpha, 0.0])
        assert (x.mean(0) - wanted).abs().max() < 5 * sigma / n**0.5
        assert (x.std(0) / sigma - 1).abs().max() < 0.04
    noises = torch.stack([x[:, 0] - 0.7 * math.cos(t) for t, x in seen])
    assert (torch.corrcoef(noises) - torch.eye(3)).abs().max() < 0.05  # fresh at every level


def test_the_same_generator_gives_the_same_samples():
    f = gaussian_consistency(torch.zeros(2), 0.5, VE())
    draw = lambda seed: edit(  # noqa: E731
        f, torch.ones(5, 2), operator=identity(), known=first(2), times=[80.0, 1.0], path=VE(), generator=seeded(seed)
    )
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))


# ---- where replacement is exact, and where it is not


def kolmogorov(x, oracle):
    """√n sup |F_n − F| of x (n,) against a Mixture1D; above 1.95 once in a thousand true samples."""
    mixture = oracle.mixture
    z = (x[:, None] - mixture.means[:, 0]) / mixture.stds
    u = (torch.special.ndtr(z) @ mixture.weights).sort().values
    grid = torch.arange(len(u) + 1) / len(u)
    return len(u) ** 0.5 * max((grid[1:] - u).max().item(), (u - grid[:-1]).max().item())


@pytest.mark.parametrize("ratios", [[], [0.8], [5.0, 0.8, 0.1]], ids=len)
@each_path
def test_independent_coordinates_are_filled_in_from_their_exact_law(path, ratios):
    oracle, n = product_mixture_oracle(), 1000
    y = torch.tensor([0.45, 99.0]).expand(n, 2)
    x = edit(
        oracle.consistency(path), y, operator=identity(), known=first(2), times=levels(path, ratios), path=path,
        generator=seeded(1),
    )  # fmt: skip
    assert kolmogorov(x[:, 1], oracle.coordinates[1]) < 1.95
    assert (x[:, 0] - 0.45).abs().max() == 0


def test_so_are_independent_coordinates_along_slanted_axes():
    path, oracle, n = TrigFlow(), product_mixture_oracle(), 1000
    f = oracle.consistency(path)
    slanted = lambda x, t: f(x @ TURN, t) @ TURN.T  # noqa: E731  # the data is turned by 53°
    y = torch.tensor([0.45, 99.0]) @ TURN.T
    settings = {"known": first(2), "times": levels(path, [0.8]), "path": path, "generator": seeded(1)}
    x = edit(slanted, y.expand(n, 2), operator=orthogonal(TURN), **settings)
    assert kolmogorov((x @ TURN)[:, 1], oracle.coordinates[1]) < 1.95


def recursion(rho, y, times):
    """Mean and variance of the unknown coordinate by the recursion of Alg. 4 on VE, for N(0, ¼ [[1, ρ], [ρ, 1]]).

    Along the diagonals, with variances (1 ± ρ)/4, f shrinks by r± = √((var± + m²)/(var± + t²)), m = t_min.
    """
    m, mean, var, first_level = VE().t_min, 0.0, 0.0, True
    for t in times:
        up, down = (math.sqrt((v + m**2) / (v + t**2)) for v in ((1 + rho) / 4, (1 - rho) / 4))
        a, b = (up + down) / 2, (up - down) / 2
        added = t**2 if first_level else t**2 - m**2
        mean, var, first_level = b * y + a * mean, b**2 * added + a**2 * (var + added), False
    return mean, var


@pytest.mark.parametrize("ratios", [[], [2.0, 0.5, 0.1], torch.linspace(2, 0.1, 12).tolist()], ids=len)
def test_a_correlated_gaussian_is_filled_in_as_the_recursion_says(ratios):
    path, n, rho, y = VE(), 4000, 0.8, 0.6
    times = [80.0, *ratios]
    x = edit(
        tilted(rho, path), torch.full((n, 2), y), operator=identity(), known=first(2), times=times, path=path,
        generator=seeded(1),
    )[:, 1]  # fmt: skip
    mean, var = recursion(rho, y, times)
    assert x.mean().item() == pytest.approx(mean, abs=5 * (var / n) ** 0.5)
    assert x.var().item() == pytest.approx(var, rel=5 * (2 / n) ** 0.5)


def test_few_levels_miss_the_conditional_mean_and_many_low_ones_find_it():
    """Truth: mean ρ y = .8, variance (1 − ρ²)/4 = .09, for y = 1."""
    one, _ = recursion(0.8, 1.0, [80.0])
    four, var = recursion(0.8, 1.0, [80.0, 2.0, 0.5, 0.1])
    assert one == pytest.approx(0.0, abs=0.01)  # one level fills in the unconditional law
    assert 1 / 3 < four / 0.8 < 0.4
    many, var = recursion(0.8, 1.0, [80.0, *torch.linspace(2, 0.05, 4000).tolist()])
    assert many == pytest.approx(0.8, rel=0.02) and var == pytest.approx(0.09, rel=0.03)  # Langevin dynamics


# ---- other edits


@each_path
def test_denoising_follows_the_trajectory_to_its_end(path):
    mean, std = torch.tensor([0.3, -0.2]), 0.5
    y, noise = torch.randn(4, 2), torch.tensor([0.1, 0.4, 1.0, 3.0])
    low = path.nsr(torch.tensor(path.t_min)).item()
    shrink = torch.sqrt((std**2 + low**2) / (std**2 + noise**2))[:, None]
    wanted = path.alpha(torch.tensor(path.t_min)) * (mean + shrink * (y - mean))
    assert torch.allclose(denoise(gaussian_consistency(mean, std, path), y, noise, path), wanted, atol=1e-12)


@each_path
def test_a_stroke_keeps_as_much_of_the_sketch_as_its_first_level_leaves(path):
    """For N(0, s²) a level of ratio r leaves s/√(s² + r²) of the sketch; more levels leave the product."""
    n, s = 40_000, 0.5
    f, y = gaussian_consistency(torch.zeros(2), s, path), torch.tensor([2.0, -1.0]).expand(n, 2)
    for ratios in ([0.05], [0.5], [0.8, 0.4]):
        times = path.time_at(torch.tensor(ratios)).tolist()
        keep = math.prod(s / math.hypot(s, r) for r in ratios)
        x = stroke(f, y, times=times, path=path, generator=seeded(1))
        assert (x.mean(0) - keep * y[0]).abs().max() < 0.01
        assert x.std(0)[0].item() == pytest.approx(s * (1 - keep**2) ** 0.5, rel=0.02)


def test_slerp_goes_along_the_arc_at_constant_speed():
    a, b = torch.randn(1, 3, 4), torch.randn(1, 3, 4)
    b = b * a.norm() / b.norm()
    w = torch.linspace(0, 1, 6)
    arc = slerp(a.expand(6, 3, 4), b.expand(6, 3, 4), w).flatten(1)
    assert torch.allclose(arc[0], a.flatten()) and torch.allclose(arc[-1], b.flatten())
    assert torch.allclose(arc.norm(dim=1), a.norm().expand(6))
    angle = lambda u, v: torch.acos((u * v).sum() / (u.norm() * v.norm()))  # noqa: E731
    whole = angle(arc[0], arc[-1])
    assert torch.allclose(torch.stack([angle(arc[0], p) for p in arc[1:]]), w[1:] * whole)


def test_slerp_of_parallel_vectors_is_the_line():
    a, w = torch.randn(3, 8), torch.tensor([0.0, 0.3, 1.0])
    for b in (a, 2 * a, a + 1e-9, torch.zeros_like(a)):
        assert torch.allclose(slerp(a, b, w), (1 - w[:, None]) * a + w[:, None] * b, atol=1e-7)
    assert slerp(a, -a, w).isfinite().all()
    near = a + 0.05 * torch.randn(3, 8)  # small angles, both sides of the limit
    assert torch.allclose(slerp(a, near, w), (1 - w[:, None]) * a + w[:, None] * near, atol=0.01)


def test_interpolation_starts_and_ends_at_the_two_samples():
    path = TrigFlow()
    f = gaussian_consistency(torch.tensor([0.3, -0.2]), 0.4, path)
    a, b, end = path.prior((1, 2)), path.prior((1, 2)), torch.tensor([path.t_max])
    x = interpolate(f, a.expand(3, 2), b.expand(3, 2), torch.tensor([0.0, 0.5, 1.0]), path)
    assert torch.allclose(x[:1], f(a, end)) and torch.allclose(x[2:], f(b, end))
    assert torch.allclose(x[1:2], f(slerp(a, b, torch.tensor([0.5])), end))


# ---- errors


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda: orthogonal(torch.ones(2, 3)), "square"),
        (lambda: orthogonal(2 * torch.eye(2)), "orthogonal"),
        (lambda: orthogonal(torch.full((2, 2), torch.nan)), "orthogonal"),
        (lambda: orthogonal(TURN).forward(torch.ones(3, 4)), "2 values"),
        (lambda: channel_rotation((0.0, 0.0, 0.0)), "not all 0"),
        (lambda: channel_rotation((1.0, math.inf, 0.0)), "finite"),
        (lambda: channel_rotation().forward(torch.ones(2, 4, 4, 4)), "3 values"),
        (lambda: patch_average(0), ">= 1"),
        (lambda: patch_average(3).forward(torch.ones(2, 1, 8, 8)), "multiples of 3"),
        (lambda: patch_average(2).forward(torch.ones(2, 8)), "multiples of 2"),
        (lambda: slerp(torch.ones(2, 3), torch.ones(1, 3), torch.ones(2)), "one shape"),
        (lambda: slerp(torch.ones(2, 3), torch.ones(2, 3), torch.ones(3)), "one time per sample"),
        (lambda: denoise(lambda x, t: x, torch.ones(2, 2), torch.full((2,), 99.0), VE()), "times of VE"),
        (lambda: stroke(lambda x, t: x, torch.ones(2, 2), times=[1.0, 2.0], path=VE()), "decreasing"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(wrong, why):
    with pytest.raises(ValueError, match=f"^expected [^\n]*{why}[^\n]*$"):
        wrong()


@pytest.mark.parametrize(
    ("known", "times", "y", "why"),
    [
        (torch.ones(3), [80.0], 1.0, "broadcasts"),
        (torch.ones(5, 4, 2), [80.0], 1.0, "broadcasts"),
        (torch.full((2,), 0.5), [80.0], 1.0, "0 and 1"),
        (first(2), [], 1.0, "at least one time"),
        (first(2), [1.0, 80.0], 1.0, "decreasing"),
        (first(2), [81.0], 1.0, "times of VE"),
        (first(2), [80.0], math.nan, "finite values where known"),
    ],
)
def test_masks_and_times_that_do_not_fit_are_refused(known, times, y, why):
    with pytest.raises(ValueError, match=f"^expected [^\n]*{why}[^\n]*$"):
        edit(lambda x, t: x, torch.full((4, 2), y), operator=identity(), known=known, times=times, path=VE())


def test_an_operator_of_your_own_is_a_pair_of_functions():
    flip = Operator(lambda x: x.flip(-1), lambda z: z.flip(-1))
    y = torch.randn(4, 2)
    x = edit(lambda x, t: 0 * x, y, operator=flip, known=first(2), times=[80.0], path=VE())
    assert torch.equal(x, torch.where(first(2).flip(0), y, 0.0))
