"""A film holds every frame, for as long as it was asked to, in the same bytes each time."""

import base64
import io

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from minicm.plotting import animate, scatter

DOTS = torch.randn(300, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FRAMES = [DOTS * (1 - k / 40) for k in range(40)]


def moving(points, ax):
    scatter(points, ax, limits=2.0, title="shrinking")


def square(level, ax):
    """A frame whose middle is of one grey."""
    ax.set_position([0, 0, 1, 1])
    ax.imshow(np.full((1, 1, 3), level), vmin=0, vmax=1)
    ax.set_axis_off()


def seconds_of(gif):
    with Image.open(io.BytesIO(gif)) as film:
        total = 0
        for k in range(film.n_frames):
            film.seek(k)
            total += film.info["duration"]
    return total / 1000


@pytest.fixture(scope="module")
def film():
    return animate(moving, FRAMES)


def test_the_durations_of_forty_frames_add_up(film):
    assert film.frames == 40
    assert seconds_of(film.gif) == pytest.approx(4.0 + 1.5, abs=0.01)
    assert len(film.pictures()) == 40


def test_frames_that_stay_the_same_last_as_long(film):
    still = animate(moving, [DOTS, DOTS, DOTS, 0 * DOTS], seconds=2.0, hold=1.0)
    assert seconds_of(still.gif) == pytest.approx(3.0, abs=0.01)
    assert len(still.pictures()) == 2


def test_a_film_of_forty_frames_is_small_and_goes_round_for_ever(film):
    assert len(film.gif) < 300_000
    with Image.open(io.BytesIO(film.gif)) as opened:
        assert opened.size == (300, 300) and opened.info["loop"] == 0


def test_the_same_frames_make_the_same_bytes():
    assert animate(moving, FRAMES[:3]).gif == animate(moving, FRAMES[:3]).gif


def test_each_picture_is_its_frame_in_order_on_white_paper():
    levels = [0.0, 0.25, 0.5, 0.75, 1.0]
    middles = [np.asarray(picture)[150, 150].mean() / 255 for picture in animate(square, levels).pictures()]
    assert middles == pytest.approx(levels, abs=0.02)
    corner = np.asarray(animate(moving, FRAMES[:2]).pictures()[1])[0, 0]
    assert corner.tolist() == [255, 255, 255]


def test_a_notebook_gets_the_gif_and_words_for_it():
    film = animate(moving, FRAMES[:2], alt="dots that shrink")
    bundle = film._repr_mimebundle_()
    assert base64.b64decode(bundle["image/gif"]) == film.gif
    assert bundle["text/plain"] == "dots that shrink"
    assert "2 frames" in animate(moving, FRAMES[:2])._repr_mimebundle_()["text/plain"]
    assert film.gif[:6] == b"GIF89a" and "gif=" not in repr(film)


def test_the_strip_is_the_first_the_last_and_what_lies_between():
    film = animate(square, [0.0, 0.25, 0.5, 0.75, 1.0])
    shown = [ax.images[0].get_array()[150, 150].mean() / 255 for ax in film.strip(3).axes]
    assert shown == pytest.approx([0.0, 0.5, 1.0], abs=0.02)
    assert len(film.strip(9).axes) == 5  # no more than there are
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: animate(moving, []), r"expected frames as a list, at least one, got \[\]"),
        (lambda: animate(moving, 40), "expected frames as a list, at least one, got 40"),
        (lambda: animate("scatter", FRAMES), "expected draw as a function"),
        (lambda: animate(moving, FRAMES, seconds=0), "expected seconds"),
        (lambda: animate(moving, FRAMES, hold=-1.0), "expected hold"),
        (lambda: animate(moving, [DOTS * float("nan")]), "finite points"),
        (lambda: animate(moving, FRAMES[:1]).strip(0), "expected count >= 1"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_no_figure(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value) and not plt.get_fignums()
