"""The doctor names what is wrong and how to mend it; and a command that refuses its input says so in one line."""

import subprocess
import sys
import types
from importlib import metadata
from pathlib import Path

import pytest
import torch
from copies import python

from minicm.lab import __main__, command, doctor

ROOT = Path(__file__).parents[2]


def missing(*names):
    """An importer for which these packages do not exist."""

    def load(name):
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)
        return types.ModuleType(name)

    return load


def fake_torch(version="2.13.0", slope=12.0):
    """A torch of that version whose forward derivative of x³ at 2 is slope."""
    func = types.SimpleNamespace(jvp=lambda *_: (None, torch.tensor([slope])))
    return types.SimpleNamespace(__version__=version, tensor=torch.tensor, func=func)


def test_python():
    assert doctor.check_python((3, 10, 0)).status == "ok"
    old = doctor.check_python((3, 9, 18))
    assert old.status == "problem" and "3.9.18" in old.text and old.mend
    assert doctor.check_python((3, 14, 2)).status == "ok"
    new = doctor.check_python((3, 15, 0))
    assert new.status == "note" and "3.15.0 is newer" in new.text and "3.14" in new.mend


def test_torch_that_works():
    assert doctor.check_torch().status in ("ok", "note")
    assert doctor.check_torch(lambda _: fake_torch()).status == "ok"
    assert doctor.check_torch(lambda _: fake_torch("2.7.1+cu126")).status == "note"
    assert doctor.check_torch(lambda _: fake_torch("3.0.0a0+git")).status == "note"


def raising(error):
    def load(_):
        raise error

    return load


@pytest.mark.parametrize(
    ("load", "words"),
    [
        (missing("torch"), "No module named 'torch'"),
        (raising(OSError("[WinError 126] module not found\nwhile loading c10.dll")), "c10.dll"),
        (lambda _: fake_torch("2.5.1"), "older than 2.6"),
        (lambda _: fake_torch(slope=3.0), "says d(x³)/dx at 2 is 3.0"),
        (lambda _: types.SimpleNamespace(__version__="2.13.0"), "fails to compute"),
    ],
)
def test_torch_that_does_not(load, words):
    check = doctor.check_torch(load)
    assert check.status == "problem" and words in check.text and "pip install" in check.mend
    assert "\n" not in check.text


@pytest.mark.parametrize(
    ("environment", "threads", "cores", "status"),
    [
        ({"OMP_NUM_THREADS": "1"}, 1, 8, "ok"),
        ({}, 1, 1, "ok"),
        ({}, 8, 8, "note"),
        ({"OMP_NUM_THREADS": "4"}, 4, 8, "ok"),
        ({"OMP_NUM_THREADS": "16"}, 16, 8, "note"),
    ],
)
def test_threads_are_a_note_at_worst(environment, threads, cores, status):
    assert doctor.check_threads(environment, threads, cores).status == status


def test_gpu_is_never_a_problem():
    def has(available):
        cuda = types.SimpleNamespace(is_available=lambda: available, get_device_name=lambda _: "Card")
        return doctor.check_gpu(types.SimpleNamespace(cuda=cuda))

    assert (has(False).status, has(True).status, has(True).text) == ("note", "ok", "Card")


def test_missing_packages_are_named_by_what_pip_installs():
    check = doctor.check_importable("packages", doctor.PACKAGES, "-e .", missing("sklearn"))
    assert check.status == "problem" and "scikit-learn" in check.text and "numpy" not in check.text
    check = doctor.check_importable("notebooks", doctor.NOTEBOOK_PACKAGES, "-e x", missing("nbval", "jupyterlab"))
    assert check.text == "cannot import jupyterlab, nbval" and check.mend.endswith("-c constraints.txt -e x")
    assert doctor.check_importable("notebooks", {"json": "json"}, "").status == "ok"


def test_a_package_that_breaks_on_import_says_why():
    check = doctor.check_importable("packages", {"numpy": "numpy"}, "-e .", raising(ImportError("wrong ABI")))
    assert check.status == "problem" and "numpy (ImportError wrong ABI)" in check.text


@pytest.mark.parametrize(
    ("kernel", "status"),
    [("python", "ok"), ("/env/bin/python", "ok"), ("/env/bin/python3", "ok"), ("/usr/bin/python3", "problem")],
)
def test_kernel_is_this_python(kernel, status):
    check = doctor.check_kernel(lambda: [kernel, "-m", "ipykernel_launcher"], python="/env/bin/python")
    assert check.status == status
    assert ("ipykernel install" in check.mend) == (status == "problem")


def test_a_missing_kernel_is_a_problem():
    assert doctor.check_kernel(lambda: raising(ValueError("no such kernel"))("")).status == "problem"


def test_matplotlib():
    assert doctor.check_matplotlib().status == "ok"
    assert doctor.check_matplotlib(missing("matplotlib")).status == "problem"


def test_cache_folder_is_chosen_by_the_environment(tmp_path):
    assert doctor.cache_folder({"MINICM_CACHE": str(tmp_path)}) == tmp_path
    assert doctor.cache_folder({}) == doctor.cache_folder({"MINICM_CACHE": ""}) == Path.home() / ".cache" / "minicm"


def test_cache_must_be_writable(tmp_path):
    folder = tmp_path / "new" / "cache"
    assert doctor.check_cache(folder).status == "ok"
    assert list(folder.iterdir()) == []
    file = tmp_path / "file"
    file.write_text("not a folder")
    for place in (file, file / "below"):
        check = doctor.check_cache(place)
        assert check.status == "problem" and str(place) in check.text and "MINICM_CACHE" in check.mend


def test_disk_is_a_note_at_worst(tmp_path):
    assert doctor.check_disk(tmp_path, 2 * 10**9).status == "ok"
    assert doctor.check_disk(tmp_path, 10**8).status == "note"


def test_minicm_must_be_installed():
    assert doctor.check_minicm(lambda _: "0.1.0").status == "ok"
    check = doctor.check_minicm(raising(metadata.PackageNotFoundError("minicm")))
    assert check.status == "problem" and check.mend.endswith("-e .")


@pytest.mark.parametrize(
    ("statuses", "code", "last"),
    [
        (["ok", "note"], 0, "ready"),
        (["ok", "problem", "note"], 1, "1 problem: mend the first one first"),
        (["problem", "problem"], 1, "2 problems: mend the first one first"),
    ],
)
def test_the_exit_code_is_1_when_something_is_wrong(statuses, code, last, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "diagnose", lambda: [doctor.Check("a", status, "text", "mend") for status in statuses])
    assert __main__.main(["doctor"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == last and len(lines) == 2 * len(statuses) + 1


def test_every_check_runs_here(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICM_CACHE", str(tmp_path))
    names = [check.name for check in doctor.diagnose()]
    assert names[:3] == ["Python", "minicm", "torch"] and {"threads", "GPU", "kernel", "cache", "disk"} <= set(names)


def test_checks_that_need_what_is_broken_are_left_out(monkeypatch, tmp_path):
    monkeypatch.setenv("MINICM_CACHE", str(tmp_path))
    broken = doctor.Check("torch", "problem", "broken")
    monkeypatch.setattr(doctor, "check_torch", lambda: broken)
    assert not {"threads", "GPU"} & {check.name for check in doctor.diagnose()}


def test_the_doctor_runs_by_its_path_without_torch(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('torn apart')")
    run = [sys.executable, str(ROOT / "minicm" / "lab" / "doctor.py")]
    environment = {
        "PYTHONPATH": str(tmp_path),
        "MINICM_CACHE": str(tmp_path / "cache"),
        "PATH": "",
        "HOME": str(tmp_path),
    }
    done = subprocess.run(run, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr  # matplotlib may tell of its font cache
    assert "problem  torch: cannot be loaded: ImportError torn apart" in done.stdout


# ---- the command line


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "required: COMMAND"),
        (["fly"], "invalid choice: 'fly'"),
        (["--loud", "doctor"], "--loud"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(argv, words, capsys):
    assert __main__.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1
    assert captured.err.startswith("minicm: error: ") and words in captured.err


def test_an_argument_that_a_command_does_not_know(capsys):
    with pytest.raises(SystemExit) as stop:
        __main__.main(["doctor", "--loud"])
    captured = capsys.readouterr()
    assert stop.value.code == 2 and captured.out == ""
    assert captured.err == "minicm doctor: error: unrecognized arguments: --loud\n"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("expected 2 columns,\n  got 3"), "expected 2 columns, got 3"),
        (PermissionError(13, "Permission denied", "out/demo.png"), "Permission denied: out/demo.png"),
        (OSError("disk gone"), "disk gone"),
        (FloatingPointError("loss is nan at iteration 7"), "loss is nan at iteration 7"),
        (ModuleNotFoundError("No module", name="torchdiffeq"), "torchdiffeq is missing: `minicm doctor`"),
    ],
)
def test_what_an_input_causes_is_one_line_and_exit_code_2(error, line, capsys):
    assert command.report(raising(error), []) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("minicm: error: ") and line in captured.err and captured.err.count("\n") == 1


def test_what_we_cause_keeps_its_traceback():
    for error in (TypeError("our fault"), ModuleNotFoundError("No module", name="minicm.demmo")):
        with pytest.raises(type(error)):
            command.report(raising(error), [])


def test_stopped_by_hand(capsys):
    assert command.report(raising(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr().err == "minicm: stopped\n"


def test_exit_codes_of_commands_pass_through(monkeypatch):
    assert [command.report(lambda _, code=code: code, []) for code in (None, 0, 1, 3)] == [0, 0, 1, 3]
    seen = []
    demo = types.ModuleType("minicm.lab.demo")
    demo.main = seen.append
    monkeypatch.setitem(sys.modules, "minicm.lab.demo", demo)
    assert __main__.main(["demo", "--data", "moons", "--help"]) == 0
    assert seen == [["--data", "moons", "--help"]]


def test_python_m_minicm(tmp_path):
    done = python(["-m", "minicm", "fly"], ROOT)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
