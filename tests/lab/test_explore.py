"""The page of `minicm explore` in a headless Chromium: its numbers are PyTorch's, and a drag moves the noise."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from functools import cache
from html import unescape
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image

from minicm.checkpoints import load_weights
from minicm.evaluation import energy_distance
from minicm.lab.__main__ import main
from minicm.lab.commands import explore
from minicm.lab.recipes import rivals as recipes
from minicm.lab.recipes.plane import PATH, new_model
from minicm.plotting import end_colours
from minicm.rivals import FlowMap
from minicm.sampling import consistency_sample
from minicm.solvers import ddim_step, heun_step, integrate, probability_flow
from minicm.times import karras_grid

pytestmark = pytest.mark.slow
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium, and there is none here")
NOISES = torch.tensor([[0.31, 0.22], [-0.83, 0.5], [0.05, -1.1], [0.6, 0.61]], dtype=torch.float64)
LATER = 20  # of the times on the teacher's path
STEPS = (1, 2, 5, 18)
DRAG = [[-0.5 + 0.02 * k, 0.4 - 0.01 * k] for k in range(50)]
CLOSE = 1e-4  # data units


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    file = tmp_path_factory.mktemp("page with a space") / "explore.html"
    assert main(["explore", "--out", str(file)]) == 0
    return file


def visited(file, fragment, folder, *options):
    """What Chromium says of the page at this fragment; nothing of it goes to a network."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += ["--no-first-run", "--hide-scrollbars", f"--user-data-dir={folder}", "--virtual-time-budget=8000"]
    command += ["--enable-logging=stderr", *options, f"{file.as_uri()}{fragment}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert done.returncode == 0 and said == [], said
    return done.stdout


@pytest.fixture(scope="module")
def told(written, tmp_path_factory):
    """The numbers that the page computes, after a drag, keys and a move of the slider."""
    asked = {"noises": NOISES.tolist(), "fresh": fresh().tolist(), "steps": STEPS, "index": LATER, "drag": DRAG}
    fragment = f"#check={quote(json.dumps(asked))}"
    dom = visited(written, fragment, tmp_path_factory.mktemp("browser"), "--window-size=1200,900", "--dump-dom")
    return json.loads(unescape(re.search(r'<pre id="check">(.*?)</pre>', dom, re.DOTALL)[1]))


def fresh():
    """The noise that `consistency_sample` will draw for its second evaluation."""
    return torch.randn(NOISES.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@cache
def model(key):
    """The stored network in float64."""
    made = recipes.flow_map(new_model()) if key.startswith("successor") else new_model()
    load_weights(made, explore.ROOT / "data" / f"{key}.safetensors")
    return made.double().requires_grad_(False)


def content(file):
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', file.read_text("utf-8"))
    return json.loads(found[1])


def times(t, x=NOISES):
    return torch.full((len(x),), t, dtype=torch.float64)


def answered(key, x, t):
    found = model(key)
    return found(x, times(t, x), times(PATH.t_min, x)) if isinstance(found, FlowMap) else found(x, times(t, x))


def euler(key, steps):
    grid = PATH.grid(steps)
    x = NOISES if steps == 1 else integrate(probability_flow(model(key), PATH), NOISES, grid[:-1], ddim_step(PATH))
    return model(key)(x, times(grid[-2].item()))


def near(found, expected):
    assert torch.tensor(found, dtype=torch.float64) == pytest.approx(expected.numpy(), abs=CLOSE)


def cases():
    return [(each.name, student.key) for each in explore.SETS for student in each.students]


@needs_browser
@pytest.mark.parametrize("name", [each.name for each in explore.SETS])
def test_the_teacher_walks_as_in_pytorch(told, name):
    key, found = f"{name}_teacher", told["sets"][name]
    x = integrate(probability_flow(model(key), PATH), NOISES, PATH.time_at(karras_grid(39)), heun_step)
    near(found["path"], model(key)(x, times(PATH.t_min)))
    near(found["back"], NOISES)  # down to the later time and up again
    for steps in STEPS:
        near(found["euler"][str(steps)], euler(key, steps))


@needs_browser
@pytest.mark.parametrize(("name", "key"), cases())
def test_a_student_lands_where_it_does_in_pytorch(told, name, key):
    found = told["sets"][name]["students"][key]
    near(found["one"], answered(key, NOISES, PATH.t_max))
    near(found["later"], answered(key, NOISES, PATH.time_at(karras_grid(39))[LATER].item()))
    if isinstance(model(key), FlowMap):
        near(found["two"], recipes.by_jumps(model(key), NOISES, 2, torch.Generator()))
    else:
        two = consistency_sample(model(key), NOISES, [PATH.t_max, 1.1], PATH, torch.Generator().manual_seed(3))
        near(found["two"], two)


@needs_browser
def test_clouds_are_measured_with_the_energy_distance(told, written):
    eps = torch.tensor(told["normals"], dtype=torch.float64)[: explore.SAMPLES]
    noise = PATH.sigma(torch.tensor(PATH.t_max, dtype=torch.float64)) * eps
    for each, held in zip(explore.SETS, content(written)["sets"], strict=True):
        data = torch.tensor(np.frombuffer(b64decode(held["data"]), np.float32)).reshape(-1, 2)
        assert len(data) == explore.POINTS and data.mean(0).abs().max() < 0.05
        cloud = answered(each.students[0].key, noise, PATH.t_max)
        assert told["sets"][each.name]["cloud"] == pytest.approx(energy_distance(cloud, data), abs=1e-7)


@needs_browser
def test_noise_is_standard_normal(told):
    eps = torch.tensor(told["normals"], dtype=torch.float64)
    assert eps.mean(0).abs().max() < 4 / len(eps) ** 0.5
    assert torch.cov(eps.T) == pytest.approx(torch.eye(2, dtype=torch.float64).numpy(), abs=6 / len(eps) ** 0.5)


@needs_browser
def test_places_have_the_colours_of_the_figures(told):
    assert torch.tensor(told["colours"]) == pytest.approx(end_colours(NOISES), abs=1e-6)


@needs_browser
def test_a_drag_takes_the_noise_along_and_ends_when_it_is_let_go(told):
    seen, first = told["drag"]["seen"], explore.SETS[0]
    near([one["x"] for one in seen[: len(DRAG)]], torch.tensor(DRAG, dtype=torch.float64))
    assert seen[-1]["x"] == seen[-2]["x"] == seen[len(DRAG) - 1]["x"]  # let go, then moved without a hand
    x = torch.tensor([one["x"] for one in seen], dtype=torch.float64)
    near([one["landing"] for one in seen], answered(first.students[0].key, x, PATH.t_max))


@needs_browser
def test_keys_and_the_slider_of_times_move_it_too(told):
    last = torch.tensor(told["drag"]["seen"][-1]["x"], dtype=torch.float64)
    near(told["keys"], last + 0.05)
    assert told["time"]["map"]  # is drawn anew
    later = PATH.time_at(karras_grid(39))[: LATER + 1]
    at = torch.tensor([told["keys"]], dtype=torch.float64)
    near([told["time"]["x"]], integrate(probability_flow(model("eight_gaussians_teacher"), PATH), at, later, heun_step))


@needs_browser
@pytest.mark.parametrize(("theme", "size"), [("light", "1280,1500"), ("dark", "500,1900")])
def test_the_picture_of_the_page_is_full_of_colours(written, tmp_path, theme, size):
    shot = tmp_path / "page.png"
    visited(written, f"#theme={theme}", tmp_path / "b", f"--window-size={size}", f"--screenshot={shot}")
    with Image.open(shot) as opened:
        picture = opened.convert("RGB")
    assert (sum(picture.getpixel((2, 2))) > 600) == (theme == "light")
    plane = picture.resize((64, 75)).crop((6, 10, 30, 26))
    assert len(plane.getcolors(1000)) > 60  # the map of ends, not an empty frame


def test_the_page_is_one_small_file_that_asks_no_network(written):
    text = written.read_text("utf-8")
    assert len(text) < 3_000_000
    assert not re.findall(r"""https?://|(?:src|href)\s*=\s*["'](?!data:,)|@import|fetch\(|XMLHttp|import\(""", text)
    assert "/*" + "CONTENT*/" not in text and text.count("<script") == 2


def test_without_javascript_there_are_words(written):
    text = written.read_text("utf-8")
    assert re.search(r"<noscript>.{80,}</noscript>", text, re.DOTALL)
    assert '<main id="main" hidden>' in text  # no control that would do nothing


def test_each_control_has_a_label(written):
    text = written.read_text("utf-8")
    named = re.findall(r'<(?:input|select)[^>]*id="(\w+)"', text)
    assert len(named) == 4 and all(f'<label for="{name}">' in text for name in named)
    assert re.search(r'<canvas id="plane" tabindex="0"[^>]*aria-label="[^"]{30,}"', text)
    assert 'role="status"' in text


def test_what_is_missing_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(explore, "ROOT", tmp_path)
    assert main(["explore", "--out", str(tmp_path / "a.html")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "copy of the repository" in said and not (tmp_path / "a.html").exists()


@pytest.mark.parametrize(
    "name", ["network.js", "flow.js", "draw.js", "page.js", "controls.js", "look.css", "page.html"]
)
def test_its_parts_fit_the_reader(name):
    lines = (explore.ROOT / "docs" / "explore" / name).read_text("utf-8").splitlines()
    assert len(lines) <= 300 and max(map(len, lines)) <= 120
