"""Recordings under conditions: which random numbers they get, babble, and noise of the user."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.testing import assert_allclose

from spikebench.degradation.additive import mix, speech_active
from spikebench.degradation.conditions import CLEAN, Condition, parse_condition, select_conditions
from spikebench.degradation.degraded import DegradedRecordings, Sources, degrade, generator_of
from spikebench.degradation.sources import gather_babble, read_noise
from spikebench.errors import AudioError, DataError
from spikebench.recordings.named import NamedRecordings, Piece

RATE = 8000


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Piece:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype="FLOAT", format="WAV")
    return Piece(path.name, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def voices(tmp_path: Path, rng: np.random.Generator) -> NamedRecordings:
    """Eight recordings; a pair of them for each of four speakers."""
    folder = tmp_path / "voices"
    pieces = [write(folder / f"{k}.wav", 0.1 * rng.standard_normal(900 + 50 * k)) for k in range(8)]
    return NamedRecordings(folder, tmp_path / "some.h5", tuple(pieces))


SPEAKERS = (0, 0, 1, 1, 2, 2, 3, 3)


def heard(recordings: NamedRecordings) -> list[np.ndarray]:
    return [recording.samples for recording in recordings.read()]


def under(
    voices: NamedRecordings, name: str, seed: int = 0, sources: Sources | None = None
) -> list[np.ndarray]:
    condition = parse_condition(name)
    conditions = [condition] * len(voices)
    return heard(
        DegradedRecordings.under(
            voices, conditions, SPEAKERS[: len(voices)], seed, sources or Sources()
        )
    )


def test_every_condition_depends_on_recording_kind_and_seed_alone(voices: NamedRecordings) -> None:
    sources = Sources(babble=gather_babble(voices, SPEAKERS))
    for condition in select_conditions(has_recorded=False):
        name = str(condition)
        first, again, other = (under(voices, name, seed, sources) for seed in (0, 0, 1))
        assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
        random = condition.kind in ("white", "pink", "babble", "reverb", "loss")
        same = all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
        assert same != random, name
        lengths = [one.size for one in first] == [one.size for one in heard(voices)]
        assert lengths == (condition.kind != "speed")


def test_names_places_and_other_recordings_change_nothing(
    voices: NamedRecordings, tmp_path: Path
) -> None:
    expected = under(voices, "white:5dB")
    backwards = DegradedRecordings.under(
        voices.of([7, 3]), [parse_condition("white:5dB")] * 2, (3, 1), 0, Sources()
    )
    assert [one.tolist() for one in heard(backwards)] == [expected[k].tolist() for k in (7, 3)]
    renamed = tmp_path / "other" / "name é with spaces.wav"
    renamed.parent.mkdir()
    renamed.write_bytes((voices.folder / "3.wav").read_bytes())
    piece = Piece(renamed.name, voices.pieces[3].sha256)
    alone = NamedRecordings(renamed.parent, tmp_path / "x.h5", (piece,))
    assert under(alone, "white:5dB")[0].tolist() == expected[3].tolist()


def test_strengths_share_their_noise(voices: NamedRecordings) -> None:
    clean = heard(voices)
    loud, soft = under(voices, "pink:5dB"), under(voices, "pink:25dB")
    for plain, one, other in zip(clean, loud, soft, strict=True):
        assert_allclose(one - plain, 10 * (other - plain), rtol=1e-9, atol=1e-12)


def test_clean_and_infinite_ratios_are_the_recordings(voices: NamedRecordings) -> None:
    clean = heard(voices)
    for name in ("clean", "white:infdB", "pink:infdB"):
        assert all(np.array_equal(a, b) for a, b in zip(under(voices, name), clean, strict=True))


def test_the_treatment_names_all_that_is_done(voices: NamedRecordings) -> None:
    sources = Sources(babble=gather_babble(voices, SPEAKERS))
    few = Sources(babble=gather_babble(voices.of(range(6)), SPEAKERS[:6]))

    def treated(name: str, seed: int = 0, known: Sources = sources, who: int = 0) -> str:
        made = DegradedRecordings.under(
            voices.of([0]), [parse_condition(name)], (who,), seed, known
        )
        return made.treatment

    assert treated("white:5dB") == treated("white:5dB", known=few, who=1)
    names = ["clean", "white:5dB", "white:6dB", "pink:5dB", "babble:5dB"]
    found = [*map(treated, names), treated("white:5dB", 1), treated("babble:5dB", known=few)]
    found.append(treated("babble:5dB", who=1))
    assert len({*found}) == len(found)
    assert voices.treatment == ""


def test_babble_is_a_sum_of_other_speakers(voices: NamedRecordings) -> None:
    babble = gather_babble(voices, SPEAKERS)
    # A tone for each speaker instead of noise: who takes part is seen in the spectrum.
    folder = voices.folder.parent / "tones"
    hertz = (500, 900, 1700, 3100)
    time = np.arange(2000) / RATE
    pieces = [
        write(folder / f"{k}.wav", 0.01 * (k + 1) * np.sin(2 * np.pi * hertz[s] * time))
        for k, s in enumerate(SPEAKERS)
    ]
    tones = gather_babble(NamedRecordings(folder, folder / "x.h5", tuple(pieces)), SPEAKERS)
    for speaker in range(4):
        drawn = tones.draw(4000, RATE, speaker, np.random.default_rng(speaker))
        spectrum = np.abs(np.fft.rfft(drawn)) * 2 / drawn.size
        strength = [spectrum[round(one * drawn.size / RATE)] for one in hertz]
        assert strength[speaker] < 0.05
        others = [one for k, one in enumerate(strength) if k != speaker]
        assert (
            min(others) > 0.7
        )  # amplitude √2 for a power of 1, some of it lost where recordings meet
    assert babble.draw(10, RATE, 0, np.random.default_rng(0)).shape == (10,)
    assert tones.digest != babble.digest
    other_rate = tones.draw(4000, 2 * RATE, 0, np.random.default_rng(0))
    spectrum = np.abs(np.fft.rfft(other_rate))
    assert round(np.argmax(spectrum) * 2 * RATE / 4000) in hertz[1:]


def test_babble_uses_some_recordings_of_each_known_speaker(voices: NamedRecordings) -> None:
    many = NamedRecordings(
        voices.folder, voices.spike_file, tuple(Piece("0.wav", f"{k:064x}") for k in range(60))
    )
    babble = gather_babble(many, [0] * 40 + [-1] * 10 + [5] * 10)
    assert babble.speakers == (0,) * 24 + (5,) * 10
    alone = gather_babble(voices, [0] * 8)
    with pytest.raises(DataError, match="another known speaker"):
        alone.draw(5, RATE, 0, np.random.default_rng(0))
    with pytest.raises(DataError, match="another known speaker"):
        gather_babble(voices, [-1] * 8).draw(5, RATE, -1, np.random.default_rng(0))


def test_noise_of_the_user(
    voices: NamedRecordings, tmp_path: Path, rng: np.random.Generator
) -> None:
    folder = tmp_path / "noise"
    stereo = np.stack([np.ones(300), np.linspace(-3, 1, 300)], axis=1) * 0.1
    write(folder / "short é.wav", stereo)
    noise = read_noise(folder)
    mono = stereo.astype(np.float32).astype(float).mean(1)
    speech = heard(voices)[0]
    active = np.ones(speech.size, dtype=bool)
    part = noise.draw(speech.size, RATE, active, generator_of(0, "recorded", "x"))
    start = int(np.argmin(np.abs(mono - part[0]))) if part.size else 0
    assert_allclose(part, np.resize(np.roll(mono, -start), speech.size), rtol=1e-6, atol=1e-9)
    found = under(voices, "recorded:10dB", sources=Sources(recorded=noise))[0] - speech
    ratio = np.mean(speech[speech_active(speech, RATE)] ** 2) / np.mean(
        found[speech_active(speech, RATE)] ** 2
    )
    assert 10 * np.log10(ratio) == pytest.approx(10, abs=1e-9)
    # Names do not matter; contents and other rates do.
    (folder / "short é.wav").rename(folder / "b.wav")
    assert read_noise(folder).digest == noise.digest
    write(folder / "long.wav", rng.standard_normal(48_000), 48_000)
    both = read_noise(folder)
    assert both.digest != noise.digest
    assert both.draw(500, RATE, np.ones(500, bool), rng).shape == (500,)
    assert read_noise(folder / "long.wav").rates == (48_000,)


def test_noise_that_is_silent_under_the_speech_is_drawn_again(tmp_path: Path) -> None:
    mostly = np.zeros(20_000)
    mostly[10_000:10_050] = 0.5
    mostly[10_050:10_100] = -0.5
    write(tmp_path / "n" / "clicks.wav", mostly)
    noise = read_noise(tmp_path / "n")
    active = np.ones(2000, dtype=bool)
    for seed in range(20):
        assert noise.draw(2000, RATE, active, np.random.default_rng(seed)).any()
    nowhere = np.zeros(2000, dtype=bool)
    with pytest.raises(AudioError, match="is silent in 100 places"):
        noise.draw(2000, RATE, nowhere, np.random.default_rng(0))


def test_folders_that_are_no_noise_are_refused_in_one_line(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(AudioError, match=r"empty: no audio in it"):
        read_noise(empty)
    with pytest.raises(AudioError, match="no such file"):
        read_noise(tmp_path / "none")
    for name, samples, why in (
        ("silent", np.zeros(100), "silent"),
        ("constant", np.full(100, 0.5), "silent"),
        ("one", np.array([0.5]), "silent"),
        ("nan", np.array([0.5, np.nan]), "NaN"),
    ):
        write(tmp_path / name / "x.wav", samples)
        with pytest.raises(AudioError, match=rf"x\.wav: .*{why}"):
            read_noise(tmp_path / name)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "x.wav").write_bytes(b"RIFF but no more")
    with pytest.raises(AudioError, match=r"x\.wav: "):
        read_noise(broken)


def test_missing_sources_and_recordings_are_named(voices: NamedRecordings) -> None:
    speech = heard(voices)[0]
    for name, what in (("babble", "training split"), ("recorded", "--noise FOLDER")):
        with pytest.raises(DataError, match=what):
            degrade(speech, RATE, Condition(name, 5.0), np.random.default_rng(0))
    (voices.folder / "2.wav").unlink()
    with pytest.raises(DataError, match=r"2\.wav"):
        under(voices, "white:5dB")


def test_damage_that_is_silent_stays_a_recording(voices: NamedRecordings) -> None:
    assert not any(one.any() for one in under(voices, "loss:100%"))
    assert not any(one.any() for one in under(voices, "level:-100dB"))
    assert degrade(np.array([0.5]), RATE, CLEAN, np.random.default_rng(0)).tolist() == [0.5]


def test_a_mixture_by_hand(voices: NamedRecordings) -> None:
    speech = heard(voices)[4]
    piece = voices.pieces[4]
    noise = generator_of(3, "white", piece.sha256).standard_normal(speech.size)
    assert under(voices, "white:5dB", 3)[4].tolist() == mix(speech, noise, RATE, 5.0).tolist()
