"""Failed validations in plain words."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spikebench.errors import TrainingError
from spikebench.records.problems import first_problem, invalid, problems


class Inner(BaseModel):
    """A table."""

    model_config = ConfigDict(extra="forbid")
    sizes: tuple[int, ...] = Field(default=(64,), min_length=1)
    name: str = Field(default="a", min_length=1, max_length=3)


class Outer(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid")
    count: int = Field(ge=1, le=2000)
    rate: float = Field(default=1.0, gt=0, lt=1, allow_inf_nan=False)
    kind: Literal["one", "two"] = "one"
    version: Literal[1] = 1
    exact: bool = True
    inner: Inner = Inner()


def failure(**values: Any) -> ValidationError:  # noqa: ANN401
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate({"count": 1} | values)
    return raised.value


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"count": "x"}, "count: must be a whole number, not 'x'"),
        ({"count": 1.5}, "count: must be a whole number, not 1.5"),
        ({"count": 2001}, "count: must be at most 2,000, not 2001"),
        ({"count": None}, "count: must be a whole number, not None"),
        ({"count": [1]}, "count: must be a whole number"),
        ({"count": "x" * 100}, "count: must be a whole number"),
        ({"count": "\x1b[31m"}, "count: must be a whole number, not '\\x1b[31m'"),
        ({"rate": 0}, "rate: must be more than 0, not 0"),
        ({"rate": 1}, "rate: must be less than 1, not 1"),
        ({"rate": float("nan")}, "rate: must be a finite number, not nan"),
        ({"kind": "on"}, "kind: must be one of 'one' or 'two', not 'on'"),
        ({"version": 2}, "version: must be 1, not 2"),
        ({"exact": "maybe"}, "exact: must be true or false, not 'maybe'"),
        ({"inner": 3}, "inner: must be a table of keys, not 3"),
        ({"inner": {"sizes": 3}}, "inner.sizes: must be a list such as [64], not 3"),
        ({"inner": {"sizes": ["x"]}}, "inner.sizes.0: must be a whole number, not 'x'"),
        ({"inner": {"sizes": []}}, "inner.sizes: must have at least 1 item"),
        ({"inner": {"name": ""}}, "inner.name: must have at least 1 character"),
        ({"inner": {"name": "abcd"}}, "inner.name: must have at most 3 characters"),
        (
            {"inner": {"nam": 3}},
            "inner.nam: unknown key 'nam'; known: name, sizes. Did you mean 'name'?",
        ),
    ],
)
def test_words(values: dict[str, Any], said: str) -> None:
    assert problems(failure(**values), Outer) == [said]


def test_a_number_of_many_digits_is_not_shown() -> None:
    assert first_problem(failure(count=10**5000), Outer) == "count: must be at most 2,000"


def test_all_problems_are_in_the_exception() -> None:
    error = invalid(TrainingError, "my.toml", failure(count=0, kind=1, exact=7), Outer)
    assert str(error) == "my.toml: count: must be at least 1, not 0 (and 2 more)"
    assert error.details == (
        "my.toml: kind: must be one of 'one' or 'two', not 1",
        "my.toml: exact: must be true or false, not 7",
    )
