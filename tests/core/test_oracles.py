"""The oracles' own oracles: autograd, torch.distributions, importance sampling, and a Runge-Kutta written out here."""

import math

import pytest
import torch
from gauntlet import INNER, PATHS, SHAPES, mixture, name, some_t
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.func import jacrev, jvp

from minicm.oracles import (
    GaussianMixture,
    Mixture1D,
    ProductMixture,
    Ring,
    empirical,
    gaussian,
    gaussian_consistency,
    gaussian_flow,
)
from minicm.paths import VE, Linear, TrigFlow
from minicm.shapes import like


def line():
    return Mixture1D([-0.6, 0.1, 0.5], [0.15, 0.3, 0.1], [0.3, 0.2, 0.5])


def product():
    return ProductMixture([line(), Mixture1D([-0.4, 0.5], [0.2, 0.1], [0.7, 0.3])])


FLOWS = {"line": line, "product": product, "ring": lambda: Ring(0.7, 0.1)}
ALL = {
    **FLOWS,
    "wide ring": lambda: Ring(0.3, 0.5),
    "circle": lambda: Ring(0.7, 0.0),
    "gaussian": lambda: gaussian(torch.tensor([1.0, -2.0]), 0.7),
    "mixture": mixture,
    "images": lambda: mixture((3, 4, 4)),
    "points": lambda: empirical(torch.tensor([[0.1, 0.2], [-0.5, 0.3], [0.6, -0.4]])),
}
every_path = pytest.mark.parametrize("path", PATHS, ids=name)
every_oracle = pytest.mark.parametrize("build", ALL.values(), ids=ALL)
every_flow = pytest.mark.parametrize("build", FLOWS.values(), ids=FLOWS)


def noised(oracle, path, n=7):
    x0, t = oracle.sample(n), some_t(path, n)
    return path.mix(x0, torch.randn_like(x0), t), t


def runge_kutta(denoise, x, high, low, steps):
    """Solve dx/d(ln σ) = x − D(x, σ), the probability flow of VE, on an even grid of ln σ."""

    def slope(x, u):
        return x - denoise(x, torch.full((len(x),), math.exp(u)))

    u, h = math.log(high), math.log(low / high) / steps
    for _ in range(steps):
        a = slope(x, u)
        b = slope(x + h / 2 * a, u + h / 2)
        c = slope(x + h / 2 * b, u + h / 2)
        x, u = x + h / 6 * (a + 2 * b + 2 * c + slope(x + h * c, u + h)), u + h
    return x


# Density, score, denoiser


@every_path
@every_oracle
def test_score_is_the_gradient_of_the_density(build, path):
    oracle = build()
    x, t = noised(oracle, path)
    (gradient,) = torch.autograd.grad(oracle.log_prob(x.requires_grad_(), t, path).sum(), x)
    torch.testing.assert_close(oracle.score(x.detach(), t, path), gradient)


@every_path
@every_oracle
def test_denoiser_is_the_posterior_mean_by_importance_sampling(build, path):
    oracle = build()
    x, t = noised(oracle, path, 1)
    x0 = oracle.sample(20_000)
    t = torch.full((1,), INNER[name(path)][1])  # much noise: then the weights are even
    square = (x - like(path.alpha(t), x) * x0).flatten(1).square().sum(1)
    weights = (-square / (2 * path.sigma(t) ** 2)).softmax(0)
    mean = (like(weights, x0) * x0).sum(0)
    error = ((like(weights, x0) * (x0 - mean)) ** 2).sum(0).sqrt()
    assert ((oracle.denoiser(path)(x, t)[0] - mean).abs() <= 4.5 * error + 1e-12).all()


@pytest.mark.parametrize("path", [VE(), TrigFlow()], ids=name)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_density_is_that_of_torch_distributions(path, shape):
    m, t, x = mixture(shape), torch.full((7,), 0.3), torch.randn(7, *shape)
    alpha, sigma = path.alpha(t[:1]), path.sigma(t[:1])
    std = ((alpha * m.stds) ** 2 + sigma**2).sqrt().reshape(-1, *[1] * len(shape)).expand(-1, *shape)
    parts = Independent(Normal(alpha * m.means, std), len(shape))
    torch.testing.assert_close(m.log_prob(x, t, path), MixtureSameFamily(Categorical(m.weights), parts).log_prob(x))


@every_path
@pytest.mark.parametrize("build", [product, ALL["ring"], ALL["circle"], mixture])
def test_density_in_the_plane_integrates_to_one(build, path):
    t = torch.full((1,), INNER[name(path)][0])
    side = torch.linspace(-6, 6, 301)
    x = torch.cartesian_prod(side, side)
    total = build().log_prob(x, t.expand(len(x)), path).exp().sum() * (side[1] - side[0]) ** 2
    assert total.item() == pytest.approx(1, abs=1e-4)


def test_product_density_is_the_sum_of_logarithms():
    x, t = torch.randn(7, 2), some_t(VE())
    parts = [c.log_prob(x[:, i : i + 1], t, VE()) for i, c in enumerate(product().coordinates)]
    torch.testing.assert_close(product().log_prob(x, t, VE()), parts[0] + parts[1])


def test_two_points_are_a_hyperbolic_tangent():
    """D = a tanh(a x/σ²) for ±a, and the consistency function tends to a sign(x)."""
    x, t = torch.linspace(-2, 2, 8)[:, None], some_t(VE(), 8)
    expected = 0.5 * torch.tanh(0.5 * x / t[:, None] ** 2)
    torch.testing.assert_close(empirical(torch.tensor([[-0.5], [0.5]])).denoiser(VE())(x, t), expected)
    f = Mixture1D([-0.5, 0.5], [0.0, 0.0]).consistency(VE(t_min=1e-6))
    torch.testing.assert_close(f(x, t), 0.5 * x.sign(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_ideal_denoiser_goes_from_the_nearest_point_to_the_mean(shape):
    points, x = torch.randn(50, *shape), torch.randn(7, *shape)
    denoise = empirical(points).denoiser(VE())
    nearest = points[torch.cdist(x.flatten(1), points.flatten(1)).argmin(1)]
    torch.testing.assert_close(denoise(x, torch.full((7,), 0.01)), nearest)
    torch.testing.assert_close(denoise(x, torch.full((7,), 1e4)), points.mean(0).expand_as(x), atol=1e-6, rtol=0)
    t = torch.full((7,), 1.3)
    share = (-(torch.cdist(x.flatten(1), points.flatten(1)) ** 2) / (2 * 1.3**2)).softmax(1)
    torch.testing.assert_close(denoise(x, t), torch.einsum("bk,k...->b...", share, points))


def test_rows_taken_a_few_at_a_time_give_the_same(monkeypatch):
    m, x, t = mixture((3, 4, 4)), torch.randn(50, 3, 4, 4), some_t(VE(), 50)
    whole = m.denoiser(VE())(x, t), m.log_prob(x, t, VE())
    monkeypatch.setattr("minicm.oracles.gaussians._ELEMENTS", 1000)
    torch.testing.assert_close((m.denoiser(VE())(x, t), m.log_prob(x, t, VE())), whole)


@every_path
@every_oracle
def test_every_sample_has_its_own_time(build, path):
    """Also where the batch is as long as the number of components or as an event axis."""
    oracle = build()
    for n in (2, 3):
        x, t = noised(oracle, path, n)
        for f in (oracle.denoiser(path), lambda x, t: oracle.log_prob(x, t, path)):
            torch.testing.assert_close(f(x, t), torch.cat([f(x[i : i + 1], t[i : i + 1]) for i in range(n)]))
            with pytest.raises(ValueError, match="expected t of shape"):
                f(x, t[:, None])


@every_oracle
def test_far_away_stays_finite_in_both_precisions(build):
    oracle = build()
    x0 = oracle.sample(2)
    for far in (1e2, 1e4):
        x, t = far * torch.sign(torch.randn_like(x0)), torch.tensor([0.01, 80.0])
        assert oracle.denoiser(VE())(x, t).isfinite().all() and oracle.log_prob(x, t, VE()).isfinite().all()
        single = oracle.denoiser(VE())(x.float(), t.float())
        assert single.dtype == torch.float32 and single.isfinite().all()


@every_oracle
def test_float32_agrees_with_float64(build):
    oracle = build()
    x, t = noised(oracle, VE(), 32)
    narrow = oracle if isinstance(oracle, Ring) else oracle.to(torch.float32)
    single = narrow.denoiser(VE())(x.float(), t.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), oracle.denoiser(VE())(x, t), atol=1e-4, rtol=1e-4)


def test_ring_denoises_its_centre_to_its_centre():
    x, t = torch.zeros(2, 2, requires_grad=True), torch.tensor([0.1, 5.0])
    D = Ring(0.7, 0.1).denoiser(VE())(x, t)
    assert (D == 0).all()
    (slope,) = torch.autograd.grad(D.sum(), x)
    near = Ring(0.7, 0.1).denoiser(VE())(torch.full((2, 2), 1e-4), t) / 1e-4
    torch.testing.assert_close(slope, near, rtol=1e-3, atol=0)


# Samples


def test_sampling_moments():
    n = 100_000
    m, q = mixture(), product()
    for oracle, mean, second in (
        (m, m.weights @ m.means, m.weights @ (m.means**2 + m.stds[:, None] ** 2)),
        (q, torch.tensor([0.09, -0.13]), torch.tensor([0.26475, 0.218])),
        (Ring(0.7, 0.2), torch.zeros(2), torch.full((2,), 0.7**2 / 2 + 0.2**2)),
        (gaussian(torch.tensor([1.0, -2.0]), 0.7), torch.tensor([1.0, -2.0]), torch.tensor([1.49, 4.49])),
    ):
        x = oracle.sample(n)
        assert ((x.mean(0) - mean).abs() < 4 * x.std(0) / n**0.5).all()
        assert (((x**2).mean(0) - second).abs() < 4 * (x**2).std(0) / n**0.5).all()


@every_oracle
def test_samples_follow_the_generator(build):
    oracle, g = build(), torch.Generator()
    first, other = oracle.sample(5, g.manual_seed(1)), oracle.sample(5, g.manual_seed(2))
    torch.manual_seed(9)
    assert torch.equal(first, oracle.sample(5, g.manual_seed(1))) and not torch.equal(first, other)


# Exact flows


@every_path
@pytest.mark.parametrize("std", [0.7, 0.0])
def test_gaussian_flow_solves_the_ode(path, std):
    mean = torch.tensor([1.0, -2.0])
    flow, denoise = gaussian_flow(mean, std, path), gaussian(mean, std).denoiser(path)
    x, t, s, u = torch.randn(7, 2), some_t(path), some_t(path), some_t(path)
    y, dy = jvp(lambda u: flow(x, t, u), (s,), (torch.ones_like(s),))
    torch.testing.assert_close(dy, path.velocity(y, s, denoise(y, s)))
    torch.testing.assert_close(flow(flow(x, t, u), u, s), y)
    torch.testing.assert_close(flow(x, t, t), x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gaussian_consistency_ends_at_t_min(shape):
    for path in PATHS:
        f = gaussian_consistency(torch.randn(shape), 0.7, path)
        x = torch.randn(7, *shape)
        torch.testing.assert_close(f(x, torch.full((7,), path.t_min)), x)
    f = gaussian_consistency(torch.zeros(shape), 0.5, TrigFlow())
    torch.testing.assert_close(f(x, some_t(TrigFlow())), x)  # std = σ_d: TrigFlow stands still


@every_path
@every_flow
def test_flow_solves_the_ode(build, path):
    oracle = build()
    flow, denoise = oracle.flow(path), oracle.denoiser(path)
    x, t = noised(oracle, path)
    s, u = some_t(path), some_t(path)
    y, dy = jvp(lambda u: flow(x, t, u), (s,), (torch.ones_like(s),))
    torch.testing.assert_close(dy, path.velocity(y, s, denoise(y, s)), rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(flow(flow(x, t, u), u, s), y, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(flow(x, t, t), x, rtol=1e-9, atol=1e-9)


@every_path
@every_flow
def test_consistency_function_is_constant_along_trajectories(build, path):
    oracle = build()
    f = oracle.consistency(path)
    x, t = noised(oracle, path)
    v = path.velocity(x, t, oracle.denoiser(path)(x, t))
    df = jvp(f, (x, t), (v, torch.ones_like(t)))[1]
    assert df.abs().max() < 1e-8
    end = torch.full_like(t, path.t_min)
    torch.testing.assert_close(f(x0 := oracle.sample(7), end), x0)


@every_flow
def test_both_modes_of_differentiation_agree_with_finite_differences(build):
    oracle = build()
    f = oracle.consistency(VE())
    x, t = noised(oracle, VE(), 1)
    h, direction = 1e-5, torch.randn_like(x)
    central = (f(x + h * direction, t) - f(x - h * direction, t)) / (2 * h)
    forward = jvp(lambda x: f(x, t), (x,), (direction,))[1]
    torch.testing.assert_close(forward, central, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close((jacrev(lambda x: f(x, t))(x)[0, :, 0] @ direction[0])[None], forward)


@pytest.mark.parametrize(
    ("build", "high", "low", "steps"),
    [
        (line, 80.0, 0.01, 600),
        (product, 5.0, 0.1, 200),
        (ALL["ring"], 80.0, 0.02, 500),
        (ALL["wide ring"], 5.0, 0.1, 200),
    ],
)
def test_consistency_function_is_the_end_of_a_fine_runge_kutta(build, high, low, steps):
    """Starting as far as ten standard deviations out."""
    oracle = build()
    x = high * torch.randn_like(oracle.sample(6))
    x[0], x[1] = 10 * high, -10 * high
    y = oracle.consistency(VE(t_min=low))(x, torch.full((6,), high))
    ends = runge_kutta(oracle.denoiser(VE()), x, high, low, steps)
    torch.testing.assert_close(y, ends, rtol=1e-8, atol=1e-8)


def test_narrow_ring_against_runge_kutta():
    x = torch.tensor([[0.0, 1e-3], [0.5, 0.2], [-2.0, 3.0]])
    f = Ring(0.5, 0.02).consistency(VE())
    ends = runge_kutta(Ring(0.5, 0.02).denoiser(VE()), x, 2.0, 0.002, 400)
    torch.testing.assert_close(f(x, torch.full((3,), 2.0)), ends, rtol=1e-6, atol=1e-6)


@every_path
@every_flow
def test_one_step_from_the_noise_end_draws_the_data(build, path):
    """The law at t_max goes to the law of the data, also where α(t_max) = 0; by energy distance, 4 of its floors."""
    oracle, n = build(), 400
    x0, t = oracle.sample(n), torch.full((n,), path.t_max)
    x = path.mix(oracle.sample(n), torch.randn_like(x0), t)
    y = oracle.consistency(path)(x, t)

    def energy(a, b):
        return 2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()

    floor = energy(oracle.sample(n), oracle.sample(n)) + 2 * x0.var(0).sum().sqrt() / n
    assert energy(y, x0) < 4 * floor


def test_the_map_keeps_order_and_stays_finite_in_both_tails():
    x = torch.cat([-torch.logspace(5, -3, 200), torch.logspace(-3, 5, 200)])[:, None]
    for t in (0.1, 80.0):
        y = line().consistency(VE())(x, torch.full((400,), t))
        assert y.isfinite().all() and (y.diff(dim=0) > 0).all()
    # Far out one component rules, and the map is that of a single Gaussian.
    wide = Mixture1D([0.0], [0.5]).consistency(VE())
    torch.testing.assert_close(
        wide(x, torch.full((400,), 80.0)), gaussian_consistency(torch.zeros(1), 0.5, VE())(x, torch.full((400,), 80.0))
    )


def test_the_ring_keeps_the_angle_and_the_order_of_radii():
    radius, angle = torch.logspace(-6, 4, 200), torch.linspace(0, 6, 200)
    x = radius[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    for width in (0.0, 0.1):
        y = Ring(0.7, width).consistency(VE())(x, torch.full((200,), 80.0))
        assert y.isfinite().all() and (y.norm(dim=1).diff() > 0).all()
        torch.testing.assert_close(y / y.norm(dim=1, keepdim=True), x / radius[:, None])


def test_a_huge_blur_turns_the_ring_into_a_gaussian():
    x, t = torch.randn(7, 2), some_t(VE())
    exact = gaussian_consistency(torch.zeros(2), 0.7, VE())(x, t)
    torch.testing.assert_close(Ring(1e-7, 0.7).consistency(VE())(x, t), exact, rtol=1e-9, atol=1e-9)


@every_flow
def test_consistency_in_float32_is_the_float64_one_rounded(build):
    oracle = build()
    x, t = noised(oracle, VE(), 32)
    f = oracle.consistency(VE())
    single = f(x.float(), t.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), f(x, t), rtol=1e-4, atol=1e-4)


def test_linear_path_can_start_where_no_signal_is_left():
    x = torch.randn(7, 2)
    one = torch.ones(7)
    y = product().consistency(Linear())(x, one)
    beside = product().flow(Linear())(x, one - 1e-12, torch.full((7,), 0.001))
    torch.testing.assert_close(y, beside, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(product().denoiser(Linear())(x, one), torch.tensor([[0.09, -0.13]]).expand(7, 2))


# What is refused

POINTS = torch.zeros(3, 2)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GaussianMixture(torch.zeros(0, 2), torch.zeros(0)), r"expected means of shape \(K, \*S\)"),
        (lambda: GaussianMixture(torch.zeros(3), torch.ones(3)), r"expected means of shape \(K, \*S\)"),
        (lambda: GaussianMixture(POINTS, torch.ones(2)), r"expected stds of shape \(3,\), .* got \(2,\)"),
        (lambda: GaussianMixture(POINTS, torch.tensor(1.0)), r"expected stds of shape \(3,\)"),
        (lambda: GaussianMixture(POINTS, torch.tensor([1.0, -0.1, 1.0])), "expected finite stds >= 0, got one of -0.1"),
        (lambda: GaussianMixture(POINTS, torch.tensor([1.0, math.nan, 1.0])), "expected finite stds"),
        (lambda: GaussianMixture(POINTS * math.nan, torch.ones(3)), "expected finite means"),
        (lambda: GaussianMixture(POINTS, torch.ones(3), torch.ones(4)), r"expected weights of shape \(3,\)"),
        (lambda: GaussianMixture(POINTS, torch.ones(3), torch.tensor([1.0, 0.0, 1.0])), "expected finite weights > 0"),
        (lambda: GaussianMixture(POINTS, torch.ones(3), torch.tensor([1.0, math.nan, 1.0])), "expected finite weights"),
        (lambda: empirical(torch.zeros(0, 2)), "expected points of shape"),
        (lambda: gaussian(torch.zeros(2), -1.0), "expected std >= 0"),
        (lambda: gaussian_flow(torch.zeros(2), math.nan, VE()), "expected std >= 0"),
        (lambda: Mixture1D(POINTS, torch.ones(3)), r"expected means of shape \(K,\)"),
        (lambda: Mixture1D([0.0], [-1.0]), "expected finite stds"),
        (lambda: ProductMixture([]), "expected coordinates as at least one Mixture1D"),
        (lambda: Ring(0.0, 0.1), "expected radius > 0"),
        (lambda: Ring(1.0, -0.1), "expected width >= 0"),
        (lambda: Ring(1.0, math.nan), "expected width >= 0"),
        (lambda: mixture().denoiser(VE())(torch.zeros(4, 1), torch.ones(4)), r"expected x of shape \(B, 2\)"),
        (lambda: mixture().log_prob(torch.zeros(4, 3), torch.ones(4), VE()), r"expected x of shape \(B, 2\)"),
        (lambda: product().denoiser(VE())(torch.zeros(4, 3), torch.ones(4)), r"expected x of shape \(B, 2\)"),
        (lambda: line().flow(VE())(torch.zeros(4, 2), torch.ones(4), torch.ones(4)), r"expected x of shape \(B, 1\)"),
        (lambda: line().consistency(VE())(torch.zeros(4, 1), torch.ones(4, 1)), "expected t of shape"),
        (lambda: Ring(1.0, 0.1).denoiser(VE())(torch.zeros(4, 3), torch.ones(4)), r"expected x of shape \(B, 2\)"),
    ],
)
def test_bad_input_gets_one_clear_line(build, message):
    with pytest.raises(ValueError, match=message) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_the_slope_on_the_median_is_the_ratio_of_densities():
    """There both tails are equal: f'(x) = p_t(x)/p_min(f(x)), by either mode of differentiation."""
    law, path = Mixture1D(torch.tensor([-0.5, 0.5]), torch.tensor([0.15, 0.15])), VE()
    x, t, m = torch.zeros(1, 1), torch.tensor([0.5]), torch.tensor([path.t_min])
    ratio = (law.log_prob(x, t, path) - law.log_prob(x, m, path)).exp()
    f = law.consistency(path)
    slope = torch.func.jvp(lambda y: f(y, t), (x,), (torch.ones_like(x),))[1]
    torch.testing.assert_close(slope.squeeze(1), ratio)
