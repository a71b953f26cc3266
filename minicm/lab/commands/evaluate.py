"""`minicm evaluate`: how far a model's pictures are from the data, in units of the floor, and from copying them."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from ...checks import parsed_json
from ...data.cifar10 import cifar10_test, cifar10_train, pooled, to_pixels
from ...data.digits import digit_halves
from ...evaluation.cifar10 import CLASSIFIER, cifar10_classifier, evaluate_cifar10
from ...evaluation.digits import evaluate_digits, pixel_gaussian
from ...evaluation.fid import SAMPLES, cifar10_fid
from ...evaluation.mnist import evaluate_mnist
from ..command import Parser
from .drawing import Drawing, add_common, consistent, loaded
from .writing import check_target, written

Row = dict[str, object]
_DIGITS = 5 * 898  # five sets as large as the half to judge by
_MNIST = 5_000  # five sets as large as what there is to judge by
_CIFAR10 = 10_000


def main(argv: list[str]) -> None:
    """Measure, print a table, and write it as JSON if asked to.

    Raises OSError or ValueError, one line, for a model or option that cannot be served.
    """
    options = _options(argv)
    if options.json:
        _check_table(Path(options.json))
    drawing = loaded(options.source, options.device, options.experiment)
    steps = options.steps or ([1, 2] if consistent(drawing.config) else [drawing.usual_steps])
    rows = _measured(drawing, steps, options)
    for line in _table(rows):
        print(line)
    if options.json:
        content = {"source": options.source, "seed": options.seed, "torch": torch.__version__, "rows": rows}
        content["weights"] = drawing.fingerprint  # whose numbers these are
        written(json.dumps(content, indent=1) + "\n", Path(options.json))
        print(f"wrote {options.json}")


def _check_table(target: Path) -> None:
    """Raise OSError or ValueError, one line, unless a table can be written there without losing another file."""
    check_target(target)
    if target.is_dir():
        raise ValueError(f"expected a file, {target} is a folder: choose another --json")
    try:
        old = parsed_json(target.read_bytes(), target) if target.is_file() else {"source": "", "rows": []}
    except ValueError:
        old = None
    if target.exists() != target.is_file() or not (isinstance(old, dict) and {"source", "rows"} <= old.keys()):
        raise ValueError(f"expected a new file or a table of minicm evaluate, {target} is another file: it is kept")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="minicm evaluate", description="Measure how good a model's pictures are.")
    add_common(parser, number=None, how_many=f"of pictures; {_DIGITS}, of MNIST {_MNIST}, of CIFAR-10 {_CIFAR10}")
    parser.add_argument("--steps", type=_steps, metavar="N,N", help="evaluations; 1,2, or those of the experiment")
    parser.add_argument("--json", metavar="FILE", help="write the table there as well")
    parser.add_argument("--fid", action="store_true", help=f"FID too, by torch-fidelity; {SAMPLES} pictures by default")
    return parser.parse_args(argv)


def _steps(text: str) -> list[int]:
    parts = text.split(",")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 1,2, got {text!r}")
    return [int(part) for part in parts]


def _measured(drawing: Drawing, steps: list[int], options: argparse.Namespace) -> list[Row]:
    """The rows of the table.  Raises ValueError for pictures that nothing here can judge."""
    shape, data = drawing.pictures.shape, getattr(drawing.config, "data", None)
    if options.fid and shape[0] == 1:
        raise ValueError("expected --fid with a model of CIFAR-10 at 32 x 32, this one draws digits")
    if data == "mnist":
        return _mnist(drawing, steps, options.number or _MNIST, options.seed)
    if data is None and shape == (1, 8, 8):
        return _digits(drawing, steps, options.number or _DIGITS, options.seed)
    if data is None and shape in ((3, 32, 32), (3, 16, 16)):
        if options.fid and shape[1] != 32:
            raise ValueError("expected --fid with a model of CIFAR-10 at 32 x 32, this one draws 16 x 16")
        return _cifar10(drawing, steps, options)
    what = f"one of {data}" if data else f"one of pictures of shape {shape}"
    raise ValueError(f"expected a model of digits, --data mnist or CIFAR-10, got {what}")


def _digits(drawing: Drawing, steps: list[int], number: int, seed: int) -> list[Row]:
    h = digit_halves()
    fit = pixel_gaussian(number, h.train, torch.Generator().manual_seed(seed))
    sets = {"Gaussian fit": fit} | {
        f"{n} step{'s' * (n > 1)}": drawing.draw(number, n, seed, drawing.labels(number, [])) for n in steps
    }
    rows = []
    for name, x in sets.items():
        found = evaluate_digits(x)
        rows.append({"samples": name, "number": len(x), "over_floor": found.over_floor, **asdict(found)})
    return rows


def _mnist(drawing: Drawing, steps: list[int], number: int, seed: int) -> list[Row]:
    rows: list[Row] = []
    for n in steps:
        labels = drawing.labels(number, [])
        x = drawing.pictures.to_unit(drawing.draw(number, n, seed, labels))
        found = evaluate_mnist(x, labels)
        row = {"samples": f"{n} step{'s' * (n > 1)}", "number": number, "over_floor": found.over_floor}
        rows.append(row | asdict(found))
    return rows


def _cifar10(drawing: Drawing, steps: list[int], options: argparse.Namespace) -> list[Row]:
    number = options.number or (SAMPLES if options.fid else _CIFAR10)
    without = options.fid and not CLASSIFIER.is_file()  # FID needs none
    classifier = None if without else cifar10_classifier().to(drawing.device)
    sets = [cifar10_train()[0], cifar10_test()[0]]
    train, test = [pooled(x) for x in sets] if drawing.pictures.shape[1] == 16 else sets
    rows = []
    for n in steps:
        x = drawing.draw(number, n, options.seed, drawing.labels(number, []))
        row: Row = {"samples": f"{n} step{'s' * (n > 1)}", "number": number}
        row |= {"fid": cifar10_fid(to_pixels(x), device=drawing.device)} if options.fid else {}
        row |= asdict(evaluate_cifar10(x, train, test, classifier)) if classifier is not None else {}
        rows.append(row)
    return rows


def _table(rows: list[Row]) -> list[str]:
    """The rows as aligned text, numbers with three digits."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
    return ["  ".join(text.rjust(width) for text, width in zip(line, widths)) for line in cells]


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
