"""Files written completely or not at all, and the SHA-256 of files."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spikebench.errors import OutputError, OutputExistsError, ResultError
from spikebench.records.locks import locking
from spikebench.records.text import os_error_text, printable


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Raises
    ------
    ResultError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ResultError(f"{path}: {os_error_text(error)}") from None


_SETTLED_NS = 2_000_000_000  # a change soon after the last one may not change the time stamps
_TRIALS_OF_REPLACING = 40
_known_hashes: dict[tuple[int, ...], str] = {}


def file_sha256_once(path: Path) -> str:
    """Return the SHA-256 of a file, cached if this process has computed it and the file has not changed since.

    A file is unchanged if device, inode, size and the times of the last change (of contents, and of inode) are equal.
    The SHA-256 of a file that changed less than two seconds ago, or while it was read, is not cached, because time
    stamps are coarse.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Raises
    ------
    ResultError
        If it cannot be read.
    """
    began = time.time_ns()
    before = _identity(path)
    if before in _known_hashes:
        return _known_hashes[before]
    digest = file_sha256(path)
    if before and before == _identity(path) and began - max(before[-2:]) > _SETTLED_NS:
        _known_hashes[before] = digest
    return digest


def _identity(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def check_sha256(path: Path, found: str, claimed: str | None) -> None:
    """Raise if a file is not the one in a result.

    Parameters
    ----------
    path
        The file.
    found
        Its SHA-256.
    claimed
        SHA-256 in the result.

    Raises
    ------
    ResultError
        If they differ.
    """
    if found != claimed:
        raise ResultError(
            f"{path}: its SHA-256 is {found[:12]}…, but {str(claimed)[:12]}… in the result; "
            "the file was changed after the evaluation"
        )


def plain_file(folder: Path, name: str, max_bytes: int | None = None) -> Path:
    """Return the path of a regular file in a folder, excluding links.

    Parameters
    ----------
    folder
        The folder.
    name
        The file's name, without a path.
    max_bytes
        Its maximum size; None for no limit.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ResultError
        If it is missing or too large, or a link, a folder, a pipe or a device.
    """
    path = folder / name
    try:
        found = path.lstat()
    except OSError:
        raise ResultError(f"{path}: no such file; copy the whole result folder") from None
    if not stat.S_ISREG(found.st_mode):
        raise ResultError(f"{path}: must be a plain file, not a link, a folder or a device")
    if max_bytes is not None and found.st_size > max_bytes:
        raise ResultError(f"{path}: larger than {max_bytes} bytes")
    return path


def make_readable(path: Path) -> None:
    """Give a private temporary file the permissions of a new file, because results are meant to be shared.

    Parameters
    ----------
    path
        The file.
    """
    umask = os.umask(0)
    os.umask(umask)
    path.chmod(0o666 & ~umask)


def write_text(path: Path, text: str) -> None:
    """Write a text file completely or not at all.

    Parameters
    ----------
    path
        The file; an existing file is replaced.
    text
        Its contents, written as UTF-8.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file completely or not at all.

    Parameters
    ----------
    path
        The file; an existing file is replaced.
    content
        Its contents.
    """
    with whole_file(path) as partial:
        partial.write_bytes(content)


def put_in_place(partial: Path, path: Path) -> None:
    """Rename a finished temporary file, or replace the file of that name with it.

    On Windows, a file that another process is reading cannot be replaced; this is tried again for two seconds.

    Parameters
    ----------
    partial
        The temporary file, which nobody has open.
    path
        The file to be, in the same file system.

    Raises
    ------
    OSError
        If it cannot be renamed.
    """
    for _ in range(_TRIALS_OF_REPLACING if os.name == "nt" else 0):
        with contextlib.suppress(PermissionError):
            os.replace(partial, path)
            return
        time.sleep(0.05)
    os.replace(partial, path)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file, and rename it to the file when the block ends without an error.

    Parameters
    ----------
    path
        The file; an existing file is replaced.

    Yields
    ------
    Path
        Temporary file in the same folder, empty; removed after an error.
    """
    with partial_file(path) as partial:
        yield partial
        put_in_place(partial, path)


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """Make a temporary file beside a file, removed at the end of the block if it still has its name.

    It is locked meanwhile, which distinguishes it from one of a process that was killed (:func:`remove_partials`).

    Parameters
    ----------
    path
        The file.

    Yields
    ------
    Path
        Temporary file in the same folder, empty.
    """
    while True:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        with contextlib.ExitStack() as stack:
            try:
                state = stack.enter_context(locking(partial))
            except FileNotFoundError:
                continue  # another process took it for one that was left, before it was locked
            try:
                if state != "busy" and partial.exists():
                    yield partial
                    return
            finally:
                partial.unlink(missing_ok=True)


@contextmanager
def partial_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside a folder, removed at the end of the block; locked like a :func:`partial_file`.

    Parameters
    ----------
    path
        The folder.

    Yields
    ------
    Path
        Temporary folder in the same folder, empty, that only its owner may read.
    """
    while True:
        temporary = Path(
            tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        )
        with contextlib.ExitStack() as stack:
            try:
                state = stack.enter_context(locking(temporary))
            except FileNotFoundError:
                continue  # another process took it for one that was left, before it was locked
            try:
                if state != "busy" and temporary.is_dir():
                    yield temporary
                    return
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


def remove_partials(folder: Path, name: str = "*") -> None:
    """Remove temporary files and folders that killed processes left, and none that a running process uses.

    Parameters
    ----------
    folder
        Where they are; nothing is done if it is missing.
    name
        Pattern of the names of the files that they were to become.
    """
    for left in folder.glob(f".{name}.*.partial"):
        with contextlib.suppress(OSError):  # removed meanwhile
            if left.is_symlink():
                continue
            with locking(left) as state:
                if state != "locked":
                    continue
                if left.is_dir():
                    shutil.rmtree(left, ignore_errors=True)
                else:
                    left.unlink(missing_ok=True)


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise if an output file exists already or cannot be written at its path.

    Parameters
    ----------
    path
        The file to make.
    overwrite
        Whether an existing file may be replaced.

    Raises
    ------
    OutputExistsError
        If the file exists and may not be replaced.
    OutputError
        If the path is a folder, or its folder is missing.
    """
    name = printable(str(path))
    if path.is_dir():
        raise OutputError(f"{name}: is a folder; give a file in it")
    if not path.parent.is_dir():
        folder = printable(str(path.parent))
        raise OutputError(f"{name}: there is no folder {folder}; make it first (mkdir -p)")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{name}: exists already (--overwrite replaces it)")
