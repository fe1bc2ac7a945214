import hashlib
import struct
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.toy import write_toy
from hypothesis import given
from hypothesis import strategies as st

from spikebench.errors import SpikeFileError
from spikebench.protocol.opening import is_data_of, open_selection, open_test
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.fingerprint import Part, event_keys, fingerprint
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter
from spikebench.store.fingerprints import dataset_fingerprint

SAMPLES = [
    ([0.0, 0.25, 0.25, 1.0], [3, 1, 2, 0], 0, 4, "train"),
    ([], [], 1, -1, "train"),
    ([31.999], [5], -1, 4, "test"),
]


def write(path: Path, samples: list = SAMPLES, keys: tuple = ("a", "ü"), **changes: object) -> Path:
    options = {"units": 6, "dtype": "float32", "made": {}, **changes}
    with SpikeWriter(path, options["units"], keys, options["made"], options["dtype"]) as writer:
        for times, units, label, speaker, split in samples:
            writer.append(
                np.array(times), np.array(units, dtype=np.uint16), label, speaker, split,
                str(changes.get("source", "x")), "", 1, 40.0, 1, 0, 0.0,
            )  # fmt: skip
    return path


def test_by_hand(tmp_path: Path) -> None:
    """Every number written out, with nothing but struct and hashlib."""

    def half(seconds: float) -> int:
        return int.from_bytes(struct.pack("<e", seconds), "little")

    whole = hashlib.sha256(
        b"spikebench fingerprint 1\n" + struct.pack("<qqq1sq2s", 6, 2, 1, b"a", 2, "ü".encode())
    )
    for times, units, label, speaker, split in SAMPLES:
        events = sorted(half(time) * 65536 + unit for time, unit in zip(times, units, strict=True))
        sample = struct.pack(f"<qqq{len(events)}I", label, speaker, len(events), *events)
        whole.update(hashlib.sha256(sample).digest() + split.encode() + b"\n")
    assert fingerprint([Part(write(tmp_path / "a.h5"))]) == whole.hexdigest()


def test_what_holds_the_samples_does_not_count(tmp_path: Path) -> None:
    one = fingerprint([Part(write(tmp_path / "one.h5"))])
    for name, options in {
        "half.h5": {"dtype": "float16"},
        "made.h5": {"made": {"software": "another 9.9", "source_root": "elsewhere"}},
        "renamed.h5": {"source": "folder/other name"},
    }.items():
        assert fingerprint([Part(write(tmp_path / name, **options))]) == one
    # The published layout of another writer: no chunks, no filters, float64, other integers.
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        for name, column, kind in (("times", 0, "f8"), ("units", 1, "i4")):
            array = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(np.dtype(kind)))
            for i, sample in enumerate(SAMPLES):
                array[i] = np.array(sample[column], dtype=kind)
        file["labels"] = np.array([sample[2] for sample in SAMPLES], dtype="i1")
        file["extra/speaker"] = np.array([sample[3] for sample in SAMPLES], dtype="i2")
        file["extra/split"] = np.array([sample[4].encode() for sample in SAMPLES], dtype="S5")
        file["extra/keys"] = np.array([b"a", "ü".encode()], dtype="S2")
        file.attrs["n_units"] = 6
    assert fingerprint([Part(tmp_path / "plain.h5")]) == one


@pytest.mark.parametrize(
    "change", ["time", "unit", "label", "speaker", "split", "order", "missing", "class", "units"]
)
def test_whatever_a_file_says_counts(tmp_path: Path, change: str) -> None:
    samples: list = [list(map(list, SAMPLES[0][:2])) + list(SAMPLES[0][2:]), *SAMPLES[1:]]
    keys, units = ("a", "ü"), 6
    if change == "time":
        samples[0][0][3] = 1.001
    elif change == "unit":
        samples[0][1][0] = 4
    elif change in ("label", "speaker"):
        samples[0][2 if change == "label" else 3] += 1
    elif change == "split":
        samples[0][4] = "validation"
    elif change == "order":
        samples.reverse()
    elif change == "missing":
        samples.pop()
    elif change == "class":
        keys = ("a", "u")
    else:
        units = 7
    one = fingerprint([Part(write(tmp_path / "one.h5"))])
    other = write(tmp_path / "other.h5", samples, keys, units=units)
    assert fingerprint([Part(other)]) != one


def test_files_of_one_split_each_are_one_data_set(tmp_path: Path) -> None:
    whole = fingerprint([Part(write(tmp_path / "whole.h5"))])
    unmarked = [(*sample[:4], "") for sample in SAMPLES]
    parts = [
        Part(write(tmp_path / "train.h5", unmarked[:2]), "train"),
        Part(write(tmp_path / "test.h5", unmarked[2:]), "test"),
    ]
    assert fingerprint(parts) == whole
    assert fingerprint([parts[0], parts[1]._replace(split="train")]) != whole


@given(
    st.lists(st.tuples(st.integers(0, 31 * 24_000), st.integers(0, 699)), max_size=20), st.randoms()
)
def test_float16_and_float32_copies_say_the_same(events: list, random: object) -> None:
    """For recordings of up to 32 s on steps of 1/24000 s; the order of spikes does not count either."""
    ticks, units = np.array([*events, (0, 0)]).T
    times = ticks / 24_000
    exact = event_keys(times, units.astype(np.uint16))
    for kind in (np.float16, np.float32):
        copy = times.astype(kind).astype(np.float64)
        assert event_keys(copy, units.astype(np.uint16)).tolist() == exact.tolist()


def test_it_is_kept_by_the_hash_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    part = Part(write(tmp_path / "a.h5"))
    found = dataset_fingerprint([part], "ab" * 32)
    assert found == fingerprint([part])
    part.path.unlink()
    assert dataset_fingerprint([part], "ab" * 32) == found
    (kept,) = (tmp_path / "data" / "fingerprints").iterdir()
    kept.write_text("not a fingerprint\n")
    with pytest.raises(SpikeFileError, match="no such file"):
        dataset_fingerprint([part], "ab" * 32)


def test_a_large_sample_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "a.h5")
    one = fingerprint([Part(path)])
    blocks = SpikeFile.blocks
    monkeypatch.setattr(SpikeFile, "blocks", lambda self: blocks(self, 1))
    assert fingerprint([Part(path)]) == one


def test_a_run_goes_by_what_its_data_say(tmp_path: Path) -> None:
    """Other bytes that say the same are the data of the run, for its test and for those who must not see it."""
    selection = open_selection(str(write_toy(tmp_path / "toy.h5")))
    copy = tmp_path / "copy.h5"
    with h5py.File(tmp_path / "toy.h5") as file, h5py.File(copy, "w") as other:
        for name in file:
            file.copy(name, other)
        other.attrs.update({**file.attrs, "software": "another 9.9"})
    sha256 = file_sha256(copy)
    assert sha256 != selection.dataset.sha256
    assert is_data_of(selection.data, selection.dataset, copy, sha256)
    assert open_selection(str(copy)).dataset.first_difference(selection.dataset) == "name"
    copy.replace(tmp_path / "toy.h5")
    assert len(open_test(selection)) == selection.dataset.split.test_samples
    other = write_toy(tmp_path / "other.h5", takes=5)
    assert not is_data_of(selection.data, selection.dataset, other, file_sha256(other))


def test_records_without_one_go_by_the_hash_of_the_file(tmp_path: Path) -> None:
    dataset = open_selection(str(write_toy(tmp_path / "toy.h5"))).dataset
    old = dataset.model_copy(update={"fingerprint": None})
    assert "fingerprint" not in old.model_dump_json()
    assert old.identity == dataset.sha256
    assert dataset.identity == dataset.fingerprint
    assert dataset.first_difference(old) == ""
    assert dataset.first_difference(old.model_copy(update={"sha256": "ab" * 32})) == "sha256"
    assert dataset.first_difference(dataset.model_copy(update={"sha256": "ab" * 32})) == ""
    forged = dataset.model_copy(update={"fingerprint": "ab" * 32})
    assert dataset.first_difference(forged) == "fingerprint"
