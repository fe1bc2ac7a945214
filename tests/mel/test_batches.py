"""Batches of mel features in place of spikes: padding, windows, statistics, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from spikebench.bands.mel import MelDesign
from spikebench.events.augmented import Changes
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.events.moments import up_to
from spikebench.mel.augmented import AugmentedMel, change_levels
from spikebench.mel.batches import MelSamples
from spikebench.mel.cache import MelFrames
from spikebench.metrics.operations import Account

DESIGN = MelDesign(
    sample_rate=8000, hop=80, window=200, n_bands=3, lowest=50, highest=4000, floor=-60.0
)
SIZES = (2, 5, 7, 4)  # frames of each recording


def made(n_steps: int = 5, rows: list[int] | None = None) -> MelSamples:
    """Sample k has the level 10·k + frame in band 0, and more by 100 in each band above."""
    labels = np.array([0, 1, 2, 0])
    empty = [(np.zeros(0), np.zeros(0, np.int64))] * 4
    events = FlatEvents.from_samples(empty, 8, labels)
    levels = np.concatenate([10 * k + np.arange(size) for k, size in enumerate(SIZES)])
    bands = levels[:, None] + 100 * np.arange(3)
    frames = MelFrames(np.cumsum([0, *SIZES]), bands.astype(np.float32), DESIGN)
    return MelSamples(SpikeDataset(events, rows), frames, 0.01, n_steps)


def test_recordings_are_cut_or_followed_by_silence() -> None:
    samples = made()
    batch = samples.batch(np.array([2, 0]))
    assert (samples.n_late, samples.n_events, samples.n_units) == (2, 0, 3)
    assert batch.lengths.tolist() == [5, 2]
    assert batch.labels.tolist() == [2, 0]
    assert repr(batch) == "MelBatch(2 samples, 5 bins of 10 ms, 3 mel bands, cpu)"
    dense = batch.dense()
    assert dense[0, :, 0].tolist() == [20, 21, 22, 23, 24]
    assert dense[1, :, 1].tolist() == [100, 101, -60, -60, -60]
    assert made(5, rows=[3, 1]).batch(np.array([0])).dense()[0, :4, 0].tolist() == [30, 31, 32, 33]


def test_parts_windows_and_moments_are_those_of_the_levels() -> None:
    batch = made().batch(np.arange(4))
    assert torch.equal(batch.part(1, 3).dense(), batch.dense()[1:3])
    window = batch.window(1, 3)
    assert torch.equal(window.dense(), batch.dense()[:, 1:3])
    assert window.lengths.tolist() == [1, 2, 2, 2]
    early = up_to(batch, 3).dense()
    assert torch.equal(early[:, :3], batch.dense()[:, :3])
    assert (early[:, 3:] == -60).all()
    assert batch.to("cpu").dense().shape == (4, 5, 3)


def test_statistics_are_those_of_the_frames_of_the_chosen_samples() -> None:
    mean, deviation = made(5, rows=[0, 2]).statistics()
    kept = np.array([0, 1, 20, 21, 22, 23, 24])
    assert_allclose(mean, kept.mean() + 100 * np.arange(3), rtol=1e-12)
    assert_allclose(deviation, kept.std() * np.ones(3), rtol=1e-9)


def test_what_concerns_spikes_is_refused() -> None:
    samples = made()
    batch = samples.batch(np.arange(2))
    calls = (
        samples.counts,
        batch.sparse,
        lambda: batch.dense(time_step=0.02),
        lambda: batch.structured(0),
        lambda: samples.batch(np.arange(2), 1.0),
    )
    for call in calls:
        with pytest.raises(ValueError, match="mel features are levels, not spikes"):
            call()
    assert Account.of(batch).input_nonzero is None


def test_changes_by_hand() -> None:
    levels = np.arange(20, dtype=np.float32).reshape(5, 4)
    none = change_levels(levels, Changes(), 0.01, -60.0, np.random.default_rng(0))
    assert np.array_equal(none, levels)
    found = {"shift": set(), "later": set(), "band": set(), "span": set()}
    for seed in range(60):

        def changed(seed: int = seed, **strength: float) -> np.ndarray:
            generator = np.random.default_rng(seed)
            return change_levels(levels, Changes(**strength), 0.01, -60.0, generator)  # type: ignore[arg-type]

        shifted = changed(max_unit_shift=1)
        shift = next(
            s
            for s in (-1, 0, 1)
            if np.array_equal(
                shifted[:, max(s, 0) : 4 + min(s, 0)], levels[:, max(-s, 0) : 4 - max(s, 0)]
            )
        )
        assert (shifted == -60).sum() == 5 * abs(shift)
        later = changed(max_time_shift=0.02)
        found["shift"].add(shift)
        found["later"].add(int((later == -60).sum()) // 4)
        band, span = changed(max_unit_mask=2) == -60, changed(max_time_mask=0.02) == -60
        assert np.array_equal(band, band.all(0)[None].repeat(5, 0))
        assert np.array_equal(span, span.all(1)[:, None].repeat(4, 1))
        found["band"].add(int(band.all(0).sum()))
        found["span"].add(int(span.all(1).sum()))
    assert found == {"shift": {-1, 0, 1}, "later": {0, 1, 2}, "band": {0, 1, 2}, "span": {0, 1, 2}}


def test_changes_depend_on_seed_and_position_only() -> None:
    augmented = AugmentedMel(made(), Changes(max_unit_shift=1, max_time_shift=0.02))
    whole = augmented.batch(np.arange(4), (3, 1)).dense()
    alone = augmented.batch(np.array([2]), (3, 1)).dense()
    assert torch.equal(whole[2], alone[0])
    others = [augmented.batch(np.arange(4), (3, epoch)).dense() for epoch in range(2, 9)]
    assert any(not torch.equal(whole, other) for other in others)


def test_samples_travel_with_their_recordings(tmp_path: Path) -> None:
    samples = made(rows=[1, 2]).samples
    assert samples.subset([0]).recordings is samples.recordings
