"""Imports point down, and what is public is documented, short and explicit; read from the source, nothing is run."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "minicm"
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [  # a module imports from the layers above its own in this list, never from those below
    {"checks"},
    {"shapes", "seeds"},
    {"times", "nets"},
    {"paths"},
    {"solvers", "precond", "oracles"},
    {"sampling", "averages"},
    {"losses", "training", "checkpoints", "data", "plotting"},
    {"evaluation"},
    {"rivals"},
    {"course", "lab"},
]
TOP = {"shapes", "checks", "seeds", "paths", "times", "precond", "averages", "training", "checkpoints"}
AROUND = {"rivals", "course", "lab"}  # what stands around the core: nothing in it imports them
DOORS = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}  # they lead to every room
NEVER = {
    "losses": {"nets", "data", "training", "oracles"},
    "training": {"losses", "paths", "nets", "data", "oracles"},
}
MAX_FILE, MAX_FUNCTION = 300, 40  # lines; of a function without its docstring
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
HEAVY = {"matplotlib", "sklearn", "torchdiffeq", "scipy"}
MAKERS = ("__init__", "__post_init__")
REFUSES = re.compile(r"[Rr]aises?\b[^.]*Error\b|[Rr]aises as\b|errors as (?:in|there)\b")


def module_name(path):
    """minicm/losses/discrete.py -> losses.discrete; a package's __init__ is the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported(source, name, is_package=False):
    """The modules of minicm that this source imports, anywhere in it, as names relative to minicm."""
    here = ["minicm", *name.split(".")] if is_package else ["minicm", *name.split(".")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            base = [*base, node.module] if node.module else base
            stem = ".".join(base)
            found |= {f"{stem}.{alias.name}" for alias in node.names} if stem == "minicm" else {stem}
    return {target.removeprefix("minicm.") for target in found if target == "minicm" or target.startswith("minicm.")}


def wrong_imports(source, name, is_package=False):
    """What points sideways or up, in words."""
    top = name.split(".")[0]
    rank = {module: k for k, layer in enumerate(LAYERS) for module in layer}
    if top not in rank:
        return [f"{name}: say in LAYERS on which layer it lives"]
    wrong = []
    for target in sorted(imported(source, name, is_package)):
        other = target.split(".")[0]
        down = other == top or rank.get(other, len(LAYERS)) < rank[top]
        if not down or other in NEVER.get(top, ()):
            wrong.append(f"{name} imports {target}")
    return wrong


def is_overload(node):
    """One of several signatures, for type checkers; the definition that follows has the docstring."""
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)


def public_definitions(tree):
    """(qualified name, node, class it is in) of public functions, classes and methods at any depth of classes."""

    def walk(body, prefix, owner):
        for node in body:
            if isinstance(node, DEFINITIONS) and not node.name.startswith("_") and not is_overload(node):
                yield prefix + node.name, node, owner
                if isinstance(node, ast.ClassDef):
                    yield from walk(node.body, f"{prefix}{node.name}.", node)

    return walk(tree.body, "", None)


def undocumented(source, inherited=frozenset({"forward"})):
    """Public names without a docstring; a method may inherit that of one of the same name, or of an attribute."""
    tree = ast.parse(source)
    definitions = list(public_definitions(tree))
    methods = {name for name, _, owner in definitions if owner}
    known = inherited | {node.name for name, node, _ in definitions if name in methods and ast.get_docstring(node)}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    fields = [item.target for node in classes for item in node.body if isinstance(item, ast.AnnAssign)]
    known |= {field.id for field in fields}
    bare = [(name, node) for name, node, _ in definitions if not ast.get_docstring(node)]
    missing = [name for name, node in bare if not (name in methods and node.name in known)]
    return missing if ast.get_docstring(tree) or not tree.body else ["the module", *missing]


def own_nodes(node):
    """The nodes of a body, without those of functions and classes in it."""
    todo = list(node.body)
    while todo:
        found = todo.pop()
        if not isinstance(found, (*DEFINITIONS, ast.Lambda)):
            yield found
            todo += ast.iter_child_nodes(found)


def refuses(node, checks):
    """Whether this function raises an error that it names, or calls one of the checks."""
    nodes = list(own_nodes(node))
    called = {getattr(found.func, "id", None) for found in nodes if isinstance(found, ast.Call)}
    return bool(called & checks) or any(isinstance(found, ast.Raise) and found.exc for found in nodes)


def silent_refusals(source, checks):
    """Public functions that refuse input, themselves or by a helper, without a word of it; checks: names of helpers."""
    tree = ast.parse(source)
    private = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("_")]
    for _ in private:  # a helper may call a helper
        checks = checks | {node.name for node in private if refuses(node, checks)}
    silent = []
    for name, node, _ in public_definitions(tree):
        doc = ast.get_docstring(node)  # of a class: what its constructor refuses stands there
        makers = [item for item in node.body if getattr(item, "name", "") in MAKERS]
        bodies = makers if isinstance(node, ast.ClassDef) else [node]
        silent += [name] if doc and not REFUSES.search(doc) and any(refuses(body, checks) for body in bodies) else []
    return silent


def vague_signatures(source):
    """Public functions that take **anything or a boolean flag."""
    vague = []
    for name, node, _ in public_definitions(ast.parse(source)):
        if isinstance(node, ast.ClassDef):
            continue
        vague += [f"{name}(**{node.args.kwarg.arg})"] if node.args.kwarg else []
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        defaults = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        flags = [d for d in defaults if isinstance(d, ast.Constant) and isinstance(d.value, bool)]
        flags += [a for a in arguments if isinstance(a.annotation, ast.Name) and a.annotation.id == "bool"]
        vague += [f"{name} takes a flag: make it two functions"] if flags else []
    return vague


def long_functions(source):
    """Functions whose code, without the docstring, does not fit on a screen."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            found += [f"{node.name}: {lines} lines"] if lines > MAX_FUNCTION else []
    return found


def each_file(check):
    return pytest.mark.parametrize("path", FILES, ids=module_name)(check)


@each_file
def test_imports_point_down(path):
    if path not in DOORS:
        assert not wrong_imports(path.read_text("utf-8"), module_name(path), path.name == "__init__.py")


def test_few_modules_stand_at_the_top():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"} == TOP


def test_what_stands_around_the_core_is_the_last_layer():
    ranks = [k for k, layer in enumerate(LAYERS) if layer & AROUND]
    assert set.union(*LAYERS[min(ranks) :]) == AROUND  # so that every import of them from the core points up
    assert imported((PACKAGE / "lab" / "doctor.py").read_text("utf-8"), "lab.doctor") == set()  # it runs by its path


def circle(graph):
    """The names along a circle of imports, or none; graph: module -> the modules that it imports."""
    done = set()

    def walk(module, trail):
        if module in trail:
            return trail[trail.index(module) :]
        found = []
        for target in sorted(graph.get(module, set()) - done):
            found = found or walk(target, [*trail, module])
        done.add(module)
        return found

    return next(filter(None, (walk(module, []) for module in sorted(graph))), [])


def test_no_import_leads_back_to_where_it_began():
    """Module by module: what a folder's `__init__` hands on is looked up where it is written."""
    inner = [path for path in FILES if path.name != "__init__.py"]
    assert circle({module_name(path): imported(path.read_text("utf-8"), module_name(path)) for path in inner}) == []


@each_file
def test_public_names_are_documented(path):
    assert not undocumented(path.read_text("utf-8"))


@each_file
def test_what_is_refused_is_documented(path):
    checks = {name for name, _, _ in public_definitions(ast.parse((PACKAGE / "checks.py").read_text("utf-8")))}
    checks -= {"shown", "listed"}
    assert {"check_count", "answering"} <= checks
    assert not silent_refusals(path.read_text("utf-8"), checks)


@each_file
def test_signatures_are_explicit(path):
    assert not vague_signatures(path.read_text("utf-8"))


@each_file
def test_files_and_functions_fit_the_reader(path):
    source = path.read_text("utf-8")
    assert len(source.splitlines()) <= MAX_FILE
    assert not long_functions(source)


def test_nobody_imports_what_stands_above_the_package():
    above = ("experiments", "benchmarks", "tutorials", "tests")
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not [name for name in names if name.split(".")[0] in above], path


def test_importing_minicm_is_light():
    code = f"import sys, minicm; print(*sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


# ---- the checks themselves, on sources that break them


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("paths", "from .solvers import heun_step"),
        ("paths", "from minicm.solvers import heun_step"),
        ("paths", "import minicm.solvers"),
        ("paths", "from . import training"),
        ("times", "from .paths import VE"),
        ("paths", "def f():\n    from .oracles import gaussian"),
        ("losses.discrete", "from ..training import EMA"),
        ("losses.discrete", "from ..oracles import gaussian"),
        ("nets.mlp", "from ..precond import Preconditioned"),
        ("training", "from .paths import VE"),
        ("solvers.steps", "from minicm import karras_grid"),
        ("losses.discrete", "from ..rivals.jumps import FlowMap"),
        ("evaluation.truth", "from ..rivals import FlowMap"),
        ("rivals.jumps", "from ..lab.experiment import Training"),
        ("lab.demo", "from ..course.nb00 import check_radius"),
        ("course.nb14", "from ..lab.commands.drawing import loaded"),
        ("shapes", "import minicm"),
        ("brand_new", "import math"),
    ],
)
def test_an_import_that_points_up_is_noticed(name, source):
    assert len(wrong_imports(source, name)) == 1


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("solvers", "from .paths import Path\nfrom .shapes import like\nimport torch, math"),
        ("losses.discrete", "from ..solvers import ddim_step\nfrom .distances import squared"),
        ("solvers.multistep", "from .steps import trajectory"),
        ("lab.__main__", "from .command import report"),
        ("course.nb12", "from ..rivals import logistic_critic"),
        ("data.toys", "from ..oracles import GaussianMixture"),
    ],
)
def test_an_import_that_points_down_is_allowed(name, source):
    assert wrong_imports(source, name) == []


def test_a_circle_is_found():
    assert circle({"a": {"b"}, "b": {"c", "x"}, "c": {"b"}}) == ["b", "c"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": {"torch"}}) == []


def test_a_package_imports_its_own_modules():
    assert imported("from .discrete import cd", "losses", is_package=True) == {"losses.discrete"}
    assert wrong_imports("from .discrete import cd", "losses", is_package=True) == []


def test_the_reading_of_signatures_and_docstrings():
    source = '"""M."""\nclass A:\n    """A."""\n    def f(self):\n        """f."""\n'
    source += 'class B(A):\n    """B."""\n    def f(self): ...\n'
    assert undocumented(source) == []
    assert undocumented(source + "def g(): ...\ndef _h(): ...") == ["g"]
    assert undocumented("x = 1") == ["the module"]
    assert undocumented('"""M."""\nclass C:\n    def k(self): ...') == ["C", "C.k"]
    assert vague_signatures("def f(x, **options): ...") == ["f(**options)"]
    assert len(vague_signatures("def f(x, *, fast=False): ...\ndef g(x, slow: bool): ...\ndef _p(x=True): ...")) == 2
    assert vague_signatures("def f(x, *, n=0, name='a', y=None): ...") == []
    assert long_functions("def f():\n" + "    x = 1\n" * 41) == ["f: 41 lines"]
    assert long_functions('def f():\n    """' + "\n" * 60 + '"""\n    return 1') == []


def test_the_reading_of_what_is_refused():
    said = '    """f.  Raises ValueError unless n >= 1."""\n'
    for body in ('raise ValueError("n")', 'check("n", n)', "x = [_helper(k) for k in n]", "_other(n)"):
        helpers = "def _helper(n):\n    check(n)\ndef _other(n):\n    return _helper(n)\n"
        quiet = f'{helpers}def f(n):\n    """f."""\n    {body}\n'
        assert silent_refusals(quiet, {"check"}) == ["f"], body
        assert silent_refusals(quiet.replace('    """f."""\n', said), {"check"}) == []
    made = 'class A:\n    """A."""\n    def __init__(self, n):\n        check(n)\n'
    assert silent_refusals(made, {"check"}) == ["A"]
    for harmless in ("check.total(n)", "try:\n        g()\n    except OSError:\n        raise", "def g(): raise E()"):
        assert silent_refusals(f'def f(n):\n    """f."""\n    {harmless}\n', {"check"}) == []
    for words in ("errors as in `g`", "Raises as `g`", "raises OSError or\n    ValueError"):
        assert silent_refusals(f'def f(n):\n    """f: {words}."""\n    raise E()', set()) == []
