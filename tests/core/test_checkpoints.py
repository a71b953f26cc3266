"""Resume through a real file is bit-exact, no crash loses the last good file, and no bad file is half loaded."""

import io
import itertools
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from copies import python
from torch import nn

from minicm import checkpoints
from minicm.averages import EMA, PowerEMA
from minicm.checkpoints import load_checkpoint, load_weights, save_checkpoint, save_weights
from minicm.seeds import fold
from minicm.training import fit


class Head(nn.Module):
    """A loss with a parameter of its own: e^{-u} |f(x + ε) − x|² + u."""

    def __init__(self):
        super().__init__()
        self.u = nn.Parameter(torch.zeros(()))

    def forward(self, model, x0, iteration, generator):
        x = x0 + torch.randn(x0.shape, generator=generator)
        return (model(x) - x0).square().sum(1) * torch.exp(-self.u) + self.u


class Run:
    """Everything of a training run, built afresh as after a restart."""

    def __init__(self, optimizer=torch.optim.Adam, width=16, average=EMA):
        torch.manual_seed(1)
        self.model = nn.Sequential(nn.Linear(2, width), nn.SiLU(), nn.Dropout(0.3), nn.Linear(width, 2))
        self.head = Head()
        self.optimizer = optimizer([*self.model.parameters(), *self.head.parameters()], lr=1e-2)
        self.ema = average(self.model)
        self.parts = {
            "model": self.model,
            "optimizer": self.optimizer,
            "ema": self.ema,
            "extras": {"head": self.head},
        }

    def train(self, steps, start=0):
        data = (
            torch.randn(8, 2, generator=torch.Generator().manual_seed(fold(7, k, 99))) for k in itertools.count(start)
        )
        records = fit(self.model, self.head, data, self.optimizer, ema=self.ema, clip=1.0, start=start)
        return list(itertools.islice(records, steps))

    def numbers(self):
        return dict(leaves([part.state_dict() for part in (self.model, self.optimizer, self.ema, self.head)]))


def leaves(state, name=""):
    if isinstance(state, (dict, list, tuple)):
        for key, value in state.items() if isinstance(state, dict) else enumerate(state):
            yield from leaves(value, f"{name}/{key}")
    else:
        yield name, state.tolist() if isinstance(state, torch.Tensor) else state


@pytest.fixture
def saved(tmp_path):
    """(path of a good checkpoint after three updates, the run that wrote it)."""
    run = Run()
    [*_, last] = run.train(3)
    path = tmp_path / "run.pt"
    save_checkpoint(path, **run.parts, iteration=last.iteration)
    return path, run


def assert_refused(path, text, run=None):
    """The file is refused in one line, and the run that wanted it is as it was."""
    run = run or Run()
    before = run.numbers()
    with pytest.raises(ValueError, match=text) as error:
        load_checkpoint(path, **run.parts)
    assert "\n" not in str(error.value) and str(path) in str(error.value)
    assert "weights_only" not in str(error.value)
    assert run.numbers() == before


# --- resume


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.RAdam])
@pytest.mark.parametrize("average", [EMA, PowerEMA])
def test_a_run_in_two_parts_is_bit_identical_to_one_in_one_part(tmp_path, optimizer, average):
    whole, first, second = (Run(optimizer, average=average) for _ in range(3))
    records = whole.train(9)
    begun = first.train(4)
    path = tmp_path / "new" / "folders" / "run.pt"
    save_checkpoint(path, **first.parts, iteration=begun[-1].iteration)
    torch.manual_seed(999)  # as another program, or the caller's plots, would
    torch.randn(17)
    second.train(2)  # stale state, which loading must replace
    start = load_checkpoint(path, **second.parts)
    assert start == 4
    torch.randn(3)
    assert begun + second.train(5, start) == records
    assert second.numbers() == whole.numbers()
    assert second.ema.updates == 9


def test_a_run_may_be_cut_after_each_update(tmp_path):
    whole, path = Run(), tmp_path / "run.pt"
    records = whole.train(4)
    save_checkpoint(path, **Run().parts, iteration=-1)
    for record in records:
        run = Run()
        start = load_checkpoint(path, **run.parts)
        assert run.train(1, start) == [record]
        save_checkpoint(path, **run.parts, iteration=record.iteration)
    assert run.numbers() == whole.numbers()


def test_ema_and_extras_are_optional(tmp_path):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters())
    save_checkpoint(tmp_path / "a", model=model, optimizer=optimizer, iteration=6)
    other = nn.Linear(2, 2)
    assert load_checkpoint(tmp_path / "a", model=other, optimizer=torch.optim.SGD(other.parameters())) == 7
    assert torch.equal(other.weight, model.weight)


def test_parameters_stay_the_same_objects(saved):
    path, _ = saved
    run = Run()
    held = [*run.model.parameters(), *run.ema.model.parameters()]
    load_checkpoint(path, **run.parts)
    assert all(a is b for a, b in zip(held, [*run.model.parameters(), *run.ema.model.parameters()], strict=True))


# --- files that do not fit


def test_missing_file_and_folder(tmp_path):
    for path in (tmp_path / "none.pt", tmp_path):
        with pytest.raises(FileNotFoundError, match=r"expected a file .*found"):
            load_checkpoint(path, **Run().parts)
        with pytest.raises(FileNotFoundError, match=r"expected a file .*found"):
            load_weights(nn.Linear(1, 1), path)


def test_other_shapes_parts_and_optimizers(saved):
    path, _ = saved
    assert_refused(path, r"model in .* expected 0.weight \(17, 2\), got \(16, 2\)", Run(width=17))
    assert_refused(path, "expected Adam, as saved .* got SGD", Run(torch.optim.SGD))
    run = Run()
    run.parts["ema"] = None
    assert_refused(path, "expected the parts ema, head, model and 1 more .* got head, model, optimizer", run)
    run = Run()
    run.parts["model"] = nn.Sequential(*run.model, nn.Linear(2, 2))
    assert_refused(path, "missing 4.bias, 4.weight; unexpected nothing", run)
    run = Run()
    run.parts["optimizer"] = torch.optim.Adam(run.model.parameters())
    assert_refused(path, r"expected groups of \[4\] parameters, got \[5\]", run)
    run = Run()
    run.parts["optimizer"], run.parts["extras"] = run.optimizer, {"head": torch.optim.Adam(run.model.parameters())}
    assert_refused(path, "expected the state of an optimizer as head", run)


def test_extras_may_not_take_the_names_of_parts(tmp_path):
    run = Run()
    run.parts["extras"] = {"ema": run.head}
    with pytest.raises(ValueError, match="names of their own, got ema"):
        save_checkpoint(tmp_path / "run.pt", **run.parts, iteration=0)


# --- damaged and foreign files


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_truncated(saved, share):
    path, _ = saved
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert_refused(path, "expected a whole checkpoint")


def test_one_flipped_bit_in_the_weights(saved):
    path, run = saved
    data = bytearray(path.read_bytes())
    data[data.find(run.model[0].weight.detach().numpy().tobytes()) + 17] ^= 1
    path.write_bytes(data)
    assert_refused(path, "damaged data")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"hello\n" * 1000, pickle.dumps({"iteration": 3})])
def test_foreign(tmp_path, content):
    path = tmp_path / "run.pt"
    path.write_bytes(content)
    assert_refused(path, "expected a whole checkpoint")


@pytest.mark.parametrize(
    "content", [{"model": {}}, [1, 2], torch.zeros(2), {"format": "minicm checkpoint 1"}, {"format": 3, "parts": {}}]
)
def test_foreign_files_of_torch(tmp_path, content):
    torch.save(content, tmp_path / "run.pt")
    assert_refused(tmp_path / "run.pt", "got another file of torch.save")


def test_format_of_another_day(saved):
    path, _ = saved
    state = torch.load(path, weights_only=True)
    torch.save(state | {"format": "minicm checkpoint 9"}, path)
    assert_refused(path, "expected the format 'minicm checkpoint 1' .* got 'minicm checkpoint 9'")


class Hostile:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


def test_code_in_a_file_does_not_run(saved, tmp_path):
    path, _ = saved
    trace = tmp_path / "it-ran"
    honest = torch.load(path, weights_only=True)
    torch.save(honest | {"extra": Hostile(trace)}, path)
    with pytest.raises(FileExistsError):  # the file is as dangerous as it should be
        trace.mkdir()
        torch.load(path, weights_only=False)
    trace.rmdir()
    assert_refused(path, "could run code|can run code")
    assert not trace.exists()
    path.write_bytes(pickle.dumps(Hostile(trace)))
    assert_refused(path, "expected a whole checkpoint")
    assert not trace.exists()


# --- writing


def test_a_state_that_could_not_be_read_back_does_not_replace_a_good_one(saved):
    path, run = saved
    good = path.read_bytes()
    run.optimizer.param_groups[0]["note"] = Path("not a number")
    with pytest.raises(ValueError, match="what would be written"):
        save_checkpoint(path, **run.parts, iteration=3)
    assert path.read_bytes() == good
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("error", "text"),
    [(OSError(28, "No space left on device"), "No space left.*can be written"), (KeyboardInterrupt(), "^$")],
)
def test_failure_keeps_the_old_file_and_leaves_nothing_else(saved, monkeypatch, call, error, text):
    path, run = saved
    good = path.read_bytes()

    def fail(*_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints.os, call, fail)
        with pytest.raises(type(error), match=text):
            save_checkpoint(path, **run.parts, iteration=9)
    assert path.read_bytes() == good
    assert os.listdir(path.parent) == [path.name]
    assert load_checkpoint(path, **Run().parts) == 3


def test_unwritable_places(tmp_path):
    """A folder that is a file stops root, too."""
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "folder").mkdir()
    run = Run()
    for path in (tmp_path / "file" / "run.pt", tmp_path / "file" / "deeper" / "run.pt", tmp_path / "folder"):
        for save in (
            lambda path: save_checkpoint(path, **run.parts, iteration=0),
            lambda path: save_weights(run.model, path),
        ):
            with pytest.raises(OSError, match=r"cannot write .*; choose a folder that can be written") as error:
                save(path)
            assert "\n" not in str(error.value)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    assert os.listdir(tmp_path / "folder") == []


KILLED = """
import os, random, signal, sys, time
import torch
from minicm.checkpoints import load_checkpoint, save_checkpoint

torch.set_num_threads(1)

def build(value):
    parts = {"model": torch.nn.Linear(1000, 1000), "optimizer": torch.nn.Linear(1000, 1)}  # its import takes seconds
    for p in [*parts["model"].parameters(), *parts["optimizer"].parameters()]:
        torch.nn.init.constant_(p, value)
    return parts

path, start, left = sys.argv[1], 0, 0
save_checkpoint(path, **build(0), iteration=0)
random.seed(0)
for delay in [0.0, 0.0, 0.0] + [random.uniform(0, 0.05) for _ in range(4)]:
    child = os.fork()
    if child == 0:
        for iteration in range(start + 1, start + 10**6):
            save_checkpoint(path, **build(iteration), iteration=iteration)
    while not os.path.exists(path + ".part"):
        pass
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if os.path.exists(path + ".part"):
        os.unlink(path + ".part")  # the next child's kill is to wait for its own
        left += 1
    parts = build(-1)
    iteration = load_checkpoint(path, **parts) - 1
    assert iteration >= start, (iteration, start)
    assert all((p == iteration).all() for part in parts.values() for p in part.parameters())
    start = iteration
assert left > 0  # or no kill came while a file was written
open(path + ".part", "wb").write(b"half")
save_checkpoint(path, **build(0), iteration=0)
assert os.listdir(os.path.dirname(path)) == [os.path.basename(path)]  # what a crash left is used up by the next
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_kill_at_any_moment_leaves_a_checkpoint_that_loads(tmp_path):
    done = python(["-c", KILLED, tmp_path / "run.pt"], place=Path(checkpoints.__file__).parents[1])
    assert done.returncode == 0, done.stderr


# --- weights


def test_weights_and_metadata_return(tmp_path):
    run, other = Run(), Run()
    run.train(2)
    path = tmp_path / "new" / "net.safetensors"
    save_weights(run.model, path, {"command": "python -m x", "iteration": "2"})
    assert load_weights(other.model, path) == {"command": "python -m x", "iteration": "2"}
    assert all(torch.equal(a, b) for a, b in zip(run.model.parameters(), other.model.parameters(), strict=True))
    assert load_weights(run.model, path) and os.listdir(path.parent) == [path.name]
    save_weights(run.model, path)
    assert load_weights(other.model, path) == {}


def test_weights_in_half_precision_load_into_the_models_dtype(tmp_path):
    net, other = nn.Linear(3, 2), nn.Linear(3, 2)
    save_weights(net.half(), tmp_path / "w")
    load_weights(other, tmp_path / "w")
    assert other.weight.dtype == torch.float64 and torch.equal(other.weight, net.weight.double())


def test_weights_that_share_memory_are_saved(tmp_path):
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    net.register_buffer("view", net[0].weight.detach().T)
    save_weights(net, tmp_path / "w")
    other = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    other.register_buffer("view", torch.zeros(2, 2))
    load_weights(other, tmp_path / "w")
    assert torch.equal(other[1].weight, net[0].weight) and torch.equal(other.view, net[0].weight.T)


def foreign_zip():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a", "b")
    return buffer.getvalue()


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:20], lambda d: b"", lambda d: foreign_zip()])
def test_damaged_weights_are_refused(tmp_path, damage):
    net, path = nn.Linear(3, 2), tmp_path / "w"
    save_weights(net, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="expected weights in safetensors format") as error:
        load_weights(net, path)
    assert "\n" not in str(error.value)


def test_weights_of_another_model_are_refused_and_nothing_changes(tmp_path):
    save_weights(nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5)), tmp_path / "w")
    wide, other = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4)), nn.Linear(3, 2)
    before = wide[0].weight.clone()
    with pytest.raises(ValueError, match=r"expected 1.weight \(4, 2\), got \(5, 2\) \(and more\)"):
        load_weights(wide, tmp_path / "w")
    assert torch.equal(wide[0].weight, before)
    with pytest.raises(ValueError, match="missing bias, weight; unexpected 0.bias, 0.weight, 1.bias and 1 more"):
        load_weights(other, tmp_path / "w")


def test_equal_weights_and_metadata_give_equal_bytes(tmp_path):
    """Whatever the order that the metadata came in; the file is read by safetensors as any other."""
    model, metadata = nn.Linear(3, 2), {f"key {k}": f"ä {k}" for k in range(12)}
    files = [tmp_path / f"{k}.safetensors" for k in range(6)]
    for k, file in enumerate(files):
        items = list(metadata.items())
        save_weights(model, file, dict(items[k:] + items[:k]))
    assert len({file.read_bytes() for file in files}) == 1
    other = nn.Linear(3, 2)
    assert load_weights(other, files[0]) == metadata and torch.equal(other.weight, model.weight)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no umask")
@pytest.mark.parametrize("mask, mode", [(0o022, 0o644), (0o027, 0o640)])
def test_stored_weights_have_the_rights_of_any_new_file(tmp_path, mask, mode):
    """An instructor's file can be read by the students: safetensors' own writer would keep it for its owner."""
    before = os.umask(mask)
    try:
        save_weights(torch.nn.Linear(2, 2), tmp_path / "weights.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "weights.safetensors").stat().st_mode & 0o777 == mode
