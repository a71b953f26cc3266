"""`minicm edit`: a consistency model of pictures inpaints, sharpens, colours, denoises and interpolates.

It was trained for none of this.  The pictures that are edited are of the half, or the set, that it never saw.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ...data.cifar10 import cifar10_test, pooled, to_data
from ...data.digits import digit_halves
from ...sampling.editing import Operator, channel_rotation, denoise, edit, first, identity, interpolate, patch_average
from ...seeds import fold
from ...shapes import Denoiser
from ..command import Parser
from ..recipes.pictures import PATH
from .drawing import Drawing, add_common, consistent, finite, level_times, loaded, positive
from .writing import check_target, write_grid

_RATIO = 2  # of super-resolution
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
    with torch.no_grad():
        rows, told = TASKS[options.task](drawing, options)
    x = finite(torch.cat(rows).cpu(), options.source)
    write_grid(drawing.pictures.to_unit(x), target, options.number)
    print(f"wrote {target}: {told}")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = Parser(prog="minicm edit", description="Edit pictures with a consistency model.")
    add_common(parser, number=8, how_many="of pictures (8)")
    parser.add_argument("--task", required=True, choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--steps", type=positive, default=8, metavar="N", help="evaluations of what is repeated (8)")
    parser.add_argument(
        "--noise", type=float, default=0.5, metavar="STD", help="that denoise removes, data units (0.5)"
    )
    parser.add_argument("--out", metavar="FILE.png", help="out/TASK.png by default")
    return parser.parse_args(argv)


def _given(drawing: Drawing, options: argparse.Namespace) -> tuple[Tensor, Denoiser]:
    """Pictures that the model never saw, (N, C, H, W), on its device, and the model, told what they show."""
    shape = drawing.pictures.shape
    if shape == (1, 8, 8):
        x, labels = digit_halves().test, digit_halves().test_labels
    elif shape in ((3, 32, 32), (3, 16, 16)):
        x, labels = cifar10_test()
        x = pooled(x) if shape[1] == 16 else x
    else:
        raise ValueError(f"expected a model of digits or CIFAR-10, got one of pictures of shape {shape}")
    generator = torch.Generator().manual_seed(fold(options.seed, 2))
    if options.number > len(x):
        raise ValueError(f"expected --number up to {len(x)}, got {options.number}")
    index = torch.randperm(len(x), generator=generator)[: options.number]
    chosen = to_data(x[index]) if x.dtype == torch.uint8 else x[index]
    return chosen.to(drawing.device), _told(drawing, labels[index])


def _told(drawing: Drawing, labels: Tensor) -> Denoiser:
    """The model under these labels, if it has any."""
    return drawing.model.given(labels.to(drawing.device)) if drawing.pictures.classes else drawing.model


def _completed(
    drawing: Drawing, options: argparse.Namespace, operator: Operator, known: Tensor, seen: Callable[[Tensor], Tensor]
) -> tuple[Rows, str]:
    """Rows: the picture, what is known of it, and what the model makes of that."""
    y, model = _given(drawing, options)
    generator = torch.Generator(drawing.device).manual_seed(fold(options.seed, 3))
    times = level_times(options.steps, drawing.config.middle)
    x = edit(model, y, operator=operator, known=known, times=times, path=PATH, generator=generator)
    kept = torch.where(known.to(y.device), operator.forward(x) - operator.forward(y), 0.0).abs().max().item()
    return [y, seen(y), x], f"given, known, made; what is known differs by {kept:.1g}, RMSE of all {_rmse(x, y):.2f}"


def _inpaint(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    side = drawing.pictures.shape[2]
    known = torch.ones(1, side, side, dtype=torch.bool)
    known[:, :, side // 2 :] = False  # the right half
    return _completed(drawing, options, identity(), known, lambda y: torch.where(known.to(y.device), y, y.min()))


def _superres(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    def seen(y: Tensor) -> Tensor:
        small = torch.nn.functional.avg_pool2d(y, _RATIO)
        return small.repeat_interleave(_RATIO, 2).repeat_interleave(_RATIO, 3)

    return _completed(drawing, options, patch_average(_RATIO), first(_RATIO**2), seen)


def _colourise(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    if drawing.pictures.shape[0] != 3:
        raise ValueError("expected a model of coloured pictures to colourise, got one of grey ones")
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
    models = [_told(drawing, torch.full((count,), k)) for k in range(len(wide))]
    rows = [interpolate(model, a, b, weight, PATH) for model, (a, b) in zip(models, wide)]
    return rows, f"{len(rows)} rows, each from one noise to another in {count} pictures of one evaluation"


def _denoise(drawing: Drawing, options: argparse.Namespace) -> tuple[Rows, str]:
    low, high = (PATH.nsr(torch.tensor(t, dtype=torch.float64)).item() for t in (PATH.t_min, PATH.t_max))
    if not low <= options.noise <= high:
        raise ValueError(f"expected --noise from {low:.3g} to {high:.3g}, got {options.noise:g}")
    y, model = _given(drawing, options)
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
