"""Download of one file over https, resuming an earlier transfer.

Redirects are followed here and not by the library, so that none leads away from https. The bytes are stored as sent
(``Accept-Encoding: identity``, nothing is decoded), because these bytes were hashed. The downloaded part is stored
in ``FILE.partial``; ``FILE.partial.from`` beside it stores the address, and the version of the file as reported by the
server.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from spikebench.datasets.spec import Download
from spikebench.errors import DataError
from spikebench.records.text import os_error_text, printable

if TYPE_CHECKING:
    import requests

__all__ = ["Progress", "TransferError", "discard", "transfer"]

Progress = Callable[[int, int | None], None]

TIMEOUT_S = (15.0, 60.0)  # for connecting; between two pieces of data
MAX_REDIRECTS = 10
_BLOCK = 65_536
_REDIRECTS = (301, 302, 303, 307, 308)
_RANGE = re.compile(r"bytes (?:(\d{1,18})-\d{1,18}|\*)/(\d{1,18})")


class TransferError(Exception):
    """Raised if one address does not deliver the file; the message is the reason, one clause."""


class _Origin(NamedTuple):
    """Address of the downloaded part of a file, and the server's identifier of that version."""

    url: str
    version: str


class _Reply(NamedTuple):
    """A server's response: the position of its first byte, and the size of the whole file, if given."""

    response: requests.Response
    start: int
    total: int | None


def transfer(
    url: str, partial: Path, download: Download, comparable: bool, progress: Progress
) -> None:
    """Download a file from one address into a partial file, continuing at its end.

    Parameters
    ----------
    url
        The address.
    partial
        The partial file; received data are appended, and kept if the connection breaks.
    download
        Specification of the download.
    comparable
        Whether the complete file will be compared with a hash; if not, the download is resumed only if the
        server confirms that both parts are of the same version.
    progress
        Called with the downloaded bytes and their total, None if not known.

    Raises
    ------
    TransferError
        If the address does not deliver the file; the partial file is removed if it cannot be resumed.
    DataError
        If the partial file cannot be written.
    """
    import requests
    import urllib3

    try:
        with requests.Session() as session:
            _transfer(session, url, partial, download, comparable, progress)
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise TransferError(f"no response within {max(TIMEOUT_S):.0f} s") from None
    except (requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        raise TransferError("no trusted https connection") from None
    except requests.ConnectionError:
        raise TransferError("cannot be reached, or the connection broke off") from None
    except (urllib3.exceptions.HTTPError, http.client.HTTPException, ConnectionError):
        raise TransferError("the connection broke off") from None
    except requests.RequestException:
        raise TransferError("no usable response") from None


def discard(partial: Path) -> None:
    """Remove a partial file and the record of its origin.

    Parameters
    ----------
    partial
        The file; it need not exist.
    """
    partial.unlink(missing_ok=True)
    _origin_path(partial).unlink(missing_ok=True)


def _transfer(
    session: requests.Session,
    url: str,
    partial: Path,
    download: Download,
    comparable: bool,
    progress: Progress,
) -> None:
    have = partial.stat().st_size if partial.is_file() else 0
    origin = _read_origin(partial)
    same = origin is not None and origin.url == url
    version = origin.version if origin is not None and same else ""
    limit = download.max_bytes if download.size_bytes is None else download.size_bytes
    if have > limit or (have and not comparable and not version):
        discard(partial)
        have = 0
    if have and have == download.size_bytes and comparable:
        return
    reply = _ask(session, url, have, version)
    if reply is None:  # the partial file is complete
        return
    with reply.response:
        _check_total(reply.total, download)
        if reply.start == 0:
            discard(partial)
            _write_origin(partial, _Origin(url, _version(reply.response)))
        _receive(reply, partial, limit, progress)
    _check_end(partial, reply.total, download)


def _ask(session: requests.Session, url: str, have: int, version: str) -> _Reply | None:
    """Request the file from a position on; None if that is its end, position 0 if the server cannot resume."""
    headers = {"Accept-Encoding": "identity", "User-Agent": "spikebench"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if version:
            headers["If-Range"] = version
    response = _follow(session, url, headers)
    if response.status_code in (206, 416) and have:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        total = int(match[2]) if match else None
        if response.status_code == 206 and match and match[1] and int(match[1]) == have:
            return _Reply(response, have, total)
        response.close()
        if response.status_code == 416 and total == have:
            return None
        return _ask(session, url, 0, "")
    if response.status_code != 200:
        response.close()
        raise TransferError(f"the server responds with status {response.status_code}")
    length = response.headers.get("Content-Length", "")
    total = int(length) if re.fullmatch(r"\d{1,18}", length) else None
    return _Reply(response, 0, total)


def _follow(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Follow redirects, over https only."""
    for _ in range(MAX_REDIRECTS + 1):
        try:
            if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
                raise TransferError("is, or redirects to, an address that is not https")
            response = session.get(
                url, headers=headers, stream=True, timeout=TIMEOUT_S, allow_redirects=False
            )
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response
            response.close()
            url = urljoin(url, response.headers["Location"])
        except ValueError:
            raise TransferError("is, or redirects to, an invalid address") from None
    raise TransferError(f"redirects more than {MAX_REDIRECTS} times")


def _receive(reply: _Reply, partial: Path, limit: int, progress: Progress) -> None:
    """Append the received data to the partial file, up to a limit [bytes]."""
    done = reply.start
    progress(done, reply.total)
    # Unbuffered, so that received data are kept if this process is killed.
    with _open(partial) as file:
        while block := reply.response.raw.read(_BLOCK, decode_content=False):
            done += len(block)
            if done > limit:
                discard(partial)
                raise TransferError(f"sends more than {limit} bytes")
            _write(file, block, partial)
            progress(done, reply.total)


def _open(partial: Path) -> FileIO:
    try:
        return FileIO(partial, "ab")
    except OSError as error:
        raise _unwritable(partial, error) from None


def _write(file: FileIO, block: bytes, partial: Path) -> None:
    view = memoryview(block)
    try:
        while len(view):
            view = view[file.write(view) or 0 :]
    except OSError as error:
        raise _unwritable(partial, error) from None


def _unwritable(partial: Path, error: OSError) -> DataError:
    reason = os_error_text(error)
    return DataError(
        f"{printable(str(partial))}: {reason}; the downloaded part is kept, run the same command again to resume"
    )


def _check_total(total: int | None, download: Download) -> None:
    """Raise if the size is wrong, before anything is read."""
    if total is None:
        return
    if total > download.max_bytes:
        raise TransferError(f"has {total} bytes; at most {download.max_bytes} are allowed")
    if download.size_bytes not in (None, total):
        raise TransferError(f"has {total} bytes instead of {download.size_bytes}")


def _check_end(partial: Path, total: int | None, download: Download) -> None:
    wanted = download.size_bytes if total is None else total
    size = partial.stat().st_size if partial.exists() else 0
    if wanted is not None and size < wanted:
        raise TransferError(f"the connection broke off after {size} of {wanted} bytes")
    if size == 0:
        raise TransferError("sends an empty file")


def _version(response: requests.Response) -> str:
    """Return the server's identifier of this version of the file, if it is exact enough for resuming."""
    tag = response.headers.get("ETag", "")
    if tag and not tag.startswith("W/"):
        return tag
    return response.headers.get("Last-Modified", "")


def _origin_path(partial: Path) -> Path:
    return partial.with_name(partial.name + ".from")


def _read_origin(partial: Path) -> _Origin | None:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        document = json.loads(_origin_path(partial).read_text(encoding="utf-8"))
        return _Origin(str(document["url"]), str(document["version"]))
    return None


def _write_origin(partial: Path, origin: _Origin) -> None:
    try:
        _origin_path(partial).write_text(json.dumps(origin._asdict()), encoding="utf-8")
    except OSError as error:
        raise _unwritable(partial, error) from None
