"""The identity of this program: results of another version are checked or made again."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import leaderboard
import spikebench

__all__ = ["program_sha256"]

_SUFFIXES = {".py", ".toml", ".j2", ".css", ".js"}


@cache
def program_sha256() -> str:
    """Compute the SHA-256 of the version and the source files of ``leaderboard`` and ``spikebench``.

    Returns
    -------
    str
        64 lower-case hexadecimal digits; computed once per process.
    """
    digest = hashlib.sha256(spikebench.__version__.encode())
    for package in (leaderboard, spikebench):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*")):
            if path.suffix in _SUFFIXES and path.is_file():
                digest.update(f"\n{path.relative_to(folder).as_posix()}\n".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()
