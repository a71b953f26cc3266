"""Two processes make the update of one, and a process that is lost ends the run, not its work."""

import json
import signal
import socket
import time
from contextlib import nullcontext
from pathlib import Path

import gradients_worker
import pytest
import torch
from copies import Copy
from safetensors.torch import load_file

from minicm.lab import runner
from minicm.lab.__main__ import main
from minicm.lab.distributed import Processes, init_distributed, lost_worker

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "tiny_experiment.py"

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch was built without processes")


def started(act, argument, count=2):
    """act(argument) in `count` processes that find each other as those of torchrun do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    return [
        Copy(act, argument, environment=common | {"RANK": str(rank), "LOCAL_RANK": str(rank)}) for rank in range(count)
    ]


def finished(processes):
    """[(exit code, what it said)], after they have ended; nothing is left running."""
    try:
        return [process.ended() for process in processes]
    finally:
        for process in processes:
            process.kill()


def train(out, *options):
    return ["train", str(TINY), "--out", str(out), "--log_every", "1", *options]


# --- alone


def test_alone_nothing_is_shared():
    with init_distributed() as processes:
        assert processes == Processes(0, 1) and processes.first
        loss = object()
        assert processes.shared(loss, torch.nn.Linear(1, 1)) is loss
        assert [processes.any(flag, torch.device("cpu")) for flag in ([], [2])] == [False, True]


def test_processes_make_all_parts_once():
    parts = [part for rank in range(3) for part in Processes(rank, 3).parts(2)]
    assert parts == list(range(6))


def test_only_broken_connections_are_a_lost_worker():
    assert lost_worker(torch.distributed.DistBackendError("NCCL error"))
    assert lost_worker(RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:1"))
    assert not lost_worker(RuntimeError("CUDA out of memory"))
    assert not lost_worker(ValueError("connection"))


# --- together


@pytest.mark.slow
def test_gradients_of_two_processes_are_those_of_the_joined_batch(tmp_path):
    """For ECT and for sCM, whose tangent is a JVP inside the loss; the head of the loss has a gradient too."""
    for code, text in finished(started(gradients_worker.main, tmp_path / "found")):
        assert code == 0, text
    found, flags = zip(*(torch.load(tmp_path / f"found.{rank}", weights_only=True) for rank in range(2)), strict=True)
    assert flags == ([True, True, False],) * 2
    model, head, x0, eps, t = gradients_worker.made(0)
    for name, loss in gradients_worker.losses(head, eps, t).items():
        expected = gradients_worker.gradients(loss, model, head, x0, torch.arange(len(x0)), Processes().shared)
        for a, b, c in zip(found[0][name], found[1][name], expected, strict=True):
            assert torch.equal(a, b) and torch.allclose(a, c, rtol=1e-10, atol=1e-14)
            assert c.abs().max() > 1e-6


@pytest.mark.slow
def test_a_run_of_two_processes_is_that_of_one_with_two_parts(tmp_path):
    """And stops at the same iteration everywhere."""
    torch.set_default_dtype(torch.float32)
    for code, text in finished(started(main, train(tmp_path / "two", "--preset", "scm"))):
        assert code == 0, text
    assert main(train(tmp_path / "one", "--preset", "scm", "--accumulate", "2")) == 0
    one, two = (load_file(tmp_path / name / "ema10.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert all(torch.allclose(one[k], two[k], rtol=1e-5, atol=1e-7) for k in one)


@pytest.mark.slow
def test_a_lost_process_ends_the_run_and_the_work_is_kept(tmp_path, capsys):
    out = tmp_path / "run"
    processes = started(main, train(out, "--iterations", "100000"))
    end = time.monotonic() + 60
    while not ((out / "log.jsonl").exists() and (out / "log.jsonl").read_text()):
        assert time.monotonic() < end and processes[0].poll() is None, processes[0].said()
        time.sleep(0.02)
    processes[1].kill()
    (code, text), (killed, _) = finished(processes)
    assert killed == -signal.SIGKILL and code == 2
    said = [line for line in text.splitlines() if line.startswith("minicm: error:")]
    assert len(said) == 1 and "another process of this run is gone" in said[0] and "Traceback" not in text
    done = json.loads((out / "log.jsonl").read_text().splitlines()[-1])["iteration"]
    assert f"{done} of 100000 iterations are saved" in said[0]
    torch.set_default_dtype(torch.float32)
    assert main(train(out, "--iterations", "100000", "--minutes", "0")) == 0
    assert f"{done + 1} of 100000 iterations are saved" in capsys.readouterr().err


@pytest.mark.parametrize(("rank", "lines"), [(0, 1), (1, 0)])
def test_a_refusal_is_said_once(rank, lines, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "init_distributed", lambda: nullcontext(Processes(rank, 2)))
    assert main(["train", str(TINY), "--out", str(tmp_path / "run"), "--batch_size", "3"]) == 2
    assert capsys.readouterr().err.count("2 equal parts, got 3") == lines
