"""The README's code runs as it stands (with fewer iterations), and what it links to exists."""

import re
from pathlib import Path

import torch

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text("utf-8")


def test_the_ten_lines_draw_samples_in_one_evaluation():
    torch.set_default_dtype(torch.float32)
    blocks = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    assert blocks
    for block in blocks:
        lines = [line for line in block.splitlines() if line.strip()]
        assert len(lines) <= 12, "ten lines and two imports"
        names = {}
        exec(block.replace("4000", "30"), names)  # noqa: S102
        assert names["samples"].shape == (1000, 2) and names["samples"].isfinite().all()


def test_pictures_and_links_exist():
    for target in re.findall(r"\]\(([^)#]+)\)", TEXT):
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target
