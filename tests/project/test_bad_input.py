"""Wrong input gives one line that names the argument: every public function, one bad argument at a time.

`PYTHONPATH=.:tests python tests/project/test_bad_input.py` prints how many cases there are of each kind, as
docs/bad_input.md has them.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import torch
from bad_input_commands import COMMANDS, STDERR_LINE, refused
from bad_input_table import Role, Row
from bad_input_table_rows import EXEMPT, GROUPS, METHODS, OVERRIDES, public, rows
from hypothesis import given
from hypothesis import strategies as st

import minicm as cm
from minicm.checkpoints import load_weights
from minicm.shapes import like, time_grid

matplotlib.use("Agg")
ROOT = Path(__file__).parents[2]
ROWS = rows()
torch.set_default_dtype(torch.float32)


def used(row: Row, **other: object) -> None:
    """Call with good arguments but for `other`, and take two items of what is lazy."""
    found = row.call(**{name: role.good() for name, role in row.roles.items()} | other)
    if isinstance(found, Iterator):
        next(found, None)
        next(found, None)
    if "matplotlib.pyplot" in __import__("sys").modules:
        matplotlib.pyplot.close("all")


def complaint(row: Row, name: str, value: object) -> str | None:
    """What is wrong with how this bad value of the argument is answered; None if nothing is."""
    try:
        used(row, **{name: value})
    except (ValueError, TypeError) as error:
        text = str(error)
        if "\n" in text:
            return f"more than one line: {text!r}"
        named = re.search(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])", text)
        return None if named else f"does not name {name}: {text}"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    return "is accepted in silence"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ROWS)
def test_good_arguments_pass_and_bad_ones_are_told_in_one_line(name):
    row = ROWS[name]
    assert not row.missing, f"{name}: give {row.missing} a role in tests/bad_input_table*.py"
    used(row)
    for argument, role in row.roles.items():
        for kind, make in role.bad:
            value = make()
            wrong = complaint(row, argument, value)
            assert wrong is None, f"{name}({argument} of bad {kind}, {value!r}) {wrong}"


def test_every_public_name_is_in_the_table_or_exempt_with_a_reason():
    names = set(public())
    grouped = {name for name in names if name.startswith(tuple(GROUPS))}
    assert names - grouped - EXEMPT.keys() == ROWS.keys() - METHODS.keys()
    assert EXEMPT.keys() <= names, "exemptions of what is gone"
    assert OVERRIDES.keys() <= names, "rows of what is gone"
    assert all(any(name.startswith(group) for name in names) for group in GROUPS)
    assert all(len(reason) > 10 for reason in [*EXEMPT.values(), *GROUPS.values()])


def test_a_new_public_name_needs_a_role_for_each_argument():
    from bad_input_table_rows import row

    def newcomer(x, wholly_new): ...

    assert row("newcomer", newcomer, {}).missing == ("wholly_new",)


def test_the_fuzz_sees_each_way_to_be_wrong():
    role = Role(lambda: 1.0)

    def of(call):
        return complaint(Row(call, {"x": role}), "x", 2.0)

    def raising(error):
        def call(x):
            raise error

        return of(call)

    assert of(lambda x: x) == "is accepted in silence"
    assert "RuntimeError" in raising(RuntimeError("x"))
    assert "does not name" in raising(ValueError("expected another"))
    assert "more than one line" in raising(ValueError("x\nx"))
    assert raising(ValueError("expected x")) is None


# ---- shapes and numbers at random, where the table has a few


@given(st.lists(st.integers(0, 5), max_size=3).map(tuple), st.sampled_from(["float32", "int64", "bool", "complex64"]))
def test_like_takes_times_of_one_shape_alone(shape, dtype):
    t, x = torch.zeros(shape, dtype=getattr(torch, dtype)), torch.zeros(4, 2)
    if shape == (4,) and dtype == "float32":
        assert like(t, x).shape == (4, 1)
    else:
        with pytest.raises(ValueError, match=r"^expected t of shape \(4,\)[^\n]*$"):
            like(t, x)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=5))
def test_a_grid_is_strictly_monotone_and_finite_or_refused(times):
    steps = [b - a for a, b in zip(times[:-1], times[1:])]
    finite = all(abs(t) < float("inf") for t in times)
    if len(times) > 1 and finite and (all(d > 0 for d in steps) or all(d < 0 for d in steps)):
        assert time_grid(times).tolist() == times
    else:
        with pytest.raises(ValueError, match=r"^[^\n]*times[^\n]*$"):
            time_grid(times)


@given(st.one_of(st.integers(-5, 50), st.floats(), st.text(max_size=3), st.none()))
def test_a_count_is_a_whole_number_from_1_on_or_refused(number):
    if isinstance(number, int) and number >= 1:
        assert len(cm.karras_grid(number)) == number + 1
    else:
        with pytest.raises(ValueError, match=r"^expected num_steps [^\n]*$"):
            cm.karras_grid(number)


@given(st.tuples(st.integers(1, 4), st.integers(1, 3)), st.tuples(st.integers(1, 4), st.integers(1, 3)))
def test_noise_of_another_shape_never_broadcasts(a, b):
    x0, eps, t = torch.zeros(a), torch.zeros(b), torch.full(a[:1], 0.5)
    if a == b:
        assert cm.VE().mix(x0, eps, t).shape == a
    else:
        with pytest.raises(ValueError, match="^expected eps of one shape with x0"):
            cm.VE().mix(x0, eps, t)


# ---- files, training, the command line


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        load_weights(torch.nn.Linear(2, 2), tmp_path / "nowhere.safetensors")


def test_a_foreign_file_is_told_in_one_line(tmp_path):
    (tmp_path / "weights.safetensors").write_bytes(b"this is no checkpoint")
    with pytest.raises(ValueError, match="expected weights") as caught:
        load_weights(torch.nn.Linear(2, 2), tmp_path / "weights.safetensors")
    assert "\n" not in str(caught.value)


def test_nan_stops_training_with_the_iteration_and_keeps_the_weights():
    layer = torch.nn.Linear(2, 2)
    before = layer.weight.clone()

    def loss(model, x, iteration, generator):
        return model(x).sum(1) * (float("nan") if iteration == 2 else 0.0)

    with pytest.raises(FloatingPointError, match="iteration 2"):
        for _ in cm.fit(layer, loss, [torch.zeros(4, 2)] * 5, torch.optim.SGD(layer.parameters(), 0.1)):
            pass
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: " ".join(line)[:70] or "nothing")
def test_a_wrong_command_line_ends_in_one_line_and_code_2(line, tmp_path, monkeypatch):
    code, printed = refused(line, tmp_path, monkeypatch)
    assert code == 2, printed
    assert re.fullmatch(STDERR_LINE, printed), printed


def counts() -> dict[str, int]:
    """How many cases there are of each kind."""
    found = Counter(kind for row in ROWS.values() for role in row.roles.values() for kind, _ in role.bad)
    return dict(sorted(found.items())) | {"command line": len(COMMANDS)}


def table() -> str:
    """The same, as docs/bad_input.md has it."""
    found = counts()
    lines = [f"| {kind} | {number} |" for kind, number in found.items()]
    head = ["| what is wrong | cases |", "|---|---|"]
    return "\n".join([*head, *lines, f"| **all** | **{sum(found.values())}** |"])


def test_the_page_tells_the_number_of_cases():
    page = (ROOT / "docs" / "bad_input.md").read_text("utf-8")
    assert table() in page, f"expected this table in docs/bad_input.md:\n{table()}"
    assert f"{len(ROWS)} functions" in page, len(ROWS)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(table())
    print(f"{len(ROWS)} functions")
