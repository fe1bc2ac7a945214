"""The loop: selection, resuming, regularisation, failures; and what a result says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.toy import N_CLASSES, write_toy
from numpy.testing import assert_allclose

from leaderboard.checks.recomputation import verify_result
from spikebench.errors import ProtocolError, ResultError, TrainingError
from spikebench.evaluation.final_test import evaluate
from spikebench.kernels.spikes import Spikes
from spikebench.learning import bptt
from spikebench.learning.loss_and_optimiser import (
    activity_penalty,
    batch_loss,
    class_weights,
    learning_rate,
)
from spikebench.learning.ranks import Ranks
from spikebench.models import MODELS
from spikebench.models.base import Output, model_class
from spikebench.presets.preset import (
    Preset,
    RegulariserSettings,
    TrainingSettings,
    preset_name,
    read_preset,
)
from spikebench.protocol.opening import SelectionData, open_oracle, open_selection
from spikebench.protocol.results import read_predictions, read_result
from spikebench.training import epochs
from spikebench.training import loop as training
from spikebench.training.checkpoint import Epoch
from spikebench.training.inference import bin_samples, load_trained, run_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import (
    CHECKPOINT_FILE,
    WEIGHTS_FILE,
    load_tensors,
    read_run,
    save_tensors,
)
from spikebench.training.run_record import RunRecord
from spikebench.training.tensorboard import write_scalars

INPUT = ["input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def selection(toy: Path) -> SelectionData:
    return open_selection(str(toy))


def small(model: str = "lif", *more: str) -> Preset:
    jitter = [] if model == "svm" else ["training.unit_jitter_percent=2"]
    return read_preset(model, None, [*INPUT, "training.epochs=8", *jitter, *more])


def trained(
    folder: Path, selection: SelectionData, model: str = "lif", seed: int = 0, *more: str
) -> RunRecord:
    record = start_run(folder, model, small(model, *more), selection, seed)
    return fit(folder, record, selection)


@pytest.mark.parametrize("name", [name for name in MODELS if not model_class(name).on_audio])
def test_every_model_trains_tests_and_reports(
    name: str, tmp_path: Path, selection: SelectionData
) -> None:
    epochs, rate = (30, 1e-2) if name == "rlif" else (12, 2e-2)
    more = (f"training.epochs={epochs}", f"training.learning_rate={rate}")
    record = trained(tmp_path / "run", selection, name, 0, *more)
    assert record.status == "trained"
    result = evaluate([tmp_path / "run"], selection, tmp_path / "result", "command")
    assert result == read_result(tmp_path / "result")
    seed = result.seeds[0]
    assert seed.test_opened == 1
    assert seed.selected_on == "validation"
    predictions = read_predictions(tmp_path / "result" / seed.predictions_file)
    assert seed.test_accuracy == np.mean(predictions.label == predictions.predicted)
    assert np.array(seed.confusion).trace() == np.sum(predictions.label == predictions.predicted)
    assert seed.unseen_accuracy == seed.test_accuracy  # all test speakers are new here
    assert seed.seen_accuracy is None
    assert (seed.spikes_per_sample is None) == (not model_class(name).spiking)
    # The classes have equal counts and differ in time alone.
    if name in ("svm", "mlp_counts"):
        assert seed.test_accuracy == pytest.approx(1 / 3)
    else:
        assert seed.test_accuracy > 0.8


def test_the_same_seed_gives_the_same_weights(tmp_path: Path, selection: SelectionData) -> None:
    weights = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        trained(tmp_path / folder, selection, "rlif", seed)
        weights.append(load_tensors(tmp_path / folder / WEIGHTS_FILE)[0])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert not all(torch.equal(weights[0][key], weights[2][key]) for key in weights[0])


@pytest.mark.parametrize("name", ["lif", "lstm", "cnn"])
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    name: str, tmp_path: Path, selection: SelectionData
) -> None:
    whole = trained(tmp_path / "whole", selection, name)

    def interrupt(epoch: Epoch, n_epochs: int) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    record = start_run(folder, name, small(name), selection, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=interrupt)
    assert (folder / CHECKPOINT_FILE).exists()
    with pytest.raises(TrainingError, match="training is not finished"):
        load_trained(folder, read_run(folder))
    resumed = fit(folder, read_run(folder), selection)
    assert resumed.epochs == whole.epochs == 8
    assert resumed.selected_epoch == whole.selected_epoch
    one, two = (load_tensors(f / WEIGHTS_FILE)[0] for f in (tmp_path / "whole", folder))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_the_best_validation_epoch_is_kept(tmp_path: Path, selection: SelectionData) -> None:
    lines: list[Epoch] = []
    record = start_run(tmp_path, "lif", small(), selection, 0)
    done = fit(tmp_path, record, selection, report=lambda epoch, _: lines.append(epoch))
    best = max(lines, key=lambda line: (line.validation_accuracy, -line.validation_loss))
    assert (done.selected_epoch, done.validation_accuracy) == (best.epoch, best.validation_accuracy)
    answers = run_model(
        load_trained(tmp_path, done),
        bin_samples(selection.validation, done.preset),
        7,
    )
    assert np.mean(answers.predicted == selection.validation.labels) == done.validation_accuracy
    assert_allclose(answers.loss, best.validation_loss, rtol=1e-5)


def test_patience_stops_early(tmp_path: Path, selection: SelectionData) -> None:
    more = ("training.epochs=200", "training.patience_epochs=4", "training.learning_rate=1e-9")
    done = trained(tmp_path, selection, "lif", 0, *more)
    assert done.epochs == done.selected_epoch + 4


def test_opening_test_is_counted(tmp_path: Path, selection: SelectionData) -> None:
    run = tmp_path / "run"
    trained(run, selection, "svm")
    assert read_run(run).test_opened == 0
    groups = ([], [], ["footprint"], ["footprint"], [])  # what was kept is not opened for again
    for number, (metrics, times) in enumerate(zip(groups, (1, 1, 2, 2, 2), strict=True)):
        result = evaluate([run], selection, tmp_path / str(number), "command", groups=metrics)
        assert result.seeds[0].test_opened == read_run(run).test_opened == times
        assert (result.seeds[0].metrics is None) == (not metrics)


def test_a_loss_that_is_not_finite_stops(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = start_run(tmp_path, "lstm", small("lstm"), selection, 0)
    monkeypatch.setattr(bptt, "batch_loss", lambda output, **_: output.scores.sum() * float("nan"))
    with pytest.raises(
        TrainingError, match=r"no longer finite in epoch 1, step 1 of \d+, at learning rate 0\.002"
    ):
        fit(tmp_path, record, selection)


def test_weights_that_are_no_longer_finite_reach_no_checkpoint(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step an epoch: the loss of the second is that before it, and only its weights are not finite."""
    more = ("training.batch_size=1000", "training.epochs=4", "training.schedule=constant")
    trained(tmp_path / "whole", selection, "lif", 0, *more)
    folder = tmp_path / "run"
    record = start_run(folder, "lif", small("lif", *more), selection, 0)
    right = epochs.learning_rate
    wrong = {2: float("inf")}
    monkeypatch.setattr(
        epochs, "learning_rate", lambda settings, epoch, n: wrong.get(epoch, right(settings, epoch))
    )
    message = r"the weights are no longer finite in epoch 2, step 1 of 1.*after epoch 1 is kept"
    with pytest.raises(TrainingError, match=message):
        fit(folder, record, selection)
    monkeypatch.undo()
    fit(folder, record, selection)
    one, two = (load_tensors(f / WEIGHTS_FILE)[0] for f in (tmp_path / "whole", folder))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_another_run_in_the_folder_is_refused(tmp_path: Path, selection: SelectionData) -> None:
    start_run(tmp_path, "lif", small(), selection, 0)
    with pytest.raises(TrainingError, match="contains another run"):
        start_run(tmp_path, "lif", small(), selection, 1)


def test_a_damaged_checkpoint_is_told(tmp_path: Path, selection: SelectionData) -> None:
    record = start_run(tmp_path, "lif", small(), selection, 0)
    (tmp_path / CHECKPOINT_FILE).write_bytes(b"\x80\x04 not tensors")
    with pytest.raises(TrainingError, match="not readable as safetensors"):
        fit(tmp_path, record, selection)


def test_a_folder_that_goes_away_is_told(tmp_path: Path, selection: SelectionData) -> None:
    folder = tmp_path / "run"
    record = start_run(folder, "lif", small(), selection, 0)
    with pytest.raises(TrainingError, match=r"checkpoint\.safetensors: cannot be written"):
        fit(folder, record, selection, report=lambda *_: shutil.rmtree(folder))


def test_cuda_is_never_replaced(tmp_path: Path, selection: SelectionData) -> None:
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is here")
    record = start_run(tmp_path, "lif", small(), selection, 0)
    with pytest.raises(TrainingError, match="finds no CUDA device"):
        fit(tmp_path, record, selection, "cuda")


def test_runs_that_differ_in_more_than_the_seed_make_no_result(
    tmp_path: Path, selection: SelectionData
) -> None:
    trained(tmp_path / "a", selection, "svm", 0)
    trained(tmp_path / "b", selection, "svm", 1, "model.C=[2.0]")
    with pytest.raises(TrainingError, match="must differ in the seed, and in nothing else"):
        evaluate([tmp_path / "a", tmp_path / "b"], selection, tmp_path / "result", "command")
    with pytest.raises(TrainingError, match="must differ in the seed, and in nothing else"):
        evaluate([tmp_path / "a", tmp_path / "a"], selection, tmp_path / "result", "command")
    assert read_run(tmp_path / "a").test_opened == 0


def test_other_data_than_those_of_training_are_refused(
    tmp_path: Path, selection: SelectionData
) -> None:
    trained(tmp_path / "run", selection, "svm")
    other = open_selection(str(write_toy(tmp_path / "other.h5", takes=5)))
    with pytest.raises(ProtocolError, match=r"other\.h5: not the data"):
        evaluate([tmp_path / "run"], other, tmp_path / "result", "command")
    assert read_run(tmp_path / "run").test_opened == 0


def test_activity_penalty_by_hand() -> None:
    # two samples, two neurons: counts (0, 4) and (2, 0); per neuron (1, 2), per sample (2, 1)
    spikes = torch.zeros(2, 4, 2)
    spikes[0, :, 1] = 1
    spikes[1, :2, 0] = 1
    settings = RegulariserSettings(
        lower_strength=1.0, lower_spikes=1.5, upper_strength=10.0, upper_spikes=1.5
    )
    # lower: (0.5² + 0)/2 = 0.125; upper: 10·(0.5² + 0)/2 = 1.25
    penalty = activity_penalty(
        Output(torch.zeros(2, 3), [Spikes.from_dense(spikes)]), settings, 2, Ranks()
    )
    assert_allclose(penalty.item(), 1.375, rtol=1e-6)


def test_seeds_are_summarised(tmp_path: Path, selection: SelectionData) -> None:
    runs = [tmp_path / f"seed{seed}" for seed in range(4)]
    for seed, run in enumerate(runs):
        trained(run, selection, "lstm", seed, "training.epochs=3")
    result = evaluate(runs, selection, tmp_path / "result", "command")
    accuracies = [seed.test_accuracy for seed in result.seeds]
    assert_allclose(result.summary.test_mean, np.mean(accuracies), rtol=1e-12)
    assert_allclose(result.summary.test_std, np.std(accuracies, ddof=1), rtol=1e-12, atol=1e-15)
    assert result.summary.test_interval.method == "Student t over 4 seeds"
    assert result.dataset.split.test_samples == 2 * N_CLASSES * 4


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.epoch=3", "training.epoch: unknown key 'epoch'; .*Did you mean 'epochs'"),
        ("training.epochs=-1", "training.epochs"),
        ("training.learning_rate=nan", "training.learning_rate"),
        ("trainig.epochs=3", "no table 'trainig'"),
        ("epochs=3", "table.key=value"),
        ("input.mode=analog", "input.mode"),
    ],
)
def test_wrong_settings_are_named(setting: str, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        read_preset("lif", None, [setting])


def test_wrong_model_settings_are_named(tmp_path: Path, selection: SelectionData) -> None:
    with pytest.raises(
        TrainingError, match=r"model lif: tau_mem: unknown key .*Did you mean 'tau_mem_ms'"
    ):
        start_run(tmp_path / "a", "lif", small("lif", "model.tau_mem=3"), selection, 0)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("data", ["digits", "shd-r", "ssc-r"])
@pytest.mark.parametrize("name", list(MODELS))
def test_every_preset_fits_its_model(name: str, data: str) -> None:
    preset = read_preset(name, data=data)
    config = model_class(name).Config.model_validate(preset.model)
    assert set(preset.model) <= set(type(config).model_fields)
    assert preset.input.n_steps >= 50


def test_a_data_set_can_have_its_own_preset() -> None:
    assert preset_name("lif", "shd-r") == preset_name("lif", "shd") == "shd/lif"
    assert preset_name("lif", "digits") == preset_name("lif", "no/such.h5") == "lif"
    assert preset_name("svm", "shd-r") == "svm"  # has none
    assert read_preset("lif", data="shd-r") != read_preset("lif", data="digits")
    with pytest.raises(TrainingError, match=r"preset shd/lif: input\.mode"):
        read_preset("lif", None, ["input.mode=analog"], "shd-r")


def test_a_preset_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[input]\ntime_step_ms = 5\nduration_ms = 500\nmode = 'binary'\n")
    assert read_preset("lif", path).input.n_steps == 100
    path.write_text("[input\n")
    with pytest.raises(TrainingError, match="not readable as TOML"):
        read_preset("lif", path)
    with pytest.raises(TrainingError, match=r"nothing\.toml: no such file"):
        read_preset("lif", tmp_path / "nothing.toml")


def test_an_oracle_says_so_everywhere_and_counts_every_opening(toy: Path, tmp_path: Path) -> None:
    selection = open_oracle(str(toy))
    record = start_run(tmp_path / "run", "lif", small(), selection, 0)
    assert (record.selected_on, record.test_opened) == ("test", 0)
    done = fit(tmp_path / "run", record, selection)
    assert done.test_opened == 1  # from here on the test split chose epochs
    result = evaluate([tmp_path / "run"], selection, tmp_path / "result", "command")
    seed = result.seeds[0]
    assert (seed.selected_on, seed.test_opened, seed.validation_accuracy) == ("test", 2, None)
    assert result.dataset.split.protocol == "oracle"
    assert result.summary.validation_mean is None
    _, note = load_tensors(tmp_path / "result" / "weights-seed0.safetensors")
    assert note["selected_on"] == "test"


@pytest.mark.parametrize("forged", ["nothing", "seeds", "seeds and split", "seeds, split, weights"])
def test_no_edit_of_an_oracle_result_makes_it_an_entry(
    toy: Path, tmp_path: Path, forged: str
) -> None:
    selection, honest = open_oracle(str(toy)), open_selection(str(toy))
    fit(tmp_path / "run", start_run(tmp_path / "run", "lif", small(), selection, 0), selection)
    evaluate([tmp_path / "run"], selection, tmp_path / "result", "command")
    file = tmp_path / "result" / "result.json"
    result = json.loads(file.read_text())
    if "seeds" in forged:
        result["seeds"][0] |= {"selected_on": "validation", "test_opened": 1}
    if "split" in forged:
        result["dataset"]["split"] = honest.dataset.split.model_dump(mode="json")
    if "weights" in forged:
        result["seeds"][0] |= {"weights_file": None, "weights_sha256": None}
    result["seeds"][0] |= {"run_file": None, "run_sha256": None}  # the log alone would tell
    file.write_text(json.dumps(result))
    message = "refers to no weights" if "weights" in forged else "selected on the test split"
    with pytest.raises(ResultError, match=message):
        verify_result(tmp_path / "result")


def test_a_fold_is_another_run(toy: Path, tmp_path: Path) -> None:
    first, second = open_selection(str(toy), 0), open_selection(str(toy), 2)
    start_run(tmp_path, "lif", small(), first, 0)
    assert read_run(tmp_path).fold == 0
    with pytest.raises(TrainingError, match="contains another run"):
        start_run(tmp_path, "lif", small(), second, 0)


def test_a_fold_with_the_split_of_an_honest_run_is_refused(toy: Path, tmp_path: Path) -> None:
    selection, honest = open_selection(str(toy), 2), open_selection(str(toy))
    fit(tmp_path / "run", start_run(tmp_path / "run", "lif", small(), selection, 0), selection)
    evaluate([tmp_path / "run"], selection, tmp_path / "result", "command")
    file = tmp_path / "result" / "result.json"
    result = json.loads(file.read_text())
    result["dataset"]["split"] = honest.dataset.split.model_dump(mode="json")
    file.write_text(json.dumps(result))
    with pytest.raises(
        ResultError, match=r"run-seed0\.json: dataset differs from that of the result"
    ):
        verify_result(tmp_path / "result")
    result["seeds"][0] |= {"run_file": None, "run_sha256": None}
    file.write_text(json.dumps(result))
    with pytest.raises(ResultError, match=r"safetensors: selected on a single speaker"):
        verify_result(tmp_path / "result")


def test_reference_kernels_learn_the_same(tmp_path: Path, selection: SelectionData) -> None:
    more = ("training.epochs=2", "model.init_fluctuation=1.0")
    for name in ("events", "reference"):
        trained(tmp_path / name, selection, "rlif", 0, *more, f"training.kernels={name}")
    one, other = (load_tensors(tmp_path / f / WEIGHTS_FILE)[0] for f in ("events", "reference"))
    for name, tensor in one.items():
        assert_allclose(other[name], tensor, rtol=0, atol=1e-3)  # Adam magnifies the last digits


def test_precision_is_refused_where_it_would_do_nothing(
    tmp_path: Path, selection: SelectionData
) -> None:
    for model in ("lif", "svm"):
        preset = small(model, "training.precision=bfloat16")
        with pytest.raises(TrainingError, match=f"model {model} is trained in float32 only"):
            start_run(tmp_path / model, model, preset, selection, 0)
        assert not (tmp_path / model).exists()  # the folder is free for a better setting


def test_schedules_by_hand() -> None:
    settings = TrainingSettings(epochs=10, learning_rate=1.0, warmup_epochs=2)
    rates = {
        kind: [
            learning_rate(settings.model_copy(update={"schedule": kind}), e) for e in (1, 2, 3, 7)
        ]
        for kind in ("constant", "cosine", "linear")
    }
    assert_allclose(rates["constant"], [1 / 3, 2 / 3, 1, 1], rtol=1e-12)
    assert_allclose(rates["linear"], [1 / 3, 2 / 3, 1, 0.5], rtol=1e-12)
    assert_allclose(rates["cosine"], [1 / 3, 2 / 3, 1, 0.5], rtol=1e-12)


@pytest.mark.parametrize(("epochs", "warm"), [(10, 0), (40, 0), (25, 3)])
def test_one_cycle_is_that_of_pytorch(epochs: int, warm: int) -> None:
    settings = TrainingSettings(
        epochs=epochs, learning_rate=0.02, warmup_epochs=warm, schedule="one_cycle"
    )
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, 0.02, total_steps=epochs - warm)
    for epoch in range(warm + 1, epochs + 1):
        assert learning_rate(settings, epoch) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        if epoch < epochs:
            theirs.step()
    few = [
        learning_rate(settings.model_copy(update={"epochs": warm + n}), warm + n) for n in (1, 2, 3)
    ]
    assert all(0 < rate < 0.02 for rate in few)


def test_label_smoothing_by_hand() -> None:
    scores = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 0.0]], dtype=torch.float64)
    labels, epsilon = torch.tensor([0, 2]), 0.3
    target = torch.full((2, 3), epsilon / 3, dtype=torch.float64)
    target[[0, 1], labels] += 1 - epsilon
    expected = -(target * torch.log_softmax(scores, 1)).sum() / 2
    loss = batch_loss(
        output=Output(scores),
        labels=labels,
        weights=torch.ones(3, dtype=torch.float64),
        denominator=2.0,
        n_batch=2,
        regulariser=RegulariserSettings(),
        ranks=Ranks(),
        label_smoothing=epsilon,
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-12)
    assert "label_smoothing" not in TrainingSettings().model_dump()
    assert TrainingSettings(label_smoothing=0.1).model_dump()["label_smoothing"] == 0.1


def test_class_weights_by_hand() -> None:
    labels = np.array([0, 0, 0, 1, 3, 3])
    assert class_weights(labels, 4, "none").tolist() == [1, 1, 1, 1]
    weights = class_weights(labels, 4, "balanced")
    # three classes occur: 6/(3·3), 6/(3·1), 6/(3·2); the one without samples is never asked for
    assert_allclose(weights[[0, 1, 3]], [2 / 3, 2, 1], rtol=1e-6)
    assert_allclose(weights[labels].mean(), 1, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adamax"])
def test_delays_have_a_rate_of_their_own(optimizer: str) -> None:
    """Two groups of one optimiser against two optimisers, with a rate that changes."""
    settings = TrainingSettings(
        optimizer=optimizer,  # type: ignore[arg-type]
        learning_rate=0.01,
        learning_rate_delays=0.3,
        weight_decay=0.1,
    )
    ours = [torch.ones(3, requires_grad=True) for _ in range(2)]
    theirs = [torch.ones(3, requires_grad=True) for _ in range(2)]
    one = bptt.make_optimizer([ours[:1], ours[1:]], settings)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "adamax": torch.optim.Adamax}
    two = [kind[optimizer]([p], weight_decay=0.1) for p in theirs]
    for part in (1.0, 0.5, 0.1):
        for tensors, rates, steps in (
            (ours, [0.01 * part * group["rate_factor"] for group in one.param_groups], [one]),
            (theirs, [0.01 * part, 0.3 * part], two),
        ):
            groups = [group for step in steps for group in step.param_groups]
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
            for tensor in tensors:
                tensor.grad = tensor.detach() ** 2
            for step in steps:
                step.step()
    for found, expected in zip(ours, theirs, strict=True):
        assert_allclose(found.detach(), expected.detach(), rtol=1e-6)
    assert not torch.equal(ours[0], ours[1])


def test_rates_of_delays_are_trained_with_and_resumed(
    tmp_path: Path, selection: SelectionData
) -> None:
    more = ("training.epochs=4", "model.hidden_units=[6]", "model.max_delay_ms=40")
    own = (*more, "training.learning_rate_delays=0.05")
    trained(tmp_path / "same", selection, "delay_lif", 0, *more)
    trained(tmp_path / "whole", selection, "delay_lif", 0, *own)

    def interrupt(epoch: Epoch, n_epochs: int) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    record = start_run(folder, "delay_lif", small("delay_lif", *own), selection, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=interrupt)
    fit(folder, read_run(folder), selection)
    same, one, two = (
        load_tensors(f / WEIGHTS_FILE)[0] for f in (tmp_path / "same", tmp_path / "whole", folder)
    )
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(same["delays.0"], one["delays.0"])
    with pytest.raises(TrainingError, match=r"model lif learns no delays; remove training\."):
        start_run(tmp_path / "no", "lif", small("lif", own[-1]), selection, 0)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "adamax"])
def test_every_optimiser_moves_and_is_resumed(
    optimizer: str, tmp_path: Path, selection: SelectionData
) -> None:
    more = (f"training.optimizer={optimizer}", "training.weight_decay=0.01", "training.epochs=4")
    trained(tmp_path / "whole", selection, "lif", 0, *more)

    def interrupt(epoch: Epoch, n_epochs: int) -> None:
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    folder = tmp_path / "parts"
    record = start_run(folder, "lif", small("lif", *more), selection, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=interrupt)
    fit(folder, read_run(folder), selection)
    one, two = (load_tensors(f / WEIGHTS_FILE)[0] for f in (tmp_path / "whole", folder))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_tensorboard_gets_every_epoch(tmp_path: Path, selection: SelectionData) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    record = start_run(tmp_path, "lif", small("lif", "training.epochs=3"), selection, 0)
    lines: list[Epoch] = []
    with write_scalars(tmp_path) as report:
        fit(tmp_path, record, selection, report=lambda e, n: (lines.append(e), report(e, n))[1])
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    said = {name: [s.value for s in events.Scalars(name)] for name in events.Tags()["scalars"]}
    assert_allclose(said["loss"], [line.loss for line in lines], rtol=1e-6)
    assert_allclose(
        said["validation_accuracy"], [line.validation_accuracy for line in lines], rtol=1e-6
    )


def test_want_of_memory_is_told(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_memory(*_: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")

    record = start_run(tmp_path, "lif", small(), selection, 0)
    monkeypatch.setattr(epochs, "TrainingBatches", no_memory)
    with pytest.raises(TrainingError, match="model lif needs more memory than is available"):
        fit(tmp_path, record, selection)


def interrupted(folder: Path, selection: SelectionData) -> RunRecord:
    def interrupt(epoch: Epoch, n_epochs: int) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    record = start_run(folder, "lif", small(), selection, 0)
    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=interrupt)
    return record


FORGED_NOTES: dict[str, dict[str, object]] = {
    "a run": {"run": "0" * 64},
    "accuracy above 1": {"accuracy": 2.0},
    "accuracy none": {"accuracy": float("nan")},
    "loss a word": {"loss": "x"},
    "seconds none": {"seconds": None},
    "no history": {"history": []},
    "best epoch not there": {"epoch": 9},
    "more": {"more": 1},
}


@pytest.mark.parametrize("name", list(FORGED_NOTES))
def test_a_forged_note_of_a_checkpoint_is_refused(
    name: str, tmp_path: Path, selection: SelectionData
) -> None:
    record = interrupted(tmp_path, selection)
    tensors, note = load_tensors(tmp_path / CHECKPOINT_FILE)
    save_tensors(tmp_path / CHECKPOINT_FILE, tensors, note | FORGED_NOTES[name])
    with pytest.raises(TrainingError, match=r"checkpoint.*: does not fit this run: .*; delete it"):
        fit(tmp_path, record, selection)


@pytest.mark.parametrize("change", ["shape", "missing", "type", "nan", "extra", "double history"])
@pytest.mark.parametrize("part", ["model.hidden.0", "best.hidden.0", "optimizer.0.exp_avg"])
def test_forged_tensors_of_a_checkpoint_are_refused(
    part: str, change: str, tmp_path: Path, selection: SelectionData
) -> None:
    record = interrupted(tmp_path, selection)
    tensors, note = load_tensors(tmp_path / CHECKPOINT_FILE)
    if change == "missing":
        del tensors[part]
    elif change == "extra":
        tensors[part + "1"] = torch.zeros(1)
    elif change == "double history":
        note["history"] = note["history"] * 2
    else:
        old = tensors[part]
        tensors[part] = {
            "shape": torch.zeros(3),
            "type": old.double(),
            "nan": torch.full_like(old, float("nan")),
        }[change]
    save_tensors(tmp_path / CHECKPOINT_FILE, tensors, note)
    with pytest.raises(TrainingError, match=r"checkpoint.*: does not fit this run: .*; delete it"):
        fit(tmp_path, record, selection)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_answer_nothing(
    value: float, tmp_path: Path, selection: SelectionData
) -> None:
    done = trained(tmp_path, selection, "lif", 0, "training.epochs=1")
    tensors, note = load_tensors(tmp_path / WEIGHTS_FILE)
    tensors["readout.bias"][1] = value
    save_tensors(tmp_path / WEIGHTS_FILE, tensors, note)
    with pytest.raises(
        TrainingError, match=r"weights.*readout\.bias: contains numbers that are not"
    ):
        load_trained(tmp_path, done)
    tensors["readout.bias"] = torch.zeros(3, dtype=torch.float64)
    save_tensors(tmp_path / WEIGHTS_FILE, tensors, note)
    with pytest.raises(TrainingError, match=r"readout\.bias: is torch\.float64"):
        load_trained(tmp_path, done)


def test_of_two_runs_in_one_folder_the_first_stays(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second looked before the first had written: it must not write over it."""
    record = start_run(tmp_path / "other", "lif", small(), selection, 1)
    create = training.create_run

    def late(folder: Path, mine: RunRecord) -> bool:
        assert create(folder, record)
        return create(folder, mine)

    monkeypatch.setattr(training, "create_run", late)
    with pytest.raises(TrainingError, match="contains another run"):
        start_run(tmp_path / "run", "lif", small(), selection, 0)
    assert read_run(tmp_path / "run").seed == 1
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]
