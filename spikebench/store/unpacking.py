"""Unpacking of untrusted archives: only expected members, bounded and checked, completely or not at all.

The archive does not determine where anything is written. From gzip the one file is unpacked, from zip the one expected
member, from an archive of recordings the regular files whose whole path is expected, to paths chosen here.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, cast

from spikebench.datasets.spec import Download
from spikebench.errors import DataError
from spikebench.records.text import os_error_text, printable
from spikebench.records.whole_files import put_in_place
from spikebench.store.archive import Member, RefusedError, tar_members, zip_members

__all__ = ["unpack_file", "unpack_recordings"]

_BLOCK = 2**20
_TAR_OVERHEAD = 4096  # headers and padding per member [bytes]
_REMEDY = "remove it, then run the same command to get it again"


def unpack_file(
    archive: Path, download: Download, target: Path, check: Callable[[Path], str]
) -> None:
    """Unpack the spike file of a gzip or zip file.

    Parameters
    ----------
    archive
        The downloaded file.
    download
        Specification of the download.
    target
        The spike file, written completely or not at all.
    check
        Called with the unpacked file before it gets its final name; returns the difference from the expected file,
        empty if there is none.

    Raises
    ------
    DataError
        If the archive is damaged, has other contents, or more than expected.
    """
    partial = target.with_name(target.name + ".partial")
    open_it = _open_zip if _is_zip(download) else _open_gzip
    with _one_line(archive):
        try:
            with open_it(archive, download) as source, partial.open("wb") as file:
                _copy(source, file, download.max_unpacked_bytes)
                file.flush()
                os.fsync(file.fileno())
            if difference := check(partial):
                raise RefusedError(f"its contents are not {target.name}: {difference}")
            put_in_place(partial, target)
        finally:
            partial.unlink(missing_ok=True)


def unpack_recordings(
    archive: Path,
    download: Download,
    folder: Path,
    write_down: Callable[[dict[str, str]], None] = lambda digests: None,
) -> dict[str, str]:
    """Unpack the recordings of a zip or tar file, the latter compressed with gzip or not.

    Parameters
    ----------
    archive
        The downloaded file.
    download
        Specification of the download; the group ``path`` of its expression is the path of a member in ``folder``.
    folder
        The folder to make, completely or not at all; it must not exist.
    write_down
        Called with the returned value, just before the folder gets its final name.

    Returns
    -------
    dict
        Path below the folder → SHA-256.

    Raises
    ------
    DataError
        If the archive is damaged, or contains no recording, links in place of recordings, paths that lead
        elsewhere, or more than expected.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    with _one_line(archive):
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir()
            digests = _take_members(archive, download, partial)
            write_down(digests)
            os.rename(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return digests


_DAMAGED = (
    *(EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError),
    UnicodeDecodeError,  # raised by zipfile for the name of a member
)


@contextlib.contextmanager
def _one_line(archive: Path) -> Iterator[None]:
    """Convert any error of an archive to a message of one line."""
    name = printable(str(archive))
    try:
        yield
    except RefusedError as error:
        raise DataError(f"{name}: {printable(str(error))}; {_REMEDY}") from None
    except _DAMAGED:
        raise DataError(
            f"{name}: is cut short, damaged or not such an archive; {_REMEDY}"
        ) from None
    except (NotImplementedError, RuntimeError):  # raised by zipfile for unsupported methods
        raise DataError(f"{name}: is packed by a method that is not supported; {_REMEDY}") from None
    except OSError as error:
        reason = os_error_text(error)
        raise DataError(f"{name}: cannot be unpacked: {reason}") from None


def _is_zip(download: Download) -> bool:
    return download.file.endswith(".zip")


def _copy(source: IO[bytes], file: IO[bytes], limit: int) -> str:
    """Copy at most a number of bytes, and compute their SHA-256."""
    digest = hashlib.sha256()
    done = 0
    while block := source.read(_BLOCK):
        done += len(block)
        if done > limit:
            raise RefusedError(f"contains more than {limit} bytes")
        digest.update(block)
        file.write(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _open_gzip(archive: Path, download: Download) -> Iterator[IO[bytes]]:
    with gzip.open(archive, "rb") as source:
        yield cast(IO[bytes], source)


@contextlib.contextmanager
def _open_zip(archive: Path, download: Download) -> Iterator[IO[bytes]]:
    """Open the one expected member."""
    with zip_members(archive) as members:
        found = [one for one in members if re.fullmatch(download.members, one.path)]
        if len(found) != 1:
            raise RefusedError(
                f"{len(found)} of its members have the expected name, instead of one"
            )
        (member,) = found
        if member.kind != "file":
            raise RefusedError(f"{member.path} is not a regular file")
        if member.size > download.max_unpacked_bytes:
            raise RefusedError(f"contains more than {download.max_unpacked_bytes} bytes")
        with member.open() as source:
            yield source


def _take_members(archive: Path, download: Download, folder: Path) -> dict[str, str]:
    """Write the expected members into a folder; return path → SHA-256."""
    limit = 2 * download.max_unpacked_bytes + _TAR_OVERHEAD * (download.max_members + 100)
    digests: dict[str, str] = {}
    left = download.max_unpacked_bytes
    is_zip = _is_zip(download)
    with zip_members(archive) if is_zip else tar_members(archive, limit) as members:
        for member in members:
            path = _place(member, download)
            if path is None:
                continue
            if path in digests:
                raise RefusedError(f"contains {path} twice")
            if len(digests) == download.max_members:
                raise RefusedError(f"contains more than {download.max_members} recordings")
            left -= member.size
            if left < 0:
                raise RefusedError(f"contains more than {download.max_unpacked_bytes} bytes")
            target = folder / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                file = target.open("xb")
            except (FileExistsError, NotADirectoryError):
                raise RefusedError(f"{path} is in place of a folder, or below a file") from None
            with file, member.open() as source:
                digests[path] = _copy(source, file, member.size)
    if not digests:
        raise RefusedError("contains none of the expected recordings")
    return digests


def _place(member: Member, download: Download) -> str | None:
    """Return the path of a member below the folder; None if it is skipped."""
    match = re.fullmatch(download.members, member.path)
    if match is None:
        return None
    path = match["path"]
    if member.kind != "file":
        raise RefusedError(f"{member.path} is not a regular file")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\x00-\x1f\x7f\\]", path):
        raise RefusedError(f"{member.path} is not a valid name of a recording")
    return path
