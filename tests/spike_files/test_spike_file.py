import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from helpers.spike_files import N_UNITS, Train, published, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from spikebench.errors import OutputError, OutputExistsError, SpikeFileError
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter


@st.composite
def trains(draw: st.DrawFn) -> Train:
    n = draw(st.integers(0, 30))
    seconds = st.floats(0, 60, width=32, allow_subnormal=False)
    times = np.sort(draw(arrays(np.float32, n, elements=seconds)))
    return times, draw(arrays(np.uint16, n, elements=st.integers(0, N_UNITS - 1)))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(samples=st.lists(trains(), max_size=6))
def test_round_trip(tmp_path: Path, samples: list[Train]) -> None:
    path = write(tmp_path / "a.h5", samples)
    with SpikeFile(path) as spikes:
        events = spikes.read()
        assert spikes.n_samples == len(samples)
        assert (spikes.n_units, spikes.keys) == (N_UNITS, ("a", "ü"))
        assert_array_equal(spikes.speakers, np.arange(len(samples)))
        assert events.offsets[-1] == len(events.times) == len(events.units)
        for i, (times, units) in enumerate(samples):
            read_times, read_units = spikes.events(i)
            assert read_times.dtype == np.float64
            assert_array_equal(read_times, times.astype(np.float64))
            assert_array_equal(read_units, units)
            here = slice(events.offsets[i], events.offsets[i + 1])
            assert_array_equal(events.times[here], read_times)
            assert_array_equal(events.units[here], read_units)


def test_a_reader_written_from_the_published_layout_opens_it(tmp_path: Path) -> None:
    times, units = np.array([0.0, 0.25, 0.25]), np.array([699, 0, 1])
    path = write(tmp_path / "a.h5", [(times, units), ([], [])])
    with h5py.File(path) as file:
        assert file["spikes/times"].dtype.metadata["vlen"] == np.float32
        assert file["spikes/units"].dtype.metadata["vlen"] == np.uint16
        assert_array_equal(file["spikes/times"][0], times.astype(np.float32))
        assert_array_equal(file["spikes/units"][0], units)
        assert len(file["spikes/times"][1]) == 0
        assert file["labels"][1].astype(int) == 1
        assert_array_equal(file["extra/speaker"][()], [0, 1])
        assert [key.decode() for key in file["extra/keys"][()]] == ["a", "ü"]
        # As tonic does it: one array of times and units, then microseconds.
        both = np.vstack((file["spikes/times"][0], file["spikes/units"][0]))
        assert_array_equal(both[0] * 1e6, [0, 250_000, 250_000])


def test_a_published_file_is_read(tmp_path: Path) -> None:
    with SpikeFile(published(tmp_path / "shd.h5")) as spikes:
        assert (spikes.n_units, spikes.provenance, spikes.splits) == (700, {}, None)
        assert (spikes.sources, spikes.sha256, spikes.durations_s) == (None, None, None)
        assert spikes.labels.tolist() == [3, 0]
        assert spikes.speakers.tolist() == [11, 4]
        times, _ = spikes.events(1)
        assert_array_equal(times * 1e6, [1_500_000.0])  # float16 would overflow to infinity
        assert spikes.read().times.dtype == np.float64


def test_a_file_without_speakers_has_unknown_ones(tmp_path: Path) -> None:
    path = published(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        del file["extra"]
    with SpikeFile(path) as spikes:
        assert (spikes.speakers.tolist(), spikes.keys) == ([-1, -1], ())


def test_everything_known_per_sample_comes_back(tmp_path: Path) -> None:
    made = {"preset": "shd", "level": 0.3, "parameters": {"x": None, "y": [1, 2]}}
    with SpikeWriter(tmp_path / "a.h5", 5, ["k"], made, speaker_names=["anna"]) as writer:
        writer.append([0.1], [4], 0, 0, "test", "d/\udcff.wav", "ab" * 32, 44_100, 1.5, 2)
        writer.append([], [])
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.splits == ("test", "")
        assert spikes.sources == ("d/\udcff.wav", "")
        assert spikes.sha256 == ("ab" * 32, "")
        assert spikes.sample_rates_hz.tolist() == [44_100, 0]
        assert spikes.durations_s.tolist() == [1.5, 0.0]
        assert spikes.speaker_names == ("anna",)
        assert {key: spikes.provenance[key] for key in made} == made
        assert spikes.provenance["format_version"] == 1


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    samples = [(np.sort(random.random(n)), random.integers(0, 700, n)) for n in range(0, 900, 3)]
    first = write(tmp_path / "a.h5", samples).read_bytes()
    assert write(tmp_path / "b.h5", samples).read_bytes() == first


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"times": [0.2, 0.1], "units": [1, 1]}, "times must be sorted"),
        ({"times": [np.nan], "units": [1]}, "times must be finite"),
        ({"times": [np.inf], "units": [1]}, "times must be finite"),
        ({"times": [-0.1], "units": [1]}, "times must be finite, not negative"),
        ({"times": [0.1], "units": [700]}, r"units must be integers in 0 … 699"),
        ({"times": [0.1], "units": [-1]}, r"units must be integers in 0 … 699"),
        ({"times": [0.1], "units": [1.0]}, "units must be integers"),
        ({"times": [0.1], "units": [1, 2]}, "one-dimensional and equally long"),
        ({"times": [[0.1]], "units": [[1]]}, "one-dimensional and equally long"),
        ({"times": [], "units": [], "label": 2}, "label 2 is outside -1 … 1"),
        ({"times": [], "units": [], "speaker": -2}, "speaker -2"),
        ({"times": [], "units": [], "split": "dev"}, "split must be one of"),
        ({"times": [], "units": [], "duration_s": float("nan")}, "duration nan s"),
    ],
)
def test_a_wrong_sample_is_refused_and_leaves_nothing(
    tmp_path: Path, sample: dict[str, Any], message: str
) -> None:
    with (
        pytest.raises(ValueError, match=message),
        SpikeWriter(tmp_path / "a.h5", N_UNITS, ["a", "b"], {}) as writer,
    ):
        writer.append(**sample)
    assert list(tmp_path.iterdir()) == []


def test_float16_is_refused_where_it_overflows(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="too large for float16"),
        SpikeWriter(tmp_path / "a.h5", 1, [], {}, time_dtype="float16") as writer,
    ):
        writer.append([70_000.0], [0])
    path = write(tmp_path / "a.h5", [([0.5], [1])], time_dtype="float16")
    with h5py.File(path) as file:
        assert file["spikes/times"].dtype.metadata["vlen"] == np.float16


def test_an_existing_file_is_kept_unless_told(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"a\.h5: exists already"):
        SpikeWriter(tmp_path / "a.h5", 1, [], {}).__enter__()
    with (
        pytest.raises(RuntimeError, match="stop"),
        SpikeWriter(tmp_path / "a.h5", 1, [], {}, overwrite=True),
    ):
        raise RuntimeError("stop")
    assert (tmp_path / "a.h5").read_text() == "mine"
    assert os.listdir(tmp_path) == ["a.h5"]


@pytest.mark.parametrize(
    ("name", "message"), [("", "is a folder"), ("no/a.h5", "there is no folder .*no; make it")]
)
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        SpikeWriter(tmp_path / name, 1, [], {}).__enter__()


def test_a_file_travels_by_its_path(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.5], [1])])
    with SpikeFile(path) as spikes:
        assert spikes.n_samples == 1
        other = pickle.loads(pickle.dumps(spikes))
    assert_array_equal(other.events(0)[1], [1])
    other.close()


def test_a_fork_opens_the_file_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spikes = SpikeFile(write(tmp_path / "a.h5", [([0.5], [1])]))
    before, _ = spikes._open()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    after, _ = spikes._open()
    assert after is not before
    before.close()
    spikes.close()


def test_an_index_that_is_not_there(tmp_path: Path) -> None:
    with SpikeFile(write(tmp_path / "a.h5", [([0.5], [1])])) as spikes:
        for index in (-1, 1):
            with pytest.raises(IndexError, match=f"sample {index} is out of range for 1 sample"):
                spikes.events(index)


def test_a_full_disk_is_told_before_it_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    with (  # noqa: PT012
        pytest.raises(SpikeFileError, match=r"x\.h5: cannot write: the disk is full"),
        SpikeWriter(tmp_path / "x.h5", 3, [], {}) as writer,
    ):
        writer.append([0.1], [0])
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2**20))
        writer.append([0.1], [0])
    assert list(tmp_path.iterdir()) == []


def test_attributes_that_are_no_numbers_become_text(tmp_path: Path) -> None:
    with SpikeWriter(tmp_path / "x.h5", 3, [], {"odd": float("nan")}) as writer:
        writer.append([0.1], [0])
    with SpikeFile(tmp_path / "x.h5") as file:
        assert file.provenance["odd"] == "nan"
