"""A run that is watched gives the model that it gives unwatched, and shows its way in one picture."""

import types
from unittest.mock import MagicMock

import pytest
import torch

from minicm.course.live import watch
from minicm.data import eight_gaussians
from minicm.lab.recipes import plane as recipes


def run(iterations=3):
    return recipes.ict_run(eight_gaussians, iterations)


def test_a_watched_run_ends_with_the_weights_of_an_unwatched_one(capsys):
    watched, plain = watch(run(), "iCT"), run().train()
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), plain.parameters()))
    assert not watched.training and not any(weight.requires_grad for weight in watched.parameters())
    assert capsys.readouterr().out == "iCT: trained here, 3 updates\n"


def test_in_a_notebook_one_picture_is_made_and_then_updated(monkeypatch):
    shown, clock = [], iter(range(0, 1000, 2))
    handle = types.SimpleNamespace(update=lambda figure: shown.append(("update", figure)))

    def display(figure, display_id):
        shown.append(("display", figure))
        return handle

    kernel = MagicMock()
    monkeypatch.setattr("IPython.get_ipython", lambda: kernel)
    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr("minicm.course.live.time.monotonic", lambda: next(clock))
    watch(run(), "iCT")
    assert [kind for kind, _ in shown] == ["display", "update", "update", "update"]
    assert shown[-1][1].axes[0].get_title() == "iCT: 3 of 3 updates"


def test_what_the_run_raises_comes_through():
    class Broken:
        iterations, average = 5, None

        def records(self):
            yield from ()
            raise ValueError("the loss is nan at iteration 0")

    with pytest.raises(ValueError, match="the loss is nan"):
        watch(Broken(), "broken")
