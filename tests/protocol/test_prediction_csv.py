"""Reading predictions: three ways, of which the faster ones know less and are never laxer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from spikebench.protocol import predictions as prediction_csv
from spikebench.protocol.predictions import (
    _as_csv_allows,
    _as_we_write_it,
    _of_known_samples,
    _remember,
    read_columns,
)

HEADER = "index,label,predicted,speaker\n"
Rows = list[tuple[int, ...]]

whole_numbers = st.integers(-1, 2**31 - 1)
rows_of_four = st.lists(st.tuples(*[whole_numbers] * 4), min_size=1, max_size=3)
rows_of_classes = st.lists(
    st.tuples(whole_numbers, whole_numbers, st.integers(0, 9999), whole_numbers),
    min_size=1,
    max_size=4,
)
put_in = st.text('019-,\n\r " +._eª', max_size=3)


@pytest.fixture(autouse=True)
def _nothing_read_before() -> Iterator[None]:
    prediction_csv._read_before.clear()
    yield
    prediction_csv._read_before.clear()


def text_of(rows: Rows) -> str:
    return HEADER + "".join(f"{','.join(map(str, row))}\n" for row in rows)


@given(rows=rows_of_four, place=st.integers(0, 200), cut=st.integers(0, 2), put=put_in)
def test_fast_reading_is_never_laxer_than_csv(rows: Rows, place: int, cut: int, put: str) -> None:
    written = text_of(rows)
    columns = _as_we_write_it(written.encode())
    assert columns is not None
    assert_array_equal(columns, np.array(rows).T)
    changed = (written[:place] + put + written[place + cut :]).encode()
    found = _as_we_write_it(changed)
    if found is not None:
        assert_array_equal(found, _as_csv_allows(changed))


@given(
    rows=rows_of_four,
    other=st.lists(st.integers(0, 9999), min_size=3, max_size=3),
    place=st.integers(0, 200),
    cut=st.integers(0, 2),
    put=put_in,
)
def test_reading_known_samples_is_never_laxer_than_reading_all(
    rows: Rows, other: list[int], place: int, cut: int, put: str
) -> None:
    written = text_of(rows).encode()
    columns = _as_we_write_it(written)
    assert columns is not None
    known = _remember(written, tuple(columns))
    again = [(*row[:2], said, row[3]) for row, said in zip(rows, other, strict=False)]
    found = _of_known_samples(text_of(again).encode(), known)
    assert found is not None
    assert_array_equal(found, np.array(again).T)
    text = text_of(again)
    changed = (text[:place] + put + text[place + cut :]).encode()
    found = _of_known_samples(changed, known)
    if found is not None:
        assert_array_equal(found, _as_csv_allows(changed))


@pytest.mark.parametrize(
    "body",
    [
        "0,1,07,3\n1,1,2,3\n",
        "0,1,-1,3\n1,1,2,3\n",
        "0,1,,3\n1,1,22,3\n",
        "0,1,12345,3\n1,1,2,3\n",
        "0,1,2,3\n1,1,2,4\n",
        "0,1,2,3\n2,1,2,3\n",
        "0,1,2,3\n1,1,2,3\n\n",
        "0,1,2,3\n1,1,2,3",
        "0,1,2,33\n1,1,2,3\n",
        "0,1,2,3\n",
        "0,1,2:3\n1,1,2,3\n",
        "0,1,/,3\n1,1,2,3\n",
        "0,1,1/,3\n1,1,2,3\n",
        "",
    ],
)
def test_other_samples_and_other_texts_are_not_known(body: str) -> None:
    written = (HEADER + "0,1,2,3\n1,1,2,3\n").encode()
    columns = _as_we_write_it(written)
    assert columns is not None
    known = _remember(written, tuple(columns))
    assert _of_known_samples((HEADER + body).encode(), known) is None
    assert _of_known_samples(written.replace(b"label", b"lapel"), known) is None
    assert _of_known_samples(b"", known) is None


def test_every_change_of_one_byte_is_read_alike_or_left_to_the_slow_way() -> None:
    written = (HEADER + "0,1,2,3\n11,-1,22,-1\n2,0,333,9\n").encode()
    columns = _as_we_write_it(written)
    assert columns is not None
    known = _remember(written, tuple(columns))
    read = 0
    for place in range(len(HEADER), len(written)):
        for byte in range(256):
            changed = written[:place] + bytes([byte]) + written[place + 1 :]
            found = _of_known_samples(changed, known)
            if found is not None:
                read += 1
                assert_array_equal(found, _as_csv_allows(changed))
    # The text itself once for each of its places, and other predictions: 9 digits where one stands alone or behind
    # others, 8 where 0 may not be the first.
    assert read == len(written) - len(HEADER) + (9 + 8 + 9 + 8 + 9 + 9)


@given(files=st.lists(rows_of_classes, min_size=1, max_size=8), times=st.integers(1, 2))
def test_what_was_read_before_changes_nothing(files: list[Rows], times: int) -> None:
    prediction_csv._read_before.clear()
    for rows in files * times:
        content = text_of(rows).encode()
        assert_array_equal(read_columns(content), _as_csv_allows(content))
    assert len(prediction_csv._read_before) <= prediction_csv._KEPT_SAMPLES


def test_what_comes_back_cannot_be_changed() -> None:
    content = (HEADER + "0,1,2,3\n1,1,2,3\n").encode()
    for _ in range(2):
        columns = read_columns(content)
        for column in columns:
            with pytest.raises(ValueError, match="read-only"):
                column[0] = 5


def test_large_files_are_not_kept() -> None:
    rows = prediction_csv._KEPT_BYTES // len("0,1,2,3\n") + 1
    columns = read_columns((HEADER + "0,1,2,3\n" * rows).encode())
    assert columns[0].size == rows
    assert not prediction_csv._read_before


def test_files_with_the_same_samples_share_them() -> None:
    one = read_columns((HEADER + "0,1,2,3\n1,1,2,3\n").encode())
    other = read_columns((HEADER + "0,1,17,3\n1,1,0,3\n").encode())
    assert all(one[column] is other[column] for column in (0, 1, 3))
    assert (one[2].tolist(), other[2].tolist()) == ([2, 2], [17, 0])
