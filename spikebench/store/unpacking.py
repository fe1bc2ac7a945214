"""Untrusted archives: only what is expected comes out, bounded, checked, whole or not at all.

Nothing is ever extracted by an archive's own wishes. Of gzip the one file comes out, of zip the one expected
member, of an archive of recordings the regular files whose whole path is expected, to a place that we choose.
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
from spikebench.store.archive import Member, RefusedError, tar_members, zip_members

__all__ = ["unpack_file", "unpack_recordings"]

_BLOCK = 2**20
_TAR_OVERHEAD = 4096  # [bytes] of headers and padding per member
_REMEDY = "remove it, and the same command gets it again"


def unpack_file(
    archive: Path, download: Download, target: Path, check: Callable[[Path], str]
) -> None:
    """Take the one spike file out of a gzip or zip file.

    Parameters
    ----------
    archive
        The file as downloaded.
    download
        What is known about it.
    target
        The spike file to make, whole or not at all.
    check
        Called with what came out before it gets its name: in what it differs from what it should be,
        empty if in nothing.

    Raises
    ------
    DataError
        If the archive is damaged, holds something else, or more than is expected.
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
                raise RefusedError(f"what it holds is not {target.name}: {difference}")
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)


def unpack_recordings(
    archive: Path,
    download: Download,
    folder: Path,
    write_down: Callable[[dict[str, str]], None] = lambda digests: None,
) -> dict[str, str]:
    """Take the recordings out of a zip or tar file, the latter compressed with gzip or not.

    Parameters
    ----------
    archive
        The file as downloaded.
    download
        What is known about it; of its expression, the group ``path`` says where a member goes.
    folder
        The folder to make, whole or not at all; nothing may be there.
    write_down
        Called with what is returned, just before the folder gets its name.

    Returns
    -------
    dict
        Path below the folder → SHA-256.

    Raises
    ------
    DataError
        If the archive is damaged, holds no recording, links where recordings should be, paths that lead
        elsewhere, or more than is expected.
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


@contextlib.contextmanager
def _one_line(archive: Path) -> Iterator[None]:
    """Turn whatever is wrong with an archive into one line."""
    name = printable(str(archive))
    try:
        yield
    except RefusedError as error:
        raise DataError(f"{name}: {printable(str(error))}; {_REMEDY}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError):
        raise DataError(f"{name}: is cut short, damaged or no such archive; {_REMEDY}") from None
    except (NotImplementedError, RuntimeError):  # how zipfile refuses what it does not know
        raise DataError(f"{name}: is packed in a way that is not read; {_REMEDY}") from None
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
            raise RefusedError(f"holds more than {limit} bytes")
        digest.update(block)
        file.write(block)
    return digest.hexdigest()


@contextlib.contextmanager
def _open_gzip(archive: Path, download: Download) -> Iterator[IO[bytes]]:
    with gzip.open(archive, "rb") as source:
        yield cast(IO[bytes], source)


@contextlib.contextmanager
def _open_zip(archive: Path, download: Download) -> Iterator[IO[bytes]]:
    """Open the one member that is expected."""
    with zip_members(archive) as members:
        found = [one for one in members if re.fullmatch(download.members, one.path)]
        if len(found) != 1:
            raise RefusedError(f"{len(found)} of its members are what is expected, instead of one")
        (member,) = found
        if member.kind != "file":
            raise RefusedError(f"{member.path} is no regular file")
        if member.size > download.max_unpacked_bytes:
            raise RefusedError(f"holds more than {download.max_unpacked_bytes} bytes")
        with member.open() as source:
            yield source


def _take_members(archive: Path, download: Download, folder: Path) -> dict[str, str]:
    """Write the members that are expected into a folder; give path → SHA-256."""
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
                raise RefusedError(f"holds {path} twice")
            if len(digests) == download.max_members:
                raise RefusedError(f"holds more than {download.max_members} recordings")
            left -= member.size
            if left < 0:
                raise RefusedError(f"holds more than {download.max_unpacked_bytes} bytes")
            target = folder / path
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                file = target.open("xb")
            except (FileExistsError, NotADirectoryError):
                raise RefusedError(f"{path} stands where a folder should, or in one") from None
            with file, member.open() as source:
                digests[path] = _copy(source, file, member.size)
    if not digests:
        raise RefusedError("holds none of the expected recordings")
    return digests


def _place(member: Member, download: Download) -> str | None:
    """Say where a member goes below the folder; None if it is passed over."""
    match = re.fullmatch(download.members, member.path)
    if match is None:
        return None
    path = match["path"]
    if member.kind != "file":
        raise RefusedError(f"{member.path} is no regular file")
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts) or re.search(r"[\x00-\x1f\x7f\\]", path):
        raise RefusedError(f"{member.path} is no name for a recording")
    return path
