"""The stored consistency models of 8 x 8 digits that `minicm train` makes, judged and made small: a U-Net and an MLP.

    python experiments/digits_unet.py digits_unet_ect
    python experiments/digits_unet.py digits_dense_ect

trains in runs/, where a run that is there already goes on, and writes data/NAME.safetensors in float16, with the
command, the experiment and the measured quality inside.  `minicm sample`, `evaluate` and `edit` take the file as it is.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from minicm.checkpoints import save_weights
from minicm.evaluation import DigitsQuality, evaluate_digits
from minicm.lab.__main__ import main as minicm
from minicm.lab.commands.drawing import Drawing, loaded
from minicm.lab.run_folder import load_run

FOLDER = Path(__file__).resolve().parent.parent / "data"
COMMANDS = {  # what `minicm train` is told, one run after another; the last one's model is stored
    "digits_unet_ect": [["experiments/digits_ect.py", "--iterations", "1600"]],
    "digits_dense_ect": [["experiments/digits_dense_diffusion.py"], ["experiments/digits_dense_ect.py"]],
}
SETS = 5  # of 898 samples


def quality(drawing: Drawing, steps: int, sets: int = SETS) -> DigitsQuality:
    number = sets * 898
    return evaluate_digits(drawing.draw(number, steps, 0, drawing.labels(number, [])))


def store(name: str, run: Path) -> Path:
    """Write the file of the run's averaged weights; it is read again and judged as it is, in float16."""
    config, model = load_run(run)
    file = FOLDER / f"{name}.safetensors"
    note = {
        "command": f"python experiments/digits_unet.py {name}",
        "experiment": Path(COMMANDS[name][-1][0]).stem,
        "fields": json.dumps(asdict(config)),
    }
    save_weights(model.half(), file, note)
    for steps in (1, 2):
        found = quality(loaded(str(file), "cpu"), steps)
        note |= {f"over_floor_{steps}": f"{found.over_floor:.2f}", f"copies_{steps}": f"{found.copies:.3f}"}
        print(f"{steps} evaluations: {found.over_floor:.2f} floors, {found}")
    save_weights(model.half(), file, note)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=COMMANDS)
    parser.add_argument("--run", type=Path, help="a run that is there already, instead of training")
    options = parser.parse_args()
    torch.set_num_threads(1)
    run = options.run
    if run is None:
        for command in COMMANDS[options.name]:
            run = Path("runs") / Path(command[0]).stem
            if code := minicm(["train", *command, "--out", str(run)]):  # stopped: the next call goes on
                raise SystemExit(code)
    file = store(options.name, run)
    print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
