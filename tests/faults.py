"""For tests/lab/test_faults*.py: the tiny experiment, all that a run leaves, and children with a disk of their own."""

import ctypes
import io
import json
import os
import sys
import traceback
from contextlib import redirect_stderr
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from minicm.lab.__main__ import main

TINY = Path(__file__).with_name("tiny_experiment.py")
NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000  # of unshare(2)
READ_ONLY, REMOUNT, BIND = 1, 32, 4096  # of mount(2)
NO_RIGHTS = 77


def train(out, *options):
    return main(["train", str(TINY), "--out", str(out), "--log_every", "1", *options])


def said(call):
    """(exit code, the one line that begins with minicm: error:, or None)."""
    with redirect_stderr(io.StringIO()) as stream:
        code = call()
    lines = [line for line in stream.getvalue().splitlines() if line.startswith("minicm: error:")]
    assert len(lines) <= 1 and "Traceback" not in stream.getvalue()
    return code, lines[0] if lines else None


def content(out):
    """All that a run leaves, without what depends on the clock: seconds."""
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    del state["parts"]["meter"]["seconds"]
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    averages = {p.name: load_file(p) for p in out.glob("*.safetensors")}
    pictures = {p.name: p.read_bytes() for p in (out / "samples").iterdir()}
    names = sorted(p.name for p in out.iterdir())
    return {
        "names": names,
        "log": [{k: v for k, v in line.items() if k != "seconds"} for line in lines],
        "tensors": dict(leaves([state, averages, pictures])),
    }


def leaves(state, name=""):
    """(dotted name, value) of every leaf; tensors as bytes, for equal means bit for bit here."""
    if isinstance(state, dict | list | tuple):
        for key, value in state.items() if isinstance(state, dict) else enumerate(state):
            yield from leaves(value, f"{name}.{key}")
    else:
        yield name, state.numpy().tobytes() if isinstance(state, torch.Tensor) else state


def in_child(act):
    """act() in a fork; a failure there is a failure here, and NO_RIGHTS skips the test."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            act()
            code = 0
        except SystemExit as stop:
            code = stop.code
        except BaseException:
            traceback.print_exc()
        finally:  # the trace may not fit on the child's disk either
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code == NO_RIGHTS:
        pytest.skip("this user may not mount here")
    assert code == 0


def mounted(kind, place, flags, options):
    """Mount in a name space of this process alone, which ends with it; SystemExit(NO_RIGHTS) where that is refused."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    if not hasattr(libc, "unshare") or libc.unshare(NEW_USER | NEW_MOUNTS):
        sys.exit(NO_RIGHTS)
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    except OSError:
        sys.exit(NO_RIGHTS)
    for flag in flags:
        if libc.mount(str(place).encode(), str(place).encode(), kind, flag, options):
            sys.exit(NO_RIGHTS)


def small_disk(place, kilobytes):
    """A disk of so many kilobytes at the folder `place`."""
    mounted(b"tmpfs", place, [0], f"size={kilobytes}k".encode())


def read_only(place):
    """Make the folder `place` one of a disk that cannot be written, not even by root."""
    mounted(None, place, [BIND, BIND | REMOUNT | READ_ONLY], None)
