"""Runs under a condition: trained and validated on changed spikes, resumed so, and never taken for others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import run
from helpers.leaderboard_results import make_result
from helpers.toy import write_toy
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from leaderboard.checks.logs import check_log
from leaderboard.checks.recomputation import verify_result
from spikebench.errors import ResultError, SpikebenchError, TrainingError
from spikebench.evaluation.final_test import evaluate
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import read_result, write_result
from spikebench.records.whole_files import file_sha256
from spikebench.training.changed import changed
from spikebench.training.inference import bin_samples, load_trained, run_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, identity, read_run
from spikebench.training.run_record import RunRecord, collect_log, read_run_log

SHORT = ["input.duration_ms=300", "training.epochs=3", "model.hidden_units=[16]"]


@pytest.fixture(scope="module")
def selection(tmp_path_factory: pytest.TempPathFactory) -> SelectionData:
    return open_selection(str(write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")))


@pytest.fixture
def preset() -> Preset:
    return read_preset("lif", None, SHORT)


def train(folder: Path, selection: SelectionData, preset: Preset, condition: str = "") -> RunRecord:
    return fit(
        folder, start_run(folder, "lif", preset, selection, 1, condition=condition), selection
    )


def test_training_and_validation_are_changed(
    tmp_path: Path, selection: SelectionData, preset: Preset
) -> None:
    record = train(tmp_path / "run", selection, preset, "counts")
    assert record.condition == "counts"
    model = load_trained(tmp_path / "run", record)
    found = changed(selection.validation, selection.train, "counts", 1, preset)
    answers = run_model(model, bin_samples(found, preset), 32)
    assert record.validation_accuracy == np.mean(answers.predicted == found.labels)
    # Half of the spikes are half of the input for which the weights are initialised.
    half = start_run(tmp_path / "half", "lif", preset, selection, 1, condition="units:2")
    assert half.input_rate == pytest.approx(record.input_rate / 2, rel=1e-12)
    plain = train(tmp_path / "plain", selection, preset)
    assert "condition" not in plain.model_dump()
    weights = [load_file(tmp_path / name / WEIGHTS_FILE) for name in ("run", "plain")]
    assert any(not np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_an_interrupted_run_goes_on_with_the_same_spikes(
    tmp_path: Path,
    selection: SelectionData,
    preset: Preset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(tmp_path / "whole", selection, preset, "jitter:20ms")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    record = start_run(tmp_path / "cut", "lif", preset, selection, 1, condition="jitter:20ms")
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "cut", record, selection, report=stop)
    code, out, err = run(capsys, "train", "--resume", tmp_path / "cut")
    assert code == 0
    assert "spikes changed: jitter:20ms" in err
    assert "seed 1, spikes changed: jitter:20ms: validation accuracy" in out
    one, other = (load_file(tmp_path / name / WEIGHTS_FILE) for name in ("whole", "cut"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_another_condition_is_another_run(
    tmp_path: Path, selection: SelectionData, preset: Preset
) -> None:
    record = start_run(tmp_path / "run", "lif", preset, selection, 1, condition="reverse")
    for condition in ("", "counts"):
        assert identity(record.model_copy(update={"condition": condition})) != identity(record)
        with pytest.raises(TrainingError, match="contains another run"):
            start_run(tmp_path / "run", "lif", preset, selection, 1, condition=condition)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("backwards", "unknown condition 'backwards'"),
        ("delete:100%", "no spike of the training samples remains under delete:100%"),
    ],
)
def test_conditions_that_cannot_be_trained_are_refused(
    tmp_path: Path, selection: SelectionData, preset: Preset, condition: str, message: str
) -> None:
    with pytest.raises(SpikebenchError, match=message):
        start_run(tmp_path / "run", "lif", preset, selection, 1, condition=condition)
    assert not (tmp_path / "run").exists()


def test_evaluate_refuses_it_and_leaves_the_test_split_closed(
    tmp_path: Path,
    selection: SelectionData,
    preset: Preset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    train(tmp_path / "run", selection, preset, "reverse")
    with pytest.raises(TrainingError, match=r"changed spikes \(reverse\); it is tested by: spik"):
        evaluate([tmp_path / "run"], selection, tmp_path / "result", "")
    code, _, err = run(capsys, "evaluate", "--checkpoint", tmp_path / "run", "-o", tmp_path / "r")
    assert code == 1
    assert len(err.splitlines()) == 1
    assert read_run(tmp_path / "run").test_opened == 0
    assert not (tmp_path / "result").exists()


def test_weights_and_logs_tell_and_submit_refuses_both(
    tmp_path: Path, selection: SelectionData, preset: Preset
) -> None:
    record = train(tmp_path / "run", selection, preset, "reverse")
    with safe_open(tmp_path / "run" / WEIGHTS_FILE, framework="numpy") as file:
        assert '"condition": "reverse"' in file.metadata()["note"]
    assert collect_log(tmp_path / "run", record).run.condition == "reverse"
    # A result whose weights, or whose log, are of such a run.
    folder = make_result(tmp_path / "result", seeds=1, test_samples=24, logs=True)
    result = read_result(folder)
    seed = result.seeds[0]
    assert verify_result(folder) == result
    log = read_run_log(folder / str(seed.run_file))
    changed_log = log.model_copy(update={"run": log.run.model_copy(update={"condition": "counts"})})
    with pytest.raises(ResultError, match="condition differs from that of the result"):
        check_log(changed_log, seed, result, "log")
    weights = folder / str(seed.weights_file)
    save_file(load_file(weights), weights, {"note": '{"model": "lif", "condition": "reverse"}'})
    forged = seed.model_copy(update={"weights_sha256": file_sha256(weights)})
    write_result(folder, result.model_copy(update={"seeds": [forged]}))
    with pytest.raises(ResultError, match=r"trained on changed spikes \(spikebench timing\)"):
        verify_result(folder)


def test_a_refit_is_changed_too(tmp_path: Path, selection: SelectionData, preset: Preset) -> None:
    runs = [tmp_path / name for name in ("changed", "plain")]
    for folder, condition in zip(runs, ("counts", ""), strict=True):
        record = start_run(folder, "lif", preset, selection, 1, refit=True, condition=condition)
        # The selection is over: both refits begin with the same weights and settings.
        chosen = record.model_copy(
            update={
                "status": "chosen",
                "epochs": 1,
                "selected_epoch": 1,
                "validation_accuracy": 0.5,
            }
        )
        fit(folder, chosen, selection)
    one, other = (load_file(folder / WEIGHTS_FILE) for folder in runs)
    assert any(not torch.equal(torch.tensor(one[k]), torch.tensor(other[k])) for k in one)
