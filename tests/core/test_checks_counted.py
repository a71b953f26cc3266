"""Checks stand at the doors: how many calls of them one update and one step make, counted by a profiler."""

import sys
from itertools import repeat

import pytest
import torch

import minicm as cm
from minicm import checks

PATH = cm.TrigFlow()


def calls_of_checks(work) -> int:
    """Calls of functions of minicm.checks while work() runs."""
    found = []

    def look(frame, event, argument):
        if event == "call" and frame.f_code.co_filename == checks.__file__:
            found.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(before)
    return len(found)


@pytest.mark.parametrize("loss", [
    cm.ect(PATH, 100), cm.VelocityLoss(PATH, cm.log_normal(-1.0, 1.4)), cm.SCMLoss(PATH, cm.log_normal(-1.0, 1.4)),
], ids=["ECT", "diffusion", "sCT"])  # fmt: skip
def test_an_update_makes_at_most_20_calls_of_checks(loss):
    model = cm.model_on(PATH, cm.MLP())
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    records = cm.fit(model, loss, repeat(torch.randn(8, 2)), optimizer, ema=cm.PowerEMA(model), clip=1.0)
    next(records)
    assert 0 < calls_of_checks(lambda: next(records)) <= 20


def test_a_heun_step_makes_at_most_20_calls_of_checks_and_a_longer_grid_fewer_for_each():
    x, field = torch.randn(8, 2), cm.probability_flow(cm.model_on(PATH, cm.MLP()), PATH)
    one, eleven = PATH.grid(1), PATH.grid(11)
    alone = calls_of_checks(lambda: cm.heun_step(field, x, one[0].expand(8), one[1].expand(8)))
    inside = (
        calls_of_checks(lambda: cm.integrate(field, x, eleven)) - calls_of_checks(lambda: cm.integrate(field, x, one))
    ) / 10
    assert alone <= 20 and inside < alone


def test_the_count_sees_a_call():
    assert calls_of_checks(lambda: checks.check_count("n", 2)) == 1
