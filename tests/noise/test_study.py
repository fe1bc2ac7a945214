"""Studies of noise: what is trained and tested, how they go on, and what the report says."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.toy import write_toy
from helpers.voices import convert_voices, write_voices

from spikebench.degradation.conditions import parse_condition
from spikebench.degradation.degraded import DegradedRecordings, Sources
from spikebench.errors import AudioError, DataError, ProtocolError, SpikebenchError, TrainingError
from spikebench.events.dataset import SpikeDataset
from spikebench.metrics.areas import area_weights
from spikebench.metrics.significance import compare_predictions
from spikebench.noise import conversions
from spikebench.noise.report import ALL, NoiseReport
from spikebench.noise.runner import run_study
from spikebench.noise.samples import with_spikes
from spikebench.noise.study import Study, plan_study, sources_of
from spikebench.noise.training import training_condition, training_recordings
from spikebench.presets.preset import read_preset
from spikebench.protocol.opening import open_oracle, open_selection, open_test
from spikebench.records.strict_json import read_record
from spikebench.sweeps.study_watch import StudyProgress
from spikebench.timing.answers import Answers
from spikebench.training.inference import bin_samples, load_trained, run_model
from spikebench.training.loop import fit, start_run
from spikebench.training.run import WEIGHTS_FILE, read_run, write_run

SVM = ["input.duration_ms=200"]
SHORT = ["input.duration_ms=200", "training.epochs=2"]
FEW = "white:0dB,white:20dB,babble:10dB,speed:0.8"


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_voices(tmp_path_factory.mktemp("noise") / "voices")


@pytest.fixture(scope="module")
def spikes(voices: Path) -> Path:
    return convert_voices(voices, voices.parent / "spikes.h5")


@pytest.fixture(scope="module")
def trained(spikes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two trained machines."""
    folder = tmp_path_factory.mktemp("runs")
    selection, preset = open_selection(str(spikes)), read_preset("svm", None, SVM)
    for seed in (0, 1):
        run = folder / f"seed{seed}"
        fit(run, start_run(run, "svm", preset, selection, seed), selection)
    return folder


def plan(voices: Path, output: Path, conditions: str = FEW, **options: object) -> Study:
    return plan_study(voices, output, [conditions], **options)  # type: ignore[arg-type]


def accuracies(report: NoiseReport) -> dict[tuple[str, str, str, str], float]:
    return {
        (one.model, one.trained_on, one.place, one.condition): one.accuracy for one in report.rows
    }


def without_times(folder: Path) -> dict[str, str]:
    """Contents of all answers of a study."""
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in sorted(folder.rglob("answers-*.json"))
    }


def test_runs_are_tested_on_sound_and_on_spikes(
    voices: Path, trained: Path, spikes: Path, tmp_path: Path
) -> None:
    study = plan(voices, tmp_path / "out", runs=[trained])
    assert study.selection.data == str(spikes)
    converted: list[tuple[int, int]] = []
    seen: list[StudyProgress] = []
    report = run_study(
        study, workers=1, converted=lambda *state: converted.append(state), progress=seen.append
    )
    n = len(study.selection.validation)
    assert converted[-1] == (4 * n, 4 * n)
    assert (seen[-1].done, seen[-1].total, seen[-1].failed) == (2, 2, 0)
    found = accuracies(report)
    names = ["clean", *FEW.split(",")]
    assert [one[3] for one in found if one[2] == "sound"] == names
    assert [one[3] for one in found if one[2] == "spikes"] == names[1:]
    assert (
        found["svm", "clean", "sound", "clean"] == read_run(trained / "seed0").validation_accuracy
    )
    assert found["svm", "clean", "sound", "white:0dB"] < found["svm", "clean", "sound", "clean"]
    # By hand: the recordings are degraded, converted and classified one after the other.
    ear, record = study.ear, read_run(trained / "seed0")
    assert ear is not None
    samples = study.selection.validation
    sources = sources_of(study.selection, None)
    assert samples.recordings is not None
    heard = DegradedRecordings.under(
        samples.recordings.of(samples.rows.tolist()),
        [parse_condition("babble:10dB")] * n,
        samples.speakers.tolist(),
        0,
        sources,
    )
    counts = np.zeros((n, 16))
    for k, recording in enumerate(heard.read()):
        spoken, _ = conversions.encode_samples(recording.samples, 16_000, ear.encoder, ear.seed)
        np.add.at(counts[k], spoken.units[spoken.times < 0.2], 1)
    model = load_trained(trained / "seed0", record)
    right = [
        int(run_model(model, bin_samples(one, record.preset), 1).predicted[0]) == label
        for one, label in zip(singles(counts, study), samples.labels, strict=True)
    ]
    assert found["svm", "clean", "sound", "babble:10dB"] == np.mean(right)
    assert report.test_opened == 0
    assert report.encoder == "mel_rate"
    assert report.chance == pytest.approx(1 / 3, rel=1e-12)
    assert report.failed == []
    assert read_record(tmp_path / "out" / "noise.json", NoiseReport) == report
    with (tmp_path / "out" / "noise.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(report.rows) == 9
    assert rows[0]["change"] == ""
    assert str(tmp_path) not in (tmp_path / "out" / "noise.json").read_text()


def singles(counts: np.ndarray, study: Study) -> Iterator[SpikeDataset]:
    """A sample for each row of counts, with all its spikes at the beginning."""
    for k, row in enumerate(counts.astype(int)):
        units = np.repeat(np.arange(row.size), row).astype(np.uint16)
        one = conversions.Converted(np.zeros(units.size, np.float32), units, 0.2)
        yield with_spikes(study.selection.validation.subset([k]), [one])


def test_areas_and_changes_are_those_of_the_rows(
    voices: Path, trained: Path, tmp_path: Path
) -> None:
    report = run_study(
        plan(
            voices,
            tmp_path / "out",
            "white:0dB,white:6dB,white:20dB,pink:5dB,pink:9dB,loss:20%",
            runs=[trained],
        ),
        workers=1,
    )
    found = accuracies(report)
    for place in ("sound", "spikes"):
        parts = []
        for kind, ratios in (("white", [0, 6, 20]), ("pink", [5, 9])):
            own = [found["svm", "clean", place, f"{kind}:{ratio}dB"] for ratio in ratios]
            parts.append(float(np.dot(area_weights(ratios), own)))
            area = report.area("svm", "clean", place, kind)
            assert area is not None
            assert area.area == pytest.approx(parts[-1], rel=1e-9)
        area = report.area("svm", "clean", place, ALL)
        assert area is not None
        assert area.area == pytest.approx(np.mean(parts), rel=1e-9)
    (difference,) = report.differences
    on = {place: report.area("svm", "clean", place) for place in ("sound", "spikes")}
    assert difference.what == "spikes - sound"
    assert on["spikes"]
    assert on["sound"]
    assert difference.difference == pytest.approx(on["spikes"].area - on["sound"].area, abs=1e-9)
    answers = [
        read_record(path, Answers) for path in sorted((tmp_path / "out").rglob("answers-*.json"))
    ]
    speaker = np.array(answers[0].speaker)
    right = [np.stack([one.right(name) for one in answers]) for name in ("white:0dB", "clean")]
    compared = compare_predictions(right, speaker)
    row = next(one for one in report.rows if (one.place, one.condition) == ("sound", "white:0dB"))
    assert (row.change, row.change_low) == (
        compared.differences[0].value,
        compared.differences[0].low,
    )
    assert (row.accuracy, row.low) == (compared.accuracies[0].value, compared.accuracies[0].low)


def test_a_study_goes_on_where_it_was(
    voices: Path, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_study(plan(voices, tmp_path / "whole", runs=[trained]), workers=1)
    monkeypatch.setattr(conversions, "BLOCK", 3)

    def stop(done: int, total: int) -> None:
        if done == 10:
            raise KeyboardInterrupt

    broken = plan(voices, tmp_path / "out", runs=[trained])
    with pytest.raises(KeyboardInterrupt):
        run_study(broken, workers=1, converted=stop)
    assert not (tmp_path / "out" / "noise.json").exists()
    assert len([*(tmp_path / "out" / "conversions").iterdir()]) == 3
    started: list[int] = []
    again = plan(voices, tmp_path / "out", runs=[trained])
    assert run_study(again, workers=1, converted=lambda done, _: started.append(done)) == whole
    assert started[0] == 9
    assert without_times(tmp_path / "out") == without_times(tmp_path / "whole")
    # Nothing is left to do; a further condition is tested alone.
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("answers*")}
    assert run_study(plan(voices, tmp_path / "out", runs=[trained]), workers=1) == whole
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    more = run_study(plan(voices, tmp_path / "out", f"{FEW},loss:20%", runs=[trained]), workers=1)
    assert {*accuracies(whole).items()} < {*accuracies(more).items()}
    # Another seed of the noise has other answers, without mixing them.
    other = run_study(plan(voices, tmp_path / "out", runs=[trained], noise_seed=1), workers=1)
    assert other.noise_seed == 1
    spikes = [[one.input_spikes for one in report.rows] for report in (whole, other)]
    assert spikes[0] != spikes[1]
    # The order of the conditions and damaged answers change nothing.
    first = next(iter(kept))
    first.write_text("{")
    backwards = ",".join(FEW.split(",")[::-1])
    assert run_study(plan(voices, tmp_path / "out", backwards, runs=[trained]), workers=1) == whole


def test_processes_and_one_process_agree(voices: Path, trained: Path, tmp_path: Path) -> None:
    reports = [
        run_study(plan(voices, tmp_path / str(workers), runs=[trained]), workers=workers)
        for workers in (1, 2)
    ]
    assert reports[0] == reports[1]
    assert without_times(tmp_path / "1") == without_times(tmp_path / "2")


def test_the_test_split_is_opened_once_per_run_and_counted(
    voices: Path, spikes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"

    def study(conditions: str = "white:0dB") -> Study:
        return plan(
            voices,
            output,
            conditions,
            data=str(spikes),
            models=["svm"],
            seeds=2,
            settings=SVM,
            tested="test",
        )

    def opened() -> list[int]:
        return [read_run(output / "svm" / "clean" / f"seed{k}").test_opened for k in (0, 1)]

    def stop(done: int, total: int) -> None:
        assert opened() == [1, 1]  # counted before a recording is converted
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study(), workers=1, converted=stop)
    report = run_study(study(), workers=1)
    assert report.test_opened == 2
    assert report.tested == "test"
    assert report.samples == len(open_test(open_selection(str(spikes))))
    assert (output / "noise-test.json").is_file()
    assert not (output / "noise.json").exists()
    run_study(study(), workers=1)
    assert opened() == [1, 1]
    assert run_study(study("white:0dB,loss:20%"), workers=1).test_opened == 4
    # On validation samples nothing is opened.
    options = {"data": str(spikes), "models": ["svm"], "seeds": 2, "settings": SVM}
    assert run_study(plan(voices, output, "white:0dB", **options), workers=1).tested == "validation"
    assert opened() == [2, 2]


def test_models_on_audio_hear_the_same_sound(voices: Path, spikes: Path, tmp_path: Path) -> None:
    mel = [*SHORT, "mel.bands=8", "mel.highest_hz=4000"]
    study = plan(voices, tmp_path / "out", data=str(spikes), models=["mel_lstm"], settings=mel)
    assert study.ear is None
    report = run_study(study, workers=1)
    found = accuracies(report)
    assert {one[2] for one in found} == {"sound"}
    assert report.encoder is None
    record = read_run(tmp_path / "out" / "mel_lstm" / "clean" / "seed0")
    assert found["mel_lstm", "clean", "sound", "clean"] == record.validation_accuracy
    assert not (tmp_path / "out" / "conversions").exists()
    both = plan(
        voices, tmp_path / "both", data=str(spikes), models=["svm", "mel_lstm"], settings=SVM
    )
    assert [entry.on_audio for entry in both.entries] == [False, True]


def test_training_with_noise(voices: Path, spikes: Path, tmp_path: Path) -> None:
    options = {"data": str(spikes), "settings": [*SHORT], "noisy_training": True}
    conditions = "white:0dB,white:20dB,babble:5dB"
    study = plan(voices, tmp_path / "out", conditions, models=["lif"], **options)
    folders = [job.folder.relative_to(study.output).as_posix() for job in study.jobs]
    assert folders == ["lif/clean/seed0", "lif/noise/seed0"]
    report = run_study(study, workers=1)
    found = accuracies(report)
    assert {one[:3] for one in found} == {
        ("lif", kind, place) for kind in ("clean", "noise") for place in ("sound", "spikes")
    }
    assert [one.what for one in report.differences] == [
        "spikes - sound",
        "trained with noise - clean",
    ]
    clean, noisy = (read_run(tmp_path / "out" / folder) for folder in folders)
    sources = sources_of(study.selection, None)
    mixed = training_recordings(study.selection, ["white", "babble"], 0, sources)
    assert noisy.condition == training_condition(mixed)
    assert clean.condition == ""
    drawn = [str(one) for one in mixed.conditions]
    assert 0.2 < sum(one == "clean" for one in drawn) / len(drawn) < 0.8
    assert {one.kind for one in mixed.conditions} == {"clean", "white", "babble"}
    weights = [(tmp_path / "out" / folder / WEIGHTS_FILE).read_bytes() for folder in folders]
    assert weights[0] != weights[1]
    # Nothing else than the command that began it trains or tests it.
    begun, copy = noisy.model_copy(update={"status": "training"}), tmp_path / "copy"
    shutil.copytree(tmp_path / "out" / folders[1], copy)
    write_run(copy, begun)
    with pytest.raises(TrainingError, match="spikebench noise, continues it"):
        fit(copy, begun, study.selection)
    with pytest.raises(TrainingError, match="was trained on changed spikes or recordings"):
        plan(voices, tmp_path / "x", runs=[tmp_path / "out" / "lif" / "noise"])
    # Other training noise is another run, in another folder.
    with pytest.raises(TrainingError, match="contains another run; choose another folder"):
        plan(voices, tmp_path / "out", "pink:5dB,pink:9dB", models=["lif"], **options)
    with pytest.raises(TrainingError, match="needs a condition of noise"):
        plan(voices, tmp_path / "y", "loss:20%", models=["lif"], **options)
    again = plan(voices, tmp_path / "out", conditions, models=["lif"], **options)
    assert all(job.is_trained for job in again.jobs)
    assert run_study(again, workers=1) == report


def test_training_on_audio_with_noise(voices: Path, spikes: Path, tmp_path: Path) -> None:
    mel = [*SHORT, "mel.bands=8", "mel.highest_hz=4000"]
    options = {"data": str(spikes), "settings": mel, "noisy_training": True}
    study = plan(voices, tmp_path / "out", "white:0dB,white:20dB", models=["mel_lstm"], **options)
    report = run_study(study, workers=1)
    found = accuracies(report)
    assert report.failed == []
    assert {one[1] for one in found} == {"clean", "noise"}
    folders = [tmp_path / "out" / "mel_lstm" / kind / "seed0" for kind in ("clean", "noise")]
    assert len({(folder / WEIGHTS_FILE).read_bytes() for folder in folders}) == 2


def test_noise_of_the_user_is_a_condition(voices: Path, trained: Path, tmp_path: Path) -> None:
    noise = write_voices(tmp_path / "kitchen", takes=1, speakers=1)
    study = plan(voices, tmp_path / "out", "recorded:0dB", runs=[trained], noise=noise)
    report = run_study(study, workers=1)
    assert report.conditions == ["clean", "recorded:0dB"]
    assert report.noise_sha256
    assert {one.place for one in report.rows} == {"sound"}
    (noise / "s0_low_0.wav").unlink()
    other = run_study(
        plan(voices, tmp_path / "out", "recorded:0dB", runs=[trained], noise=noise), workers=1
    )
    assert other.noise_sha256 != report.noise_sha256


def test_what_does_not_fit_is_refused_before_anything_starts(
    voices: Path, spikes: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(DataError, match="there is no such folder; --audio"):
        plan(tmp_path / "nowhere", out, runs=[trained])
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError, match=r"s\d_\w+_\d\.wav: no such file.*--audio"):
        plan(empty, out, runs=[trained])
    with pytest.raises(AudioError, match="no audio in it"):
        plan(voices, out, runs=[trained], noise=empty)
    with pytest.raises(SpikebenchError, match="--noise FOLDER"):
        plan(voices, out, "recorded:5dB", runs=[trained])
    with pytest.raises(TrainingError, match="needs data"):
        plan(voices, out, models=["svm"])
    with pytest.raises(TrainingError, match="give the data set with --data"):
        plan(voices, out, data=str(trained / "seed0"), models=["svm"])
    with pytest.raises(DataError, match="does not name the recordings"):
        plan(voices, out, data=str(write_toy(tmp_path / "toy.h5")), models=["svm"])
    # Data of another encoder, and of other recordings.
    other = convert_voices(voices, tmp_path / "other.h5", "mel_latency")
    with pytest.raises(
        ProtocolError, match="was trained on spikes, not on the data or the split of other"
    ):
        plan(voices, out, data=str(other), runs=[trained])
    unfinished, twice = tmp_path / "unfinished", tmp_path / "twice"
    for copy in (unfinished, twice):
        shutil.copytree(trained / "seed0", copy)
    write_run(unfinished, read_run(unfinished).model_copy(update={"status": "training"}))
    with pytest.raises(TrainingError, match="training is not finished"):
        plan(voices, out, runs=[unfinished])
    with pytest.raises(TrainingError, match="is a second run of svm with seed 0"):
        plan(voices, out, runs=[trained, twice])
    (twice / WEIGHTS_FILE).unlink()
    with pytest.raises(TrainingError, match=f"contains no {WEIGHTS_FILE}"):
        plan(voices, out, runs=[twice])
    oracle, preset = open_oracle(str(spikes)), read_preset("svm", None, SVM)
    run = tmp_path / "oracle"
    fit(run, start_run(run, "svm", preset, oracle, 0), oracle)
    with pytest.raises(ProtocolError, match="is an oracle"):
        plan(voices, out, runs=[run])
    refit, selection = tmp_path / "refit", open_selection(str(spikes))
    fit(refit, start_run(refit, "svm", preset, selection, 5, refit=True), selection)
    with pytest.raises(ProtocolError, match="is refitted"):
        plan(voices, out, runs=[refit])
    assert plan(voices, out, runs=[refit], tested="test").jobs
    with pytest.raises(TrainingError, match="model mel_cnn: "):
        plan(voices, out, data=str(spikes), models=["mel_cnn"], settings=["mel.highest_hz=90"])
    assert not out.exists()
    run_study(plan(voices, out, "loss:20%", runs=[trained]), workers=1)
    with pytest.raises(TrainingError, match="a study of noise on other data"):
        plan(voices, out, data=str(other), models=["svm"], settings=SVM)
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "sweep.json").write_text("{}")
    with pytest.raises(TrainingError, match="contains a sweep"):
        plan(voices, tmp_path / "sweep", runs=[trained])


def test_recordings_that_change_on_the_way_stop_the_study(tmp_path: Path) -> None:
    voices = write_voices(tmp_path / "voices", takes=1)
    spikes = convert_voices(voices, tmp_path / "spikes.h5")
    study = plan(voices, tmp_path / "out", data=str(spikes), models=["svm"], settings=SVM)
    samples = study.selection.validation
    assert samples.recordings is not None
    name = samples.recordings.of(samples.rows.tolist()).pieces[-1].name
    sound = (voices / name).read_bytes()
    (voices / name).write_bytes(b"no sound")
    with pytest.raises(DataError, match=f"{name}: is not the recording"):
        run_study(study, workers=1)
    assert [*(tmp_path / "out").rglob("*.partial"), *(tmp_path / "out").rglob("noise.json")] == []
    (voices / name).write_bytes(sound)
    assert run_study(
        plan(voices, tmp_path / "out", data=str(spikes), models=["svm"], settings=SVM), workers=1
    )


def test_a_run_that_fails_does_not_stop_the_others(
    voices: Path, trained: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(trained, runs)
    (runs / "seed1" / WEIGHTS_FILE).write_bytes(b"broken")
    report = run_study(plan(voices, tmp_path / "out", runs=[runs]), workers=1)
    (failed,) = report.failed
    assert failed.seed == 1
    assert "not readable as safetensors" in failed.failed
    assert {one.seeds for one in report.rows} == {1}
    assert json.loads((tmp_path / "out" / "noise.json").read_text())["seeds"][1]["failed"]


def test_sources_without_noise() -> None:
    assert Sources().digest_for("babble") == Sources().digest_for("white") == ""
