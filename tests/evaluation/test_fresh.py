"""A fresh test: what is known is left out, what an entry says is counted, and nobody's log leads astray."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import ROOT
from helpers.commands import run
from helpers.synthetic_clips import tone, write_clip
from helpers.trained_entries import forge, make_trained_entry
from numpy.testing import assert_allclose, assert_array_equal
from safetensors.numpy import load_file, save_file

from leaderboard.checks.logs import read_logs
from leaderboard.claims.entry import read_entry
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.errors import ResultError, UnknownNameError
from spikebench.evaluation.fresh_recordings import _decode, _sound, known_recordings, sift
from spikebench.evaluation.fresh_test import (
    InputFormat,
    convert_fresh,
    input_format_of,
    keep_words,
    measure_accuracy,
)
from spikebench.naming.names import name_clips
from spikebench.protocol.opening import open_selection
from spikebench.protocol.results import Encoding, Predictions, read_predictions
from spikebench.recordings.search import find_clips
from spikebench.records.whole_files import file_sha256
from spikebench.spike_files.reader import SpikeFile
from spikebench.store.locate import resolve

WORDS = {"high": 3000.0, "low": 300.0, "other": 1000.0}
LABELS = "{label}/{speaker}_{take}"


def speak(
    folder: Path, speakers: str, takes: int = 2, words: tuple[str, ...] = ("high", "low")
) -> None:
    """Tones as words; speakers differ a little."""
    for word in words:
        for speaker in speakers:
            for take in range(takes):
                frequency = WORDS[word] * (1 + 0.01 * (ord(speaker) - ord("a")) + 0.003 * take)
                samples = tone(seconds=0.2, frequency=frequency)
                write_clip(folder / word / f"{speaker}_{take}.wav", samples)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Recordings, the data that are made of them, and entries on these: one with weights, one without."""
    folder = tmp_path_factory.mktemp("world")
    speak(folder / "recordings", "abcdefgh")
    options = ConversionOptions(n_channels=8, labels=LABELS)
    convert(folder / "recordings", folder / "tones.h5", options, jobs=1)
    with_weights = make_trained_entry(folder / "lif", folder / "tones.h5", "lif")
    without = make_trained_entry(folder / "svm", folder / "tones.h5", "svm", weights=False)
    entries = folder / "entries" / "tones"
    entries.mkdir(parents=True)
    for entry in (with_weights, without):
        shutil.copytree(entry, entries / entry.name)
    speak(folder / "new", "stuv", words=("high", "low", "other"))
    shutil.copy(folder / "recordings" / "low" / "a_0.wav", folder / "new" / "low" / "x_0.wav")
    shutil.copy(folder / "new" / "high" / "s_0.wav", folder / "new" / "high" / "y_0.wav")
    (folder / "new" / "high" / "z_0.wav").write_bytes(b"RIFF no sound")
    write_clip(folder / "new" / "low" / "q_0.wav", np.full((3200, 1), 0.5))  # only an offset
    return {name: folder / name for name in ("recordings", "tones.h5", "entries", "new")} | {
        "lif": entries / with_weights.name,
        "svm": entries / without.name,
    }


def fresh(
    capsys: pytest.CaptureFixture[str], world: dict[str, Path], output: Path, *words: object
) -> tuple[int, str, str]:
    known = ("--without", world["tones.h5"], "--labels", LABELS, "--jobs", 1, "--quiet")
    return run(
        *(capsys, "leaderboard", "fresh", "--audio", world["new"], "-o", output, *known, *words)
    )


def test_entries_with_weights_answer_what_is_fresh(
    world: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    code, out, err = fresh(
        capsys, world, output, world["lif"], "--entries", world["entries"], "--json"
    )
    assert (code, err) == (0, "")
    said = json.loads(out)
    assert said == json.loads((output / "fresh.json").read_text())
    found = said["recordings"]
    assert (found["found"], found["used"], found["words"], found["speakers"]) == (28, 16, 2, 4)
    assert found["other_words"] == 8
    assert {one["file"]: one["reason"] for one in found["left_out"]} == {
        "low/x_0.wav": "is in tones.h5 (the same file)",
        "high/y_0.wav": "is the same recording as high/s_0.wav",
        "high/z_0.wav": "broken or not audio: the type of its content is unknown",
        "low/q_0.wav": "silent: contains only a constant offset",
    }
    assert found["compared_by_file"] == {"digits": 840, "tones.h5": 32}
    (row,) = said["entries"]
    assert row["entry"] == f"tones/{world['lif'].name}"
    assert row["compared_with_its_own_data"] is True
    assert row["spikes"] == "fresh-shd-8-clip-start.h5"
    predictions = [read_predictions(output / name) for name in row["predictions"]]
    assert [one.label.tolist() for one in predictions] == [[0] * 8 + [1] * 8] * 2
    right = [float(np.mean(one.label == one.predicted)) for one in predictions]
    assert row["fresh"]["accuracy"] == pytest.approx(sum(right) / 2, rel=1e-12)
    assert row["fresh"]["samples"] == 16
    assert row["fresh"]["interval"]["method"] == "bootstrap over 4 test speakers"
    claimed = read_entry(world["lif"]).result.summary.test_mean
    assert row["own"]["accuracy"] == pytest.approx(claimed, rel=1e-12)
    assert row["drop"] == pytest.approx(claimed - sum(right) / 2, rel=1e-12, abs=1e-15)
    assert (row["own"]["rank"], row["fresh"]["rank"]) == (1, 1)
    assert "other voices, rooms and microphones" in said["interpretation"]


def test_the_same_command_goes_on_and_other_recordings_are_told(
    world: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = Path(shutil.copytree(world["new"], tmp_path / "new"))
    here = {**world, "new": new}
    words = ("--entries", world["entries"])
    code, out, _ = fresh(capsys, here, tmp_path / "out", *words)
    assert code == 0
    assert "16 of 28 recordings: 2 words, 4 known speakers" in out
    assert "left out: 1 (is in tones.h5 (the same file))" in out
    assert "left out: 1 duplicate" in out
    assert f"not run: tones/{world['svm'].name}: has no weights" in out
    (spikes,) = (tmp_path / "out").glob("*.h5")
    before = (spikes.stat().st_mtime_ns, file_sha256(spikes))
    again = fresh(capsys, here, tmp_path / "out", *words, "--json")
    assert again[0] == 0
    found = json.loads(again[1])["recordings"]
    assert (found["found"], found["used"]) == (28, 16)
    assert {"file": "low/q_0.wav", "reason": "could not be converted"} in found["left_out"]
    assert (spikes.stat().st_mtime_ns, file_sha256(spikes)) == before
    write_clip(new / "low" / "w_0.wav", tone(seconds=0.2, frequency=333.0))
    code, out, err = fresh(capsys, here, tmp_path / "out", *words)
    assert (code, out) == (1, "")
    assert "made from other recordings or with other settings; choose another folder" in err


def test_entries_that_cannot_be_run_are_an_error_when_there_are_no_others(
    world: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = fresh(capsys, world, tmp_path / "out", world["svm"])
    assert (code, out) == (1, "")
    assert "no entry can be run; tones/svm-2-seeds" in err
    assert "has no weights" in err
    assert not (tmp_path / "out").exists()
    code, _, err = fresh(
        capsys, {**world, "new": world["recordings"]}, tmp_path / "out", world["lif"]
    )
    assert code == 1
    assert (
        "no fresh recording is of a class of any entry; 32 left out: high/a_0.wav is in tones.h5"
        in err
    )
    assert not (tmp_path / "out").exists()


def test_a_copy_in_another_format_is_known_by_its_sound(
    world: dict[str, Path], tmp_path: Path
) -> None:
    samples, rate = soundfile.read(world["recordings"] / "low" / "a_0.wav")
    write_clip(tmp_path / "a.flac", samples, rate)
    write_clip(tmp_path / "b.flac", samples + 1e-3, rate)
    clips, _ = find_clips(tmp_path)
    found = sift(clips, known_recordings([world["recordings"]]))
    assert [clip.relative for clip in found.clips] == ["b.flac"]
    assert found.digests == [file_sha256(tmp_path / "b.flac")]
    assert [(one.file, one.reason) for one in found.left_out] == [
        ("a.flac", f"is in {world['recordings']} (the same sound)")
    ]
    assert found.sounds == 32
    # A spike file knows the file, not the sound.
    assert len(sift(clips, known_recordings([world["tones.h5"]])).clips) == 2


def test_what_the_data_sets_on_this_machine_hold_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPIKEBENCH_DATA", str(tmp_path / "store"))
    clip = write_clip(tmp_path / "clips" / "a.wav")
    digest = file_sha256(clip)
    (tmp_path / "store" / "heidelberg-digits").mkdir(parents=True)
    manifest = tmp_path / "store" / "heidelberg-digits" / "SHA256SUMS"
    manifest.write_text(f"{digest}  audio/a.flac\n{'0' * 64}  audio/b.flac\n")
    known = known_recordings()
    assert known.counts == {"digits": 840, "heidelberg-digits": 2}
    clips, _ = find_clips(tmp_path / "clips")
    (left_out,) = sift(clips, known).left_out
    assert left_out.reason == "is in heidelberg-digits (the same file)"
    digits = open_selection("digits").dataset
    assert known.covers(digits)
    other = {"sha256": "0" * 64, "name": "mine"}
    assert known.covers(digits.model_copy(update=other))  # written again: the same fingerprint
    assert not known.covers(digits.model_copy(update={**other, "fingerprint": "1" * 64}))
    assert not known.covers(digits.model_copy(update={**other, "fingerprint": None}))
    assert known.covers(digits.model_copy(update={"sha256": "0" * 64, "name": "shd"}))
    for name, file in {"shd": "shd_train.h5", "shd-r": "shd-r.h5"}.items():
        path = tmp_path / "store" / name / file
        path.parent.mkdir()
        convert(tmp_path / "clips", path, ConversionOptions(n_channels=2, labels="none"), jobs=1)
    known = known_recordings()
    assert known.silent == ["shd"]
    assert known.counts == {"digits": 840, "shd-r": 1, "heidelberg-digits": 2}


def test_recordings_become_the_spikes_that_those_of_the_data_became(tmp_path: Path) -> None:
    source = ROOT / "data" / "digits"
    if not source.is_dir():
        pytest.skip("the recordings (data/digits) are only in the repository")
    with SpikeFile(resolve("digits")[0]) as digits:
        assert digits.sources is not None
        chosen = [0, 300, 839]
        files = {digits.sources[k] for k in chosen}
        clips, _ = find_clips(source)
        names = keep_words(name_clips(clips, "heidelberg-digits"), set(digits.keys), files)
        sha256 = [file_sha256(clip.path) for clip in names.clips]
        input_format = InputFormat(digits.n_units, Encoding(preset="shd", time_origin="clip-start"))
        path, skipped = convert_fresh(source, names, sha256, input_format, tmp_path, jobs=1)
        assert skipped == []
        with SpikeFile(path) as fresh_file:
            for here, there in enumerate(chosen):
                for found, known in zip(fresh_file.events(here), digits.events(there), strict=True):
                    assert_array_equal(found, known)


def test_words_and_recordings_are_kept_by_name(world: dict[str, Path]) -> None:
    clips, _ = find_clips(world["new"])
    names = name_clips(clips, LABELS, "auto", "none")
    kept = keep_words(names, {"low", "nothing"}, {"low/s_0.wav", "low/t_1.wav", "high/s_0.wav"})
    assert [clip.relative for clip in kept.clips] == ["low/s_0.wav", "low/t_1.wav"]
    assert [kept.keys[label] for label in kept.labels] == ["low", "low"]
    assert [kept.speaker_names[speaker] for speaker in kept.speakers] == ["s", "t"]


def test_accuracy_is_the_mean_over_seeds_and_its_interval_is_over_speakers() -> None:
    index, label = np.arange(4), np.zeros(4, np.int64)
    first = Predictions(
        index=index, label=label, predicted=np.array([0, 0, 1, 1]), speaker=np.array([0, 0, 1, 1])
    )
    second = Predictions(
        index=index[::-1], label=label, predicted=label, speaker=np.array([1, 1, 0, 0])
    )
    found = measure_accuracy([first, second])
    # Speaker 0: all right; speaker 1: half of it.
    assert (found.accuracy, found.samples, found.seeds) == (0.75, 4, 2)
    assert_allclose((found.interval.low, found.interval.high), (0.5, 1.0), rtol=1e-12)
    assert found.interval.method == "bootstrap over 2 test speakers"


def test_a_hostile_log_is_not_followed(world: dict[str, Path]) -> None:
    (log, _) = read_logs(world["lif"])
    model = read_entry(world["lif"]).result.model
    assert input_format_of(log.run, model, 16).file_name == "fresh-shd-8-clip-start.h5"
    there = log.run.model_copy(update={"encoding": Encoding(preset="../../x")})
    with pytest.raises(UnknownNameError, match=r"unknown preset '../../x'"):
        input_format_of(there, model, 16)
    with pytest.raises(ResultError, match="does not record how its recordings became spikes"):
        input_format_of(log.run.model_copy(update={"encoding": None}), model, 16)
    wide = log.run.dataset.model_copy(update={"n_units": 5000})
    with pytest.raises(ResultError, match="has 5,000 input units; at most 4,096"):
        input_format_of(log.run.model_copy(update={"dataset": wide}), model, 16)
    endless = log.run.dataset.model_copy(update={"n_units": 2**40})
    with pytest.raises(ResultError, match="at most 65536 are read"):
        input_format_of(log.run.model_copy(update={"dataset": endless}), model, 16, large=True)


def test_a_log_with_a_hostile_preset_is_named_and_the_others_are_run(
    world: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Path(shutil.copytree(world["lif"], tmp_path / "bad" / world["lif"].name))
    forge(bad, lambda result: None, lambda run: run["encoding"].update(preset="../../x"))
    code, _, err = fresh(capsys, world, tmp_path / "out", bad)
    assert code == 1
    assert "unknown preset '../../x'" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad"]


def test_an_entry_with_damaged_weights_does_not_keep_the_others_from_being_run(
    world: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Path(shutil.copytree(world["lif"], tmp_path / "bad" / world["lif"].name))
    path = bad / "weights-seed1.safetensors"
    tensors = load_file(path)
    save_file({name: np.full_like(one, np.nan) for name, one in tensors.items()}, path)
    forge(bad, lambda result: result["seeds"][1].update(weights_sha256=file_sha256(path)))
    bad = bad.rename(bad.with_name("other"))
    content = json.loads((bad / "entry.json").read_text())
    (bad / "entry.json").write_text(json.dumps(content | {"id": "other"}))
    code, out, _ = fresh(capsys, world, tmp_path / "out", bad, world["lif"], "--json")
    assert code == 0
    said = json.loads(out)
    assert [row["entry"] for row in said["entries"]] == [f"tones/{world['lif'].name}"]
    (reason,) = said["not_run"]
    assert reason["entry"] == "tones/other"
    assert "contains numbers that are not finite" in reason["reason"]


def test_digests_of_sounds_are_stable(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.wav", np.array([[0.5], [-0.5], [0.0]]), 8000)
    (one,), _ = find_clips(clip)
    expected = hashlib.sha256(b"8000\n" + np.array([16384, -16384, 0], "<i2").tobytes())
    assert _sound(_decode(one)) == expected.hexdigest()
