"""Refits: what they train on and for how long, that they are taken up, and that everything tells them as such."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.commands import QUICK, interrupted, run
from helpers.toy import write_toy
from helpers.trained_entries import forge, make_trained_entry
from numpy.testing import assert_allclose

from leaderboard.checks.recomputation import verify_result
from leaderboard.claims.entry import read_entry
from leaderboard.pages.entry_page import render_entry
from leaderboard.pages.index_page import render_index
from leaderboard.standings.ranking import build_boards
from leaderboard.standings.table import measured_rows
from spikebench.errors import ProtocolError, ResultError, TrainingError
from spikebench.evaluation.final_test import evaluate
from spikebench.events.dataset import SpikeDataset, join
from spikebench.learning import bptt
from spikebench.learning.loss_and_optimiser import learning_rate
from spikebench.learning.ranks import Ranks
from spikebench.models.svm import CountSVM
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import (
    SelectionData,
    open_oracle,
    open_selection,
    open_test,
    open_training,
)
from spikebench.protocol.results import Predictions, read_result
from spikebench.protocol.scoring import score
from spikebench.sweeps.runner import plan_sweep, run_sweep
from spikebench.sweeps.spec import read_spec
from spikebench.training import epochs as loop
from spikebench.training.checkpoint import Epoch
from spikebench.training.inference import (
    bin_samples,
    build_model,
    load_trained,
    one_thread,
    run_model,
)
from spikebench.training.loop import fit, start_run
from spikebench.training.run import (
    CHECKPOINT_FILE,
    REFIT_CHECKPOINT_FILE,
    WEIGHTS_FILE,
    identity,
    load_tensors,
    read_run,
)
from spikebench.training.run_record import (
    REFIT_HISTORY_FILE,
    RunRecord,
    collect_log,
    log_text,
    read_run_log,
)
from spikebench.training.tensorboard import write_scalars

# Noise of the input and a rate that stays high: the best epoch is not the last one.
SETTINGS = [
    *("input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"),
    *("training.epochs=5", "training.unit_jitter_percent=3", "training.learning_rate=2e-2"),
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def selection(toy: Path) -> SelectionData:
    return open_selection(str(toy))


def preset(model: str = "lif", *more: str) -> Preset:
    return read_preset(model, None, [*SETTINGS, *more])


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let validation find epoch 3 the best of five."""
    measure = loop._measure

    def measured(*arguments: Any) -> Any:  # noqa: ANN401
        found = measure(*arguments)
        if found.accuracy is None:
            return found
        count[0] += 1
        return found._replace(accuracy=[0.2, 0.3, 0.9, 0.4, 0.4][(count[0] - 1) % 5])

    count = [0]
    monkeypatch.setattr(loop, "_measure", measured)


def refitted(
    folder: Path, selection: SelectionData, model: str = "lif", *more: str, seed: int = 0
) -> RunRecord:
    record = start_run(folder, model, preset(model, *more), selection, seed, refit=True)
    return fit(folder, record, selection)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_tensors(folder / WEIGHTS_FILE)[0]


def are_equal(one: Path, two: Path) -> bool:
    first, second = weights(one), weights(two)
    return all(torch.equal(first[name], second[name]) for name in first)


def rates(path: Path) -> list[float]:
    with path.open(newline="") as file:
        return [float(line["learning_rate"]) for line in csv.DictReader(file)]


def test_all_that_may_train_is_no_test_sample(selection: SelectionData) -> None:
    samples, test = open_training(selection), open_test(selection)
    both = np.concatenate([selection.train.index, selection.validation.index])
    assert samples.index.tolist() == sorted(both.tolist())
    # The arrays behind it hold no spike of the test split either.
    assert not set(samples.events.positions.tolist()) & set(test.index.tolist())


def test_samples_of_two_files_become_one_data_set(tmp_path: Path) -> None:
    """As the training and the validation file of SSC."""
    parts = [
        SpikeDataset(write_toy(tmp_path / f"{takes}.h5", takes=takes), np.arange(5, 20, 2))
        for takes in (1, 2)
    ]
    both = join(*parts)
    assert len(both) == 16
    assert both.spike_counts.sum() == sum(int(part.spike_counts.sum()) for part in parts)
    for found, wanted in zip(both, [sample for part in parts for sample in part], strict=True):
        for one, two in zip(found, wanted, strict=True):
            assert np.array_equal(one, two)


def test_an_oracle_gives_nothing_to_train_on(toy: Path) -> None:
    with pytest.raises(ProtocolError, match="opened as an oracle, which selects on the test split"):
        open_training(open_oracle(str(toy)))


def test_a_refit_is_a_training_on_all_training_speakers_for_the_epochs_that_were_chosen(
    early: None, tmp_path: Path, selection: SelectionData
) -> None:
    done = refitted(tmp_path, selection, "rlif", "training.schedule=cosine")
    assert (done.status, done.epochs, done.selected_epoch, done.refit_epochs) == (
        "trained",
        5,
        3,
        3,
    )
    assert done.validation_accuracy == 0.9
    model = build_model(done)
    samples = bin_samples(open_training(selection), done.preset)
    assert len(samples) == len(selection.train) + len(selection.validation)
    rule = loop.make_rule(model, done, samples, Ranks())
    with one_thread():
        for epoch in (1, 2, 3):
            rate = learning_rate(done.preset.training, epoch)
            loop.one_epoch(rule, samples, done, epoch, rate)
    assert all(torch.equal(weights(tmp_path)[k], v) for k, v in model.state_dict().items())
    # Epoch k has the same rate as before the refit: the schedule is cut off, not compressed.
    choice, refit = (rates(tmp_path / name) for name in ("history.csv", "refit-history.csv"))
    assert choice[:3] == refit
    assert_allclose(refit[2], 2e-2 * 0.5 * (1 + np.cos(np.pi * 2 / 5)), rtol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("run.json", WEIGHTS_FILE, "history.csv", "refit-history.csv", ".lock", ".data"),
    }


def test_the_preset_may_fix_the_number_of_epochs(
    early: None, tmp_path: Path, selection: SelectionData
) -> None:
    done = refitted(tmp_path, selection, "lif", "training.refit_epochs=2")
    assert (done.selected_epoch, done.refit_epochs) == (3, 2)
    assert len(rates(tmp_path / "refit-history.csv")) == 2


def test_the_choice_is_that_of_a_run_without_refit(
    tmp_path: Path, selection: SelectionData
) -> None:
    plain = fit(
        tmp_path / "plain",
        start_run(tmp_path / "plain", "lif", preset(), selection, 0),
        selection,
    )
    done = refitted(tmp_path / "refit", selection)
    apart = {"refit", "train_seconds"}
    assert done.model_dump(exclude=apart) == plain.model_dump(exclude=apart)
    assert not are_equal(tmp_path / "plain", tmp_path / "refit")


def test_a_model_without_epochs_is_refitted_with_what_was_chosen(
    tmp_path: Path, selection: SelectionData
) -> None:
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    done = refitted(tmp_path, selection, "svm")
    assert (done.epochs, done.refit_epochs) == (0, 0)
    samples = bin_samples(open_training(selection), done.preset)
    scaler = StandardScaler().fit(samples.counts())
    machine = SVC(C=done.choice["C"], gamma=done.choice["gamma_scale"] / samples.n_units)
    machine.fit(scaler.transform(samples.counts()), samples.labels)
    model = load_trained(tmp_path, done)
    assert len(model.state_dict()["support"]) == len(machine.support_)
    answers = run_model(model, samples, 50)
    assert np.array_equal(answers.predicted, machine.predict(scaler.transform(samples.counts())))


def stop_at(epoch: int, refit: bool) -> Callable[[Epoch, int], None]:
    def interrupt(line: Epoch, epochs: int) -> None:
        if (line.epoch, line.is_refit) == (epoch, refit):
            raise KeyboardInterrupt

    return interrupt


@pytest.mark.parametrize("phase", ["choice", "refit"])
def test_interrupted_in_either_phase_it_goes_on_as_if_it_had_not_been(
    early: None, phase: str, tmp_path: Path, selection: SelectionData
) -> None:
    refitted(tmp_path / "whole", selection)
    folder = tmp_path / "parts"
    record = start_run(folder, "lif", preset(), selection, 0, refit=True)
    epoch = {"choice": 5, "refit": 2}[phase]
    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=stop_at(epoch, phase == "refit"))
    found = read_run(folder)
    assert found.status == {"choice": "training", "refit": "chosen"}[phase]
    with pytest.raises(TrainingError, match="training is not finished"):
        load_trained(folder, found)
    assert start_run(folder, "lif", preset(), selection, 0, refit=True) == found
    done = fit(folder, found, selection)
    assert (done.epochs, done.refit_epochs) == (5, 3)
    assert are_equal(tmp_path / "whole", folder)
    for name in ("history.csv", "refit-history.csv"):
        assert rates(folder / name) == rates(tmp_path / "whole" / name)


def test_killed_between_the_phases_it_goes_on(
    early: None, tmp_path: Path, selection: SelectionData
) -> None:
    """The checkpoint of the choice is still there: it is not taken for one of the refit."""
    refitted(tmp_path / "whole", selection)
    folder = tmp_path / "parts"
    record = start_run(folder, "lif", preset(), selection, 0, refit=True)

    def keep(line: Epoch, epochs: int) -> None:
        if not line.is_refit:
            shutil.copy(folder / CHECKPOINT_FILE, tmp_path / "kept")
        stop_at(1, True)(line, epochs)

    with pytest.raises(KeyboardInterrupt):
        fit(folder, record, selection, report=keep)
    assert not (folder / CHECKPOINT_FILE).exists()
    (folder / REFIT_CHECKPOINT_FILE).unlink()
    shutil.copy(tmp_path / "kept", folder / CHECKPOINT_FILE)
    fit(folder, read_run(folder), selection)
    assert are_equal(tmp_path / "whole", folder)
    # Nor by another name.
    (tmp_path / "whole" / "run.json").write_text(
        read_run(folder).model_copy(update={"status": "chosen"}).model_dump_json()
    )
    shutil.copy(tmp_path / "kept", tmp_path / "whole" / REFIT_CHECKPOINT_FILE)
    with pytest.raises(TrainingError, match="is the checkpoint of another run; delete it"):
        fit(tmp_path / "whole", read_run(tmp_path / "whole"), selection)


def test_a_model_without_epochs_is_taken_up_after_its_choice(
    tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    refitted(tmp_path / "whole", selection, "svm")
    monkeypatch.setattr(CountSVM, "refit_counts", stop)
    with pytest.raises(KeyboardInterrupt):
        refitted(tmp_path / "parts", selection, "svm")
    monkeypatch.undo()
    monkeypatch.setattr(CountSVM, "fit_counts", stop)  # the choice is kept
    fit(tmp_path / "parts", read_run(tmp_path / "parts"), selection)
    assert are_equal(tmp_path / "whole", tmp_path / "parts")


def test_a_refit_that_is_killed_is_resumed_to_the_same_weights(
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["train", "--model", "lif", "--data", str(toy), "--refit", "--quiet"]
    words += ["--set", "input.duration_ms=300", "--set", "training.epochs=15"]
    words += ["--set", "training.patience_epochs=1", "--set", "training.refit_epochs=15"]
    folder = tmp_path / "cut"
    interrupted([*words, "-o", "cut"], folder, signal.SIGKILL, REFIT_HISTORY_FILE)
    assert read_run(tmp_path / "cut").status == "chosen"
    code, out, _ = run(capsys, "train", "--resume", "cut", "--quiet")
    assert code == 0
    assert "refitted on all 72 training and validation samples, 15 epochs" in out
    assert run(capsys, *words, "-o", "whole")[0] == 0
    assert are_equal(tmp_path / "cut", tmp_path / "whole")


def test_what_a_refit_cannot_be_is_one_line(toy: Path, tmp_path: Path) -> None:
    honest, oracle, fold = (
        open_selection(str(toy)),
        open_oracle(str(toy)),
        open_selection(str(toy), 0),
    )
    cases: list[tuple[SelectionData, list[str], bool, str]] = [
        (oracle, [], True, "--refit and --oracle exclude each other"),
        (fold, [], True, "--refit and --fold exclude each other"),
        (
            honest,
            ["training.refit_epochs=2"],
            False,
            "training.refit_epochs is set without a refit",
        ),
    ]
    for selection, more, refit, message in cases:
        with pytest.raises(TrainingError, match=message):
            start_run(tmp_path / "run", "lif", preset("lif", *more), selection, 0, refit=refit)
    assert not (tmp_path / "run").exists()
    with pytest.raises(TrainingError, match="refit_epochs: 6 exceeds the 5 epochs of the schedule"):
        preset("lif", "training.refit_epochs=6")
    start_run(tmp_path / "run", "lif", preset(), honest, 0)
    with pytest.raises(TrainingError, match="contains another run"):
        start_run(tmp_path / "run", "lif", preset(), honest, 0, refit=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "--model", "lif", "--oracle"], "--refit and --oracle exclude each other"),
        (["evaluate", "--checkpoint", "x"], "--checkpoint uses the data"),
        (["train", "--model", "lif", "--fold", "all"], "--refit and --fold exclude each other"),
        (
            ["train", "--resume", "x"],
            "--resume uses the data, preset, settings, learning rule, fold",
        ),
    ],
)
def test_options_that_exclude_a_refit(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *words, "--refit")
    assert (code, out) == (2, "")
    assert message in err


def test_a_result_tells_a_refit_and_keeps_both_logs(
    early: None, tmp_path: Path, selection: SelectionData
) -> None:
    runs = [tmp_path / f"seed{seed}" for seed in (0, 1)]
    for seed, folder in enumerate(runs):
        refitted(folder, selection, seed=seed)
    result = evaluate(runs, selection, tmp_path / "result", "command")
    assert verify_result(tmp_path / "result") == result == read_result(tmp_path / "result")
    assert result.is_refitted
    assert [one.refit_epochs for one in result.seeds] == [3, 3]
    assert [one.test_opened for one in result.seeds] == [1, 1]
    assert result.summary.validation_mean == pytest.approx(0.9, rel=1e-12)
    log = read_run_log(tmp_path / "result" / "run-seed0.json")
    assert [len(log.history), len(log.refit_history)] == [5, 3]
    _, note = load_tensors(tmp_path / "result" / "weights-seed0.safetensors")
    assert note == {"model": "lif", "seed": 0, "refit_epochs": 3}


def test_refitted_runs_and_others_make_no_result_together(
    tmp_path: Path, selection: SelectionData
) -> None:
    refitted(tmp_path / "a", selection, "svm")
    fit(tmp_path / "b", start_run(tmp_path / "b", "svm", preset("svm"), selection, 1), selection)
    with pytest.raises(TrainingError, match="must differ in the seed, and in nothing else"):
        evaluate([tmp_path / "a", tmp_path / "b"], selection, tmp_path / "result", "command")


def test_records_without_a_refit_are_as_they_were(tmp_path: Path, selection: SelectionData) -> None:
    """Logs and checkpoints from before there were refits have a SHA-256 that must stay."""
    record = start_run(tmp_path / "a", "svm", preset("svm"), selection, 0)
    done = fit(tmp_path / "a", record, selection)
    result = evaluate([tmp_path / "a"], selection, tmp_path / "result", "command")
    assert "refit" not in log_text(collect_log(tmp_path / "a", done))
    assert "refit" not in result.model_dump_json()
    assert not result.is_refitted
    said = json.loads((tmp_path / "a" / "run.json").read_text())
    assert identity(RunRecord.model_validate(said | {"refit": False})) == identity(record)
    assert identity(RunRecord.model_validate(said | {"refit": True})) != identity(record)


def test_validation_speakers_of_a_refit_count_as_seen(selection: SelectionData) -> None:
    split = selection.dataset.split.model_copy(
        update={"validation_speakers": [1], "test_only_speakers": [2]}
    )
    dataset = selection.dataset.model_copy(update={"split": split})
    said = Predictions(
        index=np.arange(4),
        label=np.zeros(4, np.int64),
        predicted=np.array([0, 1, 0, 0]),
        speaker=np.array([0, 1, 2, -1]),
    )
    assert (score(said, dataset).seen_accuracy, score(said, dataset).unseen_accuracy) == (1.0, 1.0)
    after = score(said, dataset, refitted=True)
    assert (after.seen_accuracy, after.unseen_accuracy) == (0.5, 1.0)


def test_evaluate_says_so(
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["evaluate", "--model", "lif", "--data", toy, "-o", "out", *QUICK[:-1], "--refit"]
    code, out, err = run(capsys, *words)
    assert code == 0
    assert "refitted: trained again with the validation speakers included" in out
    assert "(of the selected model, before the refit)" in out
    assert "60 samples, selected on 12 (" in err
    assert "then refitted on all 72; the test split is not opened" in err
    assert "lif seed 0, refit: epoch" in err
    assert read_result(tmp_path / "out").command.endswith(" --refit")
    # A run of it stays one, also when it is tested again.
    assert run(capsys, "evaluate", "--checkpoint", "out/seed0", "-o", "again")[0] == 0
    assert read_result(tmp_path / "again").is_refitted


@pytest.fixture(scope="module")
def made(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_trained_entry(tmp_path_factory.mktemp("made"), toy, "lif", refit=True)


@pytest.fixture
def entry(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def test_pages_and_tables_tell_a_refit(entry: Path) -> None:
    stored = read_entry(entry)
    boards = build_boards([stored])
    rows = measured_rows(boards)
    assert all(row.refitted for row in rows)
    page = render_entry(stored, rows, "index.html")
    assert "spiking, refitted, on toy" in page
    assert "trained again with the validation speakers included, after selection" in page
    assert f"<small>refit: {stored.result.seeds[0].refit_epochs}</small>" in page
    assert "<small>spiking, refitted</small>" in render_index(boards, rows, [])


def test_a_refitted_entry_is_trained_again_as_it_was(
    entry: Path, toy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["verify", entry, "--data", toy, "--by", "A", "--inference", "--training"]
    code, _, err = run(capsys, *words)
    assert code == 0
    assert "then refitted on all 72" in err
    done = read_entry(entry).verifications
    assert [[one.agreement for one in each.seeds] for each in done] == [[1.0, 1.0]] * 2
    assert "refitted: trained again" in run(capsys, "verify", entry)[1]
    out = run(capsys, "leaderboard", "check", "--json", _entries(entry))[1]
    assert json.loads(out)["entries"][0]["refitted"]


def _entries(entry: Path) -> Path:
    folder = entry.parent / "entries" / "toy"
    folder.mkdir(parents=True)
    entry.rename(folder / entry.name)
    return folder.parent


def drop(result: dict[str, Any]) -> None:
    for seed in result["seeds"]:
        del seed["refit_epochs"]


def longer(result: dict[str, Any]) -> None:
    for seed in result["seeds"]:
        seed["refit_epochs"] += 1


def without_logs(result: dict[str, Any]) -> None:
    drop(result)
    for seed in result["seeds"]:
        seed |= {"run_file": None, "run_sha256": None}


def of_one_seed(result: dict[str, Any]) -> None:
    del result["seeds"][1]["refit_epochs"]


@pytest.mark.parametrize(
    ("change", "weights_there", "message"),
    [
        (
            drop,
            True,
            r"safetensors: its header records refitted \(\d epochs\), the result not refitted",
        ),
        (drop, False, r"run\.json, seed 0: refit differs from that of the result"),
        (
            longer,
            True,
            r"safetensors: its header records refitted \(\d epochs\), the result refitted",
        ),
        (longer, False, r"run\.json, seed 0: refit_epochs differs from that of the result"),
        (
            without_logs,
            True,
            r"safetensors: its header records refitted .* the result not refitted",
        ),
        (of_one_seed, True, "some seeds are refitted and others are not"),
    ],
)
def test_an_entry_that_hides_its_refit_is_refused(
    entry: Path, change: Callable[[dict[str, Any]], None], weights_there: bool, message: str
) -> None:
    if not weights_there:
        for path in entry.glob("weights-*"):
            path.unlink()
    if change is without_logs:
        (entry / "run.json").unlink()
    with pytest.raises(ResultError, match=message):
        forge(entry, change)


def test_a_log_without_the_epochs_of_its_refit_is_refused(entry: Path) -> None:
    logs = json.loads((entry / "run.json").read_text())
    epochs = len(logs["runs"][0]["refit_history"])
    del logs["runs"][0]["refit_history"][-1]
    (entry / "run.json").write_text(json.dumps(logs))
    with pytest.raises(ResultError, match=f"the epochs of its refit are not 1 to {epochs}"):
        forge(entry, lambda result: None)


def test_compared_results_are_told_apart_by_it(
    made: Path, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = make_trained_entry(tmp_path, toy, "lif")
    code, out, _ = run(capsys, "compare", made, plain)
    assert code == 0
    assert "lif, refitted − lif" in " ".join(out.split())
    assert "Refitted results had more training data than the others." in out
    said = json.loads(run(capsys, "compare", made, plain, "--json")[1])
    assert [one["refitted"] for one in said["results"]] == [True, False]


def test_a_sweep_refits_every_run_and_ranks_by_the_choice(
    toy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    selection: SelectionData,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"model = 'svm'\ndata = '{toy}'\n[grid]\n'model.C' = [[1.0], [10.0]]\n"
    (tmp_path / "plain.toml").write_text(text)
    (tmp_path / "spec.toml").write_text("refit = true\n" + text)
    code, out, err = run(capsys, "sweep", "spec.toml", "-o", "out", "--workers", 1)
    assert code == 0
    assert "then refitted on all 72; the test split is not opened" in err
    assert "then refitted on all 72 training and validation samples" in out
    report = json.loads((tmp_path / "out" / "sweep.json").read_text())
    for one in report["configurations"]:
        folder = tmp_path / "out" / one["folder"] / "seed0"
        record = read_run(folder)
        assert record.refit
        assert one["validation_mean"] == record.choice["validation_accuracy"]
        alone = start_run(tmp_path / one["name"], "svm", record.preset, selection, 0, refit=True)
        fit(tmp_path / one["name"], alone, selection)
        assert are_equal(folder, tmp_path / one["name"])
    # The option says the same as the key; without either it is another sweep.
    assert "2 trained" in run(capsys, "sweep", "plain.toml", "-o", "out", "--refit", "--dry-run")[1]
    code, _, err = run(capsys, "sweep", "plain.toml", "-o", "out")
    assert code == 1
    assert "seed0: contains another run" in err


def test_a_sweep_that_was_stopped_in_a_refit_goes_on(toy: Path, tmp_path: Path) -> None:
    settings = "".join(f"{one}\n" for one in SETTINGS)
    (tmp_path / "spec.toml").write_text(
        f"model = 'lif'\ndata = '{toy}'\nrefit = true\n[settings]\n{settings}"
    )
    spec = read_spec(tmp_path / "spec.toml")
    work: list[float] = []

    def stop(state: Any) -> None:  # noqa: ANN401
        work.append(state.work)
        if (tmp_path / "out" / "lif" / "seed0" / REFIT_CHECKPOINT_FILE).exists():
            raise KeyboardInterrupt

    run_sweep(plan_sweep(spec, tmp_path / "whole"), workers=1)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan_sweep(spec, tmp_path / "out"), workers=1, progress=stop)
    assert work == sorted(work)
    assert work[-1] == pytest.approx(0.6, rel=1e-9)  # 5 epochs of 5, then 1 of at most 5
    run_sweep(plan_sweep(spec, tmp_path / "out"), workers=1)
    assert are_equal(tmp_path / "whole" / "lif" / "seed0", tmp_path / "out" / "lif" / "seed0")


def test_tensorboard_keeps_the_phases_apart(
    early: None, tmp_path: Path, selection: SelectionData
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    record = start_run(tmp_path, "lif", preset(), selection, 0, refit=True)
    with write_scalars(tmp_path) as report:
        fit(tmp_path, record, selection, report=report)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    steps = {name: len(events.Scalars(name)) for name in events.Tags()["scalars"]}
    assert (steps["loss"], steps["validation_accuracy"], steps["refit/loss"]) == (5, 5, 3)
    assert "refit/validation_accuracy" not in steps


def test_a_refit_that_does_not_stay_finite_is_told(
    early: None, tmp_path: Path, selection: SelectionData, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = start_run(tmp_path, "lif", preset(), selection, 0, refit=True)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, record, selection, report=stop_at(1, True))
    monkeypatch.setattr(bptt, "batch_loss", lambda output, **_: output.scores.sum() * np.nan)
    with pytest.raises(TrainingError, match=r"in epoch 2 of the refit, .* after epoch 1 is kept"):
        fit(tmp_path, read_run(tmp_path), selection)
