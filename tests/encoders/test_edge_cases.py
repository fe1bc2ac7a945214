"""All encoders but the cochlea: silent, clipped and very short recordings, other rates; units and settings."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from helpers.commands import run
from helpers.synthetic_clips import tone, write_clip
from numpy.testing import assert_allclose, assert_array_equal

from spikebench.encoders import ENCODERS
from spikebench.encoders.encoder import Encoder, make_encoder
from spikebench.encoders.provenance import encoder_attributes, encoder_of
from spikebench.errors import SpikebenchError, UnknownNameError
from spikebench.protocol.results import Encoding
from spikebench.spike_files.reader import SpikeFile

RATE = 16_000
OTHERS = [name for name in ENCODERS if name != "cochlea"]


def rising(seconds: float = 0.3, rate: int = RATE) -> np.ndarray:
    """A chirp that grows louder."""
    t = np.arange(round(seconds * rate)) / rate
    return 0.5 * t / seconds * np.sin(2 * np.pi * (300 + 2000 * t) * t)


@pytest.fixture(params=OTHERS)
def encoder(request: pytest.FixtureRequest) -> Encoder:
    return make_encoder(request.param, None, 32)


def test_silence_gives_no_spikes(encoder: Encoder) -> None:
    for n in (1, 50, 4000):
        assert encoder.encode(np.zeros(n), RATE, [0]).times.size == 0


@pytest.mark.parametrize("n", [1, 2, 60, 79, 80, 81])
def test_a_recording_may_be_shorter_than_a_frame(encoder: Encoder, n: int) -> None:
    times, units = encoder.encode(rising()[-n:], RATE, [0])
    assert times.size == units.size
    assert np.all((times >= 0) & (times <= n / RATE))
    decoded = encoder.decode(encoder.encode(rising()[-n:], RATE, [0]), n / RATE)
    assert decoded is None or np.isfinite(decoded.levels).all()


def test_the_gain_changes_nothing(encoder: Encoder) -> None:
    expected = encoder.encode(rising(), RATE, [0])
    for gain in (2.0**-20, 2.0**10):
        found = encoder.encode(gain * rising(), RATE, [0])
        assert_allclose(found.times, expected.times, rtol=0, atol=1e-9)
        assert_array_equal(found.units, expected.units)


def test_clipped_recordings_are_encoded(encoder: Encoder) -> None:
    clipped = np.clip(20 * rising(), -1, 1)
    times, _ = encoder.encode(clipped, RATE, [0])
    assert times.size > 0
    assert np.isfinite(times).all()


@pytest.mark.parametrize("rate", [8000, 48_000])
def test_other_rates_give_similar_spikes(encoder: Encoder, rate: int) -> None:
    expected = encoder.encode(rising(), RATE, [0])
    found = encoder.encode(rising(rate=rate), rate, [0])
    assert found.times.max() <= 0.3
    assert abs(found.times.size - expected.times.size) < 0.12 * expected.times.size + 3
    limit = 0 if rate == 48_000 else 4000  # nothing was sampled above
    cf = encoder.characteristic_frequencies()
    assert cf is not None
    if limit:
        assert np.mean(cf[found.units] > 1.1 * limit) < 0.02


def test_a_native_rate_is_kept_or_refused(encoder: Encoder) -> None:
    native = make_encoder(encoder.name, None, 32, native_rate=True)
    assert native.input_rate is None
    assert native.encode(rising(rate=44_100), 44_100, [0]).times.size > 0
    with pytest.raises(ValueError, match="half the sample rate of 8000 Hz"):
        native.encode(rising(rate=8000), 8000, [0])


def test_a_tone_is_where_its_frequency_is(encoder: Encoder) -> None:
    cf = encoder.characteristic_frequencies()
    assert cf is not None
    at = np.sin(2 * np.pi * 1000 * np.arange(4800) / RATE) * np.hanning(4800)
    _, units = encoder.encode(at, RATE, [0])
    counts = np.bincount(units, minlength=32)
    assert 700 < np.average(cf, weights=counts) < 1500


def test_spikes_depend_on_no_sound_from_after_the_look_ahead(encoder: Encoder) -> None:
    samples = np.random.default_rng(0).standard_normal(4800)
    other = samples.copy()
    other[2400:] *= -np.sign(np.random.default_rng(1).standard_normal(2400))  # of the same level
    if encoder.name == "mel_rate":
        pytest.skip("the random numbers of all frames are drawn in one row")
    assert encoder.look_ahead is not None
    first, second = (encoder.encode(one, RATE, [0]) for one in (samples, other))
    before = [times <= 0.15 - encoder.look_ahead + 1e-9 for times, _ in (first, second)]
    assert before[0].sum() > 30
    for one, two in zip(first, second, strict=True):
        assert_allclose(one[before[0]], two[before[1]], rtol=0, atol=1e-6)
    after = [np.sort(times[times > 0.151 + encoder.look_ahead]) for times, _ in (first, second)]
    assert after[0].shape != after[1].shape or np.any(after[0] != after[1])


@pytest.mark.parametrize("name", OTHERS)
def test_settings_are_kept_with_the_spikes(name: str) -> None:
    encoder = make_encoder(name, None, 32)
    assert encoder.settings == {}
    assert encoder.control is not None
    control = encoder.control.setting
    other = encoder.with_settings({control: getattr(encoder.params, control) * 1.5})
    assert other.settings == {control: getattr(encoder.params, control) * 1.5}
    assert (
        other.encode(rising(), RATE, [0]).times.size
        != encoder.encode(rising(), RATE, [0]).times.size
    )
    assert (
        encoder_of(encoder_attributes(other), 32).params
        == make_encoder(name, None, 32, native_rate=True, settings=other.settings).params
    )
    for wrong in ({control: -1.0}, {control: "loud"}, {control: float("nan")}, {control: True}):
        with pytest.raises(SpikebenchError, match=f"encoder {name}: {control}"):
            encoder.with_settings(wrong)
    with pytest.raises(UnknownNameError, match=f"Did you mean '{control}'"):
        encoder.with_settings({f"{control}s": 1.0})
    json.dumps(asdict(other.params))


def test_the_cochlea_has_a_level() -> None:
    encoder = make_encoder("cochlea", "shd", 8, settings={"level": 0.2})
    assert encoder.settings == {"level": 0.2}
    assert encoder_of(encoder_attributes(encoder), 8).params.level == 0.2
    with pytest.raises(SpikebenchError, match="level must be positive"):
        encoder.with_settings({"level": 0.0})
    with pytest.raises(SpikebenchError, match="encoder cochlea: level: must be a number"):
        encoder.with_settings({"level": "loud"})


@pytest.mark.parametrize(
    ("name", "n_units", "message"),
    [
        ("mel_level_crossing", 7, "the number of units must be even, got 7"),
        ("step_forward", 2000, "2000 units are 1000 bands"),
        ("mel_rate", 400, "400 bands are narrower than the resolution of the window"),
    ],
)
def test_numbers_of_units_that_do_not_suit(name: str, n_units: int, message: str) -> None:
    with pytest.raises(SpikebenchError, match=message):
        make_encoder(name, None, n_units)


def test_records_keep_settings() -> None:
    encoding = Encoding(encoder="gammatone", preset="default", settings={"threshold": 0.2})
    assert Encoding.model_validate_json(encoding.model_dump_json()) == encoding
    assert len({encoding, encoding.model_copy(), Encoding(encoder="gammatone")}) == 2
    assert "settings" not in Encoding(encoder="gammatone").model_dump_json()


def test_files_damaged_in_their_settings() -> None:
    made = encoder_attributes(make_encoder("gammatone", None, 4))
    for settings in ([1], {"threshold": [1]}, {"threshold": -1}, {"nothing": 1}):
        with pytest.raises(SpikebenchError):
            encoder_of({**made, "settings": settings}, 4)


@pytest.mark.parametrize("name", ["gammatone", "mel_level_crossing"])
def test_convert(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for k, rate in enumerate((8000, 48_000)):
        mono = tone(rate, 0.2, 440.0)
        write_clip(tmp_path / "audio" / f"{k}.wav", np.hstack([mono, 0.5 * mono]), rate)
    write_clip(tmp_path / "audio" / "silent.wav", np.zeros((800, 1)), RATE)
    out = tmp_path / "a.h5"
    control = "threshold" if name == "gammatone" else "threshold_db"
    words = ["convert", str(tmp_path / "audio"), str(out), "--encoder", name, "--jobs", "1"]
    words += ["--labels", "none", "--set", f"{control}=0.07", "--quiet"]
    code, _, _ = run(capsys, *words)
    assert code == 3  # one recording is silent
    with SpikeFile(out) as file:
        assert file.n_units == make_encoder(name).n_units
        assert file.n_samples == 2
        assert file.provenance["settings"] == {control: 0.07}
        assert file.provenance["parameters"][control] == 0.07
        assert min(file.spike_counts) > 10
    assert run(capsys, "validate", out)[0] == 0


def test_options_that_are_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_clip(tmp_path / "a.wav", tone(RATE, 0.1), RATE)
    words = ["convert", str(tmp_path / "a.wav"), str(tmp_path / "a.h5"), "--labels", "none"]
    for options, message in (
        (["--encoder", "gamatone"], "Did you mean 'gammatone'"),
        (["--encoder", "gammatone", "--set", "threshold"], "must have the form key=value"),
        (["--encoder", "gammatone", "--set", "threshold=0"], "threshold: must be more than 0"),
        (["--encoder", "gammatone", "--set", "treshold=1"], "Did you mean 'threshold'"),
        (["--encoder", "step_forward", "--channels", "9"], "must be even, got 9"),
    ):
        code, _, error = run(capsys, *words, *options)
        assert code == 1
        assert message in error
        assert len(error.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
