"""Hostile and damaged archives: nothing but what is expected comes out, and nothing half made stays."""

from __future__ import annotations

import gzip
import hashlib
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from spikebench.datasets.spec import Download
from spikebench.errors import DataError
from spikebench.store.unpacking import unpack_file, unpack_recordings

DATA = b"spikes" * 1000
CLIPS = {"top/audio/a.wav": b"one", "top/audio/deep/b.wav": b"two"}
DOWNLOAD = Download(
    file="a.h5.gz",
    urls=(),
    size_bytes=None,
    max_bytes=10**9,
    md5=None,
    sha256=None,
    becomes="a.h5",
    members="",
    max_unpacked_bytes=10_000,
    max_members=1,
)
ZIP = replace(DOWNLOAD, file="a.h5.zip", members=r"(?:top/)?(?P<path>a\.h5)")
TAR = replace(
    DOWNLOAD,
    file="a.tar.gz",
    becomes="audio/",
    members=r"(?:\./)?top/audio/(?P<path>.+\.wav)",
    max_members=4,
)


def fits(path: Path) -> str:
    return "" if path.read_bytes() == DATA else "other bytes"


def refused(archive: Path, download: Download, told: str) -> None:
    """Whatever is wrong is one line, and leaves nothing behind."""
    before = {path.name for path in archive.parent.iterdir()}

    def unpack() -> None:
        if download.becomes.endswith("/"):
            unpack_recordings(archive, download, archive.parent / "audio")
        else:
            unpack_file(archive, download, archive.parent / "a.h5", fits)

    with pytest.raises(DataError, match=told) as caught:
        unpack()
    assert str(caught.value).startswith(f"{archive}: ")
    assert str(caught.value).endswith("remove it, then run the same command to get it again")
    assert "\n" not in str(caught.value)
    assert {path.name for path in archive.parent.iterdir()} == before


@pytest.mark.parametrize("pieces", [1, 2])
def test_gzip(tmp_path: Path, pieces: int) -> None:
    size = len(DATA) // pieces
    parts = [gzip.compress(DATA[i * size : (i + 1) * size]) for i in range(pieces)]
    archive = tmp_path / "a.h5.gz"
    archive.write_bytes(b"".join(parts))
    unpack_file(archive, DOWNLOAD, tmp_path / "a.h5", fits)
    assert (tmp_path / "a.h5").read_bytes() == DATA
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", "a.h5.gz"}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (gzip.compress(b"\0" * 10**7, mtime=0), "contains more than 10000 bytes"),
        (gzip.compress(DATA, mtime=0)[:-10], "is cut short, damaged"),
        (gzip.compress(DATA, mtime=0) + b"garbage", "is cut short, damaged"),
        (gzip.compress(DATA, mtime=0)[:-8] + bytes(8), "is cut short, damaged"),
        (b"no archive at all", "is cut short, damaged"),
        (b"", "other bytes"),
        (gzip.compress(DATA[::-1], mtime=0), r"its contents are not a\.h5: other bytes"),
    ],
    ids=["bomb", "cut", "garbage behind", "wrong checksum", "no gzip", "empty", "other contents"],
)
def test_gzip_refusals(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "a.h5.gz").write_bytes(data)
    refused(tmp_path / "a.h5.gz", DOWNLOAD, told)


def zip_file(path: Path, members: list[tuple[zipfile.ZipInfo | str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def special(name: str, kind: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = (kind | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "patched", "told"),
    [
        ("ä.h5", b"\xa4\xa4", "is cut short, damaged"),  # its name is said to be UTF-8
        ("x.h5", b"\0.h5", "0 of its members have"),
    ],
)
def test_names_of_a_zip_that_are_none(tmp_path: Path, name: str, patched: bytes, told: str) -> None:
    archive = zip_file(tmp_path / "a.h5.zip", [(name, DATA)])
    data = archive.read_bytes()
    old = name.encode()[: len(patched)]
    assert data.count(old) == 2
    archive.write_bytes(data.replace(old, patched))
    refused(archive, ZIP, told)


def test_zip(tmp_path: Path) -> None:
    archive = zip_file(tmp_path / "a.h5.zip", [("top/README", b"me"), ("top/a.h5", DATA)])
    unpack_file(archive, ZIP, tmp_path / "a.h5", fits)
    assert {path.name for path in tmp_path.iterdir()} == {"a.h5", "a.h5.zip"}


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("a.h5", DATA), ("top/a.h5", DATA)], "2 of its members have the expected name"),
        ([("b.h5", DATA)], "0 of its members have the expected name"),
        ([("a.h5", DATA), ("../b", b"")], r"\.\./b leads out of the archive"),
        ([("a.h5", DATA), ("/b", b"")], "/b leads out of the archive"),
        ([("a.h5", DATA), ("..\\b", b"")], "leads out of the archive"),
        ([(special("a.h5", stat.S_IFLNK), b"/etc/passwd")], r"a\.h5 is not a regular file"),
        ([(special("a.h5", stat.S_IFBLK), b"")], r"a\.h5 is not a regular file"),
        ([("a.h5", b"\0" * 10**7)], "contains more than 10000 bytes"),
        ([("a.h5", DATA[::-1])], "other bytes"),
    ],
)
def test_zip_refusals(
    tmp_path: Path, members: list[tuple[zipfile.ZipInfo | str, bytes]], told: str
) -> None:
    refused(zip_file(tmp_path / "a.h5.zip", members), ZIP, told)


def patched(path: Path, change: Callable[[bytearray, int], None]) -> Path:
    """Change the header of the one member, in both places where a zip file has it."""
    data = bytearray(zip_file(path, [("a.h5", DATA)]).read_bytes())
    for magic, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        change(data, data.index(magic) + place)
    path.write_bytes(data)
    return path


def test_an_encrypted_zip(tmp_path: Path) -> None:
    def encrypt(data: bytearray, flags: int) -> None:
        data[flags] |= 1

    refused(patched(tmp_path / "a.h5.zip", encrypt), ZIP, "is encrypted")


def test_a_zip_packed_otherwise(tmp_path: Path) -> None:
    def lzma(data: bytearray, flags: int) -> None:
        data[flags + 2] = 14

    refused(patched(tmp_path / "a.h5.zip", lzma), ZIP, "by a method that is not supported")


def test_a_zip_that_lies_about_its_size(tmp_path: Path) -> None:
    def shrink(data: bytearray, flags: int) -> None:
        data[flags + 16 : flags + 20] = (100).to_bytes(4, "little")

    refused(patched(tmp_path / "a.h5.zip", shrink), ZIP, "is cut short, damaged")


def test_a_zip_cut_short(tmp_path: Path) -> None:
    archive = zip_file(tmp_path / "a.h5.zip", [("a.h5", DATA)])
    archive.write_bytes(archive.read_bytes()[:-30])
    refused(archive, ZIP, "is cut short, damaged")


def member(name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = len(data), kind
    info.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    return info


def tar_file(path: Path, *more: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    """Pack two recordings, and more."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        tar.addfile(member("top/audio", kind=tarfile.DIRTYPE))
        for name, data in CLIPS.items():
            tar.addfile(member(name, data), io.BytesIO(data))
        for info, data in more:
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_tar(tmp_path: Path, mode: str) -> None:
    others = (
        (member("top/README", b"me"), b"me"),
        (member("top/link", kind=tarfile.SYMTYPE), b""),
        (member("./top/audio/" + 200 * "c" + ".wav", b"3"), b"3"),
    )
    archive = tar_file(tmp_path / "a.tar.gz", *others, mode=mode)
    written: list[dict[str, str]] = []

    def write_down(digests: dict[str, str]) -> None:
        assert not (tmp_path / "audio").exists()
        written.append(digests)

    digests = unpack_recordings(archive, TAR, tmp_path / "audio", write_down)
    wanted = {"a.wav": b"one", "deep/b.wav": b"two", 200 * "c" + ".wav": b"3"}
    assert digests == {path: hashlib.sha256(data).hexdigest() for path, data in wanted.items()}
    assert written == [digests]
    there = {
        path.relative_to(tmp_path / "audio").as_posix(): path.read_bytes()
        for path in (tmp_path / "audio").rglob("*")
        if path.is_file()
    }
    assert there == wanted
    assert {path.name for path in tmp_path.iterdir()} == {"audio", "a.tar.gz"}


def test_recordings_from_a_zip(tmp_path: Path) -> None:
    archive = zip_file(tmp_path / "a.zip", [("README", b"me"), *CLIPS.items()])
    digests = unpack_recordings(archive, replace(TAR, file="a.zip"), tmp_path / "audio")
    assert set(digests) == {"a.wav", "deep/b.wav"}
    assert (tmp_path / "audio/deep/b.wav").read_bytes() == b"two"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ([member("../x.wav")], r"\.\./x\.wav leads out"),
        ([member("top/audio/../../../x.wav")], "leads out of the archive"),
        ([member("/top/audio/x.wav")], "/top/audio/x.wav leads out"),
        ([member("top/audio//x.wav")], "is not a valid name of a recording"),
        ([member("top/audio/./x.wav")], "is not a valid name of a recording"),
        ([member("top/audio/x\ty.wav")], "is not a valid name of a recording"),
        ([member("top/audio/x\\y.wav")], "is not a valid name of a recording"),
        ([member("top/audio/x.wav", kind=tarfile.SYMTYPE)], r"x\.wav is not a regular file"),
        ([member("top/audio/x.wav", kind=tarfile.LNKTYPE)], r"x\.wav is not a regular file"),
        ([member("top/audio/x.wav", kind=tarfile.CHRTYPE)], r"x\.wav is not a regular file"),
        ([member("top/audio/x.wav", kind=tarfile.FIFOTYPE)], r"x\.wav is not a regular file"),
        ([member("top/audio/x.wav", kind=tarfile.DIRTYPE)], r"x\.wav is not a regular file"),
        ([member("top/audio/a.wav")], r"contains a\.wav twice"),
        ([member("top/audio/a.wav/b.wav")], "is in place of a folder"),
        ([member(f"top/audio/{i}.wav") for i in range(3)], "contains more than 4 recordings"),
    ],
)
def test_tar_refusals(tmp_path: Path, more: list[tarfile.TarInfo], told: str) -> None:
    refused(tar_file(tmp_path / "a.tar.gz", *((info, b"") for info in more)), TAR, told)


@pytest.mark.parametrize(
    ("name", "size", "told"),
    [
        ("top/audio/x.wav", 10_001, "contains more than 10000 bytes"),
        ("top/passed-over", 10**7, "inflates to more bytes than expected"),
    ],
)
def test_tar_bombs(tmp_path: Path, name: str, size: int, told: str) -> None:
    data = b"\0" * size
    refused(tar_file(tmp_path / "a.tar.gz", (member(name, data), data)), TAR, told)


def test_a_name_that_would_fill_the_memory(tmp_path: Path) -> None:
    data = b"n" * 100_000
    info = member("././@LongLink", data, tarfile.GNUTYPE_LONGNAME)
    refused(tar_file(tmp_path / "a.tar.gz", (info, data)), TAR, "contains a name of 100000 bytes")


def test_a_sparse_member(tmp_path: Path) -> None:
    info = member("top/audio/x.wav")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.size": str(10**12),
        "GNU.sparse.map": f"{10**12},0",
    }
    refused(tar_file(tmp_path / "a.tar.gz", (info, b"")), TAR, "is not a regular file")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-10],
        lambda data: data + b"garbage",
        lambda data: data[:-8] + bytes(8),
        lambda data: b"no archive at all",
        lambda data: gzip.compress(gzip.decompress(data)[:2048]),
        lambda data: gzip.compress(gzip.decompress(data)[:2048] + b"x" * 4096),
        lambda data: gzip.compress(b""),
    ],
)
def test_a_damaged_tar(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    archive = tar_file(tmp_path / "a.tar.gz")
    archive.write_bytes(damage(archive.read_bytes()))
    refused(archive, TAR, "is cut short, damaged")


def test_an_archive_without_recordings(tmp_path: Path) -> None:
    archive = tar_file(tmp_path / "a.tar.gz")
    refused(
        archive, replace(TAR, members=r"(?P<path>x)"), "contains none of the expected recordings"
    )
