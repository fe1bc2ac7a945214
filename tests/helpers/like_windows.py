"""What Windows lacks, hidden from the packages of this project in the running process, and its locks imitated.

Only modules of the project are affected: they get an ``os`` without POSIX names, which refuses to rename open files and
to open folders, a ``signal`` without SIGHUP and masks, ``multiprocessing`` with ``spawn`` alone, neither ``fcntl`` nor
``resource``, and a ``msvcrt`` whose locks are those of Linux for open file descriptions, on the byte at the current
position as on Windows.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import multiprocessing
import os
import signal
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = ("cochlea", "spikebench", "leaderboard", "cli")
ABSENT = ("fcntl", "resource", "termios", "pwd", "grp")
_NOT_IN_OS = [
    *(
        "O_NOFOLLOW",
        "O_DIRECTORY",
        "O_CLOEXEC",
        "O_NONBLOCK",
        "pread",
        "preadv",
        "register_at_fork",
    ),
    *("sched_getaffinity", "fork", "getuid", "geteuid", "killpg", "uname", "statvfs"),
]
_NOT_IN_SIGNAL = ["SIGHUP", "SIGKILL", "SIGUSR1", "pthread_sigmask", "SIG_BLOCK", "SIG_SETMASK"]
_import = builtins.__import__


def pretend() -> None:
    """Hide it from modules of the project that are imported from now on."""
    systems = {
        "os": _part_of(os, _NOT_IN_OS, name="nt", replace=_replace, rename=_replace, open=_open),
        "signal": _part_of(signal, [*_NOT_IN_SIGNAL, "SIG_UNBLOCK"]),
        "multiprocessing": _part_of(
            multiprocessing, [], get_all_start_methods=lambda: ["spawn"], get_context=_context
        ),
        "msvcrt": _locks(),
    }

    def limited(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        importer = (globals or {}).get("__name__", "").partition(".")[0]
        if importer in OURS and level == 0:
            if name in ABSENT:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in systems:
                return systems[name]
        return _import(name, globals, locals, fromlist, level)

    builtins.__import__ = limited


def _part_of(module: ModuleType, without: Sequence[str], **instead: object) -> ModuleType:
    part = ModuleType(module.__name__)
    vars(part).update({key: one for key, one in vars(module).items() if key not in without})
    vars(part).update(instead)
    return part


def _context(method: str) -> multiprocessing.context.BaseContext:
    assert method == "spawn"
    return multiprocessing.get_context("spawn")


def _replace(source: Path, target: Path) -> None:
    """Rename a file as Windows does: not if this process has it open."""
    for number in os.listdir("/proc/self/fd"):
        try:
            is_open = os.path.samestat(os.fstat(int(number)), os.stat(source))
        except OSError:
            continue
        if is_open:
            raise PermissionError(errno.EACCES, "used by another process", str(source))
    os.replace(source, target)


def _open(path: Path, flags: int, mode: int = 0o777) -> int:
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return os.open(path, flags, mode)


def _locks() -> ModuleType:
    module = ModuleType("msvcrt")
    kinds = {1: fcntl.F_WRLCK, 2: fcntl.F_WRLCK, 0: fcntl.F_UNLCK}

    def locking(file: int, mode: int, count: int) -> None:
        start = os.lseek(file, 0, os.SEEK_CUR)
        said = struct.pack("hhqqi4x", kinds[mode], os.SEEK_SET, start, count, 0)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, said)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    vars(module).update(locking=locking, LK_UNLCK=0, LK_LOCK=1, LK_NBLCK=2)
    return module
