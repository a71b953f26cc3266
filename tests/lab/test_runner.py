"""A run that is killed, stopped or broken goes on to the same weights, and its folder is never left in doubt."""

import json
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from copies import Copy
from safetensors.torch import load_file

from minicm.lab.__main__ import main
from minicm.lab.run_folder import Log, grid, load_run

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "tiny_experiment.py"
FILES = ("ema05.safetensors", "ema10.safetensors")


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


def train(out, *options):
    return main(["train", str(TINY), "--out", str(out), "--log_every", "5", *options])


def started(out, *options):
    """The same in a process of its own."""
    return Copy(main, ["train", str(TINY), "--out", str(out), "--log_every", "5", *options])


def numbers(out):
    """Everything in the folder that must not depend on how often the run was interrupted."""
    tensors = {f"{name}.{k}": v for name in FILES for k, v in load_file(out / name).items()}
    state = torch.load(out / "checkpoint.pt", weights_only=True)
    adam = state["parts"]["optimizer"]["state"]
    tensors |= {f"adam.{i}.{k}": v for i, s in adam.items() for k, v in s.items()}
    return tensors | {f"model.{k}": v for k, v in state["parts"]["model"].items()}


def same(a, b):
    a, b = numbers(a), numbers(b)
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def log(out):
    """The lines without their seconds."""
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "seconds"} for line in lines]


def until(condition, process, seconds=60):
    """Wait for the condition; the process must not end before."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.said()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run in one piece."""
    torch.set_default_dtype(torch.float32)
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(out) == 0
    return out


# --- one piece


def test_a_run_leaves_what_it_promises(whole):
    assert sorted(p.name for p in whole.iterdir()) == [
        "checkpoint.pt", "config.json", *FILES, "lock", "log.jsonl", "samples",
    ]  # fmt: skip
    assert [p.name for p in (whole / "samples").iterdir()] == ["00000020.png"]
    config, model = load_run(whole, experiment=TINY)
    assert config.iterations == 20 and not model.training
    saved = load_file(whole / "ema10.safetensors")
    assert all(torch.equal(saved[k], v) for k, v in model.state_dict().items())
    assert json.loads((whole / "config.json").read_text())["fields"]["batch_size"] == 4


def test_log_has_the_means_since_the_line_before(whole, tmp_path):
    assert train(tmp_path / "each", "--log_every", "1") == 0
    each, lines = log(tmp_path / "each"), log(whole)
    assert [line["iteration"] for line in lines] == [5, 10, 15, 20]
    for k, line in enumerate(lines):
        part = each[5 * k : 5 * k + 5]
        assert line["loss"] == pytest.approx(sum(e["loss"] for e in part) / 5, rel=1e-12)
        assert line["grad_norm"] == pytest.approx(sum(e["grad_norm"] for e in part) / 5, rel=1e-12)
        assert line["lr"] == part[-1]["lr"] and line["images"] == 4 * line["iteration"]


def test_parts_make_the_same_update_as_the_gradient_of_all(whole, tmp_path):
    """Two parts of two draw other noise than one part of four, and are a run as good."""
    assert train(tmp_path / "parts", "--accumulate", "2") == 0
    assert not same(whole, tmp_path / "parts")
    assert [line["images"] for line in log(tmp_path / "parts")] == [line["images"] for line in log(whole)]


def test_again_when_all_is_done_changes_nothing(whole, capsys):
    before = (whole / "checkpoint.pt").stat().st_mtime_ns
    assert train(whole) == 0
    assert "all 20 iterations are done" in capsys.readouterr().err
    assert (whole / "checkpoint.pt").stat().st_mtime_ns == before


def test_pictures_stand_in_rows_with_margins():
    x = torch.arange(6.0).view(6, 1, 1, 1).expand(6, 1, 2, 2)
    sheet = grid(x / 6, 3)
    assert sheet.shape == (3, 7, 10)
    assert torch.equal(sheet[0, 1::3, 1::3] * 6, torch.tensor([[0.0, 1, 2], [3, 4, 5]]))
    assert torch.equal(sheet[0, ::3], torch.ones(3, 10)) and torch.equal(sheet[0, :, ::3], torch.ones(7, 4))


# --- interrupted


@pytest.mark.parametrize("preset", ["default", "scm"])
def test_out_of_time_and_on_is_the_run_in_one_piece(tmp_path, preset, capsys):
    assert train(tmp_path / "whole", "--preset", preset) == 0
    for _ in range(20):  # no minutes at all: an update, and out of time
        assert train(tmp_path / "cut", "--preset", preset, "--minutes", "0") == 0
    assert "out of time: 19 of 20 iterations" in capsys.readouterr().err
    assert same(tmp_path / "whole", tmp_path / "cut")
    assert log(tmp_path / "whole") == log(tmp_path / "cut")


@pytest.mark.slow
def test_kill_at_any_moment_and_on_is_the_run_in_one_piece(tmp_path):
    options = ["--iterations", "300"]
    assert train(tmp_path / "whole", *options) == 0
    cut = tmp_path / "cut"
    process = started(cut, *options, "--checkpoint_minutes", "0.0005")
    until((cut / "checkpoint.pt").exists, process)
    time.sleep(random.SystemRandom().uniform(0, 0.3))
    process.kill()
    assert process.ended()[0] == -signal.SIGKILL
    with open(cut / "log.jsonl", "a") as file:
        file.write('{"iteration": 399, "loss": 1.0}\n{"iterat')  # what a crash may leave
    assert train(cut, *options) == 0
    assert same(tmp_path / "whole", cut)
    assert log(tmp_path / "whole") == log(cut)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_running_folder_is_closed_to_others_and_a_signal_saves(tmp_path, number, capsys):
    out, options = tmp_path / "run", ["--iterations", "100000"]
    process = started(out, *options)
    until(lambda: (out / "log.jsonl").exists() and (out / "log.jsonl").read_text(), process)
    assert train(out, *options) == 2
    assert "another run writes to" in refusal(capsys)

    process.send_signal(number)
    code, text = process.ended()
    assert code == 128 + number
    done = json.loads((out / "log.jsonl").read_text().splitlines()[-1])["iteration"]
    last = text.strip().splitlines()[-1]
    assert f"stopped by {number.name}" in last and "the same command goes on" in last and "Traceback" not in text
    saved = torch.load(out / "checkpoint.pt", weights_only=True)["iteration"] + 1
    assert saved >= done and f" {saved} of 100000 iterations" in last


def test_what_a_crash_left_beyond_the_checkpoint_is_cut_off(tmp_path):
    path, kept = tmp_path / "log.jsonl", '{"iteration": 2}\n{"iteration": 4}\n'
    path.write_text(kept + '{"iteration": 6}\nnothing\n{"iteration": 3}')
    again = Log(tmp_path, 4)
    again.write({"iteration": 6})
    again.close()
    assert path.read_text() == kept + '{"iteration": 6}\n'


# --- refused


def refusal(capsys, code=2):
    """What was said, in one line."""
    text = [line for line in capsys.readouterr().err.splitlines() if line.startswith("minicm: error:")]
    assert len(text) == 1
    return text[0]


def test_nan_names_its_iteration_and_keeps_the_last_checkpoint(tmp_path, capsys):
    out = tmp_path / "run"
    options = ["--broken_at", "7", "--checkpoint_minutes", "0"]
    assert train(out, *options) == 2
    text = refusal(capsys)
    assert "iteration 7" in text and "checkpoint.pt" in text
    assert torch.load(out / "checkpoint.pt", weights_only=True)["iteration"] == 6
    assert train(out, *options) == 2  # goes on from there, to the same end
    assert "iteration 7" in refusal(capsys)


def test_another_configuration_is_kept_out(whole, capsys):
    before = numbers(whole)
    assert train(whole, "--lr", "0.5") == 2
    text = refusal(capsys)
    assert "lr 0.01, not 0.5" in text and "--out" in text
    after = numbers(whole)
    assert all(torch.equal(before[k], after[k]) for k in before)


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert train(tmp_path / "file" / "run") == 2
    assert "cannot write to" in refusal(capsys)


def test_a_batch_that_does_not_divide(tmp_path, capsys):
    assert train(tmp_path / "run", "--accumulate", "3") == 2
    assert "3 equal parts, got 4" in refusal(capsys)
    assert train(tmp_path / "run") == 0  # nothing was trained there: the folder is free


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["--learning_rate", "1"], ["unknown option --learning_rate", "lr", "checkpoint_minutes"]),
        (["--iter", "3"], ["unknown option --iter"]),
        (["--iterations", "many"], ["expected int, got 'many'", "batch_size"]),
        (["--iterations", "2.5"], ["expected int, got '2.5'"]),
        (["--lr", "nan"], ["expected float, got 'nan'"]),
        (["--scm", "perhaps"], ["expected yes or no, got 'perhaps'"]),
        (["--preset", "huge"], ["default, scm, got 'huge'"]),
        (["--iterations", "0"], ["iterations >= 1"]),
        (["--device", "abacus"], ["got abacus", "--device cpu"]),
        (["--device", "cuda:99"], ["got cuda:99"]),
    ],
)
def test_wrong_options_are_one_line(tmp_path, capsys, options, texts):
    assert train(tmp_path / "run", *options) == 2
    text = refusal(capsys)
    assert all(part in text for part in texts)
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_files_that_are_no_experiment(tmp_path, capsys):
    (tmp_path / "empty.py").write_text("x = 1\n")
    (tmp_path / "wrong.py").write_text("def f(:\n")
    for argv, part in (
        ([str(tmp_path / "none.py")], "no such file"),
        ([str(tmp_path)], "a folder"),
        ([str(tmp_path / "empty.py")], "missing Config, new_model, pictures, build"),
        ([str(tmp_path / "wrong.py")], "line 1"),
        (["--lr", "1"], "FILE"),
        ([], "FILE"),
    ):
        assert main(["train", *argv]) == 2
        assert part in refusal(capsys)


def test_folders_that_are_no_run(tmp_path, whole):
    with pytest.raises(FileNotFoundError, match="no config.json"):
        load_run(tmp_path)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(ValueError, match="another file"):
        load_run(tmp_path)
    content = json.loads((whole / "config.json").read_text())
    content["fields"]["foreign"] = 1
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="no field 'foreign'"):
        load_run(tmp_path, experiment=TINY)
