"""A slider holds the picture of each value, works without a kernel, and says what it shows where it cannot move."""

import base64
import io
import json
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("Agg")

import matplotlib.pyplot as plt

from minicm.plotting import slide

LEVELS = [0.0, 0.25, 0.5, 0.75, 1.0]
SAID = ["0", "1/4", "a & b", '"three"', "1"]


def square(level, ax):
    """A frame whose middle is of one grey."""
    ax.set_position([0, 0, 1, 1])
    ax.imshow(np.full((1, 1, 3), level), vmin=0, vmax=1)
    ax.set_axis_off()


def middle(picture):
    return np.asarray(picture.convert("RGB"))[150, 150].mean() / 255


class Page(HTMLParser):
    """The tags of a page with their attributes, and the texts by tag."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.open = {}, {}, []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = dict(attrs)
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        self.texts[self.open[-1] if self.open else ""] = data.strip()


@pytest.fixture(scope="module")
def slider():
    return slide(square, LEVELS, values=SAID, label="level <t>", start=2, size=(3, 3), alt="a grey 'square'")


@pytest.fixture(scope="module")
def page(slider):
    return Page(slider._repr_mimebundle_()["text/html"])


def test_each_value_has_its_picture_in_order(slider, page):
    frames = json.loads(page.tags["input"]["data-frames"])
    assert [said for said, _ in frames] == SAID
    assert [base64.b64decode(picture) for _, picture in frames] == list(slider.pngs)
    assert [middle(picture) for picture in slider.pictures()] == pytest.approx(LEVELS, abs=0.02)


def test_the_range_goes_over_all_frames_and_begins_at_the_start(slider, page):
    handle = page.tags["input"]
    assert [handle[name] for name in ("type", "min", "max", "step", "value")] == ["range", "0", "4", "1", "2"]
    seen = base64.b64decode(page.tags["img"]["src"].removeprefix("data:image/png;base64,"))
    assert seen == slider.pngs[2] and page.texts["output"] == SAID[2]


def test_it_is_named_and_described_for_those_who_do_not_see_it(slider, page):
    assert page.tags["input"]["aria-valuetext"] == SAID[2]
    assert page.tags["img"]["alt"] == "a grey 'square': a & b"
    assert "level <t>" in slider._repr_mimebundle_()["text/html"].replace("&lt;", "<").replace("&gt;", ">")
    assert slider._repr_mimebundle_()["text/plain"] == "a grey 'square' (a slider: level <t>)"


def test_where_nothing_runs_it_stands_still_and_says_so(page):
    """The picture's own handler frees the handle and takes the words away; JupyterLab leaves it the arrow keys."""
    assert "disabled" in page.tags["input"] and "once this cell has been run" in page.texts["small"]
    assert "disabled = false" in page.tags["img"]["onload"] and "remove()" in page.tags["img"]["onload"]
    assert "data-lm-suppress-shortcuts" in page.tags["input"]  # in a parent of it JupyterLab would not look


def test_it_needs_no_network_no_script_and_no_name_in_the_page(slider):
    text = slider._repr_mimebundle_()["text/html"]
    assert not any(word in text for word in ("http", "<script", " id=", "//cdn"))


def test_the_strip_is_the_first_the_last_and_what_lies_between(slider):
    shown = [ax.images[0].get_array()[150, 150].mean() / 255 for ax in slider.strip(3).axes]
    assert shown == pytest.approx([0.0, 0.5, 1.0], abs=0.02)
    plt.close("all")


def test_the_same_frames_make_the_same_pages(slider):
    again = slide(square, LEVELS, values=SAID, label="level <t>", start=2, size=(3, 3), alt="a grey 'square'")
    assert again == slider and "png" not in repr(slider).replace("pngs", "")
    with Image.open(io.BytesIO(again.pngs[0])) as opened:
        assert opened.format == "PNG" and opened.size == (300, 300)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frames": []}, "expected frames as a list"),
        ({"draw": 3}, "expected draw as a function"),
        ({"values": SAID[1:]}, "expected values as 5 texts, one for each frame"),
        ({"values": LEVELS}, "expected values as 5 texts"),
        ({"start": 5}, "expected start from 0 to 4"),
        ({"start": -1}, "expected start from 0 to 4"),
    ],
)
def test_bad_input_is_one_clear_line_and_leaves_no_figure(change, words):
    given = {"draw": square, "frames": LEVELS, "values": SAID, "label": "level", **change}
    draw, frames = given.pop("draw"), given.pop("frames")
    with pytest.raises(ValueError, match=words) as caught:
        slide(draw, frames, **given)
    assert "\n" not in str(caught.value) and not plt.get_fignums()
