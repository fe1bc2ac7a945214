"""CSV that a spreadsheet opens: text stays text, numbers stay numbers."""

from __future__ import annotations

import csv
import io
import re

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from spikebench.records.csv_text import csv_text, safe_cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ("\t=1", "'\t=1"),
        ("\n=1", "'\n=1"),
        ("＝1", "'＝1"),
        ("lif", "lif"),
        ("", ""),
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (-0.5, -0.5),
        (3, 3),
    ],
)
def test_cells_cannot_become_formulas(value: object, cell: object) -> None:
    assert safe_cell(value) == cell
    assert type(safe_cell(value)) is type(cell)


@given(st.text())
def test_no_text_begins_like_a_formula(text: str) -> None:
    assert (
        not str(safe_cell(text)).lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    )


def test_numbers_stay_numbers_and_text_survives() -> None:
    rows = [("name", "x"), ("=1+1", -0.123456789), ('a,"b"\n', None), ("c", -3)]
    said = csv_text(rows, floats=".3g")
    assert said == 'name,x\n\'=1+1,-0.123\n"a,""b""\n",\nc,-3\n'
    assert csv_text([(-0.123456789, True)]) == "-0.123456789,yes\n"


@given(st.lists(st.lists(st.text(), min_size=1), min_size=1))
def test_every_cell_is_read_again(rows: list[list[str]]) -> None:
    said = csv_text(rows, line_end="\r\n")
    expected = [[str(safe_cell(cell)) for cell in row] for row in rows]
    assert list(csv.reader(io.StringIO(said, newline=""))) == expected


def test_all_tables_are_written_here() -> None:
    """Those without text of others: numbers only, or hexadecimal digests."""
    found = [
        str(path.relative_to(ROOT))
        for package in ("spikebench", "leaderboard", "cli")
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"csv\.(writer|DictWriter)", path.read_text(encoding="utf-8"))
    ]
    assert found == ["spikebench/records/csv_text.py"]
