"""Mean spikes of a class against a loop over the spikes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from spikebench.spike_files.averages import class_averages
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter


@pytest.mark.parametrize("group", [1, 3])
def test_against_a_loop(tmp_path: Path, rng: np.random.Generator, group: int) -> None:
    labels = [0, 2, 0, -1, 2, 2]
    trains = []
    with SpikeWriter(tmp_path / "a.h5", 10, ["a", "empty", "c"], {}) as writer:
        for label in labels:
            times = np.sort(rng.random(50)).astype(np.float32)
            trains.append((times, rng.integers(0, 10, 50)))
            writer.append(*trains[-1], label=label)
    expected = np.zeros((3, -(-10 // group), 4))
    for label, (times, units) in zip(labels, trains, strict=True):
        for time, unit in zip(times, units, strict=True):
            if label >= 0 and time < 0.5:
                expected[label, unit // group, int(time / 0.125)] += 1 / labels.count(label)
    found = class_averages(SpikeFile(tmp_path / "a.h5"), 4, 0.5, group)
    assert np.isnan(found[1]).all()
    assert_allclose(found[[0, 2]], expected[[0, 2]], rtol=1e-12)


def test_by_hand(tmp_path: Path) -> None:
    with SpikeWriter(tmp_path / "a.h5", 2, ["a"], {}) as writer:
        writer.append([0.0, 0.1, 0.9, 1.0], [0, 1, 1, 1], label=0)
        writer.append([], [], label=0)
    found = class_averages(SpikeFile(tmp_path / "a.h5"), 2, 1.0)
    assert found.tolist() == [[[0.5, 0.0], [0.5, 0.5]]]
