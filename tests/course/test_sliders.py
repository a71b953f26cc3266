"""The sliders of the lessons: a picture for each value, small, refused in one line where a shape is wrong."""

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

from minicm.course import sliders

LEVELS = torch.logspace(-1, 1, 3, dtype=torch.float64)
PLACES = torch.linspace(-2, 2, 21, dtype=torch.float64)
CURVES = LEVELS[:, None] * PLACES
CLOUD = torch.randn(3, 50, 2, generator=torch.Generator().manual_seed(0))
FAR = CLOUD.norm(dim=2) > 0.9
SHARES = torch.softmax(LEVELS[:, None] * PLACES[:4], 1)

SLIDERS = {  # slider, what is said of its first and its last picture
    "answers": (lambda: sliders.slider_of_answers(LEVELS, PLACES, CURVES, CURVES, CURVES[:, :3]), ("0.1", "10")),
    "shares": (
        lambda: sliders.slider_of_shares(LEVELS, CLOUD[0, :4], CLOUD[0, 5], SHARES, CLOUD[1, :3]),
        ("0.1", "10"),
    ),
    "chains": (lambda: sliders.slider_of_chains([2, 5, 9], PLACES, CURVES[1], {"Euler": CURVES}), ("2", "9")),
    "second level": (
        lambda: sliders.slider_of_second_level(LEVELS, SHARES[:, 0], CLOUD, FAR),
        ("0.1", "10"),
    ),
}


@pytest.mark.parametrize("name", SLIDERS)
def test_a_slider_has_a_picture_for_each_value_and_is_small(name):
    make, (first, last) = SLIDERS[name]
    slider = make()
    assert (slider.values[0], slider.values[-1]) == (first, last)
    assert len(set(slider.pngs)) == len(slider.values)
    assert len(slider._repr_mimebundle_()["text/html"]) < 30_000 * len(slider.values)  # 20 of them: under 500 KB
    assert len(slider.alt) > 60


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sliders.slider_of_answers(LEVELS, PLACES, CURVES.T, CURVES, CURVES[:, :3]), "means and ends of shape"),
        (lambda: sliders.slider_of_answers(LEVELS, PLACES, CURVES, CURVES, CURVES), "carried of shape"),
        (lambda: sliders.slider_of_answers(LEVELS / 0, PLACES, CURVES, CURVES, CURVES[:, :3]), "finite times"),
        (lambda: sliders.slider_of_shares(LEVELS, CLOUD[0, :4], PLACES[:2], SHARES.T, CLOUD[1, :3]), "shares of shape"),
        (lambda: sliders.slider_of_chains([2, 5], PLACES, CURVES[1], {"Euler": CURVES}), "Euler of shape"),
        (lambda: sliders.slider_of_second_level(LEVELS, SHARES[:, 0], CLOUD, FAR[:, :9]), "far of shape"),
    ],
)
def test_other_shapes_are_one_clear_line(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
