"""A real https server on this machine whose every path does what a test says."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

Script = Callable[[BaseHTTPRequestHandler], None]


class HttpsServer:
    """Scripts by path; what was asked for, in order."""

    def __init__(self, port: int) -> None:
        self.address = f"https://localhost:{port}"
        self.scripts: dict[str, Script] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def add(self, path: str, script: Script) -> str:
        """Let a path do something; return its address."""
        self.scripts[path] = script
        return self.address + path

    def ranges(self) -> list[str]:
        """List the Range header of every request, empty where there was none."""
        return [headers.get("Range", "") for _, headers in self.asked]


@contextlib.contextmanager
def serve(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpsServer]:
    """Run the server, and let requests trust it and nothing stand between."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(folder / "authority.pem"))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            here.asked.append((self.path, dict(self.headers)))
            with contextlib.suppress(OSError):  # the client may hang up
                here.scripts.get(self.path, status(404))(self)
            self.close_connection = True

        def log_message(self, format: str, *words: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    with Server(("127.0.0.1", 0), Handler) as server:
        here = HttpsServer(server.server_port)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield here
        finally:
            server.shutdown()
            thread.join()


def _head(handler: BaseHTTPRequestHandler, code: int, headers: dict[str, str]) -> None:
    handler.send_response(code)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()


def whole(data: bytes, **headers: str) -> Script:
    """Send everything, whatever range is asked for."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def script(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content-Length": str(len(data)), **named})
        handler.wfile.write(data)

    return script


def ranged(data: bytes, break_after: int | None = None, etag: str = "") -> Script:
    """Send the range that is asked for; hang up after some bytes the first time only."""
    left = [break_after]

    def script(handler: BaseHTTPRequestHandler) -> None:
        asked = handler.headers.get("Range")
        if handler.headers.get("If-Range", etag) != etag:
            asked = None
        first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        if first >= len(data):
            _head(handler, 416, {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"})
            return
        headers = {"Content-Length": str(len(data) - first)} | ({"ETag": etag} if etag else {})
        if asked:
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
        _head(handler, 206 if asked else 200, headers)
        handler.wfile.write(data[first : None if left[0] is None else first + left[0]])
        left[0] = None

    return script


def status(code: int, **headers: str) -> Script:
    """Answer with a code and nothing else."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler: _head(handler, code, {"Content-Length": "0", **named})


def redirect(address: str) -> Script:
    """Lead elsewhere."""
    return status(302, Location=address)


def endless(block: bytes = b"\0" * 4096) -> Script:
    """Send without saying how much, until the client hangs up."""

    def script(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {})
        while True:
            handler.wfile.write(block)

    return script


def slow(data: bytes, seconds: float) -> Script:
    """Send half, and wait before the rest."""

    def script(handler: BaseHTTPRequestHandler) -> None:
        _head(handler, 200, {"Content-Length": str(len(data))})
        handler.wfile.write(data[: len(data) // 2])
        time.sleep(seconds)
        handler.wfile.write(data[len(data) // 2 :])

    return script
