"""What one training step costs, in diffusion steps: the median over interleaved repeats, in process time.

    python benchmarks/steps.py [--net mlp] [--batch 256,1024] [--repeats 9] [--json FILE]
    python benchmarks/steps.py --net unet --batch 64 --repeats 3 --updates 2
    python benchmarks/steps.py --net unet32 --batch 64 --repeats 3 --updates 1 --only "diffusion;sct;scd"

limit: the ratio of floating-point operations in products of matrices and convolutions, counted by torch, backward
passes included: what would remain if nothing else cost anything.  On paper, with a backward pass of two forward ones
and forward mode of one more than the value: 4/3 for the discrete losses, 5/3 for sCT in two passes (2 as torch does
it: its rule for a linear layer multiplies by the tangents of the weights too, which are 0).
mb: of the tensors that a step makes and that live at one time, counted by memory.py, beside those of diffusion.
`sct, jvp` and `scd, jvp` differentiate by torch.func.jvp, which every network allows; `sct` and `scd` by the network's
own `with_tangent`, which MLP and U-Net have.  --net unet: digits of 8 x 8; unet32: the small network of 32 x 32.
The rivals and successors are those of arena.py; pairs of a teacher are solved before, and cost nothing here.

With --net mlp it also sets an update of diffusion by `fit`, with a moving average and clipping, beside a bare loop of
the same network: float32, no checks, no average, no clipping, no look for NaN, the formula written out.
"""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.arena import METHODS  # noqa: E402
from benchmarks.memory import peak_bytes  # noqa: E402
from benchmarks.report import count, counts, json_file, machine, print_table, write_json  # noqa: E402
from minicm.averages import PowerEMA  # noqa: E402
from minicm.data import digit_images, eight_gaussians  # noqa: E402
from minicm.lab.command import Parser, report  # noqa: E402
from minicm.lab.recipes.pictures import digits_model  # noqa: E402
from minicm.lab.recipes.plane import PATH, Chain, new_model, seeded  # noqa: E402
from minicm.lab.recipes.rivals import direct_run, dmd_run, teacher_pairs  # noqa: E402
from minicm.losses import SCMLoss, VelocityLoss, by_jvp, by_network, cd, ect, ict, normalised  # noqa: E402
from minicm.nets import DoubleNorm, UNet  # noqa: E402
from minicm.precond import Preconditioned  # noqa: E402
from minicm.shapes import Loss, Sampler  # noqa: E402
from minicm.solvers import ddim_step  # noqa: E402
from minicm.times import log_normal  # noqa: E402
from minicm.training import Record, fit  # noqa: E402

LAW = log_normal(-1.0, 1.4)
PAIRED = {"direct": direct_run, "dmd": dmd_run}
CONTENDERS = [
    "direct", "progressive", "vsd", "dmd", "adversarial", "ctm", "shortcut", "meanflow", "eulerian", "lagrangian",
    "tcm", "rcm", "imf", "alpha_flow", "imm",
]  # fmt: skip


@dataclass(frozen=True)
class Net:
    """A network, the data it sees, and what the table calls it."""

    label: str
    make: Callable[[int], Preconditioned]  # seed -> model
    data: Sampler


def digits(n: int, generator: torch.Generator) -> torch.Tensor:
    x, _ = digit_images()
    return x[torch.randint(len(x), (n,), generator=generator)]


def noise_of_32(n: int, generator: torch.Generator) -> torch.Tensor:
    """A step costs the same whatever the pictures show."""
    return 0.5 * torch.randn((n, 3, 32, 32), generator=generator)


def small_model(seed: int) -> Preconditioned:
    """1.35M weights: 32 channels, levels of 1, 2 and 2 times as many, one block each."""
    return seeded(partial(UNet, 3, width=32, multipliers=(1, 2, 2), blocks=1, conditioning=DoubleNorm), seed)


NETS = {
    "mlp": Net("MLP 4 x 128", new_model, eight_gaussians),
    "unet": Net("U-Net of 8 x 8", lambda seed: digits_model(dropout=0.0, seed=seed), digits),
    "unet32": Net("U-Net of 32 x 32", small_model, noise_of_32),
}


Make = Callable[[], tuple[torch.nn.Module, Loss]]  # a model and its loss


def methods(net: str) -> dict[str, Make]:
    """The teacher is a network of the student's size."""
    teacher = NETS[net].make(1).requires_grad_(False)

    def plain(loss: Loss) -> Make:
        return lambda: (NETS[net].make(0), loss)

    def scm(derivative: Callable, teacher: torch.nn.Module | None = None) -> Make:
        return plain(SCMLoss(PATH, LAW, teacher=teacher, rescale=normalised(0.1), derivative=derivative))

    found = {
        "diffusion": plain(VelocityLoss(PATH, LAW)),
        "ect": plain(ect(PATH, 1000)),
        "ict": plain(ict(PATH, 1000)),
        "cd, Euler": plain(cd(PATH, teacher, step=ddim_step(PATH))),
        "cd, Heun": plain(cd(PATH, teacher)),
        "sct, jvp": scm(by_jvp),
        "scd, jvp": scm(by_jvp, teacher),
    }
    if hasattr(teacher.network, "with_tangent"):
        found |= {"sct": scm(by_network), "scd": scm(by_network, teacher)}
    return found | {name: contender(name, NETS[net].data, teacher) for name in CONTENDERS}


def contender(name: str, data: Sampler, teacher: torch.nn.Module) -> Make:
    """A rival or successor as the arena runs it; of a method of several stages, the last."""

    def make() -> tuple[torch.nn.Module, Loss]:
        if name in PAIRED:  # a short table of pairs costs a step as much as a long one
            pairs = teacher_pairs(teacher, event=data(1, torch.Generator()).shape[1:], count=512)
            run = PAIRED[name](data, teacher, pairs, 1000)
        else:
            run = METHODS[name].prepare(data, teacher, 0)(1000)
        run = run.stages[-1](run.start) if isinstance(run, Chain) else run
        return run.model, run.loss

    return make


def stepper(net: str, make: Make, batch: int) -> Callable[[], None]:
    """One whole update: loss, gradient, Adam."""
    (model, loss), generator = make(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    x0 = NETS[net].data(batch, generator)

    def step() -> None:
        optimizer.zero_grad()
        loss(model, x0, 500, generator).mean().backward()
        optimizer.step()

    return step


class Operations(TorchDispatchMode):
    """Counts floating-point operations in products of matrices and convolutions, those of backward passes too.

    torch's own FlopCounterMode follows modules as well, and cannot where a loss differentiates twice.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        count = flop_registry.get(function._overloadpacket)
        self.total += count(*arguments, **(keywords or {}), out_val=result) if count else 0
        return result


def operations(step: Callable[[], None]) -> int:
    """Floating-point operations of one step."""
    with Operations() as counted:
        step()
    return counted.total


def bare_loss(network: torch.nn.Module, x0: torch.Tensor, eps: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The mean of `velocity_loss` on TrigFlow, as one writes it without a package; σ_d = ½."""
    z, cos, sin = 0.5 * eps, t.cos()[:, None], t.sin()[:, None]
    return ((0.5 * network((cos * x0 + sin * z) / 0.5, t) - (cos * z - sin * x0)) ** 2).mean()


def bare_stepper(batch: int) -> Callable[[], None]:
    """An update of diffusion by a loop of a few lines."""
    network, generator = new_model(0).network, torch.Generator().manual_seed(0)
    optimizer, x0 = torch.optim.Adam(network.parameters(), 1e-3, fused=True), eight_gaussians(batch, generator)

    def step() -> None:
        t = ((torch.randn(batch, generator=generator) * 1.4 - 1).exp() / 0.5).atan()
        eps = torch.empty_like(x0).normal_(generator=generator)
        optimizer.zero_grad()
        bare_loss(network, x0, eps, t).backward()
        optimizer.step()

    return step


def fit_stepper(batch: int) -> Callable[[], Record]:
    """The same update by `fit`, with a moving average and clipping."""
    model = new_model(0)
    optimizer, x0 = torch.optim.Adam(model.parameters(), 1e-3, fused=True), eight_gaussians(batch, torch.Generator())
    records = fit(model, VelocityLoss(PATH, LAW), repeat(x0), optimizer, ema=PowerEMA(model), clip=10.0)
    return lambda: next(records)


def loops(batch: int, repeats: int, updates: int) -> list[dict[str, object]]:
    """What the loop of the package costs beside a bare one: median milliseconds and median ratio."""
    steps = {"bare loop": bare_stepper(batch), "fit, average, clipping": fit_stepper(batch)}
    seconds = interleaved(steps, repeats, updates)
    return [
        {
            "loop": name,
            "batch": batch,
            "ms": 1e3 * statistics.median(taken),
            "cost_in_bare_updates": statistics.median(a / b for a, b in zip(taken, seconds["bare loop"], strict=True)),
        }
        for name, taken in seconds.items()
    ]


def interleaved(steps: dict[str, Callable], repeats: int, updates: int) -> dict[str, list[float]]:
    """CPU seconds of an update in each repeat, after one that warms up; a disturbance hits all steps."""
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    for _ in range(repeats):
        for name, step in steps.items():
            start = time.process_time()
            for _ in range(updates):
                step()
            seconds[name].append((time.process_time() - start) / updates)
    return seconds


def measure(net: str, batch: int, repeats: int, updates: int, only: list[str] | None = None) -> list[dict[str, object]]:
    made = methods(net)
    if only is not None and not {"diffusion"} <= set(only) <= made.keys():
        raise ValueError(f"expected --only with diffusion and others of {'; '.join(made)}, got {'; '.join(only)}")
    steps = {name: stepper(net, make, batch) for name, make in made.items() if only is None or name in only}
    flops = {name: operations(step) for name, step in steps.items()}
    memory = {name: peak_bytes(step) for name, step in steps.items()}  # the second step: Adam's moments are there
    seconds = interleaved(steps, repeats, updates)
    unit = seconds["diffusion"]
    return [
        {
            "method": name,
            "net": NETS[net].label,
            "device": "cpu",
            "batch": batch,
            "ms": 1e3 * statistics.median(seconds[name]),
            "cost_in_diffusion_steps": statistics.median(a / b for a, b in zip(seconds[name], unit, strict=True)),
            "limit": flops[name] / flops["diffusion"],
            "mb": memory[name] / 1e6,
            "memory_in_diffusion_steps": memory[name] / memory["diffusion"],
        }
        for name in steps
    ]


def command(argv: list[str]) -> None:
    parser = Parser(description=__doc__.splitlines()[0])
    parser.add_argument("--net", default="mlp", choices=NETS, help="mlp, on points; unet, on digits; unet32 (mlp)")
    parser.add_argument("--batch", type=counts, default="256,1024", help="batch sizes (256,1024)")
    parser.add_argument("--repeats", type=count, default=9)
    parser.add_argument("--updates", type=count, default=40, help="per repeat")
    parser.add_argument("--only", type=lambda text: text.split(";"), help="methods, of which diffusion is one (all)")
    parser.add_argument("--json", type=json_file, metavar="FILE")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    print(machine())
    rows, beside = [], []
    for batch in options.batch:
        beside += loops(batch, options.repeats, options.updates) if options.net == "mlp" else []
        rows += measure(options.net, batch, options.repeats, options.updates, options.only)
    print_table(rows, ["method", "batch", "ms", "cost_in_diffusion_steps", "limit", "mb", "memory_in_diffusion_steps"])
    if beside:
        print_table(beside, ["loop", "batch", "ms", "cost_in_bare_updates"])
    write_json(options.json, rows)


if __name__ == "__main__":
    sys.exit(report(command, sys.argv[1:]))
