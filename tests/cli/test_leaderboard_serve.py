"""``leaderboard serve`` as somebody starts it: what it gives out, what it refuses, how it ends."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.commands import Started
from helpers.leaderboard_results import make_result

from cli.leaderboard.serve import _Server
from cli.main import main
from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import make_entry, write_entry
from spikebench.viewer.server import PageServer

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("serve")
    result = verify_result(make_result(folder / "result"))
    entry = make_entry(result, "Alpha", "A. Smith")
    write_entry(
        folder / "result", folder / "entries", entry, result, overwrite=False, weights=False
    )
    return folder / "entries"


class Served:
    """The running command."""

    def __init__(self, entries: Path, temporary: Path) -> None:
        self.command = Started(
            *(entries, "leaderboard", "serve", "--port", 0, "--entries", entries),
            environment={"SPIKEBENCH_DATA": str(temporary)},
        )
        deadline = time.monotonic() + 60
        while "\n" not in (said := self.command.stdout.read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.said = said
        found = re.match(r"http://127\.0\.0\.1:(\d+)/ ", self.said)
        assert found, self.command.ends()
        self.port = int(found[1])

    def ask(self, path: str, method: str = "GET", host: str = "") -> Answer:
        """Ask for a path exactly as it is written."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send a signal and wait; what it said afterwards."""
        self.command.send_signal(number)
        code, out, err = self.command.ends(20)
        return code, out.removeprefix(self.said), err


@pytest.fixture(scope="module")
def served(entries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    running = Served(entries, tmp_path_factory.mktemp("temporary"))
    yield running
    assert running.end(signal.SIGINT) == (0, "", "")


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/index.html?dataset=toy-digits", "text/html; charset=utf-8", b"<!doctype html>"),
        ("/leaderboard.json", "application/json", b'"Alpha"'),
        ("/leaderboard.csv", "text/csv; charset=utf-8", b",Alpha,"),
        ("/literature.csv", "text/csv; charset=utf-8", b"SHD"),
    ],
)
def test_pages_and_downloads(served: Served, path: str, kind: str, content: bytes) -> None:
    status, headers, body = served.ask(path)
    assert (status, headers["Content-Type"]) == (200, kind)
    assert content in body
    assert len(body) == int(headers["Content-Length"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    status, only_head, body = served.ask(path, "HEAD")
    assert (status, only_head["Content-Length"], body) == (200, headers["Content-Length"], b"")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing.html",
        "/../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/%2fetc/passwd",
        "/entries/",
        "/entries",
        "/./index.html",
        "/index.html/",
        "/index.html%00",
        "//[/",
        "/%ff%fe",
    ],
)
def test_no_other_file_and_no_folder(served: Served, path: str) -> None:
    status, headers, body = served.ask(path)
    assert status == 404
    assert b"root:" not in body
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_page_of_an_entry_and_its_json(served: Served, entries: Path) -> None:
    (entry,) = entries.glob("*/*")
    place = f"/entries/{entry.parent.name}/{entry.name}"
    status, headers, body = served.ask(f"{place}.html")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"<h1>Alpha</h1>" in body
    status, headers, body = served.ask(f"{place}.json")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(body)["entry"]["name"] == "Alpha"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("LocalHost:8000", 200),
        ("127.0.0.1", 200),
        ("evil.example:8000", 421),
        ("evil.example", 421),
        ("[::1]:8000", 421),
    ],
)
def test_only_this_machine_is_answered(served: Served, host: str, status: int) -> None:
    found, _, body = served.ask("/", host=host)
    assert found == status
    assert (b"Alpha" in body) == (status == 200)


def test_nothing_is_taken(served: Served) -> None:
    assert served.ask("/", "POST")[0] == 501


def test_it_listens_to_this_machine_only(served: Served) -> None:
    # 127.0.0.2 is this machine too: a server on every address would answer there.
    with pytest.raises(ConnectionRefusedError), socket.socket() as other:
        other.connect(("127.0.0.2", served.port))


@pytest.mark.parametrize("kind", ["leaderboard", "view"])
def test_a_request_that_the_end_of_the_server_cuts_off_says_nothing(
    kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    server = _Server(0) if kind == "leaderboard" else PageServer(0)
    with server, socket.create_connection(("127.0.0.1", server.server_port)):
        request, address = server.get_request()
        request.close()
        server.process_request_thread(request, address)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_leftovers(
    entries: Path, tmp_path: Path, number: signal.Signals
) -> None:
    running = Served(entries, tmp_path)
    assert "Ctrl-C ends it" in running.said
    assert left(tmp_path) != []
    with socket.create_connection(("127.0.0.1", running.port)):  # a browser that keeps a line open
        assert running.end(number) == (0, "", "")
    assert left(tmp_path) == []


def test_what_a_killed_one_left_is_removed_by_the_next(entries: Path, tmp_path: Path) -> None:
    killed, running = Served(entries, tmp_path), Served(entries, tmp_path)
    assert len(left(tmp_path)) == 2
    assert killed.end(signal.SIGKILL)[0] == -signal.SIGKILL
    assert len(left(tmp_path)) == 2
    third = Served(entries, tmp_path)
    assert len(left(tmp_path)) == 2  # of the second, which runs, and of the third
    for one in (running, third):
        assert one.end(signal.SIGINT)[0] == 0
    assert left(tmp_path) == []


def left(folder: Path) -> list[str]:
    return [path.name for path in (folder / "temporary").iterdir()]


def test_a_port_that_is_taken(entries: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(SystemExit) as caught:
            main(["leaderboard", "serve", "--port", str(port), "--entries", str(entries)])
    assert caught.value.code == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == (
        f"spikebench: port {port} of 127.0.0.1: address already in use; "
        "choose another with --port, or any free one with --port 0\n"
    )


def test_an_entry_that_fails_is_not_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "entries" / "toy" / "x").mkdir(parents=True)
    (tmp_path / "entries" / "toy" / "x" / "entry.json").write_text("{}")
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "data"))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with pytest.raises(SystemExit) as caught:
            main(["leaderboard", "serve", "--port", "0", "--entries", str(tmp_path / "entries")])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert caught.value.code == 1
    assert "entry.json" in capsys.readouterr().err
    assert left(tmp_path / "data") == []
