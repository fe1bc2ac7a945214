"""``spikebench leaderboard serve``: serve the page on this machine only."""

from __future__ import annotations

import contextlib
import shutil
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import click

from cli.leaderboard.selection import entries_option
from cli.shared.ending import end_on_signals

HOST = "127.0.0.1"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".csv": "text/csv; charset=utf-8",
}


@click.command()
@entries_option
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="Port of the server; 0 selects any free one.",
)
def serve(entries: tuple[Path, ...], port: int) -> None:
    """Build the page in a temporary folder and serve it on this machine until Ctrl-C.

    The page is built once; restart the command after entries have changed.
    """
    from cli.leaderboard.selection import read_checked
    from leaderboard.claims.literature import read_literature
    from leaderboard.pages.site import build_site
    from spikebench.errors import SpikebenchError
    from spikebench.records.text import os_error_text
    from spikebench.store.folder import temporary_folder

    # Before the page is built, so that a port in use is reported at once.
    try:
        server = _Server(port)
    except OSError as error:
        raise SpikebenchError(
            f"port {port} of {HOST}: {os_error_text(error)}; choose another with --port, or any free one with --port 0"
        ) from None
    end_on_signals()
    with server, temporary_folder("page") as folder:
        build_site(read_checked(entries), read_literature(), folder)
        server.offer(folder)
        with contextlib.suppress(KeyboardInterrupt):
            click.echo(f"http://{HOST}:{server.server_port}/ (Ctrl-C ends it)")
            server.serve_forever()


class _Server(ThreadingHTTPServer):
    """Serves the files of one folder from a fixed list, so that no path leads outside the folder."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.files: dict[str, Path] = {}

    def offer(self, folder: Path) -> None:
        """List the files below a folder; only these are served."""
        self.files = {
            path.relative_to(folder).as_posix(): path
            for path in folder.rglob("*")
            if path.is_file()
        }


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version = "spikebench"

    def handle(self) -> None:
        # The client may close the connection, and so does the end of the server.
        with contextlib.suppress(OSError):
            super().handle()

    def do_HEAD(self) -> None:
        self._head()

    def do_GET(self) -> None:
        if path := self._head():
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile)

    def _head(self) -> Path | None:
        asked_for = self.headers.get("Host", HOST).partition(":")[0].lower()
        if asked_for not in (HOST, "localhost"):  # another host name that leads here
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST)
            return None
        name = unquote(self.path.partition("?")[0]).removeprefix("/") or "index.html"
        path = self.server.files.get(name)
        if not path:
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", TYPES.get(path.suffix, "application/octet-stream"))
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        return path

    def end_headers(self) -> None:
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, format: str, *words: object) -> None:
        """Log nothing, so that the address stays visible in the terminal."""
