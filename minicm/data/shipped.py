"""Where the stored models and experiments lie: in a copy of the repository, or inside an installed package."""

from importlib.resources import files
from pathlib import Path

PACKAGE = Path(str(files("minicm")))


def repository() -> Path | None:
    """The folder of the repository that the package is used from; None for an installed one."""
    return PACKAGE.parent if (PACKAGE.parent / "pyproject.toml").is_file() else None


def shipped(folder: str) -> Path:
    """The folder `data` or `experiments`: the repository's own, or the copy that a wheel has inside."""
    return (repository() or PACKAGE / "shipped") / folder


def stored_model(name: str) -> Path:
    """The file of weights that comes with the package under this name, such as digits_dense_ect.

    Raises FileNotFoundError, with the names that there are, for another.
    """
    folder = shipped("data")
    known = {file.stem: file for file in sorted(folder.glob("*.safetensors"))}
    if name not in known:
        raise FileNotFoundError(
            f"expected a run's folder, a file of weights or a stored model ({', '.join(known) or 'here is none'}), "
            f"found no {name}"
        )
    return known[name]
