"""Recordings into a spike file: find, name, encode side by side, write in order.

The samples of a file stand in the order of their relative paths. Every clip draws from a generator
seeded by the seed and the SHA-256 of its relative path: the order, the number of workers and the other
clips change nothing, and the file is the same byte for byte.

What is done is kept in a journal beside the file (:mod:`spikebench.conversion_journal`), in whatever order
the clips finish; the file is written from it at the end. Whatever stops a conversion, the same command
goes on: recordings that are done are compared with their SHA-256, the others are converted.
Only a bounded number of clips is in memory.
"""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cochlea
from cochlea import CochleaParams, Trace
from spikebench.audio import Clip, Recording, Skipped, find_clips, printable, read_bytes
from spikebench.clip_encoding import (
    EncodedClip,
    EncodingSettings,
    clip_seed,
    encode_clip,
    software,
)
from spikebench.clip_names import ClipNames, name_clips
from spikebench.conversion_journal import (
    ConversionJournal,
    DoneClip,
    DonePiece,
    as_asked,
    journal_path,
)
from spikebench.errors import (
    AudioError,
    ConversionStateError,
    NothingConvertedError,
    SpikebenchError,
    SpikeFileError,
    UnknownNameError,
)
from spikebench.spike_file import SpikeFile, SpikeWriter, refuse_existing, remove_left_overs
from spikebench.warm_encoding import note
from spikebench.workers import ExecutorLostError, available_cores, worker_pool

__all__ = [
    "ConversionOptions",
    "ConversionReport",
    "characteristic_frequency",
    "clip_seed",
    "convert",
    "request",
    "trace_sample",
]

TIME_ORIGINS = {"clip-start": "clip start", "first-spike": "first spike"}


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
    segment
        Length of the pieces into which recordings are cut [s]; None leaves them whole.
    time_origin
        ``clip-start``, or ``first-spike`` as in the published files: the time of a sample's first spike
        is subtracted from all of them.
    device
        ``cpu``, or ``cuda`` (``cuda:1``) for spikes equal in distribution from a GPU.
    keep_offset
        Keep a constant offset of a recording, as the original does, although it makes the sound softer;
        always so with the preset ``lauscher``.
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
    segment: float | None = None
    time_origin: str = "clip-start"
    device: str = "cpu"
    keep_offset: bool = False


@dataclass(frozen=True)
class ConversionReport:
    """What was done: the file, what it holds, what was left out and why.

    ``resumed`` counts the recordings that an earlier, interrupted run had done.
    """

    file: Path
    samples: int
    spikes: int
    audio_seconds: float
    classes: tuple[str, ...]
    skipped: list[Skipped]
    wall_seconds: float
    resumed: int


@dataclass(frozen=True)
class _Job:
    """One conversion: what was asked for, and the recordings as they were found."""

    source: Path
    params: CochleaParams
    options: ConversionOptions
    names: ClipNames
    stamps: list[tuple[int, int]]  # size and time of change, to notice a source that changes
    notify: Callable[[str], None]

    @property
    def settings(self) -> EncodingSettings:
        o = self.options
        return EncodingSettings(
            *(self.params, o.n_channels, o.seed, o.max_duration, o.segment),
            o.keep_offset or o.preset == "lauscher",
        )


def convert(
    source: Path,
    output: Path,
    options: ConversionOptions | None = None,
    *,
    jobs: int | Callable[[], int] | None = None,
    overwrite: bool = False,
    restart: bool = False,
    executor: Executor | None = None,
    names: Callable[[list[Clip]], ClipNames] | None = None,
    describe: Callable[[int], Mapping[str, Any]] = lambda n_samples: {},
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
        Clips encoded at the same time; by default one per core. A function is asked again and again.
    overwrite
        Whether a file that is there may be replaced.
    restart
        Forget what an interrupted conversion of the same name has done.
    executor
        Where to encode instead of local processes; ``jobs`` says how many clips it takes at a time.
    names
        Labels, speakers and splits of clips, instead of the sources that the options name; the samples
        stand in the order that it gives.
    describe
        What else the file says about itself, from the number of its samples.
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
    ConversionStateError
        If an interrupted conversion cannot go on, a recording changes meanwhile, or what is done cannot
        be kept. What was kept stays.
    AudioError, OutputExistsError, SpikeFileError, UnknownNameError, SpikebenchError
        If the source, the output or an option cannot be used; nothing was done then.
    """
    started = time.monotonic()
    options = options or ConversionOptions()
    params = _parameters(options.preset, options.native_rate)
    _check_options(options, executor)
    refuse_existing(output, overwrite)
    clips, skipped = find_clips(source)
    if os.path.realpath(output) in {os.path.realpath(clip.path) for clip in clips}:
        raise SpikebenchError(f"{printable(str(output))}: is one of the recordings to convert")
    named = (
        names(clips)
        if names is not None
        else name_clips(clips, options.labels, options.speakers, options.split)
    )
    skipped += named.skipped
    for line in [*named.notices, *(f"skipped {one.file}: {one.reason}" for one in skipped)]:
        notify(line)
    job = _Job(source, params, options, named, [_stamp(clip) for clip in named.clips], notify)
    made_by = _provenance(source, options, named)
    asked = request(source, options, named)
    with ConversionJournal(journal_path(output), asked, options.time_dtype, restart) as journal:
        remove_left_overs(output)
        resumed = _require_unchanged(job, journal)
        place, window = _workers(options, jobs, executor, len(named.clips) - len(resumed))
        with place as pool:
            _encode_all(job, journal, pool, window, resumed, progress)
        writer = SpikeWriter(
            *(output, options.n_channels, named.keys, made_by, options.time_dtype, overwrite),
            named.speaker_names,
        )
        with writer:
            seconds = _write(job, journal, writer, skipped)
            writer.annotate(describe(writer.n_samples))
            if writer.n_samples == 0:
                journal.finish()
                raise NothingConvertedError(
                    f"{printable(str(source))}: no usable recording among {len(skipped)}, no file "
                    f"written; the first: {skipped[0].file}: {skipped[0].reason}"
                )
        journal.finish()
    return ConversionReport(
        *(output, writer.n_samples, writer.n_spikes, seconds, named.keys, skipped),
        *(time.monotonic() - started, len(resumed)),
    )


def request(source: Path, options: ConversionOptions, names: ClipNames) -> dict[str, str]:
    """List everything that decides the file, except what is in the recordings.

    Parameters
    ----------
    source
        Folder or audio file.
    options
        Of the conversion.
    names
        The recordings, their classes, speakers and splits.

    Returns
    -------
    dict
        Name → JSON text.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    """
    digest = hashlib.sha256()
    for i, clip in enumerate(names.clips):
        digest.update(clip.key + b"\0%d\0%d\0" % (names.labels[i], names.speakers[i]))
        digest.update(names.splits[i].encode() + b"\n")
    digest.update("\0".join([*names.keys, "", *names.speaker_names]).encode())
    return as_asked(
        {
            **_provenance(source, options, names),
            "channels": options.n_channels,
            "max_duration": options.max_duration,
            "keep_offset": options.keep_offset,
            "time_dtype": options.time_dtype,
            "clips": f"{len(names.clips)} recordings, names and labels {digest.hexdigest()[:12]}",
        }
    )


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
    if made.get("offsets_removed"):
        recording = recording.without_offset()
    return cochlea.trace(
        recording.samples, recording.sample_rate, params, spikes.n_units, list(channels)
    )


def _parameters(preset: str, native_rate: bool) -> CochleaParams:
    if preset not in cochlea.PRESETS:
        raise UnknownNameError("preset", preset, cochlea.PRESETS)
    params = cochlea.PRESETS[preset]
    return replace(params, input_rate=None) if native_rate else params


def _workers(
    options: ConversionOptions,
    jobs: int | Callable[[], int] | None,
    executor: Executor | None,
    n_clips: int,
) -> tuple[AbstractContextManager[Executor], Callable[[], int]]:
    """Decide where to encode, and how many recordings to have under way."""
    asked = jobs if callable(jobs) else lambda: jobs or available_cores()
    if executor is not None:
        return nullcontext(executor), lambda: 2 * asked()
    count = min(asked(), max(n_clips, 1))
    if options.device != "cpu":
        from spikebench.device_executor import BATCH, device_executor

        return device_executor(options.device, count), lambda: 3 * BATCH
    pool = worker_pool(
        count,
        "spikebench.warm_encoding",
        note(_parameters(options.preset, options.native_rate), options.n_channels),
    )
    return pool, lambda: 2 * count if count > 1 else 1


def _check_options(options: ConversionOptions, executor: Executor | None) -> None:
    if not 0 < options.max_duration < math.inf:
        raise SpikebenchError(f"the longest duration must be positive, got {options.max_duration}")
    if options.segment is not None and not 0.01 <= options.segment <= options.max_duration:
        raise SpikebenchError(
            f"a segment must be between 0.01 s and the longest duration ({options.max_duration:g} s), "
            f"got {options.segment:g} s"
        )
    if executor is not None and options.device != "cpu":
        raise SpikebenchError("a device and a cluster at once: choose one")
    if options.time_origin not in TIME_ORIGINS:
        raise UnknownNameError("time origin", options.time_origin, TIME_ORIGINS)


def _provenance(source: Path, options: ConversionOptions, names: ClipNames) -> dict[str, Any]:
    """Say how the file is made; no time and no number of workers, so that equal runs give equal bytes."""
    params = _parameters(options.preset, options.native_rate)
    provenance = {
        "software": software(),
        "preset": options.preset,
        "parameters": asdict(params),
        "seed": options.seed,
        "source_root": str(source),
        "time_origin": TIME_ORIGINS[options.time_origin],
        "labels_from": names.rules[0],
        "speakers_from": names.rules[1],
        "split_from": names.rules[2],
    }
    if options.synthetic:
        provenance["synthetic_voices"] = 1
    if options.segment is not None:
        provenance["segment_s"] = options.segment
    if params.input_rate is not None:
        provenance["resampled_rate_hz"] = params.input_rate
    if options.device != "cpu":
        from spikebench.device_executor import describe_device  # torch only where it is asked for

        provenance["device"] = describe_device(options.device)
    return provenance


def _stamp(clip: Clip) -> tuple[int, int]:
    try:
        status = clip.path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _read(job: _Job, position: int) -> tuple[bytes, str]:
    """Read a recording; its SHA-256 is that of the bytes that are encoded."""
    clip = job.names.clips[position]
    try:
        data = read_bytes(clip.path)
    except AudioError:
        data = b""
    if _stamp(clip) != job.stamps[position] or (data and len(data) != job.stamps[position][0]):
        raise ConversionStateError(
            f"{printable(str(clip.path))}: changed or went away during the conversion; what was done "
            "is kept, --restart begins anew"
        )
    if not data:
        read_bytes(clip.path)  # says why
    return data, hashlib.sha256(data).hexdigest()


def _require_unchanged(job: _Job, journal: ConversionJournal) -> set[int]:
    """Compare the recordings that are done with what they were; return their positions."""
    done = journal.done()
    if done:
        job.notify(f"going on: {len(done)} of {len(job.names.clips)} recordings are done")
    for clip in done:
        try:
            sha256 = _read(job, clip.position)[1]
        except AudioError:
            sha256 = ""
        if sha256 != clip.sha256:
            name = printable(job.names.clips[clip.position].relative)
            raise ConversionStateError(
                f"{name}: is not what it was when it was converted; --restart begins anew"
            )
    return {clip.position for clip in done}


def _encode_all(
    job: _Job,
    journal: ConversionJournal,
    executor: Executor,
    window: Callable[[], int],
    done: set[int],
    progress: Callable[[int, int], None],
) -> None:
    """Encode what is not done, at most ``window()`` recordings at a time, and keep each as it comes."""
    total = len(job.names.clips)
    count = len(done)
    progress(count, total)
    pending: dict[Future[EncodedClip], tuple[int, str]] = {}
    for position in [*(i for i in range(total) if i not in done), None]:
        if position is not None:
            try:
                data, sha256 = _read(job, position)
            except AudioError as error:
                _keep(job, journal, position, "", EncodedClip((), 0, 0, software(), str(error)))
                count += 1
                progress(count, total)
                continue
            key = job.names.clips[position].key
            pending[_submit(executor, data, key, job.settings)] = (position, sha256)
        while pending and (position is None or len(pending) >= window()):
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                where, sha256 = pending.pop(future)
                _keep(job, journal, where, sha256, _result(future))
                count += 1
                progress(count, total)


def _submit(
    executor: Executor, data: bytes, key: bytes, settings: EncodingSettings
) -> Future[EncodedClip]:
    try:
        return executor.submit(encode_clip, data, key, settings)
    except BrokenExecutor as error:
        raise _lost(error) from None


def _result(future: Future[EncodedClip]) -> EncodedClip:
    try:
        encoded = future.result()
    except BrokenExecutor as error:
        raise _lost(error) from None
    if encoded.software != software():
        raise SpikebenchError(
            f"a worker has other versions, its spikes may differ: {encoded.software} there, "
            f"{software()} here"
        )
    return encoded


def _lost(error: BrokenExecutor) -> ConversionStateError:
    why = (
        str(error)
        if isinstance(error, ExecutorLostError)
        else "a worker process died (killed, or out of memory? fewer --jobs need less)"
    )
    return ConversionStateError(f"{why}; what was done is kept, the same command goes on")


def _keep(
    job: _Job, journal: ConversionJournal, position: int, sha256: str, encoded: EncodedClip
) -> None:
    """Write one recording into the journal, and tell what was left out of it."""
    name = printable(job.names.clips[position].relative)
    first_spike = job.options.time_origin == "first-spike"
    pieces = [
        DonePiece(
            *(piece.number, piece.start, piece.duration),
            piece.times - piece.times[0] if first_spike and piece.times.size else piece.times,
            *(piece.units, piece.reason, piece.remarks),
        )
        for piece in encoded.pieces
    ]
    journal.add(
        DoneClip(position, sha256, encoded.sample_rate, encoded.n_channels, encoded.reason), pieces
    )
    for one in _left_out(name, encoded.reason, pieces):
        job.notify(f"skipped {one.file}: {one.reason}")


def _left_out(name: str, reason: str, pieces: list[DonePiece]) -> list[Skipped]:
    if reason:
        return [Skipped(name, reason)]
    return [
        Skipped(f"{name}#{piece.number}" if piece.number else name, piece.reason)
        for piece in pieces
        if piece.reason
    ]


def _write(
    job: _Job, journal: ConversionJournal, writer: SpikeWriter, skipped: list[Skipped]
) -> float:
    """Write the spike file from the journal, in order; return the seconds of audio in it."""
    seconds = 0.0
    mixed = resampled = offsets = clipped = 0
    names = job.names
    for clip in journal.done():
        i, relative = clip.position, names.clips[clip.position].relative
        pieces = list(journal.pieces(i))
        skipped += _left_out(printable(relative), clip.reason, pieces)
        for piece in pieces if not clip.reason else []:
            if piece.reason:
                continue
            writer.append(
                piece.times,
                piece.units,
                int(names.labels[i]),
                int(names.speakers[i]),
                names.splits[i],
                relative,
                clip.sha256,
                clip.sample_rate,
                piece.duration,
                clip.n_channels,
                piece.number,
                piece.start,
            )
            seconds += piece.duration
            offsets += "offset" in piece.remarks
            clipped += "clipped" in piece.remarks
        used = any(not piece.reason for piece in pieces) and not clip.reason
        mixed += used and clip.n_channels > 1
        resampled += used and job.params.input_rate not in (None, clip.sample_rate)
    if mixed:
        job.notify(f"mixed down to one channel: {mixed} recordings")
    if resampled:
        job.notify(f"resampled to {job.params.input_rate} Hz: {resampled} recordings")
    if offsets:
        job.notify(f"constant offset removed: {offsets} recordings (--keep-offset leaves it)")
        writer.annotate({"offsets_removed": offsets})
    if clipped:
        job.notify(f"clipped, peaks were cut off before we came: {clipped} recordings")
    return seconds
