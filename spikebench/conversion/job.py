"""The steps of one conversion: read and encode the unfinished recordings, store them, write the spike file.

The code is independent of where the encoder runs (any Executor) and of the command line.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spikebench.conversion.journal import ConversionJournal, DoneClip, DonePiece
from spikebench.encoders import DEFAULT_ENCODER
from spikebench.encoders.clip import EncodedClip, EncodingSettings, encode_clip
from spikebench.encoders.encoder import Encoder, make_encoder
from spikebench.errors import AudioError, ConversionStateError, SpikebenchError
from spikebench.naming.names import ClipNames
from spikebench.recordings.decoding import read_bytes
from spikebench.recordings.search import Clip, Skipped
from spikebench.records.text import printable
from spikebench.spike_files.writer import SpikeWriter
from spikebench.workers import CallLostError, ExecutorLostError

__all__ = [
    "ConversionOptions",
    "Job",
    "encode_all",
    "require_unchanged",
    "stamp",
    "workers_lost",
    "write_samples",
]


@dataclass(frozen=True)
class ConversionOptions:
    """Options that determine the contents of the file.

    Attributes
    ----------
    preset
        Name of a preset of the encoder; its first one if None.
    n_channels
        Units of the encoder; those of the cochlea are channels along the membrane. None: as many as the encoder has
        by default.
    native_rate
        Keep the sampling rate of each recording, regardless of the preset.
    seed
        0 … 2⁶³ - 1.
    labels, speakers, split
        Sources of the names; see :mod:`spikebench.naming.names`.
    max_duration
        Longest clip that is used [s].
    time_dtype
        ``float32``, or ``float16`` as in the published files.
    synthetic
        The voices are synthetic; the file and every result on it record that.
    segment
        Length of the pieces into which recordings are cut [s]; None leaves them whole.
    time_origin
        ``clip-start``, or ``first-spike`` as in the published files: the time of a sample's first spike
        is subtracted from all of them.
    device
        ``cpu``, or ``cuda`` (``cuda:1``) for spikes equal in distribution from a GPU.
    keep_offset
        Keep a constant offset of a recording, although it makes the sound softer; some encoders always keep it
        (:attr:`spikebench.encoders.encoder.Encoder.keeps_offset`).
    encoder
        Name of the encoder, see :data:`spikebench.encoders.ENCODERS`.
    settings
        Parameters of the encoder that differ from the preset.
    spikes
        Mean number of spikes per recording of the training split, for which a parameter of the encoder is found
        (:mod:`spikebench.conversion.budget`); None leaves it as it is.
    """

    preset: str | None = None
    n_channels: int | None = None
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
    encoder: str = DEFAULT_ENCODER
    settings: Mapping[str, Any] = field(default_factory=dict)
    spikes: int | None = None

    def make_encoder(self) -> Encoder:
        """Create the encoder.

        Returns
        -------
        Encoder
            With ``n_channels`` units.

        Raises
        ------
        UnknownNameError
            If there is no such encoder, preset or setting.
        SpikebenchError
            If a setting is out of bounds, or the number of units does not suit the encoder.
        """
        return make_encoder(
            self.encoder,
            self.preset,
            self.n_channels,
            native_rate=self.native_rate,
            settings=self.settings,
        )


@dataclass(frozen=True)
class Job:
    """One conversion: its options, and the recordings that were found.

    ``stamps`` are size and modification time of every recording (:func:`stamp`); ``notify`` is called with one
    line for every decision.
    """

    source: Path
    encoder: Encoder
    options: ConversionOptions
    names: ClipNames
    stamps: list[tuple[int, int]]
    notify: Callable[[str], None]

    @property
    def settings(self) -> EncodingSettings:
        """Settings for the workers."""
        o = self.options
        return EncodingSettings(
            self.encoder,
            seed=o.seed,
            max_duration=o.max_duration,
            segment=o.segment,
            keep_offset=o.keep_offset or self.encoder.keeps_offset,
        )


def stamp(clip: Clip) -> tuple[int, int]:
    """Return size and modification time of a recording, to detect later changes.

    Parameters
    ----------
    clip
        The recording.

    Returns
    -------
    tuple of int
        Size and modification time; -1 if the file cannot be accessed.
    """
    try:
        status = clip.path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _read(job: Job, position: int) -> bytes:
    """Read a recording, and raise if it changed since it was found."""
    clip = job.names.clips[position]
    try:
        data = read_bytes(clip.path)
    except AudioError:
        data = b""
    if stamp(clip) != job.stamps[position] or (data and len(data) != job.stamps[position][0]):
        raise ConversionStateError(
            f"{printable(str(clip.path))}: changed or was removed during the conversion; finished recordings "
            "are kept, --restart starts over"
        )
    if not data:
        read_bytes(clip.path)  # raises with the reason
    return data


def require_unchanged(job: Job, journal: ConversionJournal) -> set[int]:
    """Check that the finished recordings have not changed since they were converted.

    Parameters
    ----------
    job
        The conversion.
    journal
        Journal of the finished recordings.

    Returns
    -------
    set of int
        Positions of the finished recordings.

    Raises
    ------
    ConversionStateError
        If one of them changed.
    """
    done = journal.done()
    if done:
        job.notify(f"resuming: {len(done)} of {len(job.names.clips)} recordings are done")
    for clip in done:
        if not 0 <= clip.position < len(job.names.clips):
            raise journal.damaged()
        try:
            sha256 = hashlib.sha256(_read(job, clip.position)).hexdigest()
        except AudioError:
            sha256 = ""
        if sha256 != clip.sha256:
            name = printable(job.names.clips[clip.position].relative)
            raise ConversionStateError(
                f"{name}: has changed since it was converted; --restart starts over"
            )
    return {clip.position for clip in done}


def encode_all(
    job: Job,
    journal: ConversionJournal,
    executor: Executor,
    window: Callable[[], int],
    done: set[int],
    progress: Callable[[int, int], None],
) -> None:
    """Encode the unfinished recordings, and store each one when it is finished.

    Parameters
    ----------
    job
        The conversion.
    journal
        Journal that stores the recordings.
    executor
        Executor that runs the encoder.
    window
        Function that returns how many recordings may be pending at a time.
    done
        Positions of the finished recordings.
    progress
        Called with the number of recordings done and their total.

    Raises
    ------
    ConversionStateError
        If a recording changes during the conversion, the workers are lost or the journal cannot be written.
    SpikebenchError
        If a worker has other versions of the software.
    """
    total = len(job.names.clips)
    count = len(done)
    progress(count, total)
    pending: dict[Future[EncodedClip], int] = {}
    for position in [*(i for i in range(total) if i not in done), None]:
        if position is not None:
            try:
                data = _read(job, position)
            except AudioError as error:
                software = job.encoder.software()
                _keep(job, journal, position, EncodedClip((), "", 0, 0, software, str(error)))
                count += 1
                progress(count, total)
                continue
            pending[_submit(executor, data, job.settings)] = position
        while pending and (len(pending) >= _ask(window) or position is None):
            # The timeout lets window() detect that all workers are lost.
            for future in wait(pending, timeout=2.0, return_when=FIRST_COMPLETED).done:
                _keep(job, journal, pending.pop(future), _result(future, job.encoder.software()))
                count += 1
                progress(count, total)


def _ask(window: Callable[[], int]) -> int:
    try:
        return window()
    except BrokenExecutor as error:
        raise workers_lost(error) from None


def _submit(executor: Executor, data: bytes, settings: EncodingSettings) -> Future[EncodedClip]:
    try:
        return executor.submit(encode_clip, data, settings)
    except BrokenExecutor as error:
        raise workers_lost(error) from None


def _result(future: Future[EncodedClip], software: str) -> EncodedClip:
    try:
        encoded = future.result()
    except BrokenExecutor as error:
        raise workers_lost(error) from None
    if encoded.software != software:
        raise SpikebenchError(
            f"a worker has other versions of the software, so its spikes may differ: {encoded.software} there, "
            f"{software} here"
        )
    return encoded


def workers_lost(error: BrokenExecutor) -> ConversionStateError:
    """Describe the loss of the workers of a conversion.

    Parameters
    ----------
    error
        What the executor raised.

    Returns
    -------
    ConversionStateError
        To raise.
    """
    why = (
        str(error)
        if isinstance(error, ExecutorLostError)
        else "a worker process died (killed, or out of memory? fewer --jobs need less memory)"
    )
    if isinstance(error, CallLostError):
        why = f"a recording was {why}"
    return ConversionStateError(
        f"{why}; finished recordings are kept, run the same command again to resume"
    )


def _keep(job: Job, journal: ConversionJournal, position: int, encoded: EncodedClip) -> None:
    """Write one recording into the journal, and report the pieces left out."""
    name = printable(job.names.clips[position].relative)
    first_spike = job.options.time_origin == "first-spike"
    pieces = [
        DonePiece(
            piece.number,
            start=piece.start,
            duration=piece.duration,
            times=piece.times - piece.times[0] if first_spike and piece.times.size else piece.times,
            units=piece.units,
            reason=piece.reason,
            remarks=piece.remarks,
        )
        for piece in encoded.pieces
    ]
    found = (encoded.sha256, encoded.sample_rate, encoded.n_channels, encoded.reason)
    journal.add(DoneClip(position, *found), pieces)
    for one in _left_out(name, encoded.reason, pieces):
        job.notify(f"skipped {one.file}: {one.reason}")


def _left_out(name: str, reason: str, pieces: list[DonePiece]) -> list[Skipped]:
    if reason:
        return [Skipped(name, reason)]
    return [
        Skipped(f"{name}#{piece.number}" if piece.number else name, piece.reason)
        for piece in pieces
        if piece.reason and "rest" not in piece.remarks
    ]


def write_samples(
    job: Job, journal: ConversionJournal, writer: SpikeWriter, skipped: list[Skipped]
) -> float:
    """Write the spike file from the journal, in order.

    Parameters
    ----------
    job
        The conversion.
    journal
        Journal of the finished recordings.
    writer
        Writer of the file.
    skipped
        List to which the recordings and pieces left out are appended.

    Returns
    -------
    float
        Duration of the audio in the file [s].
    """
    seconds = rest = 0.0
    # Numbers of recordings.
    found = dict.fromkeys(("mixed", "resampled", "offset", "clipped", "open", "rest"), 0)
    names = job.names
    for clip in journal.done():
        i, relative = clip.position, names.clips[clip.position].relative
        pieces = list(journal.pieces(clip))
        skipped += _left_out(printable(relative), clip.reason, pieces)
        used = [piece for piece in pieces if not piece.reason]
        for piece in used:
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
        rest += sum(piece.duration for piece in pieces if "rest" in piece.remarks)
        for remark in ("offset", "clipped", "open"):
            found[remark] += any(remark in piece.remarks for piece in used)
        found["rest"] += any("rest" in piece.remarks for piece in pieces)
        found["mixed"] += bool(used) and clip.n_channels > 1
        found["resampled"] += bool(used) and job.encoder.input_rate not in (None, clip.sample_rate)
    for remark, text in (
        ("mixed", "mixed down to one channel"),
        ("resampled", f"resampled to {job.encoder.input_rate} Hz"),
        ("offset", "constant offset removed (--keep-offset keeps it)"),
        ("clipped", "clipped: peaks were cut off in the recording"),
        ("open", "length in the header is 0 or undefined, read to the end of the file"),
        ("rest", f"last pieces shorter than half a segment left out, {rest:.1f} s in total"),
    ):
        if found[remark]:
            noun = "recording" if found[remark] == 1 else "recordings"
            job.notify(f"{text}: {found[remark]} {noun}")
    if found["offset"]:
        writer.annotate({"offsets_removed": found["offset"]})
    return seconds
