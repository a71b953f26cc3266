"""How every command of minicm ends: 0 done, 1 a finding, 2 a wrong input told in one line, 130 stopped by hand.

`minicm train` also ends with 143, after SIGTERM.
"""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import NoReturn

_LONGEST = 2000  # characters of an error


class Parser(argparse.ArgumentParser):
    """argparse's parser, which raises ValueError instead of printing its usage, so that errors stay one line."""

    def error(self, message: str) -> NoReturn:
        """Raise ValueError with argparse's words and where to read more."""
        raise ValueError(f"{message} (see {self.prog} --help)")


def check_extra(extra: str, *packages: str) -> None:
    """Raise OSError, one line that says what to install, unless these packages of one of minicm's extras are there."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise OSError(f'expected {", ".join(missing)} to be installed: `pip install "minicm[{extra}]"`')


def report(command: Callable[[list[str]], int | None], argv: list[str]) -> int:
    """The exit code of command(argv): its own (None is 0), or 2 and one line on stderr for what it refused.

    Only errors that an input or a machine can cause are turned into a line: ValueError, OSError, FloatingPointError
    and a package that is missing.  Anything else is our fault and keeps its traceback.
    """
    try:
        return command(argv) or 0
    except KeyboardInterrupt:
        print("minicm: stopped", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "minicm").split(".")[0] == "minicm":
            raise
        said = str(error)  # our own words, where we know what is missing and what brings it
        unknown = f"the package {error.name} is missing: `minicm doctor` says how to mend it"
        text = said if said.startswith("expected ") else unknown
    except OSError as error:
        text = f"{error.strerror}: {error.filename}" if error.strerror and error.filename else str(error)
    except (ValueError, FloatingPointError) as error:
        text = str(error)
    print("minicm: error:", _printable(text), file=sys.stderr)
    return 2


def _printable(text: str) -> str:
    """One line of at most so many characters: a file's own words may hold codes that a terminal would obey."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."
