"""Neighbouring units as one input: sums of their spikes, in training, testing, prediction and export alike."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import run
from helpers.toy import N_UNITS, write_toy

from spikebench.deployment.export import describe, export_run
from spikebench.deployment.prediction import Listener
from spikebench.events.batches import BinnedSamples, Collate
from spikebench.events.cache import open_events
from spikebench.events.dataset import SpikeDataset
from spikebench.presets.preset import InputSettings, read_preset
from spikebench.protocol.opening import open_selection
from spikebench.training.batches import TrainingBatches
from spikebench.training.inference import load_trained
from spikebench.training.loop import fit, start_run
from spikebench.training.run import read_run

GRID = {"time_step": 0.01, "n_steps": 30}


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def samples(toy: Path) -> SpikeDataset:
    return SpikeDataset(open_events(toy))


@pytest.mark.parametrize("group", [1, 2, 5, 12, 50])
@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_an_input_is_the_sum_of_its_units(samples: SpikeDataset, group: int, mode: str) -> None:
    chosen = np.arange(0, 90, 7)
    whole = BinnedSamples(samples, **GRID, mode="counts").batch(chosen).dense()
    n_inputs = -(-N_UNITS // group)
    padded = torch.nn.functional.pad(whole, (0, n_inputs * group - N_UNITS))
    expected = padded.unflatten(2, (n_inputs, group)).sum(3)
    expected = expected.clamp(max=1) if mode == "binary" else expected
    binned = BinnedSamples(samples, **GRID, mode=mode, group_units=group)  # type: ignore[arg-type]
    assert torch.equal(binned.batch(chosen).dense(), expected)
    assert np.array_equal(binned.rasters()[chosen], expected)
    collate = Collate(N_UNITS, **GRID, mode=mode, group_units=group)  # type: ignore[arg-type]
    assert torch.equal(collate([samples[int(k)] for k in chosen]).dense(), expected)
    np.testing.assert_array_equal(binned.counts()[chosen], expected.sum(1))


def test_units_are_changed_before_they_are_grouped(samples: SpikeDataset) -> None:
    fine, coarse = (
        BinnedSamples(samples, **GRID, mode="counts", group_units=group) for group in (1, 4)
    )
    chosen = np.arange(20)
    for words in (
        ["training.unit_jitter_percent=20"],
        ["augmentation.unit_shift_percent=30", "augmentation.unit_mask_fraction=0.3"],
    ):
        preset = read_preset("lif", None, words)
        one, other = (
            TrainingBatches(binned, preset, 0, 1).batch(chosen).dense() for binned in (fine, coarse)
        )
        assert not torch.equal(one, fine.batch(chosen).dense())
        assert torch.equal(one.unflatten(2, (3, 4)).sum(3), other)


@pytest.mark.parametrize("model", ["lif", "svm", "lstm", "linear_bins"])
def test_a_run_with_grouped_units_predicts_as_it_was_tested(
    toy: Path, samples: SpikeDataset, tmp_path: Path, model: str
) -> None:
    words = [
        "input.group_units=5",
        "input.duration_ms=300",
        "training.epochs=1",
        "input.time_step_ms=10",
    ]
    selection = open_selection(str(toy))
    record = start_run(tmp_path, model, read_preset(model, None, words), selection, 0)
    fit(tmp_path, record, selection)
    trained = load_trained(tmp_path, read_run(tmp_path))
    assert trained.shape.n_units == 3
    listener = Listener(tmp_path)
    some = [samples[k] for k in range(10)]
    batch = Collate(
        N_UNITS, time_step=0.01, n_steps=30, mode=listener.record.preset.input.mode, group_units=5
    )(some)
    with torch.no_grad():
        expected = trained.eval()(batch).scores
    torch.testing.assert_close(torch.from_numpy(listener.answer(some).scores[-1]), expected)


def test_an_entry_and_an_exported_model_have_grouped_units(
    toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("--set", "input.group_units=4", "--set", "input.duration_ms=300", "--set")
    words += ("training.epochs=1", "--quiet", "--metrics", "all", "-o", "out")
    assert run(capsys, "evaluate", "--model", "lif", "--data", toy, *words)[0] == 0
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["training"]["input"]["group_units"] == 4
    assert run(capsys, "submit", "out", "--weights", "--entries", "e")[0] == 0
    (entry,) = (tmp_path / "e").glob("*/*")
    code, _, err = run(capsys, "verify", entry, "--inference", "--data", toy, "--by", "A")
    assert (code, err) == (0, "")
    about = describe(read_run(tmp_path / "out" / "seed0"))
    assert (about["n_units"], about["group_units"]) == (3, 4)
    export_run(tmp_path / "out" / "seed0", "nir", tmp_path / "model.nir")
    assert (tmp_path / "model.nir").is_file()


def test_a_preset_without_groups_is_written_as_before() -> None:
    settings = InputSettings(time_step_ms=10, duration_ms=1000, mode="counts")
    assert set(settings.model_dump()) == {"time_step_ms", "duration_ms", "mode"}
    assert settings.n_inputs(700) == 700
    grouped = settings.model_copy(update={"group_units": 5})
    assert "group_units" in grouped.model_dump()
    assert (grouped.n_inputs(700), grouped.n_inputs(701)) == (140, 141)
