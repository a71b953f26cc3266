"""Distances in features: closed forms of Gaussians, no bias where there should be none, sets that are told apart."""

import sys
import types

import pytest
import torch
from safetensors.torch import load_file

from experiments import cifar10_classifier, cifar10_sensitivity
from minicm.data.digits import digit_halves
from minicm.evaluation import cifar10, digits
from minicm.evaluation.cifar10 import Cifar10Classifier, evaluate_cifar10
from minicm.evaluation.digits import digits_classifier, evaluate_digits, pixel_gaussian
from minicm.evaluation.fid import cifar10_fid
from minicm.evaluation.frechet import Moments, features_of, kid, nearest, precision_recall


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian(n, mean, root, seed=0):
    """n points whose mean and covariance are exactly `mean` and root rootᵀ."""
    z = torch.randn(n, len(mean), generator=seeded(seed))
    z = z - z.mean(0)
    whitened = z @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(z.T))).T
    return mean + whitened @ root.T


def double(x):
    return 2 * x.flatten(1)


# Fréchet distance


def frechet_in(features, x, y):
    return Moments.of(features_of(features, x)).distance(Moments.of(features_of(features, y)))


def test_two_gaussians_have_their_closed_form():
    """Diagonal covariances: |m₁ − m₂|² + Σ (s₁ − s₂)²."""
    m1, m2 = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.0, 1.0, 0.5])
    s1, s2 = torch.tensor([1.0, 2.0, 0.1]), torch.tensor([3.0, 0.5, 0.0])
    x, y = gaussian(50, m1, s1.diag(), 1), gaussian(80, m2, s2.diag(), 2)
    expected = 10 + 4 + 2.25 + 0.01
    assert frechet_in(torch.nn.Identity(), x, y) == pytest.approx(expected, rel=1e-9)
    assert frechet_in(double, x, y) == pytest.approx(4 * expected, rel=1e-9)


def test_covariances_that_do_not_commute():
    """In the plane tr (C₁C₂)^½ = √(tr C₁C₂ + 2 √det C₁C₂)."""
    r1, r2 = torch.tensor([[1.0, 0.0], [0.8, 0.6]]), torch.tensor([[2.0, 0.0], [-0.5, 0.3]])
    c1, c2 = r1 @ r1.T, r2 @ r2.T
    cross = ((c1 @ c2).trace() + 2 * (c1 @ c2).det().sqrt()).sqrt()
    found = Moments(torch.zeros(2), c1).distance(Moments(torch.zeros(2), c2))
    assert found == pytest.approx((c1.trace() + c2.trace() - 2 * cross).item(), rel=1e-12)


def test_a_shift_counts_squared_and_a_scale_by_its_excess():
    x = torch.randn(300, 4, generator=seeded())
    shift = torch.tensor([1.0, 2.0, -2.0, 4.0])
    identity = torch.nn.Identity()
    assert frechet_in(identity, x, x + shift) == pytest.approx(25, rel=1e-9)
    centred = x - x.mean(0)
    assert frechet_in(identity, centred, 3 * centred) == pytest.approx(4 * torch.cov(x.T).trace().item(), rel=1e-9)


def test_equal_sets_are_at_0_also_without_full_rank():
    x = torch.randn(20, 50, generator=seeded())  # fewer samples than features
    assert frechet_in(torch.nn.Identity(), x, x) == pytest.approx(0, abs=1e-5)


def test_features_are_taken_in_parts_without_gradient_and_in_eval_mode():
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 3), torch.nn.Dropout(0.9))
    x = torch.randn(7, 1, 2, 2)
    found = features_of(net, x, batch_size=3)
    assert not found.requires_grad and torch.allclose(found, net[1](x.flatten(1)))
    with pytest.raises(ValueError, match="^expected a row of features for each of 7 samples, got 1$"):
        features_of(lambda x: x.sum(0, keepdim=True), x)


# KID


def test_kid_of_equal_laws_is_0_in_the_mean():
    """The mean over 200 pairs lies within three standard errors of 0; a V-statistic would be at about .2."""
    values = torch.tensor([kid(*torch.randn(2, 20, 4, generator=seeded(k))) for k in range(200)], dtype=torch.float64)
    assert abs(values.mean()) < 3 * values.std() / 200**0.5 < 0.1
    assert values.min() < 0


def test_kid_is_the_sum_over_all_pairs():
    x, y = torch.randn(5, 3, generator=seeded(1)), torch.randn(4, 3, generator=seeded(2))

    def k(a, b):
        return ((a @ b).item() / 3 + 1) ** 3

    xx = [k(x[i], x[j]) for i in range(5) for j in range(5) if i != j]
    yy = [k(y[i], y[j]) for i in range(4) for j in range(4) if i != j]
    xy = [k(a, b) for a in x for b in y]
    expected = sum(xx) / 20 + sum(yy) / 12 - 2 * sum(xy) / 20
    assert kid(x, y) == pytest.approx(expected, rel=1e-9)


def test_kid_of_a_shift_is_the_distance_of_kernel_means():
    """In one dimension E k(x, y) over independent points of mean m and variance 1 has a closed form."""
    x, y = torch.randn(3000, 1, generator=seeded(1)), 1 + torch.randn(3000, 1, generator=seeded(2))
    m = [torch.tensor([1.0, mean, 1 + mean**2, mean**3 + 3 * mean]) for mean in (0.0, 1.0)]  # raw moments
    binomial = torch.tensor([1.0, 3.0, 3.0, 1.0])
    assert kid(x, y) == pytest.approx((binomial * (m[0] - m[1]) ** 2).sum().item(), rel=0.15)


# Precision, recall, neighbours


def test_equal_and_disjoint_sets():
    x = torch.randn(60, 3, generator=seeded(1))
    same, far = precision_recall(x, x.clone()), precision_recall(x, x + 100)
    assert (same.precision, same.recall, far.precision, far.recall) == (1, 1, 0, 0)


def test_precision_and_recall_are_not_the_same():
    """Samples in one of two clusters look like data and reach half of it; the other way round, the opposite."""
    a, b = torch.randn(200, 2, generator=seeded(1)), torch.randn(200, 2, generator=seeded(2)) + 50
    data, samples = torch.cat([a, b]), torch.randn(400, 2, generator=seeded(3))
    found, swapped = precision_recall(samples, data), precision_recall(data, samples)
    assert found.precision > 0.9 and 0.45 < found.recall < 0.51
    assert (swapped.precision, swapped.recall) == (found.recall, found.precision)


def test_a_ball_reaches_to_the_kth_other_point():
    data = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # balls for k = 1 reach 1, 1, 2, 4; for k = 2: 3, 2, 3, 6
    samples = torch.tensor([[-2.5], [11.5], [4.0], [2.0]])
    assert precision_recall(samples, data, k=1).precision == 0.5
    assert precision_recall(samples, data, k=2).precision == 1.0
    with pytest.raises(ValueError, match="^expected 1 <= k < the number of samples, got k 4 and 4, 4 samples$"):
        precision_recall(samples, data, k=4)


def test_the_nearest_point_and_how_far_it_is():
    points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [10.0, 0.0]])
    found = nearest(torch.tensor([[3.0, 4.0], [0.0, -2.0], [9.0, 0.0]]), points)
    assert found.index.tolist() == [1, 0, 2] and found.distance.tolist() == pytest.approx([0, 2, 1])
    with pytest.raises(ValueError, match="one event shape"):
        nearest(torch.ones(2, 3), points)


def test_an_exact_copy_is_at_distance_0_and_far_points_keep_their_digits():
    """Squared distances would leave some 1e-6, and at an offset of 1000 whole units."""
    points = torch.rand(400, 64, generator=torch.Generator().manual_seed(0)).double()
    found = nearest(points[:50], points)
    assert found.distance.eq(0).all() and found.index.tolist() == list(range(50))
    off = nearest(points[:50] + 0.001 + 1e6, points + 1e6)
    assert off.index.tolist() == list(range(50)) and off.distance.tolist() == pytest.approx([0.008] * 50, rel=1e-4)


# Digits


def test_the_stored_classifier_knows_the_other_half():
    torch.set_default_dtype(torch.float32)
    h = digit_halves()
    right = (digits_classifier()(h.test).argmax(1) == h.test_labels).double().mean()
    assert right > 0.98
    assert features_of(digits_classifier().features, h.test).shape == (898, 32)


def test_what_fd_digits_ranks():
    """True < a little noise < more < the Gaussian of the pixels < nothing like digits, in units of the floor."""
    h = digit_halves()
    noise = torch.randn(h.test.shape, generator=seeded(1))
    fit, paper = pixel_gaussian(898, h.train, seeded(2)), torch.rand(h.test.shape, generator=seeded(3))
    sets = [h.test + 0.1 * noise, h.test + 0.3 * noise, fit, paper]
    found = [evaluate_digits(x).over_floor for x in sets]
    assert found == sorted(found) and found[0] < 0.3 and 5 < found[2] < 20 < found[3]


def test_copies_are_seen_by_their_neighbours_and_by_the_other_half():
    h = digit_halves()
    copies = h.train[:898] + 0.1 * torch.randn(h.train[:898].shape, generator=seeded(4))
    found, true = evaluate_digits(copies), evaluate_digits(h.test)
    assert found.to_train < 0.2 * found.to_test and found.copies > 0.5 and found.nearest < 0.6 * found.nearest_of_test
    assert true.to_test == pytest.approx(0, abs=1e-5) and true.to_train == pytest.approx(true.floor, rel=1e-6)
    assert true.nearest == true.nearest_of_test and true.copies == pytest.approx(0.01, abs=0.001)


def test_the_gaussian_fit_has_the_moments_of_the_pictures():
    points = digit_halves().train
    x = pixel_gaussian(8000, points, seeded()).flatten(1)
    assert torch.allclose(x.mean(0), points.flatten(1).mean(0), atol=0.04)
    assert torch.allclose(torch.cov(x.T), torch.cov(points.flatten(1).T), atol=0.04)


def test_sets_of_898_are_averaged():
    h = digit_halves()
    x = torch.cat([h.test, pixel_gaussian(898, h.train, seeded())])
    parts = [evaluate_digits(part).to_test for part in x.split(898)]
    found = evaluate_digits(torch.cat([x, x[:100]]))
    assert found.to_test == pytest.approx(sum(parts) / 2, rel=1e-6)
    assert found.spread == pytest.approx(abs(parts[0] - parts[1]) / 2**0.5, rel=1e-6)


@pytest.mark.parametrize("x", [torch.zeros(897, 1, 8, 8), torch.zeros(898, 64), torch.zeros(898, 3, 8, 8)])
def test_digits_that_cannot_be_judged(x):
    with pytest.raises(ValueError, match="^expected at least 898 digits of shape[^\n]*got[^\n]*$"):
        evaluate_digits(x)


def test_without_the_file_one_line_tells_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "CLASSIFIER", tmp_path / "none")
    digits_classifier.cache_clear()
    with pytest.raises(FileNotFoundError, match="experiments/digits_classifier.py digits"):
        digits_classifier()
    with pytest.raises(FileNotFoundError, match="experiments/cifar10_classifier.py"):
        cifar10.cifar10_classifier(tmp_path / "none")


# CIFAR-10


def test_fd_clf_of_the_pictures_themselves_is_0_and_of_noise_is_not():
    generator = seeded()
    train = torch.randint(256, (64, 3, 16, 16), generator=generator, dtype=torch.uint8)
    test = torch.randint(256, (40, 3, 16, 16), generator=generator, dtype=torch.uint8)
    classifier = Cifar10Classifier(4).eval()
    classifier.head.bias.data.zero_()
    moments = Moments.of(features_of(classifier.features, cifar10.enlarged(train)))
    classifier.keep(16, moments)
    found = evaluate_cifar10(train / 127.5 - 1, train, test, classifier)
    assert found.fd_clf == found.floor == pytest.approx(0, abs=1e-9)
    assert (found.precision, found.recall, found.nearest) == (1, 1, 0) and found.nearest_of_test > 10
    plain = torch.linspace(-1, 1, 64)[:, None, None, None].expand(64, 3, 16, 16)
    other = evaluate_cifar10(plain, train, test, classifier)
    assert other.fd_clf > 0 and other.kid_clf > found.kid_clf and other.precision < 1
    with pytest.raises(ValueError, match="size 32 or 16, got 8"):
        classifier.statistics(8)


@pytest.fixture
def few_pictures(monkeypatch):
    """Both scripts of the classifier see sixty pictures of uniform noise."""
    images = torch.randint(256, (60, 3, 32, 32), generator=seeded(), dtype=torch.uint8)
    for module in (cifar10_classifier, cifar10_sensitivity):
        monkeypatch.setattr(module, "cifar10_train", lambda: (images, torch.arange(60) % 10))
        monkeypatch.setattr(module, "cifar10_test", lambda: (images[:20], torch.arange(20) % 10))
    monkeypatch.setattr(cifar10_classifier, "BATCH", 16)
    monkeypatch.setattr(cifar10_sensitivity, "SAMPLES", 40)
    return images


def test_the_classifier_is_trained_stored_with_its_statistics_and_put_to_the_test(few_pictures, tmp_path, capsys):
    torch.set_default_dtype(torch.float32)
    file = tmp_path / "classifier.safetensors"
    cifar10_classifier.main(["cifar10", "--epochs", "1", "--noisy_epochs", "1", "--device", "cpu", "--out", str(file)])
    model = cifar10.cifar10_classifier(file)
    found = Moments.of(features_of(model.features, few_pictures)).distance(model.statistics(32))
    kept = model.statistics(32)
    scale = (kept.mean.square().sum() + kept.cov.trace()).item()
    assert found == pytest.approx(0, abs=1e-6 * scale)  # the file is in half precision
    assert {v.dtype for v in load_file(file).values()} == {torch.float16}
    code = cifar10_sensitivity.main(["--classifier", str(file)])
    text = capsys.readouterr().out
    assert code == int("not ranked" in text) and "classes dropped" in text and "noise, std" in text


def test_what_the_sensitivity_is_tried_with():
    x = torch.full((4, 3, 32, 32), 100, dtype=torch.uint8)
    x[..., 16] = 200
    blurred = cifar10_sensitivity.blurred(x, 1.0)
    assert torch.equal(cifar10_sensitivity.blurred(x[..., :16], 1.5), x[..., :16])  # what is plain stays so
    assert blurred[0, 0, 8, 16] == pytest.approx(100 + 100 * 0.399, abs=1)  # the middle of the kernel
    noisy = cifar10_sensitivity.noisy(x[..., :16], 0.1).double()
    assert noisy.std().item() == pytest.approx(25.5, rel=0.05)


def test_a_group_is_ranked_above_the_floor_and_what_lies_below_is_named():
    groups = {"a": (0.0, 1.0, 3.0), "b": (0.0, 2.0, 2.0), "c": (0.1, 0.0, 3.0), "d": (0.1, 3.0, 0.0)}
    rows = [{"group": name, "size": k, "fd_clf": v} for name, found in groups.items() for k, v in enumerate(found)]
    assert cifar10_sensitivity.ranked(rows, 0.2) == ["b", "d"] and cifar10_sensitivity.ranked(rows, 0.0) == [
        "b",
        "c",
        "d",
    ]
    assert cifar10_sensitivity.unseen(rows, 0.2) == ["c 1", "d 2"]


# FID


def test_without_torch_fidelity_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(OSError, match=r'pip install "minicm\[fid\]"') as error:
        cifar10_fid(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))
    assert "\n" not in str(error.value)


def test_torch_fidelity_gets_the_pictures_and_the_protocol(monkeypatch):
    asked = {}

    def calculate_metrics(**options):
        asked.update(options)
        return {"frechet_inception_distance": 2.5}

    module = types.ModuleType("torch_fidelity")
    module.calculate_metrics = calculate_metrics
    monkeypatch.setitem(sys.modules, "torch_fidelity", module)
    pictures = torch.randint(256, (5, 3, 32, 32), dtype=torch.uint8)
    assert cifar10_fid(pictures) == 2.5
    given = asked["input1"]
    assert isinstance(given, torch.utils.data.Dataset) and len(given) == 5 and torch.equal(given[3], pictures[3])
    assert asked["input2"] == "cifar10-train" and asked["fid"] and not asked["cuda"]

    def offline(**options):
        raise OSError("<urlopen error\nno network>")

    module.calculate_metrics = offline
    with pytest.raises(OSError, match="needs a network, or its cache") as error:
        cifar10_fid(pictures)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pictures", [torch.zeros(4, 3, 32, 32), torch.zeros(4, 3, 16, 16, dtype=torch.uint8)])
def test_fid_is_of_cifar10_alone(pictures):
    with pytest.raises(ValueError, match="^expected at least 2 uint8 pictures"):
        cifar10_fid(pictures)
