"""Members of an untrusted tar or zip file, listed before anything is written.

Nothing is extracted here; the caller decides which members to open. A tar file is read once from
its beginning, and every inflated byte is counted, including those of skipped members. In a zip
file, only the members that are opened are inflated.
"""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NamedTuple, Self, cast

__all__ = ["Member", "RefusedError", "tar_members", "zip_members"]

_BLOCK = 2**20
_MAX_NAME_BYTES = 65_536  # limit for a long name in a tar file, which is read into memory
_TAR_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_TAR_NAMES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_DAMAGED = "is cut short, damaged or not such an archive"


class RefusedError(Exception):
    """Raised if an archive is refused; the message is the reason, one clause."""


class Member(NamedTuple):
    """One member: whole path, kind (``file``, ``folder`` or ``other``), size [bytes], function that opens it."""

    path: str
    kind: str
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def tar_members(archive: Path, max_bytes: int) -> Iterator[Iterator[Member]]:
    """Open a tar file, compressed with gzip or not.

    Parameters
    ----------
    archive
        The file.
    max_bytes
        Maximum number of bytes to inflate.

    Yields
    ------
    iterator of Member
        The members; read each before requesting the next. The iterator raises the same errors.

    Raises
    ------
    RefusedError
        If it is damaged or hostile.
    EOFError, OSError, tarfile.TarError, zlib.error
        If it is damaged.
    """
    with ExitStack() as stack:
        raw = stack.enter_context(archive.open("rb"))
        is_gzip = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        inner = cast(IO[bytes], stack.enter_context(gzip.open(raw, "rb")) if is_gzip else raw)
        source = _Counted(inner, max_bytes)
        tar = stack.enter_context(
            tarfile.open(fileobj=cast(Any, source), mode="r|", tarinfo=_Header)
        )
        yield _walk(tar, source)


@contextmanager
def zip_members(archive: Path) -> Iterator[Iterator[Member]]:
    """Open a zip file.

    Parameters
    ----------
    archive
        The file.

    Yields
    ------
    iterator of Member
        The members; each inflates to no more than its size. Opening a member that is encrypted or compressed by
        another method than deflate raises ``RefusedError``.

    Raises
    ------
    RefusedError
        If a path leads out of the archive.
    zipfile.BadZipFile, OSError
        If it is damaged.
    """
    with zipfile.ZipFile(archive) as file:
        yield (_zip_member(file, info) for info in file.infolist())


def _walk(tar: tarfile.TarFile, source: _Counted) -> Iterator[Member]:
    for header in tar:
        cast(Any, tar).members = []  # tarfile would keep them all
        _require_inside(header.name)
        is_file = header.type in _TAR_FILES and not header.issparse()
        kind = "file" if is_file else "folder" if header.isdir() else "other"
        yield Member(header.name, kind, header.size, partial(_open_tar, tar, header))
    while source.read(_BLOCK):  # the checksum of gzip is at the end
        pass


def _zip_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    _require_inside(info.filename)
    is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    is_folder = info.filename.endswith("/")  # is_dir() fails for an empty name
    kind = "folder" if is_folder else "file" if is_plain else "other"
    return Member(info.filename, kind, info.file_size, partial(_open_zip, file, info))


def _require_inside(path: str) -> None:
    if path.startswith(("/", "\\")) or ".." in PurePosixPath(path.replace("\\", "/")).parts:
        raise RefusedError(f"{path} leads out of the archive")


def _open_tar(tar: tarfile.TarFile, header: tarfile.TarInfo) -> IO[bytes]:
    source = tar.extractfile(header)
    if source is None:
        raise RefusedError(f"{header.name} is not a regular file")
    return source


def _open_zip(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 0x1:
        raise RefusedError(f"{info.filename} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError(f"{info.filename} is compressed by a method that is not supported")
    return file.open(info)


class _Counted(io.RawIOBase):
    """Stream that counts the bytes read from an archive and raises beyond a limit."""

    def __init__(self, source: IO[bytes], limit: int) -> None:
        self._source, self._left = source, limit

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RefusedError("inflates to more bytes than expected")
        return data


class _Header(tarfile.TarInfo):
    """A header of a tar file; an unreadable header is an error, not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        """Read a header, and raise for a name that would fill the memory."""
        is_end = len(buf) == tarfile.BLOCKSIZE and not any(buf)
        try:
            header = super().frombuf(buf, encoding or "utf-8", errors)
        except tarfile.HeaderError:
            if is_end:
                raise
            raise RefusedError(_DAMAGED) from None
        if header.type in _TAR_NAMES and header.size > _MAX_NAME_BYTES:
            raise RefusedError(f"contains a name of {header.size} bytes")
        return header
