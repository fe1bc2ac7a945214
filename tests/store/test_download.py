"""Downloads: resumed, from mirrors, over https alone, bounded, and only what was published."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import https_server as scripts
from helpers.https_server import HttpsServer, serve

from spikebench.datasets.spec import Download
from spikebench.errors import DataError
from spikebench.store import transfer
from spikebench.store.download import obtain
from spikebench.store.folder import data_root
from spikebench.store.pins import read_pins

DATA = np.random.default_rng(1).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    with serve(tmp_path, monkeypatch) as here:
        yield here


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def download(*urls: str, sha256: str | None = SHA256, md5: str | None = None) -> Download:
    return Download(
        file="a.h5.gz",
        urls=urls,
        size_bytes=None,
        max_bytes=1_000_000,
        md5=md5,
        sha256=sha256,
        becomes="a.h5",
        members="",
        max_unpacked_bytes=1_000_000,
        max_members=1,
    )


def left_over(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_root_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path))
    assert data_root() == tmp_path
    monkeypatch.delenv("SPIKEBENCH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert data_root().name == "spikebench"


def test_a_file_comes_whole_and_is_taken_as_it_is_sent(server: HttpsServer, folder: Path) -> None:
    url = server.add("/a", scripts.whole(DATA, Content_Encoding="x-gzip"))
    seen: list[tuple[int, int | None]] = []
    said: list[str] = []
    path = obtain(download(url), folder, progress=lambda *now: seen.append(now), notify=said.append)
    assert path.read_bytes() == DATA
    assert server.asked[0][1]["Accept-Encoding"] == "identity"
    assert (seen[0], seen[-1]) == ((0, len(DATA)), (len(DATA), len(DATA)))
    assert said == []
    assert read_pins(folder)["a.h5.gz"].sha256 == SHA256
    assert left_over(folder) == {"a.h5.gz", "pins.json"}
    assert obtain(download(url), folder) == path
    assert len(server.asked) == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_broken_download_is_taken_up(server: HttpsServer, folder: Path, known: bool) -> None:
    one = download(
        server.add("/a", scripts.ranged(DATA, break_after=100_000, etag='"1"')),
        sha256=SHA256 if known else None,
    )
    with pytest.raises(
        DataError, match=r"broke off.*the downloaded part is kept, run the same command"
    ):
        obtain(one, folder)
    assert (folder / "a.h5.gz.partial").read_bytes() == DATA[:100_000]
    assert obtain(one, folder).read_bytes() == DATA
    assert server.ranges() == ["", "bytes=100000-"]


def test_an_interrupt_keeps_what_came(server: HttpsServer, folder: Path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done >= 100_000:
            raise KeyboardInterrupt

    one = download(server.add("/a", scripts.ranged(DATA)))
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        obtain(one, folder, progress=interrupt)
    have = (folder / "a.h5.gz.partial").stat().st_size
    assert 100_000 <= have < len(DATA)
    assert obtain(one, folder).read_bytes() == DATA
    assert server.ranges()[1] == f"bytes={have}-"


def test_a_server_without_ranges_begins_anew(server: HttpsServer, folder: Path) -> None:
    (folder / "a.h5.gz.partial").write_bytes(DATA[:1000])
    assert obtain(download(server.add("/a", scripts.whole(DATA))), folder).read_bytes() == DATA
    assert server.ranges() == ["bytes=1000-"]


@pytest.mark.parametrize("extra", [b"", b"more"])
def test_nothing_after_the_end(server: HttpsServer, folder: Path, extra: bytes) -> None:
    (folder / "a.h5.gz.partial").write_bytes(DATA + extra)
    assert obtain(download(server.add("/a", scripts.ranged(DATA))), folder).read_bytes() == DATA
    assert len(server.asked) == (2 if extra else 1)


def test_a_range_that_was_not_asked_for_begins_anew(server: HttpsServer, folder: Path) -> None:
    (folder / "a.h5.gz.partial").write_bytes(DATA[:1000])

    def script(handler: object) -> None:
        ranged = server.ranges()[-1] != ""
        reply = scripts.status(206, Content_Range=f"bytes 5-9/{len(DATA)}")
        (reply if ranged else scripts.whole(DATA))(handler)  # type: ignore[arg-type]

    assert obtain(download(server.add("/a", script)), folder).read_bytes() == DATA


def test_a_part_that_does_not_fit_is_told_and_left(server: HttpsServer, folder: Path) -> None:
    (folder / "a.h5.gz.partial").write_bytes(b"x" * 1000)
    said: list[str] = []
    one = download(server.add("/a", scripts.ranged(DATA)))
    assert obtain(one, folder, notify=said.append).read_bytes() == DATA
    assert server.ranges() == ["bytes=1000-", ""]
    assert said == ["a.h5.gz: the resumed download is another file; restarting from the beginning"]


def test_without_a_hash_only_one_version_is_put_together(server: HttpsServer, folder: Path) -> None:
    old = bytes(reversed(DATA))
    url = server.add("/a", scripts.ranged(old, break_after=1000, etag='"old"'))
    with pytest.raises(DataError, match="broke off"):
        obtain(download(url, sha256=None), folder)
    server.add("/a", scripts.ranged(DATA, etag='"new"'))
    assert obtain(download(url, sha256=None), folder).read_bytes() == DATA
    assert server.asked[1][1]["If-Range"] == '"old"'


def test_without_a_hash_and_a_version_it_begins_anew(server: HttpsServer, folder: Path) -> None:
    (folder / "a.h5.gz.partial").write_bytes(DATA[:1000])
    obtain(download(server.add("/a", scripts.ranged(DATA)), sha256=None), folder)
    assert server.ranges() == [""]


def test_mirrors_are_tried_in_order(server: HttpsServer, folder: Path) -> None:
    urls = [
        server.add("/gone", scripts.status(404)),
        server.add("/ill", scripts.status(500)),
        server.add("/other", scripts.whole(DATA[::-1])),
        server.add("/fine", scripts.whole(DATA)),
        server.add("/never", scripts.whole(DATA)),
    ]
    said: list[str] = []
    assert obtain(download(*urls), folder, notify=said.append).read_bytes() == DATA
    assert [path for path, _ in server.asked] == ["/gone", "/ill", "/other", "/fine"]
    assert said[0] == f"{urls[0]}: the server responds with status 404; trying the next address"
    assert said[1] == f"{urls[1]}: the server responds with status 500; trying the next address"
    assert said[2].startswith(
        f"{urls[2]}: delivers another file: the published SHA-256 is {SHA256}, "
    )
    assert server.ranges() == [""] * 4  # of the wrong file, nothing was kept


def test_https_alone(server: HttpsServer, folder: Path) -> None:
    plain = server.address.replace("https", "http") + "/fine"
    server.add("/fine", scripts.whole(DATA))
    with pytest.raises(DataError, match="an address that is not https"):
        obtain(download(plain), folder)
    assert server.asked == []
    with pytest.raises(DataError, match="an address that is not https"):
        obtain(download(server.add("/a", scripts.redirect(plain))), folder)
    with pytest.raises(DataError, match="an address that is not https"):
        obtain(download(server.add("/a", scripts.redirect("file:///etc/passwd"))), folder)
    assert [path for path, _ in server.asked] == ["/a", "/a"]
    assert obtain(download(server.add("/a", scripts.redirect("fine"))), folder).exists()


def test_redirects_end(server: HttpsServer, folder: Path) -> None:
    with pytest.raises(DataError, match="redirects more than 10 times"):
        obtain(download(server.add("/a", scripts.redirect("/a"))), folder)
    assert len(server.asked) == 11
    with pytest.raises(DataError, match="an invalid address"):
        obtain(download(server.add("/a", scripts.redirect("https://[1/"))), folder)


@pytest.mark.parametrize(
    ("size", "limit", "told"),
    [
        (None, 299_999, "has 300000 bytes; at most 299999 are allowed"),
        (300_001, 1_000_000, "has 300000 bytes instead of 300001"),
    ],
)
def test_a_wrong_size_is_refused_unread(
    server: HttpsServer, folder: Path, size: int | None, limit: int, told: str
) -> None:
    one = replace(download(server.add("/a", scripts.whole(DATA))), size_bytes=size, max_bytes=limit)
    with pytest.raises(DataError, match=told):
        obtain(one, folder)
    assert left_over(folder) == set()


def test_an_endless_file_is_stopped(server: HttpsServer, folder: Path) -> None:
    seen: list[int] = []
    with pytest.raises(DataError, match="sends more than 1000000 bytes"):
        obtain(
            download(server.add("/a", scripts.endless())),
            folder,
            progress=lambda done, total: seen.append(done),
        )
    assert max(seen) <= 1_000_000
    assert left_over(folder) == set()


def test_a_file_shorter_than_known_is_kept(server: HttpsServer, folder: Path) -> None:
    def script(handler: object) -> None:
        scripts._head(handler, 200, {})  # type: ignore[arg-type]
        handler.wfile.write(DATA[:100])  # type: ignore[attr-defined]

    one = replace(download(server.add("/a", script)), size_bytes=len(DATA))
    with pytest.raises(DataError, match=r"broke off after 100 of 300000 bytes.*is kept"):
        obtain(one, folder)


def test_a_server_that_falls_silent(
    server: HttpsServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "TIMEOUT_S", (1.0, 0.1))
    with pytest.raises(DataError, match="no response within"):
        obtain(download(server.add("/a", scripts.slow(DATA, 0.5))), folder)


def test_a_stranger_s_certificate(
    server: HttpsServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(DataError, match="no trusted https connection"):
        obtain(download(server.add("/a", scripts.whole(DATA))), folder)


def test_nobody_listens(server: HttpsServer, folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DataError, match="cannot be reached"):
        obtain(download(f"https://localhost:{port}/a"), folder)


def test_an_md5_is_completed_by_a_pin(server: HttpsServer, folder: Path) -> None:
    one = download(server.add("/a", scripts.whole(DATA)), sha256=None, md5=MD5)
    said: list[str] = []
    obtain(one, folder, notify=said.append).unlink()
    assert said == [
        "a.h5.gz: only its MD5 is published, and matches; its SHA-256 is pinned on first use: "
        + SHA256
    ]
    server.add("/a", scripts.whole(DATA[:-1]))
    with pytest.raises(DataError, match=f"another file: the published MD5 is {MD5}, that of this"):
        obtain(one, folder)


def test_what_was_pinned_must_come_again(server: HttpsServer, folder: Path) -> None:
    one = download(server.add("/a", scripts.whole(DATA)), sha256=None)
    said: list[str] = []
    obtain(one, folder, notify=said.append).unlink()
    assert said == [
        "a.h5.gz: no hash of it is published; its SHA-256 is pinned on first use: " + SHA256
    ]
    server.add("/a", scripts.whole(DATA[:-1]))
    with pytest.raises(DataError, match="another file: the SHA-256 pinned on first use is"):
        obtain(one, folder)
    assert left_over(folder) == {"pins.json"}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"format_version": 2, "files": {}}',
        '{"format_version": 1, "files": {"a": {"sha256": "12", "size_bytes": 1, "mtime_ns": 1}}}',
    ],
)
def test_damaged_pins_are_told(folder: Path, text: str) -> None:
    (folder / "pins.json").write_text(text)
    with pytest.raises(DataError, match=r"pins\.json: .*; remove it to pin the files as"):
        read_pins(folder)


def test_offline_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    with pytest.raises(DataError, match=r"a\.h5\.gz: is missing \(offline\)") as caught:
        obtain(download("https://a.example/a", "https://b.example/a"), folder, offline=True)
    assert str(caught.value).endswith(
        f"put a.h5.gz (as downloaded) or a.h5 from it into {folder}; "
        "its addresses: https://a.example/a, https://b.example/a"
    )
    assert "\n" not in str(caught.value)
    (folder / "a.h5.gz").write_bytes(DATA)
    assert obtain(download("https://a.example/a"), folder, offline=True).read_bytes() == DATA
    assert "a.h5.gz" in read_pins(folder)


def test_a_file_put_there_by_hand_is_checked(folder: Path) -> None:
    (folder / "a.h5.gz").write_bytes(DATA[::-1])
    with pytest.raises(DataError, match="is not the expected file: the published SHA-256"):
        obtain(download("https://a.example/a"), folder, offline=True)
    assert (folder / "a.h5.gz").exists()


def test_a_change_is_seen_by_size_or_time(folder: Path) -> None:
    path = folder / "a.h5.gz"
    path.write_bytes(DATA)
    obtain(download(), folder)
    path.write_bytes(DATA[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="is not the expected file"):
        obtain(download(), folder)
    pins = json.loads((folder / "pins.json").read_text())
    assert pins["files"]["a.h5.gz"]["sha256"] == SHA256


def test_a_full_disk_keeps_what_came(
    server: HttpsServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Small(FileIO):
        def write(self, data: Any) -> int:  # noqa: ANN401
            room = 1000 - self.tell()
            if room <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data[:room])

    monkeypatch.setattr(transfer, "FileIO", Small)
    one = download(server.add("/a", scripts.whole(DATA)))
    with pytest.raises(
        DataError, match=r"partial: no space left on device; the downloaded part is kept"
    ):
        obtain(one, folder)
    assert (folder / "a.h5.gz.partial").read_bytes() == DATA[:1000]
