"""The digits: standardised by documented constants, split evenly, and tinted so that grey hides the colour."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minicm.data.digits import LUMA, TINTS, digit_halves, digit_images, tint_index, tinted, to_grey, to_rgb
from minicm.sampling import channel_rotation

X, LABELS = digit_images()  # float32, as torch's default is while tests are collected


def test_the_pictures_have_mean_0_and_std_one_half():
    x, labels = digit_images()
    assert x.shape == (1797, 1, 8, 8) and x.dtype == torch.float64 and labels.dtype == torch.int64
    assert abs(x.mean().item()) < 1e-6 and x.std(correction=0).item() == pytest.approx(0.5, abs=1e-6)
    y = tinted(x, labels)
    assert abs(y.mean().item()) < 1e-6 and y.std(correction=0).item() == pytest.approx(0.5, abs=1e-6)


def test_pixels_come_back_as_sixteenths_of_full_ink():
    x, _ = digit_images()
    ink = 16 * to_grey(x)
    assert torch.allclose(ink, ink.round(), atol=1e-9) and ink.min() >= 0 and ink.max() == pytest.approx(16)
    assert ink[:, :, 3:5].mean() > 1.5 * ink[..., [0, 7]].mean()  # ink is in the middle, not in the margin
    outside = torch.tensor([-9.0, 9.0])
    assert to_grey(outside).tolist() == [0, 1] and to_rgb(outside).tolist() == [0, 1]


def test_the_dtype_is_torchs_default():
    torch.set_default_dtype(torch.float32)
    assert X.dtype == digit_images()[0].dtype == digit_halves().train.dtype == torch.float32


@settings(max_examples=10)
@given(seed=st.integers(0, 2**31))
def test_halves_share_nothing_miss_nothing_and_are_balanced(seed):
    h = digit_halves(seed)
    assert len(h.train) == 899 and len(h.test) == 898
    assert (h.train_labels.bincount() - h.test_labels.bincount()).abs().max() <= 1
    sums = lambda x: x.double().flatten(1) @ torch.arange(1.0, 65).double() ** 0.5  # noqa: E731  # one number a picture
    together = torch.cat([sums(h.train), sums(h.test)]).sort().values
    assert torch.allclose(together, sums(digit_images()[0]).sort().values)


def test_the_split_is_random_and_keeps_labels_with_their_pictures():
    x, labels = digit_images()
    one, two, again = digit_halves(0), digit_halves(1), digit_halves(0)
    assert torch.equal(one.train, again.train) and not torch.equal(one.train, two.train)
    for part, names in ((one.train, one.train_labels), (one.test, one.test_labels)):
        where = torch.cdist(part[:50].flatten(1), x.flatten(1)).argmin(1)
        assert torch.equal(labels[where], names[:50])


def test_a_tinted_digit_is_its_ink_times_its_tint():
    x, labels = digit_images()
    rgb = to_rgb(tinted(x, labels))
    tint = torch.tensor(TINTS)[labels % 5]
    assert torch.allclose(rgb, to_grey(x) * tint[:, :, None, None], atol=1e-9)
    assert all(0 <= c <= 1 for t in TINTS for c in t)


def test_grey_does_not_show_the_colour():
    """The grey coordinate of a tinted digit is the same for every tint, and shape is all that is left."""
    x, labels = digit_images()
    rotation = channel_rotation(LUMA)
    one, other = (rotation.forward(tinted(x[:20], torch.full((20,), k)))[..., 0] for k in (0, 3))
    assert torch.allclose(one, other, atol=1e-9)
    assert all(math.isclose(sum(w * c for w, c in zip(LUMA, tint)), 0.45) for tint in TINTS)


def test_the_tint_is_recognised_through_noise():
    x, labels = digit_images()
    y = tinted(x, labels)
    assert torch.equal(tint_index(y), labels % 5)
    assert (tint_index(y + 0.2 * torch.randn_like(y)) == labels % 5).double().mean() > 0.99
    assert torch.equal(tint_index(y.float()), labels % 5)


def test_3_and_8_share_a_tint_and_3_and_4_do_not():
    x = digit_images()[0][:2]
    same, different = tinted(x, torch.tensor([3, 4])), tinted(x, torch.tensor([8, 8]))
    assert torch.equal(same[0], different[0]) and not torch.equal(same[1], different[1])


@pytest.mark.parametrize(
    ("x", "labels"),
    [(torch.ones(2, 3, 8, 8), torch.ones(2).long()), (torch.ones(2, 64), torch.ones(2).long()),
     (torch.ones(2, 1, 8, 8), torch.ones(3).long())],
)  # fmt: skip
def test_tints_are_for_grey_pictures_with_a_label_each(x, labels):
    with pytest.raises(ValueError, match="^expected grey x[^\n]*got[^\n]*$"):
        tinted(x, labels)
