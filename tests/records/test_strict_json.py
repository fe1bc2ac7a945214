"""Reading records from strangers: the fast way knows what our own program writes, and is never laxer."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from leaderboard.checks.logs import LOGS_FILE, Logs
from leaderboard.claims.entry import SHIPPED_ENTRIES
from spikebench.errors import ResultError
from spikebench.protocol.results import RESULT_FILE, Result
from spikebench.records.fields import Record
from spikebench.records.strict_json import (
    MAX_JSON_DEPTH,
    as_written,
    like_python,
    parse_json,
    read_record,
)

HERE = Path("a.json")


class Inner(Record):
    count: int
    rate: float = 0.5


class Sample(Record):
    """Every kind of field that a result has."""

    name: str
    inner: Inner
    rows: list[list[int]] = Field(default=[], max_length=100)
    config: dict[str, Any] = Field(default={})


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)
samples = st.builds(
    Sample,
    name=st.text(max_size=5),
    inner=st.builds(Inner, count=st.integers(), rate=st.floats(0, 1)),
    rows=st.lists(st.lists(st.integers(0, 99), max_size=3), max_size=3),
    config=st.dictionaries(st.text(max_size=3), values, max_size=4),
)


def slowly(content: bytes) -> Sample:
    return Sample.model_validate(parse_json(HERE, content))


@given(record=samples, indent=st.integers(1, 2))
def test_what_we_write_is_read_as_it_was(record: Sample, indent: int) -> None:
    content = (record.model_dump_json(indent=indent) + "\n").encode()
    found = as_written(Sample, content, indent)
    if found is not None:
        assert found == slowly(content) == record


@given(
    record=samples,
    place=st.integers(0, 400),
    cut=st.integers(0, 3),
    put=st.sampled_from(
        ["", '"', "{", "}", "[", "]", ",", " ", "\n", "0", "1e5", "NaN", "e-5", "\\"]
    ),
)
def test_the_fast_way_is_never_laxer(record: Sample, place: int, cut: int, put: str) -> None:
    text = record.model_dump_json(indent=2) + "\n"
    content = (text[:place] + put + text[place + cut :]).encode(errors="replace")
    found = as_written(Sample, content, 2)
    if found is not None:
        assert found == slowly(content)


@pytest.mark.parametrize(
    "change",
    [
        ('"count": 1', '"count": 1.0'),
        ('"count": 1', '"count": "1"'),
        ('"count": 1,', '"count": 1,\n    "count": 1,'),
        ('"a": 1', '"a": 1,\n    "a": 1'),
        ('"a": 1', '"a": NaN'),
        ('"a": 1', '"a": Infinity'),
        ('"a": 1', '"a": 1e999'),
        ('"a": 1', f'"a": {"9" * 5000}'),
        ('"a": 1', '"a": "\\ud800"'),
        ('"a": 1', '"a": 1e0'),
        ('"rate": 0.5', '"rate": 5e-1'),
        ('"rate": 0.5', '"rate": 0.5,\n    "other": 0.5'),
        ("\n}\n", "\n}"),
        ("\n}\n", "\n}\n\n"),
        ("\n}\n", "\n}\n{}"),
        ("  ", "   "),
    ],
)
def test_what_we_do_not_write_goes_the_slow_way(change: tuple[str, str]) -> None:
    record = Sample(name="x", inner=Inner(count=1), config={"a": 1})
    text = record.model_dump_json(indent=2) + "\n"
    assert as_written(Sample, text.encode(), 2) == record
    assert change[0] in text
    assert as_written(Sample, text.replace(*change).encode(), 2) is None


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_bounded_alike(tmp_path: Path, opening: str) -> None:
    path = tmp_path / "a.json"
    refused = set()
    for depth in range(MAX_JSON_DEPTH - 3, MAX_JSON_DEPTH + 3):
        value: object = 1
        for _ in range(depth):
            value = [value] if opening == "[" else {"a": value}
        record = Sample(name="x", inner=Inner(count=1), config={"a": value})
        content = (record.model_dump_json(indent=2) + "\n").encode()
        path.write_bytes(content)
        refused.add(said := _refusal(lambda: read_record(path, Sample, 2)))
        assert _refusal(partial(slowly, content)) == said.replace(str(path), str(HERE))
    assert refused == {"", f"{path}: nested too deeply"}  # both sides of the bound were tried


def _refusal(read: Callable[[], Sample]) -> str:
    try:
        read()
    except ResultError as error:
        return str(error)
    return ""


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_written_as_python_does(number: float) -> None:
    ours = like_python(
        Sample(name="", inner=Inner(count=0), config={"a": number}).model_dump_json()
    )
    assert json.loads(ours)["config"]["a"] == number
    if 1e-99 < abs(number) < 1e16 or number == 0:
        assert ours.endswith(f'{{"a":{json.dumps(number)}}}}}')


@pytest.mark.parametrize(
    "number", ["10.00001", "0.00001", "-0.0000123", "1e-07", "1.5e-11", "0.0001"]
)
def test_small_numbers(number: str) -> None:
    dumped = Sample(name="", inner=Inner(count=0), config={"a": float(number)}).model_dump_json()
    assert like_python(dumped).endswith(f'{{"a":{float(number)!r}}}}}')


def test_entries_that_come_with_the_package_are_read_the_fast_way() -> None:
    """Else reading is right, but twice as slow."""
    folders = [path.parent for path in sorted(SHIPPED_ENTRIES.glob("*/*/entry.json"))]
    assert folders
    for folder in folders:
        for name, kind, indent in ((RESULT_FILE, Result, 2), (LOGS_FILE, Logs, 1)):
            content = (folder / name).read_bytes()
            found = as_written(kind, content, indent)
            assert found is not None, folder / name
            assert found == kind.model_validate(parse_json(folder / name, content))
