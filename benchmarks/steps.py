"""What one training step costs, in diffusion steps: the median over interleaved repeats, in process time.

    python benchmarks/steps.py [--net mlp] [--batch 256,1024] [--repeats 9] [--json FILE]
    python benchmarks/steps.py --net unet --batch 64 --repeats 3 --updates 2

limit: the ratio if nothing but forward and backward passes cost anything, a backward pass two forward ones, and
forward mode two.  `sct, jvp` differentiates by torch.func.jvp, which every network allows; `sct` and `scd` by the
network's own `with_tangent`, which the U-Net of --net unet, on digits of 8 x 8, does not have.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import machine, print_table, write_json  # noqa: E402
from minicm.data import digit_images, eight_gaussians  # noqa: E402
from minicm.losses import SCMLoss, VelocityLoss, by_jvp, by_network, cd, ect, ict, normalised  # noqa: E402
from minicm.precond import Preconditioned  # noqa: E402
from minicm.recipes import PATH, new_model  # noqa: E402
from minicm.rungs import digits_model  # noqa: E402
from minicm.shapes import Loss, Sampler  # noqa: E402
from minicm.times import log_normal  # noqa: E402

LAW = log_normal(-1.0, 1.4)


@dataclass(frozen=True)
class Net:
    """A network, the data it sees, and what the table calls it."""

    label: str
    make: Callable[[int], Preconditioned]  # seed -> model
    data: Sampler


def digits(n: int, generator: torch.Generator) -> torch.Tensor:
    x, _ = digit_images()
    return x[torch.randint(len(x), (n,), generator=generator)]


NETS = {
    "mlp": Net("MLP 4 x 128", new_model, eight_gaussians),
    "unet": Net("U-Net of 8 x 8", lambda seed: digits_model(dropout=0.0, seed=seed), digits),
}


def methods(net: str) -> dict[str, tuple[Loss, float]]:
    """name -> (loss, limit in diffusion steps); the teacher is a network of the student's size."""
    teacher = NETS[net].make(1).requires_grad_(False)

    def scm(derivative: Callable, teacher: torch.nn.Module | None = None) -> Loss:
        return SCMLoss(PATH, LAW, teacher=teacher, rescale=normalised(0.1), derivative=derivative)

    found = {
        "diffusion": (VelocityLoss(PATH, LAW), 1.0),
        "ect": (ect(PATH, 1000), 4 / 3),
        "ict": (ict(PATH, 1000), 4 / 3),
        "cd, Heun": (cd(PATH, teacher), 2.0),
        "sct": (scm(by_network), 4 / 3),
        "sct, jvp": (scm(by_jvp), 5 / 3),
        "scd": (scm(by_network, teacher), 5 / 3),
        "scd, jvp": (scm(by_jvp, teacher), 2.0),
    }
    own = hasattr(teacher.network, "with_tangent")
    return {name: row for name, row in found.items() if own or name not in ("sct", "scd")}


def stepper(net: str, loss: Loss, batch: int) -> Callable[[], None]:
    """One whole update: loss, gradient, Adam."""
    model, generator = NETS[net].make(0), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    x0 = NETS[net].data(batch, generator)

    def step() -> None:
        optimizer.zero_grad()
        loss(model, x0, 500, generator).mean().backward()
        optimizer.step()

    return step


def measure(net: str, batch: int, repeats: int, updates: int) -> list[dict[str, object]]:
    steps = {name: stepper(net, loss, batch) for name, (loss, _) in methods(net).items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(repeats + 1):
        for name, step in steps.items():  # interleaved: a disturbance hits all methods
            start = time.process_time()
            for _ in range(updates):
                step()
            if repeat > 0:
                seconds[name].append((time.process_time() - start) / updates)
    unit = seconds["diffusion"]
    return [
        {
            "method": name,
            "net": NETS[net].label,
            "device": "cpu",
            "batch": batch,
            "ms": 1e3 * statistics.median(seconds[name]),
            "cost_in_diffusion_steps": statistics.median(a / b for a, b in zip(seconds[name], unit, strict=True)),
            "limit": limit,
        }
        for name, (_, limit) in methods(net).items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="mlp", choices=NETS, help="mlp, on points; unet, on digits (mlp)")
    parser.add_argument("--batch", default="256,1024", help="batch sizes (256,1024)")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--updates", type=int, default=40, help="per repeat")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(machine())
    rows = []
    for batch in map(int, options.batch.split(",")):
        rows += measure(options.net, batch, options.repeats, options.updates)
    print_table(rows, ["method", "batch", "ms", "cost_in_diffusion_steps", "limit"])
    write_json(options.json, rows)


if __name__ == "__main__":
    main()
