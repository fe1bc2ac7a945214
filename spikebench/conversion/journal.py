"""Finished recordings of a conversion, stored beside its output: ``OUT.h5.partial``.

The journal is an SQLite database with one transaction per recording. However a conversion ends (finished,
interrupted, killed, disk full), every finished recording is in it completely; the same command resumes from
there. The journal stores the request of the conversion, and another request is refused. Each recording has a
checksum, so that damage is detected. While a conversion writes, no other process can open the journal.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import ConversionStateError
from spikebench.records.text import os_error_text, printable

__all__ = ["ConversionJournal", "DoneClip", "DonePiece", "journal_path"]

_VERSION = "1"
_TABLES = """
    CREATE TABLE asked (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE clips (position INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, sample_rate INTEGER NOT NULL,
                        channels INTEGER NOT NULL, reason TEXT NOT NULL, checksum BLOB NOT NULL);
    CREATE TABLE pieces (position INTEGER, number INTEGER, start REAL NOT NULL, duration REAL NOT NULL,
                         times BLOB NOT NULL, units BLOB NOT NULL, reason TEXT NOT NULL,
                         remarks TEXT NOT NULL, PRIMARY KEY (position, number));
"""


class DonePiece(NamedTuple):
    """One piece of a recording: number, start and duration [s], its spikes or why there are none, remarks."""

    number: int
    start: float
    duration: float
    times: NDArray[Any]
    units: NDArray[np.uint16]
    reason: str
    remarks: tuple[str, ...]


class DoneClip(NamedTuple):
    """One recording: its properties, or why it cannot be used."""

    position: int
    sha256: str
    sample_rate: int
    n_channels: int
    reason: str


def journal_path(output: Path) -> Path:
    """Return the path of the journal of an output file.

    Parameters
    ----------
    output
        The file to be made.

    Returns
    -------
    Path
        ``OUT.h5.partial``, beside it.
    """
    return output.with_name(output.name + ".partial")


class ConversionJournal:
    """Store the finished recordings; use as a context manager.

    Parameters
    ----------
    path
        Path of the database; created if it does not exist.
    asked
        The request: everything that determines the result, as strings.
    time_dtype
        Dtype of the stored spike times.
    restart
        Discard the finished recordings of an earlier conversion.

    Raises
    ------
    ConversionStateError
        If an earlier conversion had another request, another conversion is writing, or the database
        cannot be written or is not a journal.
    """

    def __init__(
        self, path: Path, asked: Mapping[str, str], time_dtype: str, restart: bool = False
    ) -> None:
        # Absolute, because SQLite reads a path that begins with "file:" as a URI.
        self.path = path.absolute()
        self._name = printable(str(path))
        self._time_dtype = np.dtype(time_dtype)
        self._database: sqlite3.Connection | None = None
        self._require_file()
        with self._one_line():
            database = sqlite3.connect(self.path, timeout=0, isolation_level=None)
        self._database = database
        try:
            with self._one_line():
                # Exclusive: a second conversion cannot join, and no shared memory is needed beside
                # the log, so that the file may lie on a network file system.
                database.execute("PRAGMA locking_mode = EXCLUSIVE")
                database.execute("BEGIN EXCLUSIVE")
                self._require_ours()
                database.execute("COMMIT")
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute("BEGIN IMMEDIATE")
                self._claim({"version": _VERSION, **asked}, restart)
                database.execute("COMMIT")
            self._identity = os.stat(self.path)
        except BaseException:
            database.close()
            raise

    def _require_file(self) -> None:
        """Create the file here, because errors of the system are clearer than those of SQLite."""
        if self.path.is_symlink():
            raise ConversionStateError(f"{self._name}: is a link; remove it")
        try:
            os.close(
                os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
            )
        except OSError as error:
            raise ConversionStateError(
                f"{self._name}: cannot be written: {os_error_text(error)}"
            ) from None
        if not self.path.is_file():
            raise ConversionStateError(f"{self._name}: is not a regular file; remove it")

    def _require_ours(self) -> None:
        """Raise if the database belongs to another program, even with ``restart``."""
        assert self._database is not None
        tables = {
            name
            for (name,) in self._database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )
        }
        if tables and tables != {"asked", "clips", "pieces"}:
            raise ConversionStateError(f"{self._name}: is not an unfinished conversion; remove it")

    def _claim(self, asked: Mapping[str, str], restart: bool) -> None:
        """Store the request, or compare it with the stored one."""
        assert self._database is not None
        if restart:
            for table in ("asked", "clips", "pieces"):
                self._database.execute(f"DROP TABLE IF EXISTS {table}")
        if not self._database.execute("SELECT name FROM sqlite_master").fetchall():
            for statement in _TABLES.split(";")[:-1]:
                self._database.execute(statement)
            self._database.executemany("INSERT INTO asked VALUES (?, ?)", sorted(asked.items()))
            return
        before = dict(self._database.execute("SELECT name, value FROM asked").fetchall())
        # Settings that follow from others are compared after them.
        order = ("version", "encoder", "preset", "seed")
        for name in sorted(
            before.keys() | asked.keys(),
            key=lambda name: (name not in order, "." in name, name == "clips", name),
        ):
            if before.get(name) != asked.get(name):
                then, now = (_short(values.get(name)) for values in (before, asked))
                raise ConversionStateError(
                    f"{self._name}: an unfinished conversion with other settings: {name} was {then}, "
                    f"is {now}; repeat its command to finish it, or discard it with --restart"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close; a journal without a recording is removed."""
        if self._database is None:
            return
        with contextlib.suppress(sqlite3.Error):
            empty = not self._database.execute("SELECT 1 FROM clips LIMIT 1").fetchall()
            if empty:
                self._remove()
            self._database.close()

    def finish(self) -> None:
        """Remove the journal, after the file is written."""
        assert self._database is not None
        self._remove()
        self._database.close()
        self._database = None

    def done(self) -> list[DoneClip]:
        """List the finished recordings.

        Returns
        -------
        list of DoneClip
            In order of their positions.

        Raises
        ------
        ConversionStateError
            If the journal cannot be read.
        """
        with self._one_line():
            rows = self._query(
                "SELECT position, sha256, sample_rate, channels, reason FROM clips ORDER BY position"
            )
            return [DoneClip(*row) for row in rows]

    def pieces(self, clip: DoneClip) -> list[DonePiece]:
        """Read the pieces of one recording.

        Parameters
        ----------
        clip
            The recording, from :meth:`done`.

        Returns
        -------
        list of DonePiece
            In order of their numbers.

        Raises
        ------
        ConversionStateError
            If the journal cannot be read, or its contents do not match their checksum.
        """
        with self._one_line():
            rows = list(
                self._query(
                    "SELECT number, start, duration, times, units, reason, remarks FROM pieces "
                    "WHERE position = ? ORDER BY number",
                    clip.position,
                )
            )
            checksums = self._query("SELECT checksum FROM clips WHERE position = ?", clip.position)
            if [(_checksum(clip, rows),)] != list(checksums):
                raise self.damaged()
        return [
            DonePiece(
                number,
                start=start,
                duration=duration,
                times=np.frombuffer(times, dtype=self._time_dtype),
                units=np.frombuffer(units, dtype=np.uint16),
                reason=reason,
                remarks=tuple(remarks.split()),
            )
            for number, start, duration, times, units, reason, remarks in rows
        ]

    def damaged(self) -> ConversionStateError:
        """Return the error for a journal whose contents no conversion wrote."""
        return ConversionStateError(f"{self._name}: is damaged; --restart starts over")

    def add(self, clip: DoneClip, pieces: list[DonePiece]) -> None:
        """Store one recording, completely or not at all.

        Parameters
        ----------
        clip
            The recording.
        pieces
            Its pieces; times in seconds.

        Raises
        ------
        ConversionStateError
            If the disk is full, the folder is gone or the journal cannot be written.
        """
        assert self._database is not None
        self._require_place()
        rows = [
            (
                *(piece.number, piece.start, piece.duration),
                piece.times.astype(self._time_dtype).tobytes(),
                piece.units.astype(np.uint16).tobytes(),
                *(piece.reason, " ".join(piece.remarks)),
            )
            for piece in pieces
        ]
        with self._one_line():
            self._database.execute("BEGIN")
            try:
                self._database.execute(
                    "INSERT INTO clips VALUES (?, ?, ?, ?, ?, ?)", (*clip, _checksum(clip, rows))
                )
                self._database.executemany(
                    "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [(clip.position, *row) for row in rows],
                )
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def _query(self, statement: str, *arguments: object) -> Iterator[tuple[Any, ...]]:
        assert self._database is not None
        yield from self._database.execute(statement, arguments)

    def _require_place(self) -> None:
        """Raise if the folder was removed or replaced: writes to the open file would be lost."""
        try:
            there = os.stat(self.path)
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, self._identity):
            raise ConversionStateError(
                f"{self._name}: is gone, was its folder removed or renamed? If it was moved, run the same "
                "command there to resume with the finished recordings"
            )

    def _remove(self) -> None:
        """Remove the files of this journal while the lock is held, but not files that replaced them."""
        with contextlib.suppress(OSError):
            if not os.path.samestat(os.stat(self.path), self._identity):
                return
        # The write-ahead log goes first, after its contents are in the database: a kill between the two must leave no
        # log alone, which nothing would remove.
        assert self._database is not None
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for suffix in ("-wal", "-shm", "-journal", ""):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    @contextlib.contextmanager
    def _one_line(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", "")
            if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
                reason = "another conversion is writing it"
            elif name == "SQLITE_NOTADB":
                reason = "is not an unfinished conversion; remove it"
            elif name == "SQLITE_FULL":
                reason = "the disk is full; free space, then run the same command again to resume"
            else:
                reason = f"cannot be used: {printable(str(error))}"
            raise ConversionStateError(f"{self._name}: {reason}") from None


def _checksum(clip: DoneClip, rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Digest all data of a recording, in the form in which SQLite returns it."""
    digest = hashlib.sha256()
    for value in (*clip, *(value for row in rows for value in row)):
        data = value if isinstance(value, bytes) else repr(value).encode()
        digest.update(b"%d:" % len(data) + data)
    return digest.digest()


def _short(value: str | None) -> str:
    """Shorten a value for a message; long lists are only a digest in ``asked`` already."""
    if value is None:
        return "not given"
    return printable(value if len(value) <= 80 else value[:77] + "…")


def as_asked(values: Mapping[str, Any]) -> dict[str, str]:
    """Flatten a request, so that a difference can be named.

    Parameters
    ----------
    values
        Numbers, strings and nested mappings.

    Returns
    -------
    dict
        Dotted names and JSON texts.
    """
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": text for inner, text in as_asked(value).items()}
        else:
            flat[name] = json.dumps(value, ensure_ascii=True, sort_keys=True)
    return flat
