"""The command line: `python -m minicm COMMAND ...`, or `minicm COMMAND ...` once installed."""

import argparse
import importlib
import sys

from .command import Parser, report

# name -> (module with main(argv), what it does).  A module is imported when its command is asked for, not before.
COMMANDS = {
    "doctor": ("minicm.lab.doctor", "check this computer and say how to mend what is wrong"),
    "demo": ("minicm.lab.demo", "train a diffusion teacher and a consistency model on 2D data, and compare them"),
    "lessons": ("minicm.lab.commands.lessons", "write the notebooks of the course into a new folder"),
    "explore": ("minicm.lab.commands.explore", "write a web page in which a noise is dragged and its ends are seen"),
    "train": ("minicm.lab.runner", "train an experiment of experiments/, or go on with it"),
    "sample": ("minicm.lab.commands.sample", "draw pictures with a trained model"),
    "evaluate": ("minicm.lab.commands.evaluate", "measure how good a trained model's pictures are"),
    "edit": ("minicm.lab.commands.edit", "inpaint, sharpen, colour, denoise or interpolate with a consistency model"),
    "export": ("minicm.lab.commands.export", "write a trained model as ONNX, for programs without PyTorch"),
    "push": ("minicm.lab.commands.push", "put a trained model on the Hugging Face Hub, with its measured numbers"),
    "pull": ("minicm.lab.commands.pull", "take a model of minicm from the Hub; nothing of it is executed"),
}


def main(argv: list[str] | None = None) -> int:
    """The exit code of the command that argv (by default the command line) names."""
    return report(_dispatch, sys.argv[1:] if argv is None else argv)


def _dispatch(argv: list[str]) -> int | None:
    width = max(map(len, COMMANDS))
    listing = "\n".join(f"  {name:{width}}  {text}" for name, (_, text) in COMMANDS.items())
    parser = Parser(
        prog="minicm",
        description="Consistency models from first principles.",
        epilog=f"commands:\n{listing}\n\nminicm COMMAND --help lists a command's options.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the command's own options")
    known = parser.parse_args(argv)
    module, _ = COMMANDS[known.command]
    return importlib.import_module(module).main(known.arguments)


if __name__ == "__main__":
    sys.exit(main())
