"""The documents around the code: they are valid, agree with pyproject.toml and the Makefile, and lead somewhere."""

import ast
import json
import re
import shlex
import urllib.parse
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from test_project import PROJECT, pins

from minicm.lab import doctor

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "CODE_OF_CONDUCT")] + sorted(
    ROOT.glob("docs/*.md")
)
PACKAGE = ROOT / "minicm"
TARGETS = set(re.findall(r"(?m)^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8")))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))  # config.yml is none
NOTEBOOKS = sorted((ROOT / "tutorials").glob("*.ipynb"))
REPOSITORY = "https://github.com/minicm/minicm"
COLAB = "https://colab.research.google.com/github/minicm/minicm/blob/main/"
BINDER = "https://mybinder.org/v2/gh/minicm/minicm/main"
NOT_THERE_YET = {"16_", "a7", "nb16"}  # what the examples of CONTRIBUTING.md would make


def read(path):
    return path.read_text("utf-8")


def made(line):
    """The targets of a command line `make target ... NAME=value`."""
    words = shlex.split(line, comments=True)
    return [word for word in words[1:] if "=" not in word and not word.startswith("-")] if words[:1] == ["make"] else []


def commands(text):
    """Code spans and the lines of fences of a page."""
    fences = [body for kind, body in re.findall(r"(?ms)^```(\w*)\n(.*?)^```", text) if kind in ("", "sh")]
    return [line for fence in fences for line in fence.splitlines()] + re.findall(r"`(make [^`]*)`", text)


def links(text):
    """What a page links to, without anchors."""
    return [target for target in re.findall(r"\]\(([^)#\s]+)", text) if target]


# ---- pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_to_files_and_commands_to_targets(page):
    text = read(page)
    for target in links(text):
        assert target.startswith("http") or (page.parent / target).exists(), target
    assert {target for line in commands(text) for target in made(line)} <= TARGETS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_exist(page):
    for name in re.findall(r"`([\w./-]+/[\w.-]*\.(?:py|md|yml|json|toml|txt|ipynb|cfg))`", read(page)):
        if not any(word in name for word in NOT_THERE_YET):
            assert (ROOT / name).exists() or (PACKAGE / name).exists(), name


def test_the_readings_of_commands_and_links():
    assert made("make quick ARGS='-k paths' demo -j2  # words make no target") == ["quick", "demo"]
    assert made("maketest x") == made("to make tea") == []
    assert commands("```sh\nmake a\n```\nand `make b C=1`, not `b`") == ["make a", "make b C=1"]
    assert links("[a](b.md#c) ![d](e.png) [f](#g)") == ["b.md", "e.png"]


# ---- CITATION.cff, CHANGELOG.md, LICENSE


def test_citation_has_the_keys_of_its_format_and_the_version_of_the_package():
    cited = yaml.safe_load(read(ROOT / "CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert cited["cff-version"] == "1.2.0" and cited["type"] == "software"
    assert str(cited["version"]) == PROJECT["version"] and cited["license"] == PROJECT["license"]
    assert cited["authors"] and all("name" in author or "family-names" in author for author in cited["authors"])
    assert cited["repository-code"] == REPOSITORY


def test_changelog_begins_with_the_version_of_the_package():
    text = read(ROOT / "CHANGELOG.md")
    versions = re.findall(r"(?m)^## \[(.+?)\] - (Unreleased|\d{4}-\d\d-\d\d)$", text)
    assert versions and versions[0][0] == PROJECT["version"]
    assert len(versions) == len(re.findall(r"(?m)^## ", text))
    kinds = set(re.findall(r"(?m)^### (.*)$", text))
    assert kinds and kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert all(f"\n[{version}]: http" in text for version, _ in versions)


def test_changelog_names_the_first_and_the_last_notebook():
    found = re.search(r"notebooks (\d\d) to (\d\d),", read(ROOT / "CHANGELOG.md"))
    assert found.groups() == (NOTEBOOKS[0].name[:2], NOTEBOOKS[-1].name[:2])


def test_licence_covers_code_and_text():
    words = " ".join(read(ROOT / "LICENSE").split())
    assert words.startswith("MIT License") and "everything in this repository: the code and the text" in words


# ---- .github


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_forms(path):
    form = yaml.safe_load(read(path))
    assert form["name"] and form["description"]
    for part in form["body"]:
        assert part["type"] in {"markdown", "textarea", "input", "dropdown", "checkboxes"}
        assert part["type"] == "markdown" or (part["id"] and part["attributes"]["label"])
    names = [part["id"] for part in form["body"] if "id" in part]
    assert len(set(names)) == len(names)


def test_questions_are_led_to_the_discussions():
    (link,) = yaml.safe_load(read(ROOT / ".github" / "ISSUE_TEMPLATE" / "config.yml"))["contact_links"]
    assert set(link) == {"name", "url", "about"} and link["url"] == f"{REPOSITORY}/discussions"


def test_a_report_asks_for_the_doctor_and_for_no_solutions():
    form = yaml.safe_load(read(ROOT / ".github" / "ISSUE_TEMPLATE" / "problem.yml"))
    (part,) = [part for part in form["body"] if part.get("id") == "doctor"]
    assert "minicm doctor" in part["attributes"]["label"] and part["validations"]["required"] is True
    assert "No solutions in public issues" in form["body"][0]["attributes"]["value"]


def jobs():
    """(workflow and job, job) of every job."""
    return [
        (f"{path.stem}-{name}", job) for path in WORKFLOWS for name, job in yaml.safe_load(read(path))["jobs"].items()
    ]


def settings(job, key):
    """Every value that a job's matrix gives a key."""
    matrix = job.get("strategy", {}).get("matrix", {})
    return [*matrix.get(key, []), *(row[key] for row in matrix.get("include", []) if key in row)]


def runs(job):
    return [line for step in job["steps"] if "run" in step for line in step["run"].splitlines()]


every_job = pytest.mark.parametrize("job", [pytest.param(job, id=name) for name, job in jobs()])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_have_triggers_and_few_rights(path):
    workflow = yaml.safe_load(read(path))
    assert workflow["permissions"] == {"contents": "read"}
    triggers = workflow[True]  # YAML 1.1 reads the key `on` as true
    if path.stem == "release":
        assert triggers == {"push": {"tags": ["v*"]}}
    else:
        assert {"pull_request", "workflow_dispatch"} <= set(triggers)


def test_only_the_job_that_publishes_may_say_who_it_is_and_there_is_no_token():
    rights = {name: job["permissions"] for name, job in jobs() if "permissions" in job}
    assert rights == {"release-publish": {"contents": "read", "id-token": "write"}}
    publish = dict(jobs())["release-publish"]
    assert publish["needs"] == "check" and publish["environment"] == "pypi"
    assert runs(publish)[-1] == "python -m uv publish --trusted-publishing always"
    assert not any("secrets." in read(path) for path in WORKFLOWS)


@every_job
def test_actions_are_those_that_were_read_and_keep_no_credentials(job):
    for step in job["steps"]:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step.get("uses", f"actions/none@{40 * '0'}")), step
        assert "checkout" not in step.get("uses", "") or step["with"]["persist-credentials"] is False


@every_job
def test_jobs_call_what_exists(job):
    assert job["timeout-minutes"] <= 90 and runs(job)
    for line in runs(job):
        assert set(made(line)) <= TARGETS, line
        first = shlex.split(line)[0]
        assert first in {"make", "python", "minicm"} or (ROOT / first).exists(), line
        extras = re.search(r"\.\[([a-z,]+)\]", line)
        assert not extras or set(extras[1].split(",")) <= set(PROJECT["optional-dependencies"])
    assert "windows" not in str(job["runs-on"]) or not any(made(line) for line in runs(job))


@every_job
def test_jobs_use_versions_that_the_package_allows(job):
    (setup,) = [step["with"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    wanted = setup["python-version"]
    pythons = settings(job, "python") if "matrix.python" in wanted else [wanted]
    assert pythons and all(isinstance(python, str) for python in pythons)  # 3.10 without quotes is 3.1
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(python) for python in pythons)
    (allowed,) = [Requirement(line).specifier for line in PROJECT["dependencies"] if Requirement(line).name == "torch"]
    for torch in settings(job, "torch"):
        for exact in Requirement(torch).specifier:
            assert allowed.contains(exact.version.replace("*", "0")), torch


def test_the_workflows_cover_systems_and_versions():
    every = dict(jobs())
    systems = [name for job in every.values() for name in settings(job, "os") or [job["runs-on"]]]
    assert {"ubuntu-latest", "macos-latest", "windows-latest"} <= set(systems)
    pythons = {python for job in every.values() for python in settings(job, "python")}
    assert {".".join(map(str, doctor.OLDEST_PYTHON)), "3.12", "3.13"} <= pythons
    torches = {torch for job in every.values() for torch in settings(job, "torch")}
    oldest = ".".join(map(str, doctor.OLDEST_TORCH))
    assert torches == {f"torch=={oldest}.*", "torch"} and pins()["torch"]
    lines = {line for job in every.values() for line in runs(job)}
    assert {".ci/run", "make quick", "make demo", "make course", "make assignments", "minicm demo"} <= lines


# ---- containers and links to other computers


def test_the_container_needs_no_gpu_and_builds_what_the_doctor_checks():
    container = json.loads(read(ROOT / ".devcontainer" / "devcontainer.json"))
    assert made(container["postCreateCommand"]) == ["doctor"]
    assert "gpu" not in json.dumps(container).lower()
    python = container["image"].split(":")[1]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python)


def test_binder_finds_its_environment_and_the_notebooks():
    assert (ROOT / "environment.yml").exists()  # at the root, where Binder looks first
    assert not (ROOT / "binder").exists() and not (ROOT / ".binder").exists()  # they would be taken instead
    for page in PAGES:
        for link in re.findall(r"https://mybinder\.org/v2/[^)\s]*", read(page)):
            parts = urllib.parse.urlsplit(link)
            assert link.startswith(BINDER)
            (path,) = urllib.parse.parse_qs(parts.query)["labpath"]
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_colab_links_lead_to_the_notebook_itself(notebook):
    first = "".join(json.loads(read(notebook))["cells"][0]["source"])
    assert re.findall(r"https://colab\.[^)\s]*", first) == [f"{COLAB}tutorials/{notebook.name}"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_colab_links_on_pages_lead_to_files(page):
    for link in re.findall(r"https://colab\.[^)\s\"]*", read(page)):
        if not link.endswith(".svg"):
            assert link.startswith(COLAB) and (ROOT / link.removeprefix(COLAB)).exists(), link


# ---- docs/class.md


def reading_minutes():
    """Notebook number -> the minutes of reading that it says."""
    first = {path.stem.split("_")[0]: "".join(map(str, json.loads(read(path))["cells"][:2])) for path in NOTEBOOKS}
    return {name: int(re.search(r"\*\*Time\*\* (\d+) minutes", text)[1]) for name, text in first.items()}


def test_the_weeks_of_a_class_take_what_their_notebooks_say_and_the_guide_plans():
    text, found = read(ROOT / "docs" / "class.md"), reading_minutes()
    weeks = re.findall(r"(?m)^\| (\d+) \| ([\d, or]+) \| (\d+) \|", text)
    assert [int(week) for week, *_ in weeks] == [*range(1, 13), *range(1, 7)]
    for _, notebooks, minutes in weeks:
        each = [found[name] for name in re.findall(r"\d+", notebooks)]
        assert int(minutes) == (max(each) if "or" in notebooks else sum(each)), notebooks
    guide = read(ROOT / "tutorials" / "assignments" / "README.md")
    assert [notebooks for _, notebooks, _ in weeks[:12]] == re.findall(r"(?m)^\| \d+ \| ([\d, or]+) \|", guide)
    parts = re.findall(r"(?m)^## (.*) \(\d+ minutes\)$", read(ORDER))
    rows = [
        line.split("|")[5].strip()
        for line in text.splitlines()
        if re.match(r"\| \d+ \|", line) and line.count("|") == 7
    ]
    assert len(rows) == 12 and {row for row in rows if row} <= set(parts)


# ---- docs/reading-order.md

OUTSIDE = ("course", "lab/commands", "plotting")  # read with the lesson, the command or the figure that needs them
ORDER = ROOT / "docs" / "reading-order.md"
CORE_BUDGET = 2000  # lines of code, without docstrings and blank lines
THROUGH = {"checks", "lab.runner", "lab.run_state"}  # tested through the doors that use them


def modules():
    """The modules that the page must lead through, as it names them."""
    found = (
        path.relative_to(PACKAGE)
        for path in PACKAGE.rglob("*.py")
        if path.name != "__init__.py" and path != PACKAGE / "__main__.py"
    )
    return sorted(path.as_posix() for path in found if not path.as_posix().startswith(OUTSIDE))


def rows():
    """(module, minutes, test) of each line of the page's tables."""
    lines = re.findall(r"(?m)^\| `([\w/]+\.py)` \| (\d+) \| .* \| `(test_\w+\.py)` \|$", read(ORDER))
    return [(module, int(minutes), test) for module, minutes, test in lines]


def test_the_reading_order_names_every_module_once():
    named = [module for module, _, _ in rows()]
    assert sorted(named) == modules()
    tables = re.findall(r"(?m)^\| `", read(ORDER))
    assert len(tables) == len(named)  # a line that is written in another way would not be looked at


def test_each_module_is_read_after_those_it_imports():
    """A reader meets nothing that was not shown before; what a package's __init__ hands on is not counted."""
    from test_layers import imported

    place = {module: k for k, (module, _, _) in enumerate(rows())}
    for module in place:
        name = module.removesuffix(".py").replace("/", ".")
        for target in imported(read(PACKAGE / module), name):
            file = f"{target.replace('.', '/')}.py"
            assert place.get(file, -1) < place[module], f"{module} is read before {file}"


def test_each_test_imports_the_module_it_stands_beside():
    from test_layers import imported

    for module, _, test in rows():
        (path,) = (ROOT / "tests").glob(f"*/{test}")
        name = module.removesuffix(".py").replace("/", ".")
        found = imported(read(path), "tests")
        doors = name in THROUGH or ("." in name and name.rsplit(".", 1)[0] in found)  # by the package's own name
        assert doors or name in found, f"{test} does not import {module}"


def test_the_minutes_add_up_to_what_the_page_says():
    (hours,) = re.findall(r"(?m)^Together: (\d+) minutes", read(ORDER))
    parts = list(map(int, re.findall(r"(?m)^## .*\((\d+) minutes\)$", read(ORDER))))
    assert int(hours) == sum(minutes for _, minutes, _ in rows()) == sum(parts)


def test_the_reading_order_states_no_line_counts():
    assert not re.search(r"\b\d+ lines\b", read(ORDER))


def code_lines(source):
    """Lines that are neither blank nor part of a docstring."""
    words = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            words |= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(bool(line.strip()) and k not in words for k, line in enumerate(source.splitlines(), 1))


def test_the_core_can_be_read_in_an_evening():
    """The modules of the parts before `Data`: the budget is stated here, and nowhere else."""
    core = re.findall(r"(?m)^\| `([\w/]+\.py)`", read(ORDER).split("\n## Data ")[0])
    assert {"paths.py", "solvers/steps.py", "losses/continuous.py", "training.py"} <= set(core)
    assert sum(code_lines(read(PACKAGE / module)) for module in core) <= CORE_BUDGET
    assert code_lines('"""A.\n\nB.\n"""\n\ndef f():\n    """C."""\n    return """\nD"""\n') == 3


def test_make_lab_shows_the_lessons_alone():
    hidden = json.loads(re.search(r"(?m)^HIDDEN = (.*)$", read(ROOT / "Makefile"))[1])
    files = [path for path in (ROOT / "tutorials").iterdir() if not path.name.startswith(".")]
    shown = {path.name for path in files if not any(path.match(glob) for glob in hidden)}
    assert shown == {path.name for path in NOTEBOOKS} | {"solutions", "glossary.md"}
