"""Names of conditions: what they select, and what is refused."""

from __future__ import annotations

import pytest

from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.events.conditions import (
    CLEAN,
    KINDS,
    Condition,
    parse_condition,
    select_conditions,
)


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("clean", CLEAN),
        (" reverse ", Condition("reverse")),
        ("jitter:0.5ms", Condition("jitter", 0.5)),
        ("jitter:10.0ms", Condition("jitter", 10)),
        ("equal-counts:0%", Condition("equal-counts", 0)),
        ("delete:30%", Condition("delete", 30)),
        ("units:10", Condition("units", 10)),
    ],
)
def test_a_name_is_read_and_written(text: str, condition: Condition) -> None:
    assert parse_condition(text) == condition
    assert parse_condition(str(condition)) == condition


def test_by_default_all_kinds_are_selected() -> None:
    found = select_conditions()
    assert len(found) == len(set(map(str, found))) == 39
    assert list(dict.fromkeys(one.kind for one in found)) == list(KINDS)
    assert all(parse_condition(str(one)) == one for one in found)


def test_names_are_sorted_and_clean_is_always_there() -> None:
    found = select_conditions(["units:5,jitter:20ms", "jitter:5ms , counts", "units:5"])
    assert [str(one) for one in found] == [
        *("clean", "counts", "jitter:5ms", "jitter:20ms", "units:5"),
    ]
    usual = select_conditions(["delete", "delete:25%"])
    assert [one.strength for one in usual[1:]] == [10, 25, 30, 50, 70, 90]


@pytest.mark.parametrize("text", ["jiter:10ms", "", "Jitter:10ms"])
def test_an_unknown_kind_is_refused(text: str) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown condition .*; known: clean, counts, .*"):
        select_conditions([text])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("counts:3", "counts has no strength; write counts"),
        ("jitter:10", "must be a number of ms in 0.001 … 60000, for example jitter:100ms"),
        ("jitter:", "must be a number of ms"),
        ("jitter:0ms", "must be a number of ms"),
        ("jitter:nanms", "must be a number of ms"),
        ("jitter:-5ms", "must be a number of ms"),
        ("jitter:1e3ms", "must be a number of ms"),
        ("jitter:١ms", "must be a number of ms"),
        ("delete:101%", "must be a number of % in 0 … 100, for example delete:90%"),
        ("units:2.5", "must be a whole number in 1 … 65536, for example units:70"),
        ("units:0", "must be a whole number"),
        ("units:10%", "must be a whole number"),
    ],
)
def test_a_strength_that_does_not_fit_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpikebenchError, match=message):
        parse_condition(text)
