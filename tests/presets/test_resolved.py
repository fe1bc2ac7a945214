"""All settings as tables and TOML, overlays, and what is refused before PyTorch is loaded."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spikebench.errors import TrainingError
from spikebench.learning.configs import CONFIGS as RULES
from spikebench.learning.configs import RuleConfig, rule_settings
from spikebench.learning.rule import rule_class
from spikebench.models import MODELS
from spikebench.models.base import model_class
from spikebench.models.configs import CONFIGS, config_class
from spikebench.presets.preset import read_preset
from spikebench.presets.resolved import as_toml, as_toml_value, differences, resolved


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("data", ["digits", "shd", "ssc"])
def test_printed_settings_are_read_again_as_the_same(model: str, data: str, tmp_path: Path) -> None:
    preset = read_preset(model, data=data)
    tables = resolved(model, preset)
    printed = tmp_path / "all.toml"
    printed.write_text(as_toml(tables), encoding="utf-8")
    again = resolved(model, read_preset(model, overlay=printed))
    assert again == tables
    assert differences(tables, again) == []
    assert set(tables["model"]) <= set(config_class(model).model_fields)
    assert set(preset.model) <= set(tables["model"])


def test_a_class_of_settings_is_that_of_its_model_or_rule() -> None:
    assert set(CONFIGS) == set(MODELS)
    for name in MODELS:
        assert config_class(name) is model_class(name).Config
    for name, config in RULES.items():
        assert rule_class(name).Config is config
    assert rule_class("bptt").Config is RuleConfig


def test_settings_are_checked_without_pytorch() -> None:
    code = (
        "import sys; from cli.main import main\n"
        "try:\n    main(['train', '--model', 'lif', '--set', 'model.hidden_unitz=3'])\n"
        "except SystemExit as end:\n    print(end.code, 'torch' in sys.modules, 'numba' in sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "1 False False\n"
    assert "Did you mean 'hidden_units'?" in ended.stderr


def test_an_overlay_replaces_only_what_it_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[model]\nhidden_units = 64\n[training]\nepochs = 3\n")
    before, after = read_preset("lif"), read_preset("lif", overlay=file)
    assert after.model == before.model | {"hidden_units": [64]}
    assert after.training == before.training.model_copy(update={"epochs": 3})
    assert differences(resolved("lif", before), resolved("lif", after)) == [
        "training.epochs 40 → 3",
        "model.hidden_units [128] → [64]",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[modell]\nx = 1", "unknown table 'modell'; known: .*Did you mean 'model'"),
        ("model = 3", r"model: must be a table of keys, \[model\]"),
        ("hidden_units = 3", "unknown table 'hidden_units'"),
        ("[model\n", "not readable as TOML"),
        ("[[model]]\nx = 1", r"model: must be a table of keys, \[model\]"),
        ("[training]\nepochs = {}", r"training.epochs: must be a whole number"),
    ],
)
def test_an_overlay_that_does_not_fit(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(TrainingError, match=rf"mine\.toml: {message}"):
        read_preset("lif", overlay=file)
    with pytest.raises(TrainingError, match="is a folder, not a TOML file"):
        read_preset("lif", overlay=tmp_path)


def test_all_wrong_settings_are_named_at_once() -> None:
    words = [
        "training.epochs=many",
        "training.optimizer=sgd",
        "model.hidden_units=x",
        "model.tau=3",
    ]
    with pytest.raises(TrainingError) as raised:
        read_preset("lif", overrides=words)
    said = [str(raised.value), *raised.value.details]
    assert said[0] == "preset lif: training.epochs: must be a whole number, not 'many' (and 3 more)"
    assert said[1].endswith("must be one of 'adam', 'adamw' or 'adamax', not 'sgd'")
    assert said[2] == "model lif: hidden_units: must be a list such as [128], not 'x'"
    assert said[3].startswith("model lif: tau: unknown key 'tau'; known: ")


@pytest.mark.parametrize("value", ["true", "[[3]]", '"3"'])
def test_only_numbers_become_lists(value: str) -> None:
    with pytest.raises(TrainingError, match="model lif: hidden_units"):
        read_preset("lif", overrides=[f"model.hidden_units={value}"])
    assert read_preset("rlif", overrides=["model.hidden_units=9"]).model["hidden_units"] == 9
    assert read_preset("svm", overrides=["model.C=0.5"]).model["C"] == [0.5]


def test_settings_of_a_rule() -> None:
    preset = read_preset("lif", learning="eprop", overrides=["learning.feedbak=random"])
    with pytest.raises(TrainingError, match=r"\[learning\]: feedbak: .*Did you mean 'feedback'"):
        rule_settings(preset)
    assert rule_settings(read_preset("lif")) == RuleConfig()
    with pytest.raises(TrainingError, match=r"\[learning\]: feedback: unknown key"):
        rule_settings(read_preset("lif", overrides=["learning.feedback=random"]))


def test_values_as_toml() -> None:
    assert as_toml_value((1, 2.5, True, 'a "b"')) == '[1, 2.5, true, "a \\"b\\""]'
