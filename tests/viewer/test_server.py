"""The server of the page: its token, hosts, headers and methods; bytes exactly as they are sent."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from spikebench.errors import SpikebenchError
from spikebench.viewer.application import Response
from spikebench.viewer.server import PageServer

Answer = tuple[int, dict[str, str], bytes]


class Echo:
    """Answers with what was asked for."""

    def respond(self, path: str, query: str = "") -> Response:
        return Response(HTTPStatus.OK, "text/plain", f"[{path}][{query}]".encode())


@pytest.fixture(scope="module")
def server() -> Iterator[PageServer]:
    with PageServer(0) as running:
        running.application = Echo()  # type: ignore[assignment]
        thread = threading.Thread(target=running.serve_forever, args=[0.01])
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def ask(server: PageServer, path: str, method: str = "GET", host: str | None = None) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=host is not None)
        if host:
            connection.putheader("Host", host)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_what_follows_the_token_reaches_the_application(server: PageServer) -> None:
    for rest, said in (("", "[][]"), ("api/x?a=1?b", "[api/x][a=1?b]"), ("../x", "[../x][]")):
        status, headers, body = ask(server, f"/{server.token}/{rest}")
        assert (status, body.decode()) == (200, said)
        assert int(headers["Content-Length"]) == len(body)
        status, headers, body = ask(server, f"/{server.token}/{rest}", "HEAD")
        assert (status, int(headers["Content-Length"]), body) == (200, len(said), b"")


def test_headers(server: PageServer) -> None:
    for path in (f"/{server.token}/", "/"):
        _, headers, _ = ask(server, path)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers


def test_nothing_without_the_token(server: PageServer) -> None:
    token = server.token
    for path in (
        *("/", "/index.html", "/api/file", f"/{token}", f"/{token[:-1]}/"),
        *(
            f"/x/{token}/",
            f"/{token}x/",
            f"/{token.swapcase()}/",
            "/é/",
            f"/%{ord(token[0]):x}{token[1:]}/",
        ),
    ):
        sent = path.encode().decode("latin-1")
        connection = socket.create_connection(("127.0.0.1", server.server_port), timeout=20)
        with connection, connection.makefile("rb") as lines:
            head = f"GET {sent} HTTP/1.0\r\nHost: 127.0.0.1:{server.server_port}\r\n\r\n"
            connection.sendall(head.encode("latin-1"))
            assert lines.readline().split()[1] == b"404", path
            assert b"[" not in lines.read(), path


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:PORT", 200),
        ("LocalHost:PORT", 200),
        ("127.0.0.1", 421),
        ("127.0.0.1:1", 421),
        ("evil.example:PORT", 421),
        ("localhost.evil.example:PORT", 421),
        ("[::1]:PORT", 421),
        ("", 421),
    ],
)
def test_only_this_host_is_answered(server: PageServer, host: str, status: int) -> None:
    host = host.replace("PORT", str(server.server_port))
    found, _, body = ask(server, f"/{server.token}/", host=host)
    assert found == status
    assert (b"[]" in body) == (status == 200)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_is_taken(server: PageServer, method: str) -> None:
    status, headers, body = ask(server, f"/{server.token}/", method)
    assert status == 501
    assert "Content-Security-Policy" in headers
    assert b"[]" not in body


def test_it_listens_to_this_machine_only(server: PageServer) -> None:
    # 127.0.0.2 is this machine too: a server on every address would answer there.
    with pytest.raises(ConnectionRefusedError), socket.socket() as other:
        other.connect(("127.0.0.2", server.server_port))


def test_a_port_that_is_taken(server: PageServer) -> None:
    with pytest.raises(SpikebenchError, match="address already in use; choose another with --port"):
        PageServer(server.server_port)


def test_tokens_differ() -> None:
    with PageServer(0) as one, PageServer(0) as other:
        assert one.token != other.token
        assert len(one.token) >= 22  # 128 bits
        assert one.address == f"http://127.0.0.1:{one.server_port}/{one.token}/"
        assert (
            one.respond(f"127.0.0.1:{one.server_port}", f"/{one.token}/").status == 404
        )  # not yet
