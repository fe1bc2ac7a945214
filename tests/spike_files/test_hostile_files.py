"""Files from strangers, by name: each is refused in one clear line or read correctly.

Run as a program, this file loads what it is told to in a process with little memory.
"""

import json
import os
import re
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from spikebench.errors import SpikeFileError
from spikebench.spike_files import guard as hdf5_guard
from spikebench.spike_files.hdf5.format import _lookup3
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.report import find_problems
from spikebench.spike_files.writer import SpikeWriter

CANARY = b"CANARY::the bytes of another file::"
LAYOUTS = ("ours", "published")
Change = Callable[[h5py.File], object]


def samples() -> list[tuple[np.ndarray, np.ndarray]]:
    """Three samples whose times float16 holds exactly; the second is empty."""
    return [(np.arange(n) / 64, np.arange(n) % 700) for n in (40, 0, 90)]


def make(path: Path, layout: str = "ours") -> Path:
    if layout == "ours":
        with SpikeWriter(path, 700, ["a", "b"], {"seed": 1}, overwrite=True) as writer:
            for i, (times, units) in enumerate(samples()):
                writer.append(times, units, i % 2, i, "train", f"{i}.wav", "ab" * 32, 8000, 2.0, 1)
        return path
    with h5py.File(path, "w") as file:
        for column, (name, kind) in enumerate((("times", np.float16), ("units", np.int64))):
            data = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(kind))
            for i, sample in enumerate(samples()):
                data[i] = sample[column].astype(kind)
        file["labels"] = np.array([0, 1, 0], dtype=np.uint16)
        file["extra/speaker"] = np.arange(3, dtype=np.uint16)
        file["extra/keys"] = np.array([b"a", b"b"])
        file["extra/meta_info/gender"] = np.array([b"male", b"female"])
    return path


def load(path: Path) -> dict[str, Any]:
    """Read everything that a spike file has."""
    names = "labels speakers keys speaker_names splits sources sha256 sample_rates_hz segments"
    with SpikeFile(path) as spikes:
        found = {name: getattr(spikes, name) for name in names.split()}
        found |= {"durations_s": spikes.durations_s, "starts_s": spikes.starts_s}
        found |= {"provenance": spikes.provenance, "n_units": spikes.n_units}
        return found | {"events": spikes.read()}


def assert_as_written(path: Path) -> None:
    found = load(path)
    assert_array_equal(found["labels"], [0, 1, 0])
    assert_array_equal(found["speakers"], [0, 1, 2])
    assert found["keys"] == ("a", "b")
    assert_array_equal(found["events"].offsets, [0, 40, 40, 130])
    assert_array_equal(found["events"].times, np.concatenate([times for times, _ in samples()]))
    assert_array_equal(found["events"].units, np.concatenate([units for _, units in samples()]))


def refusal(path: Path) -> str:
    with pytest.raises(SpikeFileError, match=r"\A[^\n]+\Z") as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "CANARY" not in text
    return text.removeprefix(f"{path}: ")


def put(name: str, value: object) -> Change:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return change


def array(name: str, shape: int, kind: object, **options: object) -> Change:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file.create_dataset(name, (shape,), kind, **options)

    return change


def external(name: str, kind: object) -> Change:
    def change(file: h5py.File) -> None:
        canary = str(Path(file.filename).with_name("canary"))
        array(name, 3, kind, external=[(canary, 0, 3 * np.dtype(kind).itemsize)])(file)

    return change


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(str(Path(file.filename).with_name("other.h5")), "labels", (3,))
    del file["labels"]
    file.create_virtual_dataset("labels", layout)


def link_outside(name: str) -> Change:
    other = "other.h5"
    return lambda file: put(name, h5py.ExternalLink(other, f"/{name}"))(file)


def through_a_soft_link(file: h5py.File) -> None:
    file["real"] = file["spikes"]
    put("spikes", h5py.SoftLink("/real"))(file)


def through_a_mount(file: h5py.File) -> None:
    """Link softly to a group that holds the link outside."""
    file["elsewhere"] = h5py.ExternalLink("other.h5", "/")
    put("spikes", h5py.SoftLink("/elsewhere/spikes"))(file)


def bomb(name: str, kind: object, times: int = 1000) -> Change:
    def change(file: h5py.File) -> None:
        array(name, 3, kind, chunks=(3,), compression="gzip")(file)
        size = 3 * file[name].id.get_type().get_size()
        file[name].id.write_direct_chunk((0,), zlib.compress(bytes(size * times)))

    return change


def scaled(file: h5py.File) -> None:
    array("labels", 3, "i8", chunks=(3,), scaleoffset=0)(file)
    file["labels"][:] = [0, 1, 0]


def lzf(file: h5py.File) -> None:
    array("spikes/times", 3, h5py.vlen_dtype("f4"), chunks=(3,), compression="lzf")(file)
    file["spikes/times"][0] = [0.5]


def ring(file: h5py.File) -> None:
    file["extra/extra"] = file["extra"]
    file["extra/root"] = file["/"]
    file["spikes/spikes"] = file["spikes"]


def times(values: object, sample: int = 2) -> Change:
    return lambda file: file["spikes/times"].__setitem__(sample, np.asarray(values))


def units(values: object) -> Change:
    return lambda file: file["spikes/units"].__setitem__(2, np.asarray(values))


def sequences(name: str, kind: object, sizes: tuple[int, ...] = (40, 0, 90)) -> Change:
    def change(file: h5py.File) -> None:
        array(name, len(sizes), h5py.vlen_dtype(kind))(file)
        for i, size in enumerate(sizes):
            file[name][i] = np.zeros(size, dtype=kind)

    return change


def negative_unit(file: h5py.File) -> None:
    sequences("spikes/units", ">i4")(file)
    file["spikes/units"][2] = np.full(90, -1, dtype=">i4")


REFUSED: dict[str, tuple[Change, str]] = {
    "external storage": (external("labels", "i8"), "labels is stored in another file"),
    "external storage of strings": (
        external("extra/keys", "S9"),
        "extra/keys is stored in another",
    ),
    "virtual data set": (virtual, "labels is a virtual data set"),
    "external link": (
        link_outside("labels"),
        r"labels is accessed by a link \(labels\) that is not",
    ),
    "external link to a group": (link_outside("spikes"), r"times is accessed by a link \(spikes\)"),
    "external link to extra": (link_outside("extra"), r"extra/speaker is accessed by a link \(ext"),
    "soft link to a group": (through_a_soft_link, r"times is accessed by a link \(spikes\)"),
    "soft link through an external link": (through_a_mount, r"accessed by a link \(spikes\)"),
    "soft link to itself": (
        put("labels", h5py.SoftLink("/labels")),
        "labels is accessed by a link",
    ),
    "32 TiB": (array("labels", 2**42, "i8"), "labels declares 35184372088832 bytes"),
    "32 TiB in chunks": (array("labels", 2**42, "i8", chunks=(1024,)), "labels declares 351843720"),
    "32 TiB of references": (
        array("spikes/times", 2**41, h5py.vlen_dtype("f4"), chunks=(1024,)),
        "spikes/times declares 35184372088832 bytes",
    ),
    "a million names": (array("extra/keys", 10**6, "S9"), "declares 1000000 names; at most 65536"),
    "more elements than are read": (array("labels", 2**23, "i1"), "declares 8388608 elements"),
    "nothing stored": (array("labels", 3, "i8"), "labels declares 24 bytes, but stores 0"),
    "no chunk stored": (array("labels", 3, "i8", chunks=(3,)), "declares chunks that are not stor"),
    "gzip bomb": (bomb("labels", "i8"), "labels has a chunk that decompresses to more than"),
    "gzip bomb of strings": (bomb("extra/keys", "S99"), "keys has a chunk that decompresses to m"),
    "gzip bomb of references": (
        bomb("spikes/units", h5py.vlen_dtype("u2")),
        "spikes/units has a chunk that decompresses to more than the declared size",
    ),
    "unknown filter": (lzf, "spikes/times uses a filter other than gzip"),
    "lossy filter": (scaled, "labels uses a filter other than gzip"),
    "a group for an array": (lambda file: put("labels", file["extra"])(file), "of another kind"),
    "an array for a group": (lambda file: put("extra", file["labels"])(file), "of another kind"),
    "a type for an array": (put("labels", np.dtype("i8")), "labels .* of another kind"),
    "NaN": (times([np.nan] * 90), "a spike time is negative, not finite or too large"),
    "infinite": (times([np.inf] * 90), "a spike time is negative, not finite or too large"),
    "negative": (times([-0.5] * 90), "a spike time is negative, not finite or too large"),
    "unit too large": (units([700] * 90), "a unit is outside 0 … 699"),
    "times too few": (times([0.5] * 89), "sample 2 has 89 times and 90 units"),
    "units too few": (units([5]), "sample 2 has 90 times and 1 units"),
    "a sample too few": (
        sequences("spikes/times", "f4", (40, 0)),
        "spikes/times has 2 elements, l",
    ),
    "a label too few": (put("labels", np.zeros(2, int)), "has 3 elements, labels has 2"),
    "integers for times": (
        sequences("spikes/times", "i4"),
        "does not contain values of type float",
    ),
    "numbers for units": (
        sequences("spikes/units", "f4"),
        "does not contain values of type integer",
    ),
    "complex times": (sequences("spikes/times", "c8"), "does not contain values of type float"),
    "plain times": (
        put("spikes/times", np.zeros(3)),
        "spikes/times does not have a variable length",
    ),
    "texts for times": (
        array("spikes/times", 3, h5py.string_dtype()),
        "not have a variable length",
    ),
    "numbers for labels": (
        put("labels", np.zeros(3)),
        "labels does not contain values of type int",
    ),
    "truths for labels": (
        put("labels", np.zeros(3, bool)),
        "labels does not contain values of type",
    ),
    "texts for labels": (
        put("labels", np.array([b"a"] * 3)),
        "labels does not contain values of t",
    ),
    "free texts for keys": (
        array("extra/keys", 3, h5py.string_dtype()),
        "extra/keys does not contain strings of fixed length",
    ),
    "huge labels": (
        put("labels", np.full(3, 2**64 - 1, "u8")),
        "labels contains a value outside -1",
    ),
    "a table of labels": (put("labels", np.zeros((3, 1), int)), "labels has 2 dimensions"),
    "a scalar for labels": (put("labels", 3), "labels has 0 dimensions"),
    "no times": (lambda file: file.__delitem__("spikes/times"), "spikes/times is missing"),
    "no samples but labels": (array("spikes/times", 0, h5py.vlen_dtype("f4")), "has 0 elements"),
    "enormous n_units": (
        lambda file: file.attrs.create("n_units", 2**62),
        "n_units is 46116860184",
    ),
    "n_units that is no number": (
        lambda file: file.attrs.create("n_units", np.bytes_(b"x")),
        "n_units is 'x', not in 1",
    ),
    "negative unit": (negative_unit, "a unit is outside 0 … 699"),
    "attributes without end": (
        lambda file: [file.attrs.create(f"a{i}", i) for i in range(1_001)],
        "more than 1000 attributes",
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "canary").write_bytes(CANARY * 10)
    with h5py.File(make(tmp_path / "other.h5"), "a") as file:
        del file["extra/keys"]
        file["extra/keys"] = np.array([CANARY] * 3)
    return tmp_path


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", REFUSED)
def test_refused(folder: Path, name: str, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(folder / "a.h5", layout)
    assert_as_written(path)
    change, message = REFUSED[name]
    with h5py.File(path, "a") as file:
        change(file)
    opened: list[object] = []
    really = os.open
    monkeypatch.setattr(os, "open", lambda *args: opened.append(args[0]) or really(*args))
    text = refusal(path)
    assert re.search(message, text), text
    assert opened == [path], "another file was opened"


def two_of_a_kind(file: h5py.File) -> None:
    for name, kind in (("labels", ">i2"), ("extra/speaker", ">u4")):
        values = file[name][()].astype(kind)
        put(name, values)(file)


def in_chunks(file: h5py.File) -> None:
    values = file["labels"][()]
    del file["labels"]
    options = {"chunks": (2,), "compression": "gzip", "shuffle": True, "fletcher32": True}
    file.create_dataset("labels", data=values, **options)


def strange_attributes(file: h5py.File) -> None:
    file.attrs["text"] = "of variable length"
    file.attrs["list"] = np.arange(100)
    file.attrs["pair"] = np.zeros((), dtype=[("a", "i4"), ("b", "f8")])
    file.attrs["half"] = np.float16(np.nan)
    space = h5py.h5s.create(h5py.h5s.SCALAR)
    h5py.h5a.create(file.id, b"\xff\n", h5py.h5t.STD_I8LE, space).write(np.array(1, "i1"))


def other_things(file: h5py.File) -> None:
    file["other"] = h5py.ExternalLink("other.h5", "/extra/keys")
    file["extra/meta"] = h5py.SoftLink("/other")
    file["broken"] = h5py.SoftLink("/nowhere")
    array("huge", 2**42, "i8")(file)
    file.create_dataset("spikes/x", (3,), "i8", chunks=(3,), compression="lzf")[:] = 1


HARMLESS: dict[str, Change] = {
    "rings of groups": ring,
    "big-endian numbers": two_of_a_kind,
    "chunks with a checksum": in_chunks,
    "strange attributes": strange_attributes,
    "unknown names that lead outside": other_things,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", HARMLESS)
def test_read_as_written(folder: Path, name: str, layout: str) -> None:
    path = make(folder / "a.h5", layout)
    with h5py.File(path, "a") as file:
        HARMLESS[name](file)
    assert_as_written(path)


def test_names_that_are_no_text_are_shown_as_bytes(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5")
    with h5py.File(path, "a") as file:
        put("extra/keys", np.array([b"\xff\xfe", b""]))(file)
    assert load(path)["keys"] == ("\\xff\\xfe", "")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_unsorted_times_are_read_as_they_are_and_reported(tmp_path: Path, layout: str) -> None:
    path = make(tmp_path / "a.h5", layout)
    backwards = samples()[2][0][::-1]
    with h5py.File(path, "a") as file:
        times(backwards)(file)
    assert_array_equal(load(path)["events"].times[40:], backwards)
    assert f"{path}: sample 2: spike times are not sorted" in find_problems(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_zero_samples(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "a.h5"
    if layout == "ours":
        SpikeWriter(path, 700, ["a"], {}).__enter__().__exit__(None, None, None)
    else:
        with h5py.File(path, "w") as file:
            for name in ("times", "units"):
                file.create_dataset(
                    f"spikes/{name}", (0,), h5py.vlen_dtype("f2" if name == "times" else "u2")
                )
            file["labels"] = np.zeros(0, int)
    found = load(path)
    assert (len(found["labels"]), found["events"].offsets.tolist()) == (0, [0])
    with SpikeFile(path) as spikes:
        assert list(spikes.blocks()) == []
    assert f"{path}: contains no samples" in find_problems(path)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_overlong_sample_is_refused_before_it_is_read(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "a.h5", layout)
    monkeypatch.setattr(hdf5_guard, "MAX_SPIKES_PER_SAMPLE", 90)
    assert_as_written(path)
    monkeypatch.setattr(hdf5_guard, "MAX_SPIKES_PER_SAMPLE", 89)
    assert refusal(path) == "spikes/times has 90 spikes in sample 2; at most 89 are read"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("most", [1, 40, 89, 129, 130, 2**20])
def test_blocks_are_the_file(tmp_path: Path, layout: str, most: int) -> None:
    path = make(tmp_path / "a.h5", layout)
    with SpikeFile(path) as spikes:
        blocks = list(spikes.blocks(most))
        whole = spikes.read()
        assert spikes.time_dtype == ("float32" if layout == "ours" else "float16")
    assert [first for first, *_ in blocks] == [0, *(last for _, last, *_ in blocks[:-1])]
    assert blocks[-1][1] == 3
    assert all(len(seconds) <= most or last == first + 1 for first, last, seconds, _ in blocks)
    assert_array_equal(np.concatenate([block[2] for block in blocks]), whole.times)
    assert_array_equal(np.concatenate([block[3] for block in blocks]), whole.units)
    assert blocks[0][2].dtype == np.float64


def test_a_block_of_no_spikes_is_refused(tmp_path: Path) -> None:
    with (
        SpikeFile(make(tmp_path / "a.h5")) as spikes,
        pytest.raises(ValueError, match="max_spikes must be at least 1, got 0"),
    ):
        next(spikes.blocks(0))


# Bytes that no writer leaves.


def find(data: bytes, what: bytes, after: int = 0) -> int:
    at = data.index(what, after)
    assert at >= 0
    return at


def its_own_child(data: bytearray) -> None:
    """Make every group index an inner node that is its own child."""
    at = -1
    while (at := data.find(b"TREE\x00", at + 1)) >= 0:
        data[at + 5] = 1
        data[at + 32 : at + 40] = struct.pack("<Q", at)


def its_own_continuation(data: bytearray) -> None:
    root = struct.unpack_from("<Q", data, 64)[0]
    struct.pack_into("<HHB", data, root + 16, 0x10, 16, 0)
    struct.pack_into("<QQ", data, root + 24, root + 16, 24)


def shared_heap(data: bytearray) -> None:
    """Let two arrays have the same object: the first reference of times becomes that of units."""
    heap = find(data, b"GCOL")
    first = find(data, struct.pack("<IQ", 40, heap))
    second = find(data, struct.pack("<IQ", 40, heap), first + 16)
    data[second : second + 16] = data[first : first + 16]


BYTES: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "a user block": (lambda d: d.__setitem__(slice(0, 0), CANARY.ljust(512)), "not an HDF5 file"),
    "a shifted base": (lambda d: struct.pack_into("<Q", d, 24, 512), "has a user block or a shift"),
    "a driver block": (lambda d: struct.pack_into("<Q", d, 48, 96), "one of the files of a set"),
    "an end beyond the end": (lambda d: struct.pack_into("<Q", d, 40, 2**40), "is truncated"),
    "an end before the arrays": (lambda d: struct.pack_into("<Q", d, 40, 100), "points outside"),
    "a root outside": (lambda d: struct.pack_into("<Q", d, 64, 2**63), "points outside the file"),
    "a root that is no header": (lambda d: struct.pack_into("<Q", d, 64, 8), "no object header"),
    "narrow addresses": (lambda d: d.__setitem__(13, 4), "addresses that are not 8 bytes wide"),
    "a superblock to come": (
        lambda d: d.__setitem__(8, 9),
        "superblock version 9, which is not supported",
    ),
    "an index in a circle": (its_own_child, "has a damaged index"),
    "a header in a circle": (its_own_continuation, "contains a loop"),
    "only the signature": (
        lambda d: d.__delitem__(slice(8, None)),
        "addresses that are not 8 bytes",
    ),
    "a collection that is too long": (
        lambda d: struct.pack_into("<Q", d, find(d, b"GCOL") + 8, 2**63),
        "has a damaged heap",
    ),
    "an object that is too long": (
        lambda d: struct.pack_into("<Q", d, find(d, b"GCOL") + 24, 2**64 - 1),
        "has a damaged heap",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", BYTES)
def test_forged_bytes_are_refused(tmp_path: Path, name: str, layout: str) -> None:
    path = make(tmp_path / "a.h5", layout)
    data = bytearray(path.read_bytes())
    change, message = BYTES[name]
    change(data)
    path.write_bytes(data)
    assert message in refusal(path)


def test_times_and_units_that_share_an_object_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, kind in (("times", np.float16), ("units", np.uint16)):
            data = file.create_dataset(f"spikes/{name}", (1,), h5py.vlen_dtype(kind))
            data[0] = np.zeros(40, dtype=kind)
        file["labels"] = [0]
    assert load(path)["events"].offsets.tolist() == [0, 40]
    raw = bytearray(path.read_bytes())
    shared_heap(raw)
    path.write_bytes(raw)
    assert refusal(path) == "spikes has elements that share their data"


def test_a_heap_that_is_walked_again_and_again_is_refused(tmp_path: Path) -> None:
    """Many small heaps, each a window on the same long row of objects, cost no more than a bound."""
    rows, heaps = 60_000, 40
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("spikes/times", (heaps,), h5py.vlen_dtype("f4"))
        data[:] = [np.zeros(1, "f4")] * heaps
        file["spikes/units"] = data
        file["labels"] = np.zeros(heaps, int)
        references = data.id.get_offset()
    raw = bytearray(path.read_bytes())
    start = len(raw)
    for _ in range(heaps):  # a header that is an object of the heap before it
        raw += struct.pack("<5s3xQHHIQ", b"GCOL\x01", 0, 7, 0, 0, 8) + bytes(8)
    row = b"".join(struct.pack("<HHIQ", i % 60_000 + 9, 0, 0, 0) for i in range(rows))
    raw += row + struct.pack("<HHIQ", 65_535, 0, 0, 4) + bytes(8)
    for i in range(heaps):
        at = start + 40 * i
        struct.pack_into("<Q", raw, at + 8, len(raw) - at)
        struct.pack_into("<Q", raw, at + 32, 0)
        struct.pack_into("<Q", raw, at + 24, 40 * (heaps - i) - 32)
        struct.pack_into("<IQI", raw, references + 16 * i, 1, at, 65_535)
    struct.pack_into("<Q", raw, 40, len(raw))
    path.write_bytes(raw)
    assert "has a heap with far more objects than elements" in refusal(path)


@pytest.mark.parametrize(("driver", "options"), [("family", {"memb_size": 2**20}), ("split", {})])
def test_a_file_of_a_set_is_refused(tmp_path: Path, driver: str, options: dict[str, int]) -> None:
    name = "a%d.h5" if driver == "family" else "a"
    with h5py.File(tmp_path / name, "w", driver=driver, **options) as file:
        file["labels"] = [1]
    path = tmp_path / ("a0.h5" if driver == "family" else "a-m.h5")
    assert refusal(path) == "is one of the files of a set (family, multi or split)"


class TestNewerFormats:
    """What libver="latest" writes: read where it is plain, refused with a remedy where it is not."""

    @staticmethod
    def write(path: Path, change: Change = lambda file: None, **options: object) -> Path:
        with h5py.File(path, "w", libver="latest") as file:
            for column, (name, kind) in enumerate((("times", np.float32), ("units", np.uint16))):
                data = file.create_dataset(f"spikes/{name}", (3,), h5py.vlen_dtype(kind), **options)
                for i, sample in enumerate(samples()):
                    data[i] = sample[column].astype(kind)
            file.create_dataset("labels", data=[0, 1, 0], chunks=(3,), compression="gzip")
            file.create_dataset("extra/speaker", data=[0, 1, 2], chunks=(3,), fletcher32=True)
            file["extra/keys"] = np.array([b"a", b"b"])
            file.attrs["n_units"] = 700
            change(file)
        return path

    def test_plain_arrays_are_read(self, tmp_path: Path) -> None:
        assert_as_written(self.write(tmp_path / "a.h5"))
        assert_as_written(self.write(tmp_path / "a.h5", chunks=(3,), compression="gzip"))

    @pytest.mark.parametrize(
        ("change", "options", "message"),
        [
            (lambda file: None, {"chunks": (2,), "maxshape": (None,)}, "an index of chunks that"),
            (lambda file: [put(f"extra/x{i}", 1)(file) for i in range(9)], {}, "in a group of a"),
            (
                lambda file: [file.attrs.create(f"a{i}", i) for i in range(9)],
                {},
                "attributes are s",
            ),
        ],
    )
    def test_what_is_not_plain_is_refused_with_a_remedy(
        self, tmp_path: Path, change: Change, options: dict[str, Any], message: str
    ) -> None:
        text = refusal(self.write(tmp_path / "a.h5", change, **options))
        assert message in text
        assert text.endswith("only newer formats have; write it again with libver='earliest'")

    def test_external_links_and_wrong_sums_are_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.h5", link_outside("labels"))
        assert "labels is accessed by a link (labels) that is not a hard link" in refusal(path)
        data = bytearray(self.write(path).read_bytes())
        data[find(data, b"OHDR") + 20] ^= 1
        path.write_bytes(data)
        assert "damaged object header: its checksum is wrong" in refusal(path)

    def test_a_file_that_is_still_open_for_writing_is_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.h5")
        data = bytearray(path.read_bytes())
        data[11] |= 1
        data[44:48] = struct.pack("<I", _lookup3(bytes(data[:44])))
        path.write_bytes(data)
        assert "was not closed by the program that wrote it" in refusal(path)

    def test_a_type_that_is_shared_is_refused(self, tmp_path: Path) -> None:
        path = make(tmp_path / "a.h5")
        with h5py.File(path, "a") as file:
            file["kind"] = np.dtype("i8")
            array("labels", 3, file["kind"])(file)
        assert refusal(path).startswith("labels has a type that is shared with other objects")


def test_a_pipe_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.h5")
    assert refusal(tmp_path / "a.h5") == "not a regular file"


def test_a_file_that_is_forgotten_is_closed(tmp_path: Path) -> None:
    path = make(tmp_path / "a.h5")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        assert SpikeFile(path).n_samples == 3
    assert len(os.listdir("/proc/self/fd")) == before


# Processes with little memory.


def child(folder: Path, limit_mib: int) -> dict[str, dict[str, Any]]:
    """Load every file of a folder in one process that may have so much more memory."""
    command = [sys.executable, __file__, str(folder), str(limit_mib)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


@cache
def signatures(data: bytes) -> list[int]:
    marks = [b"TREE", b"SNOD", b"HEAP", b"GCOL", b"\x01\x00"]
    return [at for mark in marks for at in range(len(data)) if data.startswith(mark, at)]


def damage(data: bytes, random: np.random.Generator) -> bytes:
    """Damage a copy of a file: flip, zero, cut or swap, in the bytes that say where things are."""
    copy = bytearray(data)
    places = signatures(data)
    for _ in range(int(random.integers(1, 4))):
        at = int(random.choice(places) + random.integers(0, 64)) % len(copy)
        if random.random() < 0.4:
            at = int(random.integers(0, len(copy)))
        kind, size = int(random.integers(0, 5)), int(random.integers(1, 64))
        if kind == 0:
            copy[at] ^= int(random.integers(1, 256))
        elif kind == 1:
            copy[at] ^= 1 << int(random.integers(0, 8))
        elif kind == 2:
            copy[at : at + size] = bytes(len(copy[at : at + size]))
        elif kind == 3:
            other = int(random.choice(places)) % len(copy)
            block, end = bytes(copy[other : other + size]), bytes(copy[at : at + size])
            copy[other : other + len(end)] = end
            copy[at : at + len(block)] = block
        elif random.random() < 0.3:
            del copy[max(at, 1) :]
    return bytes(copy)


def test_500_damaged_copies_are_refused_in_one_line_or_read(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    for i in range(500):
        if i % 250 == 0:
            data = make(tmp_path / "good.h5", LAYOUTS[i // 250]).read_bytes()
        (folder / f"{i}.h5").write_bytes(damage(data, rng))
    found = child(folder, 512)
    assert sorted(found) == sorted(f"{i}.h5" for i in range(500))
    refused = [row for row in found.values() if row["outcome"] == "refused"]
    read = [row for row in found.values() if row["outcome"] == "read"]
    assert len(refused) + len(read) == 500
    assert min(len(refused), len(read)) > 50
    for row in refused:
        assert row["message"].startswith(f"{folder / row['name']}: ")
        assert len(row["message"].splitlines()) == 1
    assert [row for row in read if not row["sound"]] == []


def test_nothing_needs_the_memory_that_it_declares(tmp_path: Path) -> None:
    folder = tmp_path / "greedy"
    folder.mkdir()
    for name, change in (
        ("32 TiB", array("labels", 2**42, "i8")),
        ("32 TiB in chunks", array("labels", 2**42, "i8", chunks=(1024,))),
        ("bomb", bomb("labels", "i8", times=2**28 // 24)),
        ("bomb of references", bomb("spikes/times", h5py.vlen_dtype("f4"), times=2**28 // 48)),
    ):
        with h5py.File(make(folder / f"{name}.h5"), "a") as file:
            change(file)
    million(folder / "million.h5")
    million(folder / "compressed million.h5", compression="gzip")
    long = np.zeros(2**20)
    with SpikeWriter(folder / "long.h5", 1, [], {}) as writer:
        for _ in range(8):
            writer.append(long, long.astype(int))
    # 8 Mi spikes are 80 MiB, which is more than there is; they pass in blocks.
    found = child(folder, 64)
    read = {"million.h5", "compressed million.h5", "long.h5"}
    assert {name for name, row in found.items() if row["outcome"] == "read"} == read
    assert len(found) == len(read) + 4
    assert all(row["sound"] for row in found.values() if row["outcome"] == "read")
    assert (found["million.h5"]["samples"], found["million.h5"]["spikes"]) == (10**6, 0)
    assert found["long.h5"]["spikes"] == 2**23


def million(path: Path, **options: object) -> None:
    """Write a million empty samples."""
    if options:
        options["chunks"] = (10_000,)
    with h5py.File(path, "w") as file:
        for name, kind in (("times", "f2"), ("units", "u2")):
            data = file.create_dataset(f"spikes/{name}", (10**6,), h5py.vlen_dtype(kind), **options)
            for first in range(0, 10**6, 10_000) if options else ():
                data.id.write_direct_chunk((first,), zlib.compress(bytes(160_000)))
            if not options:
                data[0] = []
        file.create_dataset("labels", data=np.zeros(10**6, "i1"), **options)


def sound(path: Path) -> dict[str, Any]:
    """Read a file block by block and say whether what was read agrees with itself."""
    spikes_read = samples_read = 0
    agree = True
    with SpikeFile(path) as spikes:
        counts = spikes.spike_counts
        for first, last, seconds, channels in spikes.blocks(2**18):
            agree &= first == samples_read and len(seconds) == len(channels)
            agree &= len(seconds) == int(counts[first:last].sum())
            agree &= bool(np.isfinite(seconds).all() and (seconds >= 0).all())
            agree &= bool((channels < spikes.n_units).all())
            spikes_read, samples_read = spikes_read + len(seconds), last
        agree &= samples_read == spikes.n_samples == len(spikes.labels) == len(spikes.speakers)
        for column in (spikes.splits, spikes.sources, spikes.sha256, spikes.sample_rates_hz):
            agree &= column is None or len(column) == samples_read
        agree &= spikes.durations_s is None or len(spikes.durations_s) == samples_read
        _ = (spikes.keys, spikes.speaker_names, spikes.starts_s, spikes.segments)
    return {"samples": samples_read, "spikes": spikes_read, "sound": agree}


def main(folder: Path, limit_mib: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + limit_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for path in sorted(folder.iterdir()):
        row: dict[str, Any] = {"name": path.name, "outcome": "read"}
        try:
            row |= sound(path)
        except SpikeFileError as error:
            row |= {"outcome": "refused", "message": str(error)}
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))


@pytest.mark.parametrize("chunks", [None, (4,)])
def test_samples_that_h5py_never_wrote_are_empty(tmp_path: Path, chunks: tuple | None) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for name, kind in (("times", "f4"), ("units", "u2")):
            data = file.create_dataset(
                f"spikes/{name}", (10,), h5py.vlen_dtype(np.dtype(kind)), chunks=chunks
            )
            if chunks:
                data[9] = np.array(
                    [1], kind
                )  # in the last of three chunks; the others are not stored
        file["labels"] = np.zeros(10, int)
    with SpikeFile(path) as spikes:
        assert spikes.spike_counts.tolist() == [0] * 9 + ([1] if chunks else [0])
        assert spikes.read().offsets[-1] == len(chunks or ())


def test_long_text_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for width, count, message in (
        (65_535, 4, "extra/source contains strings longer than 4096 bytes"),
        (4_096, 20_000, "extra/source declares 81920000 bytes of text"),
    ):
        path = tmp_path / f"{width}.h5"
        with h5py.File(path, "w") as file:
            for name, kind in (("times", "f4"), ("units", "u2")):
                file.create_dataset(f"spikes/{name}", (count,), h5py.vlen_dtype(np.dtype(kind)))
            file["labels"] = np.zeros(count, int)
            file.create_dataset("extra/source", (count,), f"S{width}", compression="gzip")
        with pytest.raises(SpikeFileError, match=message), SpikeFile(path) as spikes:
            spikes.read()
