"""`minicm sample`: pictures drawn with a trained model, as one PNG, a folder of PNGs, or arrays in an npz file."""

import argparse
from pathlib import Path

from ..command import Parser
from .drawing import add_common, label_list, loaded, positive
from .writing import check_target, to_bytes, write_folder, write_grid, write_npz


def main(argv: list[str]) -> None:
    """Draw, write, and say where."""
    options = _options(argv)
    target = Path(options.out)
    check_target(target)
    drawing = loaded(options.source, options.device, options.experiment)
    steps = options.steps or drawing.usual_steps
    across = len(options.labels) or drawing.pictures.classes or 8  # a column for each label
    across = across if 1 < across <= 16 else 8
    number = options.number or 8 * across
    labels = drawing.labels(number, options.labels)
    x = drawing.draw(number, steps, options.seed, labels)
    pictures = to_bytes(x, drawing.pictures.to_unit)
    if target.suffix == ".png":
        write_grid(pictures / 255, target, options.columns or across)
    elif target.suffix == ".npz":
        write_npz(pictures, labels, target)
    else:
        write_folder(pictures, target)
    print(f"wrote {len(x)} pictures, {steps} evaluation{'s' * (steps > 1)} each, to {target}")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="minicm sample", description="Draw pictures with a trained model.")
    add_common(parser, number=None, how_many="of pictures; 8 rows by default")
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="evaluations a picture; 1, or those of the experiment"
    )
    parser.add_argument(
        "--labels", type=label_list, default=[], metavar="K,K", help="classes, over and over; by default all"
    )
    parser.add_argument("--columns", type=positive, metavar="N", help="of a PNG; one for each label, or 8")
    parser.add_argument("--out", default="out/samples.png", metavar="FILE", help="NAME.png, NAME.npz, or a new folder")
    return parser.parse_args(argv)
