"""The learning rule of a sweep: its presets, its settings, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikebench.errors import TrainingError
from spikebench.sweeps.spec import list_configurations, read_spec


def write(folder: Path, text: str) -> Path:
    path = folder / "spec.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rule_brings_its_preset_and_its_settings(tmp_path: Path) -> None:
    text = 'model = ["lif", "rlif"]\nlearning = "rtrl"\n[grid]\n"learning.update_every_steps" = [0, 5]\n'
    spec = read_spec(write(tmp_path, text))
    found = list_configurations(spec)
    assert [one.preset.learning["update_every_steps"] for one in found] == [0, 5, 0, 5]
    assert all(one.preset.learning["rule"] == "rtrl" for one in found)
    assert all(one.preset.learning["gradient"] == "block_diagonal" for one in found)  # its preset
    assert spec.model_dump(mode="json")["learning"] == "rtrl"
    plain = read_spec(write(tmp_path, 'model = "lif"\n'))
    assert "learning" not in plain.model_dump(mode="json")
    assert not list_configurations(plain)[0].preset.learning


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('learning = "rtlr"\n', "unknown learning rule 'rtlr'"),
        ('learning = "eprop"\n[settings]\n"learning.gradient" = "exact"\n', "learning.gradient"),
        ('[settings]\n"learning.rule" = "rtrl"\n', "unknown setting of rlif 'learning.rule'"),
    ],
)
def test_unknown_rules_and_settings_are_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(TrainingError, match=reason):
        read_spec(write(tmp_path, f'model = "rlif"\n{text}'))
