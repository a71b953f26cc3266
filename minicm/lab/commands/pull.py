"""`minicm pull`: the weights of a model of minicm from the Hugging Face Hub; nothing of it is executed."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from ...checkpoints import write_whole
from ..command import Parser
from .drawing import loaded
from .push import WEIGHTS, connection, reached, repository


def main(argv: list[str]) -> None:
    """Fetch the weights, open them as any file from outside, and only then write them; say where and what they are.

    Raises OSError or ValueError, one line, for what is no model of minicm, and where the extra or the Hub is not there.
    """
    parser = Parser(prog="minicm pull", description="Take a model of minicm from the Hugging Face Hub.")
    parser.add_argument("name", type=repository, metavar="owner/name", help="the repository")
    parser.add_argument("--to", metavar="FILE.safetensors", help="models/name.safetensors by default")
    parser.add_argument("--experiment", metavar="FILE", help="that made it, which is executed; not for the project's")
    options: argparse.Namespace = parser.parse_args(argv)
    target = Path(options.to or f"models/{options.name.split('/')[1]}.safetensors")
    if target.suffix != ".safetensors" or target.is_dir():
        raise ValueError(f"expected --to NAME.safetensors, a file, got {target}")
    if (target.parent / "config.json").exists():  # it would be read as one of that run's
        raise ValueError(f"expected --to a file outside of a run's folder, {target.parent} has a config.json")
    hub = connection()
    with reached(options.name):
        content = Path(hub.hf_hub_download(options.name, WEIGHTS)).read_bytes()
    with TemporaryDirectory() as folder:  # alone: what lies beside it on the Hub is never looked at
        alone = Path(folder) / WEIGHTS
        alone.write_bytes(content)
        try:
            drawing = loaded(str(alone), "cpu", options.experiment)
        except (OSError, ValueError) as error:
            raise ValueError(str(error).replace(str(alone), f"{WEIGHTS} of {options.name}")) from None
    write_whole(target, content)
    print(f"wrote {target}, a model of {drawing.made.name}: `minicm sample {target}` draws with it")
