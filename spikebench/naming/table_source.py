"""One or several tables as a source: their files, their splits, and the line of each recording."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from spikebench.errors import SpikebenchError
from spikebench.naming.conventions.convention import Convention
from spikebench.naming.source import Source
from spikebench.naming.split_words import is_split_word
from spikebench.naming.table_matching import match_rows, place_of, possible_clips
from spikebench.naming.tables import COLUMNS, Row, read_table
from spikebench.recordings.search import Clip
from spikebench.records.text import printable

__all__ = ["convention_tables", "table_files", "table_source"]


def table_files(text: str) -> list[tuple[str | None, str]]:
    """List tables and the split of each.

    Parameters
    ----------
    text
        ``table.csv``, ``train=a.csv,test=b.csv`` or ``train.csv,test.csv``.

    Returns
    -------
    list of (str or None, str)
        Split (or None) and path of each table. A single table has no split, regardless of its name.
    """
    pieces = text.split(",")
    if len(pieces) == 1 and "=" not in text:
        return [(None, text)]
    files: list[tuple[str | None, str]] = []
    for piece in pieces:
        split, equals, file = piece.partition("=")
        if equals and is_split_word(split.strip()):
            files.append((split.strip(), file.strip()))
            continue
        words = re.split(r"[\W_]+", Path(piece).stem)
        named = [word for word in words if is_split_word(word)]
        files.append((named[0] if len(named) == 1 else None, piece.strip()))
    return files


def table_source(
    clips: Sequence[Clip],
    name: str,
    files: Sequence[tuple[str | None, str]],
    options: Mapping[str, str],
) -> Source:
    """Read tables and find the line of every recording.

    Parameters
    ----------
    clips
        All recordings.
    name
        The tables as named by the user.
    files
        Split (None: given by a column) and path of each table.
    options
        Options after the colon; those that name columns are used.

    Returns
    -------
    Source
        Label, speaker, split and fold as in the tables.

    Raises
    ------
    SpikebenchError
        If a table cannot be used, lists a recording twice, or lists none of the recordings.
    """
    columns = {what: column for what, column in options.items() if what in COLUMNS}
    tables = [read_table(Path(file), columns, split) for split, file in files]
    rows = [row for table in tables for row in table.rows]
    _refuse_twice(rows)
    shown = printable(name)
    found = match_rows(rows, clips)
    if clips and not found:
        raise SpikebenchError(_why_none(rows, clips, shown))
    used = {id(row) for row in found.values()}
    others = [row for row in rows if id(row) not in used]
    notices = [table.notice for table in tables if table.notice]
    if others:
        notices.append(
            f"{shown}: {len(others)} of its {len(rows)} names match no recording; the first: "
            f"{printable(others[0].path)}{_doubt(others[0], clips)}"
        )
    return Source(
        name,
        lambda clip: facts.facts if (facts := found.get(clip.relative)) else None,
        misfit=f"is not in {shown}",
        notices=tuple(notices),
    )


def _why_none(rows: Sequence[Row], clips: Sequence[Clip], shown: str) -> str:
    """Return why no line matches a recording, with one name of the table and one of the folder."""
    if not rows:
        return f"{shown}: has no line below the first, which names the columns"
    none = f"{shown}: none of its {len(rows)} names is a recording in the folder"
    if doubt := _doubt(rows[0], clips):
        return f"{none}; the first: {printable(rows[0].path)!r}{doubt}"
    return f"{none}; the table has {printable(rows[0].path)!r}, the folder has {printable(clips[0].relative)!r}"


def _doubt(row: Row, clips: Sequence[Clip]) -> str:
    """Return that a name fits several recordings, if it was not used for that reason."""
    possible = possible_clips(row.path, clips)
    if len(possible) < 2:
        return ""
    shown = " or ".join(repr(printable(name)) for name in possible[:2])
    return f", which may be {shown}: include the folder in the table"


def _refuse_twice(rows: Sequence[Row]) -> None:
    first: dict[tuple[str, ...], Row] = {}
    for row in rows:
        place = place_of(row.path)
        if place in first:
            before = first[place]
            also = "" if before.table == row.table else f", and in {before.table}"
            raise SpikebenchError(
                f"{row.table}: line {row.line}: {printable(row.path)!r} occurs twice (line "
                f"{before.line}{also}); keep one"
            )
        first[place] = row


def convention_tables(clips: Sequence[Clip], convention: Convention) -> Source:
    """Find the tables of a convention, in the folder of the recordings or in the one above.

    Parameters
    ----------
    clips
        All recordings.
    convention
        A convention with tables.

    Returns
    -------
    Source
        Label, speaker and split as in the tables.

    Raises
    ------
    SpikebenchError
        If no recording fits the convention, no table is found, or one cannot be used.
    """
    name, expected = convention.name, ", ".join(convention.tables)
    first = next((clip for clip in clips if convention.read(clip)), None)
    if first is None:
        raise SpikebenchError(f"{name}: gives no label for any recording")
    folder = first.path.absolute().parent
    files = [
        (place / table).as_posix()
        for place in (folder, folder.parent)
        for table in convention.tables
        if (place / table).is_file()
    ]
    if not files:
        shown = printable(str(folder.parent))
        raise SpikebenchError(
            f"{name}: none of {expected} is in {shown}; put them there, or give tables with --labels"
        )
    source = table_source(clips, name, [(Path(file).stem, file) for file in files], {})
    return replace(source, rule=convention.split_rule, misfit=f"is in none of {expected}")
