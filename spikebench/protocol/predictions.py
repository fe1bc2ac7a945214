"""The text of a predictions file as four columns of whole numbers: index, label, predicted, speaker."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

COLUMNS = ["index", "label", "predicted", "speaker"]
_HEADERS = (",".join(COLUMNS).encode(), ",".join(f'"{name}"' for name in COLUMNS).encode())
_FIELD = re.compile(rb'(-1|0|[1-9][0-9]{0,9})|"(?:-1|0|[1-9][0-9]{0,9})"')
_QUOTED = re.compile(rb'(?<=[,\n])"([0-9-]*)"(?=[,\n])')
_MOST_DIGITS = 10
_COMMA, _MINUS, _ZERO = b",-0"
_ENDS = b",,,\n"

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
    text = content.replace(b"\r\n", b"\n") if b"\r" in content else content
    header, _, rows = text.partition(b"\n")
    if header not in _HEADERS:
        raise ValueError(f"the first line must be {','.join(COLUMNS)}")
    if not rows:
        raise ValueError("holds no predictions")
    if not rows.endswith(b"\n"):
        rows += b"\n"
    plain = _QUOTED.sub(rb"\1", b"\n" + rows)[1:] if b'"' in rows else rows
    values = _parse(np.frombuffer(plain, np.uint8))
    if values is None:
        raise ValueError(_what_is_wrong(rows))
    if values.max() >= 2**31:
        raise ValueError("a number is outside -1 … 2147483647")
    table = np.ascontiguousarray(values.reshape(-1, len(COLUMNS)).T)
    table.flags.writeable = False
    index, label, predicted, speaker = table
    return index, label, predicted, speaker


def _parse(text: NDArray[np.uint8]) -> Column | None:
    """Parse fields that end with commas and every fourth with a line end; None if anything else is in between."""
    ends = np.flatnonzero(text <= _COMMA)  # any other character below it is refused
    if ends.size % len(COLUMNS):
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    length, first = ends - starts, text[starts]
    digits = text - np.uint8(_ZERO)  # above 9 for any other character
    negative = np.flatnonzero(first == _MINUS)
    if not (
        text[ends].tobytes() == _ENDS * (ends.size // len(COLUMNS))
        and length.min() > 0
        and length.max() <= _MOST_DIGITS
        and np.count_nonzero(digits <= 9) + ends.size + negative.size == text.size
        and not ((first == _ZERO) & (length > 1)).any()
        and (length[negative] == 2).all()
        and (digits[starts[negative] + 1] == 1).all()
    ):
        return None
    place = ends - 1
    values = digits[place].astype(np.int64)
    for power in range(1, int(length.max())):
        place -= 1
        digit = digits[place] * (length > power)
        values += np.multiply(digit, 10**power, dtype=np.int64)
    values[negative] = -1
    return values


def _what_is_wrong(rows: bytes) -> str:
    """Explain why the first wrong line is not four whole numbers."""
    for line in rows.split(b"\n")[:-1]:
        fields = line.split(b",") if line else []
        if len(fields) != len(COLUMNS):
            return f"a line has {len(fields)} fields instead of {len(COLUMNS)}"
        for field in fields:
            if not _FIELD.fullmatch(field):
                shown = field.decode(errors="replace")[:40]
                return f"{shown!r} is not an integer from -1 to 2147483647"
    raise AssertionError("every line is right")
