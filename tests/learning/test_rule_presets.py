"""Presets of learning rules: each is read, and its rule accepts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from spikebench.errors import TrainingError
from spikebench.learning import LEARNING_RULES, check_rule_name
from spikebench.learning.configs import rule_settings
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import rule_class, rule_name
from spikebench.models.base import DataShape, model_class
from spikebench.presets import preset
from spikebench.presets.preset import preset_name, read_preset

FOLDER = Path(preset.__file__).parent
FOUND = sorted(
    (rule, path.stem) for rule in LEARNING_RULES for path in (FOLDER / rule).glob("*.toml")
)


@pytest.mark.parametrize(("rule", "model"), FOUND)
def test_a_preset_is_accepted_by_its_rule(rule: str, model: str) -> None:
    assert preset_name(model, "digits", rule) == f"{rule}/{model}"
    found = read_preset(model, None, (), "digits", rule)
    kind = model_class(model)
    network = kind(kind.Config.model_validate(found.model), DataShape(70, 20, 100, 0.01, 0.01))
    assert rule_name(network, found) == rule
    rule_class(rule).check(model, network, found, Ranks())


def test_without_a_preset_of_its_own_a_rule_has_that_of_the_model() -> None:
    assert preset_name("c_silif", "shd-r", "eprop") == "shd/c_silif"
    assert preset_name("lif", "shd-r", "eprop") == "eprop/lif"
    assert preset_name("lif", "shd-r") == "shd/lif"
    assert read_preset("adlif", None, (), "shd-r", "eprop").learning == {"rule": "eprop"}
    assert len(FOUND) >= 5


def test_two_rules_at_once_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"rtrl and learning.rule=bptt are two learning rules"):
        read_preset("lif", None, ["learning.rule=bptt"], "digits", "rtrl")
    same = read_preset("lif", None, ["learning.rule=rtrl"], "digits", "rtrl")
    assert same.learning["rule"] == "rtrl"


@pytest.mark.parametrize(("rule", "said"), [("", "the rule of the model"), ("bptt", "bptt")])
def test_a_setting_of_another_rule_names_that_rule(rule: str, said: str) -> None:
    words = [f"learning.rule={rule}"] if rule else []
    found = read_preset("lif", None, [*words, "learning.update_every_steps=5"])
    message = f"unknown key of {said}; it is a setting of rtrl, .*; add --learning rtrl, or leave"
    with pytest.raises(TrainingError, match=message):
        rule_settings(found)


@pytest.mark.parametrize(
    ("name", "command"), [("maml", "fewshot"), ("si", "continual"), ("ntt", "prune")]
)
def test_methods_of_studies_name_their_command(name: str, command: str) -> None:
    with pytest.raises(TrainingError, match=f"command of its own: spikebench {command} DATA"):
        check_rule_name(name)
