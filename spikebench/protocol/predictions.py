"""The text of a predictions file as four columns of whole numbers: index, label, predicted, speaker.

Three ways of reading it, each the twin of the next, slower one; a text that a faster one does not know by its every
byte goes to the next:

* :func:`_of_known_samples`: the text of a file that was read before, but for the predictions. The seeds of a result,
  and all results on one test split, are such files.
* :func:`_as_we_write_it`: as :func:`spikebench.protocol.results.write_predictions` writes.
* :func:`_as_csv_allows`: anything that CSV allows.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COLUMNS = ["index", "label", "predicted", "speaker"]
_PREDICTED = COLUMNS.index("predicted")
_INTEGER = re.compile(r"-1|0|[1-9][0-9]{0,9}")
_HEADER = (",".join(COLUMNS) + "\n").encode()
_MINUS, _COMMA, _NEWLINE, _ZERO, _ONE, _NINE = b"-,\n019"
_KEPT_SAMPLES, _KEPT_BYTES = 4, 4 * 1024 * 1024  # test splits, and the largest file of one
_MOST_DIGITS = 4  # of a class: there are at most 10,000


Column = NDArray[np.int64]
Columns = tuple[Column, Column, Column, Column]


def read_columns(content: bytes) -> Columns:
    """Read the four columns.

    Parameters
    ----------
    content
        The whole file.

    Returns
    -------
    index, label, predicted, speaker : ndarray of int64, shape (samples,)
        Read only; every number is in -1 … 2147483647. Files with the same samples share the arrays of them.

    Raises
    ------
    ValueError
        If it holds anything else; the message says what.
    """
    for known in _read_before:
        columns = _of_known_samples(content, known)
        if columns is not None:
            return columns
    table = _as_we_write_it(content)
    written = table is not None
    if table is None:
        table = _as_csv_allows(content)
    table.flags.writeable = False
    index, label, predicted, speaker = table
    columns = index, label, predicted, speaker
    if written and len(content) <= _KEPT_BYTES:
        _read_before.appendleft(_remember(content, columns))
    return columns


@dataclass(frozen=True)
class _Samples:
    """Samples of a file that was read before, with its text but for the predictions."""

    columns: Columns
    text: bytes
    before: Column  # characters of a line before the prediction
    around: Column  # and in all, the end of the line with them


_read_before: deque[_Samples] = deque(maxlen=_KEPT_SAMPLES)


def _remember(content: bytes, columns: Columns) -> _Samples:
    chars = np.frombuffer(content, np.uint8, offset=len(_HEADER))
    ends = np.flatnonzero(chars < _MINUS).reshape(-1, len(COLUMNS))
    starts = np.concatenate([[0], ends[:-1, -1] + 1])
    before = ends[:, _PREDICTED - 1] + 1 - starts
    width = ends[:, _PREDICTED] - ends[:, _PREDICTED - 1] - 1
    kept = np.ones(chars.size, dtype=bool)
    for place in range(int(width.max())):
        kept[(starts + before + place)[width > place]] = False
    return _Samples(columns, chars[kept].tobytes(), before, ends[:, -1] + 1 - starts - width)


def _of_known_samples(content: bytes, known: _Samples) -> Columns | None:
    """Read the predictions alone, if all else is the text that is known; anything else gives None."""
    chars = np.frombuffer(content, np.uint8, offset=min(len(_HEADER), len(content)))
    samples = known.before.size
    if not len(known.text) < chars.size <= len(known.text) + _MOST_DIGITS * samples:
        return None
    ends = np.flatnonzero(chars == _NEWLINE)
    if ends.size != samples or not content.startswith(_HEADER):
        return None
    starts = known.before.copy()
    starts[1:] += ends[:-1] + 1
    width = ends + 1 - known.around
    width[1:] -= ends[:-1] + 1
    if width.min() < 1 or width.max() > _MOST_DIGITS:
        return None
    digits = chars.take(starts) - np.uint8(_ZERO)  # what is before 0 becomes more than 9
    most = digits.max()
    kept = np.ones(chars.size, dtype=bool)
    kept[starts] = False
    predicted = digits.astype(np.int64)
    for place in range(1, int(width.max())):
        longer = np.flatnonzero(width > place)
        before = predicted.take(longer)
        if before.min() == 0:
            return None
        at = starts.take(longer) + place
        digits = chars.take(at) - np.uint8(_ZERO)
        most = max(most, digits.max())
        predicted[longer] = 10 * before + digits
        kept[at] = False
    if most > 9 or chars[kept].tobytes() != known.text:
        return None
    predicted.flags.writeable = False
    index, label, _, speaker = known.columns
    return index, label, predicted, speaker


def _as_we_write_it(content: bytes) -> NDArray[np.int64] | None:
    """Parse what ``write_predictions`` writes, all fields at once; anything else gives None.

    A field is -1, 0, or at most ten digits of which the first is not 0.
    """
    if not content.startswith(_HEADER) or not content.endswith(b"\n"):
        return None
    chars = np.frombuffer(content, np.uint8, offset=len(_HEADER))
    ends = np.flatnonzero(chars < _MINUS)  # comma and newline, or what does not belong here
    if ends.size == 0 or ends.size % len(COLUMNS):
        return None
    separators = chars.take(ends).reshape(-1, len(COLUMNS))
    if np.any(separators[:, -1] != _NEWLINE) or np.any(separators[:, :-1] != _COMMA):
        return None
    lengths = np.diff(ends, prepend=-1) - 1
    if lengths.min() < 1 or lengths.max() > 10:
        return None
    first = chars.take(ends - lengths)
    negative = np.flatnonzero(first == _MINUS)
    other = np.count_nonzero(chars < _ZERO) - ends.size - negative.size
    if other or chars.max() > _NINE or np.any((first == _ZERO) & (lengths > 1)):
        return None
    if np.any(lengths[negative] != 2) or np.any(chars[ends[negative] - 1] != _ONE):
        return None
    values = chars.take(ends - 1).astype(np.int64) - _ZERO
    longer, place = np.flatnonzero((lengths > 1) & (first != _MINUS)), 1
    while longer.size:
        digits = chars.take(ends.take(longer) - 1 - place).astype(np.int64) - _ZERO
        values[longer] += 10**place * digits
        place += 1
        longer = longer[lengths.take(longer) > place]
    values[negative] = -1
    if values.max() >= 2**31:
        return None
    return np.ascontiguousarray(values.reshape(-1, len(COLUMNS)).T)


def _as_csv_allows(content: bytes) -> NDArray[np.int64]:
    """Read the same columns in any way that CSV has of writing them, or say what is wrong."""
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True)
        if next(rows, None) != COLUMNS:
            raise ValueError(f"the first line must be {','.join(COLUMNS)}")
        values = [_integer_row(row) for row in rows]
    except csv.Error as error:
        raise ValueError(str(error)) from None
    if not values:
        raise ValueError("holds no predictions")
    return np.array(values, dtype=np.int64).T


def _integer_row(row: list[str]) -> list[int]:
    if len(row) != len(COLUMNS):
        raise ValueError(f"a line has {len(row)} fields instead of {len(COLUMNS)}")
    for field in row:
        if not _INTEGER.fullmatch(field):
            raise ValueError(f"{field[:40]!r} is not an integer from -1 to 2147483647")
    values = [int(field) for field in row]
    if max(values) >= 2**31:
        raise ValueError("a number is outside -1 … 2147483647")
    return values
