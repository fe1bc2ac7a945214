import hashlib
import struct
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.synthetic_clips import tone, write_clip
from numpy.testing import assert_array_equal

import cochlea
from spikebench.conversion.job import ConversionOptions
from spikebench.conversion.runner import convert
from spikebench.encoders.clip import clip_seed
from spikebench.errors import (
    NothingConvertedError,
    SpikebenchError,
    UnknownNameError,
)
from spikebench.naming.notices import NO_SPEAKERS
from spikebench.recordings.decoding import read_clip
from spikebench.spike_files.reader import SpikeFile

OPTIONS = ConversionOptions(n_channels=20)


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    folder = tmp_path / "audio"
    for i, name in enumerate(("low/1.wav", "low/2.flac", "high/1.wav", "high/2.ogg")):
        write_clip(folder / name, tone(16_000, 0.1, 300.0 * (i + 1), 1 + i % 2))
    return folder


def spikes_of(path: Path) -> dict[str, list[tuple[float, int]]]:
    with SpikeFile(path) as spikes:
        assert spikes.sources is not None
        return {
            source: [(float(t), int(u)) for t, u in zip(*spikes.events(i), strict=True)]
            for i, source in enumerate(spikes.sources)
        }


def test_the_file_holds_what_the_cochlea_says_in_the_order_of_paths(
    recordings: Path, tmp_path: Path
) -> None:
    notes: list[str] = []
    ticks: list[tuple[int, int]] = []
    report = convert(
        recordings,
        tmp_path / "a.h5",
        OPTIONS,
        jobs=1,
        notify=notes.append,
        progress=lambda done, total: ticks.append((done, total)),
    )
    with SpikeFile(tmp_path / "a.h5") as spikes:
        assert spikes.sources == ("high/1.wav", "high/2.ogg", "low/1.wav", "low/2.flac")
        assert spikes.keys == report.classes == ("high", "low")
        assert spikes.labels.tolist() == [0, 0, 1, 1]
        assert spikes.sha256 is not None
        for i, source in enumerate(spikes.sources):
            clip = read_clip(recordings / source)
            assert spikes.sha256[i] == clip.sha256
            expected = cochlea.encode(
                clip.samples, 16_000, "shd", 20, clip_seed(0, clip.samples, 16_000)
            )
            times, units = spikes.events(i)
            assert_array_equal(times, expected.times.astype(np.float32).astype(np.float64))
            assert_array_equal(units, expected.units)
        made = spikes.provenance
    assert report.samples == 4
    assert report.spikes == sum(len(train) for train in spikes_of(tmp_path / "a.h5").values())
    assert report.spikes > 0
    assert abs(report.audio_seconds - 0.4) < 1e-9
    assert (made["preset"], made["seed"], made["n_units"]) == ("shd", 0, 20)
    assert (made["resampled_rate_hz"], made["time_origin"]) == (48_000, "clip start")
    assert made["parameters"]["hair_cell"]["release_rate"] == 2000.0
    assert made["source_root"] == recordings.name
    assert ticks == [(i, 4) for i in range(5)]
    assert notes == [
        "labels: 2 classes from sub-folders: high, low",
        NO_SPEAKERS,
        "mixed down to one channel: 2 recordings",
        "resampled to 48000 Hz: 4 recordings",
    ]


def test_two_workers_write_the_bytes_of_one(recordings: Path, tmp_path: Path) -> None:
    convert(recordings, tmp_path / "one.h5", OPTIONS, jobs=1)
    convert(recordings, tmp_path / "two.h5", OPTIONS, jobs=2)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_another_executor_writes_the_same_bytes(recordings: Path, tmp_path: Path) -> None:
    convert(recordings, tmp_path / "one.h5", OPTIONS, jobs=1)
    with ThreadPoolExecutor(2) as executor:
        convert(recordings, tmp_path / "two.h5", OPTIONS, jobs=2, executor=executor)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "two.h5").read_bytes()


def test_the_seed_decides_and_other_clips_do_not(recordings: Path, tmp_path: Path) -> None:
    convert(recordings, tmp_path / "a.h5", OPTIONS, jobs=1)
    write_clip(recordings / "a_first" / "0.wav")
    (recordings / "low" / "2.flac").unlink()
    convert(recordings, tmp_path / "b.h5", OPTIONS, jobs=1)
    convert(recordings, tmp_path / "c.h5", replace(OPTIONS, seed=1), jobs=1)
    a, b, c = (spikes_of(tmp_path / name) for name in ("a.h5", "b.h5", "c.h5"))
    for source in a.keys() & b.keys():
        assert a[source] == b[source]
    assert b.keys() == c.keys()
    assert b != c


def test_the_seed_of_a_clip_is_what_is_heard() -> None:
    samples = np.array([0.5, -0.0, -0.25])
    packed = struct.pack("<q3d", 16_000, 0.5, 0.0, -0.25)
    words = list(struct.unpack("<8I", hashlib.sha256(packed).digest()))
    assert clip_seed(7, samples, 16_000) == [7, *words]
    assert clip_seed(7, samples, 8_000) != [7, *words]


def test_the_native_rate_is_kept_on_demand(recordings: Path, tmp_path: Path) -> None:
    convert(recordings, tmp_path / "a.h5", OPTIONS, jobs=1)
    convert(recordings, tmp_path / "b.h5", replace(OPTIONS, native_rate=True), jobs=1)
    assert spikes_of(tmp_path / "a.h5") != spikes_of(tmp_path / "b.h5")
    with SpikeFile(tmp_path / "b.h5") as spikes:
        assert "resampled_rate_hz" not in spikes.provenance
        assert spikes.provenance["parameters"]["input_rate"] is None


def test_useless_clips_are_named_and_the_rest_goes_on(recordings: Path, tmp_path: Path) -> None:
    (recordings / "low" / "0.wav").touch()
    write_clip(recordings / "low" / "3.wav", np.zeros((800, 1)))
    write_clip(recordings / "low" / "4.wav", tone(seconds=0.5))
    notes: list[str] = []
    options = replace(OPTIONS, max_duration=0.2)
    report = convert(recordings, tmp_path / "a.h5", options, jobs=1, notify=notes.append)
    reasons = {one.file: one.reason for one in report.skipped}
    assert reasons.keys() == {"low/0.wav", "low/3.wav", "low/4.wav"}
    assert reasons["low/0.wav"] == "empty file"
    assert reasons["low/3.wav"] == "silent"
    assert reasons["low/4.wav"].startswith("longer than 0.2 s")
    assert report.samples == 4
    for file, reason in reasons.items():
        assert f"skipped {file}: {reason}" in notes


def test_nothing_usable_leaves_no_file(tmp_path: Path) -> None:
    write_clip(tmp_path / "audio" / "a.wav", np.zeros((800, 1)))
    with pytest.raises(
        NothingConvertedError, match=r"no usable recording among 1, .*; the first: a.wav: silent"
    ):
        convert(tmp_path / "audio", tmp_path / "a.h5", OPTIONS)
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]


class _Broken(Executor):
    def submit(
        self, fn: Callable[..., object], /, *args: object, **kwargs: object
    ) -> Future[object]:  # type: ignore[override]
        future: Future[object] = Future()
        future.set_exception(BrokenProcessPool("gone"))
        return future


def test_a_dead_worker_is_told_in_one_line(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(SpikebenchError, match="a worker process died"):
        convert(recordings, tmp_path / "a.h5", OPTIONS, executor=_Broken(), jobs=2)
    assert not list(tmp_path.glob("*.h5"))
    assert not list(tmp_path.glob(".*"))


def test_a_recording_is_never_overwritten(recordings: Path) -> None:
    clip = recordings / "low" / "1.wav"
    before = clip.read_bytes()
    with pytest.raises(SpikebenchError, match="is one of the recordings to convert"):
        convert(recordings, clip, OPTIONS, overwrite=True)
    assert clip.read_bytes() == before


def test_an_unknown_preset_offers_the_closest(recordings: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'lauscher'"):
        convert(recordings, tmp_path / "a.h5", replace(OPTIONS, preset="lausher"))
