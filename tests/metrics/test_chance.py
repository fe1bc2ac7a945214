"""Networks at chance: the test by hand, and what the commands say."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from helpers.toy import write_toy
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from cli.main import main
from cli.text.chance import chance_line
from cli.text.parameters import NO_UNIT, UNITS, parameter_lines
from cochlea import PRESETS
from spikebench.metrics.chance import chance_level, p_of_chance
from spikebench.spike_files.writer import SpikeWriter


def test_chance_by_hand() -> None:
    assert chance_level([5, 5]) == 0.5
    assert chance_level([1, 1, 0, 0]) == 0.5  # saying one class gets more than a quarter
    assert chance_level([2, 2, 2, 2, 2]) == 0.2
    assert_allclose(p_of_chance(4, [2, 2]), 1 / 16, rtol=1e-12)
    assert_allclose(p_of_chance(3, [2, 2]), 5 / 16, rtol=1e-12)
    assert_allclose(p_of_chance(4, [2, 2], tries=3), 3 / 16, rtol=1e-12)
    assert p_of_chance(0, [2, 2]) == p_of_chance(3, [2, 2], tries=100) == 1


@pytest.mark.parametrize(
    ("right", "sizes", "tries"), [(5, [2, 2], 1), (-1, [2, 2], 1), (1, [2, 2], 0), (0, [0, 0], 1)]
)
def test_what_cannot_be(right: int, sizes: list[int], tries: int) -> None:
    with pytest.raises(ValueError, match=r"is not possible|needs samples"):
        p_of_chance(right, sizes, tries)


@given(st.integers(0, 40), st.integers(1, 200))
def test_more_right_answers_are_less_by_chance(right: int, tries: int) -> None:
    sizes = [20, 21]
    assert 0 <= p_of_chance(right + 1, sizes, tries) <= p_of_chance(right, sizes, tries) <= 1


def test_the_best_epoch_of_guessing_is_called_guessing() -> None:
    rng = np.random.default_rng(0)
    best = rng.binomial(100, 0.1, size=(500, 100)).max(1).tolist()  # of 100 epochs, 500 networks
    said = sum(bool(chance_line([right], [10] * 10, "validation", 100)) for right in best)
    assert said / 500 > 0.95


def test_what_is_said() -> None:
    assert chance_line([95], [50, 50], "test") == []
    assert chance_line([], [], "test") == []
    (line,) = chance_line([52, 95, 48], [50, 50], "test")
    assert line.startswith(
        "AT CHANCE: 2 of 3 seeds cannot be distinguished from chance (52 of 100 test samples right, chance level "
        "50.0%); "
    )
    assert "training.learning_rate" in line
    (line,) = chance_line([58], [50, 50], "validation", 20)
    assert "58 of 100 validation samples right in the best of 20 epochs" in line


@pytest.mark.parametrize("right", [4, 0])
def test_too_few_samples_are_no_fault_of_the_network(right: int) -> None:
    (line,) = chance_line([right], [2, 2], "validation", 6)
    assert line.startswith(
        "TOO FEW SAMPLES: 4 validation samples cannot distinguish learning from chance"
    )
    assert "in the best of 6 epochs (chance level 50.0%)" in line
    assert not any("TOO FEW" in line for line in chance_line([right], [3, 3], "test"))


@pytest.mark.parametrize("learnable", [True, False])
def test_train_and_evaluate_say_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    learnable: bool,
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    with SpikeWriter(tmp_path / "a.h5", 12, ["a", "b"], {}) as writer:
        for k in range(120):
            units = rng.integers(0, 6, 20) + (6 * (k % 2) if learnable else 3)
            writer.append(np.sort(rng.random(20)), units, label=k % 2, speaker=k // 12)
    for words in (
        ["train", "--model", "svm", "--data", "a.h5", "-o", "run"],
        ["evaluate", "--checkpoint", "run", "-o", "result"],
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
        assert capsys.readouterr().out.count("AT CHANCE: ") == (not learnable)


def test_folds_at_chance_are_told_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_toy(tmp_path / "toy.h5", speakers=6, takes=1)  # counts are the same in all classes
    with pytest.raises(SystemExit):
        main(["train", "--model", "svm", "--data", "toy.h5", "--fold", "all", "-o", "folds"])
    assert capsys.readouterr().out.count("AT CHANCE: ") == 1


def test_every_parameter_has_a_unit_or_none() -> None:
    lines = parameter_lines(asdict(PRESETS["shd"]))
    names = [line.split()[0] for line in lines]
    assert sorted(names) == sorted([*UNITS, *NO_UNIT])
    table = dict(zip(names, lines, strict=True))
    assert table["input_rate"].split() == ["input_rate", "48000", "Hz"]
    assert table["basilar_membrane.stiffness_base"].split()[1:] == [
        "1000000000",
        "g",
        "s⁻²",
        "cm⁻²",
    ]
    assert table["level"].split() == ["level", "0.33"]
    assert (
        len({line.index("Hz") for line in lines if "Hz" in line} | {table["ramp"].index(" s")}) == 2
    )


def test_parameters_of_anybody_are_shown_and_end() -> None:
    deep: dict[str, object] = {"x": None}
    for _ in range(50):
        deep = {"a\x1b[31m": deep, "list": [1, "\x07"]}
    lines = parameter_lines(deep)
    assert 2 <= len(lines) < 20
    assert not any(char in line for line in lines for char in "\x1b\x07\n")
