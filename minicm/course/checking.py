"""What all checks of exercises share: run the learner's function safely, and say in words how it did.

A check is a list of tests, each test(answer) -> None if all is well, or the hint to print; the first hint ends it.

    def check_mix(student: object) -> None:
        grade("my_mix", student, [its_numbers, ...], why="Every path of the course is this one line.")

    def its_numbers(mix: Answer) -> str | None:
        got = mix(x0, eps, t)                                       # `mix` is the guarded function of the learner
        return compare(got, right, mistakes={"α and σ are swapped": swapped})

The guarded function reports by itself: a missing answer, a crash, an input that was changed in place.  What is printed
is one of: "not solved yet: ...", "not yet: <hint>", "PASS: ...".  Nothing is raised, so a notebook stays green.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Answer = Callable[..., object]  # the learner's function, guarded; or the learner's value as it is
Test = Callable[[Answer], str | None]  # None, or what is wrong, in words


FOR_POINTS = "right for points, but not for images (B, C, H, W): give each sample one factor by like(a, x)"


class _UnsolvedError(Exception):
    """The stub was not filled in."""


class _HintError(Exception):
    """Something is wrong with a call itself; the text is the hint."""


def grade(name: str, student: object, tests: Sequence[Test], *, why: str) -> None:
    """Print `verdict`; the last line of a check, whose notebook cell then shows exactly this text."""
    print(verdict(name, student, tests, why=why))


def verdict(name: str, student: object, tests: Sequence[Test], *, why: str) -> str:
    """One line: "not solved yet: ...", "not yet: <first hint>" or "PASS: <why it matters>".

    name: what the learner calls the answer, my_mix.  student: a function, or a value; None means unsolved.
    The tests run with gradients on and torch's generator seeded; it is put back afterwards.
    """
    if student is None:
        return _unsolved(name)
    answer = _Guarded(student, {}) if callable(student) else student
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        try:
            hints = (test(answer) for test in tests)
            hint = next((hint for hint in hints if hint is not None), None)
        except _UnsolvedError:
            return _unsolved(name)
        except _HintError as wrong:
            hint = str(wrong)
        except Exception as error:  # in a test, which got what it did not expect
            hint = f"the check cannot use what it returns: {_one_line(error)}"
    return f"PASS: {name} is right. {why}" if hint is None else f"not yet: {hint}"


def compare(
    got: object,
    expected: Tensor | float,
    *,
    mistakes: Mapping[str, Tensor | float] | None = None,
    rtol: float = 1e-5,
    atol: float = 1e-6,
) -> str | None:
    """None if |got − expected| <= atol + rtol |expected| everywhere, else a hint that does not tell the answer.

    expected: a tensor, then got must be one of the same shape and dtype; or a number, then got may be either.
    mistakes: hint -> what got would be under that mistake; the first that fits is returned.  Without one it says
    sign, constant factor, or the size of the difference.
    """
    wrong = _wrong_kind(got, expected)
    if wrong:
        return wrong
    mine, right = _double(got), _double(expected)

    def close(other: Tensor) -> bool:
        return other.shape == mine.shape and torch.allclose(mine, other, rtol, atol)

    if close(right):
        return None
    made = (hint for hint, value in (mistakes or {}).items() if close(_double(value)))
    return next(made, None) or _difference(mine, right, close)


def on_images(answer: Answer, *args: object) -> object:
    """The answer for pictures, once it is right for points; if it stops, the hint says that the shape is to blame.

    Raises as the guarded function does, a _HintError, which `verdict` turns into words.
    """
    try:
        return answer(*args)
    except _HintError as wrong:
        raise _HintError(f"{FOR_POINTS}: {wrong}") from None


def two_results(got: object, names: str) -> str | None:
    """None if got is a tuple or list of two, else the hint that says so; names: "x_t, x_s"."""
    two = isinstance(got, (tuple, list)) and len(got) == 2
    return None if two else f"expected the two tensors ({names}), got {_kind(got)}"


def depends(output: Tensor, source: Tensor) -> bool:
    """Whether a gradient flows from output back to source, which must require one."""
    if not output.requires_grad:
        return False
    (slope,) = torch.autograd.grad(output.sum(), source, retain_graph=True, allow_unused=True)
    return slope is not None and bool((slope != 0).any())


class Counted:
    """A function that records the arguments of its calls: hand it to the learner's function as velocity or model."""

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.calls: list[tuple[object, ...]] = []

    def __call__(self, *args: object) -> object:
        self.calls.append(args)
        return self.function(*args)


class _Guarded:
    """The learner's function; a function that it returns is guarded as well, with the same memory."""

    def __init__(self, function: Callable[..., object], seen: dict[str, bool]) -> None:
        self.function, self.seen = function, seen

    def __call__(self, *args: object) -> object:
        before = [arg.detach().clone() if isinstance(arg, Tensor) else None for arg in args]
        try:
            result = self.function(*args)
        except NotImplementedError:
            raise _UnsolvedError from None
        except Exception as error:  # whatever it is, the learner needs it in words
            raise _HintError(_crash(error)) from None
        if result is None:
            if self.seen.get("answered"):
                raise _HintError("for some inputs it returns None: is a `return` missing?")
            raise _UnsolvedError
        for k, (arg, copy) in enumerate(zip(args, before, strict=True), 1):
            if copy is not None and not torch.equal(arg.detach(), copy):
                raise _HintError(
                    f"it changes its argument number {k} in place: whoever called it still needs that tensor, "
                    "so compute a new one (x = x + ..., not x += ...)"
                )
        if callable(result) and not isinstance(result, torch.nn.Module):
            return _Guarded(result, self.seen)
        self.seen["answered"] = True
        return result


def _unsolved(name: str) -> str:
    return f"not solved yet: write {name}, then run this cell again"


def _crash(error: Exception) -> str:
    """The exception in one line, with the last line of the learner's code, if its text is known."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    where = f" in the line `{frames[0].line}`" if frames and frames[0].line else ""
    return f"it stops{where}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _double(values: object) -> Tensor:
    return torch.as_tensor(values).detach().double()


def _difference(mine: Tensor, right: Tensor, close: Callable[[Tensor], bool]) -> str:
    """In which way numbers of the right shape are wrong."""
    if not mine.isfinite().all():
        return "some numbers are NaN or infinite: look for a division by 0 or the root of a negative number"
    if close(-right):
        return "the sign is wrong: your numbers are the negatives of the right ones"
    factor = ((mine * right).sum() / (right * right).sum()).item() if right.numel() > 3 else 0.0
    if abs(factor) > 1e-3 and close(factor * right):
        return f"a constant factor is wrong: your numbers are {factor:.3g} times the right ones"
    return f"the numbers differ, by up to {(mine - right).abs().max().item():.3g}"


def _wrong_kind(got: object, expected: Tensor | float) -> str | None:
    """What is wrong before any number is looked at."""
    if not isinstance(expected, Tensor):
        number = isinstance(got, (int, float)) or (isinstance(got, Tensor) and got.numel() == 1)
        return None if number else f"expected a number, got {_kind(got)}"
    if not isinstance(got, Tensor):
        return f"expected a tensor of shape {tuple(expected.shape)}, got {_kind(got)}"
    if got.shape != expected.shape:
        return f"the shape is wrong: expected {tuple(expected.shape)}, got {tuple(got.shape)}"
    if got.dtype != expected.dtype:
        return f"the dtype is wrong: expected {expected.dtype}, that of the inputs, got {got.dtype}"
    return None


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    return f"a {type(value).__name__}"
