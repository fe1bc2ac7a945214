"""Names of degradations."""

from __future__ import annotations

import math

import pytest

from spikebench.degradation.conditions import (
    CLEAN,
    DEFAULT,
    KINDS,
    NOISES,
    Condition,
    parse_condition,
    select_conditions,
)
from spikebench.errors import SpikebenchError, UnknownNameError


@pytest.mark.parametrize(
    "name",
    [
        "clean",
        "white:-5dB",
        "pink:2.5dB",
        "babble:infdB",
        "reverb:300ms",
        "telephone",
        "speed:0.8",
        "loss:10%",
    ],
)
def test_a_name_is_read_as_it_is_written(name: str) -> None:
    assert str(parse_condition(name)) == name


def test_equal_strengths_have_equal_names() -> None:
    assert str(parse_condition("white:-0dB")) == str(parse_condition("white:0.0dB")) == "white:0dB"
    assert parse_condition("white:infdB").strength == math.inf


@pytest.mark.parametrize(
    "name",
    [
        *("white", "white:", "white:5", "white:5ms", "white:nandB", "white:-infdB", "white:1e3dB"),
        *(
            "white:-41dB",
            "loss:101%",
            "loss:-1%",
            "speed:0",
            "speed:3",
            "reverb:0ms",
            "level:infdB",
        ),
        *("telephone:3dB", "white:٣dB", "clipping:-1dB"),
    ],
)
def test_other_strengths_are_refused_with_an_example(name: str) -> None:
    with pytest.raises(SpikebenchError, match=r"^condition '.*': .*(for example|has no strength)"):
        parse_condition(name)


def test_unknown_kinds_name_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="babble"):
        parse_condition("bable:5dB")


def test_by_default_every_kind_is_chosen() -> None:
    chosen = select_conditions()
    assert chosen[0] == CLEAN
    assert {one.kind for one in chosen} == set(KINDS)
    assert set(map(str, chosen)) == {"clean", *DEFAULT}
    every = select_conditions(KINDS)
    assert len(every) == sum(max(len(kind.usual), 1) for kind in KINDS.values())
    assert {*chosen} <= {*every}
    without = select_conditions(has_recorded=False)
    assert {one.kind for one in without} == set(KINDS) - {"recorded"}
    assert NOISES == ("white", "pink", "babble", "recorded")
    for one in chosen:
        assert parse_condition(str(one)) == one


def test_conditions_are_sorted_and_listed_once() -> None:
    chosen = select_conditions(["loss, pink:20dB", "pink:-5dB,pink:20dB"])
    assert list(map(str, chosen)) == [
        "clean",
        "pink:-5dB",
        "pink:20dB",
        "loss:5%",
        "loss:10%",
        "loss:20%",
        "loss:40%",
    ]


def test_recorded_noise_needs_recordings() -> None:
    with pytest.raises(SpikebenchError, match="--noise FOLDER"):
        select_conditions(["recorded:5dB"], has_recorded=False)
    assert Condition("recorded", 5) in select_conditions(["recorded:5dB"])
