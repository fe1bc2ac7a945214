"""The flat cache holds what the file holds, is keyed by its contents, and survives whatever happens to it."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.toy import write_toy

from spikebench.errors import DataError, SpikeFileError
from spikebench.events.cache import FlatEvents, open_events
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data" / "events"


def caches(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if not path.name.startswith("."))


def write(path: Path, samples: list[tuple[list[float], list[int]]], **options: object) -> Path:
    with SpikeWriter(path, 700, ["a", "b"], {}, overwrite=True, **options) as writer:
        for times, units in samples:
            writer.append(np.array(times), np.array(units, dtype=int), label=1, speaker=7)
    return path


@pytest.mark.parametrize("time_dtype", ["float16", "float32"])
def test_it_holds_what_the_file_holds(tmp_path: Path, time_dtype: str) -> None:
    samples = [([0.0, 0.5, 1.5], [0, 699, 3]), ([], []), ([0.25], [10])]
    path = write(tmp_path / "a.h5", samples, time_dtype=time_dtype)
    events = open_events(path)
    with SpikeFile(path) as file:
        assert events.offsets.tolist() == [0, 3, 3, 4]
        for i in range(3):
            times, units = file.events(i)
            here = slice(events.offsets[i], events.offsets[i + 1])
            assert np.array_equal(events.times[here], times)
            assert np.array_equal(events.units[here], units)
        assert events.keys == file.keys
        assert events.n_units == 700
    assert events.times.dtype == np.float32
    assert events.speakers.tolist() == [7, 7, 7]
    assert not events.times.flags.writeable


def test_times_of_double_precision_keep_it(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    exact = np.array([0.1, 0.2 + 1e-12])
    with h5py.File(path, "w") as file:
        for name, kind, values in (("times", "f8", exact), ("units", "u2", [1, 2])):
            data = file.create_dataset(f"spikes/{name}", (1,), h5py.vlen_dtype(np.dtype(kind)))
            data[0] = np.array(values, dtype=kind)
        file["labels"] = np.array([0])
    assert np.array_equal(open_events(path).times, exact)


def test_unsorted_samples_are_sorted_each_for_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, kind, values in (
            ("times", "f4", [[0.5, 0.25, 0.25], [0.1, 0.2]]),
            ("units", "u2", [[1, 2, 3], [4, 5]]),
        ):
            data = file.create_dataset(f"spikes/{name}", (2,), h5py.vlen_dtype(np.dtype(kind)))
            for i in range(2):
                data[i] = np.array(values[i], dtype=kind)
        file["labels"] = np.array([0, 0])
    events = open_events(path)
    assert events.units.tolist() == [2, 3, 1, 4, 5]
    assert np.array_equal(events.times, np.float32([0.25, 0.25, 0.5, 0.1, 0.2]))


def test_it_is_built_once_and_again_when_the_file_changes(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])])
    first = open_events(path).folder
    assert first is not None
    built = (first / "times.npy").stat().st_mtime_ns
    assert open_events(path).folder == first
    assert (first / "times.npy").stat().st_mtime_ns == built
    write(path, [([0.2], [2])])
    second = open_events(path)
    assert second.folder != first
    assert second.units.tolist() == [2]
    assert caches(root) == [second.folder]  # what the old contents left is gone


def test_copies_of_a_file_share_it_and_other_files_keep_theirs(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])])
    shutil.copy(path, tmp_path / "copy.h5")
    other = open_events(write(tmp_path / "other.h5", [([0.3], [3])])).folder
    assert open_events(path).folder == open_events(tmp_path / "copy.h5").folder
    assert set(caches(root)) == {open_events(path).folder, other}


def damage(folder: Path, how: str) -> None:
    times, meta = folder / "times.npy", folder / "events.json"
    document = json.loads(meta.read_text())
    if how == "cut":
        times.write_bytes(times.read_bytes()[:-1])
    elif how == "gone":
        times.unlink()
    elif how == "other bytes of the same size":
        data = bytearray((folder / "units.npy").read_bytes())
        data[-2:] = b"\xff\xff"
        (folder / "units.npy").write_bytes(data)
    elif how == "no meta":
        meta.unlink()
    elif how == "too deep":
        meta.write_text("[" * 100_000)
    elif how == "a file":
        shutil.rmtree(folder)
        folder.write_text("")
    else:
        changes = {"empty": None, "units": {"n_units": 3}, "keys": {"keys": 3}, "list": [1]}[how]
        text = {**document, **changes} if isinstance(changes, dict) else changes
        meta.write_text(json.dumps(text))


@pytest.mark.parametrize(
    "how",
    [
        *("cut", "gone", "other bytes of the same size", "no meta", "a file"),
        *("empty", "units", "keys", "list", "too deep"),
    ],
)
def test_a_damaged_cache_is_built_anew(tmp_path: Path, how: str) -> None:
    path = write(tmp_path / "a.h5", [([0.1, 0.2], [1, 2])])
    folder = open_events(path).folder
    assert folder is not None
    damage(folder, how)
    other = open_events(write(tmp_path / "b.h5", [([0.3], [3])]))  # of which it is no business
    assert other.units.tolist() == [3]
    events = open_events(path)
    assert events.units.tolist() == [1, 2]
    assert (events.n_units, events.keys) == (700, ("a", "b"))


def test_some_samples_alone_have_a_cache_of_their_own(tmp_path: Path, root: Path) -> None:
    samples = [([0.1 * k, 0.5], [k, 9]) for k in range(5)]
    path = write(tmp_path / "a.h5", samples)
    some = open_events(path, samples=np.array([1, 4]))
    assert some.positions.tolist() == [1, 4]
    assert some.units.tolist() == [1, 9, 4, 9]
    assert len(some) == len(some.labels) == len(some.durations) == 2
    whole = open_events(path)
    assert whole.positions.tolist() == [0, 1, 2, 3, 4]
    assert set(caches(root)) == {some.folder, whole.folder}
    write(path, samples[:2])
    after = open_events(path).folder
    assert caches(root) == [after]  # both are gone with the old contents


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([-0.1], [0], "sample 1: times must be finite and in 0"),
        ([np.nan], [0], "sample 1: times must be finite"),
        ([1e6], [0], "times must be finite and in 0 … 100000 s"),
        ([0.1], [5], r"sample 1: units must be integers in 0 … 4"),
        ([0.1], [-1], "integers in 0"),
        ([0.1], [1.5], "integers in 0"),
        ([0.1, 0.2], [1], "sample 1: 2 times and 1 units"),
    ],
)
def test_arrays_in_memory_are_checked(times: list, units: list, message: str) -> None:
    samples = [(np.array([0.1]), np.array([1])), (np.array(times), np.array(units))]
    with pytest.raises(ValueError, match=message):
        FlatEvents.from_samples(samples, 5)


def test_a_cache_of_another_version_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])])
    before = open_events(path).folder
    monkeypatch.setattr("spikebench.events.cache.FORMAT_VERSION", 2)
    after = open_events(path)
    assert after.folder != before
    assert after.units.tolist() == [1]


def open_there(path: Path) -> tuple[list[int], str]:
    events = open_events(path)
    return events.units.tolist(), str(events.folder)


def test_parallel_first_use_is_safe(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1] * 50, list(range(50)))] * 40)
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        found = pool.map(open_there, [path] * 8)
    assert found == [found[0]] * 8
    assert found[0][0] == list(range(50)) * 40
    assert [str(folder) for folder in caches(root)] == [found[0][1]]
    assert not list(root.glob("*.partial")) + list(root.glob(".*.partial"))


def test_arrays_in_memory_are_sorted() -> None:
    events = FlatEvents.from_samples([(np.array([0.2, 0.1, 0.1]), np.array([0, 1, 2]))], 5)
    assert events.times.tolist() == [0.1, 0.1, 0.2]
    assert events.units.tolist() == [1, 2, 0]
    with pytest.raises(ValueError, match=r"\(2,\) labels for 1 samples"):
        FlatEvents.from_samples([(np.array([0.1]), np.array([0]))], 5, np.array([0, 1]))


def test_samples_that_do_not_ascend_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])] * 3)
    for samples in ([2, 1], [1, 1]):
        with pytest.raises(ValueError, match="ascending order"):
            open_events(path, samples=np.array(samples))


def test_what_a_killed_build_left_is_removed(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])])
    folder = open_events(path).folder
    assert folder is not None
    folder.rename(root / f".{folder.name}.0badbeef.partial")
    assert open_events(path).folder == folder
    assert not list(root.glob(".*.partial"))


def test_it_travels_as_a_path_and_opens_there(tmp_path: Path) -> None:
    events = open_events(write_toy(tmp_path / "toy.h5"))
    sent = pickle.dumps(events)
    assert len(sent) < 1000 < events.times.nbytes
    assert np.array_equal(pickle.loads(sent).units, events.units)


def test_arrays_in_memory_travel_whole() -> None:
    events = FlatEvents.from_samples([(np.array([0.1]), np.array([3]))], 5, keys=("a",))
    again = pickle.loads(pickle.dumps(events))
    assert again.times.tolist() == [0.1]
    assert again.keys == ("a",)


def test_a_hostile_file_leaves_no_cache(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1, 0.2], [1, 2])])
    with h5py.File(path, "a") as file:
        file["spikes/times"][0] = np.array([0.1, np.nan], np.float32)
    with pytest.raises(SpikeFileError, match="a spike time is negative, not finite"):
        open_events(path)
    assert not caches(root)
    assert not list(root.glob(".*.partial"))


@pytest.mark.parametrize("name", ["missing.h5", ""])
def test_what_is_no_file_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(SpikeFileError, match=r"no such file|is a folder"):
        open_events(tmp_path / name)


def test_a_place_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])])
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match=r"cannot be written: .*SPIKEBENCH_DATA=FOLDER"):
        open_events(path)


def test_a_file_that_changes_while_it_is_read_is_not_kept(tmp_path: Path, root: Path) -> None:
    path = write(tmp_path / "a.h5", [([0.1], [1])])
    with pytest.raises(DataError, match="changed while it was read"):
        open_events(path, sha256="0" * 64)
    assert not caches(root)
