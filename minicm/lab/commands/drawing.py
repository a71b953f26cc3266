"""A trained model of pictures, and how to draw with it in so many steps; what sample, evaluate and edit begin with."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch
from torch import Tensor, nn

from ...checkpoints import metadata_of
from ...checks import check_between, check_count, parsed_json
from ...data.shipped import stored_model
from ...seeds import fold
from ..command import Parser
from ..experiment import Experiment, Pictures
from ..hardware import Hardware, to_device
from ..recipes.pictures import PATH, few_steps, solved
from ..recorded import made_by, trained_model
from ..run_folder import run_experiment

_BATCH = 256  # pictures at once
_MOST = 10_000  # evaluations that a file may ask for
_LOWEST = 0.1  # noise-to-signal ratio of the last of many steps

Draw = Callable[[nn.Module, int, torch.Generator], Tensor]


@dataclass(frozen=True)
class Drawing:
    """A model on its device, what it draws, and the experiment and configuration it was trained with."""

    model: nn.Module
    pictures: Pictures
    made: Experiment
    config: Hardware
    source: str

    @property
    def device(self) -> torch.device:
        """That of the model."""
        return next(self.model.parameters()).device

    @property
    def fingerprint(self) -> str:
        """Sixteen digits that change with any weight: numbers that were measured with others are told apart."""
        found = sha256()
        for name, t in sorted(self.model.state_dict().items()):
            found.update(f"{name}{tuple(t.shape)}".encode() + t.cpu().contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    @property
    def usual_steps(self) -> int:
        """1 for a consistency model; for a diffusion model the evaluations of its experiment.

        Raises ValueError if those are not from 2 to 10,000.
        """
        if consistent(self.config):
            return 1
        check_count("evaluations", self.config.evaluations, 2, _MOST)
        return self.config.evaluations

    def labels(self, number: int, asked: list[int]) -> Tensor | None:
        """Labels (number,): those asked for, or all, over and over; None for a model without labels.

        Raises ValueError for labels that the model does not know.
        """
        classes = self.pictures.classes
        if not classes:
            if asked:
                raise ValueError(f"expected no --labels, {self.source} was trained without, got {asked}")
            return None
        if any(not 0 <= label < classes for label in asked):
            raise ValueError(f"expected --labels from 0 to {classes - 1}, got {', '.join(map(str, asked))}")
        every = torch.tensor(asked) if asked else torch.arange(classes)
        return every[torch.arange(number) % len(every)]

    @torch.no_grad()
    def draw(self, number: int, steps: int, seed: int, labels: Tensor | None = None) -> Tensor:
        """Samples (number, C, H, W), data units, on the CPU, in so many evaluations each; a function of its arguments.

        Raises ValueError for steps < 1, when the experiment does not say what kind of model it trains, and for samples
        that are not finite.
        """
        draw, parts = self._draw(steps), []
        for k, start in enumerate(range(0, number, _BATCH)):
            generator = torch.Generator(self.device).manual_seed(fold(seed, 1, k))
            told = None if labels is None else labels[start : start + _BATCH].to(self.device)
            model = self.model if told is None else self.model.given(told)
            parts.append(draw(model, min(_BATCH, number - start), generator).cpu())
        return finite(torch.cat(parts), self.source)

    def _draw(self, steps: int) -> Draw:
        shape = self.pictures.shape
        if steps < 1:
            raise ValueError(f"expected --steps >= 1, got {steps}")
        if consistent(self.config):
            return few_steps(shape, *level_times(steps, self.config.middle)[1:])
        return solved(shape, steps) if steps > 1 else few_steps(shape)


def consistent(config: Hardware) -> bool:
    """Whether the model is a consistency model: its experiment has `middle`, that of a diffusion model `evaluations`.

    Raises ValueError for an experiment with neither.
    """
    if hasattr(config, "middle"):
        return True
    if hasattr(config, "evaluations"):
        return False
    raise ValueError(
        "expected an experiment whose Config has `middle`, the second level of a consistency model, or "
        "`evaluations`, of a diffusion model; found neither"
    )


def level_times(steps: int, middle: float) -> list[float]:
    """The times that few-step sampling jumps from: t_max, then `middle`, then noise-to-signal ratios down to .1.

    Raises ValueError unless middle is a time of the path.
    """
    if steps == 1:
        return [PATH.t_max]
    check_between("middle", middle, PATH.t_min, PATH.t_max)
    top = PATH.nsr(torch.tensor(middle, dtype=torch.float64)).item()
    bottom = min(_LOWEST, top / 2)
    ratios = torch.logspace(0, 1, steps - 1, base=bottom / top, dtype=torch.float64) * top
    return [PATH.t_max, *PATH.time_at(ratios).tolist()]


def finite(x: Tensor, source: str) -> Tensor:
    """The same pictures.  Raises ValueError if one is not finite."""
    if not x.isfinite().all():
        raise ValueError(f"expected finite pictures from {source}, got NaN or infinity: its weights have diverged")
    return x


def loaded(source: str, device: str, experiment: str | None = None) -> Drawing:
    """The model of a run's folder, of a file in it, or of a stored file that says which experiment made it.

    source: its path, or the name of a stored model that comes with the package.
    experiment: the file that made it, which is executed; needed unless it is one of the project's.
    Raises OSError or ValueError, one line, for anything else, and for a device that this computer lacks.
    """
    path = Path(source)
    if not path.exists():
        path = stored_model(source)
    if path.suffix == ".safetensors" and not (path.parent / "config.json").exists():
        made, config = _stored(path, experiment)
        weights = path
    else:
        folder = path if path.is_dir() else path.parent
        made, config = run_experiment(folder, experiment)
        weights = path if path.suffix == ".safetensors" else folder / "ema10.safetensors"
    model = trained_model(made, config, weights)
    config = replace(config, device=device)
    return Drawing(to_device(model, config).eval(), made.pictures(config), made, config, source)


def _stored(path: Path, experiment: str | None) -> tuple[Experiment, Hardware]:
    """What made a file that lies alone: its metadata name the experiment and hold the fields as JSON.

    Without fields it is the default configuration of the experiment that was typed.
    """
    note = metadata_of(path)
    if experiment is None and not {"experiment", "fields"} <= note.keys():
        raise ValueError(
            f"expected {path} in the folder of its run, or with its experiment inside, or --experiment FILE; found none"
        )
    made = made_by(note.get("experiment"), experiment, path)
    fields = parsed_json(note.get("fields", "{}"), f"the fields of {path}")
    if not isinstance(fields, dict):
        raise ValueError(f"expected the fields of a configuration in {path}, got a {type(fields).__name__}")
    return made, made.config_from(fields)


def add_common(parser: Parser, *, number: int | None, how_many: str) -> None:
    """Add what all three commands take: RUN, --experiment, --number, whose help is `how_many`, --seed and --device."""
    parser.add_argument(
        "source",
        metavar="RUN",
        help="a run's folder, a file of weights such as RUN/ema05.safetensors, or a stored model's name",
    )
    parser.add_argument(
        "--experiment", metavar="FILE", help="that made it, which is executed; not needed for the project's own"
    )
    parser.add_argument("--number", type=positive, default=number, metavar="N", help=how_many)
    parser.add_argument("--seed", type=int, default=0, help="of the noise (0)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (auto)")


def positive(text: str) -> int:
    """The whole number >= 1 that an option gives.  Raises ArgumentTypeError for others."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def label_list(text: str) -> list[int]:
    """The labels that an option gives, separated by commas.  Raises ArgumentTypeError for other words."""
    parts = text.split(",")
    if not all(part.strip().isdigit() for part in parts):
        raise argparse.ArgumentTypeError(f"expected whole numbers such as 3 or 0,1,2, got {text!r}")
    return [int(part) for part in parts]
