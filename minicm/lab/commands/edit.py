"""`minicm edit`: a consistency model of pictures inpaints, sharpens, colours, denoises and interpolates.

It was trained for none of this.  The pictures that are edited are of the half, or the set, that it never saw, or
--input gives one of your own.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ...sampling.editing import Operator, channel_rotation, denoise, edit, first, identity, interpolate, patch_average
from ...seeds import fold
from ..command import Parser
from ..recipes.pictures import PATH
from .drawing import Drawing, add_common, consistent, finite, label_list, level_times, loaded, positive
from .given import given, masked, told
from .writing import check_target, write_grid

_RATIO = 2  # of super-resolution
_NUMBER = 8  # of pictures, unless an option says otherwise
Rows = list[Tensor]  # what was given and what was made of it, each (N, C, H, W), data units


def main(argv: list[str]) -> None:
    """Edit, write a grid with the rows given, seen and made, and say where.

    Raises OSError or ValueError, one line, for what cannot be written or read, or does not fit the edit.
    """
    options = _options(argv)
    target = Path(options.out or f"out/{options.task}.png")
    if target.suffix != ".png":
        raise ValueError(f"expected --out NAME.png, got {target}")
    check_target(target)
    drawing = loaded(options.source, options.device, options.experiment)
    if not consistent(drawing.config):
        raise ValueError(f"expected a consistency model, {options.source} is a diffusion model")
    options.number = options.number or (options.input and (len(options.labels) or drawing.pictures.classes)) or _NUMBER
    with torch.no_grad():
        rows, said = TASKS[options.task](drawing, options)
    x = finite(torch.cat(rows).cpu(), options.source)
    write_grid(drawing.pictures.to_unit(x), target, options.number)
    print(f"wrote {target}: {said}")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="minicm edit", description="Edit pictures with a consistency model.")
    add_common(parser, number=None, how_many=f"of pictures ({_NUMBER}; of --input a column for each label)")
    parser.add_argument("--task", required=True, choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--steps", type=positive, default=8, metavar="N", help="evaluations of what is repeated (8)")
    parser.add_argument(
        "--noise", type=float, default=0.5, metavar="STD", help="that denoise removes, data units (0.5)"
    )
    parser.add_argument("--input", metavar="PICTURE", help="of your own; cut and scaled to what the model draws")
    parser.add_argument("--mask", metavar="PICTURE", help="of its size, white where to paint; else the right half")
    parser.add_argument("--labels", type=label_list, default=[], metavar="K,K", help="what --input shows; else all")
    parser.add_argument("--out", metavar="FILE.png", help="out/TASK.png by default")
    options = parser.parse_args(argv)
    if options.input and options.task == "interpolate":
        raise ValueError("expected --input with another task, interpolate goes from noise to noise")
    if options.mask and options.task != "inpaint":
        raise ValueError(f"expected --mask with --task inpaint, got {options.task}")
    return options


def _completed(
    drawing: Drawing, options: argparse.Namespace, operator: Operator, known: Tensor, seen: Callable[[Tensor], Tensor]
) -> tuple[Rows, str]:
    """Rows: the picture, what is known of it, and what the model makes of that."""
    y, model = given(drawing, options)
    generator = torch.Generator(drawing.device).manual_seed(fold(options.seed, 3))
    times = level_times(options.steps, drawing.config.middle)
    x = edit(model, y, operator=operator, known=known, times=times, path=PATH, generator=generator)
    kept = torch.where(known.to(y.device), operator.forward(x) - operator.forward(y), 0.0).abs().max().item()
    return [y, seen(y), x], f"given, known, made; what is known differs by {kept:.1g}, RMSE of all {_rmse(x, y):.2f}"


def _inpaint(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    known = masked(drawing, options)
    return _completed(drawing, options, identity(), known, lambda y: torch.where(known.to(y.device), y, y.min()))


def _superres(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    def seen(y: Tensor) -> Tensor:
        small = torch.nn.functional.avg_pool2d(y, _RATIO)
        return small.repeat_interleave(_RATIO, 2).repeat_interleave(_RATIO, 3)

    return _completed(drawing, options, patch_average(_RATIO), first(_RATIO**2), seen)


def _colourise(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    if drawing.pictures.shape[0] != 3:
        coloured = "tinted_student is a stored one, of small digits"
        raise ValueError(f"expected a model of coloured pictures, {options.source} draws grey ones: {coloured}")
    operator = channel_rotation()

    def seen(y: Tensor) -> Tensor:
        z = operator.forward(y)
        return operator.inverse(torch.where(first(3).to(y.device), z, 0.0))

    return _completed(drawing, options, operator, first(3), seen)


def _interpolate(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    shape, count = drawing.pictures.shape, options.number
    generator = torch.Generator(drawing.device).manual_seed(fold(options.seed, 4))
    ends = PATH.prior((4, 2, *shape), generator)  # four rows, each with a noise at its left and at its right
    weight = torch.linspace(0, 1, count, device=drawing.device)
    wide = [(a.expand(count, *shape), b.expand(count, *shape)) for a, b in ends]
    classes = drawing.pictures.classes
    models = [told(drawing, torch.full((count,), k % classes) if classes else None) for k in range(len(wide))]
    rows = [interpolate(model, a, b, weight, PATH) for model, (a, b) in zip(models, wide)]
    return rows, f"{len(rows)} rows, each from one noise to another in {count} pictures of one evaluation"


def _denoise(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    low, high = (PATH.nsr(torch.tensor(t, dtype=torch.float64)).item() for t in (PATH.t_min, PATH.t_max))
    if not low <= options.noise <= high:
        raise ValueError(f"expected --noise from {low:.3g} to {high:.3g}, got {options.noise:g}")
    y, model = given(drawing, options)
    generator = torch.Generator(drawing.device).manual_seed(fold(options.seed, 3))
    noisy = y + options.noise * torch.randn(y.shape, generator=generator, device=y.device)
    x = denoise(model, noisy, torch.full((len(y),), options.noise), PATH)
    return [y, noisy, x], f"given, noisy, made; RMSE {_rmse(noisy, y):.2f} before, {_rmse(x, y):.2f} after"


def _rmse(x: Tensor, y: Tensor) -> float:
    return (x - y).square().mean().sqrt().item()


TASKS = {
    "inpaint": _inpaint,
    "superres": _superres,
    "colourise": _colourise,
    "interpolate": _interpolate,
    "denoise": _denoise,
}
