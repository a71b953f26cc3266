"""Command lines that are wrong in one place each; TMP stands for a fresh folder."""

import contextlib
import importlib
import io
import os
from pathlib import Path

import torch

from minicm.lab.__main__ import main
from minicm.lab.command import report

ROOT = Path(__file__).parents[1]
STDERR_LINE = r"minicm( doctor)?: error: [^\n]+\n"
MODEL = "data/digits_unet_ect.safetensors"
TRAIN = ["train", "experiments/digits_ect.py", "--out", "TMP/run", "--device", "cpu"]
TRAIN += ["--iterations", "1", "--batch_size", "4", "--samples_every", "0"]  # what is accepted by mistake ends soon
SAMPLE, EVALUATE = (
    ["sample", MODEL, "--number", "2", "--device", "cpu", "--out", "TMP/x.png"],
    ["evaluate", MODEL, "--device", "cpu"],
)
EDIT = ["edit", MODEL, "--device", "cpu", "--out", "TMP/x.png"]
WORDS = {  # option of `minicm train` -> bad values; what an experiment refuses when it is built has tests of its own
    "--preset": ["none", ""],
    **dict.fromkeys(["--iterations", "--batch_size", "--stages", "--seed", "--accumulate"], ["abc", "2.5", "nan"]),
    **dict.fromkeys(["--lr", "--clip", "--dropout", "--huber", "--log_mean", "--log_std"], ["abc", "nan", "1e"]),
    **dict.fromkeys(["--middle", "--q", "--minutes", "--checkpoint_minutes"], ["abc", "nan"]),
    **dict.fromkeys(["--log_every", "--samples_every", "--extend"], ["abc", "2.5"]),
    **dict.fromkeys(["--tensorboard", "--tf32", "--bf16", "--channels_last", "--compile"], ["perhaps", "2"]),
    "--device": ["nowhere"],
    "--learning_rate": ["1"],
}
COMMON = {"--number": ["0", "-1", "2.5", "abc"], "--seed": ["abc", "2.5"], "--device": ["nowhere"]}
SAMPLE_WORDS = COMMON | {"--steps": ["0", "-1", "abc"], "--labels": ["abc", "-1", "3"], "--columns": ["0", "abc"]}
EVALUATE_WORDS = COMMON | {"--steps": ["0", "1,x", "-1", ""], "--number": ["0", "-1", "2.5", "abc", "5"]}
EDIT_WORDS = COMMON | {
    "--steps": ["0", "abc"],
    "--noise": ["abc", "nan", "-1", "1000"],
    "--number": ["0", "abc", "9999"],
}
DEMO_WORDS = {"--data": ["spiral", ""], "--iterations": ["0", "-1", "2.5", "abc"], "--seed": ["abc", "2.5"]}
BENCHMARKS = {"arena", "floors", "quality", "solvers", "steps", "images", "import_time", "tables"}
NUMBER = ["0", "-1", "2.5", "abc", ""]
STEP_WORDS = {"--net": ["none"], "--batch": ["0", "64,x", ""], "--repeats": NUMBER, "--updates": NUMBER}
IMAGE_WORDS = {"--nets": ["none"], "--eager": ["x"], "--compiled": ["x"], "--batch": NUMBER, "--repeats": NUMBER}
ARENA_WORDS = {
    "--methods": ["nothing", "scd,nothing", ""],
    "--data": ["nowhere", "g8;moons", ""],
    "--seconds": ["0", "-1", "nan", "inf", "abc"],
    "--seeds": ["-1", "2.5", "abc", "", "4294967296"],
}
SOLVER_WORDS = {"--data": ["nowhere", ""], "--budgets": ["0", "abc", "5,-1"], "--trajectories": ["0", "-1", "1,2"]}


def each(line: list[str], words: dict[str, list[str]], *more: str) -> list[list[str]]:
    return [[*line, *more, option, word] for option, bad in words.items() for word in bad]


COMMANDS = [
    [],
    ["fly"],
    ["--fly"],
    ["doctor", "--fly"],
    ["doctor", "now"],
    ["demo", "--fly"],
    ["demo", "--out", "TMP/file/x"],
    *each(["demo", "--out", "TMP"], DEMO_WORDS),
    ["explore", "--fly"],
    ["explore", "moons"],
    ["explore", "--out", "TMP/file/x.html"],
    ["lessons"],
    ["lessons", "TMP"],
    ["lessons", "TMP/file"],
    ["lessons", "TMP/file/x"],
    ["lessons", "TMP/x", "--fly"],
    ["lessons", "TMP/x", "--archive", "README.md"],
    ["train"],
    ["train", "--lr", "1"],
    ["train", "experiments"],
    ["train", "experiments/nowhere.py"],
    ["train", "README.md"],
    [*TRAIN, "--out", "TMP/file/x"],
    [*TRAIN, "--lr"],
    *each(TRAIN, WORDS),
    ["sample"],
    ["sample", "nowhere"],
    ["sample", "README.md"],
    ["sample", "minicm"],
    [*SAMPLE, "--fly"],
    [*SAMPLE, "--out", "TMP/file/x.png"],
    *each(SAMPLE, SAMPLE_WORDS),
    ["evaluate"],
    ["evaluate", "nowhere"],
    [*EVALUATE, "--json", "TMP/file/x.json"],
    [*EVALUATE, "--fid"],
    *each(EVALUATE, EVALUATE_WORDS),
    ["edit"],
    ["edit", "nowhere", "--task", "inpaint"],
    [*EDIT],
    [*EDIT, "--task", "fly"],
    [*EDIT, "--task", "colourise"],
    [*EDIT, "--task", "inpaint", "--out", "TMP/x.txt"],
    *each(EDIT, EDIT_WORDS, "--task", "denoise"),
    ["export", "nowhere", "--to", "TMP/x.onnx"],
    ["export", MODEL],
    *[["export", MODEL, "--to", word] for word in ("TMP", "TMP/x.pt", "TMP/file/x.onnx")],
    ["push", "nowhere", "us/x"],
    *[["push", MODEL, word] for word in ("us", "us/../x", "us/x")],  # the last one has no numbers
    ["pull"],
    *[["pull", word] for word in ("us", "us/../x", "https://us/x")],
    *[["pull", "us/x", "--to", word] for word in ("TMP", "TMP/x.pt")],
    *[[name, "--fly"] for name in sorted(BENCHMARKS)],
    *[[name, "--json", word] for name in sorted(BENCHMARKS - {"tables"}) for word in ("TMP/file/x.json", "TMP", "")],
    *each(["arena"], ARENA_WORDS),
    *each(["quality"], ARENA_WORDS | {"--methods": ["meanflow", ""]}),
    *[[name, "--json", "README.md"] for name in ("arena", "quality")],
    *each(["solvers"], SOLVER_WORDS),
    *each(["steps"], STEP_WORDS),
    *each(["images"], IMAGE_WORDS | {"--device": ["nowhere"]}),
    *each(["import_time"], {"--repeats": NUMBER}),
    *each(["floors"], {"--n": NUMBER, "--sets": NUMBER, "--data": ["mars"]}),
]


def refused(line: list[str], folder: Path, monkeypatch: object) -> tuple[object, str]:
    """The exit code of this command line, and what it wrote to stderr.  folder/file is a file, in no one's way."""
    (folder / "file").write_text("x")
    monkeypatch.chdir(ROOT)
    torch.set_default_dtype(torch.float32)
    words = [word.replace("TMP", os.fspath(folder)) for word in line]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = _benchmark(*words) if words[:1] and words[0] in BENCHMARKS else main(words)
        except SystemExit as end:
            code = end.code
    return code, err.getvalue()


def _benchmark(name: str, *words: str) -> int:
    return report(importlib.import_module(f"benchmarks.{name}").command, list(words))
