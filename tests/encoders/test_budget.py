"""The parameter that gives a wanted number of spikes: by hand, for every encoder, and in a conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from helpers.commands import run
from helpers.synthetic_clips import write_clip
from numpy.typing import NDArray

from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.encoders import ENCODERS
from spikebench.encoders.budget import Heard, fit_budget, mean_spikes
from spikebench.encoders.encoder import Encoder, SpikeControl, Spikes, make_encoder
from spikebench.errors import ConversionStateError, SpikebenchError
from spikebench.spike_files.reader import SpikeFile

RATE = 16_000


def word(seed: int, seconds: float = 0.3) -> NDArray[np.float64]:
    t = np.arange(round(RATE * seconds)) / RATE
    noise = np.random.default_rng(seed).standard_normal(t.size)
    return (
        0.1 * np.sin(np.pi * t / seconds) ** 2 * (noise + np.sin(2 * np.pi * (200 + 99 * seed) * t))
    )


@dataclass(frozen=True)
class AboveParams:
    """Threshold, of full scale."""

    threshold: float = 0.5


class Above(Encoder):
    """A spike for every sample above the threshold."""

    name = "above"
    presets: ClassVar[Mapping[str, AboveParams]] = {"default": AboveParams()}
    control = SpikeControl("threshold", 0.01, 1.0)

    def encode(self, samples: NDArray[np.float64], sample_rate: int, seed: Sequence[int]) -> Spikes:
        at = np.flatnonzero(samples >= self.params.threshold)
        return Spikes(at / sample_rate, np.zeros(at.size, np.uint16))


def test_a_ramp_by_hand() -> None:
    # Of samples k/1000, those from θ on spike; two recordings of which one is silent: half as many on average.
    recordings = [Heard(np.arange(1000) / 1000, 1000, [0]), Heard(np.zeros(10), 1000, [0])]
    best, mean = fit_budget(Above("default", AboveParams(), 1), recordings, 100)
    assert mean == pytest.approx(100, rel=0.005)
    assert best.params.threshold == pytest.approx(0.8, abs=0.002)
    assert mean_spikes(best, recordings) == mean
    with pytest.raises(
        SpikebenchError, match="600 spikes per recording cannot be reached by thresh"
    ):
        fit_budget(best, recordings, 600)


def test_a_code_that_jumps_gives_its_closest() -> None:
    steps = [Heard(np.repeat([0.2, 0.4, 0.8], 100), 1000, [0])]  # 0, 100, 200 or 300 spikes
    best, mean = fit_budget(Above("default", AboveParams(), 1), steps, 130)
    assert mean == 100
    assert 0.4 < best.params.threshold <= 0.8


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_keeps_a_budget(name: str) -> None:
    encoder = make_encoder(name, None, 16)
    recordings = [Heard(word(k), RATE, [0, k]) for k in range(2)]
    best, mean = fit_budget(encoder, recordings, 150)
    assert mean == pytest.approx(150, rel=0.03)
    assert encoder.control is not None
    assert list(best.settings) == [encoder.control.setting]
    assert mean_spikes(best, recordings) == mean


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for split, first in (("train", 0), ("test", 10)):
        for k in range(3):
            for label in "ab":
                write_clip(
                    tmp_path / "audio" / split / label / f"{k}.wav", word(first + k)[:, None]
                )
    return tmp_path / "audio"


def test_only_training_recordings_count(audio: Path, tmp_path: Path) -> None:
    options = ConversionOptions(encoder="gammatone", n_channels=16, spikes=300)
    convert(audio, tmp_path / "a.h5", options, jobs=1)
    with SpikeFile(tmp_path / "a.h5") as file:
        made = file.provenance
        counts = np.asarray(file.spike_counts)
        training = np.array([split == "train" for split in file.splits or ()])
    assert made["spike_budget"]["wanted"] == 300
    assert made["spike_budget"]["recordings"] == training.sum() == 6
    assert counts[training].mean() == pytest.approx(made["spike_budget"]["mean"], abs=0.01)
    assert counts[training].mean() == pytest.approx(300, rel=0.005)
    threshold = made["settings"]["threshold"]
    for path in (audio / "test").rglob("*.wav"):
        write_clip(path, word(50)[:, None])
    convert(audio, tmp_path / "b.h5", options, jobs=1)
    with SpikeFile(tmp_path / "b.h5") as file:
        assert file.provenance["settings"]["threshold"] == threshold


def test_an_interrupted_conversion_finds_the_same(audio: Path, tmp_path: Path) -> None:
    options = ConversionOptions(encoder="step_forward", n_channels=16, spikes=60)

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(audio, tmp_path / "a.h5", options, jobs=1, progress=stop)
    with pytest.raises(ConversionStateError, match="threshold_db was"):
        convert(audio, tmp_path / "a.h5", replace(options, spikes=90), jobs=1)
    assert convert(audio, tmp_path / "a.h5", options, jobs=1).resumed == 2


def test_what_the_command_refuses(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["convert", audio, tmp_path / "a.h5", "--encoder", "mel_latency", "--quiet", "--spikes"]
    code, _, error = run(capsys, *words, "100000")
    assert code == 1
    assert "100,000 spikes per recording cannot be reached by threshold" in error
    code, _, error = run(capsys, *words, "100", "--split", "none")
    assert code == 1
    assert "no recording is one: name them with --split" in error
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]
