"""Stages before the spikes, computed again for a sample of a spike file."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.synthetic_clips import tone, write_clip
from numpy.testing import assert_array_equal

import cochlea
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.encoders.cochlea.stages import trace_sample
from spikebench.errors import SpikeFileError
from spikebench.recordings.decoding import read_clip
from spikebench.spike_files.reader import SpikeFile
from spikebench.spike_files.writer import SpikeWriter

OPTIONS = ConversionOptions(n_channels=20)


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    write_clip(tmp_path / "audio" / "1.wav", tone(16_000, 0.1, 300.0))
    return tmp_path / "audio" / "1.wav"


def test_stages_are_those_of_the_file(recording: Path, tmp_path: Path) -> None:
    convert(recording, tmp_path / "a.h5", OPTIONS)
    clip = read_clip(recording)
    with SpikeFile(tmp_path / "a.h5") as spikes:
        trace = trace_sample(spikes, clip, [3, 7])
    whole = cochlea.trace(clip.samples, clip.sample_rate, "shd", 20, [3, 7])
    assert_array_equal(trace.velocity, whole.velocity)
    assert_array_equal(trace.p_fire, whole.p_fire)


def test_stages_need_to_know_how_the_file_was_made(recording: Path, tmp_path: Path) -> None:
    clip = read_clip(recording)
    for i, made in enumerate(({}, {"preset": "shd", "parameters": {"level": 0.5}})):
        with SpikeWriter(tmp_path / f"{i}.h5", 20, [], made):
            pass
    with pytest.raises(SpikeFileError, match="does not record its preset"):
        trace_sample(SpikeFile(tmp_path / "0.h5"), clip, [0])
    with pytest.raises(SpikeFileError, match="made with other parameters than those of preset shd"):
        trace_sample(SpikeFile(tmp_path / "1.h5"), clip, [0])


def test_another_encoder_has_other_stages(recording: Path, tmp_path: Path) -> None:
    made = {"encoder": "rate", "preset": "shd", "parameters": {"level": 0.5}}
    with SpikeWriter(tmp_path / "a.h5", 20, [], made):
        pass
    with (
        SpikeFile(tmp_path / "a.h5") as spikes,
        pytest.raises(SpikeFileError, match="made by the encoder rate; only cochlea has"),
    ):
        trace_sample(spikes, read_clip(recording), [0])
