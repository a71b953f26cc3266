"""`minicm train`: train what an experiment builds, in a folder of its own; the same command again goes on.

What lies in the folder is told in `run_folder`; its `load_run` gives the configuration and the averaged model.
"""

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import torch
from tqdm import tqdm

from ..checks import check_between, check_count
from ..seeds import fold
from ..training import Record
from .command import Parser
from .distributed import Processes, init_distributed, lost_worker
from .experiment import Experiment, Pictures, add_fields, load_experiment, names, overridden, underscored
from .hardware import Hardware, accelerated, setting
from .recorded import named_experiment
from .run_folder import (
    Writer,
    check_finished,
    extended,
    grid,
    lock_folder,
    log_writer,
    save_picture,
    tensorboard_writer,
    told_before,
    write_config,
)
from .run_state import RunState

_PICTURES = 5  # the stream of the pictures' noise


@dataclass(frozen=True)
class RunOptions:
    """Where and how often a run writes, and when it stops: nothing here but `extend` changes what is trained.

    Raises ValueError unless log_every and extend are >= 1 and the others >= 0.
    """

    out: str = setting("runs/NAME", "the run's folder, where NAME is that of the experiment, with _PRESET")
    minutes: float | None = setting(None, "stop after so many; the same command goes on")
    extend: int | None = setting(None, "train a finished run on, to so many in all; rates and stages follow")
    checkpoint_minutes: float = setting(5.0, "between checkpoints")
    log_every: int = setting(100, "iterations between lines of the log")
    samples_every: int = setting(2000, "iterations between pictures; 0: only at the end")
    tensorboard: bool = setting(False, "write for TensorBoard too, which must be installed")

    def __post_init__(self) -> None:
        check_count("log_every", self.log_every)
        check_count("samples_every", self.samples_every, 0)
        check_between("checkpoint_minutes", self.checkpoint_minutes, 0.0)
        if self.minutes is not None:
            check_between("minutes", self.minutes, 0.0)
        if self.extend is not None:
            check_count("extend", self.extend)


def main(argv: list[str]) -> int:
    """The exit code of `minicm train argv`: 0 done or out of time, 130 or 143 stopped by a signal.

    Raises as `run` and, for the options, ValueError.
    """
    with init_distributed() as processes:
        try:
            experiment, config, options = _options(underscored(argv))
            return run(experiment, experiment.completed(config), options, processes)
        except (ValueError, OSError, FloatingPointError):
            if processes.first:
                raise
            return 2  # the first process says it


def _options(argv: list[str]) -> tuple[Experiment, Hardware, RunOptions]:
    """What the command line asks for.  Raises ValueError, one line, that lists the fields."""
    parser = Parser(prog="minicm train", description="Train an experiment, or go on with it.", allow_abbrev=False)
    parser.add_argument("experiment", metavar="FILE", help="such as experiments/digits_ect.py, or its name; first")
    parser.add_argument("--preset", default="default", metavar="NAME", help="a named configuration of the file")
    add_fields(parser, RunOptions(), "the run")
    if argv[:1] in ([], ["-h"], ["--help"]):
        parser.parse_args(argv)  # prints the help, or says what is missing
    if argv[0].startswith("-"):
        raise ValueError(f"expected the FILE of an experiment before any option, got {argv[0]}")
    experiment = load_experiment(named_experiment(argv[0]))
    parser.prog = f"minicm train {argv[0]}"
    presets = experiment.presets()
    add_fields(parser, presets["default"], f"the experiment (presets: {', '.join(presets)})")
    try:
        known, unknown = parser.parse_known_args(argv)
        if unknown:
            raise ValueError(f"unknown option {unknown[0]}")
    except ValueError as error:
        raise ValueError(f"{error}; the fields are {names(presets['default'])}; {names(RunOptions())}") from None
    given, config = vars(known), experiment.preset(known.preset)
    name = experiment.name + f"_{known.preset}" * (known.preset != "default")
    return experiment, overridden(config, given), overridden(replace(RunOptions(), out=f"runs/{name}"), given)


def run(experiment: Experiment, config: Hardware, options: RunOptions, processes: Processes | None = None) -> int:
    """Train until all iterations are done, the time is over or a signal comes; the exit code.

    Raises ValueError for a folder of another configuration, OSError for one that cannot be written or that another run
    writes to, FloatingPointError at a loss that is not finite, ConnectionError when another process is lost.
    """
    processes, folder = processes or Processes(), Path(options.out)
    with lock_folder(folder) if processes.first else nullcontext():
        config = extended(folder, experiment, config, options.extend)
        state = RunState(experiment.build(config), folder)
        start = state.load()
        check_finished(folder, start, state.training.iterations)
        if processes.first:
            device = next(state.training.model.parameters()).device.type
            for text in told_before(folder, device):
                _say(processes, text)
            write_config(folder, experiment, config, device)
        with _listening() as signals:
            loop = _Loop(state, experiment.pictures(config), config, options, processes, signals)
            return loop.train(start) if start < state.training.iterations else loop.again()


@dataclass
class _Loop:
    """One start of a run; `done` counts the updates of all its starts."""

    state: RunState
    pictures: Pictures
    config: Hardware
    options: RunOptions
    processes: Processes
    signals: list[int]  # that came
    done: int = 0

    def __post_init__(self) -> None:
        self.training, self.device = self.state.training, next(self.state.training.model.parameters()).device
        self.began = self.saved = self.ticked = time.monotonic()

    def train(self, start: int) -> int:
        """The exit code, after training from iteration `start` on."""
        self.done, records = start, self._records(start)
        with ExitStack() as stack:
            bar = stack.enter_context(self._bar(start))
            writers = self._writers(start, stack)
            try:
                for record in records:
                    self._after(record, bar, writers)
                    if self._over():
                        break
                self._save()
            except (FloatingPointError, OSError) as error:
                file = self.state.folder / "checkpoint.pt"
                kept = f"the last checkpoint is kept in {file}" if file.exists() else "there is no checkpoint yet"
                raise type(error)(f"{error}; {kept}") from error
            except RuntimeError as error:
                if self.processes.count == 1 or not lost_worker(error):
                    raise
                self._save()  # the update that failed has changed nothing yet
                raise ConnectionError(f"another process of this run is gone: {self._where()}") from error
        return self._farewell()

    def _writers(self, start: int, stack: ExitStack) -> list[Writer]:
        """Where the lines of the log go; the stack closes them."""
        kinds = [log_writer, *[tensorboard_writer] * self.options.tensorboard] if self.processes.first else []
        return [stack.enter_context(kind(self.state.folder, start)) for kind in kinds]

    def again(self) -> int:
        """The exit code when all iterations were done before; the last picture is drawn if a crash came before it."""
        self.done = self.training.iterations
        if not self._picture().exists():
            self._draw()
        _say(self.processes, f"all {self.done} iterations are done in {self.state.folder}")
        return 0

    def _records(self, start: int) -> Iterator[Record]:
        t, accumulate, processes = self.training, self.config.accumulate, self.processes
        t.part_size(processes.count * accumulate)  # refused here, before other processes are waited for
        loss, model = processes.shared(t.loss, t.model, t.head), accelerated(t.model, self.config)
        whole = replace(t, model=model, loss=loss)
        return whole.records(start, parts=processes.parts(accumulate), count=processes.count * accumulate)

    def _after(self, record: Record, bar: tqdm, writers: list[Writer]) -> None:
        """What follows an update: averages, and now and then a line, pictures, a checkpoint."""
        self.done = bar.n = record.iteration + 1
        for average in self.state.averages.values():
            average.update(self.training.model)
        self.state.meter.add(record)
        if self.done % self.options.log_every == 0 or self.done == self.training.iterations:
            line = self._line()
            bar.set_postfix_str(f"loss {line['loss']:.4g}", refresh=False)
            for write in writers:
                write(line)
        bar.update(0)
        if self.options.samples_every and self.done % self.options.samples_every == 0:
            self._draw()
        if time.monotonic() - self.saved > 60 * self.options.checkpoint_minutes:
            self._save()

    def _line(self) -> dict[str, float]:
        means, seconds = self.state.meter.means(), round(self._seconds(), 3)
        lr, images = self.training.optimizer.param_groups[0]["lr"], self.done * self.training.batch_size
        return {"iteration": self.done, **means, "lr": lr, "images": images, "seconds": seconds}

    def _seconds(self) -> float:
        """Seconds of training up to now, those of earlier starts included."""
        now = time.monotonic()
        self.state.meter.seconds, self.ticked = self.state.meter.seconds + now - self.ticked, now
        return self.state.meter.seconds

    def _over(self) -> bool:
        """Whether to stop here, by what this process or another one knows."""
        minutes = (time.monotonic() - self.began) / 60
        late = self.options.minutes is not None and minutes > self.options.minutes
        return self.processes.any(bool(self.signals) or late, self.device)

    def _save(self) -> None:
        if self.processes.first and self.done:
            self._seconds()
            self.state.save(self.done)
            self.saved = time.monotonic()

    @torch.no_grad()
    def _draw(self) -> None:
        """Pictures of the average, eight in a row, or a column for each class."""
        if not self.processes.first:
            return
        columns, device = self.pictures.classes or 8, self.device
        model = self.state.averages["ema10"].model
        if self.pictures.classes:
            model = model.given(torch.arange(columns, device=device).repeat(8))
        generator = torch.Generator(device).manual_seed(fold(self.training.seed, _PICTURES))
        x = self.training.draw(model, 8 * columns, generator)
        save_picture(grid(self.pictures.to_unit(x), columns), self._picture())

    def _picture(self) -> Path:
        return self.state.folder / f"samples/{self.done:08}.png"

    def _farewell(self) -> int:
        if self.done == self.training.iterations:
            self._draw()
            _say(self.processes, f"done: {self._where()}")
            return 0
        number = self.signals[0] if self.signals else 0
        why = f"stopped by {signal.Signals(number).name}" if number else "out of time"
        _say(self.processes, f"{why}: {self._where()}")
        return 128 + number if number else 0

    def _where(self) -> str:
        total, folder = self.training.iterations, self.state.folder
        more = "" if self.done == total else "; the same command goes on from there"
        return f"{self.done} of {total} iterations are saved in {folder}{more}"

    def _bar(self, start: int) -> tqdm:
        return tqdm(
            total=self.training.iterations, initial=start, unit=" it", dynamic_ncols=True,
            disable=not self.processes.first, mininterval=0.2 if sys.stderr.isatty() else 30.0,
        )  # fmt: skip


@contextmanager
def _listening() -> Iterator[list[int]]:
    """The SIGINT and SIGTERM that came: the loop looks here between updates.  A second one interrupts at once."""
    came: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if came:
            raise KeyboardInterrupt
        came.append(number)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield came
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(processes: Processes, text: str) -> None:
    if processes.first:
        print(f"minicm: {text}", file=sys.stderr)
