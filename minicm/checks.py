"""Checks at the doors of the package: one line that names the argument, what was expected of it, and what came.

They look at shapes, types and devices, never at the numbers in a tensor: that would make a GPU wait.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, TypeVar

import torch
from torch import Tensor

Asked = TypeVar("Asked", Callable[[Tensor, Tensor], Tensor], Callable[[Tensor, Tensor], Tensor] | None)


def shown(value: object) -> str:
    """What came, in a few words: dtype, shape and device of a tensor, or the value, or its type if that is long."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)} on {value.device}"
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # of what is nested too deeply, and of whole numbers with thousands of digits
        text = "\n"
    return text if len(text) <= 40 and "\n" not in text else f"a {type(value).__name__}"


def one_line(error: BaseException) -> str:
    """The error's class and the beginning of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:100]}" if lines else type(error).__name__


def parsed_json(text: str | bytes, source: object) -> Any:  # noqa: ANN401
    """What JSON says.  Raises ValueError, one line, for anything else, for what is nested too deeply, too.

    source: where the text is from, for the error's text.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected JSON in {source}, got {one_line(error)}") from None


def listed(names: Iterable[object]) -> str:
    """The first three names, in order, and how many more there are."""
    told = sorted(map(str, names))
    return (", ".join(told[:3]) + f" and {len(told) - 3} more" * (len(told) > 3)) or "nothing"


def check_count(name: str, value: object, least: float = 1, most: float = math.inf) -> None:
    """Raise ValueError unless value is a whole number from least to most."""
    if not (isinstance(value, Integral) and least <= int(value) <= most):
        limits = f" >= {least}" if most == math.inf else f" from {least} to {most}"
        raise ValueError(f"expected {name}{limits if least > -math.inf else ''}, a whole number, got {value!r}")


def check_between(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> None:
    """Raise ValueError unless value is a finite real number with low <= value <= high."""
    if not (isinstance(value, Real) and low <= value <= high and math.isfinite(value)):  # type: ignore[operator]
        limits = f" from {low:g} to {high:g}" if high < math.inf else f" >= {low:g}" if low > -math.inf else ""
        raise ValueError(f"expected {name}{limits}, a finite number, got {value!r}")


def check_positive(name: str, value: object) -> None:
    """Raise ValueError unless value is a real number with 0 < value < inf."""
    if not (isinstance(value, Real) and 0 < value < math.inf):  # type: ignore[operator]
        raise ValueError(f"expected {name} > 0{' and finite' * (value == math.inf)}, got {value!r}")


def check_floats(name: str, x: object) -> None:
    """Raise ValueError unless x is a tensor (B, ...) of real floating-point numbers."""
    if not (isinstance(x, Tensor) and x.ndim > 0 and x.is_floating_point()):
        raise ValueError(f"expected {name} as a tensor (B, ...) of floats, got {shown(x)}")


def check_batch(
    name: str, x: object, alike: Mapping[str, object] | None = None, times: Mapping[str, object] | None = None
) -> None:
    """Raise ValueError unless x, called name, holds floats, each of `alike` fits it, each of `times` is (B,) beside it.

    What fits x is floats of its shape, on its device.  It is one flat function: losses and solvers call it often.
    """
    if not (isinstance(x, Tensor) and x.ndim > 0 and x.is_floating_point()):
        raise ValueError(f"expected {name} as a tensor (B, ...) of floats, got {shown(x)}")
    for other, a in alike.items() if alike else ():
        if not (isinstance(a, Tensor) and a.shape == x.shape and a.device == x.device and a.is_floating_point()):
            wanted = f"floats {tuple(x.shape)} on {x.device}"
            raise ValueError(f"expected {other} of one shape with {name}, {wanted}, got {shown(a)}")
    for other, t in times.items() if times else ():
        if not (
            isinstance(t, Tensor) and t.ndim == 1 and t.shape[0] == x.shape[0]
            and t.device == x.device and t.is_floating_point()
        ):  # fmt: skip
            wanted = f"shape ({x.shape[0]},), one time per sample of {name}, floats on {x.device}"
            raise ValueError(f"expected {other} of {wanted}, got {shown(t)}")


def check_alike(name: str, a: object, other: str, x: Tensor) -> None:
    """Raise ValueError unless x (named `other`) holds floats and a (named `name`) too, in its shape, on its device."""
    check_batch(other, x, {name: a})


def check_per_sample(name: str, t: object, x: Tensor, other: str = "x") -> None:
    """Raise ValueError unless t is (B,), floats, one for each sample of x (B, *S), called `other`, on its device."""
    check_batch(other, x, times={name: t})


def check_event_shape(name: str, shape: object) -> None:
    """Raise ValueError unless shape is a tuple or list of whole numbers >= 0, as torch.Size is."""
    if not (isinstance(shape, Sequence) and all(isinstance(n, Integral) and int(n) >= 0 for n in shape)):
        raise ValueError(f"expected {name} as a tuple of whole numbers >= 0, got {shape!r}")


def check_labels(label: Tensor, classes: int) -> None:
    """Raise ValueError unless every label is below the number of classes; a negative one means none.

    Only labels on the CPU are looked at, and not while a network is compiled or exported.
    """
    if label.device.type == "cpu" and not torch.compiler.is_compiling() and (label >= classes).any():
        raise ValueError(f"expected labels up to {classes - 1}, got {label.max().item()} as a label")


def as_floats(name: str, values: Tensor | Sequence[float]) -> Tensor:
    """The values as a float64 tensor.  Raises ValueError for what is no tensor or sequence of real numbers."""
    try:
        kept = isinstance(values, Tensor) or hasattr(values, "dtype")  # of a list, float32 would take digits away
        found = torch.as_tensor(values) if kept else torch.as_tensor(values, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"expected {name} as real numbers, got {shown(values)}") from None
    if found.is_complex() or found.dtype == torch.bool:
        raise ValueError(f"expected {name} as real numbers, got {shown(found)}")
    return found.to(torch.float64)


def check_fit(found: object, expected: object, what: str) -> None:
    """Raise ValueError, one line, unless both hold leaves of the same names and outlines; what: how to call `found`.

    The outline of a leaf is the shape of a tensor of floats, such as (2, 3), or a word: "a number", "text", ...
    """
    try:
        found, expected = dict(_outlines(found)), dict(_outlines(expected))
    except RecursionError:
        raise ValueError(f"{what} do not fit: they are nested too deeply") from None
    missing, foreign = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or foreign:
        raise ValueError(f"{what} do not fit: missing {listed(missing)}; unexpected {listed(foreign)}")
    wrong = [f"{name} {expected[name]}, got {found[name]}" for name in expected if found[name] != expected[name]]
    if wrong:
        more = " (and more)" if len(wrong) > 1 else ""
        raise ValueError(f"{what} do not fit: expected {wrong[0]}{more}; build the model as it was")


def _outlines(state: object, name: str = "") -> Iterator[tuple[str, str]]:
    """(dotted name, outline) of every leaf."""
    if isinstance(state, Mapping | list | tuple):
        for key, value in state.items() if isinstance(state, Mapping) else enumerate(state):
            yield from _outlines(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, _outline(state)


def _outline(leaf: object) -> str:
    if isinstance(leaf, Tensor):
        plain = leaf.is_floating_point() and leaf.layout == torch.strided
        return f"{tuple(leaf.shape)}" + f" of {leaf.dtype}, {leaf.layout}" * (not plain)
    if isinstance(leaf, bool | int | float):
        return "a number"
    return "text" if isinstance(leaf, str) else f"a {type(leaf).__name__}"


def answered(name: str, function: Callable[..., Tensor], x: Tensor, *more: Tensor) -> Tensor:
    """function(x, *more), which must have the shape of x; (B, *S).

    Raises ValueError where it has another, and for samples of another dtype than the function's own weights.
    """
    try:
        found = function(x, *more)
    except RuntimeError as error:
        raise (_foreign_dtype(name, function, x) or error) from None
    check_batch("x", x, {f"what {name} returns": found})
    return found


def _foreign_dtype(name: str, function: object, x: object) -> ValueError | None:
    """What to raise when a module failed on samples of another dtype than its weights; None if that is not it."""
    weights = function.parameters() if hasattr(function, "parameters") else ()
    own = next((p.dtype for p in weights if p.is_floating_point()), None)
    if own is None or not isinstance(x, Tensor) or x.dtype == own:
        return None
    own, came = (str(dtype).removeprefix("torch.") for dtype in (own, x.dtype))
    return ValueError(f"expected x of {own}, the dtype of the weights of {name}, got {came}: use x.to(torch.{own})")


def answering(name: str, function: Asked) -> Asked:
    """The same function of (x, t), `answered` with a check; what has a scaling (`Preconditioned`) checks for itself.

    A module of one's own gets the times in the samples' dtype: its layers could not take the float64 of the grids.
    None stays None.
    """
    if function is None or hasattr(function, "scaling"):
        return function
    cast = hasattr(function, "parameters")
    return lambda x, t: answered(name, function, x, t.to(x.dtype) if cast else t)
