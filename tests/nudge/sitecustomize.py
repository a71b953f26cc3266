"""Stands in for another machine: with this folder on PYTHONPATH, every process starts from slightly other numbers.

MINICM_NUDGE=SEED     multiplies every weight that an optimizer is made for, and every weight read from a file of data/,
                      by 1 + 1e-6 n, n normal.  SEED:1e-3 takes another size.
MINICM_THREADS=2      this many threads, whatever a notebook or test asks for.

Other kernels add the same numbers in another order, which moves a weight by some 1e-7 at each update.  A claim or a
printed number that does not survive this is sharper than what was learnt.  The nudge depends on the seed and the shape
alone: what is trained twice, or saved and resumed, is nudged twice in the same way.
"""

import os
from pathlib import Path

DATA = Path(__file__).resolve().parents[2] / "data"


def nudged(tensor, seed, size):
    """The tensor times 1 + size n, n normal, the same for every tensor of that shape."""
    if not tensor.is_floating_point():
        return tensor
    generator = torch.Generator().manual_seed(1000 * seed + tensor.numel() % 1000)
    n = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
    return (tensor.double() * (1 + size * n).to(tensor.device)).to(tensor.dtype)


def nudge_initial(seed, size):
    made = torch.optim.Optimizer.__init__

    def init(self, params, defaults):
        made(self, params, defaults)
        with torch.no_grad():
            for group in self.param_groups:
                for weight in group["params"]:
                    weight.copy_(nudged(weight, seed, size))

    torch.optim.Optimizer.__init__ = init


def nudge_stored(seed, size):
    opened = safetensors.safe_open

    class SafeOpen:
        """safetensors.safe_open, whose tensors of the folder data/ are nudged."""

        def __init__(self, path, **options):
            self.ours = Path(path).resolve().parent == DATA
            self.file = opened(path, **options)

        def __enter__(self):
            self.file.__enter__()
            return self

        def __exit__(self, *error):
            return self.file.__exit__(*error)

        def __getattr__(self, name):
            return getattr(self.file, name)

        def get_tensor(self, name):
            tensor = self.file.get_tensor(name)
            return nudged(tensor, seed, size) if self.ours else tensor

    safetensors.safe_open = SafeOpen


def fix_threads(number):
    torch.set_num_threads(number)
    torch.set_num_threads = lambda asked: None


if os.environ.keys() & {"MINICM_NUDGE", "MINICM_THREADS"}:
    import safetensors
    import torch
if asked := os.environ.get("MINICM_NUDGE"):
    number, _, given = asked.partition(":")
    nudge_initial(int(number), float(given or 1e-6))
    nudge_stored(int(number), float(given or 1e-6))
if threads := os.environ.get("MINICM_THREADS"):
    fix_threads(int(threads))
