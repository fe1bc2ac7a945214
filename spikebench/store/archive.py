"""What stands in an untrusted tar or zip file, member by member, before anything of it is written.

Nothing is extracted here: who walks through the members decides which to open. A tar file is read once from
its beginning, and every byte is counted as it is inflated, those of members that are passed over too. Of a zip
file only the members that are opened are inflated.
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
_MAX_NAME_BYTES = 65_536  # of a long name in a tar file; it is read into memory
_TAR_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
_TAR_NAMES = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)
_DAMAGED = "is cut short, damaged or no such archive"


class RefusedError(Exception):
    """Why an archive is refused; one clause."""


class Member(NamedTuple):
    """One member: whole path, ``file``, ``folder`` or ``other``, size [bytes], how to read it."""

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
        More are not inflated, whatever they are.

    Yields
    ------
    iterator of Member
        Each is to be read before the next one is asked for. Raises what opening raises.

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
        Each inflates to no more than its size. Opening one that is encrypted or not deflated raises
        ``RefusedError``.

    Raises
    ------
    RefusedError
        If a path leads out of it.
    zipfile.BadZipFile, OSError
        If it is damaged.
    """
    with zipfile.ZipFile(archive) as file:
        yield (_zip_member(file, info) for info in file.infolist())


def _walk(tar: tarfile.TarFile, source: _Counted) -> Iterator[Member]:
    for header in tar:
        cast(Any, tar).members = []  # it would keep them all
        _require_inside(header.name)
        is_file = header.type in _TAR_FILES and not header.issparse()
        kind = "file" if is_file else "folder" if header.isdir() else "other"
        yield Member(header.name, kind, header.size, partial(_open_tar, tar, header))
    while source.read(_BLOCK):  # the checksum of gzip stands at the end
        pass


def _zip_member(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    _require_inside(info.filename)
    is_plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    kind = "folder" if info.is_dir() else "file" if is_plain else "other"
    return Member(info.filename, kind, info.file_size, partial(_open_zip, file, info))


def _require_inside(path: str) -> None:
    if path.startswith(("/", "\\")) or ".." in PurePosixPath(path.replace("\\", "/")).parts:
        raise RefusedError(f"{path} leads out of the archive")


def _open_tar(tar: tarfile.TarFile, header: tarfile.TarInfo) -> IO[bytes]:
    source = tar.extractfile(header)
    if source is None:
        raise RefusedError(f"{header.name} is no regular file")
    return source


def _open_zip(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if info.flag_bits & 0x1:
        raise RefusedError(f"{info.filename} is encrypted")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RefusedError(f"{info.filename} is compressed in a way that is not read")
    return file.open(info)


class _Counted(io.RawIOBase):
    """Bytes on their way out of an archive, counted; more than a limit are refused."""

    def __init__(self, source: IO[bytes], limit: int) -> None:
        self._source, self._left = source, limit

    def read(self, size: int = -1) -> bytes:
        """Read at most ``size`` bytes."""
        data = self._source.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RefusedError("inflates to more bytes than is expected")
        return data


class _Header(tarfile.TarInfo):
    """A header of a tar file; what cannot be read is an error here, not the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str | None, errors: str) -> Self:
        """Read a header, and refuse a name that would fill the memory."""
        is_end = len(buf) == tarfile.BLOCKSIZE and not any(buf)
        try:
            header = super().frombuf(buf, encoding or "utf-8", errors)
        except tarfile.HeaderError:
            if is_end:
                raise
            raise RefusedError(_DAMAGED) from None
        if header.type in _TAR_NAMES and header.size > _MAX_NAME_BYTES:
            raise RefusedError(f"holds a name of {header.size} bytes")
        return header
