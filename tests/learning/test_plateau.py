"""The schedule ``plateau``: when it reduces the rate, and that a refit repeats it."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import write_toy

from spikebench.errors import TrainingError
from spikebench.learning.loss_and_optimiser import learning_rate
from spikebench.learning.plateau import plateaus
from spikebench.presets.preset import TrainingSettings, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.checkpoint import Epoch
from spikebench.training.loop import fit, start_run
from spikebench.training.run import read_run
from spikebench.training.run_record import REFIT_HISTORY_FILE, RunRecord

SETTINGS = [
    *("input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"),
    *("training.epochs=9", "training.schedule=plateau", "training.plateau_patience_epochs=0"),
    *("training.plateau_factor=0.5", "training.warmup_epochs=2", "training.learning_rate=20"),
    "model.hidden_units=[8]",
]


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


@pytest.mark.parametrize("patience", [0, 1, 3])
@pytest.mark.parametrize("measure", ["max", "min"])
def test_reductions_are_those_of_pytorch(
    patience: int, measure: str, rng: np.random.Generator
) -> None:
    values = np.round(1 - np.exp(-np.arange(60) / 15) + 0.05 * rng.normal(size=60), 2)
    values[[0, 30]] = math.nan  # a loss that cannot be computed is not better
    values[50:] = np.nanmax(values) * (1 + np.array([5e-5, 2e-4] * 5))
    series = values if measure == "max" else 1.1 - values
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, measure, factor=0.7, patience=patience
    )
    settings = TrainingSettings(schedule="plateau", learning_rate=1.0, epochs=61)
    found = plateaus(series if measure == "max" else -series, patience)
    assert len(found) > 2
    for epoch, value in enumerate(series, 1):
        theirs.step(value)
        n_reductions = sum(1 for k in found if k <= epoch)
        rate = learning_rate(settings, epoch + 1, n_reductions)
        assert rate == pytest.approx(optimiser.param_groups[0]["lr"], rel=1e-9)


def rates_of(lines: list[Epoch]) -> list[float]:
    return [line.learning_rate for line in lines]


@pytest.mark.parametrize("measure", ["accuracy", "loss"])
def test_validation_reduces_the_rate_and_a_refit_repeats_it(
    measure: str, tmp_path: Path, selection: SelectionData
) -> None:
    more = [*SETTINGS, f"training.plateau_measure={measure}", "training.refit_epochs=9"]
    preset = read_preset("lif", None, more)
    lines: list[Epoch] = []

    def report(line: Epoch, _: int) -> None:
        lines.append(line)
        if len(lines) == 5:
            raise KeyboardInterrupt

    record = start_run(tmp_path, "lif", preset, selection, 0, refit=True)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, record, selection, report=report)
    done = fit(tmp_path, read_run(tmp_path), selection, report=report)  # continues
    first, second = lines[:9], lines[9:]
    values = [
        line.validation_accuracy if measure == "accuracy" else -line.validation_loss
        for line in first
    ]
    expected = [2 + epoch for epoch in plateaus(values[2:], 0)]
    assert done.rate_reductions == tuple(expected)
    assert expected[0] < 9
    by_hand = [20 / 3, 40 / 3] + [
        20 * 0.5 ** sum(1 for k in expected if k < epoch) for epoch in range(3, 10)
    ]
    np.testing.assert_allclose(rates_of(first), by_hand, rtol=1e-12)
    assert all(line.is_refit for line in second)
    assert rates_of(second) == rates_of(first)
    with (tmp_path / REFIT_HISTORY_FILE).open() as file:
        assert len(list(csv.DictReader(file))) == 9


@pytest.mark.parametrize("setting", ["factor=0.5", "patience_epochs=3", "measure=loss"])
def test_settings_of_another_schedule_are_refused(setting: str) -> None:
    own = f"training.plateau_{setting}"
    message = rf"^preset lif: training: plateau_{setting.split('=')[0]} has no effect with schedule = \"cosine\"; "
    with pytest.raises(TrainingError, match=message):
        read_preset("lif", overrides=["training.schedule=cosine", own])
    assert read_preset("lif", overrides=["training.schedule=plateau", own])
    defaults = [f"training.plateau_{one}" for one in ("factor=0.7", "patience_epochs=10")]
    assert read_preset("lif", overrides=["training.schedule=cosine", *defaults])


def test_old_files_are_unchanged() -> None:
    assert not {name for name in TrainingSettings().model_dump() if "plateau" in name}
    changed = TrainingSettings(
        schedule="plateau", plateau_factor=0.5, plateau_patience_epochs=3, plateau_measure="loss"
    )
    assert changed == TrainingSettings.model_validate(changed.model_dump())
    field = RunRecord.model_fields["rate_reductions"]
    assert field.exclude_if is not None
    assert field.exclude_if(())
