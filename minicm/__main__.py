"""`python -m minicm COMMAND ...`, the same as `minicm COMMAND ...`."""

import sys

from .lab.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
