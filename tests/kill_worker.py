"""For tests/lab/test_faults_kill.py: kill_worker.py EXPERIMENT FOLDER OPTIONS trains, killed twenty times on the way.

One process, which has imported everything once, forks those that are killed.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import matplotlib.image  # noqa: F401  # for the children
import torch

from minicm.lab.__main__ import main
from minicm.lab.run_folder import load_run
from minicm.lab.run_state import RunState
from minicm.lab.runner import _options

TIMES = 20


def killed(argv, log, target, ready, delay):
    """Train in a child, and kill it `delay` seconds after the log has `target` lines and ready() holds."""
    child = os.fork()
    if child == 0:
        sys.stderr = open(os.devnull, "w")
        main(argv)
        os._exit(3)  # it was not killed
    while lines(log) < target or not ready():
        assert os.waitpid(child, os.WNOHANG) == (0, 0), "it ended by itself"
        time.sleep(0)  # a write is over in less than a millisecond
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status


def lines(log):
    return log.read_bytes().count(b"\n") if log.exists() else 0


def loaded(argv, folder):
    """The iteration to go on with; raises unless the checkpoint is whole and fits, and the averages as well."""
    experiment, config, _ = _options(argv[1:])
    for name in ("ema05", "ema10"):
        assert not (folder / f"{name}.safetensors").exists() or load_run(folder, name, experiment.path)
    return RunState(experiment.build(config), folder).load()


def run(experiment, folder, *options):
    argv = ["train", experiment, "--out", str(folder), *options]
    part, log = folder / "checkpoint.pt.part", folder / "log.jsonl"
    moments, done, writing = random.Random(0), loaded(argv, folder), 0  # Adam imports for seconds: once, here
    for k in range(TIMES):
        target, delay = done + moments.randint(1, 15), moments.choice([0, 0.001, 0.003, 0.01])
        if k % 2:  # while it writes a checkpoint
            killed([*argv, "--checkpoint_minutes", "0"], log, target, part.exists, delay)
        else:
            killed([*argv, "--checkpoint_minutes", "0.0005"], log, target, lambda: True, delay)
        writing += part.exists()
        part.unlink(missing_ok=True)  # so that the next wait sees a write of its own
        before, done = done, loaded(argv, folder)
        assert done >= before, (k, before, done)
    assert done > TIMES and writing >= 1, (done, writing)
    print(f"{TIMES} kills, {writing} of them while a checkpoint was written; {done} iterations by then")
    return main(argv)


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
