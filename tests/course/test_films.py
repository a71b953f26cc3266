"""The films of the lessons: as many frames as states, small, and refused in one line where a shape is wrong."""

import io
import math

import matplotlib
import pytest
import torch
from matplotlib.contour import ContourSet
from PIL import Image

matplotlib.use("Agg")

from minicm.course import films

GENERATOR = torch.Generator().manual_seed(0)
TIMES = torch.linspace(1.5, 0.0, 9, dtype=torch.float64)
WALK = torch.stack([torch.linspace(1.0, 0.2, 9), torch.linspace(-1.0, 0.4, 9)], 1)
CLOUD = torch.randn(9, 50, 2, generator=GENERATOR)
LINE = torch.linspace(-1, 1, 21)
TABLES = torch.stack([k * LINE.expand(9, 21) / 5 for k in range(1, 6)])
COARSE = TIMES[::4]
BUMPS = torch.exp(-8 * ((LINE[:, None] - TIMES[:, None, None] / 2) ** 2 + LINE**2))

FILMS = {  # film, frames
    "steps": (lambda: films.film_of_steps(CLOUD, TIMES, CLOUD[0]), 9),
    "solvers": (
        lambda: films.film_of_solvers(TIMES, TIMES[:, None].sin() * LINE, {"Euler": (COARSE, COARSE.sin())}),
        40,
    ),
    "trajectory": (lambda: films.film_of_trajectory(WALK, TIMES, WALK / 2, WALK[-1:].expand(9, 2), CLOUD[0]), 9),
    "learning": (lambda: films.film_of_learning(TIMES, LINE, TABLES, TIMES[:, None] * LINE[::5]), 5),
    "guidance": (lambda: films.film_of_guidance(TIMES, CLOUD, LINE, BUMPS, CLOUD[0]), 9),
    "jumps": (lambda: films.film_of_jumps([(COARSE[::2], CLOUD[:2]), (COARSE, CLOUD[:3])], steps=4), 12),
}


@pytest.mark.parametrize("name", FILMS)
def test_a_film_has_its_frames_and_is_small(name):
    make, frames = FILMS[name]
    film = make()
    assert film.frames == frames and len(film.pictures()) > 0.6 * frames  # a film whose pictures differ
    assert len(film.gif) < 500_000 and len(film.alt) > 60


def test_the_jump_is_there_at_once_and_the_steps_are_not():
    """The right half is the same in all pictures but the first, the left half changes to the end."""
    near = CLOUD.clamp(-0.9, 0.9)
    pictures = films.film_of_steps(near, TIMES, near[0]).pictures()
    width, height = pictures[0].size
    right = [picture.crop((width // 2 + 20, 30, width, height)).tobytes() for picture in pictures]
    left = [picture.crop((0, 30, width // 2 - 20, height - 30)).tobytes() for picture in pictures]
    assert right[0] != right[1] and len(set(right[1:])) == 1
    assert len(set(left)) == len(left)


def test_what_is_learnt_has_a_colour_of_its_own():
    """A sweep that changes one level changes the picture there alone."""
    tables = torch.zeros(2, 9, 21)
    tables[1, :3] = LINE
    pictures = films.film_of_learning(TIMES.flip(0), LINE, tables, torch.full((9, 1), 9.0)).pictures()
    width, height = pictures[0].size
    box = (width * 3 // 4, height // 5, width - 20, height * 3 // 4)  # the noise end
    assert pictures[0].crop(box).tobytes() == pictures[1].crop(box).tobytes()
    assert pictures[0].tobytes() != pictures[1].tobytes()


def test_the_line_of_the_tilted_density_holds_nine_tenths(monkeypatch):
    """Of a Gaussian of std ¼ in the plane that is the circle of radius √(2 ln 10)/4."""
    draws = []
    monkeypatch.setattr(films, "animate", lambda draw, frames, **told: draws.append(draw))
    FILMS["guidance"][0]()
    ax = films.plt.figure().add_subplot()
    draws[0](8, ax)  # the last frame, whose density is centred
    (lines,) = (artist for artist in ax.collections if isinstance(artist, ContourSet))
    radius = torch.tensor(lines.get_paths()[0].vertices).norm(dim=1)
    assert abs(radius.mean() - math.sqrt(2 * math.log(10)) / 4) < 0.03
    films.plt.close("all")


def test_a_notebook_shows_the_film_and_then_its_strip(monkeypatch):
    shown = []
    monkeypatch.setattr(films, "display", shown.append)
    monkeypatch.setattr(films.plt, "show", lambda: shown.append(len(films.plt.gcf().axes)))
    film = FILMS["trajectory"][0]()
    films.play(film)
    assert shown == [film, 5]
    films.plt.close("all")


def test_a_film_can_be_opened_by_others():
    with Image.open(io.BytesIO(FILMS["trajectory"][0]().gif)) as film:
        assert film.format == "GIF" and film.size == (300, 300)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: films.film_of_steps(CLOUD, TIMES[:3], CLOUD[0]), r"times of shape \(9\)"),
        (lambda: films.film_of_steps(CLOUD, TIMES, CLOUD[0] * math.nan), "finite jumped"),
        (lambda: films.film_of_solvers(TIMES, TIMES, {}), "exact of shape"),
        (lambda: films.film_of_trajectory(WALK, TIMES, WALK[:2], WALK, CLOUD[0]), "denoised"),
        (lambda: films.film_of_learning(TIMES, LINE, TABLES[0], TIMES[:, None]), "tables of shape"),
        (lambda: films.film_of_guidance(TIMES, CLOUD, LINE, BUMPS[:, :5], CLOUD[0]), "tilted of shape"),
        (lambda: films.film_of_jumps([(COARSE, CLOUD)]), "states of shape"),
    ],
)
def test_other_shapes_are_one_clear_line(call, words):
    with pytest.raises(ValueError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)
