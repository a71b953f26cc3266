"""experiments/digits_dense_matching.py in closed form: a teacher of one bias, whose samples have a known mean."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from minicm.checkpoints import save_weights
from minicm.experiment import load_experiment
from minicm.rungs import PATH
from minicm.times import log_normal
from minicm.training import fit

ROOT = Path(__file__).parents[1]
UPDATES = 250


@pytest.fixture(autouse=True)
def float32():
    torch.set_default_dtype(torch.float32)


def one_bias(model, bias):
    """The same model with F = bias at every pixel, state and time: D(x, t) = cos(t) x − σ_d sin(t) bias."""
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        model.network.last.bias.fill_(bias)
    return model


def built(tmp_path, bias):
    """The configuration and the experiment at tiny size: a teacher of F = bias, a student that begins at F = 0."""
    experiment = load_experiment(ROOT / "experiments" / "digits_dense_matching.py")
    config = replace(
        experiment.preset("default"), start=str(tmp_path / "start"), teacher=str(tmp_path / "teacher"),
        teacher_width=2, width=2, depth=1, iterations=UPDATES, batch_size=16, lr=0.05, log_mean=-0.5, log_std=0.3,
        device="cpu",
    )  # fmt: skip
    for folder, value in ((config.start, 0.0), (config.teacher, bias)):
        Path(folder).mkdir(exist_ok=True)
        save_weights(one_bias(experiment.new_model(config), value), Path(folder) / "ema10.safetensors")
    return config, experiment.build(config)


def test_samples_move_to_the_teacher_s_mean_and_not_away_from_it(tmp_path, bias=1.0):
    """With D_teacher and D_fake exchanged they run away from it.

    Samples of mean m have v = cos(t) z − sin(t) x0, so the fake score's F tends to −E[sin t] m/σ_d; it is the
    teacher's, and the two scores cancel, at m = −σ_d bias/E[sin t].
    """
    config, training = built(tmp_path, bias)
    law = log_normal(config.log_mean, config.log_std)
    sine = PATH.time_at(law(20_000, torch.Generator().manual_seed(0))).sin().mean().item()
    data = training.data(training.batch_size, seed=0, start=0)
    records = fit(training.model, training.loss, data, training.optimizer, lr=training.lr, clip=training.clip)
    for _ in zip(range(UPDATES), records, strict=False):
        pass
    noise = PATH.prior((2000, 1, 8, 8), torch.Generator().manual_seed(1))
    mean = training.model(noise, torch.full((2000,), PATH.t_max)).mean().item()
    assert mean == pytest.approx(-PATH.sigma_data * bias / sine, abs=0.15)
