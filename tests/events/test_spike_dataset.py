"""A data set is a list of samples: slices of the file, whatever view, subset or process asks for them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import N_CLASSES, N_UNITS, write_toy

from spikebench.events.batches import Collate, EventBatch
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import SpikeDataset
from spikebench.spike_files.reader import SpikeFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_toy(tmp_path / "toy.h5")


def test_samples_are_those_of_the_file(path: Path) -> None:
    samples = SpikeDataset(path)
    with SpikeFile(path) as file:
        assert len(samples) == file.n_samples
        for i in (0, 5, len(samples) - 1):
            times, units = file.events(i)
            assert np.array_equal(samples[i].times, times)
            assert np.array_equal(samples[i].units, units)
            assert samples[i].label == file.labels[i]
            assert samples[i].speaker == file.speakers[i]
            assert samples[i].duration == 0.0  # the toy's recordings have none
        assert np.array_equal(samples.spike_counts, file.spike_counts)
        assert (samples.n_units, samples.keys) == (N_UNITS, file.keys)


def test_the_shipped_set_opens_by_its_name() -> None:
    samples = SpikeDataset("digits")
    assert (len(samples), samples.n_units, len(samples.keys)) == (840, 70, 20)
    assert 0 < samples[0].duration < 2


def test_negative_positions_and_the_end(path: Path) -> None:
    samples = SpikeDataset(path)
    assert np.array_equal(samples[-1].times, samples[len(samples) - 1].times)
    with pytest.raises(IndexError, match="out of bounds"):
        samples[len(samples)]
    assert len(list(samples)) == len(samples)  # iteration ends


def test_subsets_keep_positions_in_the_file_and_copy_nothing(path: Path) -> None:
    samples = SpikeDataset(path)
    some = samples.subset([5, 2, 7]).subset([2, 0])
    assert some.index.tolist() == [7, 5]
    assert some.events is samples.events
    assert np.array_equal(some[0].times, samples[7].times)
    assert some.labels.tolist() == [samples[7].label, samples[5].label]
    with pytest.raises(IndexError, match="lies outside"):
        samples.subset([len(samples)])
    with pytest.raises(IndexError, match="lies outside"):
        SpikeDataset(samples.events, [len(samples)])


def test_masks_choose_and_other_lists_are_refused(path: Path) -> None:
    samples = SpikeDataset(path)
    mask = samples.labels == 1
    assert set(samples.subset(mask).labels.tolist()) == {1}
    assert samples.subset(mask).index.tolist() == np.flatnonzero(mask).tolist()
    for wrong, message in (
        (mask[:-1], "does not match"),
        ([0.0, 1.0], "list of integers or bools"),
        ([[0, 1]], "list of integers or bools"),
        (["a"], "list of integers or bools"),
        (np.array([2**64 - 1], np.uint64), "lies outside"),
    ):
        with pytest.raises(IndexError, match=message):
            samples.subset(wrong)


def test_it_travels_light(path: Path) -> None:
    samples = SpikeDataset(path).subset([3, 1])
    again = pickle.loads(pickle.dumps(samples))
    assert again.index.tolist() == [3, 1]
    assert np.array_equal(again[0].units, samples[0].units)


def test_the_structured_view_is_in_microseconds_even_of_float16() -> None:
    times = np.array([0.0, 0.5, 1.25], dtype=np.float16)
    events = FlatEvents.from_samples([(times, np.array([0, 3, 9]))], 10)
    array = SpikeDataset(events).structured(0)
    assert array.dtype.names == ("t", "x", "p")
    assert array["t"].tolist() == [0, 500_000, 1_250_000]
    assert array["x"].tolist() == [0, 3, 9]
    assert array["p"].tolist() == [1, 1, 1]


def test_tables_say_what_the_arrays_say(path: Path) -> None:
    samples = SpikeDataset(path).subset([4, 0])
    table = samples.table(0)
    assert list(table.columns) == ["time_s", "unit"]
    assert table["unit"].tolist() == samples[0].units.tolist()
    overview = samples.samples_table()
    assert overview["index"].tolist() == [4, 0]
    assert overview["class"].tolist() == [samples.keys[samples[k].label] for k in range(2)]
    assert overview["spikes"].tolist() == [48, 48]


def test_an_unknown_class_has_no_name() -> None:
    events = FlatEvents.from_samples([(np.array([0.1]), np.array([0]))], 2, keys=("a", "b"))
    assert SpikeDataset(events).samples_table()["class"].tolist() == [""]


@pytest.mark.parametrize("workers", [0, 1])  # two share the work in the next test
def test_a_loader_of_torch_takes_it_with_any_workers(path: Path, workers: int) -> None:
    samples = SpikeDataset(path)
    loader = torch.utils.data.DataLoader(
        samples,
        batch_size=20,
        num_workers=workers,
        collate_fn=Collate(samples.n_units, time_step=0.01, n_steps=25),
        multiprocessing_context="spawn" if workers else None,
    )
    batches: list[EventBatch] = list(loader)
    assert [len(batch) for batch in batches] == [20] * 4 + [16]
    labels = torch.cat([batch.labels for batch in batches])
    assert labels.tolist() == samples.labels.tolist()
    assert sum(int(batch.offsets[-1]) for batch in batches) == samples.spike_counts.sum()
    assert set(labels.tolist()) == set(range(N_CLASSES))


def test_the_handle_survives_a_fork(path: Path) -> None:
    samples = SpikeDataset(path)
    _ = samples[0]  # opened here, then used in forked workers
    loader = torch.utils.data.DataLoader(
        samples,
        batch_size=32,
        num_workers=2,
        collate_fn=Collate(samples.n_units, time_step=0.01, n_steps=25),
        multiprocessing_context="fork",
    )
    dense = torch.cat([batch.dense() for batch in loader])
    here = Collate(samples.n_units, time_step=0.01, n_steps=25)(list(samples)).dense()
    assert torch.equal(dense, here)
