"""TimedScores of a trained model: from spikes and recordings, over the time heard, and while it listens."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile
import torch
from helpers.toy import N_UNITS, write_toy
from numpy.testing import assert_allclose

from cli.main import main
from spikebench.deployment.prediction import Listener, TimedScores
from spikebench.errors import ProtocolError, SpikeFileError, TrainingError
from spikebench.presets.preset import read_preset
from spikebench.protocol.labels import number_labels
from spikebench.protocol.opening import open_selection
from spikebench.spike_files.writer import SpikeWriter
from spikebench.training.inference import bin_samples, run_model
from spikebench.training.loop import fit, start_run

INPUT = ["input.time_step_ms=10", "input.duration_ms=300", "training.batch_size=16"]
LISTENERS = [
    ("lif", ["model.hidden_units=[30, 20]"]),
    *(("rlif", [f"model.readout={how}"]) for how in ("max", "mean", "sum", "last", "softmax")),
    ("adlif", ["model.hidden_units=[12, 9]"]),
    ("lstm", ["model.layers=2"]),
    ("gru", ["model.layers=2"]),
    *(("tcn", [f"model.readout={how}", "model.channels=8"]) for how in ("max", "mean", "last")),
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_toy(tmp_path_factory.mktemp("toy") / "toy.h5")


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples that the run does not know: the same classes in another order, and one more."""
    path = tmp_path_factory.mktemp("others") / "others.h5"
    rng = np.random.default_rng(5)
    order = {"down": np.arange(N_UNITS)[::-1], "up": np.arange(N_UNITS), "else": np.arange(N_UNITS)}
    with SpikeWriter(path, N_UNITS, list(order), {}) as writer:
        for label, units in enumerate(order.values()):
            for _ in range(4):
                unit = np.repeat(units, 4)
                times = 0.02 * np.repeat(np.arange(N_UNITS), 4) + 0.018 * rng.random(unit.size)
                sort = np.lexsort((unit, times))
                writer.append(times[sort], unit[sort], label=label, speaker=0)
    return path


def trained(folder: Path, toy: Path, model: str, *settings: str) -> Path:
    selection = open_selection(str(toy))
    words = [*INPUT, "training.epochs=12", "training.learning_rate=1e-2", *settings]
    fit(folder, start_run(folder, model, read_preset(model, None, words), selection, 0), selection)
    return folder


@pytest.fixture(scope="module")
def run(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    return trained(folder, toy, "rlif", "model.init_fluctuation=1.0", "model.readout=max")


def test_answers_are_those_of_the_model(run: Path, others: Path) -> None:
    listener = Listener(run)
    samples = listener.open_file(others)
    answers = listener.answer(samples)
    binned = bin_samples(samples, listener.record.preset)
    assert answers.predicted[0].tolist() == run_model(listener.model, binned, 5).predicted.tolist()
    assert answers.times.tolist() == [pytest.approx(0.3)]


def test_over_time_the_last_answer_is_that_of_the_whole_clip(run: Path, others: Path) -> None:
    listener = Listener(run)
    samples = listener.open_file(others)
    answers = listener.over_time(samples, 7)
    assert answers.scores.shape == (7, 12, 3)
    assert_allclose(answers.times, np.ceil(np.arange(1, 8) * 30 / 7) * 0.01, rtol=1e-12)
    assert np.array_equal(answers.scores[-1], listener.answer(samples).scores[0])
    # What comes later is not heard: without it, the answers up to there are the same.
    early = [
        s._replace(times=s.times[s.times < 0.1], units=s.units[s.times < 0.1]) for s in samples
    ]
    heard = listener.over_time(samples, 3).scores[0]
    assert np.array_equal(heard, listener.over_time(early, 3).scores[0])
    assert not np.array_equal(heard, listener.answer(samples).scores[0])


@pytest.mark.parametrize(
    ("model", "settings"), LISTENERS, ids=[f"{m}-{'-'.join(s)}" for m, s in LISTENERS]
)
@pytest.mark.parametrize("chunk", [0.01, 0.07, 0.3, 5.0])
def test_listening_chunk_by_chunk_ends_as_the_whole_clip(
    model: str, settings: list[str], chunk: float, toy: Path, others: Path, tmp_path: Path
) -> None:
    folder = trained(tmp_path / "run", toy, model, *settings, "training.epochs=1")
    listener = Listener(folder)
    for sample in list(listener.open_file(others))[::5]:
        heard = list(listener.live(sample, chunk))
        assert heard[-1][0] == pytest.approx(0.3)
        assert len(heard) == max(-(-30 // max(round(chunk / 0.01), 1)), 1)
        whole = listener.answer([sample]).scores[0, 0]
        assert_allclose(heard[-1][1], whole, rtol=1e-5, atol=1e-6)


def test_states_carry_over_bit_for_bit(run: Path, others: Path) -> None:
    listener = Listener(run)
    sample = listener.open_file(others)[3]
    whole = listener.answer([sample]).scores[0, 0]
    for chunk in (0.01, 0.13):
        assert np.array_equal(list(listener.live(sample, chunk))[-1][1], whole)


def test_a_model_that_looks_at_whole_clips_says_so(toy: Path, others: Path, tmp_path: Path) -> None:
    listener = Listener(trained(tmp_path / "run", toy, "cnn", "training.epochs=1"))
    samples = listener.open_file(others)
    with pytest.raises(TrainingError, match="CNN needs whole clips"):
        next(listener.live(samples[0], 0.1))
    assert listener.over_time(samples, 4).scores.shape == (4, 12, 3)


def test_decisions_and_confidence_by_hand() -> None:
    scores = np.log([[[1, 3]], [[3, 1]], [[1, 1.5]], [[1, 4]]]).astype(np.float32)
    answers = TimedScores(np.array([0.1, 0.2, 0.3, 0.4]), scores)
    assert answers.predicted[:, 0].tolist() == [1, 0, 1, 1]
    assert_allclose(answers.confidence[:, 0], [0.75, 0.75, 0.6, 0.8], rtol=1e-6)
    assert answers.decided().tolist() == [0.3]


def test_labels_of_other_data_by_name() -> None:
    labels = np.array([0, 1, 2, -1, 7])
    assert number_labels(labels, ["b", "x", "a"], ["a", "b"]).tolist() == [1, -1, 0, -1, -1]


def test_the_data_of_the_run_are_refused_before_their_spikes_are_opened(
    run: Path, toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(*_: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr("spikebench.deployment.prediction.open_events", opened)
    copy, rewritten = tmp_path / "renamed.h5", tmp_path / "rewritten.h5"
    copy.write_bytes(toy.read_bytes())
    rewritten.write_bytes(toy.read_bytes())
    with h5py.File(rewritten, "a") as file:
        file.attrs["note"] = "other bytes, the same spikes"
    for path in (toy, copy, rewritten):
        with pytest.raises(ProtocolError, match="evaluate --checkpoint"):
            Listener(run).open_file(path)


def test_other_units_are_refused(run: Path, tmp_path: Path) -> None:
    with SpikeWriter(tmp_path / "wide.h5", 40, ["up"], {}) as writer:
        writer.append(np.array([0.1]), np.array([39]), label=0)
    with pytest.raises(SpikeFileError, match="--channels 12"):
        Listener(run).open_file(tmp_path / "wide.h5")


def call(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["predict", *map(str, words)])
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


def test_the_command_on_a_file(
    run: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, picture = tmp_path / "answers.csv", tmp_path / "answers.png"
    words = (run, others, "--over-time", 6, "-o", table, "--plot", picture)
    code, out, err = call(capsys, *words)
    assert (code, err) == (0, "")
    assert "of 8 whose class is known; not a result under the protocol" in out
    assert picture.read_bytes().startswith(b"\x89PNG")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["class"] for row in rows] == ["down"] * 4 + ["up"] * 4 + [""] * 4
    code, out, _ = call(capsys, run, others, "--json", "--over-time", 6)
    said = json.loads(out)
    assert (code, said["clips"], said["with_known_class"]) == (0, 12, 8)
    right = np.mean([row["answer"] == row["class"] for row in rows[:8]])
    assert said["accuracy"] == pytest.approx(right)
    assert len(said["over_time"]) == 6
    assert said["over_time"][-1]["answers as at the end"] == 1
    code, _, err = call(capsys, *words)
    assert code == 1
    assert "answers.csv" in err


def test_the_folder_of_a_result_and_the_name_of_a_data_set(
    run: Path, toy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = tmp_path / "result"
    result.mkdir()
    (result / "seed0").symlink_to(run)
    assert Listener(result).record == Listener(run).record
    code, _, err = call(capsys, result, "digits")
    assert (code, "digits.h5: has 70 units, the model was trained on 12" in err) == (1, True)
    (result / "seed1").symlink_to(run)
    code, _, err = call(capsys, result, "digits")
    assert (code, "contains 2 runs, seed0, seed1; give one: " in err) == (1, True)


def test_a_model_of_synthetic_voices_says_so(
    others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    voices = write_toy(tmp_path / "voices.h5", synthetic=True)
    folder = trained(tmp_path / "run", voices, "lif", "training.epochs=1")
    code, _, err = call(capsys, folder, others)
    assert code == 0
    assert err.startswith(
        "this model was trained on synthetic voices (voices) and has heard no person"
    )
    assert json.loads(call(capsys, folder, others, "--json")[1])["trained_on_synthetic_voices"]


def test_the_command_on_recordings(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("up/a.wav", "down/b.flac"):
        (tmp_path / name).parent.mkdir()
        soundfile.write(tmp_path / name, 0.1 * rng.standard_normal(4800), 16000)
    (tmp_path / "up" / "broken.wav").write_bytes(b"RIFF")
    code, out, err = call(capsys, run, tmp_path, "--labels", "folders", "--json")
    said = json.loads(out)
    assert (code, said["left_out"]) == (3, 1)
    assert [row["class"] for row in said["answers"]] == ["down", "up"]
    assert err.count("left out:") == 1
    assert "broken.wav: " in err
    assert err.endswith("spikebench: 1 left out, 2 classified\n")
    for name in ("c.m4a", "d.m4a"):
        (tmp_path / "up" / name).write_bytes(b"\0\0\0\x20ftypM4A ")
    code, out, err = call(capsys, run, tmp_path, "--live", 300)
    assert (code, out.count("\n")) == (3, 2)
    assert f"left out: {tmp_path}/*.m4a: 2 files" in err
    assert err.endswith("spikebench: 3 left out, 2 classified\n")
    code, out, _ = call(capsys, run, tmp_path / "up" / "a.wav", "--live", 100, "--json")
    heard = [json.loads(line) for line in out.splitlines()]
    assert [line["time_ms"] for line in heard] == [100, 200, 300]
    assert heard[-1]["answer"] == said["answers"][1]["answer"]
    assert heard[-1]["confidence"] == said["answers"][1]["confidence"]


def test_names_that_begin_like_formulas_stay_text_in_the_table(
    run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    names = ["+1.wav", "-1.wav", "=1+1.wav", "@SUM(A1).wav", "good.wav"]
    for name in names:
        soundfile.write(name, 0.1 * rng.standard_normal(4800), 16000)
    code, out, _ = call(capsys, run, ".", "-o", "a.csv", "--json")
    rows = list(csv.DictReader(Path("a.csv").read_text().splitlines()))
    assert [row["clip"] for row in rows] == [*(f"'{name}" for name in names[:4]), "good.wav"]
    assert all(float(row["confidence"]) > 0 for row in rows)
    assert (code, [row["clip"] for row in json.loads(out)["answers"]]) == (0, names)


@pytest.mark.parametrize("words", [["--json"], ["--live", 300]])
def test_clips_longer_than_the_model_hears_are_told_once(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[object]
) -> None:
    heard = Listener(run).n_steps * Listener(run).time_step
    rng = np.random.default_rng(0)
    for name, seconds in (("a", 3 * heard), ("b", 2 * heard), ("c", heard)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, 0.1 * rng.standard_normal(round(16000 * seconds)), 16000)
    code, out, err = call(capsys, run, tmp_path, *words)
    assert code == 0
    assert err == (
        f"2 recordings are longer than the {heard:g} s of input of the model; the rest is ignored\n"
    )
    if words == ["--json"]:
        assert json.loads(out)["longer_than_input"] == 2


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--plot", "a.png"], 2, "--plot needs --over-time"),
        (["--live", 10, "--over-time", 3], 2, "--live cannot be combined with --over-time or -o"),
        (["--live", 10, "-o", "a.csv"], 2, "--live cannot be combined with --over-time or -o"),
        (["--over-time", 3, "--plot", "a.xyz"], 2, "--plot writes .png, .pdf or .svg"),
        (["--live", 0], 2, "not in the range"),
        (["--live", "nan"], 2, "live"),
    ],
)
def test_wrong_words_are_told(
    words: list[object],
    code: int,
    message: str,
    run: Path,
    others: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found, _, err = call(capsys, run, others, *words)
    assert found == code
    assert message in err


def test_what_is_no_run_or_no_source_is_told(
    run: Path, others: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "not a run" in call(capsys, tmp_path, others)[2]
    assert "no such file" in call(capsys, run, tmp_path / "nothing.wav")[2]
    assert "no audio in it" in call(capsys, run, tmp_path)[2]
    assert "Did you mean 'digits'?" in call(capsys, run, "digit")[2]
    (tmp_path / "note.txt").write_text("x")
    assert "not audio" in call(capsys, run, tmp_path / "note.txt")[2]
    (tmp_path / "bad.h5").write_bytes(b"no hdf5")
    code, _, err = call(capsys, run, tmp_path / "bad.h5")
    assert code == 1
    assert err.startswith("spikebench: ")
    assert err.count("\n") == 1
    assert torch.get_num_threads() >= 1
