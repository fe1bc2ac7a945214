"""What a conversion has done so far, beside the file it makes: ``OUT.h5.partial``.

An SQLite database, one transaction per recording. However a conversion ends (finished, interrupted,
killed, disk full), the recordings that were done are in it, whole; the same command goes on from there.
It knows what was asked for, and refuses to go on with anything else. While a conversion writes, nobody
else can open it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from spikebench.audio import printable
from spikebench.errors import ConversionStateError

__all__ = ["ConversionJournal", "DoneClip", "DonePiece", "journal_path"]

_VERSION = "1"
_TABLES = """
    CREATE TABLE asked (name TEXT PRIMARY KEY, value TEXT NOT NULL);
    CREATE TABLE clips (position INTEGER PRIMARY KEY, sha256 TEXT NOT NULL, sample_rate INTEGER NOT NULL,
                        channels INTEGER NOT NULL, reason TEXT NOT NULL);
    CREATE TABLE pieces (position INTEGER, number INTEGER, start REAL NOT NULL, duration REAL NOT NULL,
                         times BLOB NOT NULL, units BLOB NOT NULL, reason TEXT NOT NULL,
                         remarks TEXT NOT NULL, PRIMARY KEY (position, number));
"""


class DonePiece(NamedTuple):
    """One piece of a recording: its number, where it lies [s], its spikes or why there are none, remarks."""

    number: int
    start: float
    duration: float
    times: NDArray[Any]
    units: NDArray[np.uint16]
    reason: str
    remarks: tuple[str, ...]


class DoneClip(NamedTuple):
    """One recording: what is known about it, or why it cannot be used."""

    position: int
    sha256: str
    sample_rate: int
    n_channels: int
    reason: str


def journal_path(output: Path) -> Path:
    """Say where the work on a file is kept until it is finished.

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
    """Keep what is done; use as a context manager.

    Parameters
    ----------
    path
        Of the database; made if it is not there.
    asked
        What was asked for: everything that decides the result, as strings.
    time_dtype
        Of the spike times that are kept.
    restart
        Forget what an earlier conversion has done.

    Raises
    ------
    ConversionStateError
        If an earlier conversion was asked for something else, another one is writing, or the
        database cannot be written or is none.
    """

    def __init__(
        self, path: Path, asked: Mapping[str, str], time_dtype: str, restart: bool = False
    ) -> None:
        self.path = path
        self._name = printable(str(path))
        self._time_dtype = np.dtype(time_dtype)
        if restart:
            self._remove()
        self._database: sqlite3.Connection | None = None
        with self._one_line():
            database = sqlite3.connect(path, timeout=0, isolation_level=None)
        self._database = database
        try:
            with self._one_line():
                # Exclusive: a second conversion cannot join, and no shared memory is needed beside
                # the log, so that the file may lie on a network file system.
                database.execute("PRAGMA locking_mode = EXCLUSIVE")
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("PRAGMA synchronous = NORMAL")
                database.execute("BEGIN IMMEDIATE")
                self._claim({"version": _VERSION, **asked})
                database.execute("COMMIT")
            self._identity = os.stat(path)
        except BaseException:
            database.close()
            raise

    def _claim(self, asked: Mapping[str, str]) -> None:
        """Write down what is asked for, or compare it with what was."""
        assert self._database is not None
        tables = self._database.execute("SELECT name FROM sqlite_master").fetchall()
        if not tables:
            for statement in _TABLES.split(";")[:-1]:
                self._database.execute(statement)
            self._database.executemany("INSERT INTO asked VALUES (?, ?)", sorted(asked.items()))
            return
        before = dict(self._database.execute("SELECT name, value FROM asked").fetchall())
        for name in sorted(before.keys() | asked.keys(), key=lambda name: (name == "clips", name)):
            if before.get(name) != asked.get(name):
                then, now = (_short(values.get(name)) for values in (before, asked))
                raise ConversionStateError(
                    f"{self._name}: an unfinished conversion of other things: {name} was {then}, "
                    f"is {now}; repeat its command to finish it, or forget it with --restart"
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
            self._database.close()
            if empty:
                self._remove()

    def finish(self) -> None:
        """Remove the journal: the file is there."""
        assert self._database is not None
        self._database.close()
        self._database = None
        self._remove()

    def done(self) -> list[DoneClip]:
        """List the recordings that are done.

        Returns
        -------
        list of DoneClip
            In their order.

        Raises
        ------
        ConversionStateError
            If the journal cannot be read.
        """
        with self._one_line():
            return [DoneClip(*row) for row in self._query("SELECT * FROM clips ORDER BY position")]

    def pieces(self, position: int) -> Iterator[DonePiece]:
        """Read the pieces of one recording.

        Parameters
        ----------
        position
            Of the recording.

        Yields
        ------
        DonePiece
            In order of their numbers.
        """
        with self._one_line():
            rows = self._query(
                "SELECT number, start, duration, times, units, reason, remarks FROM pieces "
                "WHERE position = ? ORDER BY number",
                position,
            )
            for number, start, duration, times, units, reason, remarks in rows:
                yield DonePiece(
                    *(number, start, duration),
                    np.frombuffer(times, dtype=self._time_dtype),
                    np.frombuffer(units, dtype=np.uint16),
                    *(reason, tuple(remarks.split())),
                )

    def add(self, clip: DoneClip, pieces: list[DonePiece]) -> None:
        """Keep one recording, whole or not at all.

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
                *(clip.position, piece.number, piece.start, piece.duration),
                piece.times.astype(self._time_dtype).tobytes(),
                *(piece.units.astype(np.uint16).tobytes(), piece.reason, " ".join(piece.remarks)),
            )
            for piece in pieces
        ]
        with self._one_line():
            self._database.execute("BEGIN")
            try:
                self._database.execute("INSERT INTO clips VALUES (?, ?, ?, ?, ?)", clip)
                self._database.executemany(
                    "INSERT INTO pieces VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows
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
        """Notice that the folder was removed or replaced: an open file would swallow everything."""
        try:
            there = os.stat(self.path)
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, self._identity):
            raise ConversionStateError(
                f"{self._name}: is gone, was its folder removed or renamed? Where it is now, "
                "the same command goes on with what was done"
            )

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
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
                reason = "is no unfinished conversion; remove it"
            elif name == "SQLITE_FULL":
                reason = "the disk is full; make room, then the same command goes on"
            else:
                reason = f"cannot be used: {printable(str(error))}"
            raise ConversionStateError(f"{self._name}: {reason}") from None


def _short(value: str | None) -> str:
    """Quote a value for a message; what is long is told by its digest alone in ``asked``."""
    if value is None:
        return "not given"
    return printable(value if len(value) <= 80 else value[:77] + "…")


def as_asked(values: Mapping[str, Any]) -> dict[str, str]:
    """Flatten what was asked for, so that a difference can be named.

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
