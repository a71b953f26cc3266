"""What a run keeps between starts: weights, optimiser, averages, and the sums of its log."""

from pathlib import Path

from ..averages import PowerEMA
from ..checkpoints import load_checkpoint, save_checkpoint, save_weights
from ..checks import shown
from ..training import Record
from .experiment import Training

AVERAGES = {"ema05": 0.05, "ema10": 0.10}  # file -> width of the average, as a share of the run


class RunState:
    """A training with its averages: what a checkpoint holds, in the folder of the run."""

    def __init__(self, training: Training, folder: Path) -> None:
        self.training, self.folder, self.meter = training, folder, Meter()
        self.averages = {name: PowerEMA(training.model, width) for name, width in AVERAGES.items()}

    def _parts(self) -> dict:
        extras = self.averages | {"meter": self.meter}
        extras |= {} if self.training.head is None else {"head": self.training.head}
        return {"model": self.training.model, "optimizer": self.training.optimizer, "extras": extras}

    def load(self) -> int:
        """The iteration to go on with, after the folder's checkpoint, if there is one, is put into the parts.

        Raises ValueError, one line, for one that is damaged or does not fit; it is left as it is.
        """
        file, before = self.folder / "checkpoint.pt", self._settings()
        if not file.exists():
            return 0
        try:
            start = load_checkpoint(file, **self._parts())
            if start > self.training.iterations:
                raise ValueError(f"expected {file} within {self.training.iterations} iterations, got {shown(start)}")
            if changed := [name for name, value in before if value != dict(self._settings())[name]]:
                raise ValueError(f"expected the optimiser's {changed[0]} in {file} as the experiment sets it")
        except ValueError as error:
            raise ValueError(f"{error}; delete this file to begin anew") from error
        return start

    def _settings(self) -> list[tuple[str, object]]:
        """What an experiment fixes for the whole run, group by group."""
        scheduled = {"params"} if self.training.lr is None else {"params", "lr"}
        groups = enumerate(self.training.optimizer.param_groups)
        return [(f"{key} of group {k}", group[key]) for k, group in groups for key in group if key not in scheduled]

    def save(self, done: int) -> None:
        """Write the averaged weights after `done` iterations, and the checkpoint.

        It comes last: after a crash in between, the run goes on from the earlier one and writes the averages again.
        """
        for name, average in self.averages.items():
            save_weights(average.model, self.folder / f"{name}.safetensors", {"iterations": str(done)})
        save_checkpoint(self.folder / "checkpoint.pt", **self._parts(), iteration=done - 1)


class Meter:
    """Sums over the records since the log's last line, and the seconds of training."""

    def __init__(self) -> None:
        self.count, self.loss, self.grad_norm, self.seconds = 0, 0.0, 0.0, 0.0

    def add(self, record: Record) -> None:
        """Count the record in."""
        self.count += 1
        self.loss, self.grad_norm = self.loss + record.loss, self.grad_norm + record.grad_norm

    def means(self) -> dict[str, float]:
        """The means; the sums start anew."""
        found = {"loss": self.loss / self.count, "grad_norm": self.grad_norm / self.count}
        self.count, self.loss, self.grad_norm = 0, 0.0, 0.0
        return found

    def state_dict(self) -> dict:
        """The sums."""
        return dict(vars(self))

    def load_state_dict(self, state: dict) -> None:
        """Go on from what `state_dict` gave."""
        vars(self).update(state)
