"""Reading untrusted records: every key once, numbers that JSON can write again, bounded depth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from spikebench.errors import ResultError
from spikebench.records.fields import Record
from spikebench.records.strict_json import (
    MAX_JSON_DEPTH,
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


def slowly(content: bytes) -> Sample:
    return Sample.model_validate(parse_json(HERE, content))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"count": 1,', '"count": 1,\n    "count": 1,'), "key 'count' appears twice"),
        (('"a": 1', '"a": 1,\n    "a": 1'), "key 'a' appears twice"),
        (('"a": 1', '"a": NaN'), "NaN is not a number"),
        (('"a": 1', '"a": Infinity'), "Infinity is not a number"),
        (('"a": 1', '"a": 1e999'), "too large a number"),
        (('"a": 1', f'"a": {"9" * 5000}'), "not readable as JSON"),
        (('"rate": 0.5', '"rate": 0.5,\n    "other": 0.5'), "unknown key 'other'"),
        (("\n}\n", "\n}\n{}"), "not readable as JSON"),
    ],
)
def test_records_are_read_strictly(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    record = Sample(name="x", inner=Inner(count=1), config={"a": 1})
    path, text = tmp_path / "a.json", record.model_dump_json(indent=2) + "\n"
    path.write_text(text)
    assert read_record(path, Sample) == record
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(ResultError, match=message):
        read_record(path, Sample)


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
        refused.add(said := _refusal(lambda: read_record(path, Sample)))
        assert _refusal(partial(slowly, content)) == said.replace(str(path), str(HERE))
    assert refused == {"", f"{path}: nested too deeply"}  # both sides of the bound were tried


def _refusal(read: Callable[[], Sample]) -> str:
    try:
        read()
    except ResultError as error:
        return str(error)
    return ""
