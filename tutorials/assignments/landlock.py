"""Linux's Landlock: this process and whatever it starts can write below some folders and nowhere else, for good.

It holds for programs that are not Python as well, needs no rights, and cannot be lifted.  Where the kernel has none,
and on macOS and Windows, nothing happens, and only the audit hook of guard/ is left.
Source: the kernel's documentation, userspace-api/landlock.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["available", "write_only_below"]

CREATE, ADD, RESTRICT = 444, 445, 446  # system calls, with the same numbers on every architecture
NO_NEW_PRIVILEGES = 38  # of prctl
WRITE_FILE, TRUNCATE, REFER = 1 << 1, 1 << 14, 1 << 13
MAKE_AND_REMOVE = sum(1 << k for k in range(4, 13))  # folders, files, links, devices
DEVICES = tuple(Path(name) for name in ("/dev/null", "/dev/tty", "/dev/ptmx", "/dev/pts"))  # the last two for `!ls`
CONNECT_TCP = 1 << 1
SIGNAL = 1 << 1


class _Rules(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("files", "net", "scope")]


class _Below(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32)]


def available() -> int:
    """The version that the kernel has; 0 for none."""
    if not sys.platform.startswith("linux"):
        return 0
    return max(0, ctypes.CDLL(None, use_errno=True).syscall(CREATE, None, 0, 1))


def write_only_below(folders: Sequence[Path], devices: Sequence[Path] = DEVICES) -> bool:
    """Whether the rule is in force: writes below folders and to devices, no TCP, no signal to processes outside."""
    version = available()
    if not version:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    files = WRITE_FILE | MAKE_AND_REMOVE | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    rules = _Rules(files, CONNECT_TCP if version >= 4 else 0, SIGNAL if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(CREATE, ctypes.byref(rules), ctypes.c_size_t(size), 0)
    if ruleset < 0:
        return False
    for path, rights in [*((p, files) for p in folders), *((p, files & (WRITE_FILE | TRUNCATE)) for p in devices)]:
        if path.exists():
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            libc.syscall(ADD, ruleset, 1, ctypes.byref(_Below(rights, place)), 0)
            os.close(place)
    done = libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0 and libc.syscall(RESTRICT, ruleset, 0) == 0
    os.close(ruleset)
    return done
