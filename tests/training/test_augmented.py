"""Batches for training: every augmentation of a preset does its work, and the seed and the epoch decide."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import N_UNITS, write_toy
from numpy.testing import assert_allclose

from spikebench.events.batches import BinnedSamples, EventBatch
from spikebench.events.dataset import SpikeDataset
from spikebench.presets.preset import AugmentationSettings, read_preset
from spikebench.training.batches import TrainingBatches

STRONG = {
    "blend_probability": 1.0,
    "unit_shift_percent": 40.0,
    "time_shift_ms": 100.0,
    "time_warp_percent": 60.0,
    "delete_probability": 0.5,
    "unit_mask_fraction": 0.9,
    "time_mask_fraction": 0.9,
    "time_jitter_ms": 40.0,
}


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> BinnedSamples:
    data = SpikeDataset(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5"))
    return lasting(data, np.full(len(data), 0.3), 30)


def lasting(data: SpikeDataset, durations: np.ndarray, n_steps: int) -> BinnedSamples:
    """Let recordings last so long [s]; the last spike of each is within 0.24 s."""
    return BinnedSamples(
        SpikeDataset(replace(data.events, durations=durations)), 0.01, n_steps, "counts"
    )


def batch(
    train: BinnedSamples, seed: int = 0, jitter: float = 0.0, **settings: float
) -> EventBatch:
    words = [f"training.unit_jitter_percent={jitter}"]
    words += [f"augmentation.{name}={value}" for name, value in settings.items()]
    chosen = np.arange(0, 60, 4)
    preset = read_preset("lif", None, words)
    return TrainingBatches(train, preset, 1, seed).batch(chosen)


def same(one: EventBatch, other: EventBatch) -> bool:
    return torch.equal(one.dense(), other.dense())


def test_the_table_of_strong_settings_is_whole() -> None:
    assert set(STRONG) == set(AugmentationSettings.model_fields)


@pytest.mark.parametrize("name", [*STRONG, "jitter"])
def test_every_augmentation_changes_the_batch_and_nothing_else(
    name: str, train: BinnedSamples
) -> None:
    plain = batch(train)
    changed = batch(train, **{name: STRONG.get(name, 20.0)})
    assert not same(plain, changed)
    assert torch.equal(plain.labels, changed.labels)
    if name != "time_warp_percent":  # of that see below
        assert torch.equal(plain.lengths, changed.lengths)
    assert (changed.n_steps, changed.n_units) == (30, N_UNITS)
    assert same(changed, batch(train, **{name: STRONG.get(name, 20.0)}))
    assert not same(changed, batch(train, 1, **{name: STRONG.get(name, 20.0)}))


@pytest.mark.parametrize("name", [*STRONG, "jitter"])
def test_the_end_of_the_recording_is_kept_as_in_testing(name: str, train: BinnedSamples) -> None:
    data = train.samples
    durations = np.linspace(0.4, 0.9, len(data))
    long = lasting(data, durations, 200)
    plain, changed = batch(long), batch(long, **{name: STRONG.get(name, 20.0)})
    tested = np.ceil((durations[np.arange(0, 60, 4)] - 1e-9) / 0.01)
    assert plain.lengths.tolist() == tested.tolist()
    if name == "time_warp_percent":
        ends = changed.lengths / plain.lengths
        assert_allclose(ends.max() / ends.min(), 1.6**2, rtol=0.25)
        # Spikes and the end are scaled by one factor.
        for k in range(len(plain)):
            spikes = [int(b.bins[b.offsets[k] : b.offsets[k + 1]].max()) for b in (changed, plain)]
            assert_allclose(ends[k], spikes[0] / spikes[1], rtol=0.1)
    elif name == "blend_probability":
        # The mate is any of its class, and the longer of the two counts.
        assert bool((changed.lengths >= plain.lengths).all())
        assert bool((changed.lengths > plain.lengths).any())
        assert int(changed.lengths.max()) <= 90
    else:
        assert torch.equal(changed.lengths, plain.lengths)


def test_recordings_of_unknown_length_end_with_their_last_spike(train: BinnedSamples) -> None:
    unknown = lasting(train.samples, np.full(len(train), -1.0), 200)
    for name in STRONG:
        changed = batch(unknown, **{name: STRONG[name]})
        last = [
            int(changed.bins[begin:end].max()) + 1 if end > begin else 0
            for begin, end in pairwise(changed.offsets.tolist())
        ]
        assert changed.lengths.tolist() == last


def test_a_blend_is_of_one_class(train: BinnedSamples) -> None:
    """Class "up" fires its units in order; so does every blend of two of them, but for some bins."""
    blended = batch(train, blend_probability=1.0)
    up = blended.dense()[blended.labels == 0].sum(0)
    centres = (up * torch.arange(30.0)[:, None]).sum(0) / up.sum(0)
    assert bool((centres.diff() > 0).all())


def test_deletion_is_as_frequent_as_asked(train: BinnedSamples) -> None:
    plain, thinned = batch(train), batch(train, delete_probability=0.25)
    kept = thinned.bins.numel() / plain.bins.numel()
    n = plain.bins.numel()
    assert abs(kept - 0.75) < 4 * (0.25 * 0.75 / n) ** 0.5


def test_jitter_alone_is_drawn_on_bins_and_with_others_per_sample(train: BinnedSamples) -> None:
    alone = batch(train, jitter=20.0)
    expected = train.batch(np.arange(0, 60, 4), 0.2 * N_UNITS, np.random.default_rng([1, 0]))
    assert same(alone, expected)
    assert not same(
        batch(train, delete_probability=0.1), batch(train, jitter=20.0, delete_probability=0.1)
    )


@pytest.mark.parametrize(
    "setting", ["blend_probability=2", "time_shift_ms=-1", "time_warp_percent=nan", "blur=1"]
)
def test_wrong_settings_are_named(setting: str) -> None:
    from spikebench.errors import TrainingError

    with pytest.raises(TrainingError, match="augmentation." + setting.partition("=")[0]):
        read_preset("lif", None, [f"augmentation.{setting}"])


def test_training_with_augmentation_learns(tmp_path: Path) -> None:
    from spikebench.protocol.opening import open_selection
    from spikebench.training.loop import fit, start_run

    selection = open_selection(str(write_toy(tmp_path / "toy.h5")))
    words = ["input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"]
    words += [
        "training.epochs=10",
        "training.learning_rate=1e-2",
        "augmentation.delete_probability=0.2",
    ]
    words += ["augmentation.time_shift_ms=10", "model.init_fluctuation=1.0"]
    record = start_run(tmp_path / "run", "rlif", read_preset("rlif", None, words), selection, 0)
    accuracy = fit(tmp_path / "run", record, selection).validation_accuracy
    assert accuracy is not None
    assert accuracy > 0.6  # chance is 1/3
