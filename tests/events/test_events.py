"""Batches of events against rasters made sample by sample."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikebench.events.batches import BinnedSamples, Collate, DenseBuffer, EventBatch
from spikebench.events.cache import FlatEvents
from spikebench.events.dataset import Sample, SpikeDataset
from spikebench.events.raster import bin_spikes

SIZES = [30, 0, 1, 12]


@pytest.fixture
def samples(rng: np.random.Generator) -> SpikeDataset:
    events = [(np.sort(rng.uniform(0, 0.6, n)), rng.integers(0, 5, n)) for n in SIZES]
    return SpikeDataset(
        FlatEvents.from_samples(events, 5, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))
    )


def sample(times: list[float], units: list[int], duration: float = -1.0) -> Sample:
    return Sample(np.array(times), np.array(units, dtype=np.uint16), 0, -1, duration)


@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_dense_and_sparse_equal_the_raster(samples: SpikeDataset, mode: str) -> None:
    batch = BinnedSamples(samples, 0.05, 10, mode).batch(np.array([3, 1, 0, 0]))
    dense = batch.dense()
    assert dense.shape == (4, 10, 5)
    assert dense.dtype == torch.float32
    for row, k in zip(dense, [3, 1, 0, 0], strict=True):
        truth = bin_spikes(samples[k].times, samples[k].units, 0.05, 10, 5, mode)
        assert torch.equal(row, torch.from_numpy(truth).float())
    sparse = batch.sparse()
    assert sparse.is_sparse
    assert torch.equal(sparse.to_dense(), dense)
    assert sparse.values().numel() == int((dense > 0).sum())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_units": 1}, r"a unit lies outside 0 … 0"),
        ({"n_steps": 2}, r"a bin lies outside 0 … 1"),
        ({"bins": torch.full((43,), -1, dtype=torch.int32)}, "a bin lies outside"),
        ({"units": torch.zeros(1, dtype=torch.int32)}, "offsets do not fit"),
        ({"offsets": torch.tensor([0, 50, 31, 31, 43])}, "offsets do not fit"),
        ({"offsets": torch.tensor([0, 43])}, "offsets do not fit"),
    ],
)
def test_a_batch_put_together_wrongly_is_refused(
    samples: SpikeDataset, changes: dict, message: str
) -> None:
    batch = replace(BinnedSamples(samples, 0.05, 20, "counts").batch(np.arange(4)), **changes)
    for make in (batch.dense, batch.sparse, lambda: DenseBuffer().fill(batch)):
        with pytest.raises(ValueError, match=message):
            make()


@pytest.mark.parametrize("mode", ["counts", "binary"])
def test_the_compiled_loop_agrees_with_its_slow_twin(samples: SpikeDataset, mode: str) -> None:
    batch = BinnedSamples(samples, 0.05, 10, mode).batch(np.array([3, 1, 0, 0]))
    slow = torch.zeros(4 * 10 * 5)
    if mode == "binary":
        slow[batch._cells()] = 1.0
    else:
        slow.index_add_(0, batch._cells(), torch.ones(batch.bins.numel()))
    assert torch.equal(batch.dense(), slow.view(4, 10, 5))


def test_a_buffer_gives_the_same_rasters_one_after_the_other(samples: SpikeDataset) -> None:
    buffer = DenseBuffer()
    memory = set()
    for mode, n_steps, chosen in (
        ("counts", 12, [0, 1, 2, 3]),
        ("binary", 12, [3, 0]),
        ("counts", 5, [0, 0, 0]),
        ("counts", 12, [2]),
        ("counts", 12, [1]),
    ):
        batch = BinnedSamples(samples, 0.05, n_steps, mode).batch(np.array(chosen))
        raster = buffer.fill(batch)
        assert torch.equal(raster, batch.dense())
        memory.add(raster.data_ptr())
    assert len(memory) == 1
    bigger = BinnedSamples(samples, 0.01, 60, "counts").batch(np.array([0, 3]))
    assert torch.equal(buffer.fill(bigger), bigger.dense())


def test_late_events_are_counted(samples: SpikeDataset) -> None:
    binned = BinnedSamples(samples, 0.05, 10, "counts")
    times = samples.events.times
    assert binned.n_late == np.sum(times + 0.5e-6 >= 0.5)
    assert binned.n_late + binned.n_events == times.size
    assert binned.counts().sum() == binned.n_events


def test_jitter_moves_units_and_drops_what_leaves(samples: SpikeDataset) -> None:
    binned = BinnedSamples(samples, 0.05, 20, "counts")
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


@given(
    st.integers(1, 5),
    st.integers(1, 12),
    st.sampled_from(["counts", "binary"]),
    st.sampled_from([24_000, 1_000_000]),
)
def test_wider_bins_are_those_of_collating_with_them(
    factor: int, n_steps: int, mode: str, grid: int
) -> None:
    rng = np.random.default_rng(factor)
    events = [
        sample((np.sort(rng.integers(0, 0.6 * grid, n)) / grid).tolist(), [2] * n) for n in SIZES
    ]
    fine = Collate(5, time_step=0.02, n_steps=60)(
        events
    )  # to 1.2 s, which no wider batch here passes
    wide = Collate(5, time_step=0.02 * factor, n_steps=n_steps, mode=mode)(events)
    again = fine.rebinned(time_step=0.02 * factor, n_steps=n_steps, mode=mode)
    assert torch.equal(again.dense(), wide.dense())
    assert torch.equal(
        fine.dense(time_step=0.02 * factor, n_steps=n_steps, mode=mode), wide.dense()
    )
    assert torch.equal(again.lengths, wide.lengths)
    assert int(again.offsets[-1]) == again.bins.numel()


def test_what_was_left_out_does_not_come_back() -> None:
    batch = Collate(1, time_step=0.01, n_steps=2)([sample([0.0, 0.05], [0, 0])])
    dense = batch.dense(n_steps=10)
    assert dense.shape == (1, 10, 1)
    assert dense.sum() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "Binary"}, "counts or binary"),
        ({"n_steps": 0}, "n_steps"),
        ({"n_steps": 2.5}, "integer n_steps"),
        ({"time_step": 0.0}, "time_step > 0"),
        ({"time_step": 1e-12}, "exceed the limit"),
    ],
)
def test_wrong_grids_are_refused(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Collate(**({"n_units": 2, "time_step": 0.01} | options))([sample([0.5], [0])])


def test_samples_that_do_not_fit_are_refused(samples: SpikeDataset) -> None:
    with pytest.raises(ValueError, match=r"integers in 0 … 0"):
        Collate(1, time_step=0.01)([sample([0.0], [1])])
    batch = BinnedSamples(samples, 0.02, 30, "counts").batch(np.arange(4))
    with pytest.raises(ValueError, match="counts or binary"):
        batch.dense(mode="bin")
    with pytest.raises(ValueError, match="counts or binary"):
        BinnedSamples(samples, 0.02, 30, "bin")


def test_bins_that_do_not_fit_are_refused(samples: SpikeDataset) -> None:
    batch = BinnedSamples(samples, 0.02, 30, "counts").batch(np.arange(4))
    for time_step in (0.03, 0.01, 0.020001, float("inf"), -0.02):
        with pytest.raises(ValueError, match="not an integer multiple"):
            batch.dense(time_step=time_step)
    with pytest.raises(ValueError, match="at least 1"):
        batch.dense(n_steps=0)


def test_milliseconds_are_not_taken_for_seconds(samples: SpikeDataset) -> None:
    batch = BinnedSamples(samples, 0.02, 30, "counts").batch(np.arange(4))
    message = r"time_step is in seconds and at most 1, got 10; 10 ms are time_step=0\.01"
    with pytest.raises(ValueError, match=message):
        Collate(70, time_step=10)
    for make in (batch.dense, batch.sparse, batch.rebinned, batch.mask):
        with pytest.raises(ValueError, match=message):
            make(time_step=10)
        with pytest.raises(TypeError):
            make(5)
    with pytest.raises(TypeError):
        Collate(70, 0.01)


def test_a_mask_fits_the_raster_of_another_grid() -> None:
    batch = Collate(1, time_step=0.01, n_steps=10)(
        [sample([0.0], [0], duration=0.055), sample([], [])]
    )
    for grid, lengths in (
        ({}, [6, 0]),
        ({"n_steps": 4}, [4, 0]),
        ({"n_steps": 12}, [6, 0]),
        ({"time_step": 0.02}, [3, 0]),
        ({"time_step": 0.05, "n_steps": 3}, [2, 0]),
    ):
        mask = batch.mask(**grid)
        assert mask.shape == batch.dense(**grid).shape[:2]
        assert mask.sum(1).tolist() == lengths


def test_representations_say_what_an_object_holds(samples: SpikeDataset) -> None:
    binned = BinnedSamples(samples, 0.05, 10, "counts")
    batch = binned.batch(np.arange(4))
    inside = f"10 bins of 50 ms, {samples.n_units} units, counts"
    assert repr(binned) == f"BinnedSamples({len(samples)} samples, {inside})"
    assert repr(batch) == f"EventBatch(4 samples, {batch.bins.numel()} events, {inside}, cpu)"
    assert repr(Collate(7, time_step=0.004)) == "Collate(7 units, bins of 4 ms, counts)"
    assert repr(samples).startswith(f"SpikeDataset({len(samples)} samples, ")
    assert f"{samples.n_units} units, {len(samples.keys)} classes" in repr(samples)


def test_lengths_end_with_the_recording_or_the_last_event() -> None:
    events = [
        sample([0.0, 0.031], [0, 1]),  # 4 bins of 10 ms to the last event
        sample([0.0], [0], duration=0.055),  # 6 bins to the end of the recording
        sample([0.0], [0], duration=0.05),  # exactly 5
        sample([0.0, 0.074], [0, 0], duration=0.05),  # an event behind the end counts
        sample([], []),
        sample([0.0], [0], duration=9.0),  # cut at the last bin
    ]
    batch = Collate(2, time_step=0.01, n_steps=10)(events)
    assert batch.lengths.tolist() == [4, 6, 5, 8, 0, 10]
    assert batch.mask().sum(1).tolist() == [4, 6, 5, 8, 0, 10]


def test_padding_is_never_averaged_over() -> None:
    short, long = sample([0.0, 0.011], [0, 0]), sample([0.0, 0.095], [0, 0])

    def means(events: list[Sample], n_steps: int | None) -> torch.Tensor:
        batch = Collate(1, time_step=0.01, n_steps=n_steps)(events)
        mask = batch.mask()
        return (batch.dense()[..., 0] * mask).sum(1) / batch.lengths

    alone, beside, padded = means([short], None), means([short, long], None), means([short], 500)
    assert alone.item() == beside[0].item() == padded.item() == 1.0


def test_without_a_number_of_bins_the_longest_sample_decides() -> None:
    events = [sample([0.0, 0.049], [0, 1]), sample([0.0], [0], duration=0.061)]
    batch = Collate(2, time_step=0.01)(events)
    assert batch.n_steps == 7
    assert int(batch.offsets[-1]) == 3  # nothing is left out
    assert Collate(2, time_step=0.01)([sample([], [])]).n_steps == 1


def test_the_structured_view_has_the_beginnings_of_bins() -> None:
    batch = Collate(3, time_step=0.004, n_steps=10)([sample([0.0, 0.0041, 0.013], [0, 2, 1])])
    array = batch.structured(0)
    assert array["t"].tolist() == [0, 4000, 12000]
    assert array["x"].tolist() == [0, 2, 1]


def test_a_batch_moves_whole(samples: SpikeDataset) -> None:
    batch = BinnedSamples(samples, 0.05, 10, "counts").batch(np.arange(4))
    moved = batch.to("meta")
    assert isinstance(moved, EventBatch)
    for name in ("offsets", "bins", "units", "lengths", "labels"):
        assert getattr(moved, name).device.type == "meta"
    assert len(batch.to("cpu")) == 4
