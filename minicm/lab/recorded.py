"""Which experiment made a run or a stored model: one of the project's own, by its name, or a file that the user types.

Loading an experiment executes its file.  A file from outside only ever says a name, which is compared with those of
the experiments beside the package: it never says what is executed.
"""

import os
from contextlib import suppress
from pathlib import Path

import torch

from ..checkpoints import check_weights, load_weights
from ..checks import one_line, shown
from ..data.shipped import shipped
from ..precond import Preconditioned
from .experiment import Experiment, load_experiment
from .hardware import Hardware

FOLDER = shipped("experiments")


def own_experiments() -> dict[str, Path]:
    """name -> file of each experiment of the project, which lie beside the package; none where it came without."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.py")) if "\nclass Config(" in path.read_text("utf-8")}


def named_experiment(word: str) -> Path:
    """The file that the user typed, or the project's experiment of that name, such as digits_ect.

    Raises FileNotFoundError, with the names that there are, for a word that is neither.
    """
    path, own = Path(word), own_experiments()
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    if word not in own:
        raise FileNotFoundError(
            f"expected the Python file of an experiment or one of {', '.join(own) or 'none, which is all'}, got {word}"
        )
    return own[word]


def record_of(experiment: Experiment) -> str:
    """What is written down of an experiment: the name if it is the project's, else the path that the user typed."""
    own = own_experiments().get(experiment.name)
    return experiment.name if own is not None and own == experiment.path.resolve() else experiment.path.as_posix()


def made_by(record: object, typed: str | os.PathLike | None, source: object) -> Experiment:
    """The experiment that made `source`: the file that the user typed, or else the project's with the name `record`.

    record: what the file says: a name of `own_experiments`, in older files experiments/NAME.py.  It is never a path to
    look at.  Raises OSError or ValueError, one line, for anything else.
    """
    if typed is not None:
        return load_experiment(typed)
    own = own_experiments()
    known = own | {f"experiments/{name}.py": path for name, path in own.items()}
    if not isinstance(record, str) or record not in known:
        said = f"{record[:200]!r}" if isinstance(record, str) else shown(record)
        raise ValueError(
            f"expected {source} to name an experiment of the project ({', '.join(own) or 'here is none'}), got {said}: "
            "if you trust the file that made it, give that with --experiment FILE, and it will be executed"
        )
    return load_experiment(known[record])


def trained_model(experiment: Experiment, config: Hardware, weights: Path) -> Preconditioned:
    """The experiment's model with the weights of a file, on the CPU, in eval mode, untrainable.

    Raises FileNotFoundError, or ValueError, one line, for a configuration and weights that do not fit each other; they
    are compared before the model takes memory.
    """
    with suppress(RuntimeError), torch.device("meta"):  # a user's file may build what needs the memory
        check_weights(experiment.new_model(config), weights)
    try:
        model = experiment.new_model(config)
    except (RuntimeError, TypeError, ArithmeticError, MemoryError) as error:
        raise ValueError(f"expected a configuration that fits {weights}, but with it: {one_line(error)}") from None
    load_weights(model, weights)
    return model.eval().requires_grad_(False)
