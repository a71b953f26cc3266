"""What pytest needs to know about the whole repository: notebooks, and tests that need a GPU."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
# jsonschema would use it to check web addresses, which no notebook schema has; importing it takes seconds.
sys.modules.setdefault("rfc3987_syntax", None)
pytest_plugins = ["nbval.plugin", "tutorials.compare"]
# Sources of assignments have no outputs to compare with: tests/classroom/test_assignments*.py runs them.
collect_ignore_glob = ["tutorials/assignments/*", "*.ipynb_checkpoints*"]


def pytest_configure():
    # A notebook's kernel is a process of its own: without this it would import an installed minicm, not this one.
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    os.environ["MINICM_STRICT"] = "1"  # a claim of a lesson that does not hold is an error, see minicm/course/claims.py


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    # The cells of a notebook share a kernel, so plain -n 2 keeps a file in one process; the files keep their order, so
    # that no long one with few tests is left for the end.
    from xdist.scheduler import LoadScopeScheduling

    if config.getvalue("dist") != "load":
        return None
    config.option.loadscopereorder = False
    return LoadScopeScheduling(config, log)


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="needs CUDA, and there is none here"))
