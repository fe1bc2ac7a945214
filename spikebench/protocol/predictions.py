"""The text of a predictions file as columns of whole numbers: index, label, predicted, speaker, or others."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

COLUMNS = ["index", "label", "predicted", "speaker"]
_FIELD = re.compile(rb'(-1|0|[1-9][0-9]{0,9})|"(?:-1|0|[1-9][0-9]{0,9})"')
_QUOTED = re.compile(rb'(?<=[,\n])"([0-9-]*)"(?=[,\n])')
_MOST_DIGITS = 10
_COMMA, _MINUS, _ZERO = b",-0"

Column = NDArray[np.int64]


def read_columns(content: bytes, names: Sequence[str] = COLUMNS) -> tuple[Column, ...]:
    """Parse the columns.

    Parameters
    ----------
    content
        Contents of the file. Lines end with LF or CRLF, the last line end may be missing, and fields may be quoted.
    names
        Names of the columns.

    Returns
    -------
    tuple of ndarray of int64, shape (samples,)
        One per column, read only; every number is in -1 … 2147483647.

    Raises
    ------
    ValueError
        If the contents are anything else; the message names the problem.
    """
    text = content.replace(b"\r\n", b"\n") if b"\r" in content else content
    header, _, rows = text.partition(b"\n")
    quoted = ",".join(f'"{name}"' for name in names).encode()
    if header not in (",".join(names).encode(), quoted):
        raise ValueError(f"the first line must be {','.join(names)}")
    if not rows:
        raise ValueError("holds no predictions")
    if not rows.endswith(b"\n"):
        rows += b"\n"
    plain = _QUOTED.sub(rb"\1", b"\n" + rows)[1:] if b'"' in rows else rows
    values = _parse(np.frombuffer(plain, np.uint8), len(names))
    if values is None:
        raise ValueError(_what_is_wrong(rows, len(names)))
    if values.max() >= 2**31:
        raise ValueError("a number is outside -1 … 2147483647")
    table = np.ascontiguousarray(values.reshape(-1, len(names)).T)
    table.flags.writeable = False
    return tuple(table)


def _parse(text: NDArray[np.uint8], count: int) -> Column | None:
    """Parse fields that end with commas and the last of a line with its end; None if anything else is in between."""
    ends = np.flatnonzero(text <= _COMMA)  # any other character below it is refused
    if ends.size % count:
        return None
    starts = np.concatenate(([0], ends[:-1] + 1))
    length, first = ends - starts, text[starts]
    digits = text - np.uint8(_ZERO)  # above 9 for any other character
    negative = np.flatnonzero(first == _MINUS)
    if not (
        text[ends].tobytes() == (b"," * (count - 1) + b"\n") * (ends.size // count)
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


def _what_is_wrong(rows: bytes, count: int) -> str:
    """Explain why the first wrong line is not so many whole numbers."""
    for line in rows.split(b"\n")[:-1]:
        fields = line.split(b",") if line else []
        if len(fields) != count:
            return f"a line has {len(fields)} fields instead of {count}"
        for field in fields:
            if not _FIELD.fullmatch(field):
                shown = field.decode(errors="replace")[:40]
                return f"{shown!r} is not an integer from -1 to 2147483647"
    raise AssertionError("every line is right")
