"""Recordings: their samples, decoded and mixed down.

A recording is read once: the bytes whose SHA-256 is recorded are the bytes that are decoded.
Each block is mixed down as soon as it is decoded, so that a file which declares a great length or has
many channels needs no more memory than the longest clip allowed.

The content of a file, not its suffix, determines how it is read; :mod:`spikebench.recordings.search` finds the
candidates. A file that is shorter than its header declares is refused.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spikebench.errors import AudioError
from spikebench.recordings.search import Clip, Skipped, find_clips
from spikebench.recordings.stream import AudioStream
from spikebench.recordings.types import READABLE
from spikebench.records.text import os_error_text, printable

__all__ = [
    "SUFFIXES",
    "Clip",
    "Recording",
    "Skipped",
    "decode_segments",
    "find_clips",
    "printable",
    "read_bytes",
    "read_clip",
]

SUFFIXES = READABLE
MAX_FILE_BYTES = 512 * 1024 * 1024
MAX_CHANNELS = 256
SAMPLE_RATES_HZ = (1_000, 1_000_000)
OFFSET_SHARE = (
    0.1  # of the root mean square: a larger offset reduces the level of the sound by over 0.5 %
)
CLIPPED_FROM = 0.99  # of full scale; the largest value of 8 bits is 0.992
CANCELLED_BELOW = 1e-4  # of the loudest sample of any channel: 3 steps of 16 bits at full scale
_BLOCK = 65_536


@dataclass(frozen=True)
class Recording:
    """A clip in memory.

    Attributes
    ----------
    samples
        Mono samples, float64, shape (n,), full scale 1.
    sample_rate
        Sample rate [Hz].
    n_channels
        Number of channels before mixing down.
    sha256
        SHA-256 of the file, hexadecimal.
    start
        Start of the clip in the file [s].
    is_rest
        Whether it is the last piece of a recording that was cut, and shorter than half of the others.
    is_float
        Whether the file contains floating-point samples, which may exceed full scale.
    has_open_length
        Whether the file does not declare the length of its sound, so that it was read to the end of the file.
    """

    samples: NDArray[np.float64]
    sample_rate: int
    n_channels: int
    sha256: str
    start: float = 0.0
    is_rest: bool = False
    is_float: bool = False
    has_open_length: bool = False

    @property
    def duration(self) -> float:
        """Length [s]."""
        return len(self.samples) / self.sample_rate

    def cut(self, start: float, duration: float) -> Recording:
        """Return a piece of the recording.

        Parameters
        ----------
        start, duration
            Start and duration of the piece [s].

        Returns
        -------
        Recording
            The piece.
        """
        first, length = round(start * self.sample_rate), round(duration * self.sample_rate)
        return replace(self, samples=self.samples[first : first + length], start=self.start + start)

    def without_offset(self) -> Recording:
        """Remove a constant offset that would affect the level of the recording.

        Returns
        -------
        Recording
            Itself if the mean is at most :data:`OFFSET_SHARE` of the root mean square, or NaN; else a copy
            whose mean is 0.
        """
        peak = np.abs(self.samples).max()
        if not 0 < peak < np.inf:
            return self
        relative = self.samples / peak  # squares of the unscaled samples may overflow
        if abs(relative.mean()) <= OFFSET_SHARE * np.sqrt(np.square(relative).mean()):
            return self
        centred = self.samples - relative.mean() * peak
        # Rounding errors of a constant are not sound.
        centred[np.abs(centred) <= 1e-12 * peak] = 0.0
        return replace(self, samples=centred)

    @property
    def is_clipped(self) -> bool:
        """Whether at least 1 of 200 samples is at full scale, because peaks were cut off.

        Floating-point samples beyond full scale show that no peaks were cut off.
        """
        magnitudes = np.abs(self.samples)
        if self.is_float and magnitudes.max() > 1:
            return False
        return bool(np.mean(magnitudes >= CLIPPED_FROM) >= 0.005)

    def require_usable(self) -> None:
        """Raise if the samples contain no usable sound.

        Raises
        ------
        AudioError
            If the samples are silent, or any is NaN or infinite.
        """
        if not np.isfinite(self.samples).all():
            raise AudioError("contains NaN or infinite samples")
        if not self.samples.any():
            raise AudioError("silent" if self.n_channels == 1 else "silent after mixing down")


def read_clip(path: Path, max_duration: float = 60.0) -> Recording:
    """Read a recording and mix it down to one channel (the mean over channels).

    Parameters
    ----------
    path
        File of any type that libsndfile reads (WAV, AIFF, FLAC, Ogg, MP3, SPHERE …), of any rate, depth and
        number of channels.
    max_duration
        Longest clip allowed [s].

    Returns
    -------
    Recording
        Its samples and their properties.

    Raises
    ------
    AudioError
        If the file is missing, broken, empty, silent, too long, or contains NaN or infinity. The
        message is the reason only; the caller adds the name of the file.
    """
    (recording,) = decode_segments(read_bytes(path), max_duration)
    recording.require_usable()
    return recording


def read_bytes(path: Path) -> bytes:
    """Read the whole of a file that should contain audio.

    Parameters
    ----------
    path
        Path of a regular file of at most 512 MiB.

    Returns
    -------
    bytes
        Its contents, at least one byte.

    Raises
    ------
    AudioError
        If it is missing, unreadable, empty, too large or not a regular file.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioError("not a regular file")
        if status.st_size == 0:
            raise AudioError("empty file")
        if status.st_size > MAX_FILE_BYTES:
            raise AudioError(f"larger than {MAX_FILE_BYTES // 2**20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise AudioError(_why(error)) from None


def decode_segments(
    data: bytes,
    max_duration: float = 60.0,
    segment: float | None = None,
    sha256: str | None = None,
) -> Iterator[Recording]:
    """Decode a recording, whole or in pieces of equal length, one piece in memory at a time.

    Parameters
    ----------
    data
        Contents of a file of any type that libsndfile reads.
    max_duration
        Longest piece allowed [s].
    segment
        Length of the pieces [s]. A last piece shorter than half of that, unless it is the only one, is
        marked (``is_rest``). By default the recording is one piece.
    sha256
        SHA-256 of the data, hexadecimal, if it is known; by default it is computed.

    Yields
    ------
    Recording
        One piece; it may be silent or contain NaN (:meth:`Recording.require_usable`).

    Raises
    ------
    AudioError
        If the data are broken, cut short, empty or too long; pieces before the fault have been yielded.
    """
    digest = sha256 or hashlib.sha256(data).hexdigest()
    with AudioStream(data) as stream:
        rate, channels = stream.sample_rate, stream.n_channels
        for first, samples, is_rest in _decode(stream, max_duration, segment):
            yield Recording(
                samples,
                sample_rate=rate,
                n_channels=channels,
                sha256=digest,
                start=first / rate,
                is_rest=is_rest,
                is_float=stream.is_float,
                has_open_length=stream.has_open_length,
            )


def _decode(
    stream: AudioStream, max_duration: float, segment: float | None
) -> Iterator[tuple[int, NDArray[np.float64], bool]]:
    """Yield position of the first sample, samples, and whether it is a rest, for each piece."""
    low, high = SAMPLE_RATES_HZ
    rate = stream.sample_rate
    if not low <= rate <= high:
        raise AudioError(f"sample rate of {rate} Hz is outside {low} … {high} Hz")
    if stream.n_channels > MAX_CHANNELS:
        raise AudioError(f"{stream.n_channels} channels; at most {MAX_CHANNELS} are read")
    longest = int(max_duration * rate)
    too_long = f"longer than {max_duration:g} s (--max-duration, or --segment to cut it)"
    # If no number of samples is declared, the length is checked after reading.
    if segment is None and stream.announced is not None and longest < stream.announced:
        raise AudioError(f"{too_long}: {stream.announced / rate:.1f} s")
    piece = longest + 1 if segment is None else max(round(segment * rate), 1)
    length = 0
    while True:
        samples = _read_piece(stream, piece)
        if len(samples) > longest:
            raise AudioError(too_long)
        if len(samples):
            is_rest = segment is not None and length > 0 and 2 * len(samples) < piece
            yield length, samples, is_rest
        length += len(samples)
        if len(samples) < piece:
            break
    if length == 0:
        raise AudioError("empty: no samples")
    stream.require_whole(length)


def _read_piece(stream: AudioStream, length: int) -> NDArray[np.float64]:
    """Read at most ``length`` samples and mix them down, block by block."""
    blocks: list[NDArray[np.float64]] = []
    loudest = 0.0
    while length > 0:
        block = stream.read(min(_BLOCK, length))
        if len(block) == 0:
            break
        length -= len(block)
        blocks.append(block.mean(axis=1))
        loudest = max(loudest, float(np.abs(block).max()))
    mixed = np.concatenate(blocks) if blocks else np.empty(0)
    # Channels that cancel leave rounding errors, which are not sound.
    if stream.n_channels > 1 and mixed.size and np.abs(mixed).max() < CANCELLED_BELOW * loudest:
        mixed[:] = 0.0
    return mixed


def _why(error: OSError) -> str:
    return os_error_text(error)
