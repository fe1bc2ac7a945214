"""Locks between processes, by ``flock`` or, on Windows, by ``msvcrt.locking``.

The system releases the locks of a process that ends. Where there is ``flock``, a file or a folder is locked itself. On
Windows, folders cannot be opened, and open files can be neither renamed nor removed; there a file of the same name with
the ending ``.lock`` beside it is locked instead.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

__all__ = ["Locked", "file_lock", "locking"]

Locked = Literal["locked", "busy", "unsupported"]

# A locked byte can be neither read nor written by others, so it lies beyond the contents of every lock file.
_BYTE = 2**30
_SECONDS_BETWEEN_TRIALS = 0.05


@contextmanager
def locking(path: Path) -> Iterator[Locked]:
    """Try to lock a file or a folder until the end of the block; it may be renamed or removed meanwhile.

    Parameters
    ----------
    path
        An existing file or folder, no link.

    Yields
    ------
    str
        ``locked``; ``busy`` if another process holds the lock; ``unsupported`` on file systems without locks.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    if fcntl is not None:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            yield _try_to_lock(file)
        finally:
            os.close(file)
        return
    path.lstat()  # raises if it does not exist
    beside = path.with_name(f"{path.name}.lock")
    file = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
    state: Locked = "unsupported"
    try:
        state = _try_to_lock(file)
        yield state
    finally:
        if state == "locked":
            _unlock(file)
        os.close(file)
        if state != "busy":
            with contextlib.suppress(OSError):  # another process has just opened it
                beside.unlink()


@contextmanager
def file_lock(path: Path, busy: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that only one process can hold at a time; the system releases it when the process ends.

    Parameters
    ----------
    path
        The lock file; created if it does not exist, and not removed.
    busy
        Called if another process holds the lock; when it returns, the function waits for the lock.

    Yields
    ------
    None

    Raises
    ------
    OSError
        If the file cannot be created, or the file system has no locks.
    """
    with path.open("w") as file:
        number = file.fileno()
        if _is_busy(number):
            busy()
            _wait(number)
        try:
            yield
        finally:
            _unlock(number)


def _try_to_lock(file: int) -> Locked:
    try:
        return "busy" if _is_busy(file) else "locked"
    except OSError:
        return "unsupported"


def _is_busy(file: int) -> bool:
    """Lock an open file unless another process holds it; raises OSError on file systems without locks."""
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            _at_the_byte(file, _windows().LK_NBLCK)
    except (BlockingIOError, PermissionError) as error:
        if fcntl is not None and not isinstance(error, BlockingIOError):
            raise
        return True
    return False


def _wait(file: int) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    while _is_busy(file):
        time.sleep(_SECONDS_BETWEEN_TRIALS)


def _unlock(file: int) -> None:
    """Release a lock; ``flock`` does so when the file is closed."""
    if fcntl is None:
        with contextlib.suppress(OSError):
            _at_the_byte(file, _windows().LK_UNLCK)


def _at_the_byte(file: int, mode: int) -> None:
    """Lock or release the byte from which ``msvcrt`` counts: that of the current position."""
    os.lseek(file, _BYTE, os.SEEK_SET)
    try:
        _windows().locking(file, mode, 1)
    finally:
        os.lseek(file, 0, os.SEEK_SET)


def _windows() -> Any:  # noqa: ANN401 - its contents are typed on Windows only
    return msvcrt
