"""How fast models of pictures train: images a second, and the share of what this device can do at most.

    python benchmarks/images.py [--nets digits,cifar10] [--eager diffusion,ect,scm] [--compiled diffusion] [--json FILE]

Eager and compiled methods are two lists; compiled is empty but for CUDA, where it is all of them.  A step is the loss,
its gradient and the optimiser.  Its FLOPs are those of matrix products and convolutions; PyTorch's FlopCounterMode
counts op by op; `forwards` gives them in forwards of the network: 3 for diffusion, 4 for ECT, 6 for sCM.  That could be
5: the forward mode of a convolution also multiplies by the tangent of its weights, which is 0.  The limit is a large
product of matrices in the same number format, measured on the spot.  bfloat16 on CUDA, float32 on one thread of a CPU.
"""

import statistics
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import count, json_file, machine, names, print_table, write_json  # noqa: E402
from minicm.lab.command import Parser, report  # noqa: E402
from minicm.lab.hardware import Hardware, accelerated, chosen_device, to_device  # noqa: E402
from minicm.lab.recipes.pictures import PATH, OnCifar10, cifar10_model  # noqa: E402
from minicm.losses import SCMLoss, VelocityLoss, ect, normalised  # noqa: E402
from minicm.nets import cifar10_unet, digits_unet, edm_unet  # noqa: E402
from minicm.precond import Preconditioned, TrigFlowScaling  # noqa: E402
from minicm.shapes import Loss  # noqa: E402
from minicm.times import log_normal  # noqa: E402

LAW = log_normal(-1.0, 1.4)
COLUMNS = ["net", "method", "mode", "batch", "ms", "images_per_s", "gflop_per_image", "forwards", "share_of_limit"]


@dataclass(frozen=True)
class Net:
    """A network, the shape of its pictures, and a batch that suits a CPU and one that suits a GPU."""

    make: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    batches: tuple[int, int]


NETS = {
    "digits": Net(digits_unet, (1, 8, 8), (64, 1024)),
    "sixteen": Net(
        lambda: cifar10_model(OnCifar10(size=16, width=24, blocks=1, classes=0, dropout=0.0)).network,
        (3, 16, 16), (16, 1024),
    ),
    "cifar10": Net(cifar10_unet, (3, 32, 32), (4, 512)),
    "edm": Net(edm_unet, (3, 32, 32), (1, 256)),
}  # fmt: skip


def losses() -> dict[str, Loss]:
    """What can be trained without a teacher; a teacher of sCM costs one forward more."""
    return {
        "diffusion": VelocityLoss(PATH, LAW),
        "ect": ect(PATH, 1000, law=LAW),
        "scm": SCMLoss(PATH, LAW, rescale=normalised(0.1)),
    }


def stepper(net: Net, loss: Loss, batch: int, config: Hardware) -> Callable[[], None]:
    """One whole update."""
    device = chosen_device(config)
    model = to_device(Preconditioned(net.make(), TrigFlowScaling(PATH.sigma_data)), config)
    quick, generator = accelerated(model, config), torch.Generator(device).manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, fused=True)
    x0 = 0.5 * torch.randn((batch, *net.shape), generator=generator, device=device)

    def step() -> None:
        optimizer.zero_grad()
        loss(quick, x0, 500, generator).mean().backward()
        optimizer.step()

    return step


def flops(call: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())


def seconds(call: Callable[[], None], repeats: int, device: torch.device) -> float:
    """The median; process time on a CPU, where others may be at work, and waiting for the device on a GPU."""
    clock, found = (time.process_time if device.type == "cpu" else time.perf_counter), []
    for _ in range(repeats):
        start = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(clock() - start)
    return statistics.median(found)


def limit(device: torch.device) -> float:
    """FLOP/s of a large product of matrices: 2 n³ operations."""
    n, dtype = (8192, torch.bfloat16) if device.type == "cuda" else (1024, torch.float32)
    a, b = torch.randn(2, n, n, device=device, dtype=dtype)
    seconds(lambda: a @ b, 3, device)
    return 2 * n**3 / seconds(lambda: a @ b, 9, device)


@torch.no_grad()
def forward_flops(net: Net, batch: int) -> float:
    x = torch.randn(batch, *net.shape)
    network = net.make()
    return flops(lambda: network(x, torch.rand(batch)))


def measure(name: str, method: str, mode: str, options: Namespace, most: float) -> dict[str, object]:
    net, device = NETS[name], chosen_device(Hardware(device=options.device))
    config = Hardware(device=options.device, compile=mode == "compiled")
    batch = options.batch or net.batches[device.type == "cuda"]
    step = stepper(net, losses()[method], batch, config)
    step()  # the first one compiles, and chooses algorithms
    took = seconds(step, options.repeats, device)
    eager = stepper(net, losses()[method], batch, Hardware(device=options.device, compile=False))
    counted = flops(eager)
    return {
        "net": name,
        "method": method,
        "mode": mode,
        "device": device.type,
        "batch": batch,
        "ms": 1e3 * took,
        "images_per_s": batch / took,
        "gflop_per_image": counted / batch / 1e9,
        "forwards": counted / forward_flops(net, batch),
        "share_of_limit": counted / took / most,
    }


def command(argv: list[str]) -> None:
    parser, of_methods = Parser(description=__doc__.splitlines()[0]), names(losses())
    parser.add_argument("--nets", type=names(NETS), default="digits,sixteen", help=f"of {', '.join(NETS)}")
    parser.add_argument("--eager", type=of_methods, default="diffusion,ect,scm", metavar="METHODS")
    parser.add_argument("--compiled", type=of_methods, metavar="METHODS", help="all on CUDA, none elsewhere")
    parser.add_argument("--batch", type=count, help="what suits the network by default")
    parser.add_argument("--repeats", type=count, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--json", type=json_file, metavar="FILE")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    device = chosen_device(Hardware(device=options.device))
    everywhere = list(losses()) if device.type == "cuda" else []
    modes = {"eager": options.eager, "compiled": everywhere if options.compiled is None else options.compiled}
    print(machine())
    most, rows = limit(device), []
    print(f"limit: {most / 1e12:.3g} TFLOP/s, a product of matrices on {device.type}")
    for net in options.nets:
        for mode, methods in modes.items():
            rows += [measure(net, method, mode, options, most) for method in methods]
    print_table(rows, COLUMNS)
    write_json(options.json, [row | {"limit_flops": most} for row in rows])


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
