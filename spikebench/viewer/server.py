"""HTTP on this machine: address, hosts, headers.

The address holds a random token, so that neither other users of this machine nor pages of other sites can read
anything; requests for other hosts are refused (DNS rebinding).
"""

from __future__ import annotations

import contextlib
import secrets
import sys
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from spikebench.errors import SpikebenchError
from spikebench.records.text import os_error_text
from spikebench.viewer.application import Application, Response

__all__ = ["HOST", "PageServer"]

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_SILENCE = 60  # seconds after which a client that sends nothing is left


class PageServer(ThreadingHTTPServer):
    """Serves one application on the loopback address.

    Parameters
    ----------
    port
        0 selects any free one.

    Raises
    ------
    SpikebenchError
        If the port cannot be used.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise SpikebenchError(
                f"port {port} of {HOST}: {os_error_text(error)}; choose another with --port, "
                "or any free one with --port 0"
            ) from None
        self.application: Application | None = None
        self.token = secrets.token_urlsafe(16)

    def handle_error(self, *given: Any) -> None:  # noqa: ANN401
        """Say nothing of a request that the end of the server cuts off before it is read."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(*given)

    @property
    def address(self) -> str:
        """The address of the page."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def respond(self, host: str, path: str) -> Response:
        """Answer a request.

        Parameters
        ----------
        host
            The header ``Host``.
        path
            Path and query, as requested.

        Returns
        -------
        Response
            421 for another host, 404 for an address without the token.
        """
        if host.lower() not in (f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"):
            return _plain(HTTPStatus.MISDIRECTED_REQUEST)
        before, _, after = path.removeprefix("/").partition("/")
        known = secrets.compare_digest(before.encode(), self.token.encode())
        if not known or self.application is None or not path.startswith(f"/{self.token}/"):
            return _plain(HTTPStatus.NOT_FOUND)
        name, _, query = after.partition("?")
        return self.application.respond(name, query)


def _plain(status: HTTPStatus) -> Response:
    return Response(status, "text/plain; charset=utf-8", f"{status.phrase}\n".encode())


class _Handler(BaseHTTPRequestHandler):
    server: PageServer
    server_version = "spikebench"
    sys_version = ""
    timeout = _SILENCE

    def handle(self) -> None:
        # The client may close the connection, and so does the end of the server.
        with contextlib.suppress(OSError):
            super().handle()

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        self.wfile.write(self._head().body)

    def _head(self) -> Response:
        response = self.server.respond(self.headers.get("Host", ""), self.path)
        self.send_response(response.status)
        self.send_header("Content-Type", response.kind)
        self.send_header("Content-Length", str(len(response.body)))
        self.end_headers()
        return response

    def end_headers(self) -> None:
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *words: object) -> None:
        """Log nothing, so that the address stays visible in the terminal."""
