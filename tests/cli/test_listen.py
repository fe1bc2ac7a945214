"""The command listen: a sound of a packaged sample, its similarity, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers.toy import write_toy

from cli.main import main

DIGITS = Path(__file__).parents[2] / "data" / "digits"


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["listen", *(str(word) for word in words)])
    said = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, said.out, said.err


def test_a_word_of_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "word.wav"
    words = ("digits", "--index", 3, "--audio", DIGITS, "-o", output)
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    said = json.loads(out)
    sound, rate = soundfile.read(output)
    assert rate == said["sample_rate_hz"] == 16_000
    assert sound.size / rate == pytest.approx(said["duration_s"], abs=1e-5)
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.001)
    assert 0.4 < said["spectrogram_correlation"] < 1
    code, _, err = run(capsys, *words)
    assert code == 1
    assert "word.wav" in err
    code, out, _ = run(capsys, *words, "--overwrite", "--rate", 8000)
    assert code == 0
    assert "\ncorrelation with the spectrogram of the recording: 0." in out
    assert soundfile.info(output).samplerate == 8000


def test_a_file_in_the_published_layout_without_recordings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, write_toy(tmp_path / "toy.h5"), "--index", 0, "-o", "a.flac")
    assert code == 0
    assert out.startswith("a.flac: ")
    assert out.count("\n") == 1
    assert err.startswith("no similarity: the file names no recording")


def test_refusals(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tries = [
        (("digits", "--index", 10**6, "-o", "a.wav"), 1, "there is no sample 1000000"),
        (("digits", "--index", 0, "-o", "a.mp3"), 1, "the suffix of a sound must be .wav or .flac"),
        (("digits", "--index", 0, "-o", "no/a.wav"), 1, "no/a.wav"),
        (("digits", "--index", 0, "--audio", "no", "-o", "a.wav"), 1, "no"),
        (("nothing.h5", "--index", 0, "-o", "a.wav"), 1, "nothing.h5"),
    ]
    for words, expected, reason in tries:
        code, out, err = run(capsys, *words)
        assert (code, out) == (expected, ""), words
        assert reason in err
        assert err.count("\n") == 1, err
        assert not list(tmp_path.glob("*.wav")), words
