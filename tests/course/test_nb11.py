"""The checks of notebook 11: what they say to stubs, right and wrong answers."""

import pytest
import torch

from minicm.course.nb11 import check_few_steps, check_grey_part, check_replace, check_slerp


def steps(scale, *, after=False):
    def few_steps(model, x, times, eps, t_min):
        x0 = model(x, torch.full((len(x),), times[0], dtype=torch.float64))
        for k, t in enumerate(times[1:]):
            x0 = model(x0 + scale(t, t_min, times[k]) * eps[k], torch.full((len(x),), t, dtype=torch.float64))
        return x0 + scale(times[-1], t_min, times[-1]) * eps[-1] if after and len(times) > 1 else x0

    return few_steps


def arc(a, b, u, theta):
    return (torch.sin((1 - u) * theta) * a + torch.sin(u * theta) * b) / torch.sin(theta)


def angle(a, b):
    return torch.acos((a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)))[:, None]


def slerp(a, b, w):
    return arc(a, b, w[:, None], angle(a, b))


def added(t, t_min, before):
    return (t**2 - t_min**2) ** 0.5


def in_place(x, y, Q, known):
    x.copy_(x @ Q)
    return torch.where(known, y @ Q, x) @ Q.T


CASES = [
    (check_few_steps, steps(added), "PASS"),
    (check_few_steps, lambda model, x, times, eps, t_min: None, "not solved yet"),
    (check_few_steps, steps(added, after=True), "after the last jump"),
    (check_few_steps, steps(lambda t, low, before: t), "too much noise"),
    (check_few_steps, steps(lambda t, low, before: t - low), "variances subtract"),
    (check_few_steps, steps(lambda t, low, before: added(before, low, t)), "level before"),
    (check_few_steps, steps(lambda t, low, before: 0.0), "no noise is added"),
    (check_few_steps, lambda model, x, times, eps, low: model(x, torch.full((2,), times[0])), "stop after the first"),
    (
        check_few_steps,
        lambda model, x, times, eps, low: model(x, torch.full((2,), times[-1])),
        "start from the first x",
    ),
    (check_few_steps, lambda model, x, times, eps, low: model(x, torch.tensor(times)), "it stops"),
    (check_replace, lambda x, y, Q, known: torch.where(known, y @ Q, x @ Q) @ Q.T, "PASS"),
    (check_replace, lambda x, y, Q, known: None, "not solved yet"),
    (check_replace, lambda x, y, Q, known: torch.where(known, x @ Q, y @ Q) @ Q.T, "other way round"),
    (check_replace, lambda x, y, Q, known: torch.where(known, y, x), "values themselves"),
    (check_replace, lambda x, y, Q, known: torch.where(known, y @ Q, x @ Q), "stay in the coordinates"),
    (check_replace, lambda x, y, Q, known: torch.where(known, y @ Q, x @ Q) @ Q, "not the inverse"),
    (check_replace, lambda x, y, Q, known: torch.where(known, y @ Q.T, x @ Q.T) @ Q, "columns of Q"),
    (check_replace, lambda x, y, Q, known: (known * (y @ Q)) @ Q.T, "are 0"),
    (check_replace, in_place, "in place"),
    (check_grey_part, lambda x, w: (x @ w)[:, None] * w / w.square().sum(), "PASS"),
    (check_grey_part, lambda x, w: None, "not solved yet"),
    (check_grey_part, lambda x, w: (x @ w)[:, None] * w, "length of w enters"),
    (check_grey_part, lambda x, w: (x @ w)[:, None] * w / w.norm(), "its square"),
    (check_grey_part, lambda x, w: x - (x @ w)[:, None] * w / w.square().sum(), "the rest"),
    (check_grey_part, lambda x, w: (x @ w)[:, None].expand(3, 3), "grey value in each channel"),
    (check_grey_part, lambda x, w: x * w, "first add up"),
    (check_grey_part, lambda x, w: x @ w, "shape"),
    (check_slerp, slerp, "PASS"),
    (check_slerp, lambda a, b, w: None, "not solved yet"),
    (check_slerp, lambda a, b, w: slerp(b, a, w), "swapped"),
    (check_slerp, lambda a, b, w: (1 - w[:, None]) * a + w[:, None] * b, "straight line"),
    (check_slerp, lambda a, b, w: slerp(a, b, w) * torch.sin(angle(a, b)), "at the weights 0 and 1"),
    (check_slerp, lambda a, b, w: arc(a, b, w[None, :], angle(a, b)), "at the weights 0 and 1"),
    (
        check_slerp,
        lambda a, b, w: arc(a, b, w[:, None], torch.acos((a * b).sum() / (a.norm() * b.norm()))),
        "angle of its own",
    ),
    (check_slerp, lambda a, b, w: (1 - w[:, None]).sqrt() * a + w[:, None].sqrt() * b, "right angle"),
]


@pytest.mark.parametrize(("check", "answer", "words"), CASES)
def test_each_answer_gets_its_words(check, answer, words, capsys):
    check(answer)
    text = capsys.readouterr().out
    assert words in text and len(text.splitlines()) == 1
    assert text.startswith(("PASS", "not solved yet", "not yet: "))


@pytest.mark.parametrize("check", [check_few_steps, check_grey_part, check_replace, check_slerp])
def test_a_missing_or_crashing_answer_is_told_in_words(check, capsys):
    check(None)
    assert capsys.readouterr().out.startswith("not solved yet")
    check(lambda *arguments: 1 / 0)
    assert "ZeroDivisionError" in capsys.readouterr().out
