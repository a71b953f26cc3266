"""What becomes of a notebook whose cells end their process or use up their time; a stand-in plays the process."""

import pytest
from hands import machine, mine, solved

from tutorials.assignments.containment import EndedError, Limits, OvertimeError
from tutorials.assignments.plan import read
from tutorials.assignments.session import Session


class Process:
    """Runs nothing: all is well and tripwires fail as they should, but for what `does` says of a source."""

    def __init__(self, does):
        self.does, self.child, self.began, self.stopped = does, 1, 0, 0

    def begin(self, folder, limits, closed):
        self.began, self.child, self.folder = self.began + 1, 1, folder

    def stop(self):
        self.stopped += 1

    def ask(self, order, seconds, until):
        act = self.does.get(order.get("source"))
        if act is not None and (error := act(self)):
            raise error
        return {"ok": "code" not in order or bool(order["asked"]), "outputs": []}


def run(tmp_path, does, *sources):
    """(what the session found, the stand-in) for the solved a1 with these cells of the student's own."""
    notebook = solved("a1")
    for source in reversed(sources):
        mine(notebook, source, "a1-euler")
    process = Process(does)
    return Session(process, notebook, read("a1"), tmp_path / "box", Limits(seconds=300)).run(), process


def ended(process):
    return EndedError("status 0")


def killed(process):
    process.child = None
    return OvertimeError(whole=False)


def interrupted(process):
    return OvertimeError(whole=False)


def whole(process):
    return OvertimeError(whole=True)


ALL = dict.fromkeys(machine("a1"), True)


def test_all_is_well(tmp_path):
    found, process = run(tmp_path, {}, "1")
    assert found.passed == ALL and found.notes == [] and (process.began, process.stopped) == (1, 1)


@pytest.mark.parametrize("act", [killed, interrupted])
def test_a_cell_over_time_has_the_same_note_whether_it_let_itself_be_interrupted_or_not(act, tmp_path):
    found, process = run(tmp_path, {"loop": act}, "loop")
    assert found.passed == ALL and found.notes == ["cell of the student's own ran over the time limit"]
    assert process.began == process.stopped == (2 if act is killed else 1)


def test_each_cell_that_ends_its_process_costs_itself(tmp_path):
    found, process = run(tmp_path, {"one": ended, "two": ended}, "one", "2", "two")
    assert found.passed == ALL and process.began == process.stopped == 3
    note = "cell of the student's own ended its Python process (os._exit, or out of memory): graded without it"
    assert found.notes == [note, note]


def test_a_notebook_of_such_cells_is_not_run_for_ever(tmp_path):
    sources = [f"end {k}" for k in range(10)]
    found, process = run(tmp_path, dict.fromkeys(sources, ended), *sources)
    assert process.began == process.stopped == 5
    assert found.notes[-1] == "stopped after 5 runs, each of which a cell ended" and not any(found.passed.values())


def test_when_the_whole_time_is_used_up_the_tests_so_far_count(tmp_path):
    notebook = solved("a1")
    mine(notebook, "slow", "a1-euler-hidden")
    found = Session(Process({"slow": whole}), notebook, read("a1"), tmp_path / "box", Limits(seconds=300)).run()
    assert [test for test, ok in found.passed.items() if ok] == ["a1-euler-visible", "a1-euler-hidden"]
    assert found.notes == ["stopped after 300 seconds, the limit for a whole notebook"]


def write(process):
    (process.folder / "large").write_bytes(b"0" * 3_000_000)


def test_a_cell_that_writes_too_much_costs_itself(tmp_path):
    notebook = mine(solved("a1"), "writes", "a1-euler")
    process = Process({"writes": write})
    found = Session(process, notebook, read("a1"), tmp_path / "box", Limits(folder_mb=2)).run()
    assert found.notes == ["cell of the student's own wrote more than 2 MB: graded without it"]
    assert found.passed == ALL and process.began == 2
