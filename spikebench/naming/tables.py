"""Reading tables of recordings, as corpora publish them: comma-separated values and similar formats.

The first line names the columns. Common names are recognised (:data:`COLUMNS`); others are given by the user. The
separator is the one of comma, tab, semicolon and vertical bar that yields the most expected columns.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from spikebench.errors import SpikebenchError
from spikebench.naming.conventions.convention import Facts, composed
from spikebench.records.text import os_error_text, printable

__all__ = ["COLUMNS", "Row", "Table", "read_table"]

# In order of preference; compared in lower case, with _ for spaces and hyphens.
COLUMNS = {
    "path": (
        *("path", "file", "filename", "file_name", "filepath", "file_path", "fname"),
        *("slice_file_name", "audio", "audio_path", "audio_file", "audio_filename"),
        *("wav", "wav_path", "wav_file", "wav_filename", "clip", "recording"),
    ),
    "label": (
        *("label", "labels", "class", "class_name", "category", "word", "keyword", "digit"),
        *("sentence", "text", "transcript", "transcription", "target", "class_id", "classid"),
    ),
    "speaker": (
        *("speaker", "speaker_id", "speakerid", "client_id", "spk", "spk_id", "speaker_name"),
        *("subject", "subject_id"),
    ),
    "split": ("split", "set", "subset", "partition"),
    "fold": ("fold",),
}
_SENTENCES = {"sentence", "text", "transcript", "transcription"}
_ORDINARY = {"path", "file", "label", "speaker", "split"}
_DELIMITERS = (",", "\t", ";", "|")
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Row:
    """One line of a table: path of the recording as written, its facts, and table and line number."""

    path: str
    facts: Facts
    table: str
    line: int


@dataclass(frozen=True)
class Table:
    """The lines of a table, and a notice on the columns used, unless they are obvious."""

    rows: list[Row]
    notice: str


def read_table(path: Path, columns: Mapping[str, str], split: str | None = None) -> Table:
    """Read a table.

    Parameters
    ----------
    path
        Text file in UTF-8, of at most 64 MiB.
    columns
        Names of columns given by the user: any of ``path``, ``label``, ``speaker``, ``split`` and ``fold`` → name
        of the column.
    split
        Split of all its recordings, if the table lists one split.

    Returns
    -------
    Table
        Its lines.

    Raises
    ------
    SpikebenchError
        If the table cannot be read, has no column of paths or no other known column, or if a line is malformed or
        has several labels in one cell.
    """
    shown = printable(str(path))
    lines = _records(_text(path, shown), columns, shown)
    _, header = next(lines, (0, []))
    if not any(header):
        raise SpikebenchError(
            f"{shown}: empty; the first line must name a column path and other columns"
        )
    places = _find_columns(header, columns, shown, split)
    rows: list[Row] = []
    for number, cells in lines:
        value = {what: cells[place].strip() for what, place in places.items()}
        if not value["path"]:
            raise SpikebenchError(f"{shown}: line {number}: names no recording")
        if _plain(header[places["label"]] if "label" in places else "") not in _SENTENCES:
            _refuse_several_labels(value.get("label", ""), shown, number)
        rows.append(Row(value["path"], _facts(value, split, shown, number), shown, number))
    return Table(_with_folds(rows, split), _notice(header, places, shown))


def _text(path: Path, shown: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise SpikebenchError(f"{shown}: {os_error_text(error)}") from None
    if len(data) > _MAX_BYTES:
        raise SpikebenchError(f"{shown}: larger than {_MAX_BYTES // 2**20} MiB")
    if data[:4] == b"PK\3\4":
        raise SpikebenchError(f"{shown}: is a spreadsheet, not text; save it as 'CSV UTF-8'")
    encoding = "UTF-16" if b"\0" in data[:4096] else "WINDOWS-1252"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpikebenchError(_not_utf8(shown, line, encoding)) from None
    if encoding == "UTF-16":
        raise SpikebenchError(_not_utf8(shown, 1, encoding))
    # A line written by Excel; the separator is found from the header.
    return re.sub(r"\Asep=.\r?\n", "", text)


def _not_utf8(shown: str, line: int, encoding: str) -> str:
    return (
        f"{shown}: is not UTF-8 (line {line}); save it again as UTF-8: 'CSV UTF-8' in a spreadsheet, or "
        f"iconv -f {encoding} -t UTF-8 OLD > NEW if it is {encoding}"
    )


def _records(text: str, columns: Mapping[str, str], shown: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every record that is not empty, the header first."""
    delimiter = _delimiter(re.split("[\r\n]", text, maxsplit=1)[0], columns)
    # Tab-separated corpora contain quotation marks that do not quote.
    source = io.StringIO(text, newline="")
    reader = (
        csv.reader(source, delimiter=delimiter, quoting=csv.QUOTE_NONE)
        if delimiter == "\t"
        else csv.reader(source, delimiter=delimiter, strict=True)
    )
    width = 0
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if delimiter == "\t":
                cells = [_unquoted(cell) for cell in cells]
            width = width or len(cells)
            if len(cells) < width or any(cells[width:]):
                raise SpikebenchError(
                    f"{shown}: line {reader.line_num}: number of fields is {len(cells)}, not {width}"
                )
            yield reader.line_num, cells
    except csv.Error as error:
        raise SpikebenchError(f"{shown}: not readable as CSV: {error}") from None


def _unquoted(cell: str) -> str:
    if len(cell) > 1 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"')
    return cell


def _delimiter(header: str, columns: Mapping[str, str]) -> str:
    """Choose the separator that yields the most expected columns, then the most columns."""
    wanted = {_plain(name) for name in columns.values()}
    wanted |= {name for names in COLUMNS.values() for name in names}

    def quality(delimiter: str) -> tuple[int, int]:
        cells = next(csv.reader([header], delimiter=delimiter), [])
        return sum(_plain(cell) in wanted for cell in cells), len(cells)

    return max(_DELIMITERS, key=quality)


def _find_columns(
    header: list[str], columns: Mapping[str, str], shown: str, split: str | None
) -> dict[str, int]:
    names = [_plain(name) for name in header]
    found = ", ".join(repr(printable(name.strip()[:40])) for name in header[:20])
    places: dict[str, int] = {}
    for what, known in COLUMNS.items():
        if what in columns and _plain(columns[what]) not in names:
            raise SpikebenchError(f"{shown}: no column {columns[what]!r} (found: {found})")
        wanted = (_plain(columns[what]),) if what in columns else known
        name = next((name for name in wanted if name in names), None)
        if name is None:
            continue
        if names.count(name) > 1:
            raise SpikebenchError(
                f"{shown}: two columns are called {printable(name[:40])!r} (found: {found}); give one another name"
            )
        places[what] = names.index(name)
    remedy = f"; name the columns by {shown}:path=COLUMN,label=COLUMN"
    if "path" not in places:
        raise SpikebenchError(
            f"{shown}: the first line must name a column path or a synonym of it (found: "
            f"{found}){remedy}"
        )
    if len(places) == 1 and split is None:
        raise SpikebenchError(
            f"{shown}: the first line must name at least one of label, speaker, split (found: {found}){remedy}"
        )
    return places


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", composed(name).strip().casefold())


def _refuse_several_labels(label: str, shown: str, line: int) -> None:
    # A comma and a space may be part of one class ("Guitar, acoustic"); a comma alone separates two.
    if re.search(r"[^;|\s]\s*[;|]\s*[^;|\s]|\S,\S", label):
        raise SpikebenchError(
            f"{shown}: line {line}: several labels in one cell, {printable(label[:80])!r}; a recording has one "
            "class: keep one label per recording, or remove , ; | from its name"
        )


def _facts(value: Mapping[str, str], split: str | None, shown: str, line: int) -> Facts:
    fold = value.get("fold", "")
    if fold and not re.fullmatch(r"\d{1,9}(\.0)?", fold, re.ASCII):
        raise SpikebenchError(
            f"{shown}: line {line}: fold {printable(fold[:40])!r} is not a number"
        )
    return Facts(
        value.get("label") or None,
        value.get("speaker") or None,
        split or value.get("split") or None,
        int(float(fold)) if fold else None,
    )


def _with_folds(rows: list[Row], split: str | None) -> list[Row]:
    """Convert splits to folds if all of them are numbers."""
    splits = {row.facts.split for row in rows} - {None}
    if (
        split is not None
        or not splits
        or not all(re.fullmatch(r"\d{1,9}", s or "") for s in splits)
    ):
        return rows
    return [
        Row(
            row.path,
            Facts(
                row.facts.label,
                row.facts.speaker,
                None,
                int(row.facts.split) if row.facts.split else row.facts.fold,
            ),
            row.table,
            row.line,
        )
        for row in rows
    ]


def _notice(header: list[str], places: Mapping[str, int], shown: str) -> str:
    """Name the columns that were used, unless they are obvious."""
    if {header[place].strip() for place in places.values()} <= _ORDINARY:
        return ""
    taken = ", ".join(f"{what} from {header[place].strip()!r}" for what, place in places.items())
    return f"{shown}: {taken}"
