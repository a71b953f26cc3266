"""The stored consistency model of MNIST's digits that `minicm train` makes, judged, and drawn beside data.

    python experiments/mnist_models.py mnist_ect

trains in runs/, where a run that is there already goes on, and writes data/mnist_ect.safetensors in float16, with the
command, the experiment and the measured quality inside, and docs/mnist.png: samples of 1, 2 and 18 evaluations
beside pictures that no model saw.  Prints the table of docs/mnist.md.  Needs data/mnist_classifier.safetensors.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import torch

from minicm.checkpoints import save_weights
from minicm.data import mnist_small
from minicm.evaluation.mnist import evaluate_mnist
from minicm.lab.__main__ import main as minicm
from minicm.lab.commands.drawing import Drawing, loaded
from minicm.lab.run_folder import grid, load_run, save_picture

ROOT = Path(__file__).resolve().parent.parent
FOLDER, PICTURE = ROOT / "data", ROOT / "docs" / "mnist.png"
RUNS = {"diffusion": Path("runs/mnist_diffusion"), "mnist_ect": Path("runs/mnist_ect")}
SAMPLES, SHOWN = 5000, 4  # judged; of each digit in the figure


def trained() -> None:
    """Both runs, the second from the first; exits with the code of a run that stopped before its end."""
    for kind, run in RUNS.items():
        start = [] if kind == "diffusion" else ["--start", str(RUNS["diffusion"])]
        if code := minicm(["train", f"experiments/{run.name}.py", "--out", str(run), *start]):
            raise SystemExit(code)


def judged(drawing: Drawing, steps: int, number: int = SAMPLES) -> dict[str, str]:
    """Quality of samples in so many evaluations, as the metadata of a file hold it; printed as a row, too."""
    labels = drawing.labels(number, [])
    began = time.process_time()
    x = drawing.pictures.to_unit(drawing.draw(number, steps, 0, labels))
    milliseconds = 1e3 * (time.process_time() - began) / number
    found = evaluate_mnist(x, labels)
    numbers = f"{found.right:.3f} | {found.over_floor:.2f} | {found.copies:.4f} | {milliseconds:.1f}"
    print(f"| {steps} | {numbers} |", flush=True)
    return {
        f"over_floor_{steps}": f"{found.over_floor:.2f}",
        f"right_{steps}": f"{found.right:.3f}",
        f"copies_{steps}": f"{found.copies:.3f}",
    }


def store(name: str, folder: Path = FOLDER) -> Path:
    """Write the file of the run's averaged weights; it is read again and judged as it is, in float16."""
    config, model = load_run(RUNS[name])
    file = folder / f"{name}.safetensors"
    command = f"python experiments/mnist_models.py {name}"
    note = {"command": command, "experiment": RUNS[name].name, "fields": json.dumps(asdict(config))}
    save_weights(model.half(), file, note)
    student, teacher = loaded(str(file), "cpu"), loaded(str(RUNS["diffusion"]), "cpu")
    print("| evaluations | read as asked | FD in floors | copies | ms a picture |\n|---:|---:|---:|---:|---:|")
    for drawing, steps in ((student, 1), (student, 2), (teacher, 18)):
        note |= judged(drawing, steps)
    save_weights(model.half(), file, note)
    figure(student, teacher, PICTURE)
    return file


def figure(student: Drawing, teacher: Drawing, target: Path) -> None:
    """Four blocks side by side, a column for each digit: 1 and 2 evaluations, 18 of the diffusion model, and data."""
    labels = torch.arange(10).repeat(SHOWN)
    drawn = [(student, 1), (student, 2), (teacher, 18)]
    blocks = [model.pictures.to_unit(model.draw(len(labels), steps, 1, labels)) for model, steps in drawn]
    h = mnist_small()
    blocks.append(torch.stack([h.test[h.test_labels == k][:SHOWN] for k in range(10)], 1).flatten(0, 1) / 255)
    gap = torch.ones(SHOWN, 1, 1, 28, 28)
    parts = [part for block in blocks for part in (block.unflatten(0, (SHOWN, 10)), gap)][:-1]
    save_picture(grid(torch.cat(parts, 1).flatten(0, 1), 43), target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["mnist_ect"])
    name = parser.parse_args().name
    torch.set_num_threads(1)
    trained()
    file = store(name)
    print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
