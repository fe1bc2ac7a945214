"""The models and what can be done with them: size on a data set, presets, learning rules, formats of export."""

from __future__ import annotations

import ast
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from spikebench.datasets import DATASETS, load_spec
from spikebench.deployment.export import formats
from spikebench.errors import TrainingError
from spikebench.learning import LEARNING_RULES
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import rule_class
from spikebench.models import MODELS
from spikebench.models.base import Classifier, DataShape, model_class
from spikebench.models.configs import config_class
from spikebench.presets.preset import OWN_PRESETS, Preset, preset_name, read_preset
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.locate import locate

_RATE = 1e-3  # mean count per unit and bin: scales initial weights, which are not looked at


@dataclass(frozen=True)
class ModelFacts:
    """What there is to know of a model before it is trained.

    Attributes
    ----------
    name, about : str
        Its name, and one line on it.
    input : {"spikes", "audio"}
        What it works on; audio needs the recordings.
    spiking : bool
        Whether hidden units spike.
    parameters : int or None
        Trained parameters with the preset for the data set; None if they depend on the training samples.
    preset : str
        Name of that preset.
    own_presets : tuple of str
        Data sets with a preset of their own.
    learning : tuple of str
        Learning rules that train it, its own first.
    exports : tuple of str
        Formats.
    """

    name: str
    about: str
    input: str
    spiking: bool
    parameters: int | None
    preset: str
    own_presets: tuple[str, ...]
    learning: tuple[str, ...]
    exports: tuple[str, ...]


def catalogue(data: str) -> list[ModelFacts]:
    """Describe all models.

    Parameters
    ----------
    data
        A registered data set, which need not be on this machine, or the path of a spike file.

    Returns
    -------
    list of ModelFacts
        In the order of the registry.

    Raises
    ------
    UnknownNameError, SpikeFileError
        If there is no such data.
    """
    n_units, n_classes = _size(data)
    return [_facts(name, data, n_units, n_classes) for name in MODELS]


def _size(data: str) -> tuple[int, int]:
    """Return the numbers of units and classes of some data."""
    if data in DATASETS:
        spec = load_spec(data)
        return spec.n_units, spec.n_classes
    parts, _ = locate(data)
    with SpikeFile(parts[0][0]) as spikes:
        return spikes.n_units, len(spikes.keys)


def _facts(name: str, data: str, n_units: int, n_classes: int) -> ModelFacts:
    preset = read_preset(name, data=data)
    model = _build(name, preset, n_units, n_classes)
    is_known = all(tensor.numel() for tensor in model.state_dict().values())
    return ModelFacts(
        name=name,
        about=_about(name),
        input="audio" if model.on_audio else "spikes",
        spiking=model.spiking,
        parameters=model.n_parameters() if is_known else None,
        preset=preset_name(name, data),
        own_presets=tuple(one for one in OWN_PRESETS if "/" in preset_name(name, one)),
        learning=tuple(
            rule
            for rule in (
                model.learning,
                *(other for other in LEARNING_RULES if other != model.learning),
            )
            if _is_trained_by(rule, name, data, n_units, n_classes)
        ),
        exports=formats(model, name),
    )


def _build(name: str, preset: Preset, n_units: int, n_classes: int) -> Classifier:
    shape = DataShape(
        n_units=preset.n_inputs(n_units),
        n_classes=n_classes,
        n_steps=preset.input.n_steps,
        time_step=preset.input.time_step_ms * 1e-3,
        input_rate=_RATE,
    )
    with torch.random.fork_rng(devices=[]):
        return model_class(name)(config_class(name).model_validate(preset.model), shape)


def _is_trained_by(rule: str, name: str, data: str, n_units: int, n_classes: int) -> bool:
    """Return whether the rule accepts the model with the preset for both."""
    preset = read_preset(name, data=data, learning=rule)
    model = _build(name, preset, n_units, n_classes)
    try:
        rule_class(rule).check(name, model, preset, Ranks())
    except TrainingError:
        return False
    return True


def _about(name: str) -> str:
    """Return the first line of the description of a model, without markup."""
    spec = importlib.util.find_spec(MODELS[name].partition(":")[0])
    assert spec is not None
    assert spec.origin is not None
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return re.sub(r":mod:`spikebench\.models\.(\w+)`", r"\1", text.splitlines()[0]).rstrip(".")
