"""Reading predictions: the same numbers as Python's csv module gives, and nothing but whole numbers."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spikebench.protocol.predictions import COLUMNS, read_columns

HEADER = "index,label,predicted,speaker\n"
Rows = list[tuple[int, ...]]

whole_numbers = st.integers(-1, 2**31 - 1)
rows_of_four = st.lists(st.tuples(*[whole_numbers] * 4), min_size=1, max_size=3)
put_in = st.text('019-,\n\r " +._eª', max_size=3)


def text_of(rows: Rows) -> str:
    return HEADER + "".join(f"{','.join(map(str, row))}\n" for row in rows)


def by_csv(text: str) -> list[list[int]]:
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == COLUMNS
    return [[int(field) for field in row] for row in rows]


def is_right(text: str) -> bool:
    """Whether every line has four whole numbers, by a regular expression."""
    head, _, rows = text.replace("\r\n", "\n").partition("\n")
    number = "(?:-1|0|[1-9][0-9]{0,9})"
    row = ",".join([f'(?:{number}|"{number}")'] * 4)
    found = re.findall("[0-9]+", rows, re.ASCII)
    return (
        head.replace('"', "") + "\n" == HEADER
        and head.count('"') in (0, 8)
        and re.fullmatch(f"(?:{row}\n)*{row}\n?", rows) is not None
        and all(int(digits) < 2**31 for digits in found)
    )


@given(rows=rows_of_four, place=st.integers(0, 200), cut=st.integers(0, 2), put=put_in)
def test_what_is_read_is_what_csv_gives(rows: Rows, place: int, cut: int, put: str) -> None:
    written = text_of(rows)
    assert_array_equal(read_columns(written.encode()), list(zip(*rows, strict=True)))
    changed = written[:place] + put + written[place + cut :]
    try:
        columns = read_columns(changed.encode())
    except ValueError:
        assert not is_right(changed)
        return
    assert is_right(changed)
    found = by_csv(changed)
    assert_array_equal(columns, list(zip(*found, strict=True)))
    assert all(-1 <= number < 2**31 for row in found for number in row)


def test_a_quoted_header_is_read() -> None:
    columns = read_columns(b'"index","label","predicted","speaker"\n0,1,2,3\n')
    assert [column.tolist() for column in columns] == [[0], [1], [2], [3]]


def test_what_comes_back_cannot_be_changed() -> None:
    for column in read_columns((HEADER + "0,1,2,3\n1,1,2,3\n").encode()):
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 5
