"""The checks of notebook 15: unsolved, right, and wrong in the ways that learners are."""

import pytest

from minicm.course.nb15 import check_conv_flops, check_joined_gradient, check_kid

CHECKS = [check_conv_flops, check_joined_gradient, check_kid]


def said(check, answer, capsys):
    check(answer)
    return capsys.readouterr().out


def flops(inputs, outputs, kernel, height, width):
    return 2 * inputs * outputs * kernel * kernel * height * width


def joined(grads, counts):
    return counts @ grads / counts.sum()


def kernel(a, b):
    return (a @ b.T / a.shape[1] + 1) ** 3


def kid(a, b, twice=2.0):
    def within(x):
        k = kernel(x, x)
        return (k.sum() - k.trace()) / (len(x) * (len(x) - 1))

    return within(a) + within(b) - twice * kernel(a, b).mean()


@pytest.mark.parametrize("check", CHECKS)
def test_unsolved(check, capsys):
    assert said(check, lambda *_: None, capsys).startswith("not solved yet: ")


@pytest.mark.parametrize(("check", "answer"), list(zip(CHECKS, [flops, joined, kid])))
def test_right(check, answer, capsys):
    assert said(check, answer, capsys).startswith("PASS: ")


@pytest.mark.parametrize(
    ("check", "answer", "words"),
    [
        (check_conv_flops, lambda i, o, k, h, w: i * o * k * k * h * w, "factor of 2"),
        (check_conv_flops, lambda i, o, k, h, w: 2 * i * o * k * h * w, "enters twice"),
        (check_conv_flops, lambda i, o, k, h, w: 2 * i * o * k * k, "height and width"),
        (check_joined_gradient, lambda g, n: g.sum(0), "take their mean"),
        (check_joined_gradient, lambda g, n: g.mean(0), "more samples counts more"),
        (check_joined_gradient, lambda g, n: n @ g / len(n), "differ"),
        (check_joined_gradient, lambda g, n: (1 / n) @ g / (1 / n).sum(), "upside down"),
        (check_kid, lambda a, b: kernel(a, a).mean() + kernel(b, b).mean() - 2 * kernel(a, b).mean(), "biased version"),
        (check_kid, lambda a, b: kid(a, b, 1.0), "counts twice"),
        (check_kid, lambda a, b: kid(a * a.shape[1] ** 0.5, b * a.shape[1] ** 0.5), "number of features"),
        (check_kid, lambda a, b: kid(a, b).sqrt(), "may be negative"),
    ],
)
def test_wrong(check, answer, words, capsys):
    text = said(check, answer, capsys)
    assert text.startswith("not yet: ") and words in text
