"""Models on audio: trained and tested on the recordings behind the spikes, recorded as such, refused otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from helpers.commands import run
from helpers.spoken_toy import PITCHES, write_spoken_toy
from helpers.toy import write_toy
from helpers.trained_entries import make_trained_entry
from numpy.testing import assert_allclose

from leaderboard.claims.declaration import own_track
from leaderboard.claims.entry import make_entry, read_entry
from spikebench.deployment.export import export_run
from spikebench.errors import DataError, ResultError, TrainingError
from spikebench.evaluation.final_test import evaluate
from spikebench.evaluation.fresh_test import input_format_of
from spikebench.metrics.cost import GROUPS
from spikebench.metrics.record import Latency, NotApplicable
from spikebench.models import MODELS
from spikebench.models.base import model_class
from spikebench.models.mel_input import LEAST_DEVIATION
from spikebench.presets.preset import Preset, read_preset
from spikebench.protocol.opening import SelectionData, open_selection
from spikebench.protocol.results import read_result
from spikebench.training.inference import bin_samples, build_model, load_trained
from spikebench.training.loop import fit, start_run
from spikebench.training.run import AUDIO_FILE, WEIGHTS_FILE, audio_path, load_tensors
from spikebench.training.run_record import RunRecord

MEL_MODELS = [name for name in MODELS if model_class(name).on_audio]
MEL = ["mel.bands=12", "mel.sample_rate_hz=8000", "mel.highest_hz=4000"]
INPUT = ["input.time_step_ms=10", "input.duration_ms=120", *MEL]
SMALL = {
    "mel_cnn": ["model.filters=[4, 4, 4]", "model.dense_units=16", "model.dropout=0.1"],
    "mel_lstm": ["model.hidden_units=16"],
    "mel_tcn": ["model.channels=16", "model.blocks=2", "model.dropout=0.0"],
}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_spoken_toy(tmp_path_factory.mktemp("spoken"))


@pytest.fixture(scope="module")
def selection(spoken: tuple[Path, Path]) -> SelectionData:
    return open_selection(str(spoken[0]), audio=spoken[1])


def small(model: str, *more: str) -> Preset:
    rate = ["training.epochs=8", "training.learning_rate=1e-2", "training.batch_size=8"]
    return read_preset(model, None, [*INPUT, *rate, *SMALL[model], *more])


def trained(folder: Path, selection: SelectionData, model: str, *more: str) -> RunRecord:
    return fit(folder, start_run(folder, model, small(model, *more), selection, 0), selection)


@pytest.mark.parametrize("name", MEL_MODELS)
def test_a_model_on_audio_learns_what_the_spikes_do_not_tell(
    name: str, tmp_path: Path, selection: SelectionData
) -> None:
    record = trained(tmp_path / "run", selection, name)
    assert record.status == "trained"
    assert (record.input_rate, record.encoding, record.preset.input.mode) == (None, None, "audio")
    assert record.late_events > 0  # some recordings are longer than 120 ms
    result = evaluate([tmp_path / "run"], selection, tmp_path / "result", "c", groups=GROUPS)
    assert result == read_result(tmp_path / "result")
    assert result.training["mel"] == small(name).mel.model_dump()  # type: ignore[union-attr]
    (seed,) = result.seeds
    assert seed.test_accuracy > 0.9  # the spikes of all samples are the same
    assert (seed.test_opened, seed.spikes_per_sample) == (1, None)
    metrics = seed.metrics
    assert metrics is not None
    assert isinstance(metrics.input_sparsity, NotApplicable)
    assert metrics.input_sparsity.not_applicable == f"the input of {name} is sound, not spikes"
    assert metrics.effective_ac == 0.0
    assert isinstance(metrics.effective_mac, float)
    assert metrics.effective_mac > 0
    assert isinstance(metrics.latency, Latency)
    assert metrics.latency.accuracy[-1] == seed.test_accuracy
    assert own_track(result) == "conventional-audio"
    compare_with_onnx(tmp_path, selection, record)


def compare_with_onnx(folder: Path, selection: SelectionData, record: RunRecord) -> None:
    """Export the run, and compare its scores of levels with those of the model."""
    export_run(folder / "run", "onnx", folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    batch = bin_samples(selection.validation, record.preset).batch(np.arange(5))
    (found,) = session.run(["scores"], {"raster": batch.dense().numpy()})
    with torch.no_grad():
        expected = load_trained(folder / "run", record).eval()(batch).scores.numpy()
    assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    said = session.get_modelmeta().custom_metadata_map
    assert (said["input_mode"], said["mel_bands"], said["n_units"]) == ("audio", "12", "12")
    assert said["input"].startswith("cell (t, b): level in dB")
    assert "edge_tolerance_us" not in said


def test_levels_are_standardised_by_the_training_samples(
    tmp_path: Path, selection: SelectionData
) -> None:
    record = trained(tmp_path, selection, "mel_lstm", "training.epochs=1")
    weights = load_tensors(tmp_path / WEIGHTS_FILE)[0]
    samples = bin_samples(selection.train, record.preset)
    frames = [
        samples.batch(np.array([k])).dense()[0, : int(samples.batch(np.array([k])).lengths[0])]
        for k in range(len(samples))
    ]
    levels = torch.cat(frames).double()
    assert_allclose(weights["band_mean"], levels.mean(0), rtol=1e-5)
    expected = levels.std(0, correction=0).clamp(min=LEAST_DEVIATION)
    assert_allclose(weights["band_deviation"], expected, rtol=1e-5)
    model = build_model(record)
    model.measure_input(samples)
    batch = samples.batch(np.arange(3))
    assert_allclose(
        model.values(batch), (batch.dense() - levels.mean(0)) / expected, rtol=0, atol=1e-4
    )


def test_a_refit_and_a_repeated_training_are_exact(
    tmp_path: Path, selection: SelectionData
) -> None:
    more = ("augmentation.unit_shift_percent=9", "augmentation.time_mask_fraction=0.2")
    preset = small("mel_tcn", "training.epochs=2", *more)
    weights = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        record = start_run(folder, "mel_tcn", preset, selection, 3, refit=True)
        assert fit(folder, record, selection).status == "trained"
        weights.append(load_tensors(folder / WEIGHTS_FILE)[0])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    plain = trained(tmp_path / "c", selection, "mel_tcn", "training.epochs=2")
    others = load_tensors(tmp_path / "c" / WEIGHTS_FILE)[0]
    assert plain.refit_epochs is None
    assert not torch.equal(weights[0]["band_mean"], others["band_mean"])  # of more samples


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("mel_lstm", ["training.unit_jitter_percent=2"], "unit_jitter_percent has no effect on au"),
        (
            "mel_lstm",
            ["augmentation.time_jitter_ms=2"],
            "augmentation.time_jitter_ms has no effect",
        ),
        ("mel_lstm", ["regulariser.upper_spikes=2"], "regulariser.upper_spikes has no effect on"),
        ("mel_lstm", ["input.group_units=2"], "input.group_units has no effect on audio"),
        ("mel_lstm", ["input.mode=counts"], r'\[mel\] has no effect with input.mode = "counts"'),
        ("lstm", ["mel.bands=40"], r'\[mel\] has no effect with input.mode = "counts"; remove'),
        ("lstm", ["input.mode=audio"], r'input.mode = "audio" needs the table \[mel\]'),
        ("mel_cnn", ["input.time_step_ms=0.03"], "0.03 ms are 0.48 samples of mel.sample_rate_hz"),
        ("mel_cnn", ["mel.window_ms=10"], "mel.window_ms: is shorter than input.time_step_ms"),
        ("mel_cnn", ["mel.highest_hz=9000"], "mel: lowest_hz < highest_hz ≤ sample_rate_hz / 2 is"),
        ("mel_cnn", ["mel.band=9"], r"mel.band: unknown key 'band'.*Did you mean 'bands'"),
        ("mel_cnn", ["mel.bands=0"], "mel.bands: must be at least 1, not 0"),
    ],
)
def test_settings_without_effect_and_out_of_range_are_refused(
    model: str, settings: list[str], message: str
) -> None:
    with pytest.raises(TrainingError, match=message):
        read_preset(model, None, settings)


def test_model_preset_and_recordings_must_fit(
    tmp_path: Path, spoken: tuple[Path, Path], selection: SelectionData
) -> None:
    data, voices = spoken
    without = open_selection(str(data))
    cases = (
        ("mel_lstm", small("mel_lstm"), without, "works on the recordings .* with --audio FOLDER"),
        ("lstm", read_preset("lstm"), selection, "works on spikes: leave out --audio"),
        ("lstm", small("mel_lstm"), selection, r"works on spikes: remove \[mel\]"),
        ("mel_lstm", read_preset("lstm"), without, 'works on audio: set input.mode = "audio"'),
        ("mel_cnn", small("mel_cnn", "mel.bands=300"), selection, "mel.bands = 300: band 2 lies"),
    )
    with pytest.raises(TrainingError, match="image_units: unknown key"):
        small("mel_cnn", "model.image_units=8")
    for model, preset, opened, message in cases:
        with pytest.raises(TrainingError, match=message):
            start_run(tmp_path / "run", model, preset, opened, 0)
    assert not (tmp_path / "run").exists()
    with pytest.raises(TrainingError, match="the input of this model is audio: give the folder"):
        bin_samples(without.train, small("mel_lstm"))
    with pytest.raises(DataError, match=r"nowhere: there is no such folder; --audio takes"):
        open_selection(str(data), audio=tmp_path / "nowhere")
    nameless = write_toy(tmp_path / "nameless.h5")
    with pytest.raises(DataError, match=r"nameless\.h5: does not name the recordings"):
        open_selection(str(nameless), audio=voices)


def test_a_run_is_resumed_and_tested_where_its_recordings_are(
    tmp_path: Path, spoken: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, voices = spoken
    folder, out = tmp_path / "run", tmp_path / "result"
    settings = [
        word for one in (*INPUT, *SMALL["mel_lstm"], "training.epochs=2") for word in ("--set", one)
    ]
    base = ("--model", "mel_lstm", "--data", data, *settings, "--quiet")
    code, _, err = run(capsys, "train", *base, "-o", folder)
    assert (code, err.count("\n")) == (1, 1)
    assert "give their folder with --audio FOLDER" in err
    assert run(capsys, "train", *base, "--audio", voices, "-o", folder)[0] == 0
    assert audio_path(folder) == voices
    assert str(voices) not in (folder / "run.json").read_text()
    assert run(capsys, "train", "--resume", folder, "--quiet")[0] == 0
    (folder / AUDIO_FILE).unlink()
    code, _, err = run(capsys, "evaluate", "--checkpoint", folder, "-o", out)
    assert (code, "with --audio FOLDER" in err) == (1, True)
    moved = shutil.copytree(voices, tmp_path / "moved")
    code, text, _ = run(
        capsys, "evaluate", "--checkpoint", folder, "--audio", moved, "-o", out, "--json"
    )
    assert code == 0
    assert json.loads(text)["seeds"][0]["test_opened"] == 1
    whole = (*base, "--audio", voices, "-o", tmp_path / "whole", "--json")
    code, text, _ = run(capsys, "evaluate", *whole)
    assert code == 0
    assert "--audio voices" in json.loads(text)["command"]


def test_an_entry_on_audio_is_verified_with_its_recordings(
    tmp_path: Path, spoken: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, voices = spoken
    folder = make_trained_entry(tmp_path, data, "mel_lstm", seeds=1, epochs=2, audio=voices)
    stored = read_entry(folder)
    assert stored.entry.track == "conventional-audio"
    assert stored.tracks == ("conventional-audio",)
    assert (stored.entry.declared.input, stored.entry.declared.time_steps) == ("audio", 30)
    assert stored.parameters_counted
    kinds = ("--inference", "--training")
    words = ("verify", folder, *kinds, "--data", data, "--by", "A. Tester", "--quiet")
    code, _, err = run(capsys, *words)
    assert (code, len(err.splitlines())) == (1, 1)
    assert "give their folder with --audio FOLDER" in err
    code, _, err = run(capsys, *words, "--audio", voices)
    assert (code, err) == (0, "")
    after = read_entry(folder)
    assert after.tier == "verified-training"
    assert after.verifications[0].command.endswith("--audio voices --by 'A. Tester'")
    path = folder / "entry.json"
    kept = json.loads(path.read_text())
    path.write_text(json.dumps(kept | {"track": "conventional-spikes"}))
    with pytest.raises(ResultError, match=r"track conventional-spikes, but the input .* is audio"):
        read_entry(folder)
    spikes = stored.result.model_copy(
        update={"training": stored.result.training | {"input": {"mode": "counts"}}}
    )
    assert own_track(spikes) == "conventional-spikes"
    log = json.loads((folder / "run.json").read_text())["runs"][0]["run"]
    with pytest.raises(ResultError, match="its input is audio"):
        input_format_of(RunRecord.model_validate(log), stored.result.model, 3)
    assert make_entry(stored.result).track == "conventional-audio"


def test_predict_hears_recordings(
    tmp_path: Path,
    spoken: tuple[Path, Path],
    selection: SelectionData,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = trained(tmp_path / "run", selection, "mel_tcn")
    new = tmp_path / "new"
    new.mkdir()
    time, rng = np.arange(9600) / 48_000, np.random.default_rng(0)
    for name, pitch in PITCHES.items():
        sound = 0.3 * np.sin(2 * np.pi * pitch * time) + 0.1 * rng.standard_normal(9600)
        soundfile.write(new / f"{name}.flac", np.stack([sound, sound], axis=1), 48_000)
    code, text, err = run(capsys, "predict", tmp_path / "run", new, "--over-time", "3", "--json")
    assert code == 0
    assert "3 recordings are longer than the 0.12 s of input of the model" in err
    answers = {Path(row["clip"]).stem: row["answer"] for row in json.loads(text)["answers"]}
    assert answers == {name: name for name in PITCHES}
    code, live, _ = run(
        capsys, "predict", tmp_path / "run", new / "low.flac", "--live", "40", "--json"
    )
    assert code == 0
    assert [json.loads(line)["answer"] for line in live.splitlines()][-1] == "low"
    code, _, err = run(capsys, "predict", tmp_path / "run", spoken[0])
    assert (code, "holds spikes, but mel_tcn works on recordings" in err) == (1, True)
    assert record.dataset.n_units == 4  # of the spikes, which have no other part in this


def test_a_sweep_on_audio(
    tmp_path: Path, spoken: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, voices = spoken
    lines = [
        "model = 'mel_lstm'",
        f"data = '{data}'",
        f"audio = '{voices}'",
        "[settings]",
        *(f"{one.replace('=', ' = ')}" for one in (*INPUT, "training.epochs=1")),
        "[grid]",
        "mel.window_ms = [20, 25]",
    ]
    (tmp_path / "spec.toml").write_text("\n".join(lines))
    code, text, _ = run(
        capsys,
        "sweep",
        tmp_path / "spec.toml",
        "-o",
        tmp_path / "out",
        "--workers",
        "1",
        "--json",
        "--quiet",
    )
    assert code == 0
    report = json.loads(text)
    assert report["spec"]["audio"] == "voices"
    assert [len(one["runs"]) for one in report["configurations"]] == [1, 1]
