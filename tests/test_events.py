"""Batches of events against rasters made sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spikebench.events import BinnedSamples
from spikebench.protocol import Samples
from spikebench.raster import bin_spikes


@pytest.fixture
def samples(rng: np.random.Generator) -> Samples:
    sizes = [30, 0, 1, 12]
    return Samples(
        index=np.arange(4),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        times=rng.uniform(0, 0.6, sum(sizes)),
        units=rng.integers(0, 5, sum(sizes)),
        labels=np.array([0, 1, 0, 1]),
        speakers=np.array([0, 0, 1, 1]),
    )


@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_dense_equals_the_raster(samples: Samples, mode: str) -> None:
    binned = BinnedSamples(samples, 0.05, 10, 5, mode)
    chosen = np.array([3, 1, 0, 0])
    dense = binned.batch(chosen).dense()
    assert dense.shape == (4, 10, 5)
    assert dense.dtype == torch.float32
    for row, k in zip(dense, chosen, strict=True):
        here = slice(samples.offsets[k], samples.offsets[k + 1])
        truth = bin_spikes(samples.times[here], samples.units[here], 0.05, 10, 5, mode)
        assert torch.equal(row, torch.from_numpy(truth).float())


def test_late_events_are_counted(samples: Samples) -> None:
    binned = BinnedSamples(samples, 0.05, 10, 5, "counts")
    assert binned.n_late == np.sum(samples.times + 1e-6 >= 0.5)
    assert binned.n_late + binned.bins.size == samples.times.size


def test_jitter_moves_units_and_drops_what_leaves(samples: Samples) -> None:
    binned = BinnedSamples(samples, 0.05, 20, 5, "counts")
    chosen = np.arange(4)
    jittered = [
        binned.batch(chosen, 2.0, np.random.default_rng(seed)).dense() for seed in (1, 1, 2)
    ]
    assert torch.equal(jittered[0], jittered[1])
    assert not torch.equal(jittered[0], jittered[2])
    still = binned.batch(chosen).dense()
    assert 0 < jittered[0].sum() < still.sum()
    assert torch.all(jittered[0].sum(2) <= still.sum(2))  # times stay
    with pytest.raises(ValueError, match="generator"):
        binned.batch(chosen, 1.0)
