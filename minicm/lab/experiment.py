"""An experiment is a Python file: a frozen dataclass of numbers, and functions that make of them what is trained.

The file holds `Config`, presets as further instances in capitals (`PAPER = Config(...)` is --preset paper), and
    new_model(config) -> Preconditioned     the untrained model, on the CPU, float32
    pictures(config) -> Pictures            what it draws
    build(config) -> Training               data, loss and optimiser, on the device
and, if the data decide about the model,
    completed(config) -> Config             the configuration with what they say, before training; its other fields stay
"""

import argparse
import importlib.util
import math
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..averages import Average
from ..checks import shown
from ..precond import Preconditioned
from ..shapes import Loss
from ..training import Batch, Record, fit, part_seed
from .hardware import Hardware

_LARGEST = 2**63  # of a whole number in a configuration


class Data(Protocol):
    """Endless batches, such as partial(of_points, points); batch k is a function of (seed, k) alone."""

    def __call__(self, batch_size: int, *, seed: int, start: int) -> Iterator[Batch]:
        """Batches start, start + 1, ..., x0 or (x0, label), on the model's device."""


@dataclass(frozen=True)
class Pictures:
    """The samples of an experiment: their shape (C, H, W), the map from data units to rgb or grey in [0, 1].

    classes: how many labels the model knows; 0: the model is called without labels.
    to_data: the way back, from uint8, 255 for 1, to data units; None: `minicm edit` takes no pictures of one's own.
    Raises ValueError for a map whose pictures do not have 1 or 3 channels, before hours of training and not after.
    """

    shape: tuple[int, int, int]
    to_unit: Callable[[Tensor], Tensor]
    classes: int = 0
    to_data: Callable[[Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        drawn = tuple(self.to_unit(torch.zeros(1, *self.shape)).shape)
        if len(drawn) != 4 or drawn[1] not in (1, 3):
            wanted = "pictures (B, C, H, W) of 1 or 3 channels"
            raise ValueError(
                f"expected to_unit to make {wanted}, got {drawn}: show some of the channels of {self.shape}"
            )


@dataclass(frozen=True)
class Training:
    """What is trained, and how long; everything is on its device already.

    Raises ValueError unless iterations and batch_size are >= 1.
    """

    model: nn.Module
    loss: Loss
    data: Data
    optimizer: torch.optim.Optimizer
    iterations: int  # of the whole run
    batch_size: int  # samples of an update, all processes together
    draw: Callable[[nn.Module, int, torch.Generator], Tensor] | None = None  # (model, n, generator) -> x (n, *S)
    lr: Callable[[int], float] | None = None  # iteration -> learning rate
    clip: float = math.inf  # largest gradient norm
    head: nn.Module | None = None  # parameters of the loss's own; they are in the optimiser as well
    seed: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.batch_size < 1:
            got = f"{self.iterations} and {self.batch_size}"
            raise ValueError(f"expected iterations >= 1 and batch_size >= 1, got {got}")

    def part_size(self, count: int) -> int:
        """Samples of one of `count` equal parts of a batch.  Raises ValueError for a batch that has no such parts."""
        if self.batch_size % count:
            raise ValueError(f"expected a batch_size that divides into {count} equal parts, got {self.batch_size}")
        return self.batch_size // count

    def records(
        self, start: int = 0, *, parts: range = range(1), count: int = 1, ema: Average | None = None
    ) -> Iterator[Record]:
        """Train from iteration `start` to the last one, yielding after each update.

        parts: those of the `count` parts of every batch that this process makes, in turn.
        Raises ValueError as `part_size`.
        """
        size, seeds = self.part_size(count), [part_seed(self.seed, part) for part in parts]
        streams = chain.from_iterable(zip(*(self.data(size, seed=seed, start=start) for seed in seeds)))
        return fit(
            self.model, self.loss, islice(streams, (self.iterations - start) * len(parts)), self.optimizer,
            ema=ema, clip=self.clip, lr=self.lr, seed=self.seed, start=start, parts=parts,
        )  # fmt: skip


@dataclass(frozen=True)
class Experiment:
    """A loaded file; `module` has Config, new_model, pictures and build."""

    path: Path
    module: types.ModuleType

    @property
    def name(self) -> str:
        """The file's name without .py."""
        return self.path.stem

    def presets(self) -> dict[str, Hardware]:
        """Configurations by name; "default" is Config()."""
        config = self.module.Config
        found = {k.lower(): v for k, v in vars(self.module).items() if k.isupper() and isinstance(v, config)}
        return {"default": config(), **found}

    def preset(self, name: str) -> Hardware:
        """The configuration of that name.  Raises ValueError, with the names there are, for another one."""
        presets = self.presets()
        if name not in presets:
            raise ValueError(f"expected a preset among {', '.join(presets)}, got {name!r}")
        return presets[name]

    def config_from(self, values: Mapping[str, Any]) -> Hardware:
        """Config with these fields, as a run's config.json holds them.

        Raises ValueError for a field that it has not, and for a value of another type.
        """
        hints = typing.get_type_hints(self.module.Config)
        if foreign := values.keys() - {field.name for field in fields(self.module.Config)}:
            told = shown(sorted(foreign)[0])
            raise ValueError(f"{self.path} has no field {told}: it is not the file that was run")
        for name, value in values.items():
            if not _of_kind(value, *_kind(hints[name])):
                raise ValueError(f"expected {name} of {self.path} as {hints[name]}, got {shown(value)}")
        return self.module.Config(**values)

    def completed(self, config: Hardware) -> Hardware:
        """The configuration with what its data say, if the file has a function for it; otherwise the same."""
        return self.module.completed(config) if hasattr(self.module, "completed") else config

    def new_model(self, config: Hardware) -> Preconditioned:
        """The untrained model on the CPU."""
        return self.module.new_model(config)

    def pictures(self, config: Hardware) -> Pictures:
        """What the model draws."""
        return self.module.pictures(config)

    def build(self, config: Hardware) -> Training:
        """What is trained, on its device.  Raises ValueError unless it says how pictures are drawn."""
        training = self.module.build(config)
        if training.draw is None:
            raise ValueError(f"expected build of {self.path} to give Training a draw, for the pictures of its run")
        return training


def load_experiment(path: str | Path) -> Experiment:
    """The experiment in a Python file, which is executed.

    Raises FileNotFoundError, or ValueError, one line, for a file that is no experiment.
    """
    path = Path(path)
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"expected the Python file of an experiment, got {path}: {found}")
    if path.suffix != ".py":
        raise ValueError(f"expected the Python file of an experiment, got {path}")
    spec = importlib.util.spec_from_file_location(f"minicm_experiment_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and inspect look their classes up there
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ValueError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ImportError as error:
        raise ValueError(f"expected an experiment that can be imported, got {path}: {error}") from None
    missing = [name for name in ("Config", "new_model", "pictures", "build") if not hasattr(module, name)]
    if missing:
        raise ValueError(f"expected Config, new_model, pictures and build in {path}, missing {', '.join(missing)}")
    if not (is_dataclass(module.Config) and issubclass(module.Config, Hardware)):
        raise ValueError(f"expected `class Config(Hardware)`, a frozen dataclass, in {path}")
    return Experiment(path, module)


def add_fields(parser: argparse.ArgumentParser, values: object, title: str) -> None:
    """Add an option for every field of the dataclass instance `values`; what is not given stays out of the result.

    The help of a field is that of its `setting`.  Fields are int, float, bool or str, or one of these
    or None.
    """
    group = parser.add_argument_group(title)
    hints = typing.get_type_hints(type(values))
    for field in fields(values):
        now = getattr(values, field.name)
        group.add_argument(
            f"--{field.name}",
            type=_reader(hints[field.name]),
            default=argparse.SUPPRESS,
            metavar=_kind(hints[field.name])[0].__name__.upper(),
            help=f"{field.metadata.get('help', '')} ({_shown(now)})".replace("%", "%%"),
        )


def overridden(values: Any, given: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """The dataclass instance with those of its fields that are in `given`."""
    return replace(values, **{field.name: given[field.name] for field in fields(values) if field.name in given})


def names(values: object) -> str:
    """The names of the fields, separated by commas."""
    return ", ".join(field.name for field in fields(values))


def _kind(hint: Any) -> tuple[type, bool]:  # noqa: ANN401
    """The type of a field, and whether it may be None."""
    options = typing.get_args(hint) or (hint,)
    return next(o for o in options if o is not types.NoneType), types.NoneType in options


def _of_kind(value: object, kind: type, optional: bool) -> bool:
    """Whether JSON's value fits a field: a whole number is a float as well, a bool is neither, and NaN is nothing."""
    if value is None:
        return optional
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if isinstance(value, int):
        return kind in (int, float) and abs(value) < _LARGEST
    return isinstance(value, kind) and value == value


def _reader(hint: Any) -> Callable[[str], Any]:  # noqa: ANN401
    kind, optional = _kind(hint)

    def read(text: str) -> Any:  # noqa: ANN401
        if optional and text.lower() in ("none", "auto"):
            return None
        with suppress(ValueError, KeyError):
            value = _BOOLS[text.lower()] if kind is bool else kind(text)
            if value == value:  # NaN is no number here
                return value
        expected = "yes or no" if kind is bool else kind.__name__
        raise argparse.ArgumentTypeError(f"expected {expected}{' or none' * optional}, got {text!r}")

    return read


_BOOLS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def underscored(argv: Iterable[str]) -> list[str]:
    """The same arguments with --batch-size read as --batch_size."""
    return [re.sub(r"^--[\w-]+", lambda m: "--" + m[0][2:].replace("-", "_"), a) for a in argv]
