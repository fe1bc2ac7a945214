"""Tables as CSV that a spreadsheet opens without executing anything."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

__all__ = ["csv_text", "safe_cell"]

# The last four are the full-width forms, which some spreadsheets read as the others.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_text(rows: Iterable[Iterable[object]], *, floats: str = "", line_end: str = "\n") -> str:
    """Write rows as CSV.

    Parameters
    ----------
    rows
        The cells of every row, the names of the columns first. Text becomes what :func:`safe_cell` returns.
    floats
        Format of cells of the type float, such as ``".6g"``; by default all digits.
    line_end
        End of every line.

    Returns
    -------
    str
        One line per row.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator=line_end)
    for row in rows:
        writer.writerow(
            [format(one, floats) if isinstance(one, float) else safe_cell(one) for one in row]
        )
    return text.getvalue()


def safe_cell(value: object) -> object:
    """Prevent a spreadsheet from interpreting text as a formula.

    Parameters
    ----------
    value
        A cell.

    Returns
    -------
    object
        Text that begins like a formula gets a leading apostrophe; booleans become yes and no;
        None becomes empty; numbers are unchanged.
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip().startswith(_FORMULA):
        return "'" + value
    return "" if value is None else value
