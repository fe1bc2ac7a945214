"""The text of a predictions file as four columns of whole numbers: index, label, predicted, speaker."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

COLUMNS = ["index", "label", "predicted", "speaker"]
_HEADERS = (",".join(COLUMNS).encode(), ",".join(f'"{name}"' for name in COLUMNS).encode())
_NUMBER = rb"(?:-1|0|[1-9][0-9]{0,9})"
_FIELD = re.compile(rb'%b|"%b"' % (_NUMBER, _NUMBER))
_ROW = rb",".join([rb"(?:%b)" % _FIELD.pattern] * len(COLUMNS)) + rb"\n"
_ROWS = re.compile(rb"(?:%b)*+" % _ROW)  # possessive: no backtracking, so no memory per line

Column = NDArray[np.int64]
Columns = tuple[Column, Column, Column, Column]


def read_columns(content: bytes) -> Columns:
    """Parse the four columns.

    Parameters
    ----------
    content
        Contents of the file. Lines end with LF or CRLF, the last line end may be missing, and fields may be quoted.

    Returns
    -------
    index, label, predicted, speaker : ndarray of int64, shape (samples,)
        Read only; every number is in -1 … 2147483647.

    Raises
    ------
    ValueError
        If the contents are anything else; the message names the problem.
    """
    text = content.replace(b"\r\n", b"\n")
    header, _, rows = text.partition(b"\n")
    if header not in _HEADERS:
        raise ValueError(f"the first line must be {','.join(COLUMNS)}")
    if not rows:
        raise ValueError("holds no predictions")
    if not rows.endswith(b"\n"):
        rows += b"\n"
    matched = _ROWS.match(rows)
    end = matched.end() if matched else 0
    if end < len(rows):
        raise ValueError(_what_is_wrong(rows[end:].partition(b"\n")[0]))
    numbers = rows.replace(b'"', b"").replace(b"\n", b",").decode("ascii")
    values = np.fromstring(numbers, dtype=np.int64, sep=",")
    if values.max() >= 2**31:
        raise ValueError("a number is outside -1 … 2147483647")
    table = np.ascontiguousarray(values.reshape(-1, len(COLUMNS)).T)
    table.flags.writeable = False
    index, label, predicted, speaker = table
    return index, label, predicted, speaker


def _what_is_wrong(line: bytes) -> str:
    """Explain why a line is not four whole numbers."""
    fields = line.split(b",") if line else []
    if len(fields) != len(COLUMNS):
        return f"a line has {len(fields)} fields instead of {len(COLUMNS)}"
    wrong = next(field for field in fields if not _FIELD.fullmatch(field))
    return f"{wrong.decode(errors='replace')[:40]!r} is not an integer from -1 to 2147483647"
