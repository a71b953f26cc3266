"""What a CPU reaches on CIFAR-10 averaged to 16 x 16 pixels: a diffusion model, and ECT from it, trained and judged.

    python experiments/cifar10_sixteen.py cifar10_sixteen

trains both with --preset sixteen in runs/, where a run that is there already goes on, and writes
data/cifar10_sixteen.safetensors, the consistency model in float16 with its command, experiment and quality inside, and
data/cifar10_sixteen.json, the losses of both runs and the table of `minicm evaluate`.  Needs
data/cifar10_classifier.safetensors.  `minicm sample`, `evaluate` and `edit` take the stored model as it is.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.report import machine  # noqa: E402
from minicm.checkpoints import save_weights  # noqa: E402
from minicm.lab.__main__ import main as minicm  # noqa: E402
from minicm.lab.commands.writing import written  # noqa: E402
from minicm.lab.run_folder import load_run  # noqa: E402

FOLDER = Path(__file__).resolve().parent.parent / "data"
NAME = "cifar10_sixteen"
RUNS = {"diffusion": Path("runs/cifar10_diffusion_sixteen"), "ect": Path("runs/cifar10_ect_sixteen")}
SAMPLES = 2500  # of each row: the diffusion model draws each picture in 18 evaluations
STUDENT = "cifar10_ect"


def trained() -> None:
    """Both runs, the second from the first; exits with the code of a run that stopped before its end."""
    for kind, run in RUNS.items():
        if code := minicm(["train", f"experiments/cifar10_{kind}.py", "--preset", "sixteen", "--out", str(run)]):
            raise SystemExit(code)


def curve(run: Path) -> list[dict[str, float]]:
    """Iteration, loss and pictures of each line of a run's log."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text("utf-8").splitlines()]
    return [{key: line[key] for key in ("iteration", "loss", "images")} for line in lines]


def judged(source: Path) -> list[dict]:
    """The rows of `minicm evaluate`, each with the samples' number, FD-clf and its floor."""
    file = FOLDER / f"{NAME}.json.part"
    try:
        if code := minicm(["evaluate", str(source), "--number", str(SAMPLES), "--json", str(file)]):
            raise SystemExit(code)
        return json.loads(file.read_text("utf-8"))["rows"]
    finally:
        file.unlink(missing_ok=True)


def store() -> None:
    """Write both files from the runs; the student is judged as it is stored."""
    config, model = load_run(RUNS["ect"])
    weights = FOLDER / f"{NAME}.safetensors"
    note = {
        "command": f"python experiments/{NAME}.py {NAME}",
        "experiment": STUDENT,
        "fields": json.dumps(asdict(config)),
    }
    save_weights(model.half(), weights, note)
    rows = [{"model": "diffusion", **row} for row in judged(RUNS["diffusion"])]
    rows += [{"model": "ect", **row} for row in judged(weights)]
    note |= {f"fd_clf_{row['samples'].split()[0]}": f"{row['fd_clf']:.3f}" for row in rows if row["model"] == "ect"}
    save_weights(model.half(), weights, note)
    curves = {kind: curve(run) for kind, run in RUNS.items()}
    content = {"command": note["command"], "machine": machine(), "curves": curves, "rows": rows}
    written(json.dumps(content, indent=1) + "\n", FOLDER / f"{NAME}.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=[NAME])
    parser.parse_args()
    torch.set_num_threads(1)
    trained()
    store()
    for file in (f"{NAME}.safetensors", f"{NAME}.json"):
        print(f"{file}: {(FOLDER / file).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
