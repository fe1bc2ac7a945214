"""Studies of timing: what is trained and tested, how they go on, and what the report says."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from helpers.toy import write_toy

from spikebench.errors import SpikebenchError, TrainingError
from spikebench.events.conditions import CLEAN, parse_condition
from spikebench.metrics.significance import compare_predictions
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_oracle, open_selection, open_test
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.timing import worker
from spikebench.timing.answers import Answers, ConditionAnswers, read_answers
from spikebench.timing.report import TimingReport, TimingSeed, row
from spikebench.timing.runner import run_study
from spikebench.timing.study import Study, plan_study
from spikebench.training.changed import changed
from spikebench.training.inference import bin_samples, load_trained, run_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, read_run, write_run

SHORT = ["input.duration_ms=300", "training.epochs=2", "model.hidden_units=[16]"]
SVM = ["input.duration_ms=300"]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def trained(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two trained machines."""
    folder = tmp_path_factory.mktemp("runs")
    selection, preset = open_selection(str(toy)), read_preset("svm", None, SVM)
    for seed in (0, 1):
        run = folder / f"seed{seed}"
        fit(run, start_run(run, "svm", preset, selection, seed), selection)
    return folder


def plan(toy: Path, output: Path, conditions: str, **options: object) -> Study:
    return plan_study(str(toy), output, [conditions], **options)  # type: ignore[arg-type]


def accuracies(report: TimingReport) -> dict[tuple[str, str, str], float | None]:
    return {(one.model, one.condition, one.trained_on): one.accuracy for one in report.rows}


def test_every_run_is_trained_and_tested_under_its_conditions(toy: Path, tmp_path: Path) -> None:
    study = plan(toy, tmp_path / "out", "reverse,jitter:20ms", models=["lif"], settings=SHORT)
    names = ["lif/clean/seed0", "lif/jitter=20ms/seed0", "lif/reverse/seed0"]
    assert [job.folder.relative_to(study.output).as_posix() for job in study.jobs] == names
    seen: list[StudyProgress] = []
    report = run_study(study, workers=1, progress=seen.append)
    assert (seen[-1].done, seen[-1].work, seen[-1].total, seen[-1].failed) == (3, 3, 3, 0)
    assert any(0 < state.work < 1 for state in seen)  # within the first run
    found = accuracies(report)
    selection = study.selection
    for name, condition in zip(names, ("", "jitter:20ms", "reverse"), strict=True):
        record = read_run(tmp_path / "out" / name)
        assert (record.condition, record.test_opened) == (condition, 0)
        kind = "changed" if condition else "clean"
        assert found["lif", condition or "clean", kind] == record.validation_accuracy
    # The run on unchanged spikes is also tested under the others.
    folder = tmp_path / "out" / names[0]
    record = read_run(folder)
    data = changed(selection.validation, selection.train, "reverse", 0, record.preset)
    answers = run_model(load_trained(folder, record), bin_samples(data, record.preset), 32)
    assert found["lif", "reverse", "clean"] == np.mean(answers.predicted == data.labels)
    assert report.test_opened == 0
    assert [one.name for one in report.models] == ["lif"]
    assert report.conditions == ["clean", "jitter:20ms", "reverse"]
    assert report.chance == pytest.approx(1 / 3, rel=1e-12)
    written = read_record(tmp_path / "out" / "timing.json", TimingReport)
    assert written == report
    with (tmp_path / "out" / "timing.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(report.rows) == 5
    assert rows[-1]["condition"] == "reverse"
    assert (rows[0]["change"], rows[0]["seeds"], rows[0]["failed"]) == ("", "1", "0")
    assert float(rows[-1]["accuracy"]) == pytest.approx(
        found["lif", "reverse", "changed"], rel=1e-5
    )
    assert str(tmp_path) not in json.dumps(written.model_dump(mode="json"))


def test_counts_alone_are_what_a_machine_on_counts_uses(
    toy: Path, trained: Path, tmp_path: Path
) -> None:
    keeping = "counts,jitter:100ms,unit-jitter:50ms,reverse,round:100ms"
    report = run_study(
        plan(toy, tmp_path / "out", keeping, runs=[trained], clean_only=True), workers=1
    )
    assert {one.accuracy for one in report.rows} == {report.rows[0].accuracy}
    assert {one.trained_on for one in report.rows} == {"clean"}
    assert [len(one.seeds) for one in report.rows] == [2] * 6
    assert {one.change for one in report.rows[1:]} == {0.0}
    assert {one.input_spikes for one in report.rows} == {48.0}


def test_a_study_goes_on_where_it_was(
    toy: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_study(plan(toy, tmp_path / "out", "reverse", runs=[trained]), workers=1)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("answers*")}
    assert len(kept) == 4  # two seeds, on unchanged and on reversed spikes
    weights = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob(WEIGHTS_FILE)}
    assert len(weights) == 2
    tested: list[str] = []
    whole = worker._change
    monkeypatch.setattr(
        worker, "_change", lambda *words: tested.append(str(words[2])) or whole(*words)
    )
    again = plan(toy, tmp_path / "out", "reverse", runs=[trained])
    assert all(job.is_trained for job in again.jobs)
    assert run_study(again, workers=1) == first
    assert tested == []
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    # A further condition, of the given runs alone; answers of other weights, or damaged ones, are not used.
    more = run_study(
        plan(toy, tmp_path / "out", "reverse,units:2", runs=[trained], clean_only=True), workers=1
    )
    assert tested == ["units:2", "units:2"]
    assert (
        accuracies(more)["svm", "reverse", "clean"] == accuracies(first)["svm", "reverse", "clean"]
    )
    assert {path: path.stat().st_mtime_ns for path in weights} == weights
    one = tmp_path / "out" / "svm" / "clean" / "seed0" / "answers-validation.json"
    origin = json.loads(one.read_text())["origin"]
    assert read_answers(one, origin) is not None
    assert read_answers(one, "0" * 64) is None
    document = json.loads(one.read_text())
    document["conditions"]["clean"]["predicted"].pop()
    for text in (json.dumps(document), "{", ""):
        one.write_text(text)
        assert read_answers(one, origin) is None


def test_the_test_split_is_opened_once_per_run_and_counted(
    toy: Path, trained: Path, tmp_path: Path
) -> None:
    words = {"runs": [trained / "seed0"], "tested": "test"}
    report = run_study(plan(toy, tmp_path / "out", "reverse,units:2", **words), workers=1)
    record = read_run(trained / "seed0")
    assert record.test_opened == 1
    assert read_run(trained / "seed1").test_opened == 0
    assert report.test_opened == 3
    assert (report.tested, report.interval) == ("test", "bootstrap over 2 test speakers")
    selection = open_selection(str(toy))
    samples = open_test(selection)
    assert report.samples == len(samples)
    answers = run_model(
        load_trained(trained / "seed0", record), bin_samples(samples, record.preset), 32
    )
    found = accuracies(report)
    assert found["svm", "clean", "clean"] == np.mean(answers.predicted == samples.labels)
    assert not (tmp_path / "out" / "timing.json").exists()
    assert read_record(tmp_path / "out" / "timing-test.json", TimingReport) == report
    # The same command opens nothing; another condition is another opening.
    again = run_study(plan(toy, tmp_path / "out", "reverse,units:2", **words), workers=1)
    assert (again.test_opened, again.rows) == (3, report.rows)
    run_study(plan(toy, tmp_path / "out", "units:3", clean_only=True, **words), workers=1)
    assert read_run(trained / "seed0").test_opened == 2
    write_run(trained / "seed0", record.model_copy(update={"test_opened": 0, "opened_for": ""}))


def test_an_interrupted_test_is_counted_once(
    toy: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained / "seed1"
    before = read_run(run)
    whole = worker._change

    def stop(*words: object) -> object:
        if words[2] != CLEAN:
            raise KeyboardInterrupt
        return whole(*words)  # type: ignore[arg-type]

    words = {"runs": [run], "tested": "test", "clean_only": True}
    monkeypatch.setattr(worker, "_change", stop)
    with pytest.raises(KeyboardInterrupt):
        run_study(plan(toy, tmp_path / "out", "reverse", **words), workers=1)
    monkeypatch.setattr(worker, "_change", whole)
    run_study(plan(toy, tmp_path / "out", "reverse", **words), workers=1)
    assert read_run(run).test_opened == before.test_opened + 1
    write_run(run, before)


def test_a_run_that_fails_is_listed_and_stops_no_other(toy: Path, tmp_path: Path) -> None:
    study = plan(
        toy, tmp_path / "out", "reverse,delete:100%", models=["svm"], seeds=2, settings=SVM
    )
    report = run_study(study, workers=1)
    (failed,) = {one.failed for one in report.failed}
    assert failed == "no spike of the training samples remains under delete:100%"
    assert [one.run for one in report.failed] == ["svm/delete=100/seed0", "svm/delete=100/seed1"]
    found = accuracies(report)
    assert found["svm", "delete:100%", "changed"] is None
    assert found["svm", "delete:100%", "clean"] == pytest.approx(1 / 3, rel=1e-12)
    assert found["svm", "reverse", "changed"] is not None


def test_rows_are_means_over_seeds_and_changes_from_clean() -> None:
    label, speaker = [0, 1, 0, 1], [1, 1, 2, 2]

    def answers(clean: list[int], other: list[int]) -> Answers:
        conditions = {
            name: ConditionAnswers(predicted=predicted, input_spikes=spikes, few_spikes=few)
            for name, predicted, spikes, few in (
                ("clean", clean, 8.0, None),
                ("equal-counts:0%", other, 4.0, 0.25),
            )
        }
        return Answers(origin="0" * 64, label=label, speaker=speaker, conditions=conditions)

    both = [answers([0, 1, 0, 1], [0, 0, 0, 0]), answers([0, 1, 0, 0], [0, 1, 0, 0])]
    seeds: Sequence[tuple[TimingSeed, Answers | None]] = [
        (TimingSeed(seed=0, run="a"), both[0]),
        (TimingSeed(seed=1, run="b"), both[1]),
        (TimingSeed(seed=2, run="c", failed="why"), None),
    ]
    condition = parse_condition("equal-counts:0%")
    found, method = row("m", condition, "clean", seeds, both)
    assert method == "bootstrap over 2 test speakers"
    assert (found.accuracy, found.change) == (0.625, 0.625 - 0.875)
    assert found.std == pytest.approx(0.125 * 2**0.5, rel=1e-12)  # of 0.5 and 0.75
    assert [one.accuracy for one in found.seeds] == [0.5, 0.75, None]
    assert [one.failed for one in found.failed] == ["why"]
    assert (found.input_spikes, found.few_spikes, found.strength) == (4.0, 0.25, 0.0)
    right = [np.stack([one.right(name) for one in both]) for name in (str(condition), "clean")]
    expected = compare_predictions(right, np.array(speaker))
    assert (found.low, found.high) == (expected.accuracies[0].low, expected.accuracies[0].high)
    assert (found.change_low, found.change_high) == (
        expected.differences[0].low,
        expected.differences[0].high,
    )
    unchanged, _ = row("m", CLEAN, "clean", seeds, both)
    assert (unchanged.accuracy, unchanged.change) == (0.875, None)
    nothing, method = row("m", condition, "changed", [(seeds[2][0], None)], both)
    assert (nothing.accuracy, nothing.input_spikes, method) == (None, None, "")


def test_runs_of_several_settings_have_several_names(
    toy: Path, trained: Path, tmp_path: Path
) -> None:
    study = plan(
        *(toy, tmp_path / "out", "counts"),
        runs=[trained / "seed1"],
        models=["svm"],
        seeds=2,
        settings=SVM,
    )
    # The same settings: one model, of whose seeds one is given.
    assert [(one.name, dict(one.seeds)) for one in study.entries] == [
        ("svm", {0: None, 1: (trained / "seed1").absolute()})
    ]
    study = plan(toy, tmp_path / "out", "counts", runs=[trained], models=["svm", "lif"])
    names = [one.name for one in study.entries]
    assert [name.partition("~")[0] for name in names] == ["svm", "svm", "lif"]
    assert len(set(names)) == 3
    assert [list(one.seeds) for one in study.entries] == [[0, 1], [0], [0]]


def test_what_cannot_be_studied_is_refused(toy: Path, trained: Path, tmp_path: Path) -> None:
    selection, preset = open_selection(str(toy)), read_preset("svm", None, SVM)
    other = write_toy(tmp_path / "other.h5", seed=1)
    made = {}
    for name, data, options in (
        ("other", open_selection(str(other)), {}),
        ("fold", open_selection(str(toy), selection.dataset.split.validation_speakers[0] + 1), {}),
        ("oracle", open_oracle(str(toy)), {}),
        ("refit", selection, {"refit": True}),
        ("changed", selection, {"condition": "reverse"}),
    ):
        made[name] = tmp_path / name
        fit(made[name], start_run(made[name], "svm", preset, data, 0, **options), data)
    made["new"], made["light"] = tmp_path / "new", tmp_path / "light"
    start_run(made["new"], "svm", preset, selection, 0)
    write_run(made["light"], read_run(trained / "seed0"))
    made["own"] = tmp_path / "own"
    shutil.copytree(trained / "seed0", made["own"])
    of_file = {"model": "net.py:Net", "code_sha256": "0" * 64}
    write_run(made["own"], read_run(trained / "seed0").model_copy(update=of_file))
    for name, message in {
        "other": r"other: was trained on other, not on the data or the split of toy \(",
        "fold": r"fold: was trained on toy, not on the data or the split of toy \(split differs\)",
        "oracle": "oracle: is an oracle",
        "refit": "refit: is refitted, so it was trained on the validation samples; .* or --test",
        "changed": r"changed: was trained on changed spikes \(reverse\)",
        "new": "new: training is not finished; first run: spikebench train --resume",
        "own": "own: is a network from a file of its own, which studies do not load",
        "light": "light: contains no weights.safetensors; train it again",
    }.items():
        with pytest.raises(SpikebenchError, match=message):
            plan(toy, tmp_path / "out", "counts", runs=[made[name]])
    assert plan(toy, tmp_path / "out", "counts", runs=[made["refit"]], tested="test").jobs
    with pytest.raises(TrainingError, match="is a second run of svm with seed 0"):
        plan(toy, tmp_path / "out", "counts", runs=[trained, trained / "seed0"])
    with pytest.raises(SpikebenchError, match="condition units:35: keeps none of the 12 units"):
        plan(toy, tmp_path / "out", "units:35", runs=[trained])
    usual = plan(toy, tmp_path / "out", "units", runs=[trained]).conditions
    assert list(map(str, usual)) == ["clean", "units:2", "units:5", "units:10", "units:20"]
    with pytest.raises(TrainingError, match="not a run"):
        plan(toy, tmp_path / "out", "counts", runs=[tmp_path / "gone"])
    assert not (tmp_path / "out").exists()
    # A folder of the study that holds a run of something else.
    fit(
        tmp_path / "out" / "svm" / "counts" / "seed0",
        start_run(
            *(tmp_path / "out" / "svm" / "counts" / "seed0", "svm", preset, selection, 0),
            condition="reverse",
        ),
        selection,
    )
    with pytest.raises(TrainingError, match="contains another run; choose another folder with -o"):
        plan(toy, tmp_path / "out", "counts", models=["svm"], settings=SVM)
