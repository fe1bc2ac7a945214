"""Transforms as input: frames as our rasters give the same results; what they are stands in the entry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import ROOT
from helpers.peers import needs_peer, run_peer
from helpers.toy import N_UNITS, write_toy
from numpy.typing import NDArray
from torch import nn

from cli.main import main
from leaderboard.claims.entry import read_entry
from spikebench import Benchmark
from spikebench.errors import ProtocolError, TrainingError

STEPS, STEP_US = 30, 10_000


class Frames:
    """Frames of 10 ms, as tonic's ToFrame makes them; ``fewer`` removes the spikes of some units."""

    def __init__(self, units: int = N_UNITS, fewer: int = 0) -> None:
        self.units, self.fewer = units, fewer

    def __repr__(self) -> str:
        return f"Frames(fewer={self.fewer})"

    def __call__(self, events: NDArray[np.void]) -> NDArray[np.int16]:
        assert events.dtype.names == ("t", "x", "p")
        kept = events[events["x"] >= self.fewer]
        bins = kept["t"] // STEP_US
        frames = np.zeros((int(bins.max(initial=0)) + 1, 1, self.units), np.int16)
        np.add.at(frames, (bins, 0, kept["x"]), 1)
        return frames


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture
def benchmark(data: Path) -> Benchmark:
    return Benchmark(data, batch_size=16, duration=0.3)


def network(benchmark: Benchmark) -> nn.Module:
    torch.manual_seed(0)
    flat = nn.Flatten()
    return nn.Sequential(flat, nn.Linear(benchmark.n_units * STEPS, benchmark.n_classes))


def test_frames_like_ours_give_our_batches_and_our_result(benchmark: Benchmark) -> None:
    tonic = benchmark.as_tonic(Frames())
    assert (tonic.n_units, tonic.n_steps, tonic.sensor_size) == (N_UNITS, STEPS, (N_UNITS, 1, 1))
    for (ours, labels), (theirs, others) in zip(benchmark.train, tonic.train, strict=True):
        torch.testing.assert_close(theirs, ours)
        assert torch.equal(labels, others)
    model = network(benchmark)
    assert tonic.validate(model) == benchmark.validate(model)
    ours_result = benchmark.evaluate(model, "operations,latency")
    result = tonic.evaluate(model, "operations,latency")
    one, other = ours_result.result.seeds[0], result.result.seeds[0]
    assert other.confusion == one.confusion
    assert other.metrics == one.metrics
    assert other.test_opened == 1  # the same weights again: counted together
    with pytest.raises(ProtocolError, match="cannot be read here"):
        _ = tonic.test


def test_the_transform_is_applied_in_the_test_and_stands_in_the_entry(
    benchmark: Benchmark, tmp_path: Path
) -> None:
    tonic = benchmark.as_tonic(Frames(fewer=N_UNITS), train_transform=Frames(fewer=2))
    raster, _ = next(iter(tonic.train))
    assert raster[..., :2].sum() == 0
    assert raster.sum() > 0
    model = network(benchmark)
    result = tonic.evaluate(model, name="blind")
    predicted = {k for row in result.result.seeds[0].confusion for k, n in enumerate(row) if n}
    assert len(predicted) == 1  # no spike is left in the test
    assert "_".join(tonic.validation_set.classes) == "_".join(benchmark.classes)
    result.save(tmp_path / "result")
    entries = tmp_path / "entries"
    with pytest.raises(SystemExit) as ended:
        main(["submit", str(tmp_path / "result"), "--entries", str(entries)])
    assert ended.value.code == 0
    (folder,) = (path.parent for path in entries.rglob("entry.json"))
    declared = read_entry(folder).entry.declared
    assert declared.input == "other"
    assert declared.augmentation == (
        f"input through Frames(fewer={N_UNITS}), in training Frames(fewer=2)"
    )


def test_the_splits_as_data_sets_of_tonic(benchmark: Benchmark) -> None:
    tonic = benchmark.as_tonic(Frames())
    frames, label = tonic.train_set[0]
    sample = benchmark.selection.train[0]
    assert len(tonic.train_set) == len(benchmark.selection.train)
    assert frames.sum() == sample.times.size
    assert label == sample.label
    tonic.train_set.transform, tonic.train_set.target_transform = None, lambda one: -one
    events, label = tonic.train_set[0]
    assert np.array_equal(events["t"], np.rint(sample.times.astype(float) * 1e6).astype(int))
    assert label == -sample.label


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (lambda events: events, r"returned \[.*\(\d+,\); numbers of shape \(time, unit\)"),
        (lambda events: np.zeros((3, 2, 5)), r"returned float64 \(3, 2, 5\)"),
        (lambda events: np.full((3, 5), np.nan), r"returned float64 \(3, 5\)"),
        (lambda events: 3.0, r"returned float64 \(\)"),
    ],
)
def test_what_are_not_frames_is_refused(
    benchmark: Benchmark, transform: Callable[[Any], Any], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        benchmark.as_tonic(transform)


def test_augmentation_is_left_to_the_transforms(data: Path) -> None:
    both = Benchmark(data, augmentation={"unit_jitter_percent": 3.0})
    with pytest.raises(TrainingError, match="exclude each other: give random changes as train_t"):
        both.as_tonic(Frames())


def test_the_frames_of_tonic_are_our_rasters(data: Path) -> None:
    needs_peer("tonic")
    said = run_peer(ROOT / "tests" / "helpers" / "peer_tonic.py", str(data))
    assert said == "4 of 4 batches are equal\n"
