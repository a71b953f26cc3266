"""One definition for each formula: no two functions of minicm do the same under other names.

Functions are compared as trees in which local names, arguments and annotations have lost their names; the names that
they call, attributes and constants keep theirs.  Methods of a few statements that every path or loss must spell out
(alpha, sigma, ...) are too short to be looked at.
"""

import ast
from copy import deepcopy
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "minicm"
FEWEST = 5  # statements, docstrings not counted, nested ones counted


def without_docstring(node):
    return node.body[1:] if ast.get_docstring(node) is not None else node.body


def statements(node):
    """How many statements the function has, at any depth."""
    return sum(isinstance(inner, ast.stmt) for outer in without_docstring(node) for inner in ast.walk(outer))


class Forget(ast.NodeTransformer):
    """Give the names that a function makes itself numbers in the order of their first use."""

    def __init__(self, local):
        self.local, self.numbers = local, {}

    def number(self, name):
        return f"_{self.numbers.setdefault(name, len(self.numbers))}" if name in self.local else name

    def visit_Name(self, node):
        return ast.Name(self.number(node.id), node.ctx)

    def visit_arg(self, node):
        return ast.arg(self.number(node.arg), None)

    def visit_AnnAssign(self, node):
        return self.generic_visit(ast.Assign([node.target], node.value or ast.Constant(None), lineno=0))

    def visit_FunctionDef(self, node):
        self.generic_visit(node)
        bare = ast.FunctionDef(self.number(node.name), node.args, without_docstring(node), [], None, None)
        bare.type_params = []
        return bare


def shape(node):
    """The function's tree as text, the same for functions that differ in the names they give only."""
    inner = list(ast.walk(node))
    local = {n.arg for n in inner if isinstance(n, ast.arg)}
    local |= {n.id for n in inner if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    local |= {n.name for n in inner if isinstance(n, ast.FunctionDef)}
    return ast.dump(Forget(local).visit(deepcopy(node)))


def functions(source):
    """(name, tree) of the functions and methods that are long enough."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and statements(node) >= FEWEST:
            yield node.name, node


def repeated(sources):
    """Names of the functions that are there twice, from {file: text}."""
    seen = {}
    for file, source in sources.items():
        for name, node in functions(source):
            seen.setdefault(shape(node), []).append(f"{file}: {name}")
    return [names for names in seen.values() if len(names) > 1]


def test_every_function_is_written_once():
    sources = {path.relative_to(PACKAGE).as_posix(): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
    assert len([name for source in sources.values() for name, _ in functions(source)]) > 100
    assert repeated(sources) == []


FIRST = '''
def f(x: int, y):
    """A docstring."""
    total = 0
    for item in x:
        total += item * y
    scale = len(x)
    return total / scale
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [("total", "sum_"), ("x", "values"), ("def f", "def another"), ('    """A docstring."""\n', ""), (": int", "")],
)
def test_a_copy_under_other_names_is_noticed(old, new):
    assert old in FIRST
    assert len(repeated({"a": FIRST, "b": FIRST.replace(old, new)})) == 1


@pytest.mark.parametrize(
    ("old", "new"), [("* y", "+ y"), ("= 0", "= 1"), ("len(x)", "sum(x)"), ("item * y", "y * item")]
)
def test_another_formula_is_another_function(old, new):
    assert old in FIRST
    assert repeated({"a": FIRST, "b": FIRST.replace(old, new)}) == []


def test_short_functions_may_look_alike():
    short = "def f(x):\n    y = g(x)\n    return y\n"
    assert repeated({"a": short, "b": short}) == []


def test_a_copy_inside_another_function_is_noticed():
    inner = FIRST.strip().replace("\n", "\n    ").replace("total", "total_")
    outside = f"def outer(total_, x):\n    {inner}\n    return f\n"
    assert repeated({"a": FIRST, "b": outside}) == [["a: f", "b: f"]]
