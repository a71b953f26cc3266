"""`minicm explore`: one web page in which a learner drags a noise and sees where it ends, by every way there is.

The page is a single file that asks no network: its parts are in docs/explore/, the stored weights and some points of
the data stand in it as text, and the browser computes the rest.
"""

import argparse
import base64
import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import torch
from torch import Tensor

from ...checkpoints import write_whole
from ...data import toy
from ...evaluation import energy_distance
from ...seeds import fold
from ..command import Parser

ROOT = Path(__file__).resolve().parents[3]
PARTS = ("network.js", "flow.js", "draw.js", "page.js", "check.js", "controls.js")  # in the order they need each other
POINTS, SAMPLES = 2000, 1000  # of the data in the page; of a cloud, as in page.js
FRESH = 59  # sets of true samples behind the floor

DISTILLED = (
    "Learnt from the teacher's velocity in continuous time, at every noise level: it must end where the path ends."
)
ALONE = "Learnt without a teacher, from pairs of neighbouring noise levels: its map is not quite the teacher's."
COMMON = (("scd", "sCD, continuous-time distillation", "sCD", DISTILLED), ("ect", "ECT, no teacher", "ECT", ALONE))


@dataclass(frozen=True)
class Student:
    """A stored network that answers in one evaluation: its file, what it is called, and what it learnt."""

    key: str
    title: str
    short: str
    words: str


@dataclass(frozen=True)
class DataSet:
    """A data set of the page: its name, its title, and the students that are stored for it."""

    name: str
    title: str
    students: tuple[Student, ...]


def _common(name: str) -> tuple[Student, ...]:
    return tuple(Student(f"{name}_{kind}", *words) for kind, *words in COMMON)


SETS = (
    DataSet(
        "eight_gaussians",
        "eight Gaussians",
        (
            _common("eight_gaussians")[0],
            Student(
                "lesson_cd", "CD, consistency distillation", "CD",
                "Learnt from single steps of the teacher's solver between 18 noise levels; notebook 07.",
            ),
            Student("lesson_ect", "ECT, no teacher", "ECT", ALONE + " Its training was short; notebook 08."),
            Student(
                "rival_direct", "direct distillation", "direct",
                "Learnt the ends of stored teacher paths by heart, noise by noise; notebook 12.",
            ),
            Student(
                "rival_dmd", "DMD, distribution matching", "DMD",
                "Learnt to draw the right law of samples, and only a little where each path ends; notebook 12.",
            ),
            Student(
                "successor_eulerian", "flow map, Eulerian", "flow map",
                "Knows both ends of a jump, so that it may also stop on the way; notebook 13.",
            ),
            Student(
                "successor_meanflow", "MeanFlow", "MeanFlow",
                "Learnt the mean velocity of each jump, without a teacher's path; its training was short; notebook 13.",
            ),
        ),
    ),
    *(DataSet(name, name.replace("_", " "), _common(name)) for name in ("moons", "checkerboard", "swiss_roll")),
)  # fmt: skip


def main(argv: list[str]) -> None:
    """Write the page with the command line's options, and say how large it is.

    Raises FileNotFoundError where the page's parts or the stored weights are missing, OSError where nothing can be
    written, and ValueError for unknown options.
    """
    parser = Parser(prog="minicm explore", description="Write a web page in which a noise can be dragged.")
    parser.add_argument("--out", default="out/explore.html", metavar="FILE", help="where it goes (out/explore.html)")
    options: argparse.Namespace = parser.parse_args(argv)
    file = Path(options.out)
    file.parent.mkdir(parents=True, exist_ok=True)  # what fails here fails before the work
    torch.set_num_threads(1)
    written = page().encode()
    write_whole(file, written)
    print(f"wrote {file}, {len(written) / 1e6:.1f} MB: open it in a browser")


def page() -> str:
    """The whole page as text.  Raises FileNotFoundError where a part or stored weights are missing."""
    content = json.dumps(_content(), separators=(",", ":")).replace("<", "\\u003c")  # it stands inside HTML
    text = _part("page.html").replace("/*STYLE*/", _part("look.css"))
    script = "\n".join(_part(name).replace('"use strict";\n', "") for name in PARTS)
    return text.replace("/*CONTENT*/", content).replace("/*SCRIPT*/", f'"use strict";\n{script}')


def _content() -> dict[str, object]:
    """What the script reads: the sets with points, floors and students, and the weights by name of their file."""
    sets, weights = [], {}
    for each in SETS:
        teacher = f"{each.name}_teacher"
        points, floor = _truth(each.name)
        students = [vars(student) for student in each.students]
        about = {"name": each.name, "title": each.title, "teacher": teacher, "students": students}
        sets.append(about | {"data": _base64(points.float().numpy().tobytes()), "floor": floor})
        for key in (teacher, *(student.key for student in each.students)):
            weights[key] = _base64(_found(ROOT / "data" / f"{key}.safetensors").read_bytes())
    return {"sets": sets, "weights": weights}


def _truth(name: str) -> tuple[Tensor, dict[str, float]]:
    """Points of the data, and the floor: energy distances between them and fresh sets as large as a cloud.

    The median in data units; low and high, between which nine of ten lie, in units of the median.
    """
    sampler = toy(name)
    points = sampler(POINTS, torch.Generator().manual_seed(fold(0, 1)))
    fresh = [sampler(SAMPLES, torch.Generator().manual_seed(fold(0, 2, k))) for k in range(FRESH)]
    values = [energy_distance(x, points) for x in fresh]
    cuts, middle = quantiles(values, n=20), median(values)
    return points, {"median": middle, "low": cuts[0] / middle, "high": cuts[-1] / middle}


def _part(name: str) -> str:
    return _found(ROOT / "docs" / "explore" / name).read_text("utf-8")


def _found(file: Path) -> Path:
    if not file.is_file():
        raise FileNotFoundError(f"expected {file}, found none: run minicm explore in a copy of the repository")
    return file


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
