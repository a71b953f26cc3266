"""`minicm push`: a trained model on the Hugging Face Hub: its weights, and a card with numbers and configuration."""

import argparse
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from ...checkpoints import save_weights
from ...checks import one_line, parsed_json, shown
from ..command import Parser, check_extra
from ..recorded import record_of
from .drawing import Drawing, consistent, loaded

WEIGHTS, CARD = "model.safetensors", "README.md"
_OURS = {WEIGHTS, CARD, ".gitattributes"}  # the last is the Hub's own


def main(argv: list[str]) -> None:
    """Push the model, in one commit, and say where it is.

    Raises OSError or ValueError, one line, for a model without numbers, a repository that holds something else, and
    where the extra or the Hub is not there.
    """
    parser = Parser(prog="minicm push", description="Put a trained model on the Hugging Face Hub, with its numbers.")
    parser.add_argument("source", metavar="RUN", help="a run's folder, a file of weights, or a stored model's name")
    parser.add_argument("name", type=repository, metavar="owner/name", help="the repository, made if there is none")
    parser.add_argument("--numbers", metavar="FILE", help="what minicm evaluate --json wrote (RUN/numbers.json)")
    parser.add_argument("--experiment", metavar="FILE", help="that made it, which is executed; not for the project's")
    options: argparse.Namespace = parser.parse_args(argv)
    drawing = loaded(options.source, "cpu", options.experiment)
    words = card(drawing, options.name, _numbers(drawing, options.numbers))
    hub = connection()
    fields = {name: _without_folder(value) for name, value in asdict(drawing.config).items()}
    record = PurePath(record_of(drawing.made)).name  # a name, or one's own file without its folders
    with TemporaryDirectory() as folder, reached(options.name):
        save_weights(drawing.model, Path(folder) / WEIGHTS, {"experiment": record, "fields": json.dumps(fields)})
        (Path(folder) / CARD).write_text(words, "utf-8")
        there = set(hub.list_repo_files(options.name)) if hub.repo_exists(options.name) else set()
        if strange := sorted(there - _OURS):
            raise ValueError(f"expected a new repository or one of minicm push, {options.name} has {shown(strange[0])}")
        hub.create_repo(options.name, exist_ok=True)
        hub.upload_folder(repo_id=options.name, folder_path=folder, commit_message="minicm push")
    print(f"pushed {options.source} to {options.name}: `minicm pull {options.name}` takes it from there")


def card(drawing: Drawing, name: str, table: dict[str, Any]) -> str:
    """The model card: what it is, how to draw with it, its measured numbers, its configuration; Markdown.

    table: what `minicm evaluate --json` wrote.
    """
    kind = "consistency" if consistent(drawing.config) else "diffusion"
    c, h, w = drawing.pictures.shape
    told = f" with {drawing.pictures.classes} labels" if drawing.pictures.classes else ""
    own, rows = name.split("/")[1], table["rows"]
    fields = [[key, _without_folder(value)] for key, value in asdict(drawing.config).items()]
    lines = [
        "---", "library_name: minicm", f"tags: [{kind}-model, image-generation]", "---",
        f"# {own}", "",
        f"A {kind} model of pictures {c} x {h} x {w}{told}, trained with the experiment `{drawing.made.name}` of "
        f"[minicm](https://github.com/minicm/minicm) {version('minicm')}.", "",
        "```sh", f"minicm pull {name}", f"minicm sample models/{own}.safetensors", "```", "",
        "## Numbers", "",
        f"Measured by `minicm evaluate`, seed {table.get('seed')}, PyTorch {table.get('torch')}.", "",
        *_table(list(rows[0]), [list(row.values()) for row in rows]), "",
        "## Configuration", "", *_table(["field", "value"], fields),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def repository(text: str) -> str:
    """The same owner/name.  Raises ArgumentTypeError for anything else, such as names that lead to other folders."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", text, re.ASCII) or ".." in text:
        raise argparse.ArgumentTypeError(f"expected owner/name, of letters, digits, -, _ and ., got {text!r}")
    return text


def connection() -> Any:  # noqa: ANN401  HfApi, of the extra
    """What speaks with the Hub.  Raises OSError, one line, without the extra."""
    check_extra("hub", "huggingface_hub")
    from huggingface_hub import HfApi

    return HfApi()


@contextmanager
def reached(name: str) -> Iterator[None]:
    """Inside, what the Hub's client raises becomes OSError, one line; it has errors of three libraries."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        raise OSError(f"cannot reach {name} on the Hub, or it refuses: {one_line(error)}") from None


def _numbers(drawing: Drawing, typed: str | None) -> dict[str, Any]:
    """The table that `minicm evaluate` wrote of these weights; OSError or ValueError for none or another."""
    source = Path(drawing.source)
    file = Path(typed) if typed else (source if source.is_dir() else source.parent) / "numbers.json"
    how = f"`minicm evaluate {drawing.source} --json {file}` measures"
    if not file.is_file():
        raise FileNotFoundError(f"expected measured numbers in {file}, found none: {how}")
    table = parsed_json(file.read_bytes(), file)
    rows = table.get("rows") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and _measured(row) for row in rows):
        raise ValueError(f"expected rows of finite numbers in {file}, found none: {how}")
    if table.get("weights") != drawing.fingerprint:
        raise ValueError(f"expected numbers of the weights of {drawing.source} in {file}, got those of others: {how}")
    return table


def _measured(row: dict[str, Any]) -> bool:
    """Whether the row has numbers beside how many samples there were, and each is finite."""
    numbers = [value for key, value in row.items() if key != "number" and isinstance(value, (int, float))]
    return bool(numbers) and all(map(math.isfinite, numbers))


def _without_folder(value: object) -> object:
    """The value; of a path on this computer only the last part."""
    return PurePath(value).name if isinstance(value, str) and PurePath(value).is_absolute() else value


def _table(heads: list[str], rows: list[list[Any]]) -> list[str]:
    cells = [heads, ["---"] * len(heads), *([_cell(value) for value in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in cells]


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else " ".join(str(value).replace("|", "/").split())
