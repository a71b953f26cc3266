"""The only broadcasting rule of the package, and the check of grids."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from minicm.shapes import like, per_sample, time_grid

EVENTS = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@given(batch=st.integers(1, 5), event=EVENTS)
def test_like_multiplies_each_sample_by_its_own_number(batch, event):
    x, t = torch.randn(batch, *event), torch.randn(batch)
    expected = torch.stack([t[i].item() * x[i] for i in range(batch)])
    torch.testing.assert_close(like(t, x) * x, expected)


@given(batch=st.integers(1, 5), event=EVENTS)
def test_per_sample_adds_up_everything_but_the_batch(batch, event):
    x = torch.randn(batch, *event)
    torch.testing.assert_close(per_sample(x), torch.stack([sample.sum() for sample in x]))


@given(batch=st.integers(1, 5), shape=st.lists(st.integers(1, 5), max_size=3))
def test_like_refuses_every_other_shape_of_t(batch, shape):
    x = torch.zeros(batch, 5, 5)
    if shape == [batch]:
        assert like(torch.ones(shape), x).shape == (batch, 1, 1)
        return
    with pytest.raises(ValueError, match=rf"expected t of shape \({batch},\)"):
        like(torch.ones(shape), x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_like_takes_the_dtype_of_the_samples(dtype):
    t = torch.tensor([1 / 3], dtype=torch.float64)
    assert like(t, torch.zeros(1, 2, dtype=dtype)).item() == t.to(dtype).item()


@pytest.mark.parametrize("times", [[80.0, 1.0, 0.002], [0.0, 1.0], (3, 2, 1)])
def test_a_grid_keeps_its_times_in_float64(times):
    grid = time_grid(torch.tensor(times))
    assert grid.dtype == torch.float64
    assert grid.tolist() == torch.tensor(times).double().tolist()


@pytest.mark.parametrize(
    "times",
    [[], [1.0], [[2.0, 1.0]], [2.0, 2.0], [3.0, 1.0, 2.0], [1.0, math.nan], [math.inf, 1.0], [math.nan, 2.0, 1.0]],
)
def test_what_is_not_a_grid_is_refused_in_one_line(times):
    with pytest.raises(ValueError, match="expected a ") as caught:
        time_grid(torch.tensor(times))
    assert "\n" not in str(caught.value)
