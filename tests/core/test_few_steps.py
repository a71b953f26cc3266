"""Few-step sampling: an exact consistency function draws the data through any list of levels."""

import pytest
import torch
from gauntlet import PATHS, name

from minicm.evaluation import CountCalls
from minicm.oracles import gaussian_consistency
from minicm.paths import VE, TrigFlow
from minicm.sampling import consistency_sample, renoise, sweep_level

MEAN, STD, N = torch.tensor([0.3, -0.2], dtype=torch.float64), 0.5, 100_000


@pytest.mark.parametrize("levels", [[], [0.8], [5.0, 0.8, 0.1]])
@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_exact_function_draws_the_data_through_any_levels(path, levels):
    end = torch.tensor(path.t_max)
    x = path.alpha(end) * (MEAN + STD * torch.randn(N, 2)) + path.sigma(end) * torch.randn(N, 2)  # the true x_T
    times = [path.t_max, *path.time_at(torch.tensor(levels)).tolist()]
    x0 = consistency_sample(gaussian_consistency(MEAN, STD, path), x, times, path)
    assert (x0.mean(0) - MEAN).abs().max() < 5 * STD / N**0.5
    assert (x0.std(0) / STD - 1).abs().max() < 5 / (2 * N) ** 0.5 + 1e-3


def test_two_steps_from_the_usual_prior_have_the_moments_of_the_formula():
    """The prior N(0, T²) forgets the mean: .3 becomes .298125 after one step and .299025 after two."""
    path, f = VE(), gaussian_consistency(torch.tensor([0.3]), 0.5, VE())
    slope = lambda t: ((0.25 + 0.002**2) / (0.25 + t**2)) ** 0.5  # noqa: E731
    x = torch.tensor([[0.0]])  # the mean of the prior; f is affine, so it maps means to means
    assert consistency_sample(f, x, [80.0], path).item() == pytest.approx(0.298125, abs=1e-6)
    x = 80 * torch.randn(N, 1)
    two = consistency_sample(f, x, [80.0, 0.821], path)
    variance = slope(0.821) ** 2 * (slope(80.0) ** 2 * 80.0**2 + 0.821**2 - 0.002**2)
    assert variance**0.5 == pytest.approx(0.5000014, abs=1e-6)
    assert two.mean().item() == pytest.approx(0.299025, abs=5 * 0.5 / N**0.5)
    assert two.std().item() == pytest.approx(variance**0.5, rel=5 / (2 * N) ** 0.5)


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_renoising_leads_from_the_marginal_of_t_min_to_that_of_t(path):
    low = torch.full((N,), path.t_min)
    start = path.mix(MEAN + STD * torch.randn(N, 2), torch.randn(N, 2), low)
    t = path.time_at(torch.full((N,), 0.7))
    got, exact = renoise(start, t, path), path.mix(MEAN + STD * torch.randn(N, 2), torch.randn(N, 2), t)
    assert (got.mean(0) - exact.mean(0)).abs().max() < 6 * exact.std() / N**0.5
    assert (got.std(0) / exact.std(0) - 1).abs().max() < 6 / N**0.5
    assert torch.equal(renoise(start, low, path), start)


def test_the_last_thing_is_a_call_of_the_model_and_each_time_costs_one():
    seen = []

    def model(x, t):
        seen.append(t[0].item())
        return torch.zeros_like(x)

    counted = CountCalls(model)
    out = consistency_sample(counted, torch.randn(3, 2), [80.0, 5.0, 0.5], VE())
    assert counted.calls == 3 and seen == [80.0, 5.0, 0.5] and torch.equal(out, torch.zeros(3, 2))


def test_the_same_generator_gives_the_same_samples():
    f, x = gaussian_consistency(MEAN, STD, VE()), 80 * torch.randn(5, 2)
    draw = lambda seed: consistency_sample(f, x, [80.0, 1.0], VE(), torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(1), draw(1)) and not torch.equal(draw(1), draw(2))


def test_the_sweep_scores_each_level_with_the_same_noise():
    path, f, x = TrigFlow(), gaussian_consistency(MEAN, STD, TrigFlow()), torch.randn(50, 2)
    rows = sweep_level(f, x, [0.5, 1.1], path, score=lambda y: y.std().item(), seed=3)
    for level, score in rows:
        again = consistency_sample(f, x, [path.t_max, level], path, torch.Generator().manual_seed(3))
        assert score == again.std().item()
    assert [level for level, _ in rows] == [0.5, 1.1]


@pytest.mark.parametrize("times", [[], [0.5, 1.0], [80.0, 80.0], [81.0], [80.0, 0.001], [float("nan")], [[80.0]]])
def test_times_that_make_no_sense_are_refused(times):
    with pytest.raises(ValueError, match="^expected [^\n]*got[^\n]*$"):
        consistency_sample(lambda x, t: x, torch.randn(3, 2), times, VE())


def test_noise_is_added_from_the_data_end_of_the_path_wherever_that_is():
    """On TrigFlow between noise-to-signal ratios .1 and 5: one point there gets the variance that is missing at t."""
    path = TrigFlow(nsr_min=0.1, nsr_max=5.0)
    t, start = torch.full((N,), 0.9, dtype=torch.float64), torch.full((N, 1), 0.3, dtype=torch.float64)
    keep = (path.alpha(t) / path.alpha(torch.full_like(t, path.t_min)))[0].item()
    m = torch.tensor([path.t_min], dtype=torch.float64)
    missing = (path.sigma(t)[0] ** 2 - (keep * path.sigma(m)[0]) ** 2).sqrt().item()
    got = renoise(start, t, path, torch.Generator().manual_seed(0))
    assert got.mean().item() == pytest.approx(0.3 * keep, abs=5 * missing / N**0.5)
    assert got.std().item() == pytest.approx(missing, rel=5 / (2 * N) ** 0.5)
