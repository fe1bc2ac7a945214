"""A device behind the Executor interface; here the device is torch on the CPU, the kernels' slow twin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.synthetic_clips import tone, write_clip

import cochlea
from cli.main import main
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.encoders import device_executor
from spikebench.encoders.clip import clip_seed
from spikebench.encoders.cochlea import device_cochlea
from spikebench.encoders.cochlea.device_cochlea import DeviceCochlea, encode_batch
from spikebench.errors import SpikebenchError
from spikebench.recordings.decoding import read_clip
from spikebench.spike_files.reader import SpikeFile

OPTIONS = ConversionOptions(n_channels=10)


@pytest.fixture
def audio(tmp_path: Path) -> Path:
    for i in range(5):
        write_clip(tmp_path / "audio" / f"{i}.wav", tone(seconds=0.01 + 0.0025 * i))
    write_clip(tmp_path / "audio" / "silent.wav", np.zeros((800, 1)))
    return tmp_path / "audio"


def test_batches_give_the_spikes_of_the_device(
    audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, size in (("a.h5", 64), ("b.h5", 2)):
        monkeypatch.setattr(device_executor, "BATCH", size)
        with device_executor.device_executor("cpu", 1) as executor:
            report = convert(audio, tmp_path / name, OPTIONS, jobs=8, executor=executor)
        assert [one.reason for one in report.skipped] == ["silent"]
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    clips = [read_clip(audio / f"{i}.wav") for i in range(5)]
    seeds = [clip_seed(0, clip.samples, clip.sample_rate) for clip in clips]
    pairs = [(clip.samples, clip.sample_rate) for clip in clips]
    expected = encode_batch(pairs, seeds, cochlea.PRESETS["shd"], 10, "cpu")
    with SpikeFile(tmp_path / "a.h5") as spikes:
        for i in range(5):
            times, units = spikes.events(i)
            np.testing.assert_array_equal(times, expected[i].times.astype(np.float32))
            np.testing.assert_array_equal(units, expected[i].units)
        assert int(spikes.spike_counts.sum()) > 0


def test_a_failure_on_the_device_reaches_the_caller(
    audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise SpikebenchError("out of memory on the device")

    monkeypatch.setattr(device_cochlea, "encode_prepared", fail)
    with (
        pytest.raises(SpikebenchError, match="out of memory on the device"),
        device_executor.device_executor("cpu", 1) as executor,
    ):
        convert(audio, tmp_path / "a.h5", OPTIONS, jobs=8, executor=executor)
    assert not (tmp_path / "a.h5").exists()


def test_it_encodes_clips_and_nothing_else() -> None:
    with (
        device_executor.device_executor("cpu", 1) as executor,
        pytest.raises(TypeError, match="a device executor runs encode_clip only"),
    ):
        executor.submit(print, "hello")


def test_the_file_names_the_device(
    audio: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def on_cpu(device: str, jobs: int | None = None) -> Iterator[object]:
        assert device == "cuda"
        with real("cpu", 1) as executor:
            yield executor

    real = device_executor.device_executor
    monkeypatch.setattr(device_executor, "device_executor", on_cpu)
    described = DeviceCochlea.describe
    monkeypatch.setattr(DeviceCochlea, "describe", lambda self, device: f"{device} (a test)")
    convert(audio, tmp_path / "a.h5", ConversionOptions(n_channels=10, device="cuda"))
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.provenance["device"] == "cuda (a test)"
    encoder = DeviceCochlea(cochlea.PRESETS["shd"], 10)
    assert described(encoder, "cpu").startswith("cpu (CPU), torch 2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_without_a_gpu_the_command_says_so(
    audio: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for device, told in (
        ("cuda", "device cuda: torch finds no CUDA device"),
        ("gpu", "unknown device 'gpu'; known: cuda"),
    ):
        with pytest.raises(SystemExit) as caught:
            main(["convert", str(audio), str(tmp_path / "a.h5"), "--device", device])
        assert caught.value.code == 1
        assert told in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


def test_a_device_and_a_cluster_at_once_are_refused(audio: Path, tmp_path: Path) -> None:
    options = ConversionOptions(n_channels=10, device="cuda")
    with (
        device_executor.device_executor("cpu", 1) as executor,
        pytest.raises(SpikebenchError, match="choose one"),
    ):
        convert(audio, tmp_path / "a.h5", options, executor=executor)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_a_file(audio: Path, tmp_path: Path) -> None:
    options = ConversionOptions(n_channels=10, device="cuda")
    report = convert(audio, tmp_path / "a.h5", options)
    again = convert(audio, tmp_path / "b.h5", options)
    assert report.samples == again.samples == 5
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
