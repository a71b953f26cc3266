"""The check of notebook 08b: what it says to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb08b import check_boundary


def parts(t):
    return t.cos()[:, None], t.sin()[:, None]


def right(network, x, t):
    cos, sin = parts(t)
    return cos * x - 0.5 * sin * network(x / 0.5, t)


CASES = [
    (right, "PASS"),
    (lambda network, x, t: None, "not solved yet"),
    (lambda network, x, t: parts(t)[0] * x - 0.5 * parts(t)[1] * network(x, t), "x/0.5"),
    (lambda network, x, t: parts(t)[0] * x - parts(t)[1] * network(x / 0.5, t), "in units of the data"),
    (lambda network, x, t: parts(t)[1] * x - 0.5 * parts(t)[0] * network(x / 0.5, t), "exchanged"),
    (lambda network, x, t: parts(t)[0] * x + 0.5 * parts(t)[1] * network(x / 0.5, t), "sign"),
    (lambda network, x, t: network(x / 0.5, t), "answer alone"),
    (lambda network, x, t: -0.5 * parts(t)[1] * network(x / 0.5, t), "part of x is missing"),
    (lambda network, x, t: t.cos() * x - 0.5 * t.sin() * network(x / 0.5, t), "it stops"),
    (lambda network, x, t: right(network, x, t)[:, :1], "shape"),
    (lambda network, x, t: right(network, x.mul_(2) / 2, t), "in place"),
]


@pytest.mark.parametrize(("answer", "words"), CASES, ids=range(len(CASES)))
def test_what_it_says(answer, words, capsys):
    check_boundary(answer)
    said = capsys.readouterr().out
    assert words in said and said.count("\n") == 1


def test_it_is_the_scaling_of_the_package(capsys):
    from minicm import TrigFlowScaling

    def by_package(network, x, t):
        c_skip, c_out, c_in, c_noise = (c if c.ndim else c for c in TrigFlowScaling()(t))
        return c_skip[:, None] * x + c_out[:, None] * network(c_in[:, None] * x, c_noise)

    check_boundary(by_package)
    assert "PASS" in capsys.readouterr().out
    assert torch.is_grad_enabled()
