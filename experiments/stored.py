"""What the scripts that make the stored models of the plane share: options, training, teacher and file."""

import argparse
from collections.abc import Callable, Collection
from copy import deepcopy
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm

from minicm.checkpoints import load_weights, save_weights
from minicm.data import eight_gaussians, eight_gaussians_mixture
from minicm.evaluation import Quality, Yardstick
from minicm.lab.recipes.plane import PATH, Chain, Run, new_model
from minicm.sampling import consistency_sample

FOLDER = Path(__file__).resolve().parent.parent / "data"
N = 5000  # samples of a measurement, as in the notebooks


def command(
    doc: str, make: Callable[[str, int | None], None], known: Collection[str], usual: Collection[str] = ()
) -> None:
    """Make the models that the command line names: make(name, iterations or None) for each.

    known: the names there are; usual: those made without a name, by default all.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"any of {', '.join(known)} ({' '.join(usual) or 'all'})"
    )
    parser.add_argument("--iterations", type=int, help="updates of each (as many as the stored ones had)")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(known)):
        parser.error(f"expected names among {', '.join(known)}, got {', '.join(unknown)}")
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    for name in options.names or usual or known:
        make(name, options.iterations)


def stored_teacher() -> nn.Module:
    """The diffusion model of the eight Gaussians that all students start from, frozen."""
    teacher = new_model().eval().requires_grad_(False)
    load_weights(teacher, FOLDER / "eight_gaussians_teacher.safetensors")
    return teacher


def trained(name: str, run: Run | Chain, iterations: int) -> nn.Module:
    """The averaged model; of several stages, the last one's."""
    for _ in tqdm(run.records(), total=iterations, desc=name):
        pass
    return run.models[-1] if isinstance(run, Chain) else run.average.model


def one_step(student: nn.Module, noise: torch.Tensor) -> torch.Tensor:
    """Samples with one evaluation of the student, its answer to pure noise."""
    return consistency_sample(student, noise, [PATH.t_max], PATH)


def quality(model: nn.Module, n: int = N) -> Quality:
    """Of n samples of the eight Gaussians with one evaluation each."""
    noise = PATH.prior((n, 2), torch.Generator().manual_seed(0))
    yardstick = Yardstick(eight_gaussians, n=n, mixture=eight_gaussians_mixture())
    return yardstick.measure(one_step(model, noise))


def rounded(model: nn.Module) -> nn.Module:
    """What half precision keeps, in float32."""
    return deepcopy(model).half().float()


def store(name: str, model: nn.Module, script: str, iterations: int, measured: dict[str, str]) -> None:
    """Write the weights with the command that makes them and what they are worth, and print that."""
    argument = name.rsplit("_", 1)[0] if script == "toys" else name
    note = {"command": f"python experiments/{script}.py {argument}", "iterations": str(iterations)} | measured
    save_weights(model, FOLDER / f"{name}.safetensors", metadata=note)
    print(f"{name}: {note}", flush=True)


def store_student(name: str, model: nn.Module, script: str, iterations: int) -> None:
    """Write a student in half precision, after measuring what it is worth when read back."""
    found = quality(rounded(model))
    measured = {"evaluations": "1", "ed_over_floor": f"{found.ed_over_floor:.2f}", "c2st": f"{found.c2st:.3f}"}
    store(name, rounded(model).half(), script, iterations, measured | {"modes": str(found.modes)})
    print(f"before rounding: {quality(model)}")
