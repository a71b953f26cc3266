"""Runs the cells of one submission, as Jupyter would, in the process that `nursery` made for it.

Cells of the notebook run in IPython.  Tests arrive as compiled code and run beside it: no history, no source text that
a student's cell could print, and hidden tests with a copy of the names, so that nothing of them is left behind.
"""

import base64
import contextlib
import inspect
import io
import marshal
import os
import signal
import sys
from types import CodeType, FrameType

from .frames import read_frame, write_frame

__all__ = ["Kernel"]

MOST = 20_000  # characters of text that one cell may print
MOST_PICTURE = 2_000_000  # characters of one picture, and of all of one cell
KINDS = ("text/plain", "text/markdown", "image/png", "image/jpeg")
CELL = "<ipython-input-"  # how IPython names the code of a cell


class _Outputs:
    """What a cell shows, in order, and never more than there is room for."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.items, self.text, self.pictures, self.cut = [], 0, 0, False

    def stream(self, name: str, text: str) -> None:
        room = MOST - self.text
        self.cut |= len(text) > room
        text = text[: max(room, 0)]
        self.text += len(text)
        last = self.items[-1] if self.items else {}
        if text and last.get("name") == name:
            last["text"] += text
        elif text:
            self.items.append({"output_type": "stream", "name": name, "text": text})

    def show(self, data: dict) -> None:
        kept = {}
        for mime in KINDS:
            value = data.get(mime)
            if isinstance(value, bytes):
                value = base64.b64encode(value).decode()
            room = MOST_PICTURE - self.pictures if mime.startswith("image") else MOST - self.text
            if isinstance(value, str) and len(value) <= room:
                kept[mime] = value
                self.pictures += len(value) if mime.startswith("image") else 0
                self.text += 0 if mime.startswith("image") else len(value)
            elif value is not None:
                self.cut = True
        if kept and len(self.items) < 1000:
            self.items.append({"output_type": "display_data", "data": kept, "metadata": {}})

    def error(self, kind: str, value: str) -> None:
        self.items.append({"output_type": "error", "ename": kind[:100], "evalue": value[:2000], "traceback": []})


class _Stream(io.TextIOBase):
    """sys.stdout or sys.stderr of a cell."""

    encoding = "utf-8"

    def __init__(self, name: str, outputs: _Outputs) -> None:
        self.called, self.outputs = name, outputs

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.outputs.stream(self.called, str(text))
        return len(text)


def _shell(outputs: _Outputs):
    """An IPython that shows everything to outputs, keeps no history file and makes figures as Jupyter does."""
    from IPython.core.displayhook import DisplayHook
    from IPython.core.displaypub import DisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets import Type
    from traitlets.config import Config

    class Publisher(DisplayPublisher):
        def publish(self, data, metadata=None, **kwargs) -> None:
            outputs.show(data)

    class Hook(DisplayHook):
        def write_output_prompt(self) -> None:
            pass

        def write_format_data(self, format_dict, md_dict=None) -> None:
            outputs.show(format_dict)

        def finish_displayhook(self) -> None:
            pass

    class Shell(InteractiveShell):
        display_pub_class = Type(Publisher)
        displayhook_class = Type(Hook)

        def enable_gui(self, gui=None) -> None:
            pass

        def ask_exit(self) -> None:
            self.exit_now = True

        def _showtraceback(self, etype, evalue, stb) -> None:
            outputs.error(getattr(etype, "__name__", str(etype)), _text(evalue))

    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    return Shell.instance(config=config)


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # a student's exception may fail to print itself
        return ""


class Kernel:
    """One for a process."""

    def __init__(self) -> None:
        self.outputs = _Outputs()
        self.shell = _shell(self.outputs)  # before matplotlib, which asks for it
        self.running = False
        import matplotlib.pyplot as plt
        import minicm
        import minicm.course.checking  # noqa: F401
        import minicm.evaluation
        import nbformat  # noqa: F401
        import torch
        import tqdm.auto  # noqa: F401

        one = torch.ones(1)
        torch.func.jvp(lambda t: torch.cos(t.reshape(1, 1)) * one, (one,), (one,))
        plt.figure().add_subplot().figure.savefig(io.BytesIO(), format="png")
        plt.close("all")  # a first derivative and a first figure load hundreds of modules
        self.package = os.path.dirname(minicm.__file__) + os.sep
        self.allowed = tuple(self.package + place for place in ("shapes.py", "course" + os.sep))

    def serve(self, get: int, put: int) -> None:
        """Run what arrives until the grader says stop, or closes the pipe."""
        signal.signal(signal.SIGINT, self._interrupted)
        sys.stdin = open(os.devnull, encoding="utf-8")
        sys.path.insert(0, "")  # as in Jupyter: a module that a cell wrote can be imported
        write_frame(put, {"pid": os.getpid()})
        while (order := read_frame(get)) is not None and "stop" not in order:
            self.outputs.clear()
            with self._streams():
                answer = self._test(order) if "code" in order else self._cell(order["source"])
            write_frame(put, answer | {"outputs": self.outputs.items, "cut": self.outputs.cut})

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self.running:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def _streams(self):
        with contextlib.redirect_stdout(_Stream("stdout", self.outputs)):
            with contextlib.redirect_stderr(_Stream("stderr", self.outputs)):
                yield

    def _cell(self, source: str) -> dict:
        self.running = True
        try:
            done = self.shell.run_cell(source, store_history=True)
            left = isinstance(done.error_in_exec, SystemExit) or bool(self.shell.exit_now)
            self.shell.exit_now = False
            return {"ok": bool(done.success), "exit": left}
        except KeyboardInterrupt:
            self.outputs.error("KeyboardInterrupt", "")
            return {"ok": False}
        finally:
            self.running = False

    def _test(self, order: dict) -> dict:
        """Run a test: all is well unless it raises.  taken: functions of the package that the answer called."""
        names = self.shell.user_ns if order["keep"] else dict(self.shell.user_ns)
        code = marshal.loads(base64.b64decode(order["code"]))
        taken = {name for name in order["asked"] if self._of_package(names.get(name))}
        self.running = True
        try:
            with self._watched(taken):
                _run(code, names)
            found = {"ok": True}
        except BaseException as error:  # SystemExit and KeyboardInterrupt are failures like any other
            self.outputs.error(type(error).__name__, _text(error))
            found = {"ok": False}
        finally:
            self.running = False
        return found | {"taken": sorted(taken - set(order["given"]))}

    def _of_package(self, value: object) -> bool:
        function = inspect.unwrap(getattr(value, "func", value))
        code = getattr(function, "__code__", None)
        return isinstance(code, CodeType) and code.co_filename.startswith(self.package)

    @contextlib.contextmanager
    def _watched(self, taken: set[str]):
        """Add to taken the names of the package's functions that a cell of the notebook calls."""

        def look(frame: FrameType, event: str, argument: object) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(self.package):
                caller = frame.f_back
                if caller and caller.f_code.co_filename.startswith(CELL):
                    if not frame.f_code.co_filename.startswith(self.allowed):
                        taken.add(frame.f_code.co_name)

        before = sys.getprofile()
        sys.setprofile(look)
        try:
            yield
        finally:
            sys.setprofile(before)


def _run(code: CodeType, names: dict) -> None:
    exec(code, names)
