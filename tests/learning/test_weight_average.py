"""The average of the weights over the steps: its values, what uses it, and resuming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import write_toy

from spikebench.errors import TrainingError
from spikebench.learning.weight_average import WeightAverage
from spikebench.presets.preset import TrainingSettings, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.training.checkpoint import Epoch
from spikebench.training.inference import bin_samples, load_trained, run_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import CHECKPOINT_FILE, WEIGHTS_FILE, load_tensors, read_run
from spikebench.training.run_record import RunRecord

SETTINGS = [
    *("input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"),
    *("training.epochs=4", "training.weight_average=0.8", "model.hidden_units=[8]"),
]


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


def start(folder: Path, selection: SelectionData, *more: str) -> RunRecord:
    return start_run(folder, "silif", read_preset("silif", None, [*SETTINGS, *more]), selection, 0)


def test_five_steps_by_hand() -> None:
    """Adam on a normalised layer in float64; the sum is written out, with none of the initial weights."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    average, decay, seen = WeightAverage(model, 0.9), 0.9, []
    for _ in range(5):
        optimiser.zero_grad()
        model(torch.randn(6, 3, dtype=torch.float64)).pow(3).sum().backward()
        optimiser.step()
        average.update()
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
    with average.in_model():
        found = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    factors = np.array([(1 - decay) * decay ** (5 - k) / (1 - decay**5) for k in range(1, 6)])
    assert factors.sum() == pytest.approx(1)
    for name in ("0.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var"):
        expected = sum(f * one[name] for f, one in zip(factors, seen, strict=True))
        torch.testing.assert_close(found[name], expected, rtol=1e-12, atol=1e-15)
        assert not torch.allclose(found[name], seen[-1][name], rtol=1e-3, atol=0)
    assert int(found["1.num_batches_tracked"]) == 5  # counters are not averaged
    now = model.state_dict()
    assert all(torch.equal(now[name], tensor) for name, tensor in seen[-1].items())


def test_the_average_is_validated_kept_and_resumed(
    tmp_path: Path, selection: SelectionData
) -> None:
    lines: list[Epoch] = []
    record = start(tmp_path / "whole", selection)
    done = fit(tmp_path / "whole", record, selection, report=lambda line, _: lines.append(line))
    model = load_trained(tmp_path / "whole", done)
    answers = run_model(model, bin_samples(selection.validation, done.preset), 16)
    assert answers.loss == pytest.approx(lines[done.selected_epoch - 1].validation_loss, rel=1e-6)

    def stop(line: Epoch, _: int) -> None:
        if line.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    with pytest.raises(KeyboardInterrupt):
        fit(folder, start(folder, selection), selection, report=stop)
    kept, note = load_tensors(folder / CHECKPOINT_FILE)
    assert note["epoch"] == 2
    name = "layers.0.input.norm.running_mean"
    assert torch.equal(kept[f"best.{name}"], kept[f"average.{name}"])
    assert not torch.equal(kept[f"best.{name}"], kept[f"model.{name}"])
    assert int(kept["averaged_steps"]) == 2 * -(-len(selection.train) // 16)
    fit(folder, read_run(folder), selection)
    one, two = (load_tensors(f / WEIGHTS_FILE)[0] for f in (tmp_path / "whole", folder))
    assert all(torch.equal(one[key], two[key]) for key in one)
    plain = fit(
        tmp_path / "plain",
        start(tmp_path / "plain", selection, "training.weight_average=0"),
        selection,
    )
    other = load_tensors(tmp_path / "plain" / WEIGHTS_FILE)[0]
    assert plain.preset.training.weight_average == 0
    assert not any(torch.equal(one[key], other[key]) for key in ("layers.0.input.weight", name))


def test_it_is_refused_where_there_are_no_steps(tmp_path: Path, selection: SelectionData) -> None:
    preset = read_preset("svm", None, [*SETTINGS[:2], "training.weight_average=0.9"])
    with pytest.raises(TrainingError, match=r"svm: .* no average .*remove training.weight_average"):
        start_run(tmp_path / "run", "svm", preset, selection, 0)
    assert not (tmp_path / "run").exists()
    assert "weight_average" not in TrainingSettings().model_dump()
