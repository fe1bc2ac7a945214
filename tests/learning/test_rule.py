"""Learning rules: a new one is a class and a line; the loop trains and resumes any rule."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from helpers.toy import write_toy

from spikebench.errors import TrainingError, UnknownNameError
from spikebench.events.batches import EventBatch
from spikebench.learning import LEARNING_RULES
from spikebench.learning.bptt import BackPropagation
from spikebench.learning.counts import CountFit
from spikebench.learning.ranks import Ranks
from spikebench.learning.rule import LearningRule, rule_class
from spikebench.models import MODELS
from spikebench.models.base import Classifier, DataShape, Output, model_class
from spikebench.models.configs.base import ModelConfig
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.checkpoint import Epoch
from spikebench.training.loop import fit, start_run
from spikebench.training.run import (
    CHECKPOINT_FILE,
    WEIGHTS_FILE,
    load_tensors,
    read_run,
    save_tensors,
)
from spikebench.training.run_record import RunRecord

EARLY = 6  # bins; the toy classes differ in which units fire in them
PRESET = """
[input]
time_step_ms = 10
duration_ms = 300
mode = "counts"
[training]
epochs = 6
batch_size = 16
learning_rate = 0.01
"""


class EarlyCounts(Classifier):
    """Linear in the counts of the first bins; no gradient is needed."""

    Config: ClassVar[type[ModelConfig]] = ModelConfig
    spiking = False
    learning = "toy"

    def __init__(self, config: ModelConfig, shape: DataShape) -> None:
        super().__init__(config, shape)
        self.weight: torch.Tensor
        self.register_buffer("weight", torch.zeros(shape.n_units, shape.n_classes))

    def forward(self, batch: EventBatch) -> Output:
        return Output(batch.dense()[:, :EARLY].sum(1) @ self.weight)


class Perceptron(LearningRule):
    """Add samples that were answered wrongly to the weights of their class, with momentum."""

    updates = "batch"

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.velocity = torch.zeros_like(self.model.weight)

    def update(self, batch: EventBatch, rate: float) -> float:
        mine = self.own_part(batch)
        scores = self.model(mine).scores
        wrong = torch.nn.functional.one_hot(mine.labels, 3) - torch.nn.functional.one_hot(
            scores.argmax(1), 3
        )
        step = mine.dense()[:, :EARLY].sum(1).T @ wrong.float() / len(mine)
        self.velocity.mul_(0.5).add_(step)
        self.model.weight.add_(rate * self.velocity)
        return float(wrong.abs().sum()) / 2 / len(mine)

    def state(self) -> dict[str, torch.Tensor]:
        return {"velocity": self.velocity}


class OnlineDelta(Perceptron):
    """Correct the weights at every time step, by a trace of the input that needs no later bin."""

    updates = "step"

    def update(self, batch: EventBatch, rate: float) -> float:
        mine = self.own_part(batch)
        target = torch.nn.functional.one_hot(mine.labels, 3).float()
        trace, total = torch.zeros(len(mine), mine.n_units), 0.0
        for step in range(EARLY):
            trace = trace + mine.window(step, step + 1).dense()[:, 0]
            error = target - torch.softmax(trace @ self.model.weight, 1)
            self.model.weight.add_(rate * trace.T @ error / len(mine))
            total += float(error.abs().mean())
        self.velocity.add_(1)  # counts batches
        return total / EARLY


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


@pytest.fixture
def preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Preset:
    monkeypatch.setitem(MODELS, "early", f"{__name__}:EarlyCounts")
    monkeypatch.setitem(LEARNING_RULES, "toy", f"{__name__}:Perceptron")
    path = tmp_path / "early.toml"
    path.write_text(PRESET)
    return read_preset("early", path)


def interrupted(folder: Path, preset: Preset, selection: SelectionData) -> RunRecord:
    def stop(line: Epoch, epochs: int) -> None:
        if line.epoch == 2:
            raise KeyboardInterrupt

    record = start_run(folder, "early", preset, selection, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=stop)
    return read_run(folder)


@pytest.mark.parametrize("rule", [Perceptron, OnlineDelta])
def test_a_rule_of_ones_own_trains_and_is_taken_up(
    rule: type[LearningRule],
    tmp_path: Path,
    preset: Preset,
    selection: SelectionData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LEARNING_RULES, "toy", f"{__name__}:{rule.__name__}")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = fit(whole, start_run(whole, "early", preset, selection, 0), selection)
    assert done.validation_accuracy is not None
    assert done.validation_accuracy > 0.9  # chance is 1/3
    record = interrupted(parts, preset, selection)
    kept, _ = load_tensors(parts / CHECKPOINT_FILE)
    assert set(kept) == {"model.weight", "best.weight", "velocity"}
    assert kept["velocity"].any()
    again = fit(parts, record, selection)
    assert again.model_dump(exclude={"train_seconds"}) == done.model_dump(exclude={"train_seconds"})
    one, two = (load_tensors(folder / WEIGHTS_FILE)[0] for folder in (whole, parts))
    assert torch.equal(one["weight"], two["weight"])


@pytest.mark.parametrize("forged", ["nan", "shape", "type", "missing", "extra"])
def test_a_forged_state_is_refused(
    forged: str, tmp_path: Path, preset: Preset, selection: SelectionData
) -> None:
    record = interrupted(tmp_path / "run", preset, selection)
    path = tmp_path / "run" / CHECKPOINT_FILE
    tensors, note = load_tensors(path)
    velocity = tensors.pop("velocity")
    changed = {
        "nan": {"velocity": velocity * torch.nan},
        "shape": {"velocity": velocity[:1]},
        "type": {"velocity": velocity.double()},
        "missing": {},
        "extra": {"velocity": velocity, "acceleration": velocity},
    }
    save_tensors(path, tensors | changed[forged], note)
    odd = "acceleration" if forged == "extra" else "velocity"
    with pytest.raises(TrainingError, match=f"does not fit this run: {odd}: .*; delete it"):
        fit(tmp_path / "run", record, selection)


def test_what_a_rule_cannot_do_is_refused_before_anything_is_written(
    tmp_path: Path, preset: Preset, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    lower = preset.model_copy(
        update={"training": preset.training.model_copy(update={"precision": "bfloat16"})}
    )
    with pytest.raises(TrainingError, match="model early is trained in float32 only"):
        start_run(tmp_path / "run", "early", lower, selection, 0)
    monkeypatch.setitem(LEARNING_RULES, "toy", f"{__name__}:OnlineDelta")
    monkeypatch.setattr(EarlyCounts, "looks_ahead", True)
    with pytest.raises(TrainingError, match=r"needs whole clips.* at every time step; choose"):
        start_run(tmp_path / "run", "early", preset, selection, 0)
    monkeypatch.setitem(LEARNING_RULES, "toy", LEARNING_RULES["counts"])
    with pytest.raises(TrainingError, match="cannot be fitted to spike counts"):
        start_run(tmp_path / "run", "early", preset, selection, 0)
    assert not (tmp_path / "run").exists()
    model = EarlyCounts(ModelConfig(), DataShape(2, 3, 4, 0.01, 0.1))
    with pytest.raises(TrainingError, match="trained in one process"):
        Perceptron.check("early", model, preset, Ranks(0, 2))


def test_every_model_names_a_rule_that_there_is() -> None:
    rules = {name: rule_class(model_class(name).learning) for name in MODELS}
    assert rules["svm"] is rules["linear_bins"] is CountFit
    assert rules["lif"] is BackPropagation
    known = re.escape(", ".join(sorted(LEARNING_RULES)))
    with pytest.raises(UnknownNameError, match=f"unknown learning rule 'btpp'; known: {known}"):
        rule_class("btpp")


@pytest.mark.parametrize("name", ["svm", "linear_bins"])
def test_samples_of_one_class_are_refused(name: str) -> None:
    kind = model_class(name)
    model = kind(kind.Config(), DataShape(4, 3, 5, 0.01, 0.1))
    rule = CountFit(model, read_preset(name), torch.ones(3), Ranks(), 0)
    samples = SimpleNamespace(labels=np.ones(3, np.int64))
    with pytest.raises(TrainingError, match="all training samples are of one class"):
        rule.fit(samples, None, {})  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adamax"])
def test_a_new_optimiser_has_the_state_of_one_that_has_moved(optimizer: str) -> None:
    preset = read_preset("lif", None, [f"training.optimizer={optimizer}"])
    kind = model_class("lif")
    model = kind(kind.Config(), DataShape(4, 3, 5, 0.01, 0.1))
    rule = BackPropagation(model, preset, torch.ones(3), Ranks(), 0)
    new = rule.state()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    rule.optimizer.step()
    moved = rule.state()
    second = "exp_inf" if optimizer == "adamax" else "exp_avg_sq"
    slots = ("step", "exp_avg", second)
    assert set(new) == {
        f"optimizer.{number}.{slot}" for number in range(len(moved) // 3) for slot in slots
    }
    assert {k: (v.shape, v.dtype) for k, v in new.items()} == {
        k: (v.shape, v.dtype) for k, v in moved.items()
    }
    assert not any(value.any() for value in new.values())
    assert all(value.any() for value in moved.values())
    rule.load_state(new)
    assert all(torch.equal(value, new[name]) for name, value in rule.state().items())
