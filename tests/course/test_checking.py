"""What the checks of exercises say, for each way in which an answer can go wrong."""

import pytest
import torch

from minicm.course.checking import Counted, compare, depends, grade, verdict

X = torch.tensor([[1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)


def doubled(double):
    return compare(double(X.clone()), 2 * X, mistakes={"it squares": X**2})


def say(student, tests=(doubled,)):
    return verdict("my_double", student, tests, why="Two is a number.")


def in_place(x):
    x *= 2
    return x


def crash(x):
    return x @ torch.ones(3, dtype=x.dtype)


@pytest.mark.parametrize(
    ("student", "words"),
    [
        (lambda x: 2 * x, "PASS: my_double is right. Two is a number."),
        (lambda x: None, "not solved yet: write my_double"),
        (None, "not solved yet"),
        (lambda x: x**2, "not yet: it squares"),
        (lambda x: -2 * x, "sign is wrong"),
        (lambda x: 3 * x, "constant factor is wrong: your numbers are 1.5 times"),
        (lambda x: x + 1, "numbers differ, by up to 3"),
        (lambda x: 2 * x.sum(1), "shape is wrong: expected (2, 2), got (2,)"),
        (lambda x: (2 * x).float(), "dtype is wrong: expected torch.float64"),
        (lambda x: x / 0, "NaN or infinite"),
        (lambda x: "four", "expected a tensor of shape (2, 2), got a str"),
        (in_place, "argument number 1 in place"),
        (crash, "it stops in the line `return x @ torch.ones(3, dtype=x.dtype)`: RuntimeError"),
        (lambda: 1, "TypeError"),
    ],
)
def test_what_is_said(student, words):
    said = say(student)
    assert words in said and "\n" not in said
    assert said.startswith(("PASS", "not solved yet", "not yet"))


def stub(x):
    raise NotImplementedError


def test_a_stub_that_raises_is_unsolved():
    assert say(stub).startswith("not solved yet")


def test_none_for_some_inputs_is_not_a_stub():
    assert "`return` missing" in say(lambda x: 2 * x if x.sum() > 0 else None, [doubled, lambda f: f(-X) and None])


def test_a_function_that_is_returned_is_guarded_too():
    def nested(make):
        return compare(make(3.0)(X), 3 * X)

    assert say(lambda c: lambda x: c * x, [nested]).startswith("PASS")
    assert say(lambda c: lambda x: None, [nested]).startswith("not solved yet")
    assert "NameError" in say(lambda c: lambda x: undefined * x, [nested])  # noqa: F821


def test_the_first_hint_ends_it():
    assert say(lambda x: 2 * x, [lambda f: None, lambda f: "one", lambda f: "two"]) == "not yet: one"


def test_values_are_graded_as_functions_are():
    def is_half(answer):
        return compare(answer, 0.5, mistakes={"that is the variance": 0.25})

    assert say(0.5, [is_half]).startswith("PASS")
    assert say(torch.tensor(0.5), [is_half]).startswith("PASS")
    assert say(0.25, [is_half]) == "not yet: that is the variance"
    assert say("b", [is_half]) == "not yet: expected a number, got a str"


def test_a_test_that_fails_itself_stays_green():
    assert "AttributeError" in say(lambda x: 7, [lambda f: f(X).shape and None])


def test_the_generator_and_the_gradients_are_left_alone(capsys):
    drawn = []
    for seed in (5, 6):  # what the learner drew before must not matter
        torch.manual_seed(seed)
        expected = torch.randn(3)
        torch.manual_seed(seed)
        with torch.no_grad():
            grade("f", lambda: torch.randn(2), [lambda f: drawn.append(f())], why="Noise.")
            assert not torch.is_grad_enabled()
        assert torch.equal(torch.randn(3), expected)
    assert torch.equal(*drawn)
    assert capsys.readouterr().out == "PASS: f is right. Noise.\n" * 2


def test_tolerances_are_those_of_allclose():
    assert compare(1.0 + 0.9e-3, 1.0, rtol=0, atol=1e-3) is None
    assert compare(1.0 + 1.1e-3, 1.0, rtol=0, atol=1e-3) is not None
    assert compare(200.0, 200.1, rtol=1e-3, atol=0) is None


def test_depends_sees_a_detached_source():
    a, b = torch.ones(2, requires_grad=True), torch.ones(2, requires_grad=True)
    output = a * b.detach()
    assert depends(output, a) and not depends(output, b) and not depends(output.detach(), a)


def test_counted_records_its_arguments():
    velocity = Counted(lambda x, t: -x)
    assert torch.equal(velocity(X, 0.5), -X)
    assert [t for _, t in velocity.calls] == [0.5]
