"""Puts the stored models, the experiments that train and the checksums of the lessons into the wheel.

All else is in pyproject.toml.
"""

import ast
import hashlib
import json
import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MODELS = ["digits_classifier", "digits_dense_ect", "digits_unet_ect", "eight_gaussians_scd", "eight_gaussians_teacher"]


def lessons() -> dict[str, str]:
    """Path -> sha256 of the files of `minicm lessons`, which names them; importing it would need torch."""
    source = ast.parse((ROOT / "minicm" / "lab" / "commands" / "lessons.py").read_text("utf-8"))
    named = next(n.value for n in source.body if isinstance(n, ast.Assign) and n.targets[0].id == "FILES")
    files = [file for pattern in ast.literal_eval(named) for file in sorted(ROOT.glob(pattern))]
    return {file.relative_to(ROOT).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


class WithModels(build_py):
    """build_py, and minicm/shipped/ with what commands need; an editable install has the repository."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        shipped = Path(self.build_lib) / "minicm" / "shipped"
        shutil.rmtree(shipped, ignore_errors=True)
        trained = [f for f in (ROOT / "experiments").glob("*.py") if "\nclass Config(" in f.read_text("utf-8")]
        for file in [*trained, *(ROOT / "data" / f"{model}.safetensors" for model in MODELS)]:
            target = shipped / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
        (shipped / "lessons.json").write_text(json.dumps(lessons(), indent=1) + "\n", "utf-8")


setup(cmdclass={"build_py": WithModels})
