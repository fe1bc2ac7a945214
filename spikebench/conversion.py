"""Recordings into a spike file: find, name, encode side by side, write in order.

The samples of a file stand in the order of their relative paths. Every clip draws from a generator
seeded by the seed and the SHA-256 of its relative path: the order, the number of workers and the other
clips change nothing, and the file is the same byte for byte. Spikes are written as clips finish; only
a bounded number of clips is in memory.

This is the only module that knows :mod:`cochlea`.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cochlea
from cochlea import CochleaParams, Trace
from spikebench import __version__
from spikebench.audio import Clip, Recording, Skipped, find_clips, printable, read_clip
from spikebench.clip_names import ClipNames, name_clips
from spikebench.errors import (
    AudioError,
    NothingConvertedError,
    SpikebenchError,
    SpikeFileError,
    UnknownNameError,
)
from spikebench.spike_file import SpikeFile, SpikeWriter, refuse_existing
from spikebench.workers import available_cores, worker_pool

__all__ = [
    "ConversionOptions",
    "ConversionReport",
    "characteristic_frequency",
    "clip_seed",
    "convert",
    "trace_sample",
]


@dataclass(frozen=True)
class ConversionOptions:
    """What decides the contents of the file.

    Attributes
    ----------
    preset
        Name of a preset of the cochlea.
    n_channels
        Channels along the membrane.
    native_rate
        Keep the rate of each recording, whatever the preset says.
    seed
        0 … 2⁶³ - 1.
    labels, speakers, split
        Sources; see :mod:`spikebench.clip_names`.
    max_duration
        Longest clip that is taken [s].
    time_dtype
        ``float32``, or ``float16`` as in the published files.
    synthetic
        The voices are synthetic; the file says so, and with it every result on it.
    """

    preset: str = "shd"
    n_channels: int = 700
    native_rate: bool = False
    seed: int = 0
    labels: str = "auto"
    speakers: str = "auto"
    split: str = "auto"
    max_duration: float = 60.0
    time_dtype: str = "float32"
    synthetic: bool = False


@dataclass(frozen=True)
class ConversionReport:
    """What was done: the file, what it holds, what was left out and why."""

    file: Path
    samples: int
    spikes: int
    audio_seconds: float
    classes: tuple[str, ...]
    skipped: list[Skipped]
    wall_seconds: float


@dataclass(frozen=True)
class _Encoded:
    times: NDArray[np.float64]
    units: NDArray[np.uint16]
    sha256: str
    sample_rate: int
    duration: float
    n_channels: int


@dataclass(frozen=True)
class _Task:
    clip: Clip
    params: CochleaParams
    options: ConversionOptions


def convert(
    source: Path,
    output: Path,
    options: ConversionOptions | None = None,
    *,
    jobs: int | None = None,
    overwrite: bool = False,
    executor: Executor | None = None,
    notify: Callable[[str], None] = lambda text: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ConversionReport:
    """Convert a folder of recordings, or one recording, into a spike file.

    Parameters
    ----------
    source
        Folder (searched with everything below it) or audio file.
    output
        The spike file to make, whole or not at all.
    options
        What decides its contents.
    jobs
        Clips encoded at the same time; by default one per core.
    overwrite
        Whether a file that is there may be replaced.
    executor
        Where to encode instead of local processes; ``jobs`` says how many clips it takes at a time.
    notify
        Called with one line for every decision and every clip left out.
    progress
        Called with the number of clips done and their total.

    Returns
    -------
    ConversionReport
        What was done.

    Raises
    ------
    NothingConvertedError
        If no clip was usable; there is no file then.
    AudioError, OutputExistsError, SpikeFileError, UnknownNameError, SpikebenchError
        If the source, the output or an option cannot be used; nothing was done then.
    """
    started = time.monotonic()
    options = options or ConversionOptions()
    params = _parameters(options.preset, options.native_rate)
    if not 0 < options.max_duration < math.inf:
        raise SpikebenchError(f"the longest duration must be positive, got {options.max_duration}")
    refuse_existing(output, overwrite)
    clips, skipped = find_clips(source)
    if os.path.realpath(output) in {os.path.realpath(clip.path) for clip in clips}:
        raise SpikebenchError(f"{printable(str(output))}: is one of the recordings to convert")
    names = name_clips(clips, options.labels, options.speakers, options.split)
    skipped += names.skipped
    for line in [*names.notices, *(f"skipped {one.file}: {one.reason}" for one in skipped)]:
        notify(line)
    jobs = min(jobs or available_cores(), max(len(names.clips), 1))
    tasks = [_Task(clip, params, options) for clip in names.clips]
    writer = SpikeWriter(
        output,
        options.n_channels,
        names.keys,
        _provenance(source, params, options, names),
        options.time_dtype,
        overwrite,
        names.speaker_names,
    )
    with writer:
        if executor is not None:
            outcomes = _in_order(executor, tasks, 2 * jobs)
            seconds = _write(writer, names, params, outcomes, skipped, notify, progress)
        else:
            with worker_pool(jobs, __name__) as pool:
                outcomes = _in_order(pool, tasks, 2 * jobs if jobs > 1 else 1)
                seconds = _write(writer, names, params, outcomes, skipped, notify, progress)
        if writer.n_samples == 0:
            raise NothingConvertedError(
                f"{printable(str(source))}: no usable recording among {len(skipped)}, no file "
                f"written; the first: {skipped[0].file}: {skipped[0].reason}"
            )
    return ConversionReport(
        output,
        writer.n_samples,
        writer.n_spikes,
        seconds,
        names.keys,
        skipped,
        time.monotonic() - started,
    )


def clip_seed(seed: int, key: bytes) -> list[int]:
    """Make the seed of one clip.

    Parameters
    ----------
    seed
        Of the conversion.
    key
        Relative POSIX path of the clip, as bytes.

    Returns
    -------
    list of int
        The seed and the eight little-endian 32-bit words of the SHA-256 of the path.
    """
    digest = hashlib.sha256(key).digest()
    return [seed, *(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4))]


def characteristic_frequency(n_channels: int) -> NDArray[np.float64]:
    """Compute the frequency that moves each channel most.

    Parameters
    ----------
    n_channels
        Channels along the membrane.

    Returns
    -------
    ndarray of float64, shape (n_channels,)
        Hz, falling.
    """
    return np.asarray(cochlea.characteristic_frequency(n_channels), dtype=np.float64)


def trace_sample(spikes: SpikeFile, recording: Recording, channels: Sequence[int]) -> Trace:
    """Compute the stages before the spikes, as they were when the file was made.

    Parameters
    ----------
    spikes
        A file that :func:`convert` made.
    recording
        The recording of one of its samples.
    channels
        Indices of the channels wanted.

    Returns
    -------
    Trace
        Membrane velocity and release probability, shape (len(channels), n) each, and their rate [Hz].

    Raises
    ------
    SpikeFileError
        If the file does not say how it was made, or was made with parameters of another version.
    """
    made = spikes.provenance
    name = printable(str(spikes.path))
    if not isinstance(made.get("preset"), str) or "parameters" not in made:
        raise SpikeFileError(f"{name}: does not say how it was made, so its stages are not known")
    params = _parameters(made["preset"], "resampled_rate_hz" not in made)
    if made["parameters"] != asdict(params):
        raise SpikeFileError(
            f"{name}: made with other parameters than preset {made['preset']} has now"
        )
    return cochlea.trace(
        recording.samples, recording.sample_rate, params, spikes.n_units, list(channels)
    )


def _parameters(preset: str, native_rate: bool) -> CochleaParams:
    if preset not in cochlea.PRESETS:
        raise UnknownNameError("preset", preset, cochlea.PRESETS)
    params = cochlea.PRESETS[preset]
    return replace(params, input_rate=None) if native_rate else params


def _provenance(
    source: Path, params: CochleaParams, options: ConversionOptions, names: ClipNames
) -> dict[str, Any]:
    """Say how the file is made; no time and no number of workers, so that equal runs give equal bytes."""
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "numba", "soxr"))
    provenance = {
        "software": f"spikebench {__version__} ({libraries})",
        "preset": options.preset,
        "parameters": asdict(params),
        "seed": options.seed,
        "source_root": str(source),
        "time_origin": "clip start",
        "labels_from": names.rules[0],
        "speakers_from": names.rules[1],
        "split_from": names.rules[2],
    }
    if options.synthetic:
        provenance["synthetic_voices"] = 1
    if params.input_rate is not None:
        provenance["resampled_rate_hz"] = params.input_rate
    return provenance


def _in_order(executor: Executor, tasks: Iterable[_Task], window: int) -> Iterator[_Encoded | str]:
    """Yield outcomes in the order of the tasks, with at most ``window`` of them under way."""
    waiting: deque[Future[_Encoded | str]] = deque()
    try:
        for task in tasks:
            waiting.append(executor.submit(_encode, task))
            if len(waiting) >= window:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenExecutor:
        raise SpikebenchError(
            "a worker process died (killed, or out of memory?); try again with fewer --jobs"
        ) from None


def _encode(task: _Task) -> _Encoded | str:
    """Read and encode one clip; a clip that cannot be used gives the reason instead."""
    options = task.options
    try:
        recording = read_clip(task.clip.path, options.max_duration)
        times, units = cochlea.encode(
            recording.samples,
            recording.sample_rate,
            task.params,
            options.n_channels,
            clip_seed(options.seed, task.clip.key),
        )
    except (AudioError, ValueError) as error:
        return printable(str(error))
    except MemoryError:
        return "needs more memory than there is"
    return _Encoded(
        times,
        units,
        recording.sha256,
        recording.sample_rate,
        recording.duration,
        recording.n_channels,
    )


def _write(
    writer: SpikeWriter,
    names: ClipNames,
    params: CochleaParams,
    outcomes: Iterator[_Encoded | str],
    skipped: list[Skipped],
    notify: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> float:
    """Write outcomes as they come; return the seconds of audio in the file."""
    seconds = 0.0
    mixed = resampled = 0
    total = len(names.clips)
    progress(0, total)
    for i, (clip, outcome) in enumerate(zip(names.clips, outcomes, strict=True)):
        if isinstance(outcome, str):
            skipped.append(Skipped(printable(clip.relative), outcome))
            notify(f"skipped {printable(clip.relative)}: {outcome}")
        else:
            writer.append(
                outcome.times,
                outcome.units,
                int(names.labels[i]),
                int(names.speakers[i]),
                names.splits[i],
                clip.relative,
                outcome.sha256,
                outcome.sample_rate,
                outcome.duration,
                outcome.n_channels,
            )
            seconds += outcome.duration
            mixed += outcome.n_channels > 1
            resampled += params.input_rate not in (None, outcome.sample_rate)
        progress(i + 1, total)
    if mixed:
        notify(f"mixed down to one channel: {mixed} recordings")
    if resampled:
        notify(f"resampled to {params.input_rate} Hz: {resampled} recordings")
    return seconds
