"""Mixtures with classes: each answer against Bayes' rule, autograd or the mixture of that class alone."""

import math

import pytest
import torch
from gauntlet import PATHS, SHAPES, mixture, name, some_t

from minicm.oracles import GaussianMixture, LabelledMixture, gaussian
from minicm.paths import VE, TrigFlow
from minicm.sampling import guided, guided_by
from minicm.shapes import like

CLASSES = torch.tensor([1, 0, 1, 0])


def labelled(shape=(2,)):
    return LabelledMixture(mixture(shape, k=4), CLASSES)


@pytest.mark.parametrize("path", PATHS, ids=name)
@pytest.mark.parametrize("shape", SHAPES, ids=len)
def test_a_row_has_the_denoiser_of_its_class(path, shape):
    law, label = labelled(shape), torch.tensor([0, 1, -1, 1, 0, -2, 1])
    x, t = torch.randn(7, *shape), some_t(path)
    m, found = law.mixture, law.denoiser(path).given(label)(x, t)
    for k, c in enumerate(label.tolist()):
        inside = CLASSES == c if c >= 0 else CLASSES >= 0
        alone = GaussianMixture(m.means[inside], m.stds[inside], m.weights[inside]).denoiser(path)
        torch.testing.assert_close(found[k : k + 1], alone(x[k : k + 1], t[k : k + 1]))
    for nobody in (law.denoiser(path), law.denoiser(path).given(None)):
        torch.testing.assert_close(nobody(x, t), m.denoiser(path)(x, t))


def test_the_classifier_is_that_of_bayes():
    """p(c|x) = p(c) p(x|c)/p(x), and the denoiser without a label is the mean of those with one."""
    law, path = labelled(), TrigFlow()
    x, t = torch.randn(7, 2), some_t(path)
    share = law.log_posterior(x, t, path).exp()
    weights = torch.tensor([law.mixture.weights[CLASSES == c].sum() for c in (0, 1)])
    joint = torch.stack([weights[c] * law.of(c).log_prob(x, t, path).exp() for c in (0, 1)], 1)
    torch.testing.assert_close(share, joint / law.mixture.log_prob(x, t, path).exp()[:, None])
    means = [law.denoiser(path).given(torch.full((7,), c))(x, t) for c in (0, 1)]
    torch.testing.assert_close(law.denoiser(path)(x, t), sum(like(share[:, c], x) * means[c] for c in (0, 1)))


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_the_guided_score_is_the_gradient_of_the_tilted_density(path):
    law, w = labelled(), 2.7
    x, t = torch.randn(7, 2).requires_grad_(), some_t(path)
    (slope,) = torch.autograd.grad(law.tilted_log_prob(x, t, path, label=1, scale=w).sum(), x)
    teacher = law.denoiser(path)
    strong = guided(teacher.given(torch.ones(7).long()), teacher.given(None), w)(x, t)
    torch.testing.assert_close(slope, (like(path.alpha(t), x) * strong - x) / like(path.sigma(t) ** 2, x))


def test_tilting_where_the_classifier_is_known():
    """A class that is certain leaves p as it is; between two Gaussians of one width p(c|x) is a logistic function."""
    law = LabelledMixture(GaussianMixture(torch.tensor([[0.0], [1000.0]]), torch.ones(2)), torch.tensor([0, 1]))
    x = torch.linspace(-2, 2, 5)[:, None]
    tilted = law.tilted_log_prob(x, torch.zeros(5), VE(), label=0, scale=3.0)
    torch.testing.assert_close(tilted, gaussian(torch.zeros(1), 1.0).log_prob(x, torch.zeros(5), VE()) - math.log(2))
    law = LabelledMixture(GaussianMixture(torch.tensor([[0.0], [1.0]]), torch.ones(2)), torch.tensor([0, 1]))
    logit = law.log_posterior(x, torch.zeros(5), VE()).diff(dim=1)[:, 0]
    torch.testing.assert_close(logit, x[:, 0] - 0.5)
    tilted = law.tilted_log_prob(x, torch.zeros(5), VE(), label=1, scale=2.0)
    p = law.mixture.log_prob(x, torch.zeros(5), VE())
    torch.testing.assert_close(tilted, p - 2 * (1 + (-logit).exp()).log())


def test_samples_come_with_the_class_of_their_component():
    points = LabelledMixture(GaussianMixture(torch.arange(4.0)[:, None], torch.zeros(4)), CLASSES)
    x, label = points.sample(50, torch.Generator().manual_seed(0))
    assert torch.equal(label, CLASSES[x[:, 0].long()]) and set(label.tolist()) == {0, 1}
    alone = points.mixture.sample(50, torch.Generator().manual_seed(0))
    assert torch.equal(x, alone)


def test_each_sample_is_guided_to_its_own_class_by_its_own_scale():
    teacher, path = labelled().denoiser(VE()), VE()
    x, t, label, scales = torch.randn(2, 2), some_t(path, 2), torch.tensor([1, 0]), torch.tensor([1.5, 3.0])
    whole = guided_by(teacher.given(label), teacher.given(None), scales)(x, t)
    for k in range(2):
        one = guided(teacher.given(label[k : k + 1]), teacher, scales[k].item())
        torch.testing.assert_close(whole[k : k + 1], one(x[k : k + 1], t[k : k + 1]))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LabelledMixture(mixture(), torch.tensor([0, 1])), r"classes of shape \(3,\)"),
        (lambda: LabelledMixture(mixture(), torch.tensor([0.0, 1.0, 0.0])), "long"),
        (lambda: LabelledMixture(mixture(), torch.tensor([0, 2, 2])), "without a gap"),
        (lambda: LabelledMixture(mixture(), torch.tensor([0, -1, 1])), "without a gap"),
        (lambda: labelled().of(2), "label from 0 to 1"),
        (lambda: labelled().denoiser(VE()).given(torch.tensor([2])), "labels up to 1"),
        (lambda: labelled().denoiser(VE()).given(1), "label as a long tensor"),
        (lambda: labelled().denoiser(VE()).given(torch.tensor([1]))(torch.randn(3, 2), torch.rand(3)), "label"),
        (
            lambda: labelled().tilted_log_prob(torch.randn(3, 2), torch.rand(3), VE(), label=0, scale=math.inf),
            "scale",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
