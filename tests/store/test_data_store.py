"""Data sets on this machine: got once, kept, checked; whoever changes a byte is told."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers import https_server as scripts
from helpers.downloads import download, spec, spike_file, tar
from helpers.https_server import HttpsServer, serve

from spikebench.datasets.spec import DatasetSpec, SpikePart
from spikebench.errors import DataError
from spikebench.store.contents import accept, get, recording_folders, state, verify
from spikebench.store.folder import folder_of, locked, part_paths
from spikebench.store.manifest import read_manifest
from spikebench.store.pins import read_pins

CLIPS = {"top/a_x.wav": b"one", "top/deep/b_x.wav": b"two"}
MEMBERS = r"top/(?P<path>.+\.wav)"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    with serve(tmp_path, monkeypatch) as here:
        yield here


@pytest.fixture
def published(server: HttpsServer, tmp_path: Path) -> DatasetSpec:
    data = spike_file(tmp_path)
    md5 = hashlib.md5(data).hexdigest()
    url = server.add("/a", scripts.whole(gzip.compress(data)))
    return spec(
        "published",
        (SpikePart("toy.h5", "train", md5, None),),
        (download("toy.h5.gz", url, "toy.h5"),),
    )


@pytest.fixture
def audio(server: HttpsServer) -> DatasetSpec:
    url = server.add("/a", scripts.whole(tar(CLIPS)))
    return spec(
        "audio",
        (SpikePart("toy.h5", "", None, None),),
        (download("toy.tar.gz", url, "recordings/", MEMBERS),),
    )


def test_a_published_file_is_got_once(server: HttpsServer, published: DatasetSpec) -> None:
    assert state(published) == "not here"
    said: list[str] = []
    (path,) = get(published, notify=said.append)
    assert [path] == part_paths(published)
    assert state(published) == "here"
    assert [line.partition(":")[0] for line in said] == ["toy.h5.gz", "toy.h5.gz", "toy.h5"]
    assert said[1] == "toy.h5.gz: unpacking"
    assert "only its MD5 is published, and matches; its SHA-256 is pinned" in said[2]
    assert not (path.parent / "toy.h5.gz").exists()
    assert get(published, offline=True, notify=said.append) == [path]
    assert (len(said), len(server.asked)) == (3, 1)
    compared: list[str] = []
    assert verify(published, compared.append) == []
    assert compared == ["toy.h5: compared with published MD5 and SHA-256 pinned on first use"]
    path.unlink()
    assert state(published) == "not here"  # what it should be is still known


def test_an_unpacked_file_put_there_by_hand(published: DatasetSpec, tmp_path: Path) -> None:
    (path,) = part_paths(published)
    path.parent.mkdir(parents=True)
    path.write_bytes((tmp_path / "made.h5").read_bytes())
    assert get(published, offline=True) == [path]
    path.write_bytes(b"something else")
    with pytest.raises(
        DataError, match=r"toy\.h5: is not the expected file: .* published MD5 .*; remove it"
    ):
        get(published)


def test_an_archive_put_there_by_hand(published: DatasetSpec, tmp_path: Path) -> None:
    folder = folder_of(published)
    folder.mkdir(parents=True)
    (folder / "toy.h5.gz").write_bytes(gzip.compress((tmp_path / "made.h5").read_bytes()))
    assert state(published) == "partly here"
    get(published, offline=True)
    assert state(published) == "here"


def test_an_archive_that_holds_another_file(server: HttpsServer, published: DatasetSpec) -> None:
    server.add("/a", scripts.whole(gzip.compress(b"another")))
    with pytest.raises(DataError, match=r"its contents are not toy\.h5: the published MD5 is"):
        get(published)
    folder = folder_of(published)
    assert not (folder / "toy.h5").exists()
    # What turned out to be wrong is not what the next one is compared with.
    (folder / "toy.h5.gz").unlink()
    server.add("/a", scripts.whole(gzip.compress((folder.parent.parent / "made.h5").read_bytes())))
    assert get(published)[0].is_file()


def test_two_at_once_download_once(server: HttpsServer, published: DatasetSpec) -> None:
    said: list[str] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            get(published, notify=said.append)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(server.asked) == 1


def test_who_waits_is_told(published: DatasetSpec) -> None:
    folder = folder_of(published)
    said: list[str] = []
    waiting = threading.Event()

    def notify(text: str) -> None:
        said.append(text)
        waiting.set()

    def run() -> None:
        with locked(folder, notify):
            said.append("in")

    with locked(folder, said.append):
        thread = threading.Thread(target=run)
        thread.start()
        assert waiting.wait(10)
        said.append("out")
    thread.join()
    assert said == [
        f"{folder}: another process is working on this data set; waiting for it",
        "out",
        "in",
    ]


def test_a_folder_that_cannot_be_made(published: DatasetSpec, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(
        DataError, match=r"cannot be written: .*; choose another folder with \$SPIKEBENCH_DATA"
    ):
        get(published)


def test_recordings_are_got_once(server: HttpsServer, audio: DatasetSpec) -> None:
    (folder,) = get(audio)
    assert [folder] == recording_folders(audio)
    assert state(audio) == "partly here"
    assert (folder / "deep/b_x.wav").read_bytes() == b"two"
    sums = (folder.parent / "SHA256SUMS").read_text()
    assert sums == "".join(
        f"{hashlib.sha256(data).hexdigest()}  recordings/{name.removeprefix('top/')}\n"
        for name, data in CLIPS.items()
    )
    assert {path.name for path in folder.parent.iterdir()} == {
        *("recordings", "SHA256SUMS", "pins.json", ".lock")
    }
    assert get(audio, offline=True) == [folder]
    assert len(server.asked) == 1
    assert verify(audio) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "a_x.wav").unlink(), "recordings/a_x.wav: is missing"),
        (
            lambda folder: (folder / "a_x.wav").write_bytes(b"0ne"),
            "recordings/a_x.wav: has changed since it was unpacked: its SHA-256 differs",
        ),
        (
            lambda folder: (folder / "c.wav").write_bytes(b""),
            "recordings/c.wav: is not in SHA256SUMS",
        ),
    ],
)
def test_changed_recordings_are_told(
    audio: DatasetSpec, change: Callable[[Path], object], told: str
) -> None:
    (folder,) = get(audio)
    change(folder)
    assert verify(audio) == [f"{folder.parent}: {told}"]


def test_recordings_of_unknown_origin(audio: DatasetSpec) -> None:
    folder = folder_of(audio) / "recordings"
    folder.mkdir(parents=True)
    with pytest.raises(
        DataError, match=r"list of its contents, SHA256SUMS, does not; remove it, or .* --audio"
    ):
        get(audio)


@pytest.mark.parametrize("text", ["nonsense\n", f"{64 * '0'}  ../x\n", 2 * f"{64 * '0'}  x\n"])
def test_a_damaged_manifest(audio: DatasetSpec, text: str) -> None:
    (folder,) = get(audio)
    (folder.parent / "SHA256SUMS").write_text(text)
    with pytest.raises(DataError, match=r"SHA256SUMS: line \d is damaged; remove it and"):
        verify(audio)


def test_a_made_file_is_pinned(audio: DatasetSpec, tmp_path: Path) -> None:
    (path,), (part,) = part_paths(audio), audio.parts
    path.parent.mkdir(parents=True)
    data = spike_file(tmp_path)
    path.write_bytes(data)
    said: list[str] = []
    accept(audio, part, said.append)
    assert "no hash of it is published; its SHA-256 is pinned on first use" in said[0]
    assert verify(audio) == []
    path.write_bytes(data + b" ")
    with pytest.raises(DataError, match="the SHA-256 pinned on first use is"):
        accept(audio, part, said.append)
    assert "the SHA-256 pinned on first use is" in verify(audio)[0]
    accept(audio, part, said.append, made_now=True)
    assert len(said) == 1


def test_a_file_that_is_no_spike_file(published: DatasetSpec) -> None:
    (path,) = get(published)
    path.write_bytes(b"no HDF5")
    problems = verify(published)
    assert "the published MD5 is" in problems[0]
    assert len(problems) == 2
    assert all(problem.startswith(f"{path}: ") for problem in problems)


def test_a_missing_part_is_told(published: DatasetSpec) -> None:
    get(published)
    two = replace(published, parts=(*published.parts, SpikePart("b.h5", "test", None, None)))
    assert verify(two) == [f"{folder_of(two) / 'b.h5'}: is missing"]
    assert state(two) == "partly here"


def test_nothing_to_verify(published: DatasetSpec) -> None:
    with pytest.raises(
        DataError, match=r"'toy': is not in .*; get it with 'spikebench data get toy'"
    ):
        verify(published)


def test_packaged_data_come_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
    from spikebench.datasets import load_spec

    digits = load_spec("digits")
    assert state(digits) == "in the package"
    assert get(digits) == part_paths(digits)
    compared: list[str] = []
    assert verify(digits, compared.append) == []
    assert compared == ["digits.h5: compared with published SHA-256"]
    assert list(tmp_path.iterdir()) == []


def test_an_archive_with_too_few_recordings_is_refused_and_forgotten(
    server: HttpsServer, audio: DatasetSpec
) -> None:
    more = replace(audio, sizes={"train": 100})
    (folder,) = recording_folders(more)
    with pytest.raises(
        DataError, match=r"toy.tar.gz: contains \d recordings, toy has 100; remove it"
    ):
        get(more)
    assert not folder.exists()
    assert "toy.tar.gz" not in read_pins(folder.parent)
    assert read_manifest(folder.parent) == {}
    get(audio)
    assert any("contains" in line and "toy has 100" in line for line in verify(more))
