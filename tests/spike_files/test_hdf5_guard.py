import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from helpers.spike_files import published, write
from numpy.typing import DTypeLike

from spikebench.errors import SpikeFileError
from spikebench.spike_files.reader import SpikeFile

SAMPLES = [(np.linspace(0, 0.5, 40), np.arange(40))] * 3


def load(path: Path) -> tuple[object, ...]:
    with SpikeFile(path) as spikes:
        spikes.read()
        return spikes.labels, spikes.speakers, spikes.keys, spikes.splits, spikes.provenance


def rewrite(path: Path, change: Callable[[h5py.File], object]) -> None:
    with h5py.File(path, "a") as file:
        change(file)


def replace(name: str, value: object) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return change


def external_link(file: h5py.File) -> None:
    del file["labels"]
    file["labels"] = h5py.ExternalLink("/etc/passwd", "/")


def soft_group(file: h5py.File) -> None:
    file["real"] = file["spikes"]
    del file["spikes"]
    file["spikes"] = h5py.SoftLink("/real")


def external_storage(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (3,), "i8", external=[("/etc/passwd", 0, 24)])


def virtual(file: h5py.File) -> None:
    del file["labels"]
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file.create_virtual_dataset("labels", layout)


def not_stored(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (4 * 10**6,), "i8")


def chunks_not_stored(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (4 * 10**6,), "i8", chunks=(10**6,))


def huge(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (10**12,), "i8", chunks=(1024,))


def wide_chunks(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (3,), "i8", chunks=(10**7,), maxshape=(None,))[:] = 0


def lzf(file: h5py.File) -> None:
    del file["labels"]
    file.create_dataset("labels", (3,), "i8", chunks=(3,), compression="lzf")[:] = 0


def gzip_bomb(file: h5py.File) -> None:
    del file["labels"]
    data = file.create_dataset("labels", (3,), "i8", chunks=(3,), compression="gzip")
    data.id.write_direct_chunk((0,), zlib.compress(bytes(24_000)))


def matrix(file: h5py.File) -> None:
    replace("labels", np.zeros((3, 1), dtype=int))(file)


def sequences(file: h5py.File, kind: DTypeLike, name: str = "spikes/times") -> None:
    del file[name]
    data = file.create_dataset(name, (3,), h5py.vlen_dtype(kind))
    for i in range(3):
        data[i] = np.zeros(40, dtype=kind)


def one_shorter(file: h5py.File) -> None:
    file["spikes/times"][1] = np.zeros(39, dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (external_link, "labels is accessed by a link .* not a hard link"),
        (soft_group, "spikes/times is accessed by a link .* not a hard link"),
        (external_storage, "labels is stored in another file"),
        (virtual, "labels is a virtual data set"),
        (not_stored, "labels declares 32000000 bytes, but stores 0"),
        (chunks_not_stored, "labels declares chunks that are not stored"),
        (huge, "labels declares 8000000000000 bytes"),
        (wide_chunks, "labels has chunks of 80000000 bytes"),
        (lzf, "labels uses a filter other than gzip"),
        (gzip_bomb, "labels has a chunk that decompresses to more than the declared size"),
        (matrix, "labels has 2 dimensions"),
        (replace("labels", np.zeros(3)), "labels does not contain values of type integer"),
        (replace("labels", np.zeros(2, int)), "has 3 elements, labels has 2"),
        (replace("extra/speaker", np.zeros(2, int)), "extra/speaker has 2 elements"),
        (replace("extra/keys", np.array([1])), "extra/keys does not contain strings"),
        (replace("spikes/times", np.zeros(3)), "spikes/times does not have a variable length"),
        (lambda file: file["extra"].move("keys", "/x") or replace("extra/keys/a", 1)(file), "kind"),
        (lambda file: sequences(file, np.int32), "does not contain values of type float"),
        (lambda file: sequences(file, np.float32, "spikes/units"), "of type integer"),
        (lambda file: file.__delitem__("spikes/units"), "spikes/units is missing"),
        (one_shorter, "sample 1 has 39 times and 40 units"),
        (replace("labels", np.array([0, 1, 7])), "labels contains a value outside -1 … 1"),
        (replace("labels", np.array([0, 1, -2])), "labels contains a value outside"),
        (replace("extra/split", np.array([b"x"] * 3)), "extra/split contains 'x'"),
        (lambda file: file.attrs.modify("n_units", 39), "a unit is outside 0 … 38"),
        (lambda file: file.attrs.modify("n_units", 0), "n_units is 0"),
        (lambda file: file.attrs.modify("format_version", 2), "format version 2 is not supported"),
        (lambda file: file.attrs.create("x_json", np.bytes_(b"{")), "x_json is not JSON"),
    ],
)
def test_a_hostile_file_is_refused_in_one_line(
    tmp_path: Path, change: Callable[[h5py.File], object], message: str
) -> None:
    path = write(tmp_path / "a.h5", SAMPLES)
    assert len(load(path)[0]) == 3
    rewrite(path, change)
    with pytest.raises(SpikeFileError, match=message) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.5, 1e6])
def test_a_time_that_is_none_is_refused(tmp_path: Path, value: float) -> None:
    path = write(tmp_path / "a.h5", SAMPLES)
    rewrite(path, lambda file: file["spikes/times"].__setitem__(2, np.full(40, value, "f4")))
    with SpikeFile(path) as spikes, pytest.raises(SpikeFileError, match="sample 2: a spike time"):
        spikes.events(2)
    with pytest.raises(SpikeFileError, match="a spike time is negative, not finite"):
        load(path)


def references(path: Path) -> int:
    """Find the references of a plain variable-length array in the file's bytes."""
    with h5py.File(path) as file:
        return file["spikes/times"].id.get_offset()


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, struct.pack("<I", 4_000_000_000), "length differs from that of its data"),
        (0, struct.pack("<I", 1), "length differs from that of its data"),
        (4, struct.pack("<Q", 2**40), "points outside the file"),
        (4, struct.pack("<Q", 2**64 - 1), "points outside the file"),
        (4, struct.pack("<Q", 8), "points to an object that is not a heap"),
        (12, struct.pack("<I", 60_000), "length differs from that of its data"),
    ],
)
def test_a_forged_reference_is_refused(tmp_path: Path, at: int, value: bytes, message: str) -> None:
    path = published(tmp_path / "a.h5")
    data = bytearray(path.read_bytes())
    start = references(path) + at
    data[start : start + len(value)] = value
    path.write_bytes(data)
    with pytest.raises(SpikeFileError, match=f"spikes/times .*{message}"):
        load(path)


def test_elements_that_share_their_data_are_refused(tmp_path: Path) -> None:
    path = published(tmp_path / "a.h5", times=([0.0, 0.5], [1.0, 1.5]))
    data = bytearray(path.read_bytes())
    start = references(path)
    data[start + 16 : start + 32] = data[start : start + 16]
    path.write_bytes(data)
    with pytest.raises(SpikeFileError, match="has elements that share their data"):
        load(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"not HDF5", "is not an HDF5 file"),
        (b"\x1f\x8b\x08....", "is compressed; unpack it first"),
        (b"PK\x03\x04....", "is compressed; unpack it first"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "a.h5: "),
    ],
)
def test_something_else_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.h5").write_bytes(data)
    with pytest.raises(SpikeFileError, match=message):
        load(tmp_path / "a.h5")


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpikeFileError, match="gone: no such file"):
        load(tmp_path / "gone")
    with pytest.raises(SpikeFileError, match="is a folder"):
        load(tmp_path)


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.h5", SAMPLES).read_bytes()
    for part in range(1, 20):
        (tmp_path / "a.h5").write_bytes(whole[: len(whole) * part // 20])
        with pytest.raises(SpikeFileError, match=r"a\.h5: "):
            load(tmp_path / "a.h5")


def test_a_damaged_byte_is_refused_or_harmless(tmp_path: Path) -> None:
    whole = write(tmp_path / "a.h5", SAMPLES).read_bytes()
    random = np.random.default_rng(0)
    refused = []
    for at in random.integers(0, len(whole), 300).tolist():
        data = bytearray(whole)
        data[at] ^= int(random.integers(1, 256))
        (tmp_path / "a.h5").write_bytes(data)
        try:
            load(tmp_path / "a.h5")
        except SpikeFileError as error:
            refused.append(str(error))
    assert refused
    assert not any("\n" in text for text in refused)


def test_unknown_names_are_not_opened(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", SAMPLES)
    rewrite(path, replace("extra/other", h5py.ExternalLink("/etc/passwd", "/")))
    assert len(load(path)[0]) == 3
