"""Under pytest a notebook's kernel is a copy of a loaded Python, and nobody inside can tell."""

import json
import multiprocessing
import signal
import sys
from contextlib import nullcontext
from functools import partial

import pytest
from jupyter_client.manager import start_new_kernel

from tutorials.kernels import copies

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="copies are made on Linux alone")

SEEN = """
import json, os, sys
first = dict(
    ours=sorted(name for name in sys.modules if name.split(".")[0] in ("minicm", "pytest", "_pytest")),
    names=sorted(name for name in globals() if not name.startswith("_")),
    folder=os.getcwd(), paths=[place for place in sys.path if place],
    environment={key: value for key, value in os.environ.items() if key not in ("JPY_PARENT_PID", "JPY_SESSION_NAME")},
)
import matplotlib.pyplot as plt, torch
first |= dict(backend=plt.get_backend(), threads=torch.get_num_threads())
print(json.dumps(first))
"""


def said(client, code):
    """(the outputs' kinds, the text that the code printed)."""
    kinds, text = [], []

    def keep(message):
        if message["msg_type"] not in ("status", "execute_input"):
            kinds.append(message["msg_type"])
        text.append(message["content"].get("text", ""))

    reply = client.execute_interactive(code, output_hook=keep, timeout=100)
    return [reply["content"]["status"], *kinds], "".join(text)


@pytest.fixture
def kernels(tmp_path, monkeypatch):
    """(a function that starts a kernel in a folder, those that it started), all ended after the test."""
    started = []

    def start(how):
        with how:
            started.append(start_new_kernel(cwd=str(tmp_path)))
        return started[-1]

    yield start
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.slow
def test_a_copy_sees_what_a_new_kernel_sees(kernels, monkeypatch):
    monkeypatch.setenv("ASKED", "yes")
    found = []
    for how in (copies(), nullcontext()):
        _, client = kernels(how)
        kinds, text = said(client, SEEN)
        assert kinds[0] == "ok", text
        found.append(json.loads(text))
        assert "display_data" in said(client, "plt.plot([0, 1]); plt.show()")[0]
    assert found[0] == found[1] and found[0]["environment"]["ASKED"] == "yes" and not found[0]["ours"]


def test_a_copy_is_interrupted_ends_and_leaves_the_next_alone(kernels):
    manager, client = kernels(copies())
    assert multiprocessing.process.active_children()
    client.execute("import time\nprint('on')\nfor _ in range(1000): time.sleep(0.1)", stop_on_error=False)
    while client.get_iopub_msg(timeout=60)["msg_type"] != "stream":
        pass
    manager.interrupt_kernel()
    answers = iter(partial(client.get_shell_msg, timeout=60), None)  # a slow start is asked twice who it is
    reply = next(answer for answer in answers if answer["msg_type"] == "execute_reply")
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert said(client, "print(6 * 7)") == (["ok", "stream"], "42\n")
    manager.shutdown_kernel(now=False)
    assert not manager.is_alive()
    manager, client = kernels(copies())
    assert said(client, "1 / 0")[0][0] == "error"
    manager.provisioner.process.send_signal(signal.SIGKILL)
    assert manager.provisioner.process.wait(60) == -signal.SIGKILL
