"""A file from outside decides nothing: not what is executed, not what is written where, and it ends in one line.

Everything here is harmless: what would run only writes the file `ran` in the test's own folder.
"""

import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from copies import python
from faults import TINY, said, train
from safetensors.torch import load_file, save_file

from minicm.checkpoints import check_optimizer_fit
from minicm.checks import check_fit, parsed_json
from minicm.lab.__main__ import main
from minicm.lab.recorded import FOLDER, made_by, own_experiments
from minicm.lab.run_folder import load_run

ROOT = Path(__file__).parents[2]
STORED = ROOT / "data" / "digits_unet_ect.safetensors"
DEEP = "[" * 100_000
ONE_STEP = ["--iterations", "3", "--samples_every", "0"]
RECORDS = {  # what a file may say made it, RAN being a file that writes
    "a path": "RAN",
    "a path upwards": "../../../../../../../RAN",
    "a path from the project": "experiments/../RAN",
    "a name that is none": "digits_nothing",
    "a script that trains nothing": "toys",
    "another file of the project": "tests/tiny_experiment.py",
    "a module": "os",
    "nothing": "",
    "a terminal's codes": "\x1b[2J\x1b]0;title\x07",
    "a very long name": "x" * 1_000_000,
}


@pytest.fixture(autouse=True)
def single_precision():
    torch.set_default_dtype(torch.float32)
    yield
    torch.set_default_dtype(torch.float64)


@pytest.fixture
def ran(tmp_path):
    """A file that leaves a trace if it is executed."""
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    return tmp_path / "evil.py"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of the test's own experiment."""
    torch.set_default_dtype(torch.float32)
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(out, *ONE_STEP) == 0
    return out


@pytest.fixture
def mine(run, tmp_path):
    """A copy of that run."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def note(**changes):
    from safetensors import safe_open

    with safe_open(STORED, framework="pt") as file:
        return file.metadata() | changes


def stored(folder, **changes):
    """The stored digits with other metadata."""
    path = folder / "x.safetensors"
    save_file(load_file(STORED), path, {k: v for k, v in note(**changes).items() if v is not None})
    return str(path)


def commands(source, folder):
    """Every command that opens a model."""
    return (
        ["sample", source, "--number", "2", "--device", "cpu", "--out", str(folder / "x.png")],
        ["evaluate", source, "--device", "cpu", "--steps", "1", "--number", "898"],
        ["edit", source, "--task", "inpaint", "--number", "2", "--device", "cpu", "--out", str(folder / "x.png")],
    )


def line(argv):
    """The one line that a command is refused with."""
    with redirect_stdout(io.StringIO()):
        code, text = said(lambda: main(argv))
    assert code == 2 and text is not None, text
    assert text.isprintable() and len(text) < 3000
    return text


# What is executed


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_stored_model_never_says_what_is_executed(tmp_path, ran, record):
    source = stored(tmp_path, experiment=record.replace("RAN", str(ran)))
    for argv in commands(source, tmp_path):
        assert "--experiment FILE" in line(argv)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.py", "x.safetensors"]


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_a_run_never_says_what_is_executed(tmp_path, ran, mine, record):
    content = json.loads((mine / "config.json").read_text())
    content["experiment"] = record.replace("RAN", str(ran))
    (mine / "config.json").write_text(json.dumps(content))
    for argv in commands(str(mine), tmp_path):
        assert "--experiment FILE" in line(argv)
    with pytest.raises(ValueError, match="--experiment FILE"):
        load_run(mine)
    if record and Path(record).stem != TINY.stem:
        line(["train", str(TINY), "--out", str(mine), *ONE_STEP])  # another experiment's run, by its name
    assert not (tmp_path / "ran").exists()


def test_a_file_beside_the_weights_or_in_the_working_directory_is_not_executed(tmp_path, ran, monkeypatch):
    """Neither by the name of one of the project's experiments, nor by its older form with the folder."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "weights").mkdir()
    for place in ("digits_ect.py", "experiments/digits_ect.py", "weights/digits_ect.py", "torch.py", "minicm.py"):
        shutil.copy(ran, tmp_path / place)
    monkeypatch.chdir(tmp_path)
    for record in ("digits_ect", "experiments/digits_ect.py"):
        source = stored(tmp_path / "weights", experiment=record)
        assert main(["sample", source, "--number", "2", "--device", "cpu", "--out", "x.png"]) == 0
    command = [sys.executable, "-m", "minicm", "train", "experiments/digits_scd.py", "--teacher", str(tmp_path)]
    subprocess.run([*command, "--out", str(tmp_path / "run")], cwd=ROOT, capture_output=True, check=False)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("option", ["--teacher", "--start"])
def test_what_a_run_starts_from_is_read_as_weights_alone(tmp_path, ran, option):
    """The folder's config.json names a file to execute; only its ema10.safetensors is opened, and does not fit."""
    save_file({"a": torch.zeros(2)}, tmp_path / "ema10.safetensors", {"experiment": str(ran), "fields": "{}"})
    (tmp_path / "config.json").write_text(json.dumps({"experiment": str(ran), "fields": {}}))
    name = {"--teacher": "digits_scd", "--start": "digits_dense_ect"}[option]
    argv = ["train", f"experiments/{name}.py", option, str(tmp_path), "--device", "cpu", "--out", str(tmp_path / "out")]
    assert "do not fit" in line(argv)
    assert not (tmp_path / "ran").exists()


def test_the_list_of_experiments_is_closed():
    names = set(own_experiments())
    assert {"digits_ect", "cifar10_ect", "digits_scd"} <= names
    assert not names & {"toys", "rivals", "lessons", "digits_classifier", "cifar10_sensitivity", "scm_ablation"}
    assert all(path.parent == FOLDER == ROOT / "experiments" for path in own_experiments().values())
    assert {made_by(name, None, "x").name for name in names} == names
    for record in (None, [], {}, 3, ["digits_ect"], Path("digits_ect")):
        with pytest.raises(ValueError, match="--experiment FILE"):
            made_by(record, None, "x")


def test_the_user_may_type_the_file(mine, tmp_path):
    """A run of an experiment of the user's own, by every road; and the same command goes on with it."""
    assert train(mine, *ONE_STEP) == 0
    out, weights = tmp_path / "x.png", load_file(mine / "ema10.safetensors")
    config, model = load_run(mine, experiment=TINY)
    assert config.iterations == 3 and set(model.state_dict()) == set(weights)
    assert "`middle`" in line(["sample", str(mine), "--experiment", str(TINY), "--out", str(out)])  # it has neither
    alone = tmp_path / "alone.safetensors"
    save_file(weights, alone)
    assert "--experiment FILE" in line(["sample", str(alone), "--out", str(out)])
    assert "`middle`" in line(["sample", str(alone), "--experiment", str(TINY), "--out", str(out)])
    for metadata in ({}, {"experiment": "mine.py", "fields": json.dumps(asdict(config))}):
        save_file(load_file(STORED), alone, note() | metadata | {"fields": note()["fields"]})
        argv = ["sample", str(alone), "--experiment", "experiments/digits_ect.py", "--number", "2", "--device", "cpu"]
        assert main([*argv, "--out", str(out)]) == 0 and out.exists()


def test_nothing_in_the_project_reads_what_could_run():
    """Pickles, and text that becomes code, are read nowhere but where a guard or the user's own word stands."""
    allowed = {
        ("minicm/checkpoints.py", "torch.load("),  # weights_only=True, see test_checkpoints.py
        ("minicm/lab/experiment.py", "exec_module("),  # a file that is typed, or one of `own_experiments`
        ("minicm/data/own.py", "np.load("),  # allow_pickle=False, see test_own_pictures.py
        ("minicm/data/own.py", "allow_pickle"),
    }
    words = ["torch.load(", "pickle.load", "allow_pickle", "np.load(", "exec_module(", "eval(compile", "exec(", "runpy"]
    found = set()
    for folder in ("minicm", "experiments", "benchmarks"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text("utf-8")
            found |= {(path.relative_to(ROOT).as_posix(), word) for word in words if word in text}
    assert found == allowed
    own = (ROOT / "minicm/data/own.py").read_text("utf-8")
    assert own.count("allow_pickle=False") == own.count("allow_pickle") == own.count("np.load(")
    assert "weights_only=True" in (ROOT / "minicm/checkpoints.py").read_text("utf-8")


# What a file of weights says of itself

FIELDS = {
    "no JSON": "rm",
    "nested deeply": DEEP,
    "a list": "[1]",
    "null": "null",
    "a number of five thousand digits": "{" + '"batch_size": 1' + "0" * 5000 + "}",
    "a field that is none": '{"\\u001b[2J": 1}',
    "a list for a number": '{"iterations": [1]}',
    "an object for a number": '{"iterations": {"a": {}}}',
    "null for a number": '{"iterations": null}',
    "text for a number": '{"iterations": "1000"}',
    "a number for text": '{"device": 3}',
    "a bool for a number": '{"iterations": true}',
    "NaN": '{"lr": NaN}',
    "a number beyond all": '{"iterations": 1' + "0" * 30 + "}",
}


@pytest.mark.parametrize("fields", [*FIELDS.values(), None], ids=[*FIELDS, "none"])
def test_fields_of_another_kind_are_one_line(tmp_path, fields):
    assert line(commands(stored(tmp_path, fields=fields), tmp_path)[0])


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_a_config_of_another_kind_is_one_line(tmp_path, mine, fields):
    for text in (fields, f'{{"experiment": "tiny_experiment", "fields": {fields}}}'):
        (mine / "config.json").write_text(text)
        assert line(["train", str(TINY), "--out", str(mine), *ONE_STEP])
        assert line(["sample", str(mine), "--experiment", str(TINY), "--out", str(tmp_path / "x.png")])


@pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process")
def test_a_configuration_that_asks_for_another_model_takes_no_memory(tmp_path):
    """In a process that may have 6 GiB, of which torch takes a part."""
    fields = ['{"width": 1000000}', '{"width": 1000000000000000}', '{"blocks": 3}', '{"width": -1}']
    argvs = []
    for k, text in enumerate(fields):
        (tmp_path / str(k)).mkdir()
        source = stored(tmp_path / str(k), experiment="cifar10_ect", fields=text)
        argvs.append(commands(source, tmp_path)[0])
    lines = [
        "import resource, sys",
        "resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))",
        "from minicm.__main__ import main",
        f"sys.exit(any(main(argv) != 2 for argv in {argvs!r}))",
    ]
    found = python(["-c", "\n".join(lines)], ROOT)
    said = found.stderr.splitlines()
    assert found.returncode == 0 and len(said) == len(fields), found.stderr
    assert all(text.startswith("minicm: error: ") for text in said)
    assert "do not fit" in said[0], "it was built before it was compared"


def header(text):
    data = text.encode()
    return len(data).to_bytes(8, "little") + data


HEADERS = {
    "metadata that are a list": header('{"__metadata__": ["a"]}'),
    "metadata that are null": header('{"__metadata__": null}'),
    "a field that is a list": header('{"__metadata__": {"experiment": ["digits_ect"], "fields": "{}"}}'),
    "a field that is null": header('{"__metadata__": {"experiment": null, "fields": "{}"}}'),
    "a field that is nested": header('{"__metadata__": {"experiment": {"a": {"b": 1}}, "fields": "{}"}}'),
    "a header nested deeply": header('{"a": ' + DEEP),
    "a header longer than the file": (1 << 40).to_bytes(8, "little") + b"{}",
    "a header of nothing": header(""),
    "a tensor outside the file": header('{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}'),
    "a tensor of a negative shape": header('{"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}')
    + bytes(16),
    "a tensor of no kind": header('{"a": {"dtype": "EVIL", "shape": [4], "data_offsets": [0, 16]}}') + bytes(16),
    "tensors that overlap": header(
        '{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, '
        '"b": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}'
    )
    + bytes(16),
    "no file of weights": b"\x80\x04N.",
    "empty": b"",
}


@pytest.mark.parametrize("data", HEADERS.values(), ids=HEADERS)
def test_a_file_of_weights_of_another_kind_is_one_line(tmp_path, mine, data):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(data)
    (mine / "ema10.safetensors").write_bytes(data)
    for argv in (*commands(str(alone), tmp_path), *commands(str(mine), tmp_path)):
        assert line([*argv, "--experiment", str(TINY)])
    assert line(["train", "experiments/digits_scd.py", "--teacher", str(mine), "--out", str(tmp_path / "new")])


@pytest.mark.parametrize("dtype", [torch.int64, torch.complex64, torch.bool])
def test_weights_that_are_no_floats_are_one_line(tmp_path, dtype):
    tensors = {name: t.to(dtype) for name, t in load_file(STORED).items()}
    save_file(tensors, tmp_path / "x.safetensors", note())
    assert "do not fit" in line(commands(str(tmp_path / "x.safetensors"), tmp_path)[0])


@pytest.mark.parametrize("middle", ["0.0", "-1", "1e300", "Infinity"])
def test_a_level_that_is_no_time_is_one_line(tmp_path, middle):
    fields = json.dumps(json.loads(note()["fields"]) | {"middle": float(middle)})
    argv = commands(stored(tmp_path, fields=fields), tmp_path)[0]
    assert "expected middle from" in line([*argv, "--steps", "2"])


@pytest.mark.parametrize("number", [float("nan"), 1e38])
def test_weights_that_have_diverged_draw_nothing(tmp_path, number):
    source = tmp_path / "x.safetensors"
    save_file({name: t.float() * number for name, t in load_file(STORED).items()}, source, note())
    for argv in commands(str(source), tmp_path):
        assert "expected finite" in line(argv)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("number", ["0", "-3", "1", "1000000000"])
def test_evaluations_that_a_file_asks_for_have_a_limit(tmp_path, number):
    experiment = made_by("digits_diffusion", None, "x")
    weights = experiment.new_model(experiment.preset("default")).state_dict()
    source = tmp_path / "x.safetensors"
    metadata = {"experiment": "digits_diffusion", "fields": f'{{"evaluations": {number}}}'}
    save_file({name: t.contiguous() for name, t in weights.items()}, source, metadata)
    assert "expected evaluations from 2 to 10000" in line(commands(str(source), tmp_path)[0])


# What a run's folder holds


def changed(folder, change):
    """The folder's checkpoint, with a change that torch.save wrote: checksums are right."""
    file = folder / "checkpoint.pt"
    state = torch.load(file, weights_only=True)
    change(state)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # whoever writes such a file has no limit either
    try:
        torch.save(state, file)
    finally:
        sys.setrecursionlimit(limit)


def put(*keys, value):
    def change(state):
        for key in keys[:-1]:
            state = state[key]
        state[keys[-1]] = value

    return change


def drop(*keys):
    def change(state):
        for key in keys[:-1]:
            state = state[key]
        del state[keys[-1]]

    return change


def nested(depth=3000):
    found = {}
    for _ in range(depth):
        found = {"a": found}
    return found


ADAM, GROUP = ("parts", "optimizer", "state"), ("parts", "optimizer", "param_groups", 0)
WEIGHT = "network.0.last.weight"
CHECKPOINTS = {
    "an iteration that is text": put("iteration", value="7"),
    "an iteration beyond all": put("iteration", value=10**30),
    "an iteration beyond the run": put("iteration", value=50),
    "an iteration before the run": put("iteration", value=-5),
    "an iteration that is a bool": put("iteration", value=True),
    "parts that are a list": put("parts", value=[]),
    "a part that is a list": put("parts", "model", value=[]),
    "a part that is null": put("parts", "model", value=None),
    "a part nested deeply": put("parts", "model", value=nested()),
    "weights that are text": put("parts", "model", WEIGHT, value="a"),
    "weights that are whole numbers": put("parts", "model", WEIGHT, value=torch.zeros(4, 16, dtype=torch.int64)),
    "weights that are sparse": put("parts", "model", WEIGHT, value=torch.zeros(4, 16).to_sparse()),
    "a count that is text": put("parts", "meter", "count", value="a"),
    "a count that is a list": put("parts", "ema05", "updates", value=[1]),
    "an optimiser that is null": put("parts", "optimizer", value=None),
    "moments of another shape": put(*ADAM, 0, "exp_avg", value=torch.zeros(3)),
    "moments of another kind": put(*ADAM, 0, "exp_avg", value="a"),
    "moments that lack": drop(*ADAM, 0, "exp_avg"),
    "moments of nobody": put(*ADAM, 999, value={}),
    "moments that are a list": put(*ADAM, value=[]),
    "moments nested deeply": put(*ADAM, 0, value=nested()),
    "updates before the first": put(*ADAM, 0, "step", value=torch.tensor(-1.0)),
    "updates that are no number": put(*ADAM, 0, "step", value=torch.tensor(float("nan"))),
    "groups that are text": put("parts", "optimizer", "param_groups", value="a"),
    "a group that is null": put(*GROUP, value=None),
    "parameters that are a number": put(*GROUP, "params", value=3),
    "parameters in another order": put(*GROUP, "params", value=[[0], *range(1, 9)]),
    "a rate that is text": put(*GROUP, "lr", value="a"),
    "betas that are text": put(*GROUP, "betas", value="ab"),
    "betas that divide by zero": put(*GROUP, "betas", value=(1.0, 1.0)),
    "a switch that is text": put(*GROUP, "foreach", value="a"),
}


@pytest.mark.parametrize("change", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_a_checkpoint_with_other_content_is_one_line_and_is_left_alone(mine, change):
    changed(mine, change)
    before = {path.name: path.read_bytes() for path in mine.iterdir() if path.is_file()}
    assert "checkpoint.pt" in line(["train", str(TINY), "--out", str(mine), *ONE_STEP])
    assert {path.name: path.read_bytes() for path in mine.iterdir() if path.is_file()} == before


def test_a_compressed_checkpoint_is_not_unpacked(mine):
    file = mine / "checkpoint.pt"
    with zipfile.ZipFile(file) as archive:
        parts = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert "compressed" in line(["train", str(TINY), "--out", str(mine), *ONE_STEP])


@pytest.mark.parametrize("word", ['"7"', "1" + "0" * 30, "[1]", "null", "true", "NaN", '{"a": 1}', DEEP, "1" * 5000])
def test_a_line_of_the_log_with_another_iteration_is_cut_off(mine, word):
    """It lies beyond what the checkpoint knows, as half a line of a crash does."""
    log, before = mine / "log.jsonl", (mine / "log.jsonl").read_bytes()
    log.write_bytes(before + f'{{"iteration": {word}, "loss": 1}}\n'.encode() + b"\xff\xfe\n")
    state = torch.load(mine / "checkpoint.pt", weights_only=True)
    state["iteration"] = 1
    torch.save(state, mine / "checkpoint.pt")
    assert train(mine, *ONE_STEP) == 0
    assert [json.loads(row)["iteration"] for row in log.read_text().splitlines()] == [1, 2, 3]


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
@pytest.mark.parametrize(
    "name", ["lock", "checkpoint.pt.part", "config.json", "log.jsonl", "samples", "ema05.safetensors.part"]
)
def test_a_run_writes_through_no_link(mine, tmp_path, name):
    victim = tmp_path / "victim"
    victim.mkdir() if name == "samples" else victim.write_text("whole")
    (shutil.rmtree if name == "samples" else Path.unlink)(mine / name) if (mine / name).exists() else None
    (mine / name).symlink_to(victim)
    assert "is a link or no file" in line(["train", str(TINY), "--out", str(mine), *ONE_STEP])
    assert list(victim.iterdir()) == [] if name == "samples" else victim.read_text() == "whole"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_no_command_waits_for_a_pipe(mine, tmp_path):
    os.mkfifo(tmp_path / "x.safetensors")
    for name in ("config.json", "log.jsonl", "lock", "checkpoint.pt", "ema10.safetensors"):
        kept = (mine / name).read_bytes()
        (mine / name).unlink()
        os.mkfifo(mine / name)
        assert line(["train", str(TINY), "--out", str(mine), *ONE_STEP])
        assert line(["sample", str(mine), "--experiment", str(TINY), "--out", str(tmp_path / "x.png")])
        (mine / name).unlink()
        (mine / name).write_bytes(kept)
    assert line(commands(str(tmp_path / "x.safetensors"), tmp_path)[0])
    os.mkfifo(tmp_path / "x.json")
    assert line([*commands(str(STORED), tmp_path)[1], "--json", str(tmp_path / "x.json")])


@pytest.mark.skipif(os.name != "posix", reason="links need rights elsewhere")
def test_a_file_is_written_through_no_link(tmp_path):
    from minicm.checkpoints import write_whole

    (tmp_path / "victim").write_text("whole")
    (tmp_path / "x.part").symlink_to(tmp_path / "victim")
    write_whole(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"new" and (tmp_path / "victim").read_text() == "whole"
    assert not (tmp_path / "x.part").is_symlink()


@pytest.mark.parametrize("versions", [{"torch": "1.0"}, {"torch": ["2"]}, {"torch": "\x1b[2J"}, [], None, {}])
def test_another_version_of_torch_is_said_and_the_run_goes_on(mine, versions):
    content = json.loads((mine / "config.json").read_text()) | {"versions": versions}
    (mine / "config.json").write_text(json.dumps(content))
    with redirect_stderr(io.StringIO()) as stream:
        assert train(mine, *ONE_STEP) == 0
    said_once = [text for text in stream.getvalue().splitlines() if "but not bit for bit" in text]
    assert len(said_once) == 1 and said_once[0].isprintable() and torch.__version__.split("+")[0] in said_once[0]
    with redirect_stderr(io.StringIO()) as stream:
        assert train(mine, *ONE_STEP) == 0
    assert "bit for bit" not in stream.getvalue()


# What a state must look like


OPTIMIZERS = [torch.optim.Adam, torch.optim.AdamW, torch.optim.RAdam, torch.optim.SGD, torch.optim.Adafactor]


@pytest.mark.parametrize("kind", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_an_optimiser_fits_its_own_state_before_and_after_updates(kind):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    optimizer = kind(model.parameters(), lr=0.1)
    check_optimizer_fit(optimizer.state_dict(), optimizer, "it")
    model[1](torch.ones(1, 3)).sum().backward()  # the first layer has no gradient, and so no moments
    optimizer.step()
    weights = [p.clone() for p in model.parameters()]
    check_optimizer_fit(optimizer.state_dict(), kind(model.parameters(), lr=0.1), "it")
    assert all(torch.equal(a, b) for a, b in zip(weights, model.parameters()))


def test_an_outline_is_a_shape_or_a_word():
    found = {"a": [torch.zeros(2), {"b": 1, "c": "x"}], "d": None}
    check_fit(found, {"a": (torch.ones(2), {"b": 2.5, "c": "y"}), "d": None}, "it")
    for change, text in (({"d": 1}, "expected d a NoneType, got a number"), ({"e": 1}, "unexpected e")):
        with pytest.raises(ValueError, match=text):
            check_fit(found | change, found, "it")


# What is written over


@pytest.mark.parametrize(
    "name", ["x.safetensors", "run/ema10.safetensors", "run/config.json", "run/checkpoint.pt", "run"]
)
def test_evaluate_writes_its_table_over_nothing_else(tmp_path, mine, name):
    argv = [*commands(stored(tmp_path), tmp_path)[1], "--json", str(tmp_path / name)]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert name in line(argv)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_evaluate_writes_its_table_again(tmp_path):
    argv = [*commands(stored(tmp_path), tmp_path)[1], "--json", str(tmp_path / "x.json")]
    for _ in range(2):
        assert main(argv) == 0
    assert json.loads((tmp_path / "x.json").read_text())["rows"]


# JSON


@pytest.mark.parametrize("text", [DEEP, '{"a":' * 100_000, "1" * 5000, b"\xff", b"\x00", "", "{", "rm"])
def test_json_of_any_kind_is_one_line(text):
    with pytest.raises(ValueError, match="^expected JSON in x, got [^\n]*$"):
        parsed_json(text, "x")


@pytest.mark.parametrize("field", ["weights", "means", "stds"])
@pytest.mark.parametrize(
    "value", [DEEP, "[" * 900 + "]" * 900, "null", '"a"', '{"a": 1}', "[[1], [1, 2]]", "[1e999]", "1"]
)
def test_a_mixture_of_another_kind_is_one_line(tmp_path, field, value):
    from benchmarks.mixtures import mixture

    good = {"weights": "[1.0]", "means": "[[0.0, 0.0]]", "stds": "[1.0]"}
    text = ", ".join(f'"{key}": {value if key == field else right}' for key, right in good.items())
    (tmp_path / "x.json").write_text(f"{{{text}}}")
    with pytest.raises(ValueError, match=r"^[^\n]*x\.json[^\n]*$"):
        mixture(str(tmp_path / "x.json"))
