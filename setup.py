"""Puts the stored models, and the experiments that train, into the wheel; all else is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
MODELS = ["digits_classifier", "digits_dense_ect", "digits_unet_ect", "eight_gaussians_scd", "eight_gaussians_teacher"]


class WithModels(build_py):
    """build_py, and minicm/shipped/ with two folders of the repository; an editable install has them already."""

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


setup(cmdclass={"build_py": WithModels})
